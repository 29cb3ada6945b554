//! LSTM layers over whole sequences (`lstm.ptx`, `lstm_backward.ptx`; with clusters `lstm_cluster.ptx`,
//! `lstm_cluster_backward.ptx`; of up to 32 units on tensor cores `lstm_small.ptx`, `lstm_small_backward.ptx`).

pub use super::recurrent::{Gradients, Inputs};

use super::launches::{Launches, Span};
use super::recurrent::{
    Clustered, Kernel, added, launch, own, products, products_scratch_len, project, project_scratch_len, rows, states,
    sums_len,
};
use crate::cpu::recurrent::RecurrentShape;

/// Blocks of H in the weights: i, f, g, o.
const GATES: usize = 4;
/// Blocks of H in a record of what the forward keeps: i, f, g, o, c, tanh c.
const RECORD: usize = 6;
/// In shared memory: h, c and the four of z.
const FORWARD: Kernel = Kernel {
    entry: "lstm_forward",
    gates: GATES,
    arrays: 6,
    clustered: Clustered::forward("lstm_cluster_forward", GATES),
    small: Some("lstm_small_forward"),
};
/// In shared memory: the four of dz and of its parts, dh and dc.
const BACKWARD: Kernel = Kernel {
    entry: "lstm_backward",
    gates: GATES,
    arrays: 10,
    clustered: Clustered::backward("lstm_cluster_backward", GATES),
    small: Some("lstm_small_backward"),
};

/// Numbers of `saved`: records (B, T, 6, H).
pub fn saved_len(shape: &RecurrentShape) -> usize {
    rows(shape) * RECORD * shape.hidden
}

/// Numbers of [`forward`]'s `scratch`: w_hhᵀ, and what all steps of a repeated input share.
pub fn forward_scratch_len(shape: &RecurrentShape) -> usize {
    project_scratch_len(shape, GATES)
}

/// Numbers of [`backward`]'s `scratch`: dz (B, T, 4H), h' (B, T, H), sums of dz, parts of products.
pub fn backward_scratch_len(shape: &RecurrentShape) -> usize {
    rows(shape) * (GATES + 1) * shape.hidden + sums_len(shape, GATES) + products_scratch_len(shape, GATES)
}

/// Writes all hidden states to `out` (B, T, H), and to `saved` what [`backward`] needs.
pub fn forward(
    launches: &mut Launches,
    shape: &RecurrentShape,
    inputs: &Inputs,
    out: Span,
    saved: Span,
    scratch: Span,
) {
    let w_hh = project(launches, &FORWARD, shape, inputs, RECORD, saved, scratch);
    let [h0, c0] = states(inputs);
    let args = vec![saved.update(), w_hh.read(), inputs.b_hh.read(), h0, c0, out.write()];
    launch(launches, &FORWARD, shape, args, None);
}

/// All gradients, from `dout` (B, T, H), the gradient of `out`, of which the kernel reads the states h'.
#[allow(clippy::too_many_arguments)]
pub fn backward(
    launches: &mut Launches,
    shape: &RecurrentShape,
    inputs: &Inputs,
    out: Span,
    dout: Span,
    saved: Span,
    scratch: Span,
    gradients: &Gradients,
) {
    let (dz, rest) = scratch.split(rows(shape) * GATES * shape.hidden);
    let (h_prev, rest) = rest.split(rows(shape) * shape.hidden);
    let (sums, scratch) = rest.split(sums_len(shape, GATES));
    let sums = BACKWARD.on_tensor_cores(shape.hidden, launches).then_some(sums);
    let [h0, c0] = states(inputs);
    let (dh0, dc0) = (own(gradients.h0), own(gradients.c0));
    let (read, written) =
        ([saved.read(), out.read(), dout.read(), inputs.w_hh.read(), h0, c0], [dz.write(), h_prev.write(), dh0, dc0]);
    let args = read.into_iter().chain(written).chain(sums.map(Span::write)).collect();
    launch(launches, &BACKWARD, shape, args, Some(added(gradients)));
    products(launches, shape, inputs, gradients, [dz, dz, h_prev], [sums.unwrap_or(dz); 2], scratch);
}
