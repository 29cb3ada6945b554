//! One training step: forward, backward, update, and reading the loss.

use std::collections::HashMap;

use inkgrad_engine::inspect::Role;
use inkgrad_engine::optim::{Accumulator, Optimizer};
use inkgrad_engine::{Clock, Compile, Plan, Result, Tape, Team};

use super::batch::{Batch, parts_of};
use super::losses::{Losses, Sums};
use super::together::{self, Exchange, Said};
use crate::data::Examples;
use crate::data::augment::Augmentation;
use crate::model::{MAX_TERMS, Network, Term, Training};
use crate::ranks::{Ranks, Solo, own_parts};
use crate::run::config::Config;
use crate::{Error, Result as ModelsResult};

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
    exchange: Exchange,
    /// [`Training::statistics`] of the last part.
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

    pub(super) fn plan(&mut self, network: &Network<f32>, batch: usize) -> &mut (Training, Plan<f32>) {
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
        self.step_among(network, optimizer, data, batch, &Solo, clock, lr, team).map_err(|error| match error {
            Error::Engine(error) => error,
            error => unreachable!("{error}, of ranks where there are none"),
        })
    }

    /// The same as one of several ranks, which all take the same step: of its `accumulate` parts each computes some. The optimiser
    /// moves this rank's [share](crate::ranks::shares) of the parameters.
    ///
    /// # Errors
    /// As [`Stepper::step`]; if the loss of another rank is NaN or infinite, with its number.
    #[allow(clippy::too_many_arguments)]
    pub fn step_among(
        &mut self,
        network: &mut Network<f32>,
        optimizer: &mut Optimizer<f32>,
        data: &Examples,
        batch: &[usize],
        ranks: &dyn Ranks,
        clock: Clock,
        lr: f64,
        team: &Team,
    ) -> ModelsResult<Losses> {
        let batch = Batch::of(&data.images, &data.labels, batch);
        self.step_on(network, optimizer, batch, ranks, clock, lr, team)
    }

    /// The same of drawings that were read for it, or are in memory, among ranks that take the same step.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn step_on(
        &mut self,
        network: &mut Network<f32>,
        optimizer: &mut Optimizer<f32>,
        batch: Batch,
        ranks: &dyn Ranks,
        clock: Clock,
        lr: f64,
        team: &Team,
    ) -> ModelsResult<Losses> {
        let epoch = epoch(self.steps_per_epoch, clock.step);
        let losses = if parts_of(self.accumulate, batch.of) == 1 && ranks.size() == 1 {
            self.gradient(network, batch, clock, epoch, team)?.0
        } else {
            let whole = together::needs_whole(optimizer);
            self.gradient_in_parts(network, batch, ranks, clock, epoch, whole, team)?
        };
        optimizer.update(&mut network.params, team, lr);
        Exchange::gather_moved(ranks, &mut network.params);
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
        self.statistics = found;
        Ok((losses, per))
    }

    /// The same from parts of them, as even as can be, one after the other, of which each rank takes neighbours. With B drawings in
    /// all and Bₖ in part k, whose loss is Lₖ/perₖ a drawing, the loss is per·Σₖ Bₖ/B · Lₖ/perₖ: that of all of them at once, where
    /// drawings do not see each other. Each part has noise of its own.
    #[allow(clippy::too_many_arguments)]
    fn gradient_in_parts(
        &mut self,
        network: &mut Network<f32>,
        batch: Batch,
        ranks: &dyn Ranks,
        clock: Clock,
        epoch: f64,
        whole: bool,
        team: &Team,
    ) -> ModelsResult<Losses> {
        let (n, accumulate) = (batch.of, self.accumulate.max(1));
        let parts = parts_of(accumulate, n);
        let per = *self
            .per
            .entry(n)
            .or_insert_with(|| network.step(&mut Tape::new(), n).expect("a network fits its own shapes").loss.per);
        let own = own_parts(parts, ranks.rank(), ranks.size());
        let (mut said, mut failure) = (Said::default(), None);
        self.sum.discard();
        self.sum.begin_at(own.start);
        for part in own {
            let batch = batch.part(part * n / parts..(part + 1) * n / parts);
            let clock = Clock { step: clock.step.wrapping_mul(accumulate as u64) + part as u64, ..clock };
            match self.gradient(network, batch, clock, epoch, team) {
                Ok((losses, of_part)) => {
                    let scale = per * batch.len() as f64 / (n as f64 * of_part);
                    self.sum.take(&mut network.params, scale, team);
                    said.losses.push(losses);
                    said.statistics.push(std::mem::take(&mut self.statistics));
                }
                Err(error) => {
                    said.problem = Some(error.to_string());
                    failure = Some(error);
                    break;
                }
            }
        }
        said.live = self.sum.live().to_vec();
        let all = together::bring_together(ranks, said);
        let all = match (all, failure) {
            (Ok(all), _) => all,
            (Err(_), Some(error)) => return Err(error.into()),
            (Err(error), None) => return Err(error),
        };
        match ranks.size() {
            1 => self.sum.give(&mut network.params, team),
            _ => {
                let Stepper { exchange, sum, .. } = self;
                exchange.sum(ranks, sum, &mut network.params, (parts, whole), &all.live, team);
            }
        }
        self.add_statistics(all.statistics);
        let mut sums = Sums::default();
        all.losses.iter().for_each(|losses| sums.add(losses));
        Ok(sums.mean())
    }

    /// Sums the statistics of all parts.
    fn add_statistics(&mut self, parts: Vec<Vec<Vec<f32>>>) {
        self.statistics.clear();
        for part in parts {
            self.statistics.resize_with(part.len(), Vec::new);
            for (sum, found) in self.statistics.iter_mut().zip(part) {
                sum.resize(found.len(), 0.0);
                sum.iter_mut().zip(found).for_each(|(sum, found)| *sum += found);
            }
        }
    }
}

/// Passes over the drawings before step `step`, from 0; infinity where a pass has no length.
pub(super) fn epoch(steps_per_epoch: Option<f64>, step: u64) -> f64 {
    steps_per_epoch.map_or(f64::INFINITY, |steps| step as f64 / steps)
}

/// Fills the inputs that change from step to step.
pub(super) fn schedule(graph: &Training, plan: &mut Plan<f32>, epoch: f64) {
    for scheduled in &graph.scheduled {
        plan.input(scheduled.tensor)[0] = scheduled.at(epoch) as f32;
    }
}

pub(super) fn fill(graph: &Training, plan: &mut Plan<f32>, batch: Batch) {
    batch.images.gather(batch.rows, plan.input(graph.images));
    if let Some(labels) = graph.labels {
        let values = plan.input(labels).iter_mut().zip(batch.numbers);
        values.for_each(|(value, &i)| *value = batch.labels[i] as f32);
    }
}

pub(super) fn read(graph: &Training, plan: &Plan<f32>, drawings: usize) -> Losses {
    let number = |term: &Term| f64::from(plan.value(term.tensor)[0]) / term.per;
    let mut terms = [0.0; MAX_TERMS];
    terms.iter_mut().zip(&graph.terms).for_each(|(value, term)| *value = number(term));
    Losses { loss: number(&graph.loss), terms, drawings }
}
