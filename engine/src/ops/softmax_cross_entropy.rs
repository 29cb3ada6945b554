//! y = −mean ln softmax(x)[label]: the cross-entropy of a classifier, from logits.
//!
//! - CPU: `kernels/src/cpu/loss.rs`
//! - GPU: `kernels/ptx/elementwise.ptx`, `kernels/ptx/loss.ptx`, `kernels/ptx/reduce.ptx`
//! - PyTorch: `cross_entropy` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::loss;
use inkgrad_kernels::gpu::{self, Launches};

use super::Reduction;
use super::case::{Spec, case};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Error, Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct SoftmaxCrossEntropy;

impl<T: Float> Op<T> for SoftmaxCrossEntropy {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        match (inputs[0].dims(), inputs[1].dims()) {
            (&[b, _], &[labels]) if b == labels => Ok(Shape::SCALAR),
            _ => {
                let problem =
                    format!("logits are {}, labels {}, expected (batch, classes) and (batch)", inputs[0], inputs[1]);
                Err(Error::shape(SPEC.name, problem))
            }
        }
    }

    fn memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        // The probabilities.
        Memory { saved: inputs[0].len(), ..Memory::NONE }
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[1])
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> u64 {
        4 * inputs[0].len() as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        let b = run.shapes[0].first();
        let sum = loss::softmax_cross_entropy(run.x[0], run.x[1], run.saved);
        run.y[0] = sum / T::from_f64(b as f64);
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx = (softmax(x) − onehot) · dy / batch
        run.dx.none(1);
        let Some(dx) = run.dx.take(0) else { return };
        let b = run.shapes[0].first();
        let scale = run.dy[0] / T::from_f64(b as f64);
        loss::softmax_cross_entropy_backward(run.saved, run.x[1], scale, dx.values, dx.add);
    }
}

impl DeviceOp for SoftmaxCrossEntropy {
    fn device_memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        let forward_scratch = gpu::loss::rows_scratch_len(inputs[1].len());
        Memory { saved: inputs[0].len(), forward_scratch, backward_scratch: 0 }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        gpu::loss::softmax_cross_entropy(launches, run.x[0], run.x[1], run.saved, run.y, run.scratch);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        run.none(1, launches);
        if let Some(dx) = run.dx[0] {
            gpu::loss::softmax_cross_entropy_backward(launches, run.saved, run.x[1], run.dy, dx);
        }
    }
}

impl<T: Float> Tape<T> {
    /// The mean cross-entropy of `logits: (B, C)` against `labels: (B)`, whole numbers below C; a scalar.
    ///
    /// # Errors
    /// If the shapes are not those.
    pub fn softmax_cross_entropy(&mut self, logits: Tensor, labels: Tensor) -> Result<Tensor> {
        self.record(SoftmaxCrossEntropy, &[logits, labels])
    }

    /// The same with its terms' sum or mean over the rows.
    ///
    /// # Errors
    /// As [`Tape::softmax_cross_entropy`].
    pub fn softmax_cross_entropy_reduced(
        &mut self,
        logits: Tensor,
        labels: Tensor,
        reduction: Reduction,
    ) -> Result<Tensor> {
        let loss = self.softmax_cross_entropy(logits, labels)?;
        let terms = self.shape(logits).first();
        self.reduce(loss, Reduction::Mean, reduction, terms)
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "softmax_cross_entropy",
    formula: "y = −mean ln softmax(x)[label]",
    draw: |draw| {
        let (b, classes) = (draw.batch(), draw.whole(1, 7));
        let reduction = draw.reduction();
        let label = format!("logits ({b}, {classes}) {reduction:?}");
        case!(label, vec![draw.spread([b, classes]), draw.labels(b, classes)], |tape, x| {
            tape.softmax_cross_entropy_reduced(x[0], x[1], reduction)
        })
    },
};
