//! One training step: forward, backward, update, and reading the loss.

use std::collections::HashMap;
use std::ops::Range;

use inkgrad_engine::inspect::Role;
use inkgrad_engine::optim::{Accumulator, Optimizer};
use inkgrad_engine::{Clock, Compile, Param, Params, Plan, Result, Tape, Team};

use super::batch::{Batch, epoch, parts_of};
use super::exchange::{Exchange, Sending};
use super::losses::{Losses, Sums};
use super::on_device::DeviceStepper;
use super::together::{self, Said};
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
    /// Computes the gradients in the processor's place: the drawings are there.
    pub(super) device: Option<DeviceStepper>,
    sum: Accumulator<f32>,
    exchange: Exchange,
    /// [`Training::statistics`] of the last part.
    statistics: Vec<Vec<f32>>,
    /// The divisor of the loss of so many drawings, see [`Term::per`].
    per: HashMap<usize, f64>,
    /// How the drawings of the next step are changed, where they are, and the pass that it belongs to.
    pub augmentation: Option<(Augmentation, u64)>,
}

/// The drawings of a step, or of a part, with the seed of their noise and the passes before it.
#[derive(Clone, Copy)]
struct Step<'a> {
    batch: Batch<'a>,
    clock: Clock,
    epoch: f64,
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
        let step = Step { batch, clock, epoch: epoch(self.steps_per_epoch, clock.step) };
        let whole = together::needs_whole(optimizer);
        let losses = if parts_of(self.accumulate, batch.of) == 1 && ranks.size() == 1 {
            self.gradient(network, step, team, &mut |_, _| {})?
        } else if self.linked().is_some() {
            self.gradient_among_devices(network, step, ranks, whole)?
        } else {
            self.gradient_in_parts(network, step, ranks, whole, team)?
        };
        optimizer.update(&mut network.params, team, lr);
        match self.linked() {
            Some(device) => device.exchange_moved(ranks, &mut network.params),
            None => {
                Exchange::gather_moved(ranks, &mut network.params);
                self.device.iter_mut().for_each(DeviceStepper::outdate);
            }
        }
        if !self.statistics.is_empty() {
            let statistics: Vec<&[f32]> = self.statistics.iter().map(Vec::as_slice).collect();
            network.track(&statistics);
        }
        Ok(losses)
    }

    /// Computes the gradient of the loss of a step's drawings and gives the losses. `done` is given each parameter as soon as its
    /// gradient is there; a device has them all at once and does not say so.
    fn gradient(
        &mut self,
        network: &mut Network<f32>,
        Step { batch, clock, epoch }: Step,
        team: &Team,
        done: &mut dyn FnMut(&Params<f32>, &Param),
    ) -> Result<Losses> {
        if let Some(device) = &mut self.device {
            return device.gradient(network, batch.numbers, clock, epoch);
        }
        let augmentation = self.augmentation;
        let (graph, plan) = self.plan(network, batch.len());
        fill(graph, plan, batch);
        if let (Some((augmentation, pass)), Some(images)) = (augmentation, batch.images) {
            augmentation.change_all(images.extents(), pass, batch.numbers, plan.input(graph.images), team);
        }
        schedule(graph, plan, epoch);
        plan.forward(&network.params, team, clock);
        let losses = read(graph, plan, batch.len());
        if !losses.loss.is_finite() {
            plan.forward_checked(&network.params, team, clock)?;
        }
        plan.backward_with(&mut network.params, team, done);
        let found: Vec<Vec<f32>> = graph.statistics.iter().map(|&x| plan.value(x).to_vec()).collect();
        self.statistics = found;
        Ok(losses)
    }

    /// The same from parts of them, as even as can be, one after the other, of which each rank takes neighbours. With B drawings in
    /// all and Bₖ in part k, whose loss is Lₖ/perₖ a drawing, the loss is per·Σₖ Bₖ/B · Lₖ/perₖ: that of all of them at once, where
    /// drawings do not see each other. Each part has noise of its own. Among ranks the gradient of the last part is sent while it is
    /// computed.
    fn gradient_in_parts(
        &mut self,
        network: &mut Network<f32>,
        step: Step,
        ranks: &dyn Ranks,
        whole: bool,
        team: &Team,
    ) -> ModelsResult<Losses> {
        let parts = parts_of(self.accumulate, step.batch.of);
        let own = own_parts(parts, ranks.rank(), ranks.size());
        // Apart from the plans, which are in the middle of a backward while these are used.
        let (mut sum, mut exchange) = (std::mem::take(&mut self.sum), std::mem::take(&mut self.exchange));
        sum.discard();
        sum.begin_at(own.start);
        exchange.prepare(ranks, &network.params);
        let (mut said, mut failure) = (Said::default(), None);
        let mut add =
            |part: usize, sending: Option<&mut Sending>| match self.add(network, step, part, &mut sum, sending, team) {
                Ok(losses) => {
                    said.losses.push(losses);
                    said.statistics.push(std::mem::take(&mut self.statistics));
                    true
                }
                Err(error) => {
                    said.fail(&error);
                    failure = Some(error);
                    false
                }
            };
        match ranks.size() {
            1 => _ = own.clone().all(|part| add(part, None)),
            _ => {
                let last = own.end.checked_sub(1).filter(|last| own.contains(last));
                let is_fine = (own.start..last.unwrap_or(own.start)).all(|part| add(part, None));
                exchange.during(ranks, parts, &mut |mut sending| {
                    if !last.is_some_and(|part| is_fine && add(part, Some(&mut sending))) {
                        sending.nothing();
                    }
                });
            }
        }
        said.live = sum.live().to_vec();
        let all = together::bring_together(ranks, said, failure)?;
        match ranks.size() {
            1 => sum.give(&mut network.params, team),
            _ => exchange.sum(ranks, &mut sum, &mut network.params, (parts, whole), &all.live, team),
        }
        (self.sum, self.exchange) = (sum, exchange);
        self.add_statistics(all.statistics);
        Ok(mean(&all.losses))
    }

    /// The device that has a link to those of the other ranks, if it is one.
    fn linked(&mut self) -> Option<&mut DeviceStepper> {
        self.device.as_mut().filter(|device| device.is_linked())
    }

    /// The same on devices that have a link to each other. They exchange nothing before all are known to have computed their parts: a
    /// device waits for the others without end.
    fn gradient_among_devices(
        &mut self,
        network: &mut Network<f32>,
        step: Step,
        ranks: &dyn Ranks,
        whole: bool,
    ) -> ModelsResult<Losses> {
        let parts = parts_of(self.accumulate, step.batch.of);
        let own = own_parts(parts, ranks.rank(), ranks.size());
        let (mut said, mut failure) = (Said::default(), None);
        if let Err(error) = self.add_parts(network, step, ranks, own, &mut said.losses) {
            said.fail(&error);
            failure = Some(error);
        }
        said.statistics = vec![Vec::new(); said.losses.len()];
        // Parameters that no loss depends on have a gradient of zero there.
        said.live = vec![true; network.params.iter().count()];
        let all = together::bring_together(ranks, said, failure)?;
        let device = self.device.as_mut().expect("a device that is linked");
        device.exchange_gradients(ranks, parts, &mut network.params);
        Exchange::complete(ranks, &mut network.params, whole, &all.live);
        Ok(mean(&all.losses))
    }

    /// Has a device that is linked compute some parts of a step and sum their gradients.
    fn add_parts(
        &mut self,
        network: &Network<f32>,
        step: Step,
        ranks: &dyn Ranks,
        parts: Range<usize>,
        losses: &mut Vec<Losses>,
    ) -> Result<()> {
        let of = parts_of(self.accumulate, step.batch.of);
        self.linked().map_or(Ok(()), |device| device.begin_parts(ranks, of))?;
        for part in parts {
            let (Step { batch, clock, epoch }, scale) = self.part(network, step, part);
            let device = self.linked().expect("a device that is linked");
            losses.push(device.add_part(network, batch.numbers, clock, epoch, (part, scale))?);
        }
        Ok(())
    }

    /// A part of a step, as a step of its own, and the weight of its gradient.
    fn part<'b>(&mut self, network: &Network<f32>, step: Step<'b>, part: usize) -> (Step<'b>, f64) {
        let n = step.batch.of;
        let parts = parts_of(self.accumulate, n);
        let batch = step.batch.part(part * n / parts..(part + 1) * n / parts);
        // A step that is not cut, for it has one drawing, has the noise that it has where nothing is.
        let accumulate = if parts == 1 { 1 } else { self.accumulate as u64 };
        let clock = Clock { step: step.clock.step.wrapping_mul(accumulate) + part as u64, ..step.clock };
        let scale = self.divisor(network, n) * batch.len() as f64 / (n as f64 * self.divisor(network, batch.len()));
        (Step { batch, clock, ..step }, scale)
    }

    /// Adds the gradient of a part to `sum`, and has it sent.
    fn add(
        &mut self,
        network: &mut Network<f32>,
        step: Step,
        part: usize,
        sum: &mut Accumulator<f32>,
        sending: Option<&mut Sending>,
        team: &Team,
    ) -> Result<Losses> {
        let (step, scale) = self.part(network, step, part);
        let Some(sending) = sending else {
            let losses = self.gradient(network, step, team, &mut |_, _| {})?;
            sum.take(&mut network.params, scale, team);
            return Ok(losses);
        };
        sum.begin(&network.params);
        let losses =
            self.gradient(network, step, team, &mut |params, param| sending.done(params, param, sum, scale, team))?;
        sending.rest(&network.params, sum, scale, team);
        sum.end(&mut network.params);
        Ok(losses)
    }

    /// The divisor of the loss of so many drawings, see [`Term::per`].
    fn divisor(&mut self, network: &Network<f32>, drawings: usize) -> f64 {
        let divisor = || network.step(&mut Tape::new(), drawings).expect("a network fits its own shapes").loss.per;
        *self.per.entry(drawings).or_insert_with(divisor)
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

/// The mean of the losses of all parts.
fn mean(parts: &[Losses]) -> Losses {
    let mut sums = Sums::default();
    parts.iter().for_each(|losses| sums.add(losses));
    sums.mean()
}

/// Fills the inputs that change from step to step.
pub(super) fn schedule(graph: &Training, plan: &mut Plan<f32>, epoch: f64) {
    for scheduled in &graph.scheduled {
        plan.input(scheduled.tensor)[0] = scheduled.at(epoch) as f32;
    }
}

pub(super) fn fill(graph: &Training, plan: &mut Plan<f32>, batch: Batch) {
    let images = batch.images.expect("drawings here, where they are computed with");
    images.gather(batch.rows, plan.input(graph.images));
    if let Some(labels) = graph.labels {
        let values = plan.input(labels).iter_mut().zip(batch.numbers);
        values.for_each(|(value, &i)| *value = batch.labels.label(i) as f32);
    }
}

pub(super) fn read(graph: &Training, plan: &Plan<f32>, drawings: usize) -> Losses {
    let number = |term: &Term| f64::from(plan.value(term.tensor)[0]) / term.per;
    let mut terms = [0.0; MAX_TERMS];
    terms.iter_mut().zip(&graph.terms).for_each(|(value, term)| *value = number(term));
    Losses { loss: number(&graph.loss), terms, drawings }
}
