//! y = a · b, element by element.
//!
//! - CPU: the loops below
//! - GPU: `kernels/ptx/elementwise.ptx`, `kernels/ptx/layout.ptx`
//! - PyTorch: `mul` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::gpu::{Launches, Target, elementwise};

use super::broadcast::{two_draws, two_operands};
use super::case::{Spec, case};
use super::{equal_shapes, for_pieces, piece, put};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::op::{Backward, Forward, Op, Reads};
use crate::{Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Mul;

impl<T: Float> Op<T> for Mul {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        equal_shapes(SPEC.name, "a and b", inputs)
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0, 1])
    }

    fn forward(&self, run: Forward<'_, T>) {
        let (a, b) = (run.x[0], run.x[1]);
        for_pieces(run.team, run.y, |i, y| {
            for ((y, &a), &b) in y.iter_mut().zip(piece(a, i)).zip(piece(b, i)) {
                *y = a * b;
            }
        });
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // da = dy · b, db = dy · a
        for input in 0..2 {
            let Some(dx) = run.dx.take(input) else { continue };
            let other = run.x[1 - input];
            for_pieces(run.team, dx.values, |i, dx_piece| {
                for ((d, &dy), &other) in dx_piece.iter_mut().zip(piece(run.dy, i)).zip(piece(other, i)) {
                    put(d, dy * other, dx.add);
                }
            });
        }
    }
}

impl DeviceOp for Mul {
    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        elementwise::multiply(launches, run.x[0], run.x[1], Target::write(run.y));
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        for (dx, other) in [(run.dx[0], run.x[1]), (run.dx[1], run.x[0])] {
            if let Some(dx) = dx {
                elementwise::multiply(launches, run.dy, other, dx);
            }
        }
    }
}

impl<T: Float> Tape<T> {
    /// a · b, element by element, after [`Tape::broadcast`] of the smaller one to the larger one's shape.
    ///
    /// # Errors
    /// If no shape holds both.
    pub fn mul(&mut self, a: Tensor, b: Tensor) -> Result<Tensor> {
        let inputs = two_operands(self, SPEC.name, a, b)?;
        self.record(Mul, &inputs)
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "mul",
    formula: "y = a · b",
    draw: |draw| {
        let (label, [a, b]) = two_draws(draw);
        case!(label, vec![draw.values(a), draw.values(b)], |tape, x| tape.mul(x[0], x[1]))
    },
};
