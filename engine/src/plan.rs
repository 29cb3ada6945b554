//! Compiling a tape once, and replaying it every step without allocating.
//!
//! [`Tape::compile`] decides who needs a gradient, which writer of a gradient comes first (it writes, the others add),
//! how long each buffer matters, and where in the one arena it lies. [`Plan::forward`] and [`Plan::backward`] then only
//! walk the list.
//!
//! Time, for lifetimes: of *n* nodes, node *i* runs forward at moment *i* and backward at moment *2n − i*.

use std::fmt;
use std::ops::Range;
use std::time::{Duration, Instant};

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::{Team, reduce};

use crate::arena::{Arena, Lifetime, Region, place};
use crate::device::launches::Precision;
use crate::op::{Backward, Clock, Forward, Gradient, Gradients, MAX_INPUTS};
use crate::params::Params;
use crate::tape::{Kind, Tape, Tensor};
use crate::{Error, Shape};

/// What a plan is for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Compile<'a> {
    /// The scalar to differentiate; none for a plan that only runs forward.
    pub loss: Option<Tensor>,
    /// Values to be read after a run.
    pub keep: &'a [Tensor],
    /// Keeps every value and every gradient, each in a place of its own, for study.
    pub debug: bool,
    /// Gives operations the memory that they need on a GPU for products in this precision; such a plan runs there alone.
    pub on_device: Option<Precision>,
}

/// A compiled tape with its memory.
#[derive(Debug)]
pub struct Plan<T> {
    pub(crate) tape: Tape<T>,
    pub(crate) steps: Vec<Step>,
    pub(crate) loss: Option<Tensor>,
    /// Per node: whether its value can be read after a run.
    pub(crate) kept: Vec<bool>,
    debug: bool,
    /// Elements that the plan needs.
    pub(crate) size: usize,
    /// Allocated when it is first needed, or taken over from another plan.
    arena: Arena<T>,
    times: Option<Vec<Times>>,
    /// Whether memory that an operation is given to write holds NaN at first.
    poison: bool,
}

/// How long a node took, summed over the runs since profiling began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// In all forwards.
    pub forward: Duration,
    /// In all backwards.
    pub backward: Duration,
}

/// What was measured of one operation.
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
    /// How long it took.
    pub times: Times,
}

/// A node's memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Step {
    pub(crate) value: Place,
    pub(crate) saved: Range<usize>,
    pub(crate) forward_scratch: Range<usize>,
    pub(crate) backward_scratch: Range<usize>,
    /// Where the gradient of the node's own value lies, if it has one.
    pub(crate) gradient: Option<Place>,
    /// Whether the node takes part in the backward.
    pub(crate) active: bool,
    /// For each input that needs it: whether its gradient is added (an earlier moment has written) or written.
    pub(crate) adds: [Option<bool>; MAX_INPUTS],
}

/// Where a buffer lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the plan's arena.
    Arena(Range<usize>),
    /// In the flat buffers of the parameters.
    Params(usize),
}

impl Default for Place {
    fn default() -> Self {
        Place::Arena(0..0)
    }
}

/// Which nodes take part in the backward: those that lead from a parameter to the loss.
fn active_nodes<T: Float>(tape: &Tape<T>, loss: Option<Tensor>) -> Vec<bool> {
    let n = tape.nodes.len();
    let Some(loss) = loss else { return vec![false; n] };
    let mut from_param = vec![false; n];
    for (i, node) in tape.nodes.iter().enumerate() {
        from_param[i] = matches!(node.kind, Kind::Param(..)) || node.inputs.iter().any(|x| from_param[x.0]);
    }
    let mut to_loss = vec![false; n];
    to_loss[loss.0] = true;
    for i in (0..n).rev().filter(|&i| i <= loss.0) {
        if to_loss[i] {
            tape.nodes[i].inputs.iter().for_each(|x| to_loss[x.0] = true);
        }
    }
    (0..n).map(|i| from_param[i] && to_loss[i]).collect()
}

