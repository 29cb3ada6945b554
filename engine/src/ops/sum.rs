//! y = Σ x over all elements.
//!
//! - CPU: `kernels/src/cpu/reduce.rs`
//! - GPU: `kernels/ptx/elementwise.ptx`, `kernels/ptx/reduce.ptx`
//! - PyTorch: `sum` in `graphs.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::reduce;
use inkgrad_kernels::gpu::{self, Launches};

use super::case::{Spec, case};
use super::{for_pieces, piece, pieces, put, sum_pieces};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Sum;

impl<T: Float> Op<T> for Sum {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, _: &[Shape]) -> Result<Shape> {
        Ok(Shape::SCALAR)
    }

    fn memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        Memory { forward_scratch: pieces(inputs[0].len()), ..Memory::NONE }
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> u64 {
        inputs[0].len() as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        run.y[0] = sum_pieces(run.team, run.scratch, |i| reduce::sum(piece(run.x[0], i)));
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dxᵢ = dy
        let Some(dx) = run.dx.take(0) else { return };
        let dy = run.dy[0];
        for_pieces(run.team, dx.values, |_, dx_piece| dx_piece.iter_mut().for_each(|d| put(d, dy, dx.add)));
    }
}

impl DeviceOp for Sum {
    fn device_memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        Memory { forward_scratch: gpu::reduce::sum_scratch_len(inputs[0].len()), ..Memory::NONE }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        gpu::reduce::sum(launches, run.x[0], 1.0, run.y, run.scratch);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        if let Some(dx) = run.dx[0] {
            gpu::elementwise::spread(launches, run.dy, dx);
        }
    }
}

impl<T: Float> Tape<T> {
    /// The sum of all elements, a scalar.
    ///
    /// # Errors
    /// None; the result is there for the chain of `?`.
    pub fn sum(&mut self, x: Tensor) -> Result<Tensor> {
        self.record(Sum, &[x])
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "sum",
    formula: "y = Σ x",
    draw: |draw| {
        let shape = [draw.batch(), draw.extent(), draw.extent()];
        case!(format!("{shape:?}"), vec![draw.values(shape)], |tape, x| tape.sum(x[0]))
    },
};
