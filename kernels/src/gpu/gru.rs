//! GRU layers over whole sequences (`gru.ptx`, `gru_backward.ptx`; with clusters `gru_cluster.ptx`,
//! `gru_cluster_backward.ptx`).

pub use super::recurrent::{Gradients, Inputs};

use super::launches::{Launches, Span};
use super::recurrent::{
    Clustered, Kernel, added, launch, own, products, products_scratch_len, project, project_scratch_len, rows, states,
    sums_len,
};
use crate::cpu::recurrent::RecurrentShape;

/// Blocks of H in the weights: r, z, n.
const GATES: usize = 3;
/// Blocks of H in a record of what the forward keeps: r, z, n, q.
const RECORD: usize = 4;
/// In shared memory: h and the three of q.
const FORWARD: Kernel = Kernel {
    entry: "gru_forward",
    gates: GATES,
    arrays: 4,
    clustered: Clustered::forward("gru_cluster_forward", GATES),
    small: None,
};
/// In shared memory: the three of dq and of its parts, and dh.
const BACKWARD: Kernel = Kernel {
    entry: "gru_backward",
    gates: GATES,
    arrays: 7,
    clustered: Clustered::backward("gru_cluster_backward", GATES),
    small: None,
};

/// Numbers of `saved`: records (B, T, 4, H).
pub fn saved_len(shape: &RecurrentShape) -> usize {
    rows(shape) * RECORD * shape.hidden
}

/// Numbers of [`forward`]'s `scratch`: w_hhᵀ, and what all steps of a repeated input share.
pub fn forward_scratch_len(shape: &RecurrentShape) -> usize {
    project_scratch_len(shape, GATES)
}

/// Numbers of [`backward`]'s `scratch`: da and dq (B, T, 3H), h' (B, T, H), sums of da and dq, parts of products.
pub fn backward_scratch_len(shape: &RecurrentShape) -> usize {
    rows(shape) * (2 * GATES + 1) * shape.hidden + 2 * sums_len(shape, GATES) + products_scratch_len(shape, GATES)
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
    let [h0, _] = states(inputs);
    let args = vec![saved.update(), w_hh.read(), inputs.b_hh.read(), h0, out.write()];
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
    let (da, rest) = scratch.split(rows(shape) * GATES * shape.hidden);
    let (dq, rest) = rest.split(rows(shape) * GATES * shape.hidden);
    let (h_prev, rest) = rest.split(rows(shape) * shape.hidden);
    let len = sums_len(shape, GATES);
    let (sums, scratch) = rest.split(2 * len);
    let sums = BACKWARD.on_tensor_cores(shape.hidden, launches).then_some(sums);
    let [h0, _] = states(inputs);
    let (read, written) = (
        [saved.read(), out.read(), dout.read(), inputs.w_hh.read(), h0],
        [da.write(), dq.write(), h_prev.write(), own(gradients.h0)],
    );
    let args = read.into_iter().chain(written).chain(sums.map(Span::write)).collect();
    launch(launches, &BACKWARD, shape, args, Some(added(gradients)));
    let sums = sums.map_or([da, dq], |sums| sums.split(len).into());
    products(launches, shape, inputs, gradients, [da, dq, h_prev], sums, scratch);
}
