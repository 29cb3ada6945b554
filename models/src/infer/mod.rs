//! Using a trained network: coding, decoding, reconstructing and classifying any number of drawings.
//!
//! ```
//! use inkgrad_models::infer::Inference;
//! use inkgrad_models::{data::builtin, prelude::*, sample};
//!
//! let models = Models::builtin();
//! let mut network = models.build(&models.defaults("cnn-vae")?)?;
//! network.initialise(42);
//! let mut inference = Inference::new(network, 1);
//! let drawings = builtin(10, 1)?.test.images;
//! let latents = inference.encode(&drawings, None)?; // (N, 32), means and log-variances
//! assert_eq!(latents.mu.len(), drawings.len() * latents.width);
//! let samples = inference.decode(&sample::prior(3, latents.width, 7), None)?; // (3, 28, 28)
//! assert_eq!(samples.len(), 3 * 784);
//! # Ok::<(), Error>(())
//! ```

use std::collections::HashMap;

use inkgrad_engine::{Tape, Tensor};

use self::machine::{Compiled, Machine};
use crate::activations::{Activations, Features};
use crate::data::Images;
use crate::model::config::DeviceKind;
use crate::model::{Classification, Decoding, Encoding, Network};
use crate::{Error, Result, memory};

mod among;
pub(crate) mod machine;

/// Drawings that go through a network at a time: as many as are dealt out together among ranks, or a divisor of that.
const BATCH: usize = 128;

/// A network ready for use, with the plans that it has needed so far.
#[derive(Debug)]
pub struct Inference {
    network: Network<f32>,
    machine: Machine,
    encoders: Plans<Encoding>,
    decoders: Plans<Decoding>,
    classifiers: Plans<Classification>,
}

/// A graph and its plan for each batch size met.
type Plans<G> = HashMap<usize, (G, Compiled)>;

/// Latents of drawings.
#[derive(Debug, Clone, PartialEq)]
pub struct Latents {
    /// Elements of one.
    pub width: usize,
    /// `(N, width)`: the latents, or their means.
    pub mu: Vec<f32>,
    /// `(N, width)`: the log-variances, for a variational encoder.
    pub logvar: Option<Vec<f32>>,
}

impl Latents {
    /// The standard deviations, `(N, width)`, for a variational encoder.
    pub fn spread(&self) -> Option<Vec<f32>> {
        self.logvar.as_ref().map(|logvar| logvar.iter().map(|v| (0.5 * v).exp()).collect())
    }
}

impl Inference {
    /// Takes a network and starts `threads` threads.
    pub fn new(network: Network<f32>, threads: usize) -> Self {
        Inference {
            network,
            machine: Machine::new(threads),
            encoders: HashMap::new(),
            decoders: HashMap::new(),
            classifiers: HashMap::new(),
        }
    }

