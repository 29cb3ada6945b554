//! The gated recurrent unit (Cho et al. 2014) over whole sequences, in PyTorch's variant and by its conventions: gates
//! in the order r, z, n, two bias vectors, batch first.
//!
//! For each step, with the previous state h', a = x·w_ihᵀ + b_ih and q = h'·w_hhᵀ + b_hh:
//!
//! - r = σ(aᵣ + qᵣ), z = σ(a_z + q_z)
//! - n = tanh(aₙ + r·qₙ)
//! - h = (1 − z)·n + z·h'

use super::{Gradients, Inputs, RecurrentShape, add_up, beta, check_len, cut, deliver, lay_rows};
use crate::cpu::activation::put;
use crate::cpu::gemm::{gemm, gemm_scratch_len};
use crate::cpu::lanes::prefetch_row;
use crate::cpu::matrix::{Matrix, MatrixMut};
use crate::cpu::packed::{Packed, Rows, multiply, multiply_before, packed_len};
use crate::cpu::reduce::add_columns;
use crate::cpu::team::Team;
use crate::{Float, multiversion};

/// Blocks of H elements in a record: r, z, n, qₙ.
const RECORD: usize = 4;

/// Elements of `saved`.
pub fn saved_len(shape: &RecurrentShape) -> usize {
    saved_parts(shape).iter().sum()
}

/// Records (T, B, 4, H) and rows [x | h'] (T, B, I + H), or h' alone, slice by slice.
fn saved_parts(shape: &RecurrentShape) -> [usize; 2] {
    [shape.rows() * RECORD * shape.hidden, shape.rows() * (shape.beside() + shape.hidden)]
}

/// Elements of [`forward`]'s `scratch`.
pub fn forward_scratch_len(shape: &RecurrentShape) -> usize {
    forward_scratch(shape).iter().sum()
}

/// Elements of [`backward`]'s `scratch`.
pub fn backward_scratch_len(shape: &RecurrentShape) -> usize {
    backward_scratch(shape).iter().sum()
}

/// Packed [w_ih | w_hh]ᵀ of r and z, or w_hhᵀ, and w_ihᵀ of n, or of all three; w_hhᵀ of n; what (aᵣ + qᵣ, a_z + q_z, aₙ, qₙ)
/// have beside these products, for each slice or for each sequence; they themselves of one step.
fn forward_scratch(shape: &RecurrentShape) -> [usize; 5] {
    let &RecurrentShape { batch, input, hidden, repeated, .. } = shape;
    let (rz, record) = (packed_len(shape.beside() + hidden, 2 * hidden), 4 * hidden);
    let (of_x, constants) = if repeated { (3 * hidden, batch) } else { (hidden, shape.slices()) };
    [rz, packed_len(input, of_x), packed_len(hidden, hidden), constants * record, batch * record]
}

/// Packed w_ih and w_hh, the gradients (daₙ, daᵣ, da_z, dqₙ) as (T, B, 4, H) slice by slice and, of a repeated input, their sum
/// over the steps (B, 4, H), their sums over each slice, dh, partial products.
fn backward_scratch(shape: &RecurrentShape) -> [usize; 7] {
    let &RecurrentShape { batch, time, input, hidden, repeated, .. } = shape;
    let (gates, record, rows, inputs) = (3 * hidden, 4 * hidden, batch * time, batch * shape.inputs());
    let products = [(2 * hidden, inputs, input), (hidden, inputs, input), (gates, rows, hidden)];
    let products = products.map(|(m, k, n)| gemm_scratch_len(m, k, n)).into_iter().max().unwrap_or(0);
    let (summed, sums) = (if repeated { batch * record } else { 0 }, shape.slices() * record);
    [packed_len(gates, input), packed_len(gates, hidden), rows * record, summed, sums, batch * hidden, products]
}

/// # Panics
/// If a dimension is 0 or a slice is not of its length.
fn check<T>(shape: &RecurrentShape, inputs: &Inputs<T>, saved: &[T]) {
    assert!(inputs.c0.is_none(), "a cell state c0, which a GRU has none of");
    shape.check();
    let &RecurrentShape { batch, input, hidden, .. } = shape;
    check_len("gru: x", inputs.x.len(), batch * shape.inputs() * input);
    check_len("gru: w_ih", inputs.w_ih.len(), 3 * hidden * input);
    check_len("gru: w_hh", inputs.w_hh.len(), 3 * hidden * hidden);
    check_len("gru: b_ih", inputs.b_ih.len(), 3 * hidden);
    check_len("gru: b_hh", inputs.b_hh.len(), 3 * hidden);
    check_len("gru: h0", inputs.h0.map_or(batch * hidden, <[T]>::len), batch * hidden);
    check_len("gru: saved", saved.len(), saved_len(shape));
}

