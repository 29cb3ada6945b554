//! The forward and, right under it, the backward: each a walk over the nodes that hands every operation its memory.

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::{Team, reduce};

use super::{Plan, Stage};
use crate::arena::Region;
use crate::layout::Place;
use crate::op::{Backward, Clock, Forward, Gradient, Gradients, MAX_INPUTS};
use crate::params::{Param, Params};
use crate::tape::Kind;
use crate::{Error, Result, Shape};

impl<T: Float> Plan<T> {
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
        self.tape.expect_params(params);
        for (i, node) in self.tape.nodes.iter().enumerate() {
            if let Kind::Input(name) = &node.kind {
                assert!(
                    self.filled[i],
                    "input `{name}`, node {i}, was never filled: `Plan::fill` it before the first run"
                );
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
        self.backward_with(params, team, &mut |_, _| {});
    }

    /// The same; `done` is given the parameters, and each one as soon as this backward adds nothing more to its gradient: to use that
    /// while the others are computed ([`Accumulator::begin`](crate::optim::Accumulator::begin) has an example). Those without a
    /// gradient are left out.
    ///
    /// # Panics
    /// As [`Plan::backward`].
    #[track_caller]
    pub fn backward_with(&mut self, params: &mut Params<T>, team: &Team, done: &mut dyn FnMut(&Params<T>, &Param)) {
        let loss =
            self.layout.loss.expect("a loss to differentiate: give `Compile::loss` one where the tape is compiled");
        match self.stage {
            Stage::Forward => self.stage = Stage::Backward,
            Stage::Empty => panic!("nothing is computed yet: run `Plan::forward` before `Plan::backward`"),
            Stage::Stale => {
                panic!("an input was handed out after the forward: run `Plan::forward` again before `backward`")
            }
            Stage::Backward => panic!("a backward overwrites values: run `Plan::forward` again before the next"),
        }
        self.tape.expect_params(params);
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
            if !self.layout.nodes[i].active {
                continue;
            }
            match &self.tape.nodes[i].kind {
                // A tape has it once, before all that use it.
                Kind::Param(param) if params.is_live(param) => done(params, param),
                Kind::Op(_) => self.backward_node(i, params, team),
                _ => {}
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
