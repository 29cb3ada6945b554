//! y = x·Wᵀ + b, optionally without b, optionally followed by a ReLU in the same pass.
//!
//! - CPU: `kernels/src/cpu/gemm.rs`, `kernels/src/cpu/reduce.rs`
//! - GPU: `kernels/ptx/gemm.ptx`, `kernels/ptx/gemm_tensor.ptx`, `kernels/ptx/reduce.ptx`, `kernels/ptx/relu_backward.ptx`
//! - PyTorch: `linear` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::gemm::{affine, gemm, gemm_scratch_len};
use inkgrad_kernels::cpu::matrix::{Matrix, MatrixMut};
use inkgrad_kernels::gpu::{self, Launches, Target, gemm::Epilogue};

use super::case::{Recorder, Spec, case, keep_off_corners};
use super::{relu_scratch, through_relu};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Error, Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Linear {
    relu: bool,
}

/// Batch, inputs and outputs of `x: (B, I)`, `weight: (O, I)`.
fn extents(shapes: &[Shape]) -> (usize, usize, usize) {
    (shapes[0].first(), shapes[0].last(), shapes[1].first())
}

impl<T: Float> Op<T> for Linear {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![("relu", Attribute::Flag(self.relu))]
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        if let [x, weight] = inputs {
            return match (x.dims(), weight.dims()) {
                (&[b, i], &[o, wi]) if i == wi => Ok([b, o].into()),
                _ => {
                    let problem = format!("x is {x}, weight {weight}, expected (batch, in), (out, in)");
                    Err(Error::shape(SPEC.name, problem))
                }
            };
        }
        let (&[b, i], &[o, wi], &[bias]) = (inputs[0].dims(), inputs[1].dims(), inputs[2].dims()) else {
            let problem = format!(
                "x is {}, weight {}, bias {}, expected (batch, in), (out, in), (out)",
                inputs[0], inputs[1], inputs[2]
            );
            return Err(Error::shape(SPEC.name, problem));
        };
        if wi != i || bias != o {
            let problem =
                format!("weight is {}, bias {}, expected (out, {i}) = (out, in) and (out)", inputs[1], inputs[2]);
            return Err(Error::shape(SPEC.name, problem));
        }
        Ok([b, o].into())
    }

    fn memory(&self, inputs: &[Shape], output: Shape) -> Memory {
        let (b, i, o) = extents(inputs);
        Memory {
            saved: 0,
            forward_scratch: gemm_scratch_len(b, i, o),
            backward_scratch: relu_scratch(self.relu, output)
                + gemm_scratch_len(b, o, i).max(gemm_scratch_len(o, b, i)),
        }
    }

    fn reads(&self) -> Reads {
        let reads = Reads::inputs(&[0, 1]);
        if self.relu { reads.and_output() } else { reads }
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> u64 {
        let (b, i, o) = extents(inputs);
        2 * (b * i * o) as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        let (b, i, o) = extents(run.shapes);
        let (x, w) = (Matrix::new(run.x[0], b, i), Matrix::new(run.x[1], o, i));
        let (y, bias) = (MatrixMut::new(run.y, b, o), run.x.get(2).copied());
        affine(run.team, x, w.transposed(), bias, self.relu, y, run.scratch);
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        let (b, i, o) = extents(run.shapes);
        let (dy, scratch) = through_relu(run.team, self.relu, [run.y, run.dy], run.dx.take(2), run.scratch);
        let beta = |add: bool| if add { T::ONE } else { T::ZERO };
        let (x, w, dy_matrix) = (Matrix::new(run.x[0], b, i), Matrix::new(run.x[1], o, i), Matrix::new(dy, b, o));
        if let Some(dx) = run.dx.take(0) {
            // dx = dy · W
            gemm(run.team, T::ONE, dy_matrix, w, beta(dx.add), MatrixMut::new(dx.values, b, i), scratch);
        }
        if let Some(dw) = run.dx.take(1) {
            // dW = dyᵀ · x
            gemm(run.team, T::ONE, dy_matrix.transposed(), x, beta(dw.add), MatrixMut::new(dw.values, o, i), scratch);
        }
    }
}

