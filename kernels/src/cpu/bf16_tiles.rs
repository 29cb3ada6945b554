//! Tiles of products by `vdpbf16ps`.

use std::arch::x86_64::*;
use std::mem::transmute;

use super::bf16::{Part, STRIDE, TILE, Words, pair};
use super::lanes::LANES;
use super::matrix::Matrix;

/// [`super::bf16::block_of_rows`]: A's rows become words, then each panel of B goes by all of them.
///
/// # Safety
/// The processor has the instructions, and as of [`super::bf16::Pairs::multiply_words`].
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(super) unsafe fn block_of_rows(
    a: Matrix<f32>,
    b: Words<f32>,
    Part { words: turn, c, c_row, add }: Part,
    words: &mut [u32],
) {
    let (rows, _) = a.shape();
    let tiles = rows.div_ceil(TILE);
    let height = |i: usize| rows / tiles + usize::from(i < rows % tiles);
    let by_columns = a.transposed().whole_row(0).is_some() && a.whole_row(0).is_none();
    let mut first = 0;
    for (i, words) in words.chunks_exact_mut(TILE * STRIDE).take(tiles).enumerate() {
        let tile = a.rows(first..first + height(i));
        first += height(i);
        // SAFETY: the processor has the instructions; a tile's words are TILE · STRIDE.
        unsafe { if by_columns { words_of_columns(tile, words) } else { words_of_rows(tile, words) } }
    }
    for (j, panel) in b.panels.chunks_exact(b.k.div_ceil(2)).enumerate() {
        let (panel, width) = (&panel[turn.clone()], LANES.min(b.n - j * LANES));
        let mut c = c.wrapping_add(j * LANES);
        for (i, words) in words.chunks_exact(TILE * STRIDE).take(tiles).enumerate() {
            macro_rules! tiles {
                ($($n:literal)*) => {
                    match (height(i), by_columns) {
                        $(($n, false) => tile::<$n, STRIDE, 1>(words, panel, c, c_row, width, add),
                          ($n, true) => tile::<$n, 1, TILE>(words, panel, c, c_row, width, add),)*
                        (rows, _) => unreachable!("a tile of {rows} rows"),
                    }
                };
            }
            // SAFETY: the caller's promise, of some of C's rows; `words` has those of a tile.
            unsafe { tiles!(1 2 3 4 5 6 7 8 9 10 11 12) }
            c = c.wrapping_add(height(i) * c_row);
        }
    }
}

/// The words of a tile's rows, each row's side by side, [`STRIDE`] from one to the next.
///
/// # Safety
/// The processor has the instructions.
#[inline(always)]
unsafe fn words_of_rows(a: Matrix<f32>, words: &mut [u32]) {
    let (rows, k) = a.shape();
    for (r, words) in words.chunks_exact_mut(STRIDE).take(rows).enumerate() {
        let Some(row) = a.whole_row(r) else {
            for (q, word) in words.iter_mut().take(k.div_ceil(2)).enumerate() {
                *word = pair(a.at(r, 2 * q), if 2 * q + 1 < k { a.at(r, 2 * q + 1) } else { 0.0 });
            }
            continue;
        };
        let (whole, rest) = row.as_chunks::<{ 2 * LANES }>();
        for (words, pairs) in words.as_chunks_mut::<LANES>().0.iter_mut().zip(whole) {
            // SAFETY: arrays of sixteen words and twice as many numbers; the caller's promise.
            unsafe {
                let (low, high) = (_mm512_loadu_ps(pairs.as_ptr()), _mm512_loadu_ps(pairs.as_ptr().add(LANES)));
                let all = transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low));
                _mm512_storeu_si512(words.as_mut_ptr().cast(), all);
            }
        }
        for (word, two) in words[whole.len() * LANES..].iter_mut().zip(rest.chunks(2)) {
            *word = pair(two[0], two.get(1).copied().unwrap_or(0.0));
        }
    }
}

/// The words of a tile's rows where A's columns lie together: those of one place side by side, [`TILE`] from one to the next.
///
/// # Safety
/// The processor has the instructions, and `words` holds [`TILE`] for each two of A's columns.
#[inline(always)]
unsafe fn words_of_columns(a: Matrix<f32>, words: &mut [u32]) {
    let ((rows, k), columns) = (a.shape(), a.transposed());
    let mask = ((1u32 << rows) - 1) as __mmask16;
    let column = |p: usize| match columns.whole_row(p) {
        // SAFETY: as many numbers as rows.
        Some(column) => unsafe { _mm512_maskz_loadu_ps(mask, column.as_ptr()) },
        None => unreachable!("columns lie together"),
    };
    for (q, place) in words.as_chunks_mut::<TILE>().0.iter_mut().enumerate().take(k.div_ceil(2)) {
        // SAFETY: twelve words; the caller's promise.
        unsafe {
            let low = column(2 * q);
            let high = if 2 * q + 1 < k { column(2 * q + 1) } else { _mm512_setzero_ps() };
            // All sixteen of `low`, then all of `high`: pairs are a half apart.
            let both = transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low));
            let (low, high) = (_mm512_castsi512_si256(both), _mm512_extracti64x4_epi64::<1>(both));
            let high = _mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(high));
            let pairs = _mm512_or_si512(_mm512_cvtepu16_epi32(low), high);
            _mm256_storeu_si256(place.as_mut_ptr().cast(), _mm512_castsi512_si256(pairs));
            _mm_storeu_si128(place.as_mut_ptr().add(8).cast(), _mm512_extracti32x4_epi32::<2>(pairs));
        }
    }
}

/// `ROWS` rows of A, whose words are `ROW` apart and at one place of neighbours `NEXT`, times a panel: written or added to
/// `width` columns of the rows of C.
///
/// # Safety
/// `a` has the words; `c + r · c_row` is readable and writable for `width ≤ LANES` elements; the processor has the instructions.
#[inline(always)]
unsafe fn tile<const ROWS: usize, const ROW: usize, const NEXT: usize>(
    a: &[u32],
    panel: &[[f32; LANES]],
    c: *mut f32,
    c_row: usize,
    width: usize,
    add: bool,
) {
    assert!(panel.is_empty() || (ROWS - 1) * ROW + (panel.len() - 1) * NEXT < a.len(), "words of a tile");
    // SAFETY: the caller's promise; the arrays are whole, and numbers of one size may be taken for one another.
    unsafe {
        let mut sums = [_mm512_setzero_ps(); ROWS];
        let mut a = a.as_ptr();
        for b in panel {
            let b = transmute::<__m512, __m512bh>(_mm512_loadu_ps(b.as_ptr()));
            for (r, sum) in sums.iter_mut().enumerate() {
                let a = transmute::<__m512i, __m512bh>(_mm512_set1_epi32((*a.add(r * ROW)).cast_signed()));
                *sum = _mm512_dpbf16_ps(*sum, a, b);
            }
            a = a.wrapping_add(NEXT);
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
