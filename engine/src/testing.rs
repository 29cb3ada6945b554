//! Faults on purpose: a case of an operation whose backward is broken in a chosen way, to show that a check notices. And
//! [graphs as data](graph), for comparisons with others.
//!
//! ```
//! use inkgrad_engine::Team;
//! use inkgrad_engine::gradcheck::check_case;
//! use inkgrad_engine::ops::{Draw, OPS};
//! use inkgrad_engine::testing::{Fault, Flaw, break_case};
//!
//! let case = (OPS[0].draw)(&mut Draw::small(1));
//! assert!(check_case(&case, &Team::solo(), 1)?.passes());
//! let broken = break_case(case, Fault { input: 0, flaw: Flaw::IgnoredAdd });
//! assert!(!check_case(&broken, &Team::solo(), 1)?.passes());
//! # Ok::<(), inkgrad_engine::Error>(())
//! ```

pub mod graph;
mod operands;
mod rules;

use inkgrad_kernels::Float;

use crate::device::op::DeviceOp;
use crate::op::{Backward, Forward, Gradient, Gradients, MAX_INPUTS, Memory, Op, Reads};
use crate::ops::{Case, Recorder};
use crate::tape::Kind;
use crate::{Result, Shape, Tape};

/// A fault in a gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Flaw {
    /// It is this many times as large.
    Factor(f64),
    /// It is zero.
    Dropped,
    /// One element, chosen by this number, is zero.
    OneDropped(usize),
    /// Nothing is written or added.
    Unwritten,
    /// One element, chosen by this number, is not written.
    OneUnwritten(usize),
    /// It is written where it has to be added.
    IgnoredAdd,
    /// It is added where it has to be written.
    AlwaysAdded,
    /// Where nobody needs it, the other gradients are left unwritten.
    NeededByOthers,
    /// Where nobody needs it, the gradient of the next input that is needed is zero.
    DroppedWithNext,
    /// Where nobody needs it, the operation panics.
    Demanded,
}

/// A flaw in the gradient of one input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    /// The input's index.
    pub input: usize,
    /// The fault.
    pub flaw: Flaw,
}

/// The case with this fault in the backward of what it records.
pub fn break_case(case: Case, fault: Fault) -> Case {
    Case { f32: break_record(case.f32, fault), f64: break_record(case.f64, fault), ..case }
}

fn break_record<T: Float>(record: Recorder<T>, fault: Fault) -> Recorder<T> {
    Box::new(move |tape, x| {
        let first = tape.len();
        let y = record(tape, x)?;
        wrap(tape, first, |op| Box::new(Broken { op, fault }));
        Ok(y)
    })
}

/// Puts `wrapper(op)` in the place of every operation from node `first` on. It has to have the same shape rule.
pub fn wrap<T: Float>(tape: &mut Tape<T>, first: usize, mut wrapper: impl FnMut(Box<dyn Op<T>>) -> Box<dyn Op<T>>) {
    for node in &mut tape.nodes[first..] {
        node.kind = match std::mem::replace(&mut node.kind, Kind::View) {
            Kind::Op(op) => Kind::Op(wrapper(op)),
            other => other,
        };
    }
}

/// An operation with a fault.
#[derive(Debug)]
struct Broken<T> {
    op: Box<dyn Op<T>>,
    fault: Fault,
}

impl<T: Float> Op<T> for Broken<T> {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        None
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        self.op.shape(inputs)
    }

    fn memory(&self, inputs: &[Shape], output: Shape) -> Memory {
        self.op.memory(inputs, output)
    }

    fn reads(&self) -> Reads {
        self.op.reads()
    }

    fn flops(&self, inputs: &[Shape], output: Shape) -> u64 {
        self.op.flops(inputs, output)
    }

    fn backward_flops(&self, inputs: &[Shape], output: Shape, first: bool, others: bool) -> u64 {
        self.op.backward_flops(inputs, output, first, others)
    }

    fn forward(&self, run: Forward<'_, T>) {
        self.op.forward(run);
    }

    /// The operation's own gradients go to memory of their own; from there they are delivered with the fault.
    fn backward(&self, run: Backward<'_, T>) {
        let Backward { x, shapes, y, dy, y_shape, mut dx, saved, scratch, team, clock, node } = run;
        let missing = dx.slots[self.fault.input].is_none();
        assert!(!missing || self.fault.flaw != Flaw::Demanded, "{} has no input {}", self.op.name(), self.fault.input);
        let mut own: Vec<Option<Vec<T>>> =
            dx.slots.iter().map(|slot| slot.as_ref().map(|dx| vec![T::from_f64(f64::NAN); dx.values.len()])).collect();
        let mut gradients = Gradients { slots: [const { None }; MAX_INPUTS] };
        for (slot, own) in gradients.slots.iter_mut().zip(&mut own) {
            *slot = own.as_mut().map(|values| Gradient { values, add: false });
        }
        self.op.backward(Backward { x, shapes, y, dy, y_shape, dx: gradients, saved, scratch, team, clock, node });
        let next = (self.fault.input..MAX_INPUTS).chain(0..MAX_INPUTS).find(|&i| dx.slots[i].is_some());
        for (i, own) in own.iter().enumerate() {
            let (Some(dx), Some(own)) = (dx.take(i), own) else { continue };
            let flaw = match self.fault.flaw {
                Flaw::NeededByOthers if missing => Some(Flaw::Unwritten),
                Flaw::DroppedWithNext if missing && next == Some(i) => Some(Flaw::Dropped),
                Flaw::NeededByOthers | Flaw::DroppedWithNext | Flaw::Demanded => None,
                flaw => (i == self.fault.input).then_some(flaw),
            };
            deliver(flaw, own, dx);
        }
    }
}

/// Writes or adds the gradient `own`, with a flaw.
fn deliver<T: Float>(flaw: Option<Flaw>, own: &[T], dx: Gradient<'_, T>) {
    let n = own.len();
    let add = match flaw {
        Some(Flaw::IgnoredAdd) => false,
        Some(Flaw::AlwaysAdded) => true,
        _ => dx.add,
    };
    for (i, (place, &value)) in dx.values.iter_mut().zip(own).enumerate() {
        let value = match flaw {
            Some(Flaw::Factor(factor)) => value * T::from_f64(factor),
            Some(Flaw::Dropped) => T::ZERO,
            Some(Flaw::OneDropped(chosen)) if i == chosen % n => T::ZERO,
            Some(Flaw::Unwritten) => continue,
            Some(Flaw::OneUnwritten(chosen)) if i == chosen % n => continue,
            _ => value,
        };
        *place = if add { *place + value } else { value };
    }
}
