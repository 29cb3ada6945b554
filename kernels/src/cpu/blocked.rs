//! Products of `f32` matrices by AVX-512 where A has few rows, whose terms lie together: a part of B is packed in panels of 16
//! columns, and A is read where it lies. matrixmultiply packs both, which takes a third of a linear layer's time.
//!
//! The loops are those of Goto and van de Geijn ("Anatomy of high-performance matrix multiplication", 2008) with A and B exchanged: a part
//! of B stays in the L2 cache, a panel of it and a tile's rows of A in the L1 cache.

use std::arch::x86_64::*;

use super::lanes::LANES;
use super::simd::{Isa, isa};

/// Rows of a register tile: with 12 × 16 sums 12 of 32 registers are in use, enough to hide how long an addition takes.
const TILE: usize = 12;
/// Rows of A that go past a panel while it is in the L1 cache.
const ROWS: usize = 4 * TILE;
/// Terms and columns of B that are packed at a time: 256 KB.
const TERMS: usize = 256;
const COLUMNS: usize = 16 * LANES;
/// Rows, terms and columns from which on packing is paid for.
const LEAST: (usize, usize, usize) = (8, 16, LANES);
/// Rows beyond which matrixmultiply, which packs A for all columns, is as fast or faster.
const MOST: usize = 512;

/// A matrix by its first element and strides: from row to row and from column to column.
#[derive(Debug, Clone, Copy)]
struct View {
    start: *const f32,
    row: usize,
    column: usize,
}

impl View {
    fn at(self, row: usize, column: usize) -> *const f32 {
        self.start.wrapping_add(row * self.row + column * self.column)
    }

    fn transposed(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }
}

/// As [`matrixmultiply::sgemm`], for strides that are not negative.
///
/// # Safety
/// As of [`matrixmultiply::sgemm`].
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn sgemm(
    m: usize,
    k: usize,
    n: usize,
    alpha: f32,
    a: *const f32,
    rsa: isize,
    csa: isize,
    b: *const f32,
    rsb: isize,
    csb: isize,
    beta: f32,
    c: *mut f32,
    rsc: isize,
    csc: isize,
) {
    let view = |start, row: isize, column: isize| View { start, row: row as usize, column: column as usize };
    let (mut left, mut right, mut size, mut c_row) = (view(a, rsa, csa), view(b, rsb, csb), (m, k, n), rsc);
    if csc != 1 {
        // Cᵀ = Bᵀ·Aᵀ
        (left, right, size, c_row) = (right.transposed(), left.transposed(), (n, k, m), csc);
    }
    let by_rows = csc == 1 || rsc == 1;
    let plain = alpha == 1.0 && (beta == 0.0 || beta == 1.0);
    let fits = (LEAST.0..=MOST).contains(&size.0) && size.1 >= LEAST.1 && size.2 >= LEAST.2;
    let dense = left.column == 1 && (right.row == 1 || right.column == 1);
    if by_rows && plain && fits && dense && isa() == Isa::Avx512 {
        // SAFETY: the processor has the instructions, and the matrices are as promised.
        return unsafe { multiply(size, left, right, c, c_row as usize, beta == 1.0) };
    }
    // SAFETY: the caller's promise.
    unsafe { matrixmultiply::sgemm(m, k, n, alpha, a, rsa, csa, b, rsb, csb, beta, c, rsc, csc) }
}

/// C ← A·B or C ← C + A·B, by rows of C.
///
/// # Safety
/// The processor has the instructions; A, B and C hold `m×k`, `k×n` and `m×n` elements, and C's are this call's alone.
unsafe fn multiply((m, k, n): (usize, usize, usize), a: View, b: View, c: *mut f32, c_row: usize, add: bool) {
    // Freed on return, as matrixmultiply's is, so that no thread keeps one that others cannot have.
    let mut panels = Vec::with_capacity(k.min(TERMS) * n.min(COLUMNS).div_ceil(LANES));
    for column in (0..n).step_by(COLUMNS) {
        let columns = COLUMNS.min(n - column);
        for term in (0..k).step_by(TERMS) {
            let terms = TERMS.min(k - term);
            let b = View { start: b.at(term, column), ..b };
            let a = View { start: a.at(0, term), ..a };
            let c = c.wrapping_add(column);
            // SAFETY: the caller's promise, of some terms and columns.
            unsafe { part((m, terms, columns), a, b, (c, c_row, add || term > 0), &mut panels) }
        }
    }
}

/// [`multiply`] for as many terms and columns as are packed at a time.
///
/// # Safety
/// As of [`multiply`].
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn part(
    (m, k, n): (usize, usize, usize),
    a: View,
    b: View,
    (c, c_row, add): (*mut f32, usize, bool),
    panels: &mut Vec<[f32; LANES]>,
) {
    panels.clear();
    for j in 0..n.div_ceil(LANES) {
        let b = View { start: b.at(0, j * LANES), ..b };
        // SAFETY: the caller's promise, of up to sixteen columns.
        unsafe { pack(b, LANES.min(n - j * LANES), k, panels) }
    }
    for first in (0..m).step_by(ROWS) {
        let block = ROWS.min(m - first);
        let tiles = block.div_ceil(TILE);
        let height = |i: usize| block / tiles + usize::from(i < block % tiles);
        for (j, panel) in panels.chunks_exact(k).enumerate() {
            let width = LANES.min(n - j * LANES);
            let mut row = first;
            for i in 0..tiles {
                let to = c.wrapping_add(row * c_row + j * LANES);
                macro_rules! tiles {
                    ($($n:literal)*) => {
                        match height(i) {
                            $($n => tile::<$n>(a.at(row, 0), a.row, panel, to, c_row, width, add),)*
                            rows => unreachable!("a tile of {rows} rows"),
                        }
                    };
                }
                // SAFETY: the caller's promise, of some rows and columns.
                unsafe { tiles!(1 2 3 4 5 6 7 8 9 10 11 12) }
                row += height(i);
            }
        }
    }
}

