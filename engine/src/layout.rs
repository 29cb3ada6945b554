//! The decisions that compiling takes, once: who writes each gradient first, how long each buffer matters, and where in
//! the one arena it lies. A [`Plan`](crate::Plan) replays a layout on the CPU, a
//! [`DevicePlan`](crate::device::plan::DevicePlan) on a GPU; neither decides anything.
//!
//! Time is counted in moments: of *n* nodes, node *i* runs forward at moment *i* and backward at moment *2n − i*. Between
//! the two, at moment *n*, the gradient of the loss is set to 1.
//!
//! Three passes, each a function here, shown on the five nodes of loss = Σ tanh(x·w):
//!
//! ```text
//! node 0  x     input  (4)      1. first writers: backward runs from the last node to the first. sum writes dy, tanh
//! node 1  w     param  (4)         writes da, mul writes dw. x is no parameter, nobody needs its gradient.
//! node 2  a     mul x w         2. lifetimes: tanh's backward reads its output, so y has to live until moment 7, and
//! node 3  y     tanh a             a may be overwritten after moment 3. mul's backward reads x and w.
//! node 4  loss  sum y           3. places: a and da never live together, so they share elements 16 to 20;
//!                                  dy and da do, so dy lies at 48 to 52.
//!
//! moment     0    1    2    3    4    5    6    7    8    9   10   11
//! runs       x    w    mul  tanh sum  :  d sum d tanh d mul d w d x end
//! x          ■────────────────────────────────────────────────────■    an input stays, so that a run can be repeated
//! a                    ■────■
//! y                         ■───────────────────■
//! loss                           ■────────────────────────────────■    kept to be read after the run
//! d loss                              ■────■
//! dy                                       ■────■
//! da                                            ■────■
//! ```
//!
//! Values and gradients of parameters lie outside, in the flat buffers of [`Params`](crate::Params). The same graph, as a
//! plan prints it:
//!
//! ```
//! use inkgrad_engine::prelude::*;
//!
//! let (mut tape, mut params) = (Tape::<f32>::new(), Params::<f32>::new());
//! let w = params.declare("w", [4], Init::Normal);
//! let (x, w) = (tape.input("x", [4]), tape.param(&w));
//! let a = tape.mul(x, w)?;
//! let y = tape.tanh(a)?;
//! let loss = tape.sum(y)?;
//! let plan = tape.compile(Compile { loss: Some(loss), ..Compile::default() });
//! let printed = plan.to_string();
//! let node = |i: usize| printed.lines().nth(2 + i).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
//! //               op    value    alive  gradient alive  gradients of the inputs
//! assert_eq!(node(0), "0 input 0..4 0-11 -");
//! assert_eq!(node(1), "1 param param 0 param 0"); // outside the arena
//! assert_eq!(node(2), "2 mul 16..20 2-3 16..20 7-8 1 write");
//! assert_eq!(node(3), "3 tanh 32..36 3-7 48..52 6-7 2 write");
//! # Ok::<(), inkgrad_engine::Error>(())
//! ```

use std::ops::Range;

use inkgrad_kernels::Float;

use crate::Shape;
use crate::arena::{Lifetime, place};
use crate::op::{MAX_INPUTS, Memory, Op, Reads};
use crate::params::ParamId;
use crate::tape::{Kind, Tape, Tensor};

/// The purpose of a plan: what to differentiate and what to keep.
#[derive(Debug, Clone, Copy, Default)]
pub struct Compile<'a> {
    /// The scalar to differentiate; none for a plan that only runs forward.
    pub loss: Option<Tensor>,
    /// Values to be read after a run. The loss is kept anyway.
    pub keep: &'a [Tensor],
    /// Parameters whose names begin with one of these are constants to this plan: it computes no gradient for them, nor
    /// any that only they would need. See [`Params::freeze`](crate::Params::freeze) for a choice that may change from step
    /// to step.
    pub frozen: &'a [&'a str],
    /// Keeps every value and every gradient, each in a place of its own, for study.
    pub debug: bool,
}

/// The demands of an operation, on the CPU or on a device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs {
    pub(crate) memory: Memory,
    pub(crate) reads: Reads,
}