    /// The same network on a device, to which its parameters are copied: its results are the processor's but for rounding.
    ///
    /// # Errors
    /// [`Error::Input`] if the device cannot be used or has too little memory. That one of the network's operations has no kernels
    /// for it, the first use says.
    ///
    /// ```
    /// use inkgrad_models::infer::Inference;
    /// use inkgrad_models::model::config::DeviceKind;
    /// use inkgrad_models::{prelude::*, sample};
    ///
    /// let models = Models::builtin();
    /// let mut network = models.build(&models.defaults("cnn-ae")?)?;
    /// network.initialise(42);
    /// let z = sample::prior(1, network.latent()?, 7);
    /// let here = Inference::new(network.clone(), 1).decode(&z, None)?;
    /// let there = Inference::new(network, 1).on(DeviceKind::Emulated)?.decode(&z, None)?;
    /// assert!(here.iter().zip(&there).all(|(a, b)| (a - b).abs() < 1e-5));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn on(self, device: DeviceKind) -> Result<Self> {
        let machine = self.machine.on(device, &self.network.params)?;
        let (encoders, decoders, classifiers) = (HashMap::new(), HashMap::new(), HashMap::new());
        Ok(Inference { network: self.network, machine, encoders, decoders, classifiers })
    }

    /// The device that computes.
    pub fn device(&self) -> DeviceKind {
        self.machine.kind()
    }

    /// The network.
    pub fn network(&self) -> &Network<f32> {
        &self.network
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        self.machine.pool.threads()
    }

    /// Codes drawings; `labels` are for an encoder that sees classes.
    ///
    /// # Errors
    /// If the network has no encoder, or labels are missing, too many, too few or out of range.
    pub fn encode(&mut self, images: &Images, labels: Option<&[usize]>) -> Result<Latents> {
        let width = self.network.latent()?;
        self.check_extents(images)?;
        self.check_labels(labels, images.len(), "drawings", self.network.encoder_sees_classes())?;
        let mut latents = Latents { width, mu: Vec::with_capacity(images.len() * width), logvar: None };
        for batch in batches(images.len()) {
            let (network, machine) = (&self.network, &mut self.machine);
            let (graph, plan) = compiled(&mut self.encoders, machine, network, batch.len(), |tape| {
                let graph = network.encoding(tape, batch.len())?;
                Ok((graph, [graph.mu].into_iter().chain(graph.logvar).collect()))
            })?;
            machine.fill(plan, graph.images, |_, pixels| images.gather(&batch, pixels))?;
            fill_labels(machine, plan, graph.labels, labels, batch[0])?;
            machine.forward(plan, &network.params)?;
            machine.read(plan, graph.mu, &mut latents.mu)?;
            if let Some(logvar) = graph.logvar {
                machine.read(plan, logvar, latents.logvar.get_or_insert_default())?;
            }
        }
        Ok(latents)
    }

    /// The Gaussians of a prior that is learnt, a row each; `None` where the prior is N(0, I), or there is none.
    ///
    /// # Errors
    /// [`Error::Input`] where one of their numbers is not finite.
    pub fn prior(&mut self) -> Result<Option<Latents>> {
        let mut tape = Tape::new();
        let Some(graph) = self.network.prior(&mut tape)? else { return Ok(None) };
        let (params, machine) = (&self.network.params, &mut self.machine);
        let mut plan = machine.compile(tape, &[graph.mu, graph.logvar], params)?;
        machine.forward(&mut plan, params)?;
        let (mut mu, mut logvar) = (Vec::new(), Vec::new());
        machine.read(&plan, graph.mu, &mut mu)?;
        machine.read(&plan, graph.logvar, &mut logvar)?;
        if let Some(i) = mu.iter().chain(&logvar).position(|number| !number.is_finite()) {
            let component = i % mu.len() / self.network.latent()?;
            return Err(Error::input("model", format!("component {component} of the prior is not finite")));
        }
        Ok(Some(Latents { width: self.network.latent()?, mu, logvar: Some(logvar) }))
    }

    /// Draws what latents stand for: `(N, height, width, channels)` in [0, 1]; `labels` are for a decoder that sees classes.
    ///
    /// # Errors
    /// If the network has no decoder, the number of elements is not a multiple of the latent's, or labels are missing,
    /// too many, too few or out of range.
    pub fn decode(&mut self, latents: &[f32], labels: Option<&[usize]>) -> Result<Vec<f32>> {
        let width = self.network.latent()?;
        let n = latents.len() / width;
        if n * width != latents.len() {
            return Err(Error::input("latents", format!("{} numbers, expected rows of {width}", latents.len())));
        }
        self.check_labels(labels, n, "latents", self.network.sees_classes())?;
        let values = n * self.network.image().len();
        memory::check((values * size_of::<f32>()) as u64, format_args!("{n} drawings"))?;
        let mut images = Vec::with_capacity(values);
        for batch in batches(n) {
            let (network, machine) = (&self.network, &mut self.machine);
            let (graph, plan) = compiled(&mut self.decoders, machine, network, batch.len(), |tape| {
                let graph = network.decoding(tape, batch.len())?;
                Ok((graph, vec![graph.images]))
            })?;
            let rows = &latents[batch[0] * width..][..batch.len() * width];
            machine.fill(plan, graph.latents, |_, values| values.copy_from_slice(rows))?;
            fill_labels(machine, plan, graph.labels, labels, batch[0])?;
            machine.forward(plan, &network.params)?;
            machine.read(plan, graph.images, &mut images)?;
        }
        // Of use to the decoder that has no last activation.
        images.iter_mut().for_each(|pixel| *pixel = pixel.clamp(0.0, 1.0));
        Ok(images)
    }

    /// Codes and decodes drawings, without noise (z = μ): `(N, height, width, channels)` in [0, 1]; `labels` are for a network that sees
    /// classes.
    ///
    /// # Errors
    /// Those of [`Inference::encode`] and [`Inference::decode`].
    pub fn reconstruct(&mut self, images: &Images, labels: Option<&[usize]>) -> Result<Vec<f32>> {
        self.check_labels(labels, images.len(), "drawings", self.network.sees_classes())?;
        let latents = self.encode(images, labels.filter(|_| self.network.encoder_sees_classes()))?;
        self.decode(&latents.mu, labels)
    }

    /// The last hidden layer and the logits of drawings.
    ///
    /// # Errors
    /// If the network is no classifier.
    pub fn features(&mut self, images: &Images) -> Result<Activations> {
        let mut features = Activations { width: self.network.features()?, values: Vec::new(), logits: Vec::new() };
        self.check_extents(images)?;
        for batch in batches(images.len()) {
            let (network, machine) = (&self.network, &mut self.machine);
            let (graph, plan) = compiled(&mut self.classifiers, machine, network, batch.len(), |tape| {
                let graph = network.classification(tape, batch.len())?;
                Ok((graph, vec![graph.features, graph.logits]))
            })?;
            machine.fill(plan, graph.images, |_, pixels| images.gather(&batch, pixels))?;
            machine.forward(plan, &network.params)?;
            machine.read(plan, graph.features, &mut features.values)?;
            machine.read(plan, graph.logits, &mut features.logits)?;
        }
        Ok(features)
    }

    /// The same, with the logits' bias apart.
    ///
    /// # Errors
    /// If the network is no classifier.
    pub fn unbiased_features(&mut self, images: &Images) -> Result<Features> {
        let Activations { width, values, logits: mut unbiased } = self.features(images)?;
        // A classifier's last parameter, if it has one number a class.
        let (params, classes) = (&self.network.params, self.network.classes());
        let bias = params.iter().last().filter(|bias| bias.shape.dims() == [classes]);
        let bias = bias.map_or_else(|| vec![0.0; classes], |bias| params.value(bias).to_vec());
        for row in unbiased.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(&bias).for_each(|(logit, bias)| *logit -= bias);
        }
        Ok(Features { width, values, unbiased, bias })
    }

    /// The probability of each class for drawings: `(N, classes)`, rows that add up to 1.
    ///
    /// # Errors
    /// If the network is no classifier.
    pub fn classify(&mut self, images: &Images) -> Result<Vec<f32>> {
        let mut probabilities = self.features(images)?.logits;
        probabilities.chunks_exact_mut(self.network.classes()).for_each(softmax);
        Ok(probabilities)
    }

    /// Checks that pictures have the extents that the network is for.
    fn check_extents(&self, images: &Images) -> Result<()> {
        match images.extents() == self.network.image() {
            true => Ok(()),
            false => {
                let (found, expected) = (images.extents(), self.network.image());
                Err(Error::input("images", format!("pictures of {found}, expected {expected} as in training")))
            }
        }
    }

    /// Checks the labels given for `n` of `what`.
    fn check_labels(&self, labels: Option<&[usize]>, n: usize, what: &str, wanted: bool) -> Result<()> {
        let classes = self.network.classes();
        match labels {
            None if wanted => Err(Error::input("labels", format!("none for {n} {what}, expected {n}"))),
            Some(labels) if !wanted => {
                Err(Error::input("labels", format!("{} for {n} {what}, expected none", labels.len())))
            }
            Some(labels) if labels.len() != n => {
                Err(Error::input("labels", format!("{} for {n} {what}, expected {n}", labels.len())))
            }
            Some(labels) => match labels.iter().position(|&label| label >= classes) {
                Some(i) => Err(Error::input("labels", format!("{} at {i}, expected 0 to {}", labels[i], classes - 1))),
                None => Ok(()),
            },
            None => Ok(()),
        }
    }
}

