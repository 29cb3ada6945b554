//! Replaying a tape on the CPU, step by step, without allocating.
//!
//! [`Tape::compile`] lays the memory out (see `layout.rs`); [`Plan::forward`] and [`Plan::backward`] (`plan/replay.rs`) then
//! only walk the list of nodes, forward and back.
//!
//! ```
//! use inkgrad_engine::prelude::*;
//!
//! let (mut tape, mut params) = (Tape::<f32>::new(), Params::new());
//! let w = params.declare("w", [2], Init::Normal);
//! params.value_mut(&w).copy_from_slice(&[3.0, -1.0]);
//! let (x, at_w) = (tape.input("x", [2]), tape.param(&w));
//! let y = tape.mul(x, at_w)?;
//! let loss = tape.sum(y)?;
//!
//! let mut plan = tape.compile(Compile { loss: Some(loss), keep: &[y], ..Compile::default() });
//! let team = Team::solo();
//! for step in 0..2 {
//!     plan.fill(x, &[10.0, 20.0])?;
//!     plan.forward(&params, &team, Clock { seed: 1, step });
//!     assert_eq!((plan.value(y), plan.value(loss)), (&[30.0, -20.0][..], &[10.0][..]));
//!     plan.backward(&mut params, &team);
//!     assert_eq!(params.grad(&w), [10.0, 20.0]); // dw = x
//!     params.discard_gradients(); // or an optimiser's update; else the next backward adds
//! }
//! # Ok::<(), Error>(())
//! ```

mod held;
mod profile;
mod replay;

use std::fmt;
use std::ops::Range;

use inkgrad_kernels::Float;

use crate::arena::{Arena, Lifetime};
use crate::layout::{Compile, Layout, Needs, Place};
use crate::op::Clock;
use crate::tape::{Kind, Tape, Tensor};
use crate::{Error, Result};

pub use held::Held;
use profile::Stopwatch;
pub use profile::{Profile, Times};

/// A compiled tape with its memory, to be run on the CPU.
#[derive(Debug)]
pub struct Plan<T> {
    pub(crate) tape: Tape<T>,
    pub(crate) layout: Layout,
    /// Allocated when it is first needed, or taken over from another plan.
    arena: Arena<T>,
    /// Per node: whether an input has been handed out to be filled since the memory came.
    filled: Vec<bool>,
    stage: Stage,
    /// Of the last forward.
    clock: Clock,
    pub(crate) stopwatch: Stopwatch,
    /// Whether memory that an operation is given to write holds NaN at first.
    poison: bool,
}

/// How far the run has come that the memory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is computed.
    Empty,
    /// All values are; a backward may follow.
    Forward,
    /// An input may have changed since, or the forward failed.
    Stale,
    /// The backward is through.
    Backward,
}

impl<T: Float> Tape<T> {
    /// Decides shapes, lifetimes and the order of writing, once, for a plan that runs on the CPU.
    ///
    /// # Panics
    /// If the loss is not a single number, a tensor is of another tape, or [`Compile::frozen`] names no parameter of this
    /// one.
    #[track_caller]
    pub fn compile(self, options: Compile<'_>) -> Plan<T> {
        let layout = Layout::new(&self, &options, |op, inputs, output| Needs {
            memory: op.memory(inputs, output),
            reads: op.reads(),
        });
        let filled = vec![false; self.len()];
        Plan {
            tape: self,
            layout,
            arena: Arena::empty(),
            filled,
            stage: Stage::Empty,
            clock: Clock::default(),
            stopwatch: Stopwatch::default(),
            poison: false,
        }
    }
}

impl<T: Float> Plan<T> {
    /// The recorded operations.
    pub fn tape(&self) -> &Tape<T> {
        &self.tape
    }

    /// The memory that the plan needs.
    pub fn arena_bytes(&self) -> usize {
        self.layout.size * size_of::<T>()
    }

    /// Takes over the memory of a plan that is not needed until it is given memory again or allocates its own. Values of
    /// both are lost: inputs have to be filled in anew.
    pub fn take_memory(&mut self, other: &mut Plan<T>) {
        self.arena = std::mem::replace(&mut other.arena, Arena::empty());
        self.forget();
        other.forget();
    }

