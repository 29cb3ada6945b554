//! The element-wise functions of one input. The slice loops, with their formulas, are in `kernels::cpu::activation` and
//! `kernels::cpu::gelu`.
//!
//! - CPU: `kernels/src/cpu/activation.rs`, `kernels/src/cpu/gelu.rs`
//! - GPU: `kernels/ptx/elementwise.ptx`; `ln`, `sqrt`, `gelu`, `gelu_tanh`: none, no kernel has logarithms, roots, erf, or
//!   a cube in a sigmoid
//! - PyTorch: `relu`, `sigmoid`, `tanh`, `softplus`, `exp`, `ln`, `sqrt`, `abs`, `gelu`, `gelu_tanh` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::{activation, gelu};
use inkgrad_kernels::gpu::{self, Launches, Target, elementwise};

use super::case::{Spec, case};
use super::{for_pieces, piece};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Result, Shape, Tape, Tensor};

/// Defines an operation from its kernels, which have the names of its method and its backward; the backward is given what it
/// `reads`: the output `y`, or the input `x`. Its cases are drawn by a method of [`Draw`](super::Draw). It runs `on` the
/// processor alone (`cpu`) or on a GPU too (`gpu`), by [`device!`] or an implementation of its own.
macro_rules! unary {
    ($spec:ident, $op:ident, $kernels:ident::$method:ident, $formula:literal, $backward:ident,
        reads $reads:ident, draws $draw:ident, on $place:ident) => {
        #[derive(Debug)]
        struct $op;

        impl<T: Float> Op<T> for $op {
            fn name(&self) -> &'static str {
                $spec.name
            }

            fn on_device(&self) -> Option<&dyn DeviceOp> {
                unary!(@on self $place)
            }

            fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
                Ok(inputs[0])
            }

            fn reads(&self) -> Reads {
                unary!(@reads $reads)
            }

            fn forward(&self, run: Forward<'_, T>) {
                for_pieces(run.team, run.y, |i, y| $kernels::$method(piece(run.x[0], i), y));
            }

            fn backward(&self, mut run: Backward<'_, T>) {
                let Some(dx) = run.dx.take(0) else { return };
                let read = unary!(@read run $reads);
                for_pieces(run.team, dx.values, |i, d| $kernels::$backward(piece(read, i), piece(run.dy, i), d, dx.add));
            }
        }

        impl<T: Float> Tape<T> {
            #[doc = concat!("`", $formula, "`, element by element.")]
            ///
            /// # Errors
            /// None; the result is there for the chain of `?`.
            pub fn $method(&mut self, x: Tensor) -> Result<Tensor> {
                self.record($op, &[x])
            }
        }

        pub(super) const $spec: Spec = Spec {
            name: stringify!($method),
            formula: $formula,
            draw: |draw| {
                let shape = [draw.batch(), draw.extent(), draw.extent()];
                case!(format!("{shape:?}"), vec![draw.$draw(shape)], |tape, x| tape.$method(x[0]))
            },
        };
    };
    (@on $op:ident gpu) => { Some($op) };
    (@on $op:ident cpu) => { None };
    (@reads y) => { Reads::OUTPUT };
    (@reads x) => { Reads::inputs(&[0]) };
    (@read $run:ident y) => { $run.y };
    (@read $run:ident x) => { $run.x[0] };
}

/// The device side of an operation, from kernels of the same names.
macro_rules! device {
    ($op:ident, $method:ident, $backward:ident, reads $reads:ident) => {
        impl DeviceOp for $op {
            fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
                gpu::activation::$method(launches, run.x[0], run.y);
            }

            fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
                if let Some(dx) = run.dx[0] {
                    gpu::activation::$backward(launches, unary!(@read run $reads), run.dy, dx);
                }
            }
        }
    };
}

// dx = dy where y > 0
unary!(RELU, Relu, activation::relu, "y = max(x, 0)", relu_backward, reads y, draws spread, on gpu);
device!(Relu, relu, relu_backward, reads y);
// dx = dy · y (1 − y)
unary!(SIGMOID, Sigmoid, activation::sigmoid, "y = 1 / (1 + e⁻ˣ)", sigmoid_backward, reads y, draws spread, on gpu);
device!(Sigmoid, sigmoid, sigmoid_backward, reads y);
// dx = dy · (1 − y²)
unary!(TANH, Tanh, activation::tanh, "y = tanh x", tanh_backward, reads y, draws spread, on gpu);
device!(Tanh, tanh, tanh_backward, reads y);
// dx = dy · σ(x)
unary!(SOFTPLUS, Softplus, activation::softplus, "y = ln(1 + eˣ)", softplus_backward, reads x, draws spread, on gpu);
device!(Softplus, softplus, softplus_backward, reads x);
// dx = dy · y
unary!(EXP, Exp, activation::exp, "y = eˣ", exp_backward, reads y, draws spread, on gpu);
device!(Exp, exp, exp_backward, reads y);
// dx = dy · sign x, and 0 at 0, as in PyTorch
unary!(ABS, Abs, activation::abs, "y = |x|", abs_backward, reads x, draws spread, on gpu);
// The remaining ones run on the processor alone: no kernel has logarithms, roots, erf, or a cube in a sigmoid.
// dx = dy / x
unary!(LN, Ln, activation::ln, "y = ln x", ln_backward, reads x, draws positive, on cpu);
// dx = dy / 2y
unary!(SQRT, Sqrt, activation::sqrt, "y = √x", sqrt_backward, reads y, draws positive, on cpu);
// dx = dy · (Φ(x) + x·φ(x)), Φ and φ being distribution and density of N(0, 1)
unary!(GELU, Gelu, gelu::gelu, "y = x · Φ(x) = ½ x · (1 + erf(x / √2))", gelu_backward, reads x, draws spread, on cpu);
// The formula is in `kernels::cpu::gelu`.
unary!(GELU_TANH, GeluTanh, gelu::gelu_tanh, "y = ½ x · (1 + tanh(√(2/π)·(x + 0.044715 x³)))", gelu_tanh_backward,
    reads x, draws spread, on cpu);

impl DeviceOp for Abs {
    fn device_memory(&self, _: &[Shape], output: Shape) -> Memory {
        Memory { saved: 0, forward_scratch: output.len(), backward_scratch: 2 * output.len() }
    }

    // y = 2·max(x, 0) − x
    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        let positive = run.scratch.part(0, run.y.len);
        gpu::activation::relu(launches, run.x[0], positive);
        elementwise::scale(launches, positive, 2.0, Target::write(run.y));
        elementwise::scale(launches, run.x[0], -1.0, Target { span: run.y, add: true });
    }

    // dx = dy where x > 0, and −dy where −x > 0
    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        let Some(dx) = run.dx[0] else { return };
        let (minus_x, rest) = run.scratch.split(run.dy.len);
        let minus_dy = rest.part(0, run.dy.len);
        elementwise::scale(launches, run.x[0], -1.0, Target::write(minus_x));
        elementwise::scale(launches, run.dy, -1.0, Target::write(minus_dy));
        gpu::activation::relu_backward(launches, run.x[0], run.dy, dx);
        gpu::activation::relu_backward(launches, minus_x, minus_dy, Target { add: true, ..dx });
    }
}

impl<T: Float> Tape<T> {
    /// `y = ln x`, element by element: [`Tape::ln`] by the name that most libraries give it.
    ///
    /// # Errors
    /// None; the result is there for the chain of `?`.
    pub fn log(&mut self, x: Tensor) -> Result<Tensor> {
        self.ln(x)
    }
}