/// The indices below `n`, up to [`BATCH`] at a time.
fn batches(n: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..n).step_by(BATCH).map(move |first| (first..n.min(first + BATCH)).collect())
}

/// The plan for `batch` drawings; `record` records the graph and says which values to keep.
fn compiled<'p, G>(
    plans: &'p mut Plans<G>,
    machine: &mut Machine,
    network: &Network<f32>,
    batch: usize,
    record: impl FnOnce(&mut Tape<f32>) -> Result<(G, Vec<Tensor>)>,
) -> Result<&'p mut (G, Compiled)> {
    use std::collections::hash_map::Entry;
    match plans.entry(batch) {
        Entry::Occupied(entry) => Ok(entry.into_mut()),
        Entry::Vacant(entry) => {
            let mut tape = Tape::new();
            let (graph, keep) = record(&mut tape)?;
            Ok(entry.insert((graph, machine.compile(tape, &keep, &network.params)?)))
        }
    }
}

/// Fills in the labels from `first` on, for a graph that has them.
fn fill_labels(
    machine: &mut Machine,
    plan: &mut Compiled,
    input: Option<Tensor>,
    labels: Option<&[usize]>,
    first: usize,
) -> Result<()> {
    let (Some(input), Some(labels)) = (input, labels) else { return Ok(()) };
    machine.fill(plan, input, |_, values| {
        values.iter_mut().zip(&labels[first..]).for_each(|(value, &label)| *value = label as f32);
    })
}

/// Turns logits into probabilities: e^(x − max) over their sum.
fn softmax(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    row.iter_mut().for_each(|x| *x = (*x - largest).exp());
    let sum: f32 = row.iter().sum();
    row.iter_mut().for_each(|x| *x /= sum);
}
