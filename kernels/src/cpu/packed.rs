//! Products with one matrix that stays the same for many calls, such as a recurrence's weights: packed once, where a
//! general product packs its operands each time.

use std::ops::Range;

use super::bf16;
use super::lanes::{LANES, LINE, Lanes, TO_L1, TO_L2, load_first, prefetch, store_first};
use super::matrix::Matrix;
use super::simd::Arithmetic;
use super::team::Team;
use super::tiles::{Tiles, with_rows};
use crate::{Float, multiversion};

/// Rows of A that go past a panel while it is in the L1 cache, and the most terms that fit there.
const ROW_BLOCK: usize = 36;
const MAX_TERMS: usize = 320;
/// Elements whose packing is worth a task: some 4 µs.
const PACKING: usize = 1 << 13;

/// A matrix B (k, n) as panels of 16 columns: panel j holds, row after row, the columns from 16·j on, filled up with
/// zeros.
#[derive(Debug, Clone, Copy)]
pub struct Packed<'a, T> {
    panels: &'a [[T; LANES]],
    k: usize,
    n: usize,
    /// Whether the panels hold words, half as many, with two factors in bf16 each.
    bf16: bool,
}

/// Elements that [`Packed::new`] needs for a matrix of `k` rows and `n` columns.
pub fn packed_len(k: usize, n: usize) -> usize {
    k * n.next_multiple_of(LANES)
}

impl<'a, T: Float> Packed<'a, T> {
    /// Packs the matrix whose rows are those of each part in turn into `space`, which holds [`packed_len`] elements.
    ///
    /// # Panics
    /// If there is no part, parts differ in their columns, or the space has another length.
    pub fn new(team: &Team, parts: &[Matrix<T>], space: &'a mut [T]) -> Self {
        let k = parts.iter().map(|part| part.shape().0).sum();
        let n = parts[0].shape().1;
        assert!(parts.iter().all(|part| part.shape().1 == n), "parts of a packed matrix with {n} columns");
        assert_eq!(space.len(), packed_len(k, n), "the space for a packed matrix ({k}, {n})");
        let panels_of_a_task = PACKING.div_ceil(k * LANES).max(1);
        let bf16 = team.bf16() && T::IN_BF16;
        let height = if bf16 { k.div_ceil(2) } else { k };
        let space = &mut space[..height * n.next_multiple_of(LANES)];
        team.pieces([(&mut *space, panels_of_a_task * height * LANES)], |i, [panels]| {
            for (j, panel) in panels.chunks_exact_mut(height * LANES).enumerate() {
                let first = (i * panels_of_a_task + j) * LANES;
                if bf16 {
                    pack_words(parts, first..n.min(first + LANES), panel.as_chunks_mut().0);
                    continue;
                }
                let mut rest = panel.as_chunks_mut().0;
                for part in parts {
                    let rows = rest.split_off_mut(..part.shape().0).expect("a panel has the rows of all parts");
                    pack(part.cols(first..n.min(first + LANES)), rows);
                }
            }
        });
        Self { panels: space.as_chunks().0, k, n, bf16 }
    }
}

multiversion! {
    /// Writes some columns of all parts' rows as words.
    fn pack_words<T: Float, A: Arithmetic>(parts: &[Matrix<T>], columns: Range<usize>, words: &mut [[T; LANES]]) {
        bf16::pack(parts.iter().map(|part| part.cols(columns.clone())), words);
    }
}

/// Copies the rows of a matrix of at most 16 columns, filled up with zeros.
fn pack<T: Float>(from: Matrix<T>, rows: &mut [[T; LANES]]) {
    /// Columns read side by side, so that what is written lies together: columns often lie at distances that share few
    /// sets of a cache.
    const BLOCK: usize = 8;
    let width = from.shape().1;
    if width < LANES {
        for (p, to) in rows.iter_mut().enumerate() {
            *to = std::array::from_fn(|j| if j < width { from.at(p, j) } else { T::ZERO });
        }
        return;
    }
    for first in (0..LANES).step_by(BLOCK) {
        let places = rows.iter_mut().map(|row| row[first..].first_chunk_mut::<BLOCK>().expect("half a row"));
        if let Some(columns) = from.columns::<BLOCK>(first) {
            // A loop: `array::map` is not inlined in every build, which cost an lstm-ae's step 3 % of its instructions.
            places.enumerate().for_each(|(p, to)| to.iter_mut().zip(&columns).for_each(|(to, column)| *to = column[p]));
        } else {
            places.enumerate().for_each(|(p, to)| *to = std::array::from_fn(|j| from.at(p, first + j)));
        }
    }
}

/// Rows of a matrix at a stride.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a, T> {
    /// The elements, from the first row's first.
    pub data: &'a [T],
    /// Elements from one row to the next.
    pub stride: usize,
}

/// C ← A·B or C ← C + A·B on the calling thread: A (rows, k), C (rows, n) whose rows are `c_stride` apart.
///
/// # Panics
/// If A or C is too short for so many rows.
pub fn multiply<T: Float>(rows: usize, a: Rows<T>, b: Packed<T>, c: &mut [T], c_stride: usize, add: bool) {
    multiply_before(&[], rows, a, b, c, c_stride, add);
}

