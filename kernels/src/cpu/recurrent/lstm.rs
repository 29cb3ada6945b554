//! The long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000) over whole
//! sequences, by PyTorch's conventions: gates in the order i, f, g, o, two bias vectors, batch first.
//!
//! For each step, with the previous states h' and c':
//!
//! - i = σ(zᵢ), f = σ(z_f), g = tanh(z_g), o = σ(zₒ), where z = x·w_ihᵀ + b_ih + h'·w_hhᵀ + b_hh
//! - c = f·c' + i·g
//! - h = o·tanh c

use super::{Gradient, Gradients, Inputs, RecurrentShape, add_up, beta, check_len, cut, deliver, lay_rows, start};
use crate::cpu::activation::put;
use crate::cpu::gemm::{gemm, gemm_scratch_len};
use crate::cpu::lanes::prefetch_row;
use crate::cpu::matrix::{Matrix, MatrixMut};
use crate::cpu::packed::{Packed, Rows, multiply, multiply_before, packed_len};
use crate::cpu::reduce::add_columns;
use crate::cpu::team::Team;
use crate::{Float, multiversion};

/// Blocks of H elements in a record: i, f, g, o, c', tanh c.
const RECORD: usize = 6;

/// Elements of `saved`.
pub fn saved_len(shape: &RecurrentShape) -> usize {
    saved_parts(shape).iter().sum()
}

/// Records (T, B, 6, H) and rows [x | h'] (T, B, I + H), or h' alone, slice by slice.
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

/// Packed [w_ih | w_hh]ᵀ, or w_hhᵀ and w_ihᵀ; what z has beside that product, for each slice or for each sequence; the state
/// c, z of one step.
fn forward_scratch(shape: &RecurrentShape) -> [usize; 5] {
    let &RecurrentShape { batch, input, hidden, repeated, .. } = shape;
    let gates = 4 * hidden;
    let (once, constants) = if repeated { (packed_len(input, gates), batch) } else { (0, shape.slices()) };
    [packed_len(shape.beside() + hidden, gates), once, constants * gates, batch * hidden, batch * gates]
}

/// Packed w_ih and w_hh, dz (T, B, 4H) slice by slice and, of a repeated input, its sum over the steps (B, 4H), its sums over
/// each slice, dh and dc, the gradient of [w_ih | w_hh] or of w_hh and partial products.
fn backward_scratch(shape: &RecurrentShape) -> [usize; 9] {
    let &RecurrentShape { batch, input, hidden, repeated, .. } = shape;
    let (gates, rows, width) = (4 * hidden, shape.rows(), shape.beside() + hidden);
    let (summed, of_sums) = if repeated { (batch * gates, gemm_scratch_len(gates, batch, input)) } else { (0, 0) };
    let products = gemm_scratch_len(gates, rows, width).max(of_sums);
    [
        packed_len(gates, input),
        packed_len(gates, hidden),
        rows * gates,
        summed,
        shape.slices() * gates,
        batch * hidden,
        batch * hidden,
        gates * width,
        products,
    ]
}