impl Needs {
    const NOTHING: Needs = Needs { memory: Memory::NONE, reads: Reads::NOTHING };
}

/// The decisions of compiling.
#[derive(Debug)]
pub(crate) struct Layout {
    /// One for each node of the tape.
    pub(crate) nodes: Vec<NodeLayout>,
    pub(crate) loss: Option<Tensor>,
    /// Per node: whether its value can be read after a run.
    pub(crate) kept: Vec<bool>,
    pub(crate) debug: bool,
    /// Elements of the arena.
    pub(crate) size: usize,
}

/// A node's part of the layout. A view's value and gradient are those of the node that it looks at.
#[derive(Debug, Clone)]
pub(crate) struct NodeLayout {
    pub(crate) value: Place,
    pub(crate) saved: Range<usize>,
    pub(crate) forward_scratch: Range<usize>,
    pub(crate) backward_scratch: Range<usize>,
    /// Where the gradient of the node's own value lies, if it has one.
    pub(crate) gradient: Option<Place>,
    /// Whether the node takes part in the backward.
    pub(crate) active: bool,
    /// Which values its backward reads.
    pub(crate) reads: Reads,
    /// For each input that needs it: whether its gradient is added (an earlier moment has written) or written.
    pub(crate) adds: Adds,
    /// The moments of value and gradient, for people to read.
    pub(crate) alive: [Lifetime; 2],
}

/// For each input of a node: whether its gradient is added to; `None` where nobody needs it.
pub(crate) type Adds = [Option<bool>; MAX_INPUTS];

/// Where a buffer lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the plan's arena.
    Arena(Range<usize>),
    /// In the flat buffers of the parameters.
    Params(ParamId),
}

impl Layout {
    /// Decides everything. `needs` says what an operation asks for where the plan will run.
    ///
    /// # Panics
    /// If the loss is not a single number, a tensor is of another tape, or `frozen` names no parameter of the tape.
    #[track_caller]
    pub(crate) fn new<T: Float>(
        tape: &Tape<T>,
        options: &Compile<'_>,
        needs: impl Fn(&dyn Op<T>, &[Shape], Shape) -> Needs,
    ) -> Layout {
        check_options(tape, options);
        let n = tape.nodes.len();
        let mut kept = vec![options.debug; n];
        for x in options.keep.iter().chain(&options.loss) {
            kept[x.index()] = true;
        }
        let needs: Vec<Needs> = tape
            .nodes
            .iter()
            .map(|node| match &node.kind {
                Kind::Op(op) => needs(&**op, &tape.input_shapes(node), node.shape),
                _ => Needs::NOTHING,
            })
            .collect();
        let active = active_nodes(tape, options);
        let writers = first_writers(tape, options.loss, &active);
        let mut buffers = lifetimes(tape, &kept, &active, &writers, &needs);
        if options.debug {
            let all = buffers.iter_mut().flat_map(Buffers::each_mut);
            all.for_each(|buffer| (buffer.first, buffer.last) = (0, end(n)));
        }
        let (mut nodes, size) = places(tape, &buffers, &writers);
        for (i, node) in nodes.iter_mut().enumerate() {
            (node.active, node.adds, node.reads) = (active[i], writers.adds[i], needs[i].reads);
            if !active[i] {
                // A detached value shares its source's value alone.
                node.gradient = None;
            }
        }
        let layout = Layout { nodes, loss: options.loss, kept, debug: options.debug, size };
        layout.check_disjoint(tape);
        layout
    }

