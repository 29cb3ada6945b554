//! Where the time of a plan goes: how long each node takes, beside how much it computes.

use std::time::{Duration, Instant};

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::conv::Algorithm;

use crate::tape::Kind;
use crate::{Plan, Shape};

/// How long a node took, summed over the runs since profiling began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// In all forwards.
    pub forward: Duration,
    /// In all backwards.
    pub backward: Duration,
}

/// The measurements of one operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile<'a> {
    /// Its index on the tape.
    pub node: usize,
    /// Its name.
    pub op: &'a str,
    /// Its output's shape.
    pub shape: Shape,
    /// Floating-point operations of one forward.
    pub flops: u64,
    /// Floating-point operations of one backward.
    pub backward_flops: u64,
    /// How its forward, the gradient of its first input and those of the others are computed: of the passes that run, where
    /// the operation has several ways.
    pub algorithms: [Option<Algorithm>; 3],
    /// How long it took.
    pub times: Times,
}

/// The times of all nodes, if they are measured.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch(Option<Vec<Times>>);

impl Stopwatch {
    /// Now, if anybody wants to know.
    pub(crate) fn start(&self) -> Option<Instant> {
        self.0.is_some().then(Instant::now)
    }

    /// Adds the time since `started` to the sum of node `i` that `which` names.
    pub(crate) fn stop(&mut self, started: Option<Instant>, i: usize, which: impl Fn(&mut Times) -> &mut Duration) {
        if let (Some(times), Some(started)) = (&mut self.0, started) {
            *which(&mut times[i]) += started.elapsed();
        }
    }
}

impl<T: Float> Plan<T> {
    /// Starts (or stops) measuring each node; [`Plan::profile`] reads the sums.
    pub fn set_profiling(&mut self, on: bool) {
        self.stopwatch = Stopwatch(on.then(|| vec![Times::default(); self.tape.len()]));
    }

    /// The measurements of each operation since [`Plan::set_profiling`].
    pub fn profile(&self) -> impl Iterator<Item = Profile<'_>> {
        self.stopwatch.0.iter().flatten().enumerate().filter_map(|(i, &times)| match self.tape.nodes[i].kind {
            Kind::Op(_) => Some(Profile {
                node: i,
                op: self.tape.label(i),
                shape: self.tape.nodes[i].shape,
                flops: self.tape.node_flops(i),
                backward_flops: self.backward_flops(i),
                algorithms: self.algorithms(i),
                times,
            }),
            _ => None,
        })
    }

    /// Floating-point operations of a forward and a backward.
    pub fn flops(&self) -> u64 {
        self.tape.flops() + (0..self.tape.len()).map(|i| self.backward_flops(i)).sum::<u64>()
    }

    /// Floating-point operations of node `i`'s backward, by the gradients that somebody needs.
    fn backward_flops(&self, i: usize) -> u64 {
        let node = &self.tape.nodes[i];
        match (&node.kind, self.needed(i)) {
            (_, [false, false]) => 0,
            (Kind::Op(op), [first, others]) => {
                op.backward_flops(&self.tape.input_shapes(node), node.shape, first, others)
            }
            _ => 0,
        }
    }

    /// Whether node `i`'s backward computes the gradient of its first input, and that of another.
    fn needed(&self, i: usize) -> [bool; 2] {
        let layout = &self.layout.nodes[i];
        let [first, others @ ..] = &layout.adds;
        [first.is_some(), others.iter().any(Option::is_some)].map(|needed| needed && layout.active)
    }

    /// How node `i` computes the passes that run.
    fn algorithms(&self, i: usize) -> [Option<Algorithm>; 3] {
        let node = &self.tape.nodes[i];
        let Kind::Op(op) = &node.kind else { return [None; 3] };
        let Some(passes) = op.algorithms(&self.tape.input_shapes(node), node.shape) else { return [None; 3] };
        let [first, others] = self.needed(i);
        let mut runs = [true, first, others].into_iter();
        passes.map(|algorithm| runs.next().unwrap_or_default().then_some(algorithm))
    }
}