/// # Panics
/// If a dimension is 0 or a slice is not of its length.
fn check<T>(shape: &RecurrentShape, inputs: &Inputs<T>, saved: &[T]) {
    shape.check();
    let &RecurrentShape { batch, input, hidden, .. } = shape;
    check_len("lstm: x", inputs.x.len(), batch * shape.inputs() * input);
    check_len("lstm: w_ih", inputs.w_ih.len(), 4 * hidden * input);
    check_len("lstm: w_hh", inputs.w_hh.len(), 4 * hidden * hidden);
    check_len("lstm: b_ih", inputs.b_ih.len(), 4 * hidden);
    check_len("lstm: b_hh", inputs.b_hh.len(), 4 * hidden);
    check_len("lstm: h0", inputs.h0.map_or(batch * hidden, <[T]>::len), batch * hidden);
    check_len("lstm: c0", inputs.c0.map_or(batch * hidden, <[T]>::len), batch * hidden);
    check_len("lstm: saved", saved.len(), saved_len(shape));
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
    check_len("lstm: out", out.len(), shape.rows() * shape.hidden);
    let &RecurrentShape { time, input, hidden, repeated, .. } = shape;
    let (gates, record, beside, slice) = (4 * hidden, RECORD * hidden, shape.beside(), shape.slice());
    let (width, x_len) = (beside + hidden, shape.inputs() * input);
    let [weights, once, constants, c, z] = cut("lstm: scratch", scratch, forward_scratch(shape));
    let [records, rows] = cut("lstm: saved", saved, saved_parts(shape));
    let w_ih = Matrix::new(inputs.w_ih, gates, input).transposed();
    let w_hh = Matrix::new(inputs.w_hh, gates, hidden).transposed();
    let (weights, once) = match repeated {
        false => (Packed::new(team, &[w_ih, w_hh], weights), None),
        true => (Packed::new(team, &[w_hh], weights), Some(Packed::new(team, &[w_ih], once))),
    };
    start(c, inputs.c0);
    let pieces = [
        (out, slice * time * hidden),
        (records, slice * time * record),
        (rows, slice * time * width),
        (constants, if repeated { slice * gates } else { gates }),
        (c, slice * hidden),
        (z, slice * gates),
    ];
    team.pieces(pieces, |i, [out, records, rows, constants, c, z]| {
        let batch = c.len() / hidden;
        let first = i * slice;
        let x = &inputs.x[first * x_len..];
        lay_rows(shape, x, inputs.h0.map(|h0| &h0[first * hidden..]), rows);
        for constant in constants.chunks_exact_mut(gates) {
            for ((constant, &b_ih), &b_hh) in constant.iter_mut().zip(inputs.b_ih).zip(inputs.b_hh) {
                *constant = b_ih + b_hh;
            }
        }
        if let Some(w_ih) = once {
            multiply(batch, Rows { data: x, stride: input }, w_ih, constants, gates, true);
        }
        for (step, records) in records.chunks_exact_mut(batch * record).enumerate() {
            let (now, next) = rows[step * batch * width..].split_at_mut(batch * width);
            multiply_before(&[records], batch, Rows { data: now, stride: width }, weights, z, gates, false);
            for (b, constant) in (0..batch).zip(constants.chunks_exact(gates).cycle()) {
                let h = &mut out[(b * time + shape.place(step)) * hidden..][..hidden];
                let c = &mut c[b * hidden..][..hidden];
                cell(&z[b * gates..][..gates], constant, c, h, &mut records[b * record..][..record]);
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
    check_len("lstm: dout", dout.len(), shape.rows() * shape.hidden);
    let &RecurrentShape { batch, time, input, hidden, repeated, .. } = shape;
    let (gates, record, beside, slice) = (4 * hidden, RECORD * hidden, shape.beside(), shape.slice());
    let (width, x_len) = (beside + hidden, shape.inputs() * input);
    let [w_ih, w_hh, dz, summed, sums, dh, dc, dw, products] = cut("lstm: scratch", scratch, backward_scratch(shape));
    let (records, rows) = saved.split_at(saved_parts(shape)[0]);
    let Gradients { x: dx, w_ih: dw_ih, w_hh: dw_hh, b_ih, b_hh, h0: dh0, c0: dc0 } = gradients;
    let (dx, add_dx) = dx.unwrap_or((&mut [], false));
    let w_ih = (!dx.is_empty()).then(|| Packed::new(team, &[Matrix::new(inputs.w_ih, gates, input)], w_ih));
    let w_hh = Packed::new(team, &[Matrix::new(inputs.w_hh, gates, hidden)], w_hh);
    let pieces = [
        (&mut *dz, slice * time * gates),
        (&mut *summed, slice * gates),
        (&mut *sums, gates),
        (&mut *dh, slice * hidden),
        (&mut *dc, slice * hidden),
        (dx, slice * x_len),
    ];
    team.pieces(pieces, |i, [dz, summed, sums, dh, dc, dx]| {
        summed.fill(T::ZERO);
        sums.fill(T::ZERO);
        dh.fill(T::ZERO);
        dc.fill(T::ZERO);
        let batch = dh.len() / hidden;
        let records = &records[i * slice * time * record..];
        for step in (0..time).rev() {
            let t = shape.place(step);
            let (earlier, dz) = dz[..(step + 1) * batch * gates].split_at_mut(step * batch * gates);
            let dout = |b: usize| &dout[((i * slice + b) * time + t) * hidden..][..hidden];
            for b in 0..batch {
                let row = step * batch + b;
                if b + 1 < batch {
                    prefetch_row(dout(b + 1));
                }
                cell_backward(
                    &records[row * record..][..record],
                    dout(b),
                    &mut dz[b * gates..][..gates],
                    &mut dh[b * hidden..][..hidden],
                    &mut dc[b * hidden..][..hidden],
                );
            }
            // Those of the step before, whose turn is next.
            let next_records = &records[step.saturating_sub(1) * batch * record..step * batch * record];
            let next_dz = &earlier[earlier.len().saturating_sub(batch * gates)..];
            // dh' = dz·w_hh, dx = dz·w_ih
            let rows = Rows { data: dz, stride: gates };
            multiply_before(&[next_records, next_dz], batch, rows, w_hh, dh, hidden, false);
            if repeated {
                add_columns(dz, batch * gates, 0, summed);
                continue;
            }
            add_columns(dz, gates, 0, sums);
            if let Some(w_ih) = w_ih {
                multiply(batch, rows, w_ih, &mut dx[t * input..], x_len, add_dx);
            }
        }
        if repeated {
            add_columns(summed, gates, 0, sums);
            if let Some(w_ih) = w_ih {
                multiply(batch, Rows { data: summed, stride: gates }, w_ih, dx, input, add_dx);
            }
        }
    });
    deliver(dh, dh0);
    deliver(dc, dc0);
    let db = add_up(sums, gates);
    deliver(db, b_ih);
    deliver(db, b_hh);
    if dw_ih.is_some() || dw_hh.is_some() {
        // [dw_ih | dw_hh] = dzᵀ·[x | h']
        let dz = Matrix::new(dz, shape.rows(), gates);
        let rows = Matrix::new(rows, shape.rows(), width);
        gemm(team, T::ONE, dz.transposed(), rows, T::ZERO, MatrixMut::new(dw, gates, width), products);
        deliver_columns(dw, width, beside, dw_hh);
        match dw_ih {
            Some((dw_ih, add)) if repeated => {
                // dw_ih = (Σₜ dz)ᵀ·x
                let (summed, x) = (Matrix::new(summed, batch, gates), Matrix::new(inputs.x, batch, input));
                let dw_ih = MatrixMut::new(dw_ih, gates, input);
                gemm(team, T::ONE, summed.transposed(), x, beta(add), dw_ih, products);
            }
            dw_ih => deliver_columns(dw, width, 0, dw_ih),
        }
    }
}

multiversion! {
    /// One step of one sequence. z is the sum of `z` and `constant`, (4H) each. `c`: the state before, then after; `h` and
    /// `record` are written.
    fn cell<T: Float, A: Arithmetic>(z: &[T], constant: &[T], c: &mut [T], h: &mut [T], record: &mut [T]) {
        let hidden = h.len();
        let (gates, states) = record.split_at_mut(4 * hidden);
        let (z_if, z_go) = z.split_at(2 * hidden);
        let (z_g, z_o) = z_go.split_at(hidden);
        let (b_if, b_go) = constant.split_at(2 * hidden);
        let (b_g, b_o) = b_go.split_at(hidden);
        let (i_f, g_o) = gates.split_at_mut(2 * hidden);
        let (g, o) = g_o.split_at_mut(hidden);
        for ((gate, &z), &b) in i_f.iter_mut().zip(z_if).zip(b_if) {
            *gate = (z + b).sigmoid::<A>();
        }
        for ((g, &z), &b) in g.iter_mut().zip(z_g).zip(b_g) {
            *g = (z + b).tanh::<A>();
        }
        for ((o, &z), &b) in o.iter_mut().zip(z_o).zip(b_o) {
            *o = (z + b).sigmoid::<A>();
        }
        let (i, f) = i_f.split_at(hidden);
        let (c_prev, tanh_c) = states.split_at_mut(hidden);
        c_prev.copy_from_slice(c);
        // c = f·c' + i·g
        for ((c, &f), (&i, &g)) in c.iter_mut().zip(f).zip(i.iter().zip(&*g)) {
            *c = f * *c + i * g;
        }
        // h = o·tanh c
        for (((h, tanh_c), &c), &o) in h.iter_mut().zip(tanh_c).zip(&*c).zip(&*o) {
            *tanh_c = c.tanh::<A>();
            *h = o * *tanh_c;
        }
    }
}

multiversion! {
    /// The gradients of one step of one sequence: `dz` (4H), and `dh`, `dc`, which hold what the steps after it gave;
    /// `dc` becomes that of c', `dh` the whole gradient of h.
    fn cell_backward<T: Float, A: Arithmetic>(
        record: &[T], dout: &[T], dz: &mut [T], dh: &mut [T], dc: &mut [T],
    ) {
        let hidden = dh.len();
        let block = |k: usize| &record[k * hidden..(k + 1) * hidden];
        let [i, f, g, o, c_prev, tanh_c] = [0, 1, 2, 3, 4, 5].map(block);
        let (dz_if, dz_go) = dz.split_at_mut(2 * hidden);
        let (dz_i, dz_f) = dz_if.split_at_mut(hidden);
        let (dz_g, dz_o) = dz_go.split_at_mut(hidden);
        for (dh, &dout) in dh.iter_mut().zip(dout) {
            put(dh, dout, true);
        }
        // dzₒ = dh·tanh c · o(1 − o); dc += dh·o·(1 − tanh² c)
        for (((dz_o, dc), &dh), (&o, &tanh_c)) in dz_o.iter_mut().zip(&mut *dc).zip(&*dh).zip(o.iter().zip(tanh_c)) {
            *dz_o = dh * tanh_c * o * (T::ONE - o);
            *dc += dh * o * (T::ONE - tanh_c * tanh_c);
        }
        // dzᵢ = dc·g · i(1 − i); dz_g = dc·i · (1 − g²)
        for (((dz_i, dz_g), &dc), (&i, &g)) in dz_i.iter_mut().zip(dz_g).zip(&*dc).zip(i.iter().zip(g)) {
            *dz_i = dc * g * i * (T::ONE - i);
            *dz_g = dc * i * (T::ONE - g * g);
        }
        // dz_f = dc·c' · f(1 − f); dc' = dc·f
        for (((dz_f, dc), &c_prev), &f) in dz_f.iter_mut().zip(dc).zip(c_prev).zip(f) {
            *dz_f = *dc * c_prev * f * (T::ONE - f);
            *dc *= f;
        }
    }
}

/// Writes or adds some columns of `values` (·, width), from `first` on, to a gradient with as many rows.
fn deliver_columns<T: Float>(values: &[T], width: usize, first: usize, gradient: Gradient<T>) {
    let Some((places, add)) = gradient else { return };
    let columns = places.len() * width / values.len();
    for (places, row) in places.chunks_exact_mut(columns).zip(values.chunks_exact(width)) {
        deliver(&row[first..][..columns], Some((places, add)));
    }
}
