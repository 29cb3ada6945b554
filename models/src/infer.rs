//! Using a trained network: coding, decoding and reconstructing any number of drawings.

use std::collections::HashMap;

use inkgrad_engine::{Clock, Compile, Plan, Pool, Tape};

use crate::data::{Images, PIXELS};
use crate::network::{Decoding, Encoding, Network};
use crate::{Error, Result};

/// Drawings that go through a network at a time.
const BATCH: usize = 128;

/// A network ready for use, with the plans that it has needed so far.
#[derive(Debug)]
pub struct Inference {
    network: Network<f32>,
    pool: Pool,
    encoders: HashMap<usize, (Encoding, Plan<f32>)>,
    decoders: HashMap<usize, (Decoding, Plan<f32>)>,
}

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

impl Inference {
    /// Takes a network and starts `threads` threads.
    pub fn new(network: Network<f32>, threads: usize) -> Self {
        Inference { network, pool: Pool::new(threads), encoders: HashMap::new(), decoders: HashMap::new() }
    }

    /// The network.
    pub fn network(&self) -> &Network<f32> {
        &self.network
    }

    /// Codes drawings.
    ///
    /// # Errors
    /// If the network has no encoder.
    pub fn encode(&mut self, images: &Images) -> Result<Latents> {
        let width = self.network.latent();
        let mut latents = Latents { width, mu: Vec::with_capacity(images.len() * width), logvar: None };
        for first in (0..images.len()).step_by(BATCH) {
            let batch: Vec<usize> = (first..images.len().min(first + BATCH)).collect();
            if !self.encoders.contains_key(&batch.len()) {
                let mut tape = Tape::new();
                let graph = self.network.encoding(&mut tape, batch.len())?;
                let keep: Vec<_> = [graph.mu].into_iter().chain(graph.logvar).collect();
                let plan = tape.compile(Compile { keep: &keep, ..Compile::default() });
                self.encoders.insert(batch.len(), (graph, plan));
            }
            let (graph, plan) = self.encoders.get_mut(&batch.len()).expect("inserted above");
            images.gather(&batch, plan.input(graph.images));
            let params = &self.network.params;
            self.pool.enter(|team| plan.forward(params, team, Clock::default()));
            latents.mu.extend_from_slice(plan.value(graph.mu));
            if let Some(logvar) = graph.logvar {
                latents.logvar.get_or_insert_default().extend_from_slice(plan.value(logvar));
            }
        }
        Ok(latents)
    }

    /// Draws what latents stand for: `(N, 28, 28)` in [0, 1].
    ///
    /// # Errors
    /// If the number of elements is not a multiple of the latent's, or labels are missing, too many or too few.
    pub fn decode(&mut self, latents: &[f32], labels: Option<&[usize]>) -> Result<Vec<f32>> {
        let width = self.network.latent();
        let n = latents.len() / width;
        if n * width != latents.len() {
            return Err(Error::input("latents", format!("{} numbers, expected rows of {width}", latents.len())));
        }
        if self.network.sees_classes() != labels.is_some() || labels.is_some_and(|labels| labels.len() != n) {
            let expected = if self.network.sees_classes() { format!("{n}") } else { "none".to_owned() };
            let found = labels.map_or("none".to_owned(), |labels| labels.len().to_string());
            return Err(Error::input("labels", format!("{found} for {n} latents, expected {expected}")));
        }
        let mut images = Vec::with_capacity(n * PIXELS);
        for first in (0..n).step_by(BATCH) {
            let count = BATCH.min(n - first);
            if !self.decoders.contains_key(&count) {
                let mut tape = Tape::new();
                let graph = self.network.decoding(&mut tape, count)?;
                let plan = tape.compile(Compile { keep: &[graph.images], ..Compile::default() });
                self.decoders.insert(count, (graph, plan));
            }
            let (graph, plan) = self.decoders.get_mut(&count).expect("inserted above");
            plan.input(graph.latents).copy_from_slice(&latents[first * width..][..count * width]);
            if let (Some(input), Some(labels)) = (graph.labels, labels) {
                let labels = &labels[first..first + count];
                plan.input(input).iter_mut().zip(labels).for_each(|(value, &label)| *value = label as f32);
            }
            let params = &self.network.params;
            self.pool.enter(|team| plan.forward(params, team, Clock::default()));
            images.extend_from_slice(plan.value(graph.images));
        }
        Ok(images)
    }

    /// Codes and decodes drawings, without noise (z = μ): `(N, 28, 28)` in [0, 1].
    ///
    /// # Errors
    /// Those of [`Inference::encode`] and [`Inference::decode`].
    pub fn reconstruct(&mut self, images: &Images, labels: Option<&[usize]>) -> Result<Vec<f32>> {
        let latents = self.encode(images)?;
        self.decode(&latents.mu, labels)
    }
}
