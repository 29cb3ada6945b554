//! Shared by the launches of LSTM and GRU layers: the input's product for all steps, the launch for a whole sequence, and
//! the products for the gradients of the weights.

use super::gemm::{Epilogue, Matrix, MatrixMut, gemm, gemm_scratch_len};
use super::launches::{Launches, NONE, Span, Target, flag, int, read_or_none};
use super::layout::transpose;
use super::reduce::{column_sums, column_sums_scratch_len};
use crate::cpu::recurrent::RecurrentShape;
use crate::launch::Arg;

/// Sequences that a block owns.
const SEQUENCES: usize = 4;
/// The most threads of a block, and threads of a warp.
const THREADS: usize = 512;
const WARP: usize = 32;
/// Bytes of one number of each of a block's sequences.
const BYTES: usize = 4 * SEQUENCES;
/// Rows of weights that the kernels take at a time.
const ROWS: usize = 4;

/// The inputs of a layer: as on the CPU, in device memory.
#[derive(Debug, Clone, Copy)]
pub struct Inputs {
    /// (B, T, I)
    pub x: Span,
    /// (gates·H, I)
    pub w_ih: Span,
    /// (gates·H, H)
    pub w_hh: Span,
    /// (gates·H)
    pub b_ih: Span,
    /// (gates·H)
    pub b_hh: Span,
    /// (B, H); zeros if absent.
    pub h0: Option<Span>,
    /// (B, H), of an LSTM; zeros if absent.
    pub c0: Option<Span>,
}

/// Where the gradients of [`Inputs`] go, each of its input's shape; `None` where nobody asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Gradients {
    /// Of `x`.
    pub x: Option<Target>,
    /// Of `w_ih`.
    pub w_ih: Option<Target>,
    /// Of `w_hh`.
    pub w_hh: Option<Target>,
    /// Of `b_ih`.
    pub b_ih: Option<Target>,
    /// Of `b_hh`.
    pub b_hh: Option<Target>,
    /// Of `h0`.
    pub h0: Option<Target>,
    /// Of `c0`.
    pub c0: Option<Target>,
}

/// A recurrent layer's kernel.
pub(super) struct Kernel {
    pub entry: &'static str,
    /// Blocks of H in the weights.
    pub gates: usize,
    /// Arrays of one number for each unit and sequence of a block that it keeps in shared memory.
    pub arrays: usize,
}

/// B·T.
pub(super) fn rows(shape: &RecurrentShape) -> usize {
    shape.batch * shape.time
}

/// Numbers of scratch for [`products`] of gradients with `gates` blocks.
pub(super) fn products_scratch_len(shape: &RecurrentShape, gates: usize) -> usize {
    let &RecurrentShape { input, hidden, .. } = shape;
    let (rows, gates) = (rows(shape), gates * hidden);
    gemm_scratch_len(rows, gates, input)
        .max(gemm_scratch_len(gates, rows, input))
        .max(gemm_scratch_len(gates, rows, hidden))
        .max(column_sums_scratch_len(rows, gates))
}

/// Rows of the recurrent weights, `gates` blocks of H wide, that a block with room for `most` bytes keeps beside `shared`
/// bytes of its own: a multiple of four, as far as the kernels walk them by fours. One block has a multiprocessor for
/// itself then, which is as many as there are blocks until a batch has four sequences for each multiprocessor.
fn kept_rows(hidden: usize, gates: usize, shared: usize, most: usize) -> usize {
    (most.saturating_sub(shared) / (4 * gates * hidden)).min(hidden) / ROWS * ROWS
}

