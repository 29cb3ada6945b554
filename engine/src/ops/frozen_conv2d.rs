//! y[p] = b + Σₖ x[p · stride − padding + k] · W[k] with weights that are never trained: packed once, when the operation is
//! made, for pictures of any size; by Winograd's algorithm where that multiplies less. Gradients go to x alone.
//!
//! - CPU: `kernels/src/cpu/frozen/mod.rs`, `kernels/src/cpu/conv/mod.rs`
//! - GPU: none, InceptionV3 takes `conv2d` there
//! - PyTorch: none, InceptionV3 is compared whole (`tests/tests/inception.rs`)

use std::sync::Arc;

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::conv::{self, Geometry, Store};
use inkgrad_kernels::cpu::frozen::{Filter, Frozen};

use super::case::{Case, Recorder, Spec, keep_off_corners};
use super::{relu_scratch, through_relu};
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Error, Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct FrozenConv<T>(Arc<Frozen<T>>);

impl<T: Float> FrozenConv<T> {
    fn filter(&self) -> &Filter {
        self.0.filter()
    }

    fn geometry(&self, x: Shape) -> Geometry {
        let x = x.dims();
        self.filter().geometry(x[0], (x[1], x[2]))
    }
}

impl<T: Float> Op<T> for FrozenConv<T> {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let Filter { inputs: channels, outputs, kernel, .. } = *self.filter();
        let &[b, h, w, c] = inputs[0].dims() else {
            let problem = format!("x is {}, expected (batch, height, width, {channels})", inputs[0]);
            return Err(Error::shape(SPEC.name, problem));
        };
        if c != channels {
            return Err(Error::shape(SPEC.name, format!("x is {}, expected {channels} channels", inputs[0])));
        }
        match self.filter().output((h, w)) {
            Some((height, width)) => Ok([b, height, width, outputs].into()),
            None => {
                let problem = format!("x is {}, smaller than the {}×{} kernel", inputs[0], kernel.0, kernel.1);
                Err(Error::shape(SPEC.name, problem))
            }
        }
    }

    fn memory(&self, inputs: &[Shape], output: Shape) -> Memory {
        let backward_scratch =
            relu_scratch(self.filter().relu, output) + self.filter().weights() + self.geometry(inputs[0]).up_scratch();
        Memory { backward_scratch, ..Memory::NONE }
    }

    fn reads(&self) -> Reads {
        if self.filter().relu { Reads::OUTPUT } else { Reads::NOTHING }
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> u64 {
        self.geometry(inputs[0]).flops()
    }

    fn forward(&self, run: Forward<'_, T>) {
        let x = run.shapes[0].dims();
        self.0.run(run.team, x[0], (x[1], x[2]), run.x[0], run.y);
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        let Some(dx) = run.dx.take(0) else { return };
        // dx[p · stride − padding + k] += dy[p] · W[k]ᵀ
        let (dy, scratch) = through_relu(run.team, self.filter().relu, [run.y, run.dy], None, run.scratch);
        let (w, scratch) = scratch.split_at_mut(self.filter().weights());
        self.0.unpack(w);
        let store = if dx.add { Store::Add } else { Store::Write };
        conv::up(run.team, &self.geometry(run.shapes[0]), dy, w, None, store, dx.values, scratch);
    }
}

impl<T: Float> Tape<T> {
    /// A convolution of `x: (B, H, W, inputs)` with weights that stay: `(B, H', W', outputs)`, with
    /// `H' = ⌊(H + 2·padding − kh) / stride⌋ + 1`.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn frozen_conv2d(&mut self, x: Tensor, frozen: &Arc<Frozen<T>>) -> Result<Tensor> {
        self.record(FrozenConv(Arc::clone(frozen)), &[x])
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "frozen_conv2d",
    formula: "y[p] = b + Σₖ x[p·s − pad + k]·W[k] for constant W, b",
    draw: |draw| {
        // One in three as Winograd's algorithm takes it.
        let filter = if draw.whole(0, 2) == 0 {
            let kernel = if draw.coin() { (3, 3) } else { (1, 7) };
            let padding = (kernel.0 / 2, kernel.1 / 2);
            Filter { inputs: 16, outputs: 16, kernel, stride: (1, 1), padding, relu: draw.coin() }
        } else {
            let (kh, kw) = (draw.whole(1, 7), draw.whole(1, 7));
            Filter {
                inputs: draw.extent(),
                outputs: draw.extent(),
                kernel: (kh, kw),
                stride: (draw.whole(1, 3), draw.whole(1, 3)),
                padding: (draw.whole(0, kh - 1), draw.whole(0, kw - 1)),
                relu: draw.coin(),
            }
        };
        let (kh, kw) = filter.kernel;
        let x = [draw.batch().div_ceil(4), kh + draw.extent() / 2, kw + draw.extent() / 2, filter.inputs];
        let w = draw.weights([filter.weights()], filter.inputs * filter.taps()).values;
        let (bias, x) = (draw.biases(filter.outputs), draw.values(x));
        let mut inputs = vec![x, bias];
        if filter.relu {
            let sums = recorder(Filter { relu: false, ..filter }, &w, &inputs[1].values);
            keep_off_corners(&mut inputs, 1, &sums);
        }
        let bias = inputs.pop().expect("two inputs").values;
        Case {
            label: format!("x {:?}, {filter:?}", inputs[0].shape),
            inputs,
            f32: recorder(filter, &w, &bias),
            f64: recorder(filter, &w, &bias),
        }
    },
};

/// Records the convolution with these constants.
fn recorder<T: Float>(filter: Filter, w: &[f64], bias: &[f64]) -> Recorder<T> {
    let [w, bias] = [w, bias].map(|values| values.iter().map(|&v| T::from_f64(v)).collect::<Vec<T>>());
    let frozen = Arc::new(Frozen::new(filter, &w, &bias));
    Box::new(move |tape, x| tape.frozen_conv2d(x[0], &frozen))
}
