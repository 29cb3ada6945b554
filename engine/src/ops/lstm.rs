//! y = LSTM(x): a layer of long short-term memory over whole sequences, in one direction, by PyTorch's conventions.
//!
//! For each step, with the states h' and c' before it:
//!
//! - i, f, o = σ(z) and g = tanh(z) of their blocks of z = x·w_ihᵀ + b_ih + h'·w_hhᵀ + b_hh, in the order i, f, g, o
//! - c = f·c' + i·g
//! - y = h = o·tanh c
//!
//! Backpropagation through time (BPTT) over all steps, not truncated, with dh the sum of dy and the next step's gradient:
//!
//! - dc = (the next step's f·dc) + dh·o·(1 − tanh² c)
//! - dz = (dc·g·i(1 − i), dc·c'·f(1 − f), dc·i·(1 − g²), dh·tanh c·o(1 − o)), and dh' = dz·w_hh
//! - over all steps at once: dx = dz·w_ih, dw_ih = dzᵀ·x, dw_hh = dzᵀ·h', db = Σ dz
//!
//! An input that is the same at all steps is multiplied once: x·w_ihᵀ is, and dx and dw_ih are those of Σₜ dz.
//!
//! On GPUs with clusters, layers of 64, 128 or 256 units have kernels of their own, `lstm_cluster….ptx`; on those with tensor cores, layers
//! of up to 32 units, `lstm_small….ptx`.
//!
//! - CPU: `kernels/src/cpu/recurrent/lstm.rs`
//! - GPU: `kernels/ptx/gemm.ptx`, `kernels/ptx/gemm_tensor.ptx`, `kernels/ptx/gemm_slices.ptx`,
//!   `kernels/ptx/layout.ptx`, `kernels/ptx/lstm.ptx`,
//!   `kernels/ptx/lstm_backward.ptx`, `kernels/ptx/lstm_cluster.ptx`, `kernels/ptx/lstm_cluster_backward.ptx`,
//!   `kernels/ptx/lstm_small.ptx`, `kernels/ptx/lstm_small_backward.ptx`, `kernels/ptx/reduce.ptx`
//! - PyTorch: `lstm` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::recurrent::lstm;
use inkgrad_kernels::gpu::{self, Launches};

use super::case::{Spec, case};
use super::recurrent::{self, Walk, device_gradients, device_inputs, gradients, inputs};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Lstm(Walk);

impl<T: Float> Op<T> for Lstm {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        self.0.attributes()
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        self.0.output_shape(SPEC.name, 4, inputs)
    }

    fn memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        let shape = self.0.extents(inputs);
        Memory {
            saved: lstm::saved_len(&shape),
            forward_scratch: lstm::forward_scratch_len(&shape),
            backward_scratch: lstm::backward_scratch_len(&shape),
        }
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0, 1, 2, 3, 4, 5, 6])
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> u64 {
        // The two products; the gates are a few operations a unit beside them.
        let shape = self.0.extents(inputs);
        shape.products(4, shape.input, shape.hidden)
    }

    fn backward_flops(&self, inputs: &[Shape], _: Shape, first: bool, others: bool) -> u64 {
        recurrent::backward_flops(&self.0.extents(inputs), 4, first, others)
    }

    fn forward(&self, run: Forward<'_, T>) {
        let shape = self.0.extents(run.shapes);
        lstm::forward(run.team, &shape, &inputs(run.x), run.y, run.saved, run.scratch);
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        let shape = self.0.extents(run.shapes);
        let gradients = gradients(&mut run.dx);
        lstm::backward(run.team, &shape, &inputs(run.x), run.dy, run.saved, run.scratch, gradients);
    }
}

impl DeviceOp for Lstm {
    fn device_reads(&self, _: Reads) -> Reads {
        // The kernel takes h' from the output; the CPU's keeps it with what it saves.
        Reads::inputs(&[0, 1, 2, 5, 6]).and_output()
    }

