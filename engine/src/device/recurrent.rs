//! LSTM and GRU layers as launches: the input's product for all steps, one launch for the whole sequence, then products
//! for the gradients of the weights.

use inkgrad_kernels::cpu::recurrence::RecurrentShape;
use inkgrad_kernels::launch::Arg;

use super::launches::{
    Epilogue, Launches, NONE, Span, Strided, Target, column_sums_scratch, gemm_scratch, int, read_or_none,
};
use super::op::{DeviceBackward, DeviceForward};
use crate::op::Memory;

/// Sequences that a block owns.
const SEQUENCES: usize = 4;
/// The most threads of a block.
const THREADS: usize = 512;
/// Bytes of one number of each of a block's sequences.
const BYTES: usize = 4 * SEQUENCES;

/// Blocks of H in a record of what the forward keeps: i, f, g, o, c, tanh c; and r, z, n, q.
const LSTM_RECORD: usize = 6;
const GRU_RECORD: usize = 4;

/// Memory of a layer with `gates` blocks of weights and records of `record` blocks; `gradients` buffers of all gates.
fn memory(shape: &RecurrentShape, gates: usize, record: usize, gradients: usize) -> Memory {
    let &RecurrentShape { batch, time, input, hidden, .. } = shape;
    let (rows, gates) = (batch * time, gates * hidden);
    let products = gemm_scratch(rows, input, gates)
        .max(gemm_scratch(gates, input, rows))
        .max(gemm_scratch(gates, hidden, rows))
        .max(column_sums_scratch(rows, gates));
    Memory {
        saved: rows * record * hidden,
        // w_hhᵀ
        forward_scratch: gates * hidden,
        // The gradients of the gates, the state before each step, the parts of products.
        backward_scratch: gradients * rows * gates + rows * hidden + products,
    }
}

/// What an LSTM layer needs.
pub fn lstm_memory(shape: &RecurrentShape) -> Memory {
    memory(shape, 4, LSTM_RECORD, 1)
}

/// What a GRU layer needs.
pub fn gru_memory(shape: &RecurrentShape) -> Memory {
    memory(shape, 3, GRU_RECORD, 2)
}

/// Rows of the recurrent weights, `gates` blocks of H wide, that a block with room for `most` bytes keeps beside `shared`
/// bytes of its own: a multiple of four, as far as the kernels walk them by fours. One block has a multiprocessor for
/// itself then, which is as many as there are blocks until a batch has four sequences for each multiprocessor.
fn kept_rows(hidden: usize, gates: usize, shared: usize, most: usize) -> usize {
    (most.saturating_sub(shared) / (4 * gates * hidden)).min(hidden) / 4 * 4
}

/// One block for every four sequences, a thread for each unit of a sequence, as far as there are. `gates` blocks of weights;
/// `arrays` of one number for each unit and sequence in shared memory.
fn launch(
    launches: &mut Launches,
    entry: &'static str,
    shape: &RecurrentShape,
    [gates, arrays]: [usize; 2],
    mut args: Vec<Arg>,
    last: Option<Arg>,
) {
    let &RecurrentShape { batch, time, hidden, reverse, .. } = shape;
    let shared = arrays * hidden * BYTES;
    let kept = kept_rows(hidden, gates, shared, launches.shared);
    args.extend([int(batch), int(time), int(hidden), int(usize::from(reverse)), int(kept)]);
    args.extend(last);
    let threads = (SEQUENCES * hidden).next_multiple_of(32).min(THREADS);
    let shared = shared + 4 * kept * gates * hidden;
    launches.grid(entry, [batch.div_ceil(SEQUENCES), 1, 1], [threads, 1, 1], shared, args);
}

/// saved ← x·w_ihᵀ + b_ih in the first blocks of each record, and w_hhᵀ into scratch.
fn project(shape: &RecurrentShape, run: &DeviceForward<'_>, gates: usize, record: usize, launches: &mut Launches) {
    let &RecurrentShape { batch, time, input, hidden, .. } = shape;
    let (x, w) = (Strided::new(run.x[0], input), Strided::new(run.x[1], input));
    let epilogue = Epilogue { bias: Some(run.x[3]), relu: false };
    let extents = [batch * time, gates * hidden, input];
    let none = run.scratch.part(0, 0);
    launches.gemm(extents, x, w.transposed(), Target::write(run.saved), record * hidden, epilogue, none);
    launches.transpose(run.x[2], [1, gates * hidden, hidden], Target::write(run.scratch));
}

