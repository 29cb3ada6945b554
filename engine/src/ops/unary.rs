//! The element-wise functions of one input. The slice loops, with their formulas, are in `kernels::cpu::activation`.

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::activation;

use super::case::{Spec, case};
use super::{for_pieces, piece};
use crate::device::launches::{Launches, Precision, int};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Result, Shape, Tape, Tensor};

/// Defines an operation from its two slice functions; the backward is given what it `reads`: the output `y`, or the
/// input `x`. `kind` is the function's number in the device's kernels.
macro_rules! unary {
    ($spec:ident, $op:ident, $method:ident, $formula:literal, $forward:path, $backward:path, reads $reads:ident, kind $kind:literal) => {
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

            fn memory(&self, _: &[Shape], _: Shape) -> Memory {
                Memory::NONE
            }

            fn reads(&self) -> Reads {
                unary!(@reads $reads)
            }

            fn flops(&self, _: &[Shape], output: Shape) -> u64 {
                output.len() as u64
            }

            fn forward(&self, run: Forward<'_, T>) {
                for_pieces(run.team, run.y, |i, y| $forward(piece(run.x[0], i), y));
            }

            fn backward(&self, mut run: Backward<'_, T>) {
                let Some(dx) = run.dx.take(0) else { return };
                let read = unary!(@read run $reads);
                for_pieces(run.team, dx.values, |i, d| $backward(piece(read, i), piece(run.dy, i), d, dx.add));
            }
        }

        impl DeviceOp for $op {
            fn device_memory(&self, _: &[Shape], _: Shape, _: Precision) -> Memory {
                Memory::NONE
            }

            fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
                launches.each("activation", run.y.len, [run.x[0].read(), run.y.write(), int(run.y.len), int($kind)]);
            }

            fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
                let Some(dx) = run.dx[0] else { return };
                let (read, n) = (unary!(@read run $reads), run.dy.len);
                let args = [read.read(), run.dy.read(), dx.arg(), int(n), int($kind), dx.flag()];
                launches.each("activation_backward", n, args);
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
unary!(RELU, Relu, relu, "y = max(x, 0)", activation::relu, activation::relu_backward, reads y, kind 0);
// dx = dy · y (1 − y)
unary!(SIGMOID, Sigmoid, sigmoid, "y = 1 / (1 + e⁻ˣ)", activation::sigmoid, activation::sigmoid_backward, reads y, kind 1);
// dx = dy · (1 − y²)
unary!(TANH, Tanh, tanh, "y = tanh x", activation::tanh, activation::tanh_backward, reads y, kind 2);
// dx = dy · σ(x)
unary!(SOFTPLUS, Softplus, softplus, "y = ln(1 + eˣ)", activation::softplus, activation::softplus_backward, reads x, kind 3);
// dx = dy · y
unary!(EXP, Exp, exp, "y = eˣ", activation::exp, activation::exp_backward, reads y, kind 4);
