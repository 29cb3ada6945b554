//! y = x, in memory of its own. The tape records it where an operation is given one value twice, so it stands beside the
//! tape; its line of the table of operations is in `ops/copy.rs`.

use std::ops::RangeInclusive;

use inkgrad_kernels::Float;
use inkgrad_kernels::gpu::{Launches, Target, elementwise};

use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::op::{Backward, Forward, Op, Reads};
use crate::ops::elementwise::{for_pieces, piece, put};
use crate::{Result, Shape};

pub(crate) const NAME: &str = "copy";

/// The operation; [`Tape::record`](crate::Tape::record) inserts it.
#[derive(Debug)]
pub struct Copy;

impl<T: Float> Op<T> for Copy {
    fn name(&self) -> &'static str {
        NAME
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        1..=1
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0])
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn flops(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn forward(&self, run: Forward<'_, T>) {
        for_pieces(run.team, run.y, |i, y| y.copy_from_slice(piece(run.x[0], i)));
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx = dy
        let Some(dx) = run.dx.take(0) else { return };
        for_pieces(run.team, dx.values, |i, dx_piece| {
            dx_piece.iter_mut().zip(piece(run.dy, i)).for_each(|(d, &dy)| put(d, dy, dx.add));
        });
    }
}

impl DeviceOp for Copy {
    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        elementwise::copy(launches, run.x[0], Target::write(run.y));
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        if let Some(dx) = run.dx[0] {
            elementwise::copy(launches, run.dy, dx);
        }
    }
}