    /// Allocates the arena if it is not there or too small for this plan.
    fn ensure_memory(&mut self) {
        if self.arena.len() < self.layout.size {
            self.arena = Arena::new(self.layout.size);
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.filled.fill(false);
        self.stage = Stage::Empty;
    }

    /// An input's buffer, to be filled before a run. It keeps its content until it is filled again.
    ///
    /// # Panics
    /// If `x` is not an input, or of another tape.
    #[track_caller]
    pub fn input(&mut self, x: Tensor) -> &mut [T] {
        let i = self.tape.own(x);
        assert!(
            matches!(self.tape.nodes[i].kind, Kind::Input(_)),
            "node {i} is no input, but {}: only what `Tape::input` returned can be filled",
            self.tape.label(i)
        );
        self.ensure_memory();
        self.filled[i] = true;
        if self.stage == Stage::Forward {
            self.stage = Stage::Stale;
        }
        match &self.layout.nodes[i].value {
            Place::Arena(range) => self.arena.get_mut(range),
            Place::Params(_) => unreachable!("an input lies in the arena"),
        }
    }

    /// Fills an input with `values`, row-major.
    ///
    /// # Errors
    /// If they are not as many as the input's shape has.
    ///
    /// # Panics
    /// If `x` is not an input, or of another tape.
    #[track_caller]
    pub fn fill(&mut self, x: Tensor, values: &[T]) -> Result<()> {
        let shape = self.tape.shape(x);
        if values.len() != shape.len() {
            let input = format!("input `{}`", self.tape.name(x.index()));
            return Err(Error::shape(input, format!("{} numbers, expected {} for {shape}", values.len(), shape.len())));
        }
        self.input(x).copy_from_slice(values);
        Ok(())
    }

    /// Fills an input by the places of its elements, counted row-major.
    ///
    /// # Panics
    /// If `x` is not an input, or of another tape.
    #[track_caller]
    pub fn fill_with(&mut self, x: Tensor, f: impl Fn(usize) -> f64) {
        self.input(x).iter_mut().enumerate().for_each(|(i, value)| *value = T::from_f64(f(i)));
    }

    /// A value after a run.
    ///
    /// # Panics
    /// If no forward has run, the plan was not told to keep the value, or it is a parameter.
    #[track_caller]
    pub fn value(&self, x: Tensor) -> &[T] {
        let i = self.tape.own(x);
        let Place::Arena(range) = &self.layout.nodes[i].value else {
            panic!("node {i} is a parameter, whose value lies with the others: read `Params::value`")
        };
        assert!(self.layout.kept[i], "node {i}, {}, was not kept: add it to `Compile::keep`", self.tape.label(i));
        assert!(self.stage != Stage::Empty, "nothing is computed yet: run `Plan::forward` before reading values");
        self.arena.get(range)
    }

    /// The gradient of a value after a backward, in a plan compiled with `debug`; `None` for those that the loss does not
    /// lead to, that lead from no parameter, and for parameters, whose gradients [`Params::grad`](crate::Params::grad) has.
    ///
    /// # Panics
    /// If the plan was compiled without `debug`, or no backward has run since the last forward.
    #[track_caller]
    pub fn gradient(&self, x: Tensor) -> Option<&[T]> {
        let i = self.tape.own(x);
        assert!(self.layout.debug, "gradients share memory in this plan: compile with `Compile::debug` to read them");
        assert!(self.stage == Stage::Backward, "no gradient is computed yet: run `Plan::backward` before reading");
        match &self.layout.nodes[i].gradient {
            Some(Place::Arena(range)) => Some(self.arena.get(range)),
            _ => None,
        }
    }
}

impl<T: Float> fmt::Display for Plan<T> {
    /// One line a node: where its value and its gradient lie and from which moment to which they matter, and for each
    /// input whether its gradient is written or added to. Parameters lie outside the arena.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, columns: [&str; 7]| {
            let [node, op, value, value_alive, gradient, gradient_alive, edges] = columns;
            let line =
                format!("{node:>4}  {op:<22} {value:<20} {value_alive:<9} {gradient:<20} {gradient_alive:<9} {edges}");
            writeln!(f, "{}", line.trim_end())
        };
        let (elements, bytes) = (self.layout.size, self.arena_bytes());
        writeln!(f, "arena: {elements} elements, {:.1} MiB", bytes as f64 / 1_048_576.0)?;
        line(f, ["node", "op", "value", "alive", "gradient", "alive", "gradients of the inputs"])?;
        let show = |place: &Place, alive: &Lifetime| match place {
            Place::Arena(Range { start, end }) => {
                [format!("{start}..{end}"), format!("{}-{}", alive.first, alive.last)]
            }
            Place::Params(id) => [format!("param {}", id.0), String::new()],
        };
        for (i, layout) in self.layout.nodes.iter().enumerate() {
            let [value, value_alive] = show(&layout.value, &layout.alive[0]);
            let gradient = layout.gradient.as_ref().map(|place| show(place, &layout.alive[1]));
            let [gradient, gradient_alive] = gradient.unwrap_or(["-".to_owned(), String::new()]);
            let inputs = self.tape.nodes[i].inputs.iter().zip(&layout.adds);
            let edges: Vec<String> = inputs
                .filter_map(|(x, add)| add.map(|add| format!("{} {}", x.index(), if add { "add" } else { "write" })))
                .collect();
            let edges = edges.join(", ");
            line(f, [&i.to_string(), self.tape.label(i), &value, &value_alive, &gradient, &gradient_alive, &edges])?;
        }
        Ok(())
    }
}
