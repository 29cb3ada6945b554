//! Binary cross-entropy of sigmoid(x) against targets t in [0, 1], summed over all elements and computed from the logits:
//!
//! y = Σ max(x, 0) − x·t + ln(1 + e^{−|x|})
//!
//! which never takes the logarithm of a rounded probability.
//!
//! - CPU: `kernels/src/cpu/loss.rs`
//! - GPU: `kernels/ptx/elementwise.ptx`, `kernels/ptx/loss.ptx`, `kernels/ptx/reduce.ptx`
//! - PyTorch: `bce_with_logits`, `bce_of_sigmoid` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::loss;
use inkgrad_kernels::gpu::{self, Launches};

use super::case::{Spec, case};
use super::{Reduction, equal_shapes, for_pieces, piece, pieces, put, sum_pieces};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct BceWithLogits;

impl<T: Float> Op<T> for BceWithLogits {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        equal_shapes(SPEC.name, "logits and targets", inputs).map(|_| Shape::SCALAR)
    }

    fn memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        Memory { forward_scratch: pieces(inputs[0].len()), ..Memory::NONE }
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0, 1])
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> u64 {
        6 * inputs[0].len() as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        run.y[0] = sum_pieces(run.team, run.scratch, |i| loss::bce_with_logits(piece(run.x[0], i), piece(run.x[1], i)));
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        let dy = run.dy[0];
        let (x, t) = (run.x[0], run.x[1]);
        if let Some(dx) = run.dx.take(0) {
            // dx = (σ(x) − t) · dy
            for_pieces(run.team, dx.values, |i, d| {
                loss::bce_with_logits_backward(piece(x, i), piece(t, i), dy, d, dx.add);
            });
        }
        if let Some(dt) = run.dx.take(1) {
            // dt = −x · dy
            for_pieces(run.team, dt.values, |i, d| {
                d.iter_mut().zip(piece(x, i)).for_each(|(d, &x)| put(d, -x * dy, dt.add));
            });
        }
    }
}

impl DeviceOp for BceWithLogits {
    fn device_memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        Memory { forward_scratch: gpu::reduce::sum_scratch_len(inputs[0].len()), ..Memory::NONE }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        gpu::loss::bce_with_logits(launches, run.x[0], run.x[1], run.y, run.scratch);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        if let Some(dx) = run.dx[0] {
            gpu::loss::bce_with_logits_backward(launches, run.x[0], run.x[1], run.dy, dx);
        }
        if let Some(dt) = run.dx[1] {
            gpu::loss::bce_with_logits_backward_targets(launches, run.x[0], run.dy, dt);
        }
    }
}

impl<T: Float> Tape<T> {
    /// The summed binary cross-entropy of `targets` under sigmoid(`logits`), a scalar.
    ///
    /// # Errors
    /// If the shapes differ.
    pub fn bce_with_logits(&mut self, logits: Tensor, targets: Tensor) -> Result<Tensor> {
        self.record(BceWithLogits, &[logits, targets])
    }

    /// The same with its terms' sum or mean over all elements.
    ///
    /// # Errors
    /// As [`Tape::bce_with_logits`].
    pub fn bce_with_logits_reduced(&mut self, logits: Tensor, targets: Tensor, reduction: Reduction) -> Result<Tensor> {
        let loss = self.bce_with_logits(logits, targets)?;
        let terms = self.shape(logits).len();
        self.reduce(loss, Reduction::Sum, reduction, terms)
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "bce_with_logits",
    formula: "y = Σ max(x, 0) − x·t + ln(1 + e^−|x|)",
    draw: |draw| {
        let shape = [draw.batch(), draw.extent(), draw.extent()];
        let reduction = draw.reduction();
        let label = format!("{shape:?} {reduction:?}");
        case!(label, vec![draw.spread(shape), draw.fractions(shape)], |tape, x| {
            tape.bce_with_logits_reduced(x[0], x[1], reduction)
        })
    },
};
