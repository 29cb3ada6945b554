//! The element-wise functions of one input. The slice loops, with their formulas, are in `kernels::cpu::activation`.

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::activation;
use inkgrad_kernels::gpu::{self, Launches};

use super::case::{Spec, case};
use super::{for_pieces, piece};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::op::{Backward, Forward, Op, Reads};
use crate::{Result, Shape, Tape, Tensor};

/// Defines an operation from its kernels, on the CPU and on a GPU, which have the same names; the backward is given what it
/// `reads`: the output `y`, or the input `x`.
macro_rules! unary {
    ($spec:ident, $op:ident, $method:ident, $formula:literal, $backward:ident, reads $reads:ident) => {
        #[derive(Debug)]
        struct $op;

        impl<T: Float> Op<T> for $op {
            fn name(&self) -> &'static str {
                $spec.name
            }

            fn on_device(&self) -> Option<&dyn DeviceOp> {
                Some(self)
            }

            fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
                Ok(inputs[0])
            }

            fn reads(&self) -> Reads {
                unary!(@reads $reads)
            }

            fn forward(&self, run: Forward<'_, T>) {
                for_pieces(run.team, run.y, |i, y| activation::$method(piece(run.x[0], i), y));
            }

            fn backward(&self, mut run: Backward<'_, T>) {
                let Some(dx) = run.dx.take(0) else { return };
                let read = unary!(@read run $reads);
                for_pieces(run.team, dx.values, |i, d| activation::$backward(piece(read, i), piece(run.dy, i), d, dx.add));
            }
        }

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
                case!(format!("{shape:?}"), vec![draw.spread(shape)], |tape, x| tape.$method(x[0]))
            },
        };
    };
    (@reads y) => { Reads::OUTPUT };
    (@reads x) => { Reads::inputs(&[0]) };
    (@read $run:ident y) => { $run.y };
    (@read $run:ident x) => { $run.x[0] };
}

// dx = dy where y > 0
unary!(RELU, Relu, relu, "y = max(x, 0)", relu_backward, reads y);
// dx = dy · y (1 − y)
unary!(SIGMOID, Sigmoid, sigmoid, "y = 1 / (1 + e⁻ˣ)", sigmoid_backward, reads y);
// dx = dy · (1 − y²)
unary!(TANH, Tanh, tanh, "y = tanh x", tanh_backward, reads y);
// dx = dy · σ(x)
unary!(SOFTPLUS, Softplus, softplus, "y = ln(1 + eˣ)", softplus_backward, reads x);
// dx = dy · y
unary!(EXP, Exp, exp, "y = eˣ", exp_backward, reads y);
