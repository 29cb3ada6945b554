//! Training steps on a GPU or its emulation: data, parameters and moments stay there, and a step is one list of launches
//! that is captured once for each batch size.

use std::collections::HashMap;

use inkgrad_engine::device::Device;
use inkgrad_engine::device::launches::Precision;
use inkgrad_engine::device::plan::{DevicePlan, gather};
use inkgrad_engine::device::state::State;
use inkgrad_engine::optim::Optimizer;
use inkgrad_engine::{Clock, Compile, Error, Result, Tape, Tensor};
use inkgrad_kernels::launch::{self, Buffer, Launch, bytes_of, upload};

use super::step::{EVALUATION_SEED, Losses, Sums};
use crate::data::{PIXELS, Pixels, Split};
use crate::network::{Network, Training, argmax};

/// Which drawings a step is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Those to train on, of which some may be held back.
    Training,
    /// Those to test on.
    Test,
}

/// A network's training on a device.
pub struct DeviceStepper {
    device: Box<dyn launch::Device>,
    state: State,
    update: Vec<Launch>,
    data: HashMap<Part, Data>,
    plans: HashMap<(Part, usize), Planned>,
    graphs: bool,
}

/// A split of the data set on the device.
#[derive(Debug, Clone, Copy)]
struct Data {
    images: Buffer,
    bytes: bool,
    /// `f32`, one a drawing.
    labels: Buffer,
}

/// The plan of one batch size.
struct Planned {
    graph: Training,
    plan: DevicePlan,
    /// Which drawings, `u32`.
    index: Buffer,
    /// Gathering, forward, backward and update; and the first two alone. Each has a number on the device.
    step: Vec<Launch>,
    forward: Vec<Launch>,
    number: u64,
}

impl DeviceStepper {
    /// Copies parameters and moments to `device`; `None` if it is the processor.
    ///
    /// # Errors
    /// Why the device cannot be used, or that it has too little memory.
    pub fn open(
        device: Device,
        precision: Precision,
        network: &Network<f32>,
        optimizer: &Optimizer<f32>,
    ) -> Result<Option<Self>> {
        let Some(mut device) = device.open(precision)? else { return Ok(None) };
        let state = State::new(&mut *device, &network.params, optimizer)?.with_precision(precision);
        let (rule, clip_norm) = optimizer.settings();
        let update = state.update(rule, clip_norm);
        Ok(Some(DeviceStepper { device, state, update, data: HashMap::new(), plans: HashMap::new(), graphs: true }))
    }

    /// The same launching kernel by kernel, no step as one graph: for comparison.
    pub fn without_graphs(self) -> Self {
        DeviceStepper { graphs: false, ..self }
    }

    /// Copies a part of the data set to the device.
    ///
    /// # Errors
    /// If the device has too little memory.
    pub fn upload(&mut self, part: Part, split: &Split) -> Result<()> {
        let device = &mut *self.device;
        let (address, len, bytes) = match split.images.pixels() {
            Pixels::U8(pixels) => (upload(device, pixels)?, pixels.len(), true),
            Pixels::F32(pixels) => (upload(device, pixels)?, 4 * pixels.len(), false),
        };
        let labels: Vec<f32> = split.labels.iter().map(|&label| label as f32).collect();
        let labels = Buffer::read(upload(device, &labels)?, 4 * labels.len() as u64);
        self.data.insert(part, Data { images: Buffer::read(address, len as u64), bytes, labels });
        Ok(())
    }

    /// The plan for `batch` drawings of a part.
    fn plan(&mut self, network: &Network<f32>, part: Part, batch: usize) -> Result<()> {
        if self.plans.contains_key(&(part, batch)) {
            return Ok(());
        }
        let data = self.data[&part];
        let mut tape = Tape::new();
        let graph = network.training(&mut tape, batch).expect("a network fits its own shapes");
        let options = Compile { loss: Some(graph.loss), keep: &graph.reported(), ..Compile::default() };
        let plan = DevicePlan::new(tape, options, &network.params, &self.state, &mut *self.device)?;
        let bytes = 4 * batch as u64;
        let index = Buffer::read(self.device.alloc(bytes)?, bytes);
        let mut forward = vec![gather(data.images, data.bytes, index, plan.input(graph.images), PIXELS)];
        if let Some(labels) = graph.labels {
            forward.push(gather(data.labels, false, index, plan.input(labels), 1));
        }
        forward.extend_from_slice(&plan.forward);
        let step = [&forward, &plan.backward, &self.update].into_iter().flatten().cloned().collect();
        let number = 2 * self.plans.len() as u64;
        self.plans.insert((part, batch), Planned { graph, plan, index, step, forward, number });
        Ok(())
    }

