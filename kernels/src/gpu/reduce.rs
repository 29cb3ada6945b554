//! Sums in a fixed order (`reduce.ptx`).

use super::launches::{Launches, Span, THREADS, Target, int, read_or_none};
use crate::launch::Arg;

/// Elements of a block's piece of a long sum.
const PIECE: usize = 4096;
/// Terms that one thread adds; of more, eight threads add some each.
const FEW: usize = 8;
/// Terms of a block's piece of [`sum_axis`], and the extents of its block of threads.
const TERMS: usize = 256;
const BLOCK: [usize; 3] = [32, 8, 1];
/// Blocks that a grid may have along y.
const MOST_PIECES: usize = 65_535;
/// Arrays, or rows, that are summed without scratch.
pub(super) const UNAIDED: usize = TERMS;

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
    /// `count` arrays of `len` elements that lie one behind the other, or the rows of a matrix.
    pub fn parts(len: usize, count: usize) -> Axis {
        Axis { inner: len, outer: 0, step: len, count }
    }
}

/// Terms of a block's piece of a sum: [`TERMS`], more where a grid's y could not count the pieces.
fn piece(count: usize) -> usize {
    count.div_ceil(MOST_PIECES).max(TERMS)
}

/// Numbers of scratch for [`sum_axis`] of `count` terms for each of `len` sums.
pub fn sum_axis_scratch_len(len: usize, count: usize) -> usize {
    partial_len([count, len], 1)
}

/// y\[o·inner + c\] = Σₛ x\[o·outer + s·step + c\] over `count` terms, or added. `scratch`: [`sum_axis_scratch_len`].
///
/// More than eight terms are summed by eight threads, more than 256 by several blocks, whose sums eight threads add: a sum of a million
/// terms has 500 that are added one after the other.
pub fn sum_axis(launches: &mut Launches, x: Span, y: Target, axis: Axis, scratch: Span) {
    by_pieces(launches, [axis.count, y.span.len], 1, y, scratch, |launches, to, _, pieces| {
        sum_once(launches, x, to, axis, pieces);
    });
}

/// One launch: each of `pieces` parts of the terms gives an array of sums.
fn sum_once(launches: &mut Launches, x: Span, y: Target, axis: Axis, pieces: usize) {
    let Axis { inner, outer, step, count } = axis;
    let n = y.span.len / pieces;
    let [n_arg, inner, outer, step, terms] = [n, inner, outer, step, count].map(int);
    if count <= FEW {
        return launches.each("sum_axis", n, [x.read(), y.arg(), n_arg, inner, outer, step, terms, y.flag()]);
    }
    let piece = int(if pieces > 1 { piece(count) } else { count });
    let args = [x.read(), y.arg(), n_arg, inner, outer, step, terms, piece, y.flag()];
    launches.grid("column_sums", [n.div_ceil(BLOCK[0]), pieces, 1], BLOCK, 0, args);
}

/// How many rows of few columns are taken as one, so that a warp reads neighbours: as many as are 32 wide together.
fn wide(rows: usize, columns: usize) -> usize {
    let together = BLOCK[0] / columns.max(1);
    let whole = together > 0 && BLOCK[0].is_multiple_of(columns) && rows.is_multiple_of(together);
    if whole && rows / together > FEW { together } else { 1 }
}

/// Numbers of scratch for [`column_sums`] and [`relu_backward_sums`].
pub fn column_sums_scratch_len(rows: usize, columns: usize) -> usize {
    partial_len([rows, columns], wide(rows, columns))
}

/// y = Σ of the arrays of y's size that lie one behind the other in `x`, or the columns' sums of a matrix, or added. `scratch`:
/// [`column_sums_scratch_len`]; up to 256 arrays need none.
pub fn column_sums(launches: &mut Launches, x: Span, y: Target, scratch: Span) {
    let columns = y.span.len;
    let rows = x.len / columns;
    let together = if scratch.len == 0 { 1 } else { wide(rows, columns) };
    by_pieces(launches, [rows, columns], together, y, scratch, |launches, to, [rows, columns], pieces| {
        sum_once(launches, x, to, Axis::parts(columns, rows), pieces);
    });
}

/// dx = dy where y > 0 else 0, and `sums` = the sums of its columns, or added: as many as `sums` has numbers. `scratch`:
/// [`column_sums_scratch_len`].
pub fn relu_backward_sums(launches: &mut Launches, y: Span, dy: Span, dx: Span, sums: Target, scratch: Span) {
    let columns = sums.span.len;
    let rows = dy.len / columns;
    by_pieces(
        launches,
        [rows, columns],
        wide(rows, columns),
        sums,
        scratch,
        |launches, to, [rows, columns], pieces| {
            let numbers = [rows, columns, piece(rows)].map(int);
            let args = [&[y.read(), dy.read(), dx.write(), to.arg()], &numbers[..], &[to.flag()]].concat();
            launches.grid("relu_backward_sums", [columns.div_ceil(BLOCK[0]), pieces, 1], BLOCK, 0, args);
        },
    );
}

/// Numbers that [`by_pieces`] keeps between its two launches; none where it has one.
fn partial_len([rows, columns]: [usize; 2], together: usize) -> usize {
    let rows = rows / together;
    match rows.div_ceil(piece(rows)) * together {
        0 | 1 => 0,
        partial => partial * columns,
    }
}

/// The sums of columns by a launch for pieces of rows, `together` of them taken as one, and where there are several a second
/// launch. `first` is given where its sums go, the extents, and how many pieces there are.
fn by_pieces(
    launches: &mut Launches,
    [rows, columns]: [usize; 2],
    together: usize,
    y: Target,
    scratch: Span,
    first: impl FnOnce(&mut Launches, Target, [usize; 2], usize),
) {
    let extents = [rows / together, columns * together];
    match partial_len([rows, columns], together) {
        0 => first(launches, y, extents, 1),
        len => {
            let partial = scratch.part(0, len);
            first(launches, Target::write(partial), extents, len / extents[1]);
            sum_once(launches, partial, y, Axis::parts(columns, len / columns), 1);
        }
    }
}
