//! The products of points and weights, class by class.

use super::super::LANES;
use super::super::tile::Taps;
use crate::Float;
use crate::cpu::lanes::Lanes;
use crate::cpu::simd::Arithmetic;
use crate::cpu::tiles::{Tiles, panels_at_once, with_rows};

/// `y[r][j] = Σ x[r][i] · w[i][j]` over the taps' runs, for `ROWS` rows and `COLUMNS` panels.
///
/// # Safety
/// For every run and every row, `x + row · x_row + run` and, in each of the panels `w + panel · w_panel`, `run · LANES` are
/// readable for its length; `y + row · y_row` is writable for `COLUMNS · LANES` elements.
#[inline(always)]
unsafe fn tile<T: Float, A: Arithmetic, const ROWS: usize, const COLUMNS: usize>(
    x: *const T,
    x_row: usize,
    taps: Taps,
    w: *const T,
    w_panel: usize,
    y: *mut T,
    y_row: usize,
) {
    // SAFETY: every access below is one that the caller vouches for.
    unsafe {
        let mut sums = [[A::Lanes::<T>::splat(T::ZERO); COLUMNS]; ROWS];
        for (at, row) in taps.runs() {
            let x = x.add(at);
            let w = w.add(row * LANES);
            for i in 0..taps.len {
                let mut weights = [A::Lanes::<T>::splat(T::ZERO); COLUMNS];
                for (c, weights) in weights.iter_mut().enumerate() {
                    *weights = A::Lanes::<T>::load(w.add(c * w_panel + i * LANES));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let factor = A::Lanes::<T>::splat(*x.add(r * x_row + i));
                    for (sum, &weights) in sums.iter_mut().zip(&weights) {
                        *sum = factor.mul_add(weights, *sum);
                    }
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (c, sum) in sums.into_iter().enumerate() {
                sum.store(y.add(r * y_row + c * LANES));
            }
        }
    }
}

/// `y[r] = Σ x[r] · w` over the taps' runs for `rows` rows and all panels of `w`, `w_panel` elements apart: `x` and `y` begin
/// with the first row, and have `x_row` and `y_row` elements in each.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) fn rows<T: Float, A: Arithmetic>(
    x: &[T],
    x_row: usize,
    taps: Taps,
    w: &[T],
    w_panel: usize,
    y: &mut [T],
    y_row: usize,
    rows: usize,
) {
    let panels = y_row / LANES;
    let last_x = taps.runs().map(|(x, _)| x).max().unwrap_or(0) + taps.len;
    let last_w = taps.runs().map(|(_, w)| w).max().unwrap_or(0) + taps.len;
    assert!(rows > 0 && x.len() >= (rows - 1) * x_row + last_x && y.len() >= rows * y_row);
    assert!(w.len() >= (panels - 1) * w_panel + last_w * LANES);
    let mut p = 0;
    while p < panels {
        let columns = panels_at_once::<T, A>().min(panels - p);
        for (first, rows) in Tiles::new::<A>(rows) {
            // SAFETY: the lengths were checked above; rows first..first + rows and panels p..p + columns exist.
            unsafe {
                let x = x.as_ptr().add(first * x_row);
                let w = w.as_ptr().add(p * w_panel);
                let y = y.as_mut_ptr().add(first * y_row + p * LANES);
                if columns == 2 {
                    with_rows!(rows, A, tile::<T; 2>(x, x_row, taps, w, w_panel, y, y_row));
                } else {
                    with_rows!(rows, A, tile::<T; 1>(x, x_row, taps, w, w_panel, y, y_row));
                }
            }
        }
        p += columns;
    }
}

/// `out[i][j] += Σ v[k][i] · z[k][j]` over `count` rows, for `ROWS` rows and `COLUMNS` panels of the result.
///
/// # Safety
/// `v + k · v_row` is readable for `ROWS` elements, `z + k · z_row` for `COLUMNS · LANES` for every `k < count`; `out + i ·
/// out_row` is readable and writable for `COLUMNS · LANES` elements for every `i < ROWS`.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn transposed_tile<T: Float, A: Arithmetic, const ROWS: usize, const COLUMNS: usize>(
    v: *const T,
    v_row: usize,
    z: *const T,
    z_row: usize,
    count: usize,
    out: *mut T,
    out_row: usize,
) {
    // SAFETY: every access below is one that the caller vouches for.
    unsafe {
        let mut sums = [[A::Lanes::<T>::splat(T::ZERO); COLUMNS]; ROWS];
        for k in 0..count {
            let (v, z) = (v.add(k * v_row), z.add(k * z_row));
            let mut columns = [A::Lanes::<T>::splat(T::ZERO); COLUMNS];
            for (c, column) in columns.iter_mut().enumerate() {
                *column = A::Lanes::<T>::load(z.add(c * LANES));
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let factor = A::Lanes::<T>::splat(*v.add(i));
                for (sum, &column) in sums.iter_mut().zip(&columns) {
                    *sum = factor.mul_add(column, *sum);
                }
            }
        }
        for (i, sums) in sums.into_iter().enumerate() {
            for (c, sum) in sums.into_iter().enumerate() {
                let out = out.add(i * out_row + c * LANES);
                A::Lanes::<T>::load(out).add(sum).store(out);
            }
        }
    }
}

/// `out += vᵀ · z` for `v: (count, rows)`, `z: (count, columns)` and `out: (rows, columns)`, each with the length of its rows;
/// `columns` is a multiple of [`LANES`].
#[inline(always)]
pub(super) fn transposed<T: Float, A: Arithmetic>(
    (v, v_row): (&[T], usize),
    (z, z_row): (&[T], usize),
    count: usize,
    (out, out_row): (&mut [T], usize),
    rows: usize,
    columns: usize,
) {
    assert!(count > 0 && rows > 0 && columns > 0 && columns.is_multiple_of(LANES));
    assert!(v.len() >= (count - 1) * v_row + rows && z.len() >= (count - 1) * z_row + columns);
    assert!(out.len() >= (rows - 1) * out_row + columns);
    let panels = columns / LANES;
    let mut p = 0;
    while p < panels {
        let columns = panels_at_once::<T, A>().min(panels - p);
        for (first, rows) in Tiles::new::<A>(rows) {
            // SAFETY: the lengths were checked above; rows first..first + rows and panels p..p + columns exist.
            unsafe {
                let (v, z) = (v.as_ptr().add(first), z.as_ptr().add(p * LANES));
                let out = out.as_mut_ptr().add(first * out_row + p * LANES);
                if columns == 2 {
                    with_rows!(rows, A, transposed_tile::<T; 2>(v, v_row, z, z_row, count, out, out_row));
                } else {
                    with_rows!(rows, A, transposed_tile::<T; 1>(v, v_row, z, z_row, count, out, out_row));
                }
            }
        }
        p += columns;
    }
}
