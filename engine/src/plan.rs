//! Replaying a tape on the CPU, step by step, without allocating.
//!
//! [`Tape::compile`] lays the memory out (see `layout.rs`); [`Plan::forward`] and [`Plan::backward`] then only walk the
//! list of nodes, forward and back.
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

use std::fmt;
use std::ops::Range;

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::{Team, reduce};

use crate::arena::{Arena, Lifetime, Region};
use crate::layout::{Compile, Layout, Needs, Place};
use crate::op::{Backward, Clock, Forward, Gradient, Gradients, MAX_INPUTS};
use crate::params::Params;
use crate::profile::Stopwatch;
use crate::tape::{Kind, Tape, Tensor};
use crate::{Error, Result, Shape};

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
    /// lead to, that lead from no parameter, and for parameters, whose gradients [`Params::grad`] has.
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

    /// Fills (or no longer fills) outputs, saved values, scratch memory and gradients with NaN before an operation writes
    /// them, so that what it leaves out, or reads before it has written it, shows.
    pub fn set_poison(&mut self, on: bool) {
        self.poison = on;
    }

    /// Runs all operations in order.
    ///
    /// # Panics
    /// If an input has never been filled, or `params` lack a parameter of the tape.
    #[track_caller]
    pub fn forward(&mut self, params: &Params<T>, team: &Team, clock: Clock) {
        self.begin_forward(params, clock);
        for i in 0..self.tape.nodes.len() {
            self.forward_node(i, params, team, clock);
        }
        self.stage = Stage::Forward;
    }

    /// Runs all operations in order and looks at every output.
    ///
    /// # Errors
    /// [`Error::NotFinite`] names the first operation whose output is NaN or infinite.
    ///
    /// # Panics
    /// As [`Plan::forward`].
    #[track_caller]
    pub fn forward_checked(&mut self, params: &Params<T>, team: &Team, clock: Clock) -> Result<()> {
        self.begin_forward(params, clock);
        self.stage = Stage::Stale;
        for i in 0..self.tape.nodes.len() {
            self.forward_node(i, params, team, clock);
            let value = match &self.layout.nodes[i].value {
                Place::Params(id) => &params.values[params.range(*id)],
                Place::Arena(range) => self.arena.get(range),
            };
            if reduce::first_non_finite(value).is_some() {
                let op = match &self.tape.nodes[i].kind {
                    Kind::Op(op) => op.name().to_owned(),
                    _ => format!("{} {}", self.tape.label(i), self.tape.name(i)),
                };
                return Err(Error::NotFinite { op, node: i });
            }
        }
        self.stage = Stage::Forward;
        Ok(())
    }

    /// Has memory ready and checks what a forward starts from.
    #[track_caller]
    fn begin_forward(&mut self, params: &Params<T>, clock: Clock) {
        self.clock = clock;
        self.ensure_memory();
        self.check_params(params);
        for (i, node) in self.tape.nodes.iter().enumerate() {
            if let Kind::Input(name) = &node.kind {
                assert!(
                    self.filled[i],
                    "input `{name}`, node {i}, was never filled: `Plan::fill` it before the first run"
                );
            }
        }
    }

    /// Panics if `params` lack a parameter of the tape.
    #[track_caller]
    fn check_params(&self, params: &Params<T>) {
        for node in &self.tape.nodes {
            if let Kind::Param(param) = &node.kind {
                params.own(param);
            }
        }
    }

    fn forward_node(&mut self, i: usize, params: &Params<T>, team: &Team, clock: Clock) {
        let node = &self.tape.nodes[i];
        let Kind::Op(op) = &node.kind else { return };
        let layout = &self.layout.nodes[i];
        let arena = self.arena.region();
        let mut x: [&[T]; MAX_INPUTS] = [&[]; MAX_INPUTS];
        let mut shapes = [Shape::SCALAR; MAX_INPUTS];
        for (k, input) in node.inputs.iter().enumerate() {
            shapes[k] = self.tape.nodes[input.index()].shape;
            // SAFETY: `Layout::check_disjoint` found this node's written ranges apart from all others of the same moment.
            x[k] = unsafe { read(&arena, &self.layout.nodes[input.index()].value, params) };
        }
        let Place::Arena(value) = &layout.value else { unreachable!("an operation's output lies in the arena") };
        let started = self.stopwatch.start();
        // SAFETY: as above.
        let (y, saved, scratch) =
            unsafe { (arena.get_mut(value), arena.get_mut(&layout.saved), arena.get_mut(&layout.forward_scratch)) };
        if self.poison {
            [&mut *y, &mut *saved, &mut *scratch].into_iter().for_each(poison);
        }
        op.forward(Forward {
            x: &x[..node.inputs.len()],
            shapes: &shapes[..node.inputs.len()],
            y,
            y_shape: node.shape,
            saved,
            scratch,
            team,
            clock,
            node: i as u64,
        });
        self.stopwatch.stop(started, i, |times| &mut times.forward);
    }

    /// Computes the gradients of the loss for all parameters that lead to it, but frozen ones, into those of `params`, and
    /// marks them as live. It writes a gradient that is not live and adds to one that is: several backwards before an
    /// update, of one plan or of several, sum up. A forward has to come before each.
    ///
    /// # Panics
    /// If the plan was compiled without a loss, no forward has run since the last backward, an input was handed out after
    /// it, or `params` lack a parameter of the tape.
    #[track_caller]
    pub fn backward(&mut self, params: &mut Params<T>, team: &Team) {
        let loss = self.layout.loss.expect("a plan compiled with `Compile::loss`");
        match self.stage {
            Stage::Forward => self.stage = Stage::Backward,
            Stage::Empty => panic!("nothing is computed yet: run `Plan::forward` before `Plan::backward`"),
            Stage::Stale => {
                panic!("an input was handed out after the forward: run `Plan::forward` again before `backward`")
            }
            Stage::Backward => panic!("a backward overwrites values: run `Plan::forward` again before the next"),
        }
        self.check_params(params);
        match &self.layout.nodes[loss.index()].gradient {
            Some(Place::Arena(range)) => self.arena.get_mut(range)[0] = T::ONE,
            Some(Place::Params(id)) => {
                if let Some(add) = params.marks[id.0].claim(false) {
                    let start = params.range(*id).start;
                    crate::ops::elementwise::put(&mut params.grads[start], T::ONE, add);
                }
            }
            None => {}
        }
        for i in (0..self.tape.nodes.len()).rev() {
            if self.layout.nodes[i].active {
                self.backward_node(i, params, team);
            }
        }
    }

    fn backward_node(&mut self, i: usize, params: &mut Params<T>, team: &Team) {
        let node = &self.tape.nodes[i];
        let Kind::Op(op) = &node.kind else { return };
        let layout = &self.layout.nodes[i];
        let arena = self.arena.region();
        let mut grads = std::mem::take(&mut params.grads);
        let param_grads = Region::new(&mut grads);
        let mut x: [&[T]; MAX_INPUTS] = [&[]; MAX_INPUTS];
        let mut shapes = [Shape::SCALAR; MAX_INPUTS];
        let mut dx = Gradients { slots: [const { None }; MAX_INPUTS] };
        for (k, input) in node.inputs.iter().enumerate() {
            let source = &self.layout.nodes[input.index()];
            shapes[k] = self.tape.nodes[input.index()].shape;
            if let (Some(add), Some(place)) = (layout.adds[k], &source.gradient) {
                // SAFETY: `Layout::check_disjoint` found this node's written ranges apart from all others of the same
                // moment; a node's inputs have different roots (`Tape::record`), so their gradients have too.
                dx.slots[k] = unsafe {
                    match place {
                        Place::Arena(range) => Some(Gradient { values: arena.get_mut(range), add }),
                        Place::Params(id) => params.marks[id.0].claim(add).map(|add| {
                            let values = param_grads.get_mut(&params.range(*id));
                            Gradient { values, add }
                        }),
                    }
                };
            }
        }
        if self.poison {
            let written = dx.slots.iter_mut().flatten().filter(|gradient| !gradient.add);
            written.for_each(|gradient| poison(gradient.values));
        }
        for (k, input) in node.inputs.iter().enumerate().filter(|(k, _)| layout.reads.input(*k)) {
            // SAFETY: as above.
            x[k] = unsafe { read(&arena, &self.layout.nodes[input.index()].value, params) };
        }
        let Some(Place::Arena(dy)) = &layout.gradient else { unreachable!("an active operation has a gradient") };
        let started = self.stopwatch.start();
        // SAFETY: as above.
        let (y, dy, saved, scratch) = unsafe {
            let y: &[T] = if layout.reads.output { read(&arena, &layout.value, params) } else { &[] };
            (y, arena.get(dy), arena.get(&layout.saved), arena.get_mut(&layout.backward_scratch))
        };
        if self.poison {
            poison(scratch);
        }
        op.backward(Backward {
            x: &x[..node.inputs.len()],
            shapes: &shapes[..node.inputs.len()],
            y,
            dy,
            y_shape: node.shape,
            dx,
            saved,
            scratch,
            team,
            clock: self.clock,
            node: i as u64,
        });
        params.grads = grads;
        self.stopwatch.stop(started, i, |times| &mut times.backward);
    }
}

fn poison<T: Float>(memory: &mut [T]) {
    memory.fill(T::from_f64(f64::NAN));
}

/// A value to read, in the arena or among the parameters.
///
/// # Safety
/// No live mutable borrow from the region overlaps it.
unsafe fn read<'a, T: Float>(arena: &Region<'a, T>, place: &Place, params: &'a Params<T>) -> &'a [T] {
    match place {
        // SAFETY: the caller's promise.
        Place::Arena(range) => unsafe { arena.get(range) },
        Place::Params(id) => &params.values[params.range(*id)],
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
