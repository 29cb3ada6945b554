//! y[b] = W[label[b]]: a row of a table for each label.
//!
//! - CPU: the loops below
//! - GPU: `kernels/ptx/layout.ptx`
//! - PyTorch: `embedding` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::loss::index;
use inkgrad_kernels::gpu::{Launches, layout};

use super::case::{Spec, case};
use super::put;
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::op::{Backward, Forward, Op, Reads};
use crate::{Error, Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Embedding;

impl<T: Float> Op<T> for Embedding {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        match (inputs[0].dims(), inputs[1].dims()) {
            (&[_, d], &[b]) => Ok([b, d].into()),
            _ => {
                let problem = format!(
                    "weight is {}, labels are {}, expected (classes, features) and (batch)",
                    inputs[0], inputs[1]
                );
                Err(Error::shape(SPEC.name, problem))
            }
        }
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[1])
    }

    fn flops(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn forward(&self, run: Forward<'_, T>) {
        let (rows, d) = (run.shapes[0].first(), run.shapes[0].last());
        for (y, &label) in run.y.chunks_exact_mut(d).zip(run.x[1]) {
            y.copy_from_slice(&run.x[0][index(label, rows) * d..][..d]);
        }
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dW[c] = Σ dy[b] over the b with label c
        run.dx.none(1);
        let (rows, d) = (run.shapes[0].first(), run.shapes[0].last());
        let Some(dw) = run.dx.take(0) else { return };
        if !dw.add {
            dw.values.fill(T::ZERO);
        }
        for (dy, &label) in run.dy.chunks_exact(d).zip(run.x[1]) {
            let dw_row = &mut dw.values[index(label, rows) * d..][..d];
            dw_row.iter_mut().zip(dy).for_each(|(d, &dy)| put(d, dy, true));
        }
    }
}

impl DeviceOp for Embedding {
    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        layout::embedding(launches, run.x[0], run.x[1], run.y);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        run.none(1, launches);
        if let Some(dw) = run.dx[0] {
            layout::embedding_backward(launches, run.x[1], run.dy, dw);
        }
    }
}

impl<T: Float> Tape<T> {
    /// The rows of `weight: (classes, D)` that `labels: (B)` name: `(B, D)`. Labels are whole numbers from 0; a run panics at any
    /// other.
    ///
    /// # Errors
    /// If the shapes are not those.
    pub fn embedding(&mut self, weight: Tensor, labels: Tensor) -> Result<Tensor> {
        self.record(Embedding, &[weight, labels])
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "embedding",
    formula: "y[b] = W[label[b]]",
    draw: |draw| {
        let (b, classes, d) = (draw.batch(), draw.whole(1, 5), draw.extent());
        let label = format!("weight ({classes}, {d}), labels ({b})");
        case!(label, vec![draw.values([classes, d]), draw.labels(b, classes)], |tape, x| tape.embedding(x[0], x[1]))
    },
};