impl<T: Float> Tape<T> {
    /// Fixes shapes, lifetimes and the order of writing.
    ///
    /// # Panics
    /// If the loss is not a single number.
    pub fn compile(self, options: Compile<'_>) -> Plan<T> {
        let n = self.nodes.len();
        let end = 2 * n + 1;
        if let Some(loss) = options.loss {
            assert_eq!(self.shape(loss).len(), 1, "the loss is a single number");
        }
        let active = active_nodes(&self, options.loss);
        let mut kept = vec![options.debug; n];
        for &x in options.keep.iter().chain(&options.loss) {
            kept[x.0] = true;
        }

        // Lifetimes: four buffers a node (value, saved, two scratches), then its gradient. A view's are its root's.
        const PER_NODE: usize = 5;
        let [value, saved, forward_scratch, backward_scratch, gradient] = [0, 1, 2, 3, 4];
        let mut buffers = vec![Lifetime { len: 0, first: 0, last: 0 }; n * PER_NODE];
        let mut steps = vec![Step::default(); n];
        let mut written = vec![false; n];
        for (i, node) in self.nodes.iter().enumerate() {
            let root = self.root(Tensor(i));
            if root == i && !matches!(node.kind, Kind::Param(..)) {
                buffers[i * PER_NODE + value] = Lifetime { len: node.shape.len(), first: i, last: i };
            }
            let life = &mut buffers[root * PER_NODE + value];
            if let Kind::Input(_) = node.kind {
                // Filled in before the first operation runs; stays, so that a run can be repeated.
                (life.first, life.last) = (0, end);
            }
            if kept[i] {
                life.last = end;
            }
            let Kind::Op(op) = &node.kind else { continue };
            let reads = op.reads();
            if active[i] && reads.output {
                let last = &mut buffers[i * PER_NODE + value].last;
                *last = (*last).max(2 * n - i);
            }
            for (k, &x) in node.inputs.iter().enumerate() {
                let last = &mut buffers[self.root(x) * PER_NODE + value].last;
                *last = (*last).max(if active[i] && reads.input(k) { 2 * n - i } else { i });
            }
            let inputs = self.input_shapes(node);
            let memory = match op.on_device().zip(options.on_device) {
                Some((op, precision)) => op.device_memory(&inputs, node.shape, precision),
                None => op.memory(&inputs, node.shape),
            };
            let saved_until = if active[i] { 2 * n - i } else { i };
            buffers[i * PER_NODE + saved] = Lifetime { len: memory.saved, first: i, last: saved_until };
            buffers[i * PER_NODE + forward_scratch] = Lifetime { len: memory.forward_scratch, first: i, last: i };
            if active[i] {
                let now = 2 * n - i;
                buffers[i * PER_NODE + backward_scratch] =
                    Lifetime { len: memory.backward_scratch, first: now, last: now };
            }
        }
        if let Some(loss) = options.loss.map(|loss| self.root(loss)) {
            written[loss] = true;
            buffers[loss * PER_NODE + gradient] = Lifetime { len: 1, first: n, last: 2 * n - loss };
        }
        // Later nodes run backward first: the first edge met here writes.
        for i in (0..n).rev().filter(|&i| active[i]) {
            steps[i].active = true;
            if !matches!(self.nodes[i].kind, Kind::Op(_)) {
                continue;
            }
            for (k, &x) in self.nodes[i].inputs.iter().enumerate() {
                let root = self.root(x);
                if !active[root] {
                    continue;
                }
                steps[i].adds[k] = Some(written[root]);
                if !written[root] {
                    written[root] = true;
                    let len = self.nodes[root].shape.len();
                    buffers[root * PER_NODE + gradient] = Lifetime { len, first: 2 * n - i, last: 2 * n - root };
                }
            }
        }
        for (i, node) in self.nodes.iter().enumerate() {
            if let Kind::Param(..) = node.kind {
                buffers[i * PER_NODE + gradient].len = 0;
            }
        }
        if options.debug {
            buffers.iter_mut().for_each(|buffer| (buffer.first, buffer.last) = (0, end));
        }

        let (ranges, total) = place(&buffers);
        for (i, node) in self.nodes.iter().enumerate() {
            let root = self.root(Tensor(i));
            let step = &mut steps[i];
            if let Kind::Param(id, _) = self.nodes[root].kind {
                step.value = Place::Params(id.0);
                step.gradient = written[root].then_some(Place::Params(id.0));
            } else {
                step.value = Place::Arena(ranges[root * PER_NODE + value].clone());
                step.gradient = written[root].then(|| Place::Arena(ranges[root * PER_NODE + gradient].clone()));
            }
            if let Kind::Op(_) = node.kind {
                step.saved = ranges[i * PER_NODE + saved].clone();
                step.forward_scratch = ranges[i * PER_NODE + forward_scratch].clone();
                step.backward_scratch = ranges[i * PER_NODE + backward_scratch].clone();
            }
        }
        let plan = Plan {
            tape: self,
            steps,
            loss: options.loss,
            kept,
            debug: options.debug,
            size: total,
            arena: Arena::empty(),
            times: None,
            poison: false,
        };
        plan.check_disjoint();
        plan
    }
}