    fn device_memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        let shape = self.0.extents(inputs);
        Memory {
            saved: gpu::lstm::saved_len(&shape),
            forward_scratch: gpu::lstm::forward_scratch_len(&shape),
            backward_scratch: gpu::lstm::backward_scratch_len(&shape),
        }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        let shape = self.0.extents(run.shapes);
        gpu::lstm::forward(launches, &shape, &device_inputs(run.x), run.y, run.saved, run.scratch);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        let shape = self.0.extents(run.shapes);
        let (inputs, gradients) = (device_inputs(run.x), device_gradients(&run.dx));
        gpu::lstm::backward(launches, &shape, &inputs, run.y, run.dy, run.saved, run.scratch, &gradients);
    }
}

impl<T: Float> Tape<T> {
    /// The hidden states `(B, T, H)` of an LSTM layer over `x: (B, T, I)`, from the first step to the last, or from the
    /// last to the first with `reverse` (each at the place of its input either way).
    ///
    /// `weights` are weight_ih (4H, I), weight_hh (4H, H), bias_ih (4H), bias_hh (4H), gates in the order i, f, g, o;
    /// `initial` h0 and c0, (B, H) each, zeros if absent.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn lstm(
        &mut self,
        x: Tensor,
        weights: [Tensor; 4],
        initial: Option<[Tensor; 2]>,
        reverse: bool,
    ) -> Result<Tensor> {
        let inputs: Vec<Tensor> = [x].into_iter().chain(weights).chain(initial.into_iter().flatten()).collect();
        self.record(Lstm(Walk { reverse, steps: None }), &inputs)
    }

    /// [`Tape::lstm`] of a sequence that has the vector `x: (B, I)` at each of its `steps`.
    ///
    /// # Errors
    /// If the shapes do not fit, or `steps` is zero.
    pub fn lstm_repeated(
        &mut self,
        x: Tensor,
        steps: usize,
        weights: [Tensor; 4],
        initial: Option<[Tensor; 2]>,
        reverse: bool,
    ) -> Result<Tensor> {
        let inputs: Vec<Tensor> = [x].into_iter().chain(weights).chain(initial.into_iter().flatten()).collect();
        self.record(Lstm(Walk { reverse, steps: Some(steps) }), &inputs)
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "lstm",
    formula: "i, f, o = σ(z), g = tanh z of z = x·w_ihᵀ + b_ih + h'·w_hhᵀ + b_hh; c = f·c' + i·g; y = h = o·tanh c",
    draw: |draw| {
        let (label, inputs, Walk { reverse, steps }) = recurrent::draw(draw, 4, 2);
        case!(label, inputs, |tape, x| {
            let (weights, initial) = ([x[1], x[2], x[3], x[4]], (x.len() > 5).then(|| [x[5], x[6]]));
            match steps {
                None => tape.lstm(x[0], weights, initial, reverse),
                Some(steps) => tape.lstm_repeated(x[0], steps, weights, initial, reverse),
            }
        })
    },
};

#[cfg(test)]
mod tests {
    use crate::Tape;

    #[test]
    fn shapes_that_do_not_fit_are_named() {
        let mut tape = Tape::<f32>::new();
        let mut input = |shape: &[usize]| tape.input("x", crate::Shape::try_from(shape).unwrap());
        let x = input(&[2, 3, 5]);
        let weights = [input(&[16, 5]), input(&[16, 4]), input(&[16]), input(&[15])];
        let states = [input(&[2, 4]), input(&[2, 3])];
        let flat = input(&[6, 5]);
        let line = |result: crate::Result<crate::Tensor>| result.unwrap_err().to_string();
        assert_eq!(line(tape.lstm(flat, weights, None, false)), "lstm: x is (6, 5), expected (batch, time, in)");
        assert_eq!(line(tape.lstm(x, weights, None, false)), "lstm: bias_hh is (15), expected (16) = (4·hidden)");
        assert_eq!(line(tape.lstm_repeated(x, 4, weights, None, false)), "lstm: x is (2, 3, 5), expected (batch, in)");
        assert_eq!(line(tape.lstm_repeated(flat, 0, weights, None, false)), "lstm: 0 steps, expected at least one");
        let weights = [weights[0], weights[1], weights[2], weights[2]];
        assert_eq!(
            line(tape.lstm(x, weights, Some(states), false)),
            "lstm: c0 is (2, 3), expected (2, 4) = (batch, hidden)"
        );
    }
}