/// Writes all hidden states to `out` (B, T, H), and to `saved` what [`backward`] needs. The last hidden state is
/// `out[:, T − 1]`, or `out[:, 0]` of a reversed sequence.
///
/// # Panics
/// If a dimension is 0 or a slice is not of its length.
pub fn forward<T: Float>(
    team: &Team,
    shape: &RecurrentShape,
    inputs: &Inputs<T>,
    out: &mut [T],
    saved: &mut [T],
    scratch: &mut [T],
) {
    check(shape, inputs, saved);
    check_len("gru: out", out.len(), shape.rows() * shape.hidden);
    let &RecurrentShape { time, input, hidden, repeated, .. } = shape;
    let (record, beside, slice) = (RECORD * hidden, shape.beside(), shape.slice());
    let (width, x_len) = (beside + hidden, shape.inputs() * input);
    let [w_rz, of_x, w_hn, constants, aq] = cut("gru: scratch", scratch, forward_scratch(shape));
    let [records, rows] = cut("gru: saved", saved, saved_parts(shape));
    let w_ih = Matrix::new(inputs.w_ih, 3 * hidden, input).transposed();
    let w_hh = Matrix::new(inputs.w_hh, 3 * hidden, hidden).transposed();
    let (rz, n) = (0..2 * hidden, 2 * hidden..3 * hidden);
    let (w_rz, of_x) = match repeated {
        false => {
            let w_rz = Packed::new(team, &[w_ih.cols(rz.clone()), w_hh.cols(rz)], w_rz);
            (w_rz, Packed::new(team, &[w_ih.cols(n.clone())], of_x))
        }
        true => (Packed::new(team, &[w_hh.cols(rz)], w_rz), Packed::new(team, &[w_ih], of_x)),
    };
    let w_hn = Packed::new(team, &[w_hh.cols(n)], w_hn);
    let pieces = [
        (out, slice * time * hidden),
        (records, slice * time * record),
        (rows, slice * time * width),
        (constants, if repeated { slice * record } else { record }),
        (aq, slice * record),
    ];
    team.pieces(pieces, |i, [out, records, rows, constants, aq]| {
        let batch = aq.len() / record;
        let first = i * slice;
        let x = &inputs.x[first * x_len..];
        lay_rows(shape, x, inputs.h0.map(|h0| &h0[first * hidden..]), rows);
        for (j, constant) in constants.iter_mut().enumerate() {
            let j = j % record;
            *constant = match j / hidden {
                0 | 1 => inputs.b_ih[j] + inputs.b_hh[j],
                2 => inputs.b_ih[j],
                _ => inputs.b_hh[j - hidden],
            };
        }
        if repeated {
            multiply(batch, Rows { data: x, stride: input }, of_x, constants, record, true);
            // aₙ, which no step writes.
            aq.fill(T::ZERO);
        }
        for (step, records) in records.chunks_exact_mut(batch * record).enumerate() {
            let (now, next) = rows[step * batch * width..].split_at_mut(batch * width);
            let (xh, h) = (Rows { data: now, stride: width }, Rows { data: &now[beside..], stride: width });
            multiply_before(&[records], batch, xh, w_rz, aq, record, false);
            if !repeated {
                multiply(batch, xh, of_x, &mut aq[2 * hidden..], record, false);
            }
            multiply(batch, h, w_hn, &mut aq[3 * hidden..], record, false);
            for ((b, row), constant) in now.chunks_exact(width).enumerate().zip(constants.chunks_exact(record).cycle())
            {
                let h = &mut out[(b * time + shape.place(step)) * hidden..][..hidden];
                let aq = &aq[b * record..][..record];
                cell(aq, constant, &row[beside..], h, &mut records[b * record..][..record]);
                if !next.is_empty() {
                    next[b * width + beside..][..hidden].copy_from_slice(h);
                }
            }
        }
    });
}