impl<T: Float> Plan<T> {
    /// The recorded operations.
    pub fn tape(&self) -> &Tape<T> {
        &self.tape
    }

    /// The memory that the plan needs.
    pub fn arena_bytes(&self) -> usize {
        self.size * size_of::<T>()
    }

    /// Takes over the memory of a plan that is not needed until it is given memory again or allocates its own. Values of
    /// both are lost: inputs have to be filled in anew.
    pub fn take_memory(&mut self, other: &mut Plan<T>) {
        self.arena = std::mem::replace(&mut other.arena, Arena::empty());
    }

    /// Allocates the arena if it is not there or too small for this plan.
    fn ensure_memory(&mut self) {
        if self.arena.len() < self.size {
            self.arena = Arena::new(self.size);
        }
    }

    /// An input's buffer, to be filled before a run. It keeps its content until it is filled again.
    ///
    /// # Panics
    /// If `x` is not an input.
    pub fn input(&mut self, x: Tensor) -> &mut [T] {
        assert!(matches!(self.tape.nodes[x.0].kind, Kind::Input(_)), "node {} is no input", x.0);
        self.ensure_memory();
        match &self.steps[x.0].value {
            Place::Arena(range) => self.arena.get_mut(range),
            Place::Params(_) => unreachable!("an input lies in the arena"),
        }
    }

    /// A value after a run.
    ///
    /// # Panics
    /// If the plan was not told to keep it, or it is a parameter.
    pub fn value(&self, x: Tensor) -> &[T] {
        assert!(self.kept[x.0], "node {} was not kept", x.0);
        match &self.steps[x.0].value {
            Place::Arena(range) => self.arena.get(range),
            Place::Params(_) => panic!("node {} is a parameter: its value lies in `Params`", x.0),
        }
    }

    /// The gradient of a value after a backward, in a plan compiled with `debug`; `None` where it has none of its own.
    pub fn gradient(&self, x: Tensor) -> Option<&[T]> {
        match &self.steps[x.0].gradient {
            Some(Place::Arena(range)) if self.debug => Some(self.arena.get(range)),
            _ => None,
        }
    }

    /// Runs all operations in order.
    pub fn forward(&mut self, params: &Params<T>, team: &Team, clock: Clock) {
        self.ensure_memory();
        for i in 0..self.tape.nodes.len() {
            self.forward_node(i, params, team, clock);
        }
    }

    /// Runs all operations in order and looks at every output.
    ///
    /// # Errors
    /// [`Error::NotFinite`] names the first operation whose output is NaN or infinite.
    pub fn forward_checked(&mut self, params: &Params<T>, team: &Team, clock: Clock) -> Result<(), Error> {
        self.ensure_memory();
        for i in 0..self.tape.nodes.len() {
            self.forward_node(i, params, team, clock);
            let (value, op) = match (&self.steps[i].value, &self.tape.nodes[i].kind) {
                (Place::Params(id), Kind::Param(_, name)) => {
                    (&params.values[params.range(crate::params::ParamId(*id))], format!("param {name}"))
                }
                (Place::Arena(range), Kind::Input(name)) => (self.arena.get(range), format!("input {name}")),
                (Place::Arena(range), Kind::Op(op)) => (self.arena.get(range), op.name().to_owned()),
                _ => continue,
            };
            if reduce::first_non_finite(value).is_some() {
                return Err(Error::NotFinite { op, node: i });
            }
        }
        Ok(())
    }

