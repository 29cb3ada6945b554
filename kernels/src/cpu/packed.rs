//! Products with one matrix that stays the same for many calls, such as a recurrence's weights: packed once, where a
//! general product packs its operands each time.

use super::activation::put;
use super::gemm::Matrix;
use super::lanes::{LANES, Lanes};
use super::simd::Arithmetic;
use super::team::Team;
use super::tiles::{Tiles, with_rows};
use crate::{Float, multiversion};

/// Rows of A that go past a panel while it is in the nearest cache, and the most terms that fit there.
const ROW_BLOCK: usize = 36;
const MAX_TERMS: usize = 320;

/// A matrix B (k, n) as panels of 16 columns: panel j holds, row after row, the columns from 16·j on, filled up with
/// zeros.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packed<'a, T> {
    panels: &'a [[T; LANES]],
    k: usize,
    n: usize,
}

/// Elements that [`Packed::new`] needs for a matrix of `k` rows and `n` columns.
pub(crate) fn packed_len(k: usize, n: usize) -> usize {
    k * n.next_multiple_of(LANES)
}

impl<'a, T: Float> Packed<'a, T> {
    /// Packs the matrix whose rows are those of each part in turn into `space`, which holds [`packed_len`] elements.
    pub(crate) fn new(team: &Team, parts: &[Matrix<T>], space: &'a mut [T]) -> Self {
        let k = parts.iter().map(|part| part.shape().0).sum();
        let n = parts[0].shape().1;
        assert!(parts.iter().all(|part| part.shape().1 == n), "parts of a packed matrix with {n} columns");
        assert_eq!(space.len(), packed_len(k, n), "the space for a packed matrix ({k}, {n})");
        team.pieces([(space, k * LANES)], |j, [panel]| {
            let first = j * LANES;
            let width = LANES.min(n - first);
            let places = panel.as_chunks_mut::<LANES>().0.iter_mut();
            let rows = parts.iter().flat_map(|part| (0..part.shape().0).map(move |p| (part, p)));
            for (place, (part, p)) in places.zip(rows) {
                *place = std::array::from_fn(|col| if col < width { part.at(p, first + col) } else { T::ZERO });
            }
        });
        Self { panels: space.as_chunks().0, k, n }
    }
}

/// Rows of a matrix at a stride.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a, T> {
    /// The elements, from the first row's first.
    pub(crate) data: &'a [T],
    /// Elements from one row to the next.
    pub(crate) stride: usize,
}

multiversion! {
    /// C ← A·B or C ← C + A·B on the calling thread: A (rows, k), C (rows, n) whose rows are `c_stride` apart.
    pub(crate) fn multiply<T: Float, A: Arithmetic>(
        rows: usize, a: Rows<T>, b: Packed<T>, c: &mut [T], c_stride: usize, add: bool,
    ) {
        let terms = b.k.div_ceil(b.k.div_ceil(MAX_TERMS));
        for first in (0..rows).step_by(ROW_BLOCK) {
            let block = ROW_BLOCK.min(rows - first);
            for start in (0..b.k).step_by(terms) {
                let terms = start..b.k.min(start + terms);
                let add = add || start > 0;
                for (j, panel) in b.panels.chunks_exact(b.k).enumerate() {
                    let panel = &panel[terms.clone()];
                    let width = LANES.min(b.n - j * LANES);
                    for (i, height) in Tiles::new::<A>(block) {
                        let i = first + i;
                        let a = Rows { data: &a.data[i * a.stride + start..], stride: a.stride };
                        let c = &mut c[i * c_stride + j * LANES..];
                        with_rows!(height, A, tile::<T>(a, panel, c, c_stride, width, add));
                    }
                }
            }
        }
    }
}

/// `ROWS` rows of A times a panel, written or added to `width` columns of the rows of C.
#[inline(always)]
fn tile<T: Float, A: Arithmetic, const ROWS: usize>(
    a: Rows<T>,
    panel: &[[T; LANES]],
    c: &mut [T],
    c_stride: usize,
    width: usize,
    add: bool,
) {
    let a: [&[T]; ROWS] = std::array::from_fn(|r| &a.data[r * a.stride..][..panel.len()]);
    let mut sums = [A::Lanes::<T>::splat(T::ZERO); ROWS];
    for (p, b) in panel.iter().enumerate() {
        // SAFETY: an array of sixteen.
        let b = unsafe { A::Lanes::<T>::load(b.as_ptr()) };
        for (sum, a) in sums.iter_mut().zip(a) {
            *sum = A::Lanes::<T>::splat(a[p]).mul_add(b, *sum);
        }
    }
    for (r, mut sum) in sums.into_iter().enumerate() {
        let c = &mut c[r * c_stride..][..width];
        if let Ok(c) = <&mut [T; LANES]>::try_from(&mut *c) {
            // SAFETY: an array of sixteen.
            unsafe {
                if add {
                    sum = A::Lanes::<T>::load(c.as_ptr()).add(sum);
                }
                sum.store(c.as_mut_ptr());
            }
        } else {
            let mut lanes = [T::ZERO; LANES];
            // SAFETY: an array of sixteen.
            unsafe { sum.store(lanes.as_mut_ptr()) };
            for (c, &sum) in c.iter_mut().zip(&lanes) {
                put(c, sum, add);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::gemm::{MatrixMut, gemm, gemm_scratch_len};

    fn check<T: Float>(rows: usize, k: usize, n: usize) {
        // Small whole numbers: sums are exact in any order.
        let numbers = |len: usize, seed: usize| -> Vec<T> {
            (0..len).map(|i| T::from_f64(((i * 7919 + seed) % 9) as f64 - 4.0)).collect()
        };
        let (a, b) = (numbers(rows * (k + 3), 1), numbers(k * n, 2));
        let mut space = vec![T::ZERO; packed_len(k, n)];
        let whole = Matrix::new(&b, n, k).transposed();
        let (top, bottom) = (whole.rows(0..k / 3), whole.rows(k / 3..k));
        let packed = Packed::new(&Team::solo(), &[top, bottom], &mut space);
        let before = numbers(rows * (n + 2), 3);
        for add in [false, true] {
            let mut found = before.clone();
            multiply(rows, Rows { data: &a, stride: k + 3 }, packed, &mut found, n + 2, add);
            let mut expected = before.clone();
            let a = Matrix::with_strides(&a, rows, k, k + 3, 1);
            let beta = if add { T::ONE } else { T::ZERO };
            let c = MatrixMut::with_strides(&mut expected, rows, n, n + 2, 1);
            let mut scratch = vec![T::ZERO; gemm_scratch_len(rows, k, n)];
            gemm(&Team::solo(), T::ONE, a, Matrix::new(&b, n, k).transposed(), beta, c, &mut scratch);
            assert_eq!(found, expected, "({rows}, {k}) · ({k}, {n})");
        }
    }

    #[test]
    fn equals_the_general_product() {
        for (rows, k, n) in [(1, 1, 1), (4, 3, 16), (7, 28, 112), (33, 300, 17), (70, 513, 40), (32, 256, 31)] {
            check::<f32>(rows, k, n);
            check::<f64>(rows, k, n);
        }
    }
}