/// All gradients, from `dout` (B, T, H), the gradient of `out`.
///
/// # Panics
/// If a dimension is 0 or a slice is not of its length.
#[allow(clippy::too_many_arguments)]
pub fn backward<T: Float>(
    team: &Team,
    shape: &RecurrentShape,
    inputs: &Inputs<T>,
    dout: &[T],
    saved: &[T],
    scratch: &mut [T],
    gradients: Gradients<T>,
) {
    check(shape, inputs, saved);
    check_len("gru: dout", dout.len(), shape.rows() * shape.hidden);
    let &RecurrentShape { batch, time, input, hidden, repeated, .. } = shape;
    let (gates, record, beside, slice) = (3 * hidden, RECORD * hidden, shape.beside(), shape.slice());
    let (width, x_len) = (beside + hidden, shape.inputs() * input);
    let [w_ih, w_hh, da, summed, sums, dh, products] = cut("gru: scratch", scratch, backward_scratch(shape));
    let (records, rows) = saved.split_at(saved_parts(shape)[0]);
    let Gradients { x: dx, w_ih: dw_ih, w_hh: dw_hh, b_ih, b_hh, h0: dh0, c0: _ } = gradients;
    let (dx, add_dx) = dx.unwrap_or((&mut [], false));
    // The gates that w_ih has as (r, z, n) stand in `da` as (n, r, z, …).
    let (w_rz, w_n) = inputs.w_ih.split_at(2 * hidden * input);
    let w_nrz = [Matrix::new(w_n, hidden, input), Matrix::new(w_rz, 2 * hidden, input)];
    let w_ih = (!dx.is_empty()).then(|| Packed::new(team, &w_nrz, w_ih));
    let w_hh = Packed::new(team, &[Matrix::new(inputs.w_hh, gates, hidden)], w_hh);
    let pieces = [
        (&mut *da, slice * time * record),
        (&mut *summed, slice * record),
        (&mut *sums, record),
        (&mut *dh, slice * hidden),
        (dx, slice * x_len),
    ];
    team.pieces(pieces, |i, [da, summed, sums, dh, dx]| {
        summed.fill(T::ZERO);
        sums.fill(T::ZERO);
        dh.fill(T::ZERO);
        let batch = dh.len() / hidden;
        let records = &records[i * slice * time * record..];
        let rows = &rows[i * slice * time * width..];
        for step in (0..time).rev() {
            let t = shape.place(step);
            let (earlier, da) = da[..(step + 1) * batch * record].split_at_mut(step * batch * record);
            let dout = |b: usize| &dout[((i * slice + b) * time + t) * hidden..][..hidden];
            for b in 0..batch {
                let row = step * batch + b;
                if b + 1 < batch {
                    prefetch_row(dout(b + 1));
                }
                cell_backward(
                    &records[row * record..][..record],
                    &rows[row * width + beside..][..hidden],
                    dout(b),
                    &mut da[b * record..][..record],
                    &mut dh[b * hidden..][..hidden],
                );
            }
            // Those of the step before, whose turn is next.
            let before = step.saturating_sub(1) * batch..step * batch;
            let next_records = &records[before.start * record..before.end * record];
            let next_rows = &rows[before.start * width..before.end * width];
            let next = [next_records, next_rows, &earlier[before.start * record..]];
            // dh' += (daᵣ, da_z, dqₙ)·w_hh, dx = (daₙ, daᵣ, da_z)·w_ih
            multiply_before(&next, batch, Rows { data: &da[hidden..], stride: record }, w_hh, dh, hidden, true);
            if repeated {
                add_columns(da, batch * record, 0, summed);
                continue;
            }
            add_columns(da, record, 0, sums);
            if let Some(w_ih) = w_ih {
                multiply(batch, Rows { data: da, stride: record }, w_ih, &mut dx[t * input..], x_len, add_dx);
            }
        }
        if repeated {
            add_columns(summed, record, 0, sums);
            if let Some(w_ih) = w_ih {
                multiply(batch, Rows { data: summed, stride: record }, w_ih, dx, input, add_dx);
            }
        }
    });
    deliver(dh, dh0);
    let db = add_up(sums, record);
    // As (n, r, z, qₙ): b_ih has the first three, b_hh the last.
    if let Some((db_ih, add)) = b_ih {
        let (db_rz, db_n) = db_ih.split_at_mut(2 * hidden);
        deliver(&db[hidden..gates], Some((db_rz, add)));
        deliver(&db[..hidden], Some((db_n, add)));
    }
    deliver(&db[hidden..], b_hh);
    if let Some((dw_ih, add)) = dw_ih {
        // dw_ir = daᵣᵀ·x, dw_iz = da_zᵀ·x, dw_in = daₙᵀ·x; of a repeated x, with the sum of da over the steps
        let (da, x, stride) = if repeated { (&*summed, inputs.x, input) } else { (&*da, rows, width) };
        let x = Matrix::with_strides(x, batch * shape.inputs(), input, stride, 1);
        let da =
            |first: usize, cols: usize| Matrix::with_strides(&da[first..], x.shape().0, cols, record, 1).transposed();
        let (dw_rz, dw_n) = dw_ih.split_at_mut(2 * hidden * input);
        let dw_rz = MatrixMut::new(dw_rz, 2 * hidden, input);
        gemm(team, T::ONE, da(hidden, 2 * hidden), x, beta(add), dw_rz, products);
        gemm(team, T::ONE, da(0, hidden), x, beta(add), MatrixMut::new(dw_n, hidden, input), products);
    }
    if let Some((dw_hh, add)) = dw_hh {
        // dw_hr = daᵣᵀ·h', dw_hz = da_zᵀ·h', dw_hn = dqₙᵀ·h'
        let dq = Matrix::with_strides(&da[hidden..], shape.rows(), gates, record, 1).transposed();
        let h = Matrix::with_strides(&rows[beside..], shape.rows(), hidden, width, 1);
        gemm(team, T::ONE, dq, h, beta(add), MatrixMut::new(dw_hh, gates, hidden), products);
    }
}

