//! One training step: forward, backward, update, and reading the loss.

use std::collections::HashMap;
use std::ops::Range;

use inkgrad_engine::inspect::Role;
use inkgrad_engine::optim::{Accumulator, Optimizer};
use inkgrad_engine::{Clock, Compile, Plan, Result, Tape, Team};

use crate::data::augment::Augmentation;
use crate::data::{Ahead, Drawings, Examples, Images, Stored};
use crate::model::{MAX_TERMS, Network, Term, Training};
use crate::run::config::Config;

/// The loss and the terms of some drawings, each the mean over them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Losses {
    /// The loss that is minimised.
    pub loss: f64,
    /// The terms reported beside it, in the order of [`Network::terms`]; those that the model does not have are 0.
    pub terms: [f64; MAX_TERMS],
    /// How many drawings.
    pub drawings: usize,
}

/// Losses added up, weighted by their numbers of drawings.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    /// Every field a sum.
    pub total: Losses,
}

impl Sums {
    /// Adds the losses of one batch.
    pub fn add(&mut self, losses: &Losses) {
        let n = losses.drawings as f64;
        self.total.loss += losses.loss * n;
        self.total.terms.iter_mut().zip(losses.terms).for_each(|(sum, value)| *sum += value * n);
        self.total.drawings += losses.drawings;
    }

    /// The means over all drawings.
    pub fn mean(&self) -> Losses {
        let n = self.total.drawings.max(1) as f64;
        Losses { loss: self.total.loss / n, terms: self.total.terms.map(|sum| sum / n), drawings: self.total.drawings }
    }
}

/// The drawings of a step.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a> {
    images: &'a Images,
    /// Where they are among these images.
    rows: &'a [usize],
    /// Their numbers in the data, by which they have their labels and are changed.
    numbers: &'a [usize],
    /// The labels of the data.
    labels: &'a [usize],
}

impl<'a> Batch<'a> {
    /// Some of those in memory.
    pub(super) fn of(images: &'a Images, labels: &'a [usize], numbers: &'a [usize]) -> Self {
        Batch { images, rows: numbers, numbers, labels }
    }

    /// Images that were read for this step, which are all of these, in `rows` from 0 on.
    pub(super) fn read(images: &'a Images, labels: &'a [usize], numbers: &'a [usize], rows: &'a [usize]) -> Self {
        Batch { images, rows, numbers, labels }
    }

    fn len(&self) -> usize {
        self.rows.len()
    }

    /// Some of them.
    fn part(self, range: Range<usize>) -> Self {
        Batch { rows: &self.rows[range.clone()], numbers: &self.numbers[range], ..self }
    }
}

/// The plans of the batch sizes met so far.
#[derive(Debug, Default)]
pub struct Stepper {
    plans: HashMap<usize, (Training, Plan<f32>)>,
    /// The batch size whose plan has the memory; they take turns.
    current: Option<usize>,
    /// Keeps every value and gradient of each plan.
    pub debug: bool,
    /// Steps of a pass over the drawings, by which weights that change find their values; without it they are as in the end.
    pub steps_per_epoch: Option<f64>,
    /// Parts of a step's drawings whose gradients are computed one after the other; 0 and 1 are the whole at once.
    pub accumulate: usize,
    /// Beginnings of the names of parameters that no step moves, which are frozen in the network too: gradients that only they
    /// would need are left out.
    pub frozen: Vec<String>,
    sum: Accumulator<f32>,
    /// [`Training::statistics`] of a step, summed over its parts.
    statistics: Vec<Vec<f32>>,
    /// The divisor of the loss of so many drawings, see [`Term::per`].
    per: HashMap<usize, f64>,
    /// How the drawings of the next step are changed, where they are, and the pass that it belongs to.
    pub augmentation: Option<(Augmentation, u64)>,
}

impl Stepper {
    /// One that takes steps as a configuration has them.
    pub fn for_run(config: &Config) -> Self {
        Stepper { accumulate: config.accumulate, frozen: config.freeze.0.clone(), ..Self::default() }
    }

