//! y[p] = b + Σₖ x[p · stride − padding + k] · W[k]: convolution (as everyone calls this correlation), optionally followed
//! by a ReLU in the same pass. Channels-last pictures, PyTorch's weights.
//!
//! - CPU: `kernels/src/cpu/conv/mod.rs`, `kernels/src/cpu/reduce.rs`
//! - GPU: `kernels/ptx/conv_down.ptx`, `kernels/ptx/conv_down_tensor.ptx`, `kernels/ptx/conv_up.ptx`,
//!   `kernels/ptx/conv_up_single.ptx`, `kernels/ptx/conv_up_tensor.ptx`, `kernels/ptx/conv_weight.ptx`,
//!   `kernels/ptx/conv_weight_single.ptx`, `kernels/ptx/conv_weight_sums.ptx`, `kernels/ptx/conv_weight_tensor.ptx`,
//!   `kernels/ptx/layout.ptx`, `kernels/ptx/reduce.ptx`, `kernels/ptx/relu_backward.ptx`
//! - PyTorch: `conv2d` in `ops.json`

use std::ops::RangeInclusive;

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::conv::{self, Algorithm, Geometry, Grid, Store};
use inkgrad_kernels::gpu::{self, Launches, Target, gemm::Epilogue};

use super::case::{Recorder, Spec, case, keep_off_corners};
use super::{relu_scratch, through_relu};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Error, Result, Shape, Tape, Tensor};

/// A convolution's attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// Vertical and horizontal step.
    pub stride: (usize, usize),
    /// Zeros around the input, above and below, left and right.
    pub padding: (usize, usize),
    /// Whether a ReLU follows.
    pub relu: bool,
}

impl Conv {
    /// The output's extent along one axis: ⌊(in + 2·padding − kernel) / stride⌋ + 1.
    fn extent(input: usize, kernel: usize, stride: usize, padding: usize) -> Option<usize> {
        Some((input + 2 * padding).checked_sub(kernel)? / stride + 1)
    }

    fn geometry(&self, inputs: &[Shape], output: Shape) -> Geometry {
        let (x, w, y) = (inputs[0].dims(), inputs[1].dims(), output.dims());
        Geometry {
            batch: x[0],
            small: Grid { height: y[1], width: y[2], channels: y[3] },
            big: Grid { height: x[1], width: x[2], channels: x[3] },
            kernel: (w[2], w[3]),
            stride: self.stride,
            padding: self.padding,
        }
    }
}

impl<T: Float> Op<T> for Conv {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![
            ("stride", Attribute::Pair(self.stride.0, self.stride.1)),
            ("padding", Attribute::Pair(self.padding.0, self.padding.1)),
            ("relu", Attribute::Flag(self.relu)),
        ]
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn inputs(&self) -> RangeInclusive<usize> {
        3..=3
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let (&[b, h, w, c], &[o, i, kh, kw], &[bias]) = (inputs[0].dims(), inputs[1].dims(), inputs[2].dims()) else {
            let problem = format!(
                "x is {}, weight {}, bias {}, expected (batch, height, width, in), (out, in, kh, kw), (out)",
                inputs[0], inputs[1], inputs[2]
            );
            return Err(Error::shape(SPEC.name, problem));
        };
        if i != c || bias != o {
            let problem = format!("weight is {}, bias {}, expected (out, {c}, kh, kw) and (out)", inputs[1], inputs[2]);
            return Err(Error::shape(SPEC.name, problem));
        }
        let height = Conv::extent(h, kh, self.stride.0, self.padding.0);
        let width = Conv::extent(w, kw, self.stride.1, self.padding.1);
        match (height, width) {
            (Some(height), Some(width)) => Ok([b, height, width, o].into()),
            _ => Err(Error::shape(SPEC.name, format!("x is {}, smaller than the {kh}×{kw} kernel", inputs[0]))),
        }
    }

    fn memory(&self, inputs: &[Shape], output: Shape) -> Memory {
        let geometry = self.geometry(inputs, output);
        Memory {
            saved: 0,
            forward_scratch: geometry.down_scratch(),
            backward_scratch: relu_scratch(self.relu, output)
                + geometry.up_scratch().max(conv::weight_gradient_scratch(&geometry)),
        }
    }

    fn reads(&self) -> Reads {
        let reads = Reads::inputs(&[0, 1]);
        if self.relu { reads.and_output() } else { reads }
    }

    fn flops(&self, inputs: &[Shape], output: Shape) -> u64 {
        self.geometry(inputs, output).flops()
    }

