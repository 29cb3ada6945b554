//! Shared by the launches of LSTM and GRU layers: the input's product for all steps at once, the launch for a whole sequence,
//! and the products for the gradients of the weights.
//!
//! There are three kernels for a whole sequence. On a GPU with clusters of blocks a layer of 64, 128 or 256 units has its
//! recurrent weights in the shared memory of a cluster (`lstm_cluster.ptx`); on one with tensor cores an LSTM of up to 32 has them in
//! the registers of a block (`lstm_small.ptx`). Elsewhere a block reads from the L2 cache what its shared memory does not hold
//! (`lstm.ptx`).

use super::gemm::{Epilogue, Matrix, MatrixMut, gemm, gemm_scratch_len};
use super::launches::{Launches, NONE, Span, Target, flag, int, read_or_none};
use super::layout::{Rest, Rows, copy_rows, transpose};
use super::reduce::{Axis, sum_axis, sum_axis_scratch_len};
use crate::cpu::recurrent::RecurrentShape;
use crate::launch::Arg;
use crate::ptx::{CLUSTERS_FROM, TENSOR_FROM};

/// Sequences that a block owns.
const SEQUENCES: usize = 4;
/// The most threads of a block, and threads of a warp.
const THREADS: usize = 512;
const WARP: usize = 32;
/// Bytes of one number of each of a block's sequences.
const BYTES: usize = 4 * SEQUENCES;
/// Rows of weights that the kernels take at a time.
const ROWS: usize = 8;

/// Units of a layer whose weights the registers of a block hold.
const SMALL: usize = 32;
/// Units that a block of a cluster owns, sequences that a cluster owns, and threads of a block: one for each unit of a sequence.
const CLUSTER_UNITS: usize = 32;
const CLUSTER_SEQUENCES: usize = 8;
const CLUSTER_THREADS: usize = CLUSTER_UNITS * CLUSTER_SEQUENCES;
/// Numbers of a part of sums: of each unit and sequence one, and a gap behind the first four sequences and behind the others, so that
/// those which a warp writes together lie in different banks. Numbers of such gaps in the arrays of states or gradients.
const PART: usize = CLUSTER_THREADS + 32;
const APART: usize = 4 * 16;
/// Blocks that a cluster may have.
const CLUSTER_BLOCKS: [usize; 3] = [2, 4, 8];

/// The inputs of a layer: as on the CPU, in device memory.
#[derive(Debug, Clone, Copy)]
pub struct Inputs {
    /// (B, T, I), or (B, I) of a repeated input
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
    /// The kernel for clusters.
    pub clustered: Clustered,
    /// The kernel for layers of up to [`SMALL`] units, where there is one.
    pub small: Option<&'static str>,
}

impl Kernel {
    /// The kernel for small layers, if this is one and the device has it.
    fn small(&self, hidden: usize, launches: &Launches) -> Option<&'static str> {
        self.small.filter(|_| hidden <= SMALL && launches.architecture >= TENSOR_FROM)
    }

    /// Whether a layer's products of steps run on tensor cores, by the kernel for small layers or the one for clusters.
    pub fn on_tensor_cores(&self, hidden: usize, launches: &Launches) -> bool {
        self.small(hidden, launches).is_some() || self.clustered.blocks(hidden, launches).is_some()
    }
}

/// A recurrent layer's kernel for clusters.
pub(super) struct Clustered {
    pub entry: &'static str,
    /// Bytes of shared memory that a block needs for each unit of the layer, and beside.
    pub of_unit: usize,
    pub beside: usize,
}

impl Clustered {
    /// The forward of a layer with so many gates: of each unit its weights for the block's gates, and two arrays of states;
    /// parts of sums of eight warps.
    pub const fn forward(entry: &'static str, gates: usize) -> Clustered {
        let number = size_of::<f32>();
        let states = 2 * CLUSTER_SEQUENCES;
        let beside = number * (8 * gates * PART + APART);
        Clustered { entry, of_unit: number * (gates * CLUSTER_UNITS + states), beside }
    }

    /// The backward: of each gate of a unit its weights for the block's units, and two arrays of gradients; parts of sums of eight
    /// warps.
    pub const fn backward(entry: &'static str, gates: usize) -> Clustered {
        let number = size_of::<f32>();
        let gradients = 2 * CLUSTER_SEQUENCES;
        let beside = number * (8 * PART + APART);
        Clustered { entry, of_unit: number * gates * (CLUSTER_UNITS + gradients), beside }
    }