    fn forward_node(&mut self, i: usize, params: &Params<T>, team: &Team, clock: Clock) {
        let node = &self.tape.nodes[i];
        let Kind::Op(op) = &node.kind else { return };
        let step = &self.steps[i];
        let arena = self.arena.region();
        let mut x: [&[T]; MAX_INPUTS] = [&[]; MAX_INPUTS];
        let mut shapes = [Shape::SCALAR; MAX_INPUTS];
        for (k, input) in node.inputs.iter().enumerate() {
            shapes[k] = self.tape.nodes[input.0].shape;
            // SAFETY: `check_disjoint` found this node's written ranges apart from all others of the same moment.
            x[k] = unsafe { read(&arena, &self.steps[input.0].value, params) };
        }
        let Place::Arena(value) = &step.value else { unreachable!("an operation's output lies in the arena") };
        let started = self.times.is_some().then(Instant::now);
        // SAFETY: as above.
        let (y, saved, scratch) =
            unsafe { (arena.get_mut(value), arena.get_mut(&step.saved), arena.get_mut(&step.forward_scratch)) };
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
        if let (Some(times), Some(started)) = (&mut self.times, started) {
            times[i].forward += started.elapsed();
        }
    }

    /// Computes the gradient of the loss for every parameter, into `params.grads`. A forward has to come before.
    ///
    /// # Panics
    /// If the plan was compiled without a loss.
    pub fn backward(&mut self, params: &mut Params<T>, team: &Team) {
        let loss = self.loss.expect("a plan with a loss");
        match &self.steps[loss.0].gradient {
            Some(Place::Arena(range)) => self.arena.get_mut(range)[0] = T::ONE,
            Some(Place::Params(id)) => {
                let range = params.range(crate::params::ParamId(*id));
                params.grads[range.start] = T::ONE;
            }
            None => {}
        }
        for i in (0..self.tape.nodes.len()).rev() {
            if self.steps[i].active {
                self.backward_node(i, params, team);
            }
        }
    }

    fn backward_node(&mut self, i: usize, params: &mut Params<T>, team: &Team) {
        let node = &self.tape.nodes[i];
        let Kind::Op(op) = &node.kind else { return };
        let step = &self.steps[i];
        let arena = self.arena.region();
        let reads = op.reads();
        let mut grads = std::mem::take(&mut params.grads);
        let param_grads = Region::new(&mut grads);
        let mut x: [&[T]; MAX_INPUTS] = [&[]; MAX_INPUTS];
        let mut shapes = [Shape::SCALAR; MAX_INPUTS];
        let mut dx = Gradients { slots: [const { None }; MAX_INPUTS] };
        for (k, input) in node.inputs.iter().enumerate() {
            let source = &self.steps[input.0];
            shapes[k] = self.tape.nodes[input.0].shape;
            if reads.input(k) {
                // SAFETY: `check_disjoint` found this node's written ranges apart from all others of the same moment.
                x[k] = unsafe { read(&arena, &source.value, params) };
            }
            if let (Some(add), Some(place)) = (step.adds[k], &source.gradient) {
                // SAFETY: as above; a node's inputs have different roots (`Tape::record`), so their gradients too.
                let values = unsafe {
                    match place {
                        Place::Arena(range) => arena.get_mut(range),
                        Place::Params(id) => param_grads.get_mut(&params.range(crate::params::ParamId(*id))),
                    }
                };
                if self.poison && !add {
                    poison(values);
                }
                dx.slots[k] = Some(Gradient { values, add });
            }
        }
        let Some(Place::Arena(dy)) = &step.gradient else { unreachable!("an active operation has a gradient") };
        let started = self.times.is_some().then(Instant::now);
        // SAFETY: as above.
        let (y, dy, saved, scratch) = unsafe {
            let y: &[T] = if reads.output { read(&arena, &step.value, params) } else { &[] };
            (y, arena.get(dy), arena.get(&step.saved), arena.get_mut(&step.backward_scratch))
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
        });
        params.grads = grads;
        if let (Some(times), Some(started)) = (&mut self.times, started) {
            times[i].backward += started.elapsed();
        }
    }

    /// Fills (or no longer fills) outputs, saved values, scratch memory and gradients with NaN before an operation writes
    /// them, so that what it leaves out, or reads before it has written it, shows.
    pub fn set_poison(&mut self, on: bool) {
        self.poison = on;
    }

    /// Starts (or stops) measuring each node; [`Plan::profile`] reads the sums.
    pub fn set_profiling(&mut self, on: bool) {
        self.times = on.then(|| vec![Times::default(); self.tape.nodes.len()]);
    }

    /// What was measured of each operation since [`Plan::set_profiling`].
    pub fn profile(&self) -> impl Iterator<Item = Profile<'_>> {
        self.times.iter().flatten().enumerate().filter_map(|(i, &times)| match self.tape.nodes[i].kind {
            Kind::Op(_) => Some(Profile {
                node: i,
                op: self.tape.label(i),
                shape: self.tape.nodes[i].shape,
                flops: self.tape.node_flops(i),
                backward_flops: self.backward_flops(i),
                times,
            }),
            _ => None,
        })
    }

    /// Floating-point operations of a forward and a backward.
    pub fn flops(&self) -> u64 {
        self.tape.flops() + (0..self.steps.len()).map(|i| self.backward_flops(i)).sum::<u64>()
    }

    /// Floating-point operations of node `i`'s backward, by the gradients that somebody needs.
    fn backward_flops(&self, i: usize) -> u64 {
        let [first, others @ ..] = &self.steps[i].adds;
        let node = &self.tape.nodes[i];
        match &node.kind {
            Kind::Op(op) if self.steps[i].active => {
                let inputs = self.tape.input_shapes(node);
                op.backward_flops(&inputs, node.shape, first.is_some(), others.iter().any(Option::is_some))
            }
            _ => 0,
        }
    }

    /// Holds the promise that the unsafe borrows rest on: at no moment does a range that is written overlap another
    /// range that the same node uses.
    fn check_disjoint(&self) {
        let range = |place: &Place| match place {
            Place::Arena(range) => range.clone(),
            Place::Params(_) => 0..0,
        };
        for (i, node) in self.tape.nodes.iter().enumerate() {
            let Kind::Op(op) = &node.kind else { continue };
            let step = &self.steps[i];
            let values = || node.inputs.iter().map(|x| range(&self.steps[x.0].value));
            let mut written = vec![range(&step.value), step.saved.clone(), step.forward_scratch.clone()];
            let mut read: Vec<Range<usize>> = values().collect();
            assert_disjoint(&written, &read, op.name());
            if !step.active {
                continue;
            }
            written = vec![step.backward_scratch.clone()];
            for (k, x) in node.inputs.iter().enumerate() {
                if step.adds[k].is_some() {
                    written.extend(self.steps[x.0].gradient.as_ref().map(range));
                }
            }
            read = values().enumerate().filter(|(k, _)| op.reads().input(*k)).map(|(_, range)| range).collect();
            read.push(step.saved.clone());
            read.extend(step.gradient.as_ref().map(range));
            if op.reads().output {
                read.push(range(&step.value));
            }
            assert_disjoint(&written, &read, op.name());
        }
    }
}

