//! y = a + b.
//!
//! - CPU: the loops below
//! - GPU: `kernels/ptx/elementwise.ptx`, `kernels/ptx/layout.ptx`
//! - PyTorch: `add` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::gpu::{Launches, elementwise};

use super::broadcast::{two_draws, two_operands};
use super::case::{Spec, case};
use super::{equal_shapes, for_pieces, piece, put};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::op::{Backward, Forward, Op, Reads};
use crate::{Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Add;

impl<T: Float> Op<T> for Add {
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
        Reads::NOTHING
    }

    fn forward(&self, run: Forward<'_, T>) {
        let (a, b) = (run.x[0], run.x[1]);
        for_pieces(run.team, run.y, |i, y| {
            for ((y, &a), &b) in y.iter_mut().zip(piece(a, i)).zip(piece(b, i)) {
                *y = a + b;
            }
        });
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // da = dy, db = dy
        for input in 0..2 {
            let Some(dx) = run.dx.take(input) else { continue };
            for_pieces(run.team, dx.values, |i, dx_piece| {
                dx_piece.iter_mut().zip(piece(run.dy, i)).for_each(|(d, &dy)| put(d, dy, dx.add));
            });
        }
    }
}

impl DeviceOp for Add {
    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        elementwise::add(launches, run.x[0], run.x[1], run.y);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        for dx in run.dx.into_iter().flatten() {
            elementwise::copy(launches, run.dy, dx);
        }
    }
}

impl<T: Float> Tape<T> {
    /// a + b, element by element, after [`Tape::broadcast`] of the smaller one to the larger one's shape.
    ///
    /// # Errors
    /// If no shape holds both.
    pub fn add(&mut self, a: Tensor, b: Tensor) -> Result<Tensor> {
        let inputs = two_operands(self, SPEC.name, a, b)?;
        self.record(Add, &inputs)
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "add",
    formula: "y = a + b",
    draw: |draw| {
        let (label, [a, b]) = two_draws(draw);
        case!(label, vec![draw.values(a), draw.values(b)], |tape, x| tape.add(x[0], x[1]))
    },
};
