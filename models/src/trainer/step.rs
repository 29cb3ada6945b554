//! One training step: forward, backward, update, and reading the loss.

use std::collections::HashMap;

use inkgrad_engine::optim::Optimizer;
use inkgrad_engine::{Clock, Compile, Plan, Result, Tape, Team, Tensor};

use crate::data::Split;
use crate::network::{Network, Training, argmax};

/// The losses of some drawings, each the mean over them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Losses {
    /// What is minimised.
    pub loss: f64,
    /// Binary cross-entropy of a reconstruction.
    pub bce: Option<f64>,
    /// Divergence from the prior.
    pub kl: Option<f64>,
    /// Squared error of a reconstruction, over pixels too.
    pub mse: Option<f64>,
    /// Share of drawings put in their class.
    pub accuracy: Option<f64>,
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
        let add = |sum: &mut Option<f64>, value: Option<f64>| {
            if let Some(value) = value {
                *sum = Some(sum.unwrap_or(0.0) + value * n);
            }
        };
        self.total.loss += losses.loss * n;
        add(&mut self.total.bce, losses.bce);
        add(&mut self.total.kl, losses.kl);
        add(&mut self.total.mse, losses.mse);
        add(&mut self.total.accuracy, losses.accuracy);
        self.total.drawings += losses.drawings;
    }

    /// The means over all drawings.
    pub fn mean(&self) -> Losses {
        let n = self.total.drawings.max(1) as f64;
        let mean = |sum: Option<f64>| sum.map(|sum| sum / n);
        Losses {
            loss: self.total.loss / n,
            bce: mean(self.total.bce),
            kl: mean(self.total.kl),
            mse: mean(self.total.mse),
            accuracy: mean(self.total.accuracy),
            drawings: self.total.drawings,
        }
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
}

impl Stepper {
    fn plan(&mut self, network: &Network<f32>, batch: usize) -> &mut (Training, Plan<f32>) {
        let debug = self.debug;
        let entry = self.plans.entry(batch);
        entry.or_insert_with(|| {
            let mut tape = Tape::new();
            let graph = network.training(&mut tape, batch).expect("a network fits its own shapes");
            let plan =
                tape.compile(Compile { loss: Some(graph.loss), keep: &graph.reported(), debug, ..Compile::default() });
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
        data: &Split,
        batch: &[usize],
        clock: Clock,
        lr: f64,
        team: &Team,
    ) -> Result<Losses> {
        let (graph, plan) = self.plan(network, batch.len());
        fill(graph, plan, data, batch);
        plan.forward(&network.params, team, clock);
        let losses = read(graph, plan, batch.len());
        if !losses.loss.is_finite() {
            plan.forward_checked(&network.params, team, clock)?;
        }
        plan.backward(&mut network.params, team);
        optimizer.update(&mut network.params, team, lr);
        Ok(losses)
    }

    /// The mean losses on the drawings `indices` of `data`, with noise of its own that is the same every time.
    pub fn evaluate(
        &mut self,
        network: &Network<f32>,
        data: &Split,
        indices: &[usize],
        batch: usize,
        team: &Team,
    ) -> Losses {
        let mut sums = Sums::default();
        for (i, batch) in indices.chunks(batch).enumerate() {
            let (graph, plan) = self.plan(network, batch.len());
            fill(graph, plan, data, batch);
            plan.forward(&network.params, team, Clock { seed: EVALUATION_SEED, step: i as u64 });
            sums.add(&read(graph, plan, batch.len()));
        }
        sums.mean()
    }
}

/// The seed of the noise that drawings are evaluated with.
pub(super) const EVALUATION_SEED: u64 = 0x65_76_61_6c;

fn fill(graph: &Training, plan: &mut Plan<f32>, data: &Split, batch: &[usize]) {
    data.gather(batch, plan.input(graph.images));
    if let Some(labels) = graph.labels {
        let values = plan.input(labels).iter_mut().zip(batch);
        values.for_each(|(value, &i)| *value = data.labels[i] as f32);
    }
}

fn read(graph: &Training, plan: &Plan<f32>, drawings: usize) -> Losses {
    let scalar = |x: Tensor| f64::from(plan.value(x)[0]) / graph.per;
    let accuracy = graph.logits.zip(graph.labels).map(|(logits, labels)| {
        let classes = plan.value(logits).len() / drawings;
        let right = plan.value(logits).chunks_exact(classes).zip(plan.value(labels));
        right.filter(|&(row, &label)| argmax(row) == label as usize).count() as f64 / drawings as f64
    });
    Losses {
        loss: scalar(graph.loss),
        bce: graph.bce.map(scalar),
        kl: graph.kl.map(scalar),
        mse: graph.mse.map(scalar),
        accuracy,
        drawings,
    }
}