/// The launches of an LSTM layer's forward.
pub fn lstm_forward(shape: &RecurrentShape, run: &DeviceForward<'_>, launches: &mut Launches) {
    project(shape, run, 4, LSTM_RECORD, launches);
    let [h0, c0] = [5, 6].map(|i| read_or_none(run.x.get(i).copied()));
    let args = vec![run.saved.update(), run.scratch.read(), run.x[4].read(), h0, c0, run.y.write()];
    // h, c and z
    launch(launches, "lstm_forward", shape, [4, 6], args, None);
}

/// The launches of a GRU layer's forward.
pub fn gru_forward(shape: &RecurrentShape, run: &DeviceForward<'_>, launches: &mut Launches) {
    project(shape, run, 3, GRU_RECORD, launches);
    let h0 = read_or_none(run.x.get(5).copied());
    let args = vec![run.saved.update(), run.scratch.read(), run.x[4].read(), h0, run.y.write()];
    // h and q
    launch(launches, "gru_forward", shape, [3, 4], args, None);
}

/// A gradient that the kernel writes itself, if it is asked for; and whether it is added.
fn own(target: Option<Target>) -> (Arg, usize) {
    target.map_or((NONE, 0), |target| (target.arg(), usize::from(target.add)))
}

/// The gradients of x, the weights and the biases from those of the gates, `da` of x·w_ihᵀ and `dq` of h'·w_hhᵀ.
fn products(shape: &RecurrentShape, run: &DeviceBackward<'_>, [da, dq, h_prev, scratch]: [Span; 4], l: &mut Launches) {
    let &RecurrentShape { batch, time, input, hidden, .. } = shape;
    let rows = batch * time;
    let gates = da.len / rows;
    let (da_rows, dq_rows) = (Strided::new(da, gates), Strided::new(dq, gates));
    if let Some(dx) = run.dx[0] {
        l.gemm([rows, input, gates], da_rows, Strided::new(run.x[1], input), dx, input, Epilogue::NONE, scratch);
    }
    if let Some(dw) = run.dx[1] {
        let x = Strided::new(run.x[0], input);
        l.gemm([gates, input, rows], da_rows.transposed(), x, dw, input, Epilogue::NONE, scratch);
    }
    if let Some(dw) = run.dx[2] {
        let h_prev = Strided::new(h_prev, hidden);
        l.gemm([gates, hidden, rows], dq_rows.transposed(), h_prev, dw, hidden, Epilogue::NONE, scratch);
    }
    for (db, gradient) in [(run.dx[3], da), (run.dx[4], dq)] {
        if let Some(db) = db {
            l.column_sums(gradient, gates, db, scratch);
        }
    }
}

/// The launches of an LSTM layer's backward.
pub fn lstm_backward(shape: &RecurrentShape, run: &DeviceBackward<'_>, launches: &mut Launches) {
    let rows = shape.batch * shape.time;
    let (dz, rest) = run.scratch.split(rows * 4 * shape.hidden);
    let (h_prev, scratch) = rest.split(rows * shape.hidden);
    let [h0, c0] = [5, 6].map(|i| read_or_none(run.x.get(i).copied()));
    let ((dh0, add_h), (dc0, add_c)) = (own(run.dx[5]), own(run.dx[6]));
    let (saved, out, dout) = (run.saved.read(), run.y.read(), run.dy.read());
    let args = vec![saved, out, dout, run.x[2].read(), h0, c0, dz.write(), h_prev.write(), dh0, dc0];
    // dz, its parts, dh and dc
    launch(launches, "lstm_backward", shape, [4, 10], args, Some(int(add_h | add_c << 1)));
    products(shape, run, [dz, dz, h_prev, scratch], launches);
}

/// The launches of a GRU layer's backward.
pub fn gru_backward(shape: &RecurrentShape, run: &DeviceBackward<'_>, launches: &mut Launches) {
    let rows = shape.batch * shape.time;
    let (da, rest) = run.scratch.split(rows * 3 * shape.hidden);
    let (dq, rest) = rest.split(rows * 3 * shape.hidden);
    let (h_prev, scratch) = rest.split(rows * shape.hidden);
    let h0 = read_or_none(run.x.get(5).copied());
    let (dh0, add) = own(run.dx[5]);
    let (saved, out, dout) = (run.saved.read(), run.y.read(), run.dy.read());
    let args = vec![saved, out, dout, run.x[2].read(), h0, da.write(), dq.write(), h_prev.write(), dh0];
    // dq, its parts and dh
    launch(launches, "gru_backward", shape, [3, 7], args, Some(int(add)));
    products(shape, run, [da, dq, h_prev, scratch], launches);
}