    /// Holds the promise that the unsafe borrows of a plan rest on: at no moment does a range that is written overlap
    /// another range that the same node uses.
    fn check_disjoint<T: Float>(&self, tape: &Tape<T>) {
        let range = |place: &Place| match place {
            Place::Arena(range) => range.clone(),
            Place::Params(_) => 0..0,
        };
        for (node, own) in tape.nodes.iter().zip(&self.nodes) {
            let Kind::Op(op) = &node.kind else { continue };
            let values = || node.inputs.iter().map(|x| range(&self.nodes[x.index()].value));
            let written = [range(&own.value), own.saved.clone(), own.forward_scratch.clone()];
            assert_disjoint(&written, &values().collect::<Vec<_>>(), op.name());
            if !own.active {
                continue;
            }
            let mut written = vec![own.backward_scratch.clone()];
            for (x, _) in node.inputs.iter().zip(own.adds).filter(|(_, add)| add.is_some()) {
                written.extend(self.nodes[x.index()].gradient.as_ref().map(range));
            }
            let mut read: Vec<_> =
                values().enumerate().filter(|(k, _)| own.reads.input(*k)).map(|(_, range)| range).collect();
            read.push(own.saved.clone());
            read.extend(own.gradient.as_ref().map(range));
            if own.reads.output {
                read.push(range(&own.value));
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

/// Panics where the options do not fit the tape.
#[track_caller]
fn check_options<T: Float>(tape: &Tape<T>, options: &Compile<'_>) {
    for &x in options.keep {
        tape.own(x);
    }
    if let Some(loss) = options.loss {
        let shape = tape.shape(loss);
        assert!(
            shape.len() == 1,
            "the loss, node {}, is {shape}, expected a single number: `Tape::sum` it",
            loss.index()
        );
    }
    for prefix in options.frozen {
        let found = tape.nodes.iter().any(|node| matches!(&node.kind, Kind::Param(p) if p.name.starts_with(prefix)));
        assert!(found, "`Compile::frozen` has `{prefix}`, but no parameter of the tape has a name that begins so");
    }
}

/// The moment at which node `i` of `n` runs backward.
fn backward_moment(n: usize, i: usize) -> usize {
    2 * n - i
}

/// The moment after a run of `n` nodes.
fn end(n: usize) -> usize {
    2 * n + 1
}

/// Which nodes take part in the backward: those that lead from a parameter that is trained to the loss.
fn active_nodes<T: Float>(tape: &Tape<T>, options: &Compile<'_>) -> Vec<bool> {
    let n = tape.nodes.len();
    let Some(loss) = options.loss else { return vec![false; n] };
    let mut from_param = vec![false; n];
    for (i, node) in tape.nodes.iter().enumerate() {
        from_param[i] = match &node.kind {
            Kind::Param(param) => !options.frozen.iter().any(|prefix| param.name.starts_with(prefix)),
            Kind::Detached => false,
            _ => node.inputs.iter().any(|x| from_param[x.index()]),
        };
    }
    let mut to_loss = vec![false; n];
    to_loss[loss.index()] = true;
    for i in (0..=loss.index()).rev() {
        if to_loss[i] && !matches!(tape.nodes[i].kind, Kind::Detached) {
            tape.nodes[i].inputs.iter().for_each(|x| to_loss[x.index()] = true);
        }
    }
    (0..n).map(|i| from_param[i] && to_loss[i]).collect()
}

/// Who writes gradients, and when.
struct Writers {
    /// For each node.
    adds: Vec<Adds>,
    /// The moment at which a node's gradient is written first; `None` where it has none of its own.
    first: Vec<Option<usize>>,
}

/// First pass: which edge writes a gradient and which ones add. Later nodes run backward first, so the first edge that
/// is met on the way back writes.
fn first_writers<T: Float>(tape: &Tape<T>, loss: Option<Tensor>, active: &[bool]) -> Writers {
    let n = tape.nodes.len();
    let mut writers = Writers { adds: vec![[None; MAX_INPUTS]; n], first: vec![None; n] };
    if let Some(loss) = loss.map(|loss| tape.root(loss)).filter(|&loss| active[loss]) {
        // Set to 1 between forward and backward.
        writers.first[loss] = Some(n);
    }
    for i in (0..n).rev().filter(|&i| active[i]) {
        let node = &tape.nodes[i];
        let Kind::Op(_) = node.kind else { continue };
        for (k, &x) in node.inputs.iter().enumerate() {
            let root = tape.root(x);
            if active[x.index()] {
                writers.adds[i][k] = Some(writers.first[root].is_some());
                writers.first[root].get_or_insert(backward_moment(n, i));
            }
        }
    }
    writers
}

/// The buffers of a node in the arena. Those that it does not have are empty.
#[derive(Debug, Clone, Copy, Default)]
struct Buffers {
    value: Lifetime,
    saved: Lifetime,
    forward_scratch: Lifetime,
    backward_scratch: Lifetime,
    gradient: Lifetime,
}

impl Buffers {
    const COUNT: usize = 5;

    fn each(&self) -> [Lifetime; Self::COUNT] {
        [self.value, self.saved, self.forward_scratch, self.backward_scratch, self.gradient]
    }

    fn each_mut(&mut self) -> [&mut Lifetime; Self::COUNT] {
        let Buffers { value, saved, forward_scratch, backward_scratch, gradient } = self;
        [value, saved, forward_scratch, backward_scratch, gradient]
    }
}

/// Second pass: from which moment to which each buffer matters.
fn lifetimes<T: Float>(
    tape: &Tape<T>,
    kept: &[bool],
    active: &[bool],
    writers: &Writers,
    needs: &[Needs],
) -> Vec<Buffers> {
    let n = tape.nodes.len();
    let mut buffers = vec![Buffers::default(); n];
    for (i, node) in tape.nodes.iter().enumerate() {
        let (now, then, root) = (i, backward_moment(n, i), tape.root(tape.tensor(i)));
        let len = node.shape.len();
        match node.kind {
            Kind::Param(_) | Kind::View | Kind::Detached => {}
            // Filled in before the first operation runs; stays, so that a run can be repeated.
            Kind::Input(_) => buffers[i].value = Lifetime { len, first: 0, last: end(n) },
            Kind::Op(_) => {
                let Needs { memory, reads } = needs[i];
                let [own_last, inputs_last] = if active[i] { [then, then] } else { [now, now] };
                let value_last = if active[i] && reads.output { then } else { now };
                buffers[i].value = Lifetime { len, first: now, last: value_last };
                buffers[i].saved = Lifetime { len: memory.saved, first: now, last: own_last };
                buffers[i].forward_scratch = Lifetime { len: memory.forward_scratch, first: now, last: now };
                if active[i] {
                    buffers[i].backward_scratch = Lifetime { len: memory.backward_scratch, first: then, last: then };
                }
                for (k, &x) in node.inputs.iter().enumerate() {
                    // A view's value is that of the node that it looks at.
                    let value = &mut buffers[tape.root(x)].value;
                    value.last = value.last.max(if reads.input(k) { inputs_last } else { now });
                }
            }
        }
        if kept[i] {
            buffers[root].value.last = end(n);
        }
        if let (Some(first), false) = (writers.first[i], matches!(node.kind, Kind::Param(_))) {
            buffers[i].gradient = Lifetime { len, first, last: then };
        }
    }
    buffers
}

/// Third pass: a place for every buffer, those of parameters outside the arena. Returns them with the arena's size.
fn places<T: Float>(tape: &Tape<T>, buffers: &[Buffers], writers: &Writers) -> (Vec<NodeLayout>, usize) {
    let all: Vec<Lifetime> = buffers.iter().flat_map(Buffers::each).collect();
    let (ranges, size) = place(&all);
    let ranges = ranges.as_chunks::<{ Buffers::COUNT }>().0;
    let nodes = (0..tape.nodes.len()).map(|i| {
        let root = tape.root(tape.tensor(i));
        let [value, .., gradient] = &ranges[root];
        let [_, saved, forward_scratch, backward_scratch, _] = ranges[i].clone();
        let [value, gradient] = match &tape.nodes[root].kind {
            Kind::Param(param) => [Place::Params(param.id), Place::Params(param.id)],
            _ => [Place::Arena(value.clone()), Place::Arena(gradient.clone())],
        };
        NodeLayout {
            value,
            saved,
            forward_scratch,
            backward_scratch,
            gradient: writers.first[root].map(|_| gradient),
            active: false,
            reads: Reads::NOTHING,
            adds: [None; MAX_INPUTS],
            alive: [buffers[root].value, buffers[root].gradient],
        }
    });
    (nodes.collect(), size)
}