    /// Blocks of a cluster and a block's bytes of shared memory, where the device has clusters and they fit.
    fn blocks(&self, hidden: usize, launches: &Launches) -> Option<(usize, usize)> {
        let (blocks, shared) = (hidden / CLUSTER_UNITS, self.of_unit * hidden + self.beside);
        let whole = CLUSTER_BLOCKS.contains(&blocks) && hidden.is_multiple_of(CLUSTER_UNITS);
        let fits = launches.architecture >= CLUSTERS_FROM && shared <= launches.shared;
        (whole && fits).then_some((blocks, shared))
    }
}

/// B·T.
pub(super) fn rows(shape: &RecurrentShape) -> usize {
    shape.batch * shape.time
}

/// Rows of x.
fn inputs_of(shape: &RecurrentShape) -> usize {
    if shape.repeated { shape.batch } else { rows(shape) }
}

/// Numbers of a row of gates for each sequence, which a repeated input takes.
fn once_len(shape: &RecurrentShape, gates: usize) -> usize {
    if shape.repeated { shape.batch * gates * shape.hidden } else { 0 }
}

/// Numbers of scratch for [`project`]: w_hhᵀ where it is turned, and x·w_ihᵀ + b_ih of a repeated x.
pub(super) fn project_scratch_len(shape: &RecurrentShape, gates: usize) -> usize {
    gates * shape.hidden * shape.hidden + once_len(shape, gates)
}

/// Numbers of scratch for [`products`] of gradients with `gates` blocks: of a repeated input their sum over the steps, and parts
/// of products.
pub(super) fn products_scratch_len(shape: &RecurrentShape, gates: usize) -> usize {
    let &RecurrentShape { input, hidden, .. } = shape;
    let (rows, inputs, width) = (rows(shape), inputs_of(shape), gates * hidden);
    let parts = gemm_scratch_len(inputs, width, input)
        .max(gemm_scratch_len(width, inputs, input))
        .max(gemm_scratch_len(width, rows, hidden))
        .max(sum_axis_scratch_len(2 * width, rows))
        .max(sum_axis_scratch_len(once_len(shape, gates), shape.time));
    once_len(shape, gates) + parts
}

/// Numbers of a row of `gates` blocks of H for every four sequences.
pub(super) fn sums_len(shape: &RecurrentShape, gates: usize) -> usize {
    shape.batch.div_ceil(SEQUENCES) * gates * shape.hidden
}

/// Rows of the recurrent weights, `gates` blocks of H wide, that a block with room for `most` bytes keeps beside `shared`
/// bytes of its own: a multiple of eight, as far as the kernels walk them by eights. One block has a multiprocessor for
/// itself then, which is as many as there are blocks until a batch has four sequences for each multiprocessor.
fn kept_rows(hidden: usize, gates: usize, shared: usize, most: usize) -> usize {
    (most.saturating_sub(shared) / (4 * gates * hidden)).min(hidden) / ROWS * ROWS
}

/// One block for every four sequences of a small layer, which has a thread for each of 32 units; one cluster for every eight where
/// there are clusters that fit. Else one block for every four sequences, a thread for each unit of a sequence, as far as there are.
/// `args`: the pointers; `last`: what follows the extents.
pub(super) fn launch(
    launches: &mut Launches,
    kernel: &Kernel,
    shape: &RecurrentShape,
    mut args: Vec<Arg>,
    last: Option<Arg>,
) {
    let &RecurrentShape { batch, time, hidden, reverse, .. } = shape;
    args.extend([int(batch), int(time), int(hidden), flag(reverse)]);
    if let Some(entry) = kernel.small(hidden, launches) {
        args.extend(last);
        return launches.grid(entry, [batch.div_ceil(SEQUENCES), 1, 1], [SEQUENCES * SMALL, 1, 1], 0, args);
    }
    if let Some((blocks, shared)) = kernel.clustered.blocks(hidden, launches) {
        args.extend(last);
        let clusters = [batch.div_ceil(CLUSTER_SEQUENCES), blocks];
        return launches.clusters(kernel.clustered.entry, clusters, CLUSTER_THREADS, shared, args);
    }
    let shared = kernel.arrays * hidden * BYTES;
    let kept = kept_rows(hidden, kernel.gates, shared, launches.shared);
    args.push(int(kept));
    args.extend(last);
    let threads = (SEQUENCES * hidden).next_multiple_of(WARP).min(THREADS);
    let shared = shared + 4 * kept * kernel.gates * hidden;
    launches.grid(kernel.entry, [batch.div_ceil(SEQUENCES), 1, 1], [threads, 1, 1], shared, args);
}

