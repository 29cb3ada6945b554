//! The device side of an operation: the launches of its forward and backward.

use inkgrad_kernels::gpu::{Launches, Span, Target, elementwise};

use crate::Shape;
use crate::needs::{MAX_INPUTS, Memory, Reads};

/// An operation as a GPU computes it. An operation without kernels does not compile; most need no memory.
pub trait DeviceOp {
    /// Which values the backward reads on a GPU; all others may be overwritten before it runs. `on_cpu`: what
    /// [`Op::reads`](crate::op::Op::reads) names, which is right where both read the same.
    fn device_reads(&self, on_cpu: Reads) -> Reads {
        on_cpu
    }

    /// The memory that a run on a GPU needs beside inputs and output.
    fn device_memory(&self, _inputs: &[Shape], _output: Shape) -> Memory {
        Memory::NONE
    }

    /// Lists the launches that compute the output from the inputs.
    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches);

    /// Lists the launches that compute the gradients of the inputs from the gradient of the output.
    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches);
}

/// Inputs and outputs of a forward on a device; the fields are those of [`Forward`](crate::op::Forward).
#[derive(Debug)]
pub struct DeviceForward<'a> {
    /// The inputs' values.
    pub x: &'a [Span],
    /// The inputs' shapes.
    pub shapes: &'a [Shape],
    /// The output.
    pub y: Span,
    /// The output's shape.
    pub y_shape: Shape,
    /// Kept for the backward.
    pub saved: Span,
    /// Free for use.
    pub scratch: Span,
    /// The step's record, of which random operations read their key.
    pub record: Span,
    /// The operation's index on the tape: a random operation's own stream.
    pub node: usize,
}

/// Inputs and outputs of a backward on a device; the fields are those of [`Backward`](crate::op::Backward).
#[derive(Debug)]
pub struct DeviceBackward<'a> {
    /// The inputs' values.
    pub x: &'a [Span],
    /// The inputs' shapes.
    pub shapes: &'a [Shape],
    /// The output's value.
    pub y: Span,
    /// The output's gradient.
    pub dy: Span,
    /// The output's shape.
    pub y_shape: Shape,
    /// Where the inputs' gradients go; `None` where nobody needs one.
    pub dx: [Option<Target>; MAX_INPUTS],
    /// Kept by the forward.
    pub saved: Span,
    /// Free for use.
    pub scratch: Span,
}

impl DeviceBackward<'_> {
    /// Says that input `i`, such as a class, has no gradient: whoever leads there gets zeros.
    pub fn none(&self, i: usize, launches: &mut Launches) {
        if let Some(dx) = self.dx[i].filter(|dx| !dx.add) {
            elementwise::fill(launches, 0.0, dx);
        }
    }
}