    fn plan(&mut self, network: &Network<f32>, batch: usize) -> &mut (Training, Plan<f32>) {
        let (debug, frozen) = (self.debug, &self.frozen);
        let entry = self.plans.entry(batch);
        entry.or_insert_with(|| {
            let mut tape = Tape::new();
            let graph = network.step(&mut tape, batch).expect("a network fits its own shapes");
            let begins =
                |role: Role, prefix: &str| matches!(role, Role::Param(param) if param.name.starts_with(prefix));
            let is_met = |prefix: &str| tape.tensors().any(|x| begins(tape.node(x).role, prefix));
            let frozen: Vec<&str> = frozen.iter().map(String::as_str).filter(|prefix| is_met(prefix)).collect();
            let plan =
                tape.compile(Compile { loss: Some(graph.loss.tensor), keep: &graph.kept(), frozen: &frozen, debug });
            (graph, plan)
        });
        if let Some(previous) = self.current.replace(batch).filter(|&previous| previous != batch)
            && let [Some((_, plan)), Some((_, other))] = self.plans.get_disjoint_mut([&batch, &previous])
        {
            plan.take_memory(other);
        }
        self.plans.get_mut(&batch).expect("inserted above")
    }

    /// The plan of a step on `batch` drawings: its operations, memory and times.
    pub fn compiled(&mut self, network: &Network<f32>, batch: usize) -> &mut Plan<f32> {
        &mut self.plan(network, batch).1
    }

    /// Trains on the drawings `batch` of `data` and returns their losses before the update.
    ///
    /// # Errors
    /// If the loss is NaN or infinite; the parameters are not moved then, and the error names the first operation whose
    /// output is not finite.
    #[allow(clippy::too_many_arguments)]
    pub fn step(
        &mut self,
        network: &mut Network<f32>,
        optimizer: &mut Optimizer<f32>,
        data: &Examples,
        batch: &[usize],
        clock: Clock,
        lr: f64,
        team: &Team,
    ) -> Result<Losses> {
        self.step_on(network, optimizer, Batch::of(&data.images, &data.labels, batch), clock, lr, team)
    }

    /// The same of drawings that were read for it, or are in memory.
    pub(super) fn step_on(
        &mut self,
        network: &mut Network<f32>,
        optimizer: &mut Optimizer<f32>,
        batch: Batch,
        clock: Clock,
        lr: f64,
        team: &Team,
    ) -> Result<Losses> {
        let epoch = epoch(self.steps_per_epoch, clock.step);
        let parts = self.accumulate.min(batch.len());
        self.statistics.clear();
        let losses = match parts {
            0 | 1 => self.gradient(network, batch, clock, epoch, team)?.0,
            _ => self.gradient_in(parts, network, batch, clock, epoch, team)?,
        };
        optimizer.update(&mut network.params, team, lr);
        if !self.statistics.is_empty() {
            let statistics: Vec<&[f32]> = self.statistics.iter().map(Vec::as_slice).collect();
            network.track(&statistics);
        }
        Ok(losses)
    }

    /// Computes the gradient of the loss of the drawings `batch`; gives the losses, and the divisor of the one that is
    /// differentiated.
    fn gradient(
        &mut self,
        network: &mut Network<f32>,
        batch: Batch,
        clock: Clock,
        epoch: f64,
        team: &Team,
    ) -> Result<(Losses, f64)> {
        let augmentation = self.augmentation;
        let (graph, plan) = self.plan(network, batch.len());
        fill(graph, plan, batch);
        if let Some((augmentation, pass)) = augmentation {
            augmentation.change_all(batch.images.extents(), pass, batch.numbers, plan.input(graph.images), team);
        }
        schedule(graph, plan, epoch);
        plan.forward(&network.params, team, clock);
        let losses = read(graph, plan, batch.len());
        if !losses.loss.is_finite() {
            plan.forward_checked(&network.params, team, clock)?;
        }
        plan.backward(&mut network.params, team);
        let per = graph.loss.per;
        let found: Vec<Vec<f32>> = graph.statistics.iter().map(|&x| plan.value(x).to_vec()).collect();
        self.statistics.resize_with(found.len(), Vec::new);
        for (sum, found) in self.statistics.iter_mut().zip(found) {
            sum.resize(found.len(), 0.0);
            sum.iter_mut().zip(found).for_each(|(sum, found)| *sum += found);
        }
        Ok((losses, per))
    }

