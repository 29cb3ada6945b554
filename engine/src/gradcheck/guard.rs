//! Operations under guard: a panic, or a gradient that is not finite, is told with operation, node, input and element.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::device::op::DeviceOp;
use crate::op::{Backward, Forward, Gradient, Gradients, MAX_INPUTS, Memory, Op, Reads};
use crate::testing::wrap;
use crate::{Result, Shape, Tape};

/// The NaN that gradients hold before a backward writes them. Arithmetic hands its payload on, so a gradient that holds it
/// afterwards was left as it was, or added to; a NaN that a backward computes by itself has another.
const UNWRITTEN: u64 = 0x7ff8_0bad_0bad_0bad;

/// Puts every operation of the tape under guard. A run then unwinds with a message, which [`told`] returns.
pub(super) fn guard(tape: &mut Tape<f64>) {
    wrap(tape, 0, |op| Box::new(Guarded { op }));
}

/// Runs `f`; if it unwinds, the message.
pub(super) fn told<R>(f: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|panic| message(&*panic).to_owned())
}

/// The text of a panic.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

#[derive(Debug)]
struct Guarded {
    op: Box<dyn Op<f64>>,
}

impl Guarded {
    /// Unwinds, past the hook that would print a second message.
    fn tell(&self, node: u64, shapes: &[Shape], problem: &str) -> ! {
        let shapes: Vec<String> = shapes.iter().map(Shape::to_string).collect();
        let place = format!("`{}` (node {node}, inputs {})", self.op.name(), shapes.join(", "));
        resume_unwind(Box::new(format!("{place} {problem}")))
    }

    /// A remark on inputs whose values the backward does not get.
    fn unread(&self, inputs: usize) -> String {
        let reads = self.op.reads();
        let unread: Vec<String> = (0..inputs).filter(|&i| !reads.input(i)).map(|i| i.to_string()).collect();
        match (unread.is_empty(), reads.output) {
            (true, true) => String::new(),
            (false, true) => format!("; `Op::reads` does not name input {}", unread.join(", ")),
            (true, false) => "; `Op::reads` does not name the output".to_owned(),
            (false, false) => format!("; `Op::reads` names neither input {} nor the output", unread.join(", ")),
        }
    }
}

impl Op<f64> for Guarded {
    fn name(&self) -> &'static str {
        self.op.name()
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        self.op.on_device()
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

    fn forward(&self, run: Forward<'_, f64>) {
        let (node, shapes) = (run.node, run.shapes);
        if let Err(panic) = told(|| self.op.forward(run)) {
            self.tell(node, shapes, &format!("panics in its forward: {panic}"));
        }
    }

    fn backward(&self, run: Backward<'_, f64>) {
        let Backward { x, shapes, y, dy, y_shape, mut dx, saved, scratch, team, clock, node } = run;
        for gradient in dx.slots.iter_mut().flatten().filter(|gradient| !gradient.add) {
            gradient.values.fill(f64::from_bits(UNWRITTEN));
        }
        let mut lent = Gradients { slots: [const { None }; MAX_INPUTS] };
        for (lent, own) in lent.slots.iter_mut().zip(&mut dx.slots) {
            *lent = own.as_mut().map(|Gradient { values, add }| Gradient { values, add: *add });
        }
        let lent = Backward { x, shapes, y, dy, y_shape, dx: lent, saved, scratch, team, clock, node };
        if let Err(panic) = told(|| self.op.backward(lent)) {
            self.tell(node, shapes, &format!("panics in its backward: {panic}{}", self.unread(x.len())));
        }
        for (input, gradient) in dx.slots.iter().enumerate().filter_map(|(i, slot)| Some((i, slot.as_ref()?))) {
            let Some(i) = gradient.values.iter().position(|d| !d.is_finite()) else { continue };
            let found = gradient.values[i];
            let place = format!("element {i} of the gradient of input {input}");
            self.tell(
                node,
                shapes,
                &if found.to_bits() == UNWRITTEN {
                    let hint = self.unread(x.len());
                    format!("leaves {place} unwritten, or adds to it where it has to write{hint}")
                } else {
                    format!("computes {found} as {place}")
                },
            );
        }
    }
}