/// Adds a panel of `k` terms of `width ≤ LANES` columns, filled up with zeros.
///
/// # Safety
/// The processor has the instructions; B has the terms and columns.
#[inline]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn pack(b: View, width: usize, k: usize, panels: &mut Vec<[f32; LANES]>) {
    let first = panels.len();
    panels.reserve(k);
    let to = panels.spare_capacity_mut()[..k].as_mut_ptr().cast::<f32>();
    // SAFETY: the caller's promise; what lies outside is masked; `to` has `k` times LANES places, all of which are written.
    unsafe {
        if b.column == 1 {
            let mask = ((1u32 << width) - 1) as __mmask16;
            for p in 0..k {
                _mm512_storeu_ps(to.add(p * LANES), _mm512_maskz_loadu_ps(mask, b.at(p, 0)));
            }
        } else {
            for p in (0..k).step_by(LANES) {
                let terms = LANES.min(k - p);
                let mask = ((1u32 << terms) - 1) as __mmask16;
                let mut columns = [_mm512_setzero_ps(); LANES];
                for (j, column) in columns.iter_mut().enumerate().take(width) {
                    *column = _mm512_maskz_loadu_ps(mask, b.at(p, j));
                }
                for (i, row) in transposed(columns).into_iter().enumerate().take(terms) {
                    _mm512_storeu_ps(to.add((p + i) * LANES), row);
                }
            }
        }
        panels.set_len(first + k);
    }
}

/// Rows and columns exchanged: of pairs, of fours, and of the quarters of registers.
#[inline]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
fn transposed(rows: [__m512; LANES]) -> [__m512; LANES] {
    let mut pairs = rows;
    for i in 0..LANES / 2 {
        pairs[2 * i] = _mm512_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
        pairs[2 * i + 1] = _mm512_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
    }
    // fours[4i + j] has columns j, j + 4, j + 8 and j + 12 of the rows from 4i on.
    let mut fours = pairs;
    for i in 0..LANES / 4 {
        let of = |at: usize| _mm512_castps_pd(pairs[4 * i + at]);
        fours[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(of(0), of(2)));
        fours[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(of(0), of(2)));
        fours[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(of(1), of(3)));
        fours[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(of(1), of(3)));
    }
    let mut all = fours;
    for j in 0..LANES / 4 {
        let even = |a: __m512, b: __m512| _mm512_shuffle_f32x4::<0x88>(a, b);
        let odd = |a: __m512, b: __m512| _mm512_shuffle_f32x4::<0xdd>(a, b);
        let (above, below) = ((fours[j], fours[4 + j]), (fours[8 + j], fours[12 + j]));
        let (first, last) = (even(above.0, above.1), even(below.0, below.1));
        (all[j], all[8 + j]) = (even(first, last), odd(first, last));
        let (first, last) = (odd(above.0, above.1), odd(below.0, below.1));
        (all[4 + j], all[12 + j]) = (even(first, last), odd(first, last));
    }
    all
}

/// `ROWS` rows of A, `a_row` apart, times a panel: written or added to `width` columns of C.
///
/// # Safety
/// The processor has the instructions; A has as many terms as the panel; `c + r · c_row` is readable and writable for `width ≤ LANES`.
#[inline]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn tile<const ROWS: usize>(
    a: *const f32,
    a_row: usize,
    panel: &[[f32; LANES]],
    c: *mut f32,
    c_row: usize,
    width: usize,
    add: bool,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [_mm512_setzero_ps(); ROWS];
        let mut term = |p: usize, b: &[f32; LANES]| {
            let b = _mm512_loadu_ps(b.as_ptr());
            for (r, sum) in sums.iter_mut().enumerate() {
                *sum = _mm512_fmadd_ps(_mm512_set1_ps(*a.add(r * a_row + p)), b, *sum);
            }
        };
        let (turns, rest) = panel.as_chunks::<4>();
        for (turn, terms) in turns.iter().enumerate() {
            for (i, b) in terms.iter().enumerate() {
                term(4 * turn + i, b);
            }
        }
        for (i, b) in rest.iter().enumerate() {
            term(4 * turns.len() + i, b);
        }
        let mask = ((1u32 << width) - 1) as __mmask16;
        for (r, mut sum) in sums.into_iter().enumerate() {
            let c = c.add(r * c_row);
            if add {
                sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c), sum);
            }
            // Some processors take a dozen instructions for a store under a mask.
            if width == LANES { _mm512_storeu_ps(c, sum) } else { _mm512_mask_storeu_ps(c, mask, sum) }
        }
    }
}