    /// Trains on the drawings `batch` and returns their losses before the update.
    ///
    /// # Errors
    /// If the loss is not finite, or the device failed.
    pub fn step(
        &mut self,
        network: &Network<f32>,
        optimizer: &mut Optimizer<f32>,
        batch: &[usize],
        clock: Clock,
        lr: f64,
    ) -> Result<Losses> {
        self.plan(network, Part::Training, batch.len())?;
        optimizer.step += 1;
        self.state.begin(&mut *self.device, clock, lr, optimizer.step)?;
        let planned = &self.plans[&(Part::Training, batch.len())];
        planned.choose(&mut *self.device, batch)?;
        launch(&mut *self.device, self.graphs, planned.number, &planned.step)?;
        let losses = planned.read(&mut *self.device, batch.len())?;
        match losses.loss.is_finite() {
            true => Ok(losses),
            false => Err(Error::NotFinite { op: "loss".to_owned(), node: planned.graph.loss.index() }),
        }
    }

    /// The mean losses on the drawings `indices` of a part, as [`Stepper::evaluate`](super::Stepper::evaluate).
    ///
    /// # Errors
    /// If the device failed.
    pub fn evaluate(&mut self, network: &Network<f32>, part: Part, indices: &[usize], batch: usize) -> Result<Losses> {
        let mut sums = Sums::default();
        for (i, batch) in indices.chunks(batch).enumerate() {
            self.plan(network, part, batch.len())?;
            let clock = Clock { seed: EVALUATION_SEED, step: i as u64 };
            self.state.begin(&mut *self.device, clock, 0.0, 1)?;
            let planned = &self.plans[&(part, batch.len())];
            planned.choose(&mut *self.device, batch)?;
            launch(&mut *self.device, self.graphs, planned.number + 1, &planned.forward)?;
            sums.add(&planned.read(&mut *self.device, batch.len())?);
        }
        Ok(sums.mean())
    }

    /// Copies parameters and moments from the device.
    ///
    /// # Errors
    /// If the device failed.
    pub fn download(&mut self, network: &mut Network<f32>, optimizer: &mut Optimizer<f32>) -> Result<()> {
        Ok(self.state.download(&mut *self.device, &mut network.params, optimizer)?)
    }
}

/// Launches a list, as one graph or kernel by kernel.
fn launch(device: &mut dyn launch::Device, graph: bool, number: u64, list: &[Launch]) -> Result<()> {
    match graph {
        true => Ok(device.replay(number, list)?),
        false => Ok(list.iter().try_for_each(|launch| device.launch(launch))?),
    }
}

impl Planned {
    /// Names the drawings of the next run.
    fn choose(&self, device: &mut dyn launch::Device, batch: &[usize]) -> Result<()> {
        let index: Vec<u32> = batch.iter().map(|&i| i as u32).collect();
        Ok(device.write(self.index.address, bytes_of(&index))?)
    }

    fn read(&self, device: &mut dyn launch::Device, drawings: usize) -> Result<Losses> {
        let graph = &self.graph;
        let mut scalar = |x: Tensor| -> Result<f64> { Ok(f64::from(self.plan.read(device, x)?[0]) / graph.per) };
        let loss = scalar(graph.loss)?;
        let [bce, kl, mse] = [graph.bce, graph.kl, graph.mse].map(|x| x.map(&mut scalar).transpose());
        let (bce, kl, mse) = (bce?, kl?, mse?);
        let accuracy = match graph.logits.zip(graph.labels) {
            None => None,
            Some((logits, labels)) => {
                let (logits, labels) = (self.plan.read(device, logits)?, self.plan.read(device, labels)?);
                let rows = logits.chunks_exact(logits.len() / drawings).zip(&labels);
                Some(rows.filter(|&(row, &label)| argmax(row) == label as usize).count() as f64 / drawings as f64)
            }
        };
        Ok(Losses { loss, bce, kl, mse, accuracy, drawings })
    }
}