    fn algorithms(&self, inputs: &[Shape], output: Shape) -> Option<[Algorithm; 3]> {
        let geometry = self.geometry(inputs, output);
        Some([geometry.down_algorithm(), geometry.up_algorithm(), geometry.weight_gradient_algorithm()])
    }

    fn forward(&self, run: Forward<'_, T>) {
        let geometry = self.geometry(run.shapes, run.y_shape);
        let store = if self.relu { Store::WriteRelu } else { Store::Write };
        conv::down(run.team, &geometry, run.x[0], run.x[1], Some(run.x[2]), store, run.y, run.scratch);
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        let geometry = self.geometry(run.shapes, run.y_shape);
        let (dy, scratch) = through_relu(run.team, self.relu, [run.y, run.dy], run.dx.take(2), run.scratch);
        if let Some(dx) = run.dx.take(0) {
            // dx[p · stride − padding + k] += dy[p] · W[k]ᵀ
            let store = if dx.add { Store::Add } else { Store::Write };
            conv::up(run.team, &geometry, dy, run.x[1], None, store, dx.values, scratch);
        }
        if let Some(dw) = run.dx.take(1) {
            // dW[k] = Σ dy[p]ᵀ · x[p · stride − padding + k]
            conv::weight_gradient(run.team, &geometry, dy, run.x[0], dw.values, dw.add, scratch);
        }
    }
}

impl DeviceOp for Conv {
    fn device_memory(&self, inputs: &[Shape], output: Shape) -> Memory {
        let geometry = self.geometry(inputs, output);
        let pixels = output.len() / output.last();
        let gradients = gpu::conv::weight_gradient_scratch_len(&geometry)
            .max(gpu::reduce::column_sums_scratch_len(pixels, output.last()));
        Memory {
            saved: gpu::conv::packed_len(&geometry),
            forward_scratch: 0,
            backward_scratch: gpu::activation::relu_scratch_len(self.relu, output.len()) + gradients,
        }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        let geometry = self.geometry(run.shapes, run.y_shape);
        let w = gpu::conv::pack_weights(launches, &geometry, run.x[1], run.saved);
        let epilogue = Epilogue { bias: Some(run.x[2]), relu: self.relu };
        gpu::conv::down(launches, &geometry, run.x[0], w, epilogue, Target::write(run.y));
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        let geometry = self.geometry(run.shapes, run.y_shape);
        let (dy, scratch) = gpu::activation::through_relu(launches, self.relu, [run.y, run.dy], run.dx[2], run.scratch);
        if let Some(dx) = run.dx[0] {
            let w = gpu::conv::packed_weights(run.x[1], run.saved);
            gpu::conv::up(launches, &geometry, dy, w, Epilogue::NONE, dx);
        }
        if let Some(dw) = run.dx[1] {
            gpu::conv::weight_gradient(launches, &geometry, dy, run.x[0], dw, scratch);
        }
    }
}

impl<T: Float> Tape<T> {
    /// A convolution of `x: (B, H, W, C)` with `weight: (O, C, kh, kw)` and `bias: (O)`: `(B, H', W', O)` with
    /// `H' = ⌊(H + 2·padding − kh) / stride⌋ + 1`.
    ///
    /// # Errors
    /// If the shapes do not fit or a stride is zero.
    pub fn conv2d(&mut self, x: Tensor, weight: Tensor, bias: Tensor, conv: Conv) -> Result<Tensor> {
        if conv.stride.0 == 0 || conv.stride.1 == 0 {
            return Err(Error::shape(SPEC.name, "stride is 0, expected at least 1"));
        }
        self.record(conv, &[x, weight, bias])
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "conv2d",
    formula: "y[p] = b + Σₖ x[p·s − pad + k]·W[k], ReLU on request",
    draw: |draw| {
        let (kh, kw) = (draw.whole(1, 4), draw.whole(1, 4));
        let conv = Conv {
            stride: (draw.whole(1, 3), draw.whole(1, 3)),
            padding: (draw.whole(0, kh), draw.whole(0, kw)),
            relu: draw.coin(),
        };
        let x = [draw.batch(), kh + draw.extent() / 2, kw + draw.extent() / 2, draw.extent()];
        let w = [draw.extent(), x[3], kh, kw];
        let mut inputs = vec![draw.values(x), draw.weights(w, x[3] * kh * kw), draw.biases(w[0])];
        if conv.relu {
            let sums = Conv { relu: false, ..conv };
            let record: Recorder<f64> = Box::new(move |tape, x| tape.conv2d(x[0], x[1], x[2], sums));
            keep_off_corners(&mut inputs, 2, &record);
        }
        case!(format!("x {x:?}, weight {w:?}, {conv:?}"), inputs, |tape, x| tape.conv2d(x[0], x[1], x[2], conv))
    },
};
