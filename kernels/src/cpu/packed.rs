//! Products with one matrix that stays the same for many calls, such as a recurrence's weights: packed once, where a
//! general product packs its operands each time.

use super::gemm::Matrix;
use super::simd::Arithmetic;
use super::team::Team;
use crate::{Float, multiversion};

/// Columns of a panel: two AVX2 registers of `f32`.
const WIDTH: usize = 16;
/// Rows of a register tile: 4 × 16 leave AVX2 eight accumulators, as many as cover the latency of its two units.
const ROWS: usize = 4;
/// Rows of A that go past a panel while it is in the nearest cache, and the terms that fit there.
const ROW_BLOCK: usize = 32;
const TERMS: usize = 256;

/// A matrix B (k, n) as panels of 16 columns: panel j holds, row after row, the columns from 16·j on, filled up with
/// zeros.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packed<'a, T> {
    panels: &'a [[T; WIDTH]],
    k: usize,
    n: usize,
}

/// Elements that [`Packed::new`] needs for a matrix of `k` rows and `n` columns.
pub(crate) fn packed_len(k: usize, n: usize) -> usize {
    k * n.next_multiple_of(WIDTH)
}

impl<'a, T: Float> Packed<'a, T> {
    /// Packs `b` into `space`, which holds [`packed_len`] elements.
    pub(crate) fn new(team: &Team, b: Matrix<T>, space: &'a mut [T]) -> Self {
        let (k, n) = b.shape();
        assert_eq!(space.len(), packed_len(k, n), "the space for a packed matrix ({k}, {n})");
        team.pieces([(space, k * WIDTH)], |j, [panel]| {
            let (panel, _) = panel.as_chunks_mut::<WIDTH>();
            let first = j * WIDTH;
            let width = WIDTH.min(n - first);
            for (p, row) in panel.iter_mut().enumerate() {
                for (col, place) in row.iter_mut().enumerate() {
                    *place = if col < width { b.at(p, first + col) } else { T::ZERO };
                }
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
        for first in (0..rows).step_by(ROW_BLOCK) {
            let last = rows.min(first + ROW_BLOCK);
            for start in (0..b.k).step_by(TERMS) {
                let terms = start..b.k.min(start + TERMS);
                let add = add || start > 0;
                for (j, panel) in b.panels.chunks_exact(b.k).enumerate() {
                    let panel = &panel[terms.clone()];
                    let cols = j * WIDTH..b.n.min((j + 1) * WIDTH);
                    let a_row = |i: usize| &a.data[i * a.stride + start..][..panel.len()];
                    let mut i = first;
                    while i + ROWS <= last {
                        let a: [&[T]; ROWS] = std::array::from_fn(|r| a_row(i + r));
                        store(tile::<T, A, ROWS>(a, panel), &mut c[i * c_stride..], c_stride, &cols, add);
                        i += ROWS;
                    }
                    for i in i..last {
                        store(tile::<T, A, 1>([a_row(i)], panel), &mut c[i * c_stride..], c_stride, &cols, add);
                    }
                }
            }
        }
    }
}

/// `R` rows of A times a panel, in registers.
#[inline(always)]
fn tile<T: Float, A: Arithmetic, const R: usize>(a: [&[T]; R], panel: &[[T; WIDTH]]) -> [[T; WIDTH]; R] {
    let a = a.map(|row| &row[..panel.len()]);
    let mut sums = [[T::ZERO; WIDTH]; R];
    for (p, b) in panel.iter().enumerate() {
        for (sums, a) in sums.iter_mut().zip(a) {
            let a = a[p];
            for (sum, &b) in sums.iter_mut().zip(b) {
                *sum = A::mul_add(a, b, *sum);
            }
        }
    }
    sums
}

/// Writes or adds a tile to some columns of the rows of C.
#[inline(always)]
fn store<T: Float, const R: usize>(
    tile: [[T; WIDTH]; R],
    c: &mut [T],
    c_stride: usize,
    cols: &std::ops::Range<usize>,
    add: bool,
) {
    for (r, sums) in tile.iter().enumerate() {
        let c = &mut c[r * c_stride..][cols.clone()];
        if let Ok(c) = <&mut [T; WIDTH]>::try_from(&mut *c) {
            for (c, &sum) in c.iter_mut().zip(sums) {
                *c = if add { *c + sum } else { sum };
            }
        } else {
            for (c, &sum) in c.iter_mut().zip(sums) {
                *c = if add { *c + sum } else { sum };
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
        let packed = Packed::new(&Team::solo(), Matrix::new(&b, n, k).transposed(), &mut space);
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