/// [`multiply`], asking on the way for the cache lines of `next`, which are read or written afterwards: a product leaves the memory
/// idle, and the elementwise work between two products waits for it.
///
/// # Panics
/// As [`multiply`].
pub fn multiply_before<T: Float>(
    next: &[&[T]],
    rows: usize,
    a: Rows<T>,
    b: Packed<T>,
    c: &mut [T],
    c_stride: usize,
    add: bool,
) {
    if !b.bf16 {
        return multiply_in_full(next, rows, a, b, c, c_stride, add);
    }
    assert!(rows == 0 || (rows - 1) * c_stride + b.n <= c.len(), "{rows} rows of {} columns", b.n);
    let a = Matrix::with_strides(a.data, rows, b.k, a.stride, 1);
    let words = bf16::Words { panels: b.panels, k: b.k, n: b.n };
    // SAFETY: C is borrowed mutably and holds all rows.
    unsafe { T::multiply_words(a, words, c.as_mut_ptr(), c_stride, add) }
}

multiversion! {
    /// [`multiply_before`] with factors as they are.
    fn multiply_in_full<T: Float, A: Arithmetic>(
        next: &[&[T]], rows: usize, a: Rows<T>, b: Packed<T>, c: &mut [T], c_stride: usize, add: bool,
    ) {
        let (mut next, mut region) = (next.iter(), &[][..]);
        let terms = b.k.div_ceil(b.k.div_ceil(MAX_TERMS));
        for first in (0..rows).step_by(ROW_BLOCK) {
            let block = ROW_BLOCK.min(rows - first);
            for start in (0..b.k).step_by(terms) {
                let terms = start..b.k.min(start + terms);
                let add = add || start > 0;
                for (j, panel) in b.panels.chunks_exact(b.k).enumerate() {
                    let panel = &panel[terms.clone()];
                    let width = LANES.min(b.n - j * LANES);
                    // The next panel's terms, a part for each tile.
                    let mut ahead = panel.as_ptr().wrapping_add(b.k).cast::<T>();
                    for (i, height) in Tiles::new::<A>(block) {
                        let i = first + i;
                        let from = &a.data[i * a.stride + start..][..(height - 1) * a.stride + panel.len()];
                        let to = &mut c[i * c_stride + j * LANES..][..(height - 1) * c_stride + width];
                        let (from, to) = (from.as_ptr(), to.as_mut_ptr());
                        if region.is_empty() {
                            region = next.next().copied().unwrap_or_default();
                        }
                        // Where there is nothing more to ask for, the same lines twice.
                        let soon = if region.is_empty() { ahead } else { region.as_ptr() };
                        let asked = panel.len() / 4 * (LINE / size_of::<T>());
                        region = region.get(asked..).unwrap_or_default();
                        // SAFETY: the two slices hold `height` rows.
                        unsafe {
                            with_rows!(height, A, tile::<T>(from, a.stride, panel, [ahead, soon], to, c_stride, width, add))
                        }
                        ahead = ahead.wrapping_add(panel.len().div_ceil(4) * LANES);
                    }
                }
            }
        }
    }
}

/// `ROWS` rows of A, `a_row` elements apart, times a panel: written or added to `width` columns of the rows of C. On the
/// way, a quarter of as many rows is asked for from `ahead` on: the next panel's, which comes from L2 or beyond; and as many cache
/// lines from `soon` on, which come from anywhere and go to L2.
///
/// # Safety
/// A is readable for `ROWS` rows of as many terms as the panel has; `c + r · c_row` is readable and writable for
/// `width ≤ LANES` elements.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn tile<T: Float, A: Arithmetic, const ROWS: usize>(
    a: *const T,
    a_row: usize,
    panel: &[[T; LANES]],
    [ahead, soon]: [*const T; 2],
    c: *mut T,
    c_row: usize,
    width: usize,
    add: bool,
) {
    // SAFETY: every access below is one that the caller vouches for.
    unsafe {
        let mut sums = [A::Lanes::<T>::splat(T::ZERO); ROWS];
        // Four terms a turn: two threads of one core share the places where instructions begin, and those that count and
        // compare begin there too.
        let (turns, rest) = panel.as_chunks::<4>();
        for (turn, terms) in turns.iter().enumerate() {
            prefetch::<TO_L1, T>(ahead.wrapping_add(turn * LANES));
            prefetch::<TO_L2, T>(soon.wrapping_byte_add(turn * LINE));
            for (i, b) in terms.iter().enumerate() {
                term::<T, A, ROWS>(&mut sums, a.add(4 * turn + i), a_row, b);
            }
        }
        for (i, b) in rest.iter().enumerate() {
            term::<T, A, ROWS>(&mut sums, a.add(4 * turns.len() + i), a_row, b);
        }
        for (r, mut sum) in sums.into_iter().enumerate() {
            let c = c.add(r * c_row);
            if add {
                sum = load_first::<T, A>(c, width).add(sum);
            }
            store_first::<T, A>(sum, c, width);
        }
    }
}

/// Adds one column of A, at `a`, times one row of a panel.
///
/// # Safety
/// `a + r · a_row` is readable for every row.
#[inline(always)]
unsafe fn term<T: Float, A: Arithmetic, const ROWS: usize>(
    sums: &mut [A::Lanes<T>; ROWS],
    a: *const T,
    a_row: usize,
    b: &[T; LANES],
) {
    let b = A::Lanes::<T>::of(b);
    // SAFETY: the caller's promise.
    unsafe {
        for (r, sum) in sums.iter_mut().enumerate() {
            *sum = A::Lanes::<T>::splat(*a.add(r * a_row)).mul_add(b, *sum);
        }
    }
}
