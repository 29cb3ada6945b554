//! Sums in a fixed order (`reduce.ptx`).

use super::launches::{Launches, Span, THREADS, Target, int, read_or_none};
use crate::launch::Arg;

/// Elements of a block's piece of a long sum.
const PIECE: usize = 4096;
/// Rows of a block's piece of a column sum, and the extents of its block of threads.
const ROWS: usize = 256;
const COLUMN_BLOCK: [usize; 3] = [32, 8, 1];

/// Which term is summed; the numbers of the kernel.
#[derive(Debug, Clone, Copy)]
pub(super) enum Term {
    /// x
    Value = 0,
    /// (x − t)²
    SquaredError = 1,
    /// max(x, 0) − x·t + ln(1 + e^−|x|)
    CrossEntropy = 2,
    /// 1 + t − x² − eᵗ
    Divergence = 3,
    /// x²
    Square = 4,
}

/// Numbers of scratch for the sum of `n` elements, here and in [`loss`](super::loss).
pub fn sum_scratch_len(n: usize) -> usize {
    n.div_ceil(PIECE)
}

/// y = scale·Σ term(x, t) over all elements, one number. `scratch`: [`sum_scratch_len`].
pub(super) fn sum_terms(
    launches: &mut Launches,
    term: Term,
    x: Span,
    t: Option<Span>,
    scale: f32,
    y: Span,
    scratch: Span,
) {
    let pieces = x.len.div_ceil(PIECE);
    let mut stage = |x: Span, t: Option<Span>, y: Span, blocks: usize, piece: usize, term: Term, scale: f32| {
        let (t, n, kind) = (read_or_none(t), int(x.len), int(term as usize));
        let args = [x.read(), t, y.write(), n, int(piece), kind, Arg::F32(scale)];
        launches.grid("sum_terms", [blocks, 1, 1], [THREADS, 1, 1], 0, args);
    };
    if pieces == 1 {
        return stage(x, t, y, pieces, PIECE, term, scale);
    }
    let partial = scratch.part(0, pieces);
    stage(x, t, partial, pieces, PIECE, term, 1.0);
    stage(partial, None, y, 1, pieces, Term::Value, scale);
}

/// y = scale·Σ x, one number. `scratch`: [`sum_scratch_len`].
pub fn sum(launches: &mut Launches, x: Span, scale: f32, y: Span, scratch: Span) {
    sum_terms(launches, Term::Value, x, None, scale, y, scratch);
}

/// y = Σ x², one number. `scratch`: [`sum_scratch_len`].
pub fn squared_norm(launches: &mut Launches, x: Span, y: Span, scratch: Span) {
    sum_terms(launches, Term::Square, x, None, 1.0, y, scratch);
}

/// Which numbers [`sum_axis`] adds, in elements.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    /// Neighbours in y that are neighbours in x.
    pub inner: usize,
    /// From one such run of x to the next.
    pub outer: usize,
    /// From one term to the next.
    pub step: usize,
    /// Terms.
    pub count: usize,
}

impl Axis {
    /// `count` arrays of `len` elements that lie one behind the other.
    pub fn parts(len: usize, count: usize) -> Axis {
        Axis { inner: len, outer: 0, step: len, count }
    }
}

/// y\[o·inner + c\] = Σₛ x\[o·outer + s·step + c\] over `count` terms, or added.
pub fn sum_axis(launches: &mut Launches, x: Span, y: Target, axis: Axis) {
    let Axis { inner, outer, step, count } = axis;
    let args = [x.read(), y.arg(), int(y.span.len), int(inner), int(outer), int(step), int(count), y.flag()];
    launches.each("sum_axis", y.span.len, args);
}

/// y = Σ of the arrays of y's size that lie one behind the other in `x`, at most [`ROWS`], or added.
pub(super) fn sum_arrays(launches: &mut Launches, x: Span, y: Target) {
    match x.len / y.span.len {
        // A turn of one thread for each sum.
        count @ ..=8 => sum_axis(launches, x, y, Axis::parts(y.span.len, count)),
        _ => column_sums(launches, x, y, Span::default()),
    }
}

/// Numbers of scratch for [`column_sums`].
pub fn column_sums_scratch_len(rows: usize, columns: usize) -> usize {
    match rows.div_ceil(ROWS) {
        0 | 1 => 0,
        pieces => pieces * columns,
    }
}

/// out = Σ over the rows of `x: (rows, columns)`, or added; `out` has a number for each column. `scratch`:
/// [`column_sums_scratch_len`].
pub fn column_sums(launches: &mut Launches, x: Span, out: Target, scratch: Span) {
    let columns = out.span.len;
    let rows = x.len / columns;
    let pieces = rows.div_ceil(ROWS);
    let mut stage = |x: Span, y: Target, rows: usize, pieces: usize, piece: usize| {
        let args = [x.read(), y.arg(), int(rows), int(columns), int(piece), y.flag()];
        launches.grid("column_sums", [columns.div_ceil(COLUMN_BLOCK[0]), pieces, 1], COLUMN_BLOCK, 0, args);
    };
    if pieces <= 1 {
        return stage(x, out, rows, 1, ROWS);
    }
    let partial = scratch.part(0, pieces * columns);
    stage(x, Target::write(partial), rows, pieces, ROWS);
    stage(partial, out, pieces, 1, pieces);
}
