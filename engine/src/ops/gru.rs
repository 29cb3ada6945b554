//! y = GRU(x): a layer of gated recurrent units over whole sequences, in one direction, in PyTorch's variant.
//!
//! For each step, with the state h' before it, a = x·w_ihᵀ + b_ih and q = h'·w_hhᵀ + b_hh, blocks in the order r, z, n:
//!
//! - r = σ(aᵣ + qᵣ), z = σ(a_z + q_z)
//! - n = tanh(aₙ + r·qₙ)
//! - y = h = (1 − z)·n + z·h'
//!
//! Backpropagation through time (BPTT) over all steps, not truncated, with dh the sum of dy and the next step's gradient:
//!
//! - daₙ = dh·(1 − z)·(1 − n²), da_z = dh·(h' − n)·z(1 − z), daᵣ = daₙ·qₙ·r(1 − r)
//! - dq = (daᵣ, da_z, daₙ·r), and dh' = dq·w_hh + dh·z
//! - over all steps at once: dx = da·w_ih, dw_ih = daᵀ·x, dw_hh = dqᵀ·h', db_ih = Σ da, db_hh = Σ dq
//!
//! An input that is the same at all steps is multiplied once: x·w_ihᵀ is, and dx and dw_ih are those of Σₜ da.
//!
//! On GPUs with clusters, layers of 64, 128 or 256 units have kernels of their own, `gru_cluster….ptx`.
//!
//! - CPU: `kernels/src/cpu/recurrent/gru.rs`
//! - GPU: `kernels/ptx/gemm.ptx`, `kernels/ptx/gemm_tensor.ptx`, `kernels/ptx/gemm_slices.ptx`,
//!   `kernels/ptx/gru.ptx`, `kernels/ptx/gru_backward.ptx`,
//!   `kernels/ptx/gru_cluster.ptx`, `kernels/ptx/gru_cluster_backward.ptx`, `kernels/ptx/layout.ptx`, `kernels/ptx/reduce.ptx`
//! - PyTorch: `gru` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::recurrent::gru;
use inkgrad_kernels::gpu::{self, Launches};

use super::case::{Spec, case};
use super::recurrent::{self, Walk, device_gradients, device_inputs, gradients, inputs};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Gru(Walk);

impl<T: Float> Op<T> for Gru {
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
        self.0.output_shape(SPEC.name, 3, inputs)
    }

    fn memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        let shape = self.0.extents(inputs);
        Memory {
            saved: gru::saved_len(&shape),
            forward_scratch: gru::forward_scratch_len(&shape),
            backward_scratch: gru::backward_scratch_len(&shape),
        }
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0, 1, 2, 3, 4, 5])
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> u64 {
        // The two products; the gates are a few operations a unit beside them.
        let shape = self.0.extents(inputs);
        shape.products(3, shape.input, shape.hidden)
    }

    fn backward_flops(&self, inputs: &[Shape], _: Shape, first: bool, others: bool) -> u64 {
        recurrent::backward_flops(&self.0.extents(inputs), 3, first, others)
    }

    fn forward(&self, run: Forward<'_, T>) {
        let shape = self.0.extents(run.shapes);
        gru::forward(run.team, &shape, &inputs(run.x), run.y, run.saved, run.scratch);
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        let shape = self.0.extents(run.shapes);
        let gradients = gradients(&mut run.dx);
        gru::backward(run.team, &shape, &inputs(run.x), run.dy, run.saved, run.scratch, gradients);
    }
}

impl DeviceOp for Gru {
    fn device_reads(&self, _: Reads) -> Reads {
        // The kernel takes h' from the output; the CPU's keeps it with what it saves.
        Reads::inputs(&[0, 1, 2, 5]).and_output()
    }

    fn device_memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        let shape = self.0.extents(inputs);
        Memory {
            saved: gpu::gru::saved_len(&shape),
            forward_scratch: gpu::gru::forward_scratch_len(&shape),
            backward_scratch: gpu::gru::backward_scratch_len(&shape),
        }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        let shape = self.0.extents(run.shapes);
        gpu::gru::forward(launches, &shape, &device_inputs(run.x), run.y, run.saved, run.scratch);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        let shape = self.0.extents(run.shapes);
        let (inputs, gradients) = (device_inputs(run.x), device_gradients(&run.dx));
        gpu::gru::backward(launches, &shape, &inputs, run.y, run.dy, run.saved, run.scratch, &gradients);
    }
}

impl<T: Float> Tape<T> {
    /// The hidden states `(B, T, H)` of a GRU layer over `x: (B, T, I)`, from the first step to the last, or from the
    /// last to the first with `reverse` (each at the place of its input either way).
    ///
    /// `weights` are weight_ih (3H, I), weight_hh (3H, H), bias_ih (3H), bias_hh (3H), gates in the order r, z, n;
    /// `initial` is h0 (B, H), zeros if absent.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn gru(&mut self, x: Tensor, weights: [Tensor; 4], initial: Option<Tensor>, reverse: bool) -> Result<Tensor> {
        let inputs: Vec<Tensor> = [x].into_iter().chain(weights).chain(initial).collect();
        self.record(Gru(Walk { reverse, steps: None }), &inputs)
    }

    /// [`Tape::gru`] of a sequence that has the vector `x: (B, I)` at each of its `steps`.
    ///
    /// # Errors
    /// If the shapes do not fit, or `steps` is zero.
    pub fn gru_repeated(
        &mut self,
        x: Tensor,
        steps: usize,
        weights: [Tensor; 4],
        initial: Option<Tensor>,
        reverse: bool,
    ) -> Result<Tensor> {
        let inputs: Vec<Tensor> = [x].into_iter().chain(weights).chain(initial).collect();
        self.record(Gru(Walk { reverse, steps: Some(steps) }), &inputs)
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "gru",
    formula: "r, z = σ(a + q), n = tanh(aₙ + r·qₙ) of a = x·w_ihᵀ + b_ih, q = h'·w_hhᵀ + b_hh; y = h = (1 − z)·n + z·h'",
    draw: |draw| {
        let (label, inputs, Walk { reverse, steps }) = recurrent::draw(draw, 3, 1);
        case!(label, inputs, |tape, x| {
            let (weights, initial) = ([x[1], x[2], x[3], x[4]], x.get(5).copied());
            match steps {
                None => tape.gru(x[0], weights, initial, reverse),
                Some(steps) => tape.gru_repeated(x[0], steps, weights, initial, reverse),
            }
        })
    },
};