/// saved ← x·w_ihᵀ + b_ih in the first blocks of each record of `record` blocks. Returns w_hh as the kernel reads it: as it is for small
/// layers and clusters, else w_hhᵀ, a part of `scratch`.
pub(super) fn project(
    launches: &mut Launches,
    kernel: &Kernel,
    shape: &RecurrentShape,
    inputs: &Inputs,
    record: usize,
    saved: Span,
    scratch: Span,
) -> Span {
    let &RecurrentShape { time, input, hidden, repeated, .. } = shape;
    let (inputs_of, width, record) = (inputs_of(shape), kernel.gates * hidden, record * hidden);
    let records = rows(shape) * record;
    assert!(
        u32::try_from(records).is_ok(),
        "{records} numbers of records, expected as many as 32 bits count: a smaller batch"
    );
    let (w_hh, once) = scratch.split(width * hidden);
    let (x, w) = (Matrix::new(inputs.x, inputs_of, input), Matrix::new(inputs.w_ih, width, input));
    let (to, stride) = if repeated { (once, width) } else { (saved, record) };
    let to = MatrixMut::with_stride(Target::write(to), inputs_of, width, stride);
    let epilogue = Epilogue { bias: Some(inputs.b_ih), relu: false };
    gemm(launches, x, w.transposed(), to, epilogue, Span::default());
    if repeated {
        let rows = Rows { rows: rows(shape), width, repeat: time };
        copy_rows(launches, rows, (once, width), (Target::write(saved), record), Rest::Goes);
    }
    if kernel.on_tensor_cores(hidden, launches) {
        return inputs.w_hh;
    }
    transpose(launches, inputs.w_hh, [1, width, hidden], Target::write(w_hh));
    w_hh
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
/// states h' before each step, `h_prev`. `sums`: matrices whose columns have the sums of those of `da` and `dq`, these themselves or
/// what a kernel has summed.
pub(super) fn products(
    launches: &mut Launches,
    shape: &RecurrentShape,
    inputs: &Inputs,
    gradients: &Gradients,
    [da, dq, h_prev]: [Span; 3],
    sums: [Span; 2],
    scratch: Span,
) {
    let &RecurrentShape { time, input, hidden, repeated, .. } = shape;
    let (rows, inputs_of) = (rows(shape), inputs_of(shape));
    let gates = da.len / rows;
    let (once, scratch) = scratch.split(if repeated { inputs_of * gates } else { 0 });
    let of_x = if repeated { once } else { da };
    if repeated && (gradients.x.is_some() || gradients.w_ih.is_some()) {
        let steps = Axis { inner: gates, outer: time * gates, step: gates, count: time };
        sum_axis(launches, da, Target::write(once), steps, scratch);
    }
    let (da_rows, dq_rows) = (Matrix::new(of_x, inputs_of, gates), Matrix::new(dq, rows, gates));
    let mut product = |a: Matrix, b: Matrix, to: Option<Target>, [m, n]: [usize; 2]| {
        if let Some(to) = to {
            gemm(launches, a, b, MatrixMut::new(to, m, n), Epilogue::NONE, scratch);
        }
    };
    // dx = da·w_ih, dw_ih = daᵀ·x, dw_hh = dqᵀ·h'; of a repeated x, the first two with the sum of da over the steps
    product(da_rows, Matrix::new(inputs.w_ih, gates, input), gradients.x, [inputs_of, input]);
    product(da_rows.transposed(), Matrix::new(inputs.x, inputs_of, input), gradients.w_ih, [gates, input]);
    product(dq_rows.transposed(), Matrix::new(h_prev, rows, hidden), gradients.w_hh, [gates, hidden]);
    biases(launches, [gradients.b_ih, gradients.b_hh], sums, gates, scratch);
}

/// The gradients of b_ih and b_hh: the sums of the rows of `gates` numbers of two matrices, which are the same for an LSTM. One launch
/// where they lie one behind the other, as those of a layer's parameters do.
fn biases(launches: &mut Launches, targets: [Option<Target>; 2], [of_x, of_h]: [Span; 2], gates: usize, scratch: Span) {
    let count = of_x.len / gates;
    if let [Some(x), Some(h)] = targets
        && x.add == h.add
        && let Some(span) = x.span.joined(h.span)
    {
        let outer = (of_h.address - of_x.address) as usize / size_of::<f32>();
        let both = Span { address: of_x.address, len: outer + of_h.len };
        return sum_axis(
            launches,
            both,
            Target { span, add: x.add },
            Axis { inner: gates, outer, step: gates, count },
            scratch,
        );
    }
    for (target, rows) in targets.into_iter().zip([of_x, of_h]) {
        if let Some(target) = target {
            sum_axis(launches, rows, target, Axis::parts(gates, count), scratch);
        }
    }
}