/// One block for every four sequences, a thread for each unit of a sequence, as far as there are. `args`: the pointers;
/// `last`: what follows the extents.
pub(super) fn launch(
    launches: &mut Launches,
    kernel: &Kernel,
    shape: &RecurrentShape,
    mut args: Vec<Arg>,
    last: Option<Arg>,
) {
    let &RecurrentShape { batch, time, hidden, reverse, .. } = shape;
    let shared = kernel.arrays * hidden * BYTES;
    let kept = kept_rows(hidden, kernel.gates, shared, launches.shared);
    args.extend([int(batch), int(time), int(hidden), flag(reverse), int(kept)]);
    args.extend(last);
    let threads = (SEQUENCES * hidden).next_multiple_of(WARP).min(THREADS);
    let shared = shared + 4 * kept * kernel.gates * hidden;
    launches.grid(kernel.entry, [batch.div_ceil(SEQUENCES), 1, 1], [threads, 1, 1], shared, args);
}

/// saved ← x·w_ihᵀ + b_ih in the first blocks of each record of `record` blocks, and scratch ← w_hhᵀ.
pub(super) fn project(
    launches: &mut Launches,
    shape: &RecurrentShape,
    inputs: &Inputs,
    [gates, record]: [usize; 2],
    saved: Span,
    scratch: Span,
) {
    let &RecurrentShape { input, hidden, .. } = shape;
    let (rows, gates) = (rows(shape), gates * hidden);
    let (x, w) = (Matrix::new(inputs.x, rows, input), Matrix::new(inputs.w_ih, gates, input));
    let to = MatrixMut::with_stride(Target::write(saved), rows, gates, record * hidden);
    let epilogue = Epilogue { bias: Some(inputs.b_ih), relu: false };
    gemm(launches, x, w.transposed(), to, epilogue, Span::default());
    transpose(launches, inputs.w_hh, [1, gates, hidden], Target::write(scratch));
}

/// A gradient that the kernel writes itself, if it is asked for.
pub(super) fn own(target: Option<Target>) -> Arg {
    target.map_or(NONE, Target::arg)
}

/// The kernels' bits for the gradients that they add: of h0, and of c0.
pub(super) fn added(gradients: &Gradients) -> Arg {
    const H0: u32 = 1;
    const C0: u32 = 2;
    let bit = |target: Option<Target>, bit: u32| if target.is_some_and(|target| target.add) { bit } else { 0 };
    Arg::U32(bit(gradients.h0, H0) | bit(gradients.c0, C0))
}

/// The initial states' arguments.
pub(super) fn states(inputs: &Inputs) -> [Arg; 2] {
    [inputs.h0, inputs.c0].map(read_or_none)
}

/// The gradients of x, the weights and the biases from those of the gates, `da` of x·w_ihᵀ and `dq` of h'·w_hhᵀ, and the
/// states h' before each step, `h_prev`.
pub(super) fn products(
    launches: &mut Launches,
    shape: &RecurrentShape,
    inputs: &Inputs,
    gradients: &Gradients,
    [da, dq, h_prev]: [Span; 3],
    scratch: Span,
) {
    let &RecurrentShape { input, hidden, .. } = shape;
    let rows = rows(shape);
    let gates = da.len / rows;
    let (da_rows, dq_rows) = (Matrix::new(da, rows, gates), Matrix::new(dq, rows, gates));
    let mut product = |a: Matrix, b: Matrix, to: Option<Target>, [m, n]: [usize; 2]| {
        if let Some(to) = to {
            gemm(launches, a, b, MatrixMut::new(to, m, n), Epilogue::NONE, scratch);
        }
    };
    // dx = da·w_ih, dw_ih = daᵀ·x, dw_hh = dqᵀ·h'
    product(da_rows, Matrix::new(inputs.w_ih, gates, input), gradients.x, [rows, input]);
    product(da_rows.transposed(), Matrix::new(inputs.x, rows, input), gradients.w_ih, [gates, input]);
    product(dq_rows.transposed(), Matrix::new(h_prev, rows, hidden), gradients.w_hh, [gates, hidden]);
    for (db, gradient) in [(gradients.b_ih, da), (gradients.b_hh, dq)] {
        if let Some(db) = db {
            column_sums(launches, gradient, db, scratch);
        }
    }
}
