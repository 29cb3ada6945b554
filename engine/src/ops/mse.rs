//! y = mean (x − t)² over all elements.
//!
//! - CPU: `kernels/src/cpu/loss.rs`
//! - GPU: `kernels/ptx/elementwise.ptx`, `kernels/ptx/loss.ptx`, `kernels/ptx/reduce.ptx`
//! - PyTorch: `mse` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::loss;
use inkgrad_kernels::gpu::{self, Launches};

use super::case::{Spec, case};
use super::{Reduction, equal_shapes, for_pieces, piece, pieces, sum_pieces};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Mse;

impl<T: Float> Op<T> for Mse {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        equal_shapes(SPEC.name, "x and targets", inputs).map(|_| Shape::SCALAR)
    }

    fn memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        Memory { forward_scratch: pieces(inputs[0].len()), ..Memory::NONE }
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0, 1])
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> u64 {
        3 * inputs[0].len() as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        let sum = sum_pieces(run.team, run.scratch, |i| loss::mse(piece(run.x[0], i), piece(run.x[1], i)));
        run.y[0] = sum / T::from_f64(run.x[0].len() as f64);
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx = 2/n · (x − t) · dy, dt = −dx
        let scale = T::from_f64(1.0 / run.x[0].len() as f64) * run.dy[0];
        for (input, scale) in [(0, scale), (1, -scale)] {
            let Some(dx) = run.dx.take(input) else { continue };
            for_pieces(run.team, dx.values, |i, d| {
                loss::mse_backward(piece(run.x[0], i), piece(run.x[1], i), scale, d, dx.add);
            });
        }
    }
}

impl DeviceOp for Mse {
    fn device_memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        Memory { forward_scratch: gpu::reduce::sum_scratch_len(inputs[0].len()), ..Memory::NONE }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        let scale = 1.0 / run.x[0].len as f32;
        gpu::loss::mse(launches, run.x[0], run.x[1], scale, run.y, run.scratch);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        let scale = 2.0 / run.x[0].len as f32;
        for (dx, scale) in run.dx.into_iter().zip([scale, -scale]) {
            let Some(dx) = dx else { continue };
            gpu::loss::mse_backward(launches, run.x[0], run.x[1], run.dy, scale, dx);
        }
    }
}

impl<T: Float> Tape<T> {
    /// The mean squared difference, a scalar.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn mse(&mut self, x: Tensor, targets: Tensor) -> Result<Tensor> {
        self.record(Mse, &[x, targets])
    }

    /// The same with its terms' sum or mean over all elements.
    ///
    /// # Errors
    /// As [`Tape::mse`].
    pub fn mse_reduced(&mut self, x: Tensor, targets: Tensor, reduction: Reduction) -> Result<Tensor> {
        let loss = self.mse(x, targets)?;
        let terms = self.shape(x).len();
        self.reduce(loss, Reduction::Mean, reduction, terms)
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "mse",
    formula: "y = mean (x − t)²",
    draw: |draw| {
        let shape = [draw.batch(), draw.extent(), draw.extent()];
        let reduction = draw.reduction();
        let label = format!("{shape:?} {reduction:?}");
        case!(label, vec![draw.values(shape), draw.fractions(shape)], |tape, x| {
            tape.mse_reduced(x[0], x[1], reduction)
        })
    },
};