/// Panics if a written range overlaps another written or a read one.
fn assert_disjoint(written: &[Range<usize>], read: &[Range<usize>], op: &str) {
    let overlap = |a: &Range<usize>, b: &Range<usize>| a.start.max(b.start) < a.end.min(b.end);
    for (i, a) in written.iter().enumerate() {
        let clash = written[..i].iter().chain(read).find(|b| overlap(a, b));
        assert!(clash.is_none(), "{op}: the plan lets {a:?} overlap {clash:?}");
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
        Place::Params(id) => &params.values[params.range(crate::params::ParamId(*id))],
    }
}

impl<T: Float> fmt::Display for Plan<T> {
    /// One line a node: where its value and its gradient lie, and for each input whether its gradient is written or
    /// added to.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |place: &Place| match place {
            Place::Arena(range) => format!("{}..{}", range.start, range.end),
            Place::Params(id) => format!("param {id}"),
        };
        writeln!(f, "arena: {} elements, {:.1} MiB", self.size, self.arena_bytes() as f64 / 1_048_576.0)?;
        writeln!(f, "{:>4}  {:<22} {:<22} {:<22} gradients of the inputs", "node", "op", "value", "gradient")?;
        for (i, step) in self.steps.iter().enumerate() {
            let edges: Vec<String> = self.tape.nodes[i]
                .inputs
                .iter()
                .zip(&step.adds)
                .filter_map(|(x, add)| add.map(|add| format!("{} {}", x.0, if add { "add" } else { "write" })))
                .collect();
            let gradient = step.gradient.as_ref().map_or("-".to_owned(), show);
            let line = format!(
                "{i:>4}  {:<22} {:<22} {gradient:<22} {}",
                self.tape.label(i),
                show(&step.value),
                edges.join(", ")
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}
