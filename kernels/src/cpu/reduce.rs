//! Sums in a fixed order: 16 lanes over short chunks, the chunks' sums added in f64.
//!
//! Chunks and pieces have sizes that depend on the length alone, so a sum is the same to the bit on any number of
//! threads, and a sum of a million `f32` keeps six digits.

use std::ops::Range;

use super::activation::put;
use super::lanes::{LANES, sum_of_lanes};
use super::team::Team;
use crate::{Float, multiversion};

/// Elements added in the type itself before f64 takes over.
const CHUNK: usize = 512;

/// Σ x over one chunk: lane l takes elements l, l + 16, …; then neighbouring halves are added.
#[inline(always)]
fn sum_chunk<T: Float>(x: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (rows, rest) = x.as_chunks::<LANES>();
    for row in rows {
        for (lane, &x) in lanes.iter_mut().zip(row) {
            *lane += x;
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane += x;
    }
    sum_of_lanes(lanes)
}

/// Σ of `len` terms, which `fill` computes a range at a time: an element-wise loop, so that it becomes vector code.
#[inline(always)]
pub(crate) fn sum_of_terms<T: Float>(len: usize, mut fill: impl FnMut(Range<usize>, &mut [T])) -> f64 {
    let mut terms = [T::ZERO; CHUNK];
    let mut total = 0.0;
    for start in (0..len).step_by(CHUNK) {
        let range = start..len.min(start + CHUNK);
        let terms = &mut terms[..range.len()];
        fill(range, terms);
        total += sum_chunk(terms).to_f64();
    }
    total
}

multiversion! {
    /// Σ x.
    pub fn sum<T: Float, A: Arithmetic>(x: &[T]) -> T {
        T::from_f64(x.chunks(CHUNK).map(|chunk| sum_chunk(chunk).to_f64()).sum())
    }
}

multiversion! {
    /// Σ a·b.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn dot<T: Float, A: Arithmetic>(a: &[T], b: &[T]) -> T {
        assert_eq!(a.len(), b.len(), "dot: a and b differ in length");
        let total = sum_of_terms::<T>(a.len(), |range, terms| {
            for ((term, &a), &b) in terms.iter_mut().zip(&a[range.clone()]).zip(&b[range]) {
                *term = a * b;
            }
        });
        T::from_f64(total)
    }
}

/// The sum over the rows of x (rows, columns), written or added to `out` (columns): the gradient of a bias.
///
/// # Panics
/// If `out` is empty or `x` is no whole number of rows.
pub fn column_sums<T: Float>(team: &Team, x: &[T], out: &mut [T], add: bool) {
    /// Columns of a task: two cache lines of `f32`.
    const BLOCK: usize = 32;
    let cols = out.len();
    assert!(
        cols > 0 && x.len().is_multiple_of(cols),
        "column_sums: {} elements are no whole number of rows of {cols}",
        x.len()
    );
    if cols < BLOCK {
        return narrow_column_sums(team, x, out, add);
    }
    team.pieces([(out, BLOCK)], |i, [out]| block_column_sums::<T, BLOCK>(x, cols, i * BLOCK, out, add));
}

/// Rows added in the type itself before f64 takes over.
const ROWS: usize = 64;

/// Sums of the columns from `first` on, as many as `out` has (at most `N`).
pub(crate) fn block_column_sums<T: Float, const N: usize>(
    x: &[T],
    cols: usize,
    first: usize,
    out: &mut [T],
    add: bool,
) {
    let mut total = [0.0f64; N];
    for rows in x.chunks(cols * ROWS) {
        let mut sums = [T::ZERO; N];
        add_columns(rows, cols, first, &mut sums[..out.len()]);
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += sum.to_f64();
        }
    }
    for (out, total) in out.iter_mut().zip(total) {
        put(out, T::from_f64(total), add);
    }
}

/// Sums of few columns: several rows are taken as one wide row, whose columns are added up at the end.
fn narrow_column_sums<T: Float>(team: &Team, x: &[T], out: &mut [T], add: bool) {
    const WIDTH: usize = 64;
    const PARTS: usize = 8;
    let cols = out.len();
    let width = WIDTH / cols * cols;
    let part = x.len().div_ceil(PARTS).next_multiple_of(width);
    let mut sums = [0.0f64; PARTS * WIDTH];
    team.pieces([(&mut sums, WIDTH)], |i, [total]| {
        let x = &x[(i * part).min(x.len())..((i + 1) * part).min(x.len())];
        for rows in x.chunks(width * ROWS) {
            let mut sums = [T::ZERO; WIDTH];
            let (whole, rest) = rows.split_at(rows.len() / width * width);
            add_columns(whole, width, 0, &mut sums[..width]);
            sums.iter_mut().zip(rest).for_each(|(sum, &x)| *sum += x);
            for (total, sum) in total.iter_mut().zip(sums) {
                *total += sum.to_f64();
            }
        }
    });
    for (c, out) in out.iter_mut().enumerate() {
        let total = sums.chunks_exact(WIDTH).flat_map(|part| part[c..width].iter().step_by(cols)).sum();
        put(out, T::from_f64(total), add);
    }
}

multiversion! {
    /// Adds the columns from `first` on of x (rows, cols) to `sums`.
    pub(crate) fn add_columns<T: Float, A: Arithmetic>(x: &[T], cols: usize, first: usize, sums: &mut [T]) {
        for row in x.chunks_exact(cols) {
            for (sum, &x) in sums.iter_mut().zip(&row[first..]) {
                *sum += x;
            }
        }
    }
}

multiversion! {
    /// The index of the first element that is NaN or infinite.
    pub fn first_non_finite<T: Float, A: Arithmetic>(x: &[T]) -> Option<usize> {
        x.chunks(CHUNK).enumerate().find_map(|(i, chunk)| {
            // 0 · x is 0 for finite x and NaN otherwise, and NaN survives any sum: no branch for each element.
            let mut probe = [T::ZERO; CHUNK];
            for (probe, &x) in probe.iter_mut().zip(chunk) {
                *probe = x * T::ZERO;
            }
            if sum_chunk(&probe[..chunk.len()]) == T::ZERO {
                return None;
            }
            chunk.iter().position(|x| !x.is_finite()).map(|at| i * CHUNK + at)
        })
    }
}

/// Σ x², split over the team in pieces fixed by the length.
pub fn squared_norm<T: Float>(team: &Team, x: &[T]) -> T {
    const PIECES: usize = 64;
    let len = x.len().div_ceil(PIECES).max(1).next_multiple_of(CHUNK);
    let mut sums = [0.0f64; PIECES];
    let used = x.len().div_ceil(len);
    team.pieces([(&mut sums[..used], 1)], |i, [sum]| {
        let piece = &x[i * len..x.len().min((i + 1) * len)];
        sum[0] = piece_squared_norm(piece);
    });
    T::from_f64(sums.iter().sum())
}

multiversion! {
    fn piece_squared_norm<T: Float, A: Arithmetic>(x: &[T]) -> f64 {
        sum_of_terms::<T>(x.len(), |range, terms| {
            for (term, &x) in terms.iter_mut().zip(&x[range]) {
                *term = x * x;
            }
        })
    }
}
