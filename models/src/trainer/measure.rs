//! Losses on drawings that no step is taken on.

use inkgrad_engine::{Clock, Team};

use super::batch::{Batch, EVALUATION_SEED, own_batches};
use super::losses::{Losses, Sums};
use super::step::{Stepper, fill, read, schedule};
use super::together;
use crate::Result;
use crate::data::{Ahead, Drawings, Examples, Stored};
use crate::model::Network;
use crate::ranks::{Ranks, agree};

impl Stepper {
    /// The mean losses on the drawings `indices` of `data`.
    ///
    /// The graph is that of training, with scheduled weights as they are in the end, so that a model's noise (a VAE's latents, dropout)
    /// is drawn here too, but from a seed of its own and the number of the batch alone: the same weights give the same losses to the
    /// last bit, whatever was trained before, and losses of two epochs differ by the weights, not by the draw.
    pub fn evaluate(
        &mut self,
        network: &Network<f32>,
        data: &Examples,
        indices: &[usize],
        batch: usize,
        team: &Team,
    ) -> Losses {
        let mut sums = Sums::default();
        for (number, batch) in (0..).zip(indices.chunks(batch)) {
            sums.add(&self.evaluate_batch(network, Batch::of(&data.images, &data.labels, batch), number, team));
        }
        sums.mean()
    }

    /// The same of drawings wherever they are, each rank some of the batches.
    ///
    /// # Errors
    /// If a file of theirs cannot be read.
    pub(super) fn evaluate_stored(
        &mut self,
        network: &Network<f32>,
        data: &Drawings,
        indices: &[usize],
        batch: usize,
        ranks: &dyn Ranks,
        team: &Team,
    ) -> Result<Losses> {
        let (own, first) = own_batches(indices, batch, ranks);
        let own = agree(ranks, self.evaluate_batches(network, data, own, batch, first, team))?;
        Ok(together::mean_of_all(ranks, &own))
    }

    /// The losses on each batch of some drawings, the first of which is the batch `number` of an evaluation.
    fn evaluate_batches(
        &mut self,
        network: &Network<f32>,
        data: &Drawings,
        indices: &[usize],
        batch: usize,
        mut number: u64,
        team: &Team,
    ) -> Result<Vec<Losses>> {
        let mut losses = Vec::with_capacity(indices.len().div_ceil(batch));
        let mut evaluate = |batch: Batch| {
            losses.push(self.evaluate_batch(network, batch, number, team));
            number += 1;
        };
        match &data.images {
            Stored::Memory(images) => {
                indices.chunks(batch).for_each(|indices| evaluate(Batch::of(images, &data.labels, indices)));
            }
            Stored::Files(files) => {
                let rows: Vec<usize> = (0..batch).collect();
                Ahead::new(files).each(indices.chunks(batch).map(<[usize]>::to_vec), |numbers, images| {
                    evaluate(Batch::read(&images, &data.labels, numbers, &rows[..numbers.len()]));
                    Ok(())
                })?;
            }
        }
        Ok(losses)
    }

    /// The losses on one batch of an evaluation.
    fn evaluate_batch(&mut self, network: &Network<f32>, batch: Batch, number: u64, team: &Team) -> Losses {
        let (graph, plan) = self.plan(network, batch.len());
        fill(graph, plan, batch);
        schedule(graph, plan, f64::INFINITY);
        plan.forward(&network.params, team, Clock { seed: EVALUATION_SEED, step: number });
        read(graph, plan, batch.len())
    }
}