multiversion! {
    /// One step of one sequence. aᵣ + qᵣ, a_z + q_z, aₙ, qₙ are the sums of `aq` and `constant`, (4H) each; `h_prev`: the state
    /// before. `h`, the state after, and `record` are written.
    fn cell<T: Float, A: Arithmetic>(aq: &[T], constant: &[T], h_prev: &[T], h: &mut [T], record: &mut [T]) {
        let hidden = h.len();
        let (aq_rz, aq_n) = aq.split_at(2 * hidden);
        let (a_n, q_n) = aq_n.split_at(hidden);
        let (b_rz, b_nq) = constant.split_at(2 * hidden);
        let (b_n, b_q) = b_nq.split_at(hidden);
        let (rz, n_q) = record.split_at_mut(2 * hidden);
        let (n, q_saved) = n_q.split_at_mut(hidden);
        for ((gate, &aq), &b) in rz.iter_mut().zip(aq_rz).zip(b_rz) {
            *gate = (aq + b).sigmoid::<A>();
        }
        let (r, z) = rz.split_at(hidden);
        for ((saved, &q), &b) in q_saved.iter_mut().zip(q_n).zip(b_q) {
            *saved = q + b;
        }
        // n = tanh(aₙ + r·qₙ)
        for ((((n, &a), &b), &r), &q) in n.iter_mut().zip(a_n).zip(b_n).zip(r).zip(&*q_saved) {
            *n = (a + b + r * q).tanh::<A>();
        }
        // h = (1 − z)·n + z·h' = n + z·(h' − n)
        for (((h, &h_prev), &n), &z) in h.iter_mut().zip(h_prev).zip(&*n).zip(z) {
            *h = n + z * (h_prev - n);
        }
    }
}

multiversion! {
    /// The gradients of one step of one sequence: `da` (daₙ, daᵣ, da_z, dqₙ), and `dh`, which holds what the steps
    /// after it gave and becomes the part of the gradient of h' that does not pass w_hh.
    fn cell_backward<T: Float, A: Arithmetic>(
        record: &[T], h_prev: &[T], dout: &[T], da: &mut [T], dh: &mut [T],
    ) {
        let hidden = dh.len();
        let block = |k: usize| &record[k * hidden..(k + 1) * hidden];
        let (r, z, n, q) = (block(0), block(1), block(2), block(3));
        let (da_nr, da_zq) = da.split_at_mut(2 * hidden);
        let (da_n, da_r) = da_nr.split_at_mut(hidden);
        let (da_z, dq) = da_zq.split_at_mut(hidden);
        for (dh, &dout) in dh.iter_mut().zip(dout) {
            put(dh, dout, true);
        }
        // dz = (h' − n)·dh; da_z = dz·z(1 − z)
        for (((da_z, &dh), &z), (&n, &h_prev)) in da_z.iter_mut().zip(&*dh).zip(z).zip(n.iter().zip(h_prev)) {
            *da_z = (h_prev - n) * dh * z * (T::ONE - z);
        }
        // dn = (1 − z)·dh; daₙ = dn·(1 − n²); dh' = z·dh
        for (((da_n, dh), &z), &n) in da_n.iter_mut().zip(dh).zip(z).zip(n) {
            *da_n = (T::ONE - z) * *dh * (T::ONE - n * n);
            *dh = z * *dh;
        }
        // dqₙ = daₙ·r; dr = daₙ·qₙ; daᵣ = dr·r(1 − r)
        for (((da_r, dq), &da_n), (&r, &q)) in da_r.iter_mut().zip(dq).zip(&*da_n).zip(r.iter().zip(q)) {
            *dq = da_n * r;
            *da_r = da_n * q * r * (T::ONE - r);
        }
    }
}
