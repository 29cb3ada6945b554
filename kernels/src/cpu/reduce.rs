//! Sums in a fixed order: 16 lanes over short chunks, the chunks' sums added in f64.
//!
//! Chunks and pieces have sizes that depend on the length alone, so a sum is the same to the bit on any number of
//! threads, and a sum of a million `f32` keeps six digits.

use std::ops::Range;

use super::activation::{put, relu_backward, where_positive};
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
    check_rows("column_sums", x.len(), cols);
    if cols > WIDTH {
        return team.pieces([(out, BLOCK)], |i, [out]| block_column_sums::<T, BLOCK>(x, cols, i * BLOCK, out, add));
    }
    let cut = Parts::new(x.len(), cols);
    let mut totals = [0.0; Parts::MOST * WIDTH];
    let totals = &mut totals[..cut.parts * cols];
    team.pieces([(&mut *totals, cols)], |i, [totals]| {
        let x = &x[(i * cut.part).min(x.len())..((i + 1) * cut.part).min(x.len())];
        cut.add_up(x.len(), totals, |range, sums| add_columns(&x[range], sums.len(), 0, sums));
    });
    add_parts(totals, out, add);
}

/// dy where y > 0, else 0, for dy and y (rows, columns), with the sums of its columns, written or added to `out`: the gradient before a
/// ReLU, and that of the bias before it, in one pass over memory.
///
/// # Panics
/// If the slices differ in length, `out` is empty or they are no whole number of rows.
pub fn relu_backward_sums<T: Float>(team: &Team, y: &[T], dy: &[T], masked: &mut [T], out: &mut [T], add: bool) {
    let (len, cols) = (masked.len(), out.len());
    assert!(y.len() == len && dy.len() == len, "relu_backward_sums: the slices differ in length");
    check_rows("relu_backward_sums", len, cols);
    if cols > WIDTH {
        let cut = Parts::new(len, 1);
        team.pieces([(&mut *masked, cut.part)], |i, [masked]| {
            let range = i * cut.part..i * cut.part + masked.len();
            relu_backward(&y[range.clone()], &dy[range], masked, false);
        });
        return column_sums(team, masked, out, add);
    }
    let cut = Parts::new(len, cols);
    let mut totals = [0.0; Parts::MOST * WIDTH];
    let totals = &mut totals[..cut.parts * cols];
    team.pairs((masked, cut.part), (&mut *totals, cols), |i, masked, totals| {
        let range = i * cut.part..i * cut.part + masked.len();
        let (y, dy) = (&y[range.clone()], &dy[range]);
        cut.add_up(masked.len(), totals, |range, sums| {
            mask_and_add_columns(&y[range.clone()], &dy[range.clone()], &mut masked[range], sums);
        });
    });
    add_parts(totals, out, add);
}

fn check_rows(kernel: &str, len: usize, cols: usize) {
    assert!(cols > 0 && len.is_multiple_of(cols), "{kernel}: {len} elements are no whole number of rows of {cols}");
}

/// Elements of a wide row, at most: several rows of few columns, whose columns are added up at the end.
const WIDTH: usize = 256;

/// How rows are cut into parts, whose sums are added in order: in as many for any number of threads.
struct Parts {
    /// Elements of a wide row, and of a part.
    width: usize,
    part: usize,
    parts: usize,
}

impl Parts {
    const MOST: usize = 16;
    /// Wide rows of a part, at least.
    const LEAST: usize = 16;

    fn new(len: usize, cols: usize) -> Self {
        let width = WIDTH / cols * cols;
        let part = len.div_ceil(Self::MOST).max(Self::LEAST * width).next_multiple_of(width);
        Self { width, part, parts: len.div_ceil(part) }
    }

    /// Adds a part of `len` elements to its `totals`: `add(range, sums)` adds whole wide rows of it, or the rest of one, to sums of columns.
    #[inline(always)]
    fn add_up<T: Float>(&self, len: usize, totals: &mut [f64], mut add: impl FnMut(Range<usize>, &mut [T])) {
        let (mut wide, mut sums) = ([0.0; WIDTH], [T::ZERO; WIDTH]);
        let (wide, sums) = (&mut wide[..self.width], &mut sums[..self.width]);
        let chunk = self.width * ROWS;
        for first in (0..len).step_by(chunk) {
            sums.fill(T::ZERO);
            let end = (first + chunk).min(len);
            let whole = end - (end - first) % self.width;
            add(first..whole, sums);
            if whole < end {
                add(whole..end, &mut sums[..end - whole]);
            }
            wide.iter_mut().zip(&*sums).for_each(|(total, sum)| *total += sum.to_f64());
        }
        for row in wide.chunks_exact(totals.len()) {
            totals.iter_mut().zip(row).for_each(|(total, sum)| *total += sum);
        }
    }
}

/// The sums of all parts' totals, in order.
fn add_parts<T: Float>(totals: &[f64], out: &mut [T], add: bool) {
    let cols = out.len();
    for (c, out) in out.iter_mut().enumerate() {
        put(out, T::from_f64(totals.iter().skip(c).step_by(cols).sum()), add);
    }
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
    /// dy where y > 0, else 0, and its rows, of as many columns as `sums` has, added to these.
    fn mask_and_add_columns<T: Float, A: Arithmetic>(y: &[T], dy: &[T], masked: &mut [T], sums: &mut [T]) {
        let cols = sums.len();
        for ((y, dy), masked) in y.chunks_exact(cols).zip(dy.chunks_exact(cols)).zip(masked.chunks_exact_mut(cols)) {
            for (((masked, &y), &dy), sum) in masked.iter_mut().zip(y).zip(dy).zip(&mut *sums) {
                *masked = where_positive(y, dy);
                *sum += *masked;
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