impl DeviceOp for Linear {
    fn device_memory(&self, inputs: &[Shape], output: Shape) -> Memory {
        use gpu::gemm::gemm_scratch_len;
        let (b, i, o) = extents(inputs);
        let gradients =
            gemm_scratch_len(b, o, i).max(gemm_scratch_len(o, b, i)).max(gpu::reduce::column_sums_scratch_len(b, o));
        Memory {
            saved: 0,
            forward_scratch: gemm_scratch_len(b, i, o),
            backward_scratch: gpu::activation::relu_scratch_len(self.relu, output.len()) + gradients,
        }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        use gpu::gemm::{Matrix, MatrixMut, gemm};
        let (b, i, o) = extents(run.shapes);
        let (x, w, y) = (Matrix::new(run.x[0], b, i), Matrix::new(run.x[1], o, i), Target::write(run.y));
        let epilogue = Epilogue { bias: run.x.get(2).copied(), relu: self.relu };
        gemm(launches, x, w.transposed(), MatrixMut::new(y, b, o), epilogue, run.scratch);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        use gpu::gemm::{Matrix, MatrixMut, gemm};
        let (b, i, o) = extents(run.shapes);
        let (dy, scratch) = gpu::activation::through_relu(launches, self.relu, [run.y, run.dy], run.dx[2], run.scratch);
        let (x, w, dy_matrix) = (Matrix::new(run.x[0], b, i), Matrix::new(run.x[1], o, i), Matrix::new(dy, b, o));
        if let Some(dx) = run.dx[0] {
            // dx = dy · W
            gemm(launches, dy_matrix, w, MatrixMut::new(dx, b, i), Epilogue::NONE, scratch);
        }
        if let Some(dw) = run.dx[1] {
            // dW = dyᵀ · x
            gemm(launches, dy_matrix.transposed(), x, MatrixMut::new(dw, o, i), Epilogue::NONE, scratch);
        }
    }
}

impl<T: Float> Tape<T> {
    /// x·Wᵀ + b for `x: (B, I)`, `weight: (O, I)`, `bias: (O)`: `(B, O)`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn linear(&mut self, x: Tensor, weight: Tensor, bias: Tensor) -> Result<Tensor> {
        self.record(Linear { relu: false }, &[x, weight, bias])
    }

    /// x·Wᵀ for `x: (B, I)`, `weight: (O, I)`: `(B, O)`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn linear_without_bias(&mut self, x: Tensor, weight: Tensor) -> Result<Tensor> {
        self.record(Linear { relu: false }, &[x, weight])
    }

    /// max(x·Wᵀ + b, 0).
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn linear_relu(&mut self, x: Tensor, weight: Tensor, bias: Tensor) -> Result<Tensor> {
        self.record(Linear { relu: true }, &[x, weight, bias])
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "linear",
    formula: "y = x·Wᵀ + b, b and ReLU on request",
    draw: |draw| {
        let (b, i, o, relu) = (draw.batch(), draw.extent() * 2, draw.extent() * 2, draw.coin());
        let mut inputs = vec![draw.values([b, i]), draw.weights([o, i], i)];
        if !relu && draw.coin() {
            let label = format!("x ({b}, {i}), weight ({o}, {i}), no bias");
            return case!(label, inputs, |tape, x| tape.linear_without_bias(x[0], x[1]));
        }
        inputs.push(draw.biases(o));
        if relu {
            let record: Recorder<f64> = Box::new(|tape, x| tape.linear(x[0], x[1], x[2]));
            keep_off_corners(&mut inputs, 2, &record);
        }
        let label = format!("x ({b}, {i}), weight ({o}, {i}){}", if relu { ", ReLU" } else { "" });
        case!(label, inputs, |tape, x| if relu {
            tape.linear_relu(x[0], x[1], x[2])
        } else {
            tape.linear(x[0], x[1], x[2])
        })
    },
};