    /// The same from `parts` of them, as even as can be, one after the other. With B drawings in all and Bₖ in part k, whose loss
    /// is Lₖ/perₖ a drawing, the loss is per·Σₖ Bₖ/B · Lₖ/perₖ: that of all of them at once, where drawings do not see each other.
    /// Each part has noise of its own.
    fn gradient_in(
        &mut self,
        parts: usize,
        network: &mut Network<f32>,
        batch: Batch,
        clock: Clock,
        epoch: f64,
        team: &Team,
    ) -> Result<Losses> {
        let n = batch.len();
        let per = *self
            .per
            .entry(n)
            .or_insert_with(|| network.step(&mut Tape::new(), n).expect("a network fits its own shapes").loss.per);
        let mut sums = Sums::default();
        for part in 0..parts {
            let batch = batch.part(part * n / parts..(part + 1) * n / parts);
            let clock = Clock { step: clock.step.wrapping_mul(self.accumulate as u64) + part as u64, ..clock };
            match self.gradient(network, batch, clock, epoch, team) {
                Ok((losses, of_part)) => {
                    sums.add(&losses);
                    let scale = per * batch.len() as f64 / (n as f64 * of_part);
                    self.sum.take(&mut network.params, scale, team);
                }
                Err(error) => {
                    self.sum.discard();
                    return Err(error);
                }
            }
        }
        self.sum.give(&mut network.params, team);
        Ok(sums.mean())
    }

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
        self.evaluate_in_memory(network, (&data.images, &data.labels), indices, batch, team)
    }

    fn evaluate_in_memory(
        &mut self,
        network: &Network<f32>,
        (images, labels): (&Images, &[usize]),
        indices: &[usize],
        batch: usize,
        team: &Team,
    ) -> Losses {
        let mut sums = Sums::default();
        for (number, batch) in (0..).zip(indices.chunks(batch)) {
            self.evaluate_batch(network, Batch::of(images, labels, batch), number, team, &mut sums);
        }
        sums.mean()
    }

    /// The same of drawings wherever they are.
    ///
    /// # Errors
    /// If a file of theirs cannot be read.
    pub(super) fn evaluate_stored(
        &mut self,
        network: &Network<f32>,
        data: &Drawings,
        indices: &[usize],
        batch: usize,
        team: &Team,
    ) -> crate::Result<Losses> {
        let files = match &data.images {
            Stored::Memory(images) => {
                return Ok(self.evaluate_in_memory(network, (images, &data.labels), indices, batch, team));
            }
            Stored::Files(files) => files,
        };
        let (mut sums, mut number) = (Sums::default(), 0);
        let rows: Vec<usize> = (0..batch).collect();
        Ahead::new(files).each(indices.chunks(batch).map(<[usize]>::to_vec), |numbers, images| {
            let batch = Batch::read(&images, &data.labels, numbers, &rows[..numbers.len()]);
            self.evaluate_batch(network, batch, number, team, &mut sums);
            number += 1;
            Ok(())
        })?;
        Ok(sums.mean())
    }

    /// Adds the losses on one batch of an evaluation.
    fn evaluate_batch(&mut self, network: &Network<f32>, batch: Batch, number: u64, team: &Team, sums: &mut Sums) {
        let (graph, plan) = self.plan(network, batch.len());
        fill(graph, plan, batch);
        schedule(graph, plan, f64::INFINITY);
        plan.forward(&network.params, team, Clock { seed: EVALUATION_SEED, step: number });
        sums.add(&read(graph, plan, batch.len()));
    }
}

/// The seed of the noise that drawings are evaluated with.
pub(super) const EVALUATION_SEED: u64 = 0x65_76_61_6c;

/// Passes over the drawings before step `step`, from 0; infinity where a pass has no length.
pub(super) fn epoch(steps_per_epoch: Option<f64>, step: u64) -> f64 {
    steps_per_epoch.map_or(f64::INFINITY, |steps| step as f64 / steps)
}

/// Fills the inputs that change from step to step.
fn schedule(graph: &Training, plan: &mut Plan<f32>, epoch: f64) {
    for scheduled in &graph.scheduled {
        plan.input(scheduled.tensor)[0] = scheduled.at(epoch) as f32;
    }
}

fn fill(graph: &Training, plan: &mut Plan<f32>, batch: Batch) {
    batch.images.gather(batch.rows, plan.input(graph.images));
    if let Some(labels) = graph.labels {
        let values = plan.input(labels).iter_mut().zip(batch.numbers);
        values.for_each(|(value, &i)| *value = batch.labels[i] as f32);
    }
}

fn read(graph: &Training, plan: &Plan<f32>, drawings: usize) -> Losses {
    let number = |term: &Term| f64::from(plan.value(term.tensor)[0]) / term.per;
    let mut terms = [0.0; MAX_TERMS];
    terms.iter_mut().zip(&graph.terms).for_each(|(value, term)| *value = number(term));
    Losses { loss: number(&graph.loss), terms, drawings }
}
