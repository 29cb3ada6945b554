//! Products whose factors are rounded to bf16: a sign, eight bits of exponent, seven of mantissa. Sums are in f32.
//!
//! `vdpbf16ps` (AVX-512 BF16) multiplies sixteen pairs of factors with sixteen others and adds both products of each to a sum,
//! where a fused multiply-add takes one. Two factors that meet in one instruction share a word of 32 bits, the earlier term in
//! its lower half; words lie where numbers in f32 would. Processors without the instruction compute the same, slowly.

use std::cell::RefCell;
use std::ops::Range;

#[cfg(target_arch = "x86_64")]
use super::bf16_tiles;
use super::lanes::LANES;
use super::matrix::Matrix;
use super::simd::{Isa, isa};

/// Rows of a register tile, and rows of A whose words are at hand while a panel goes by.
pub(super) const TILE: usize = 12;
const ROW_BLOCK: usize = 3 * TILE;
/// Words of a panel that stay in the L1 cache beside as many of a tile's rows.
const MAX_WORDS: usize = 256;
/// Words from one row of A to the next: not a power of two, whose multiples share few sets of a cache.
pub(super) const STRIDE: usize = MAX_WORDS + LANES;
/// Terms and columns of B that [`Pairs::multiply_in_bf16`] packs at a time: 256 KiB of words.
const TERMS: usize = 2 * MAX_WORDS;
const COLUMNS: usize = 16 * LANES;

/// Whether this processor multiplies pairs in bf16, and is not told otherwise (`INKGRAD_ISA`).
pub fn available() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = is_x86_feature_detected!("avx512bf16");
    #[cfg(not(target_arch = "x86_64"))]
    let has = false;
    has && isa() == Isa::Avx512
}

/// The nearest number in bf16, ties to even, as the bits of an `f32`.
#[inline(always)]
fn rounded(x: f32) -> u32 {
    let bits = x.to_bits();
    let up = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    (if x.is_nan() { bits | 0x0040_0000 } else { up }) & 0xffff_0000
}

/// The nearest number in bf16, ties to even.
pub fn nearest(x: f32) -> f32 {
    f32::from_bits(rounded(x))
}

/// Two factors in a word.
#[inline(always)]
pub(super) fn pair(low: f32, high: f32) -> u32 {
    rounded(low) >> 16 | rounded(high)
}

/// The factors of a word.
#[inline(always)]
fn factors(word: u32) -> [f32; 2] {
    [f32::from_bits(word << 16), f32::from_bits(word & 0xffff_0000)]
}

/// Element types and their products in bf16.
pub trait Pairs: Sized {
    /// Whether there are any: of `f64`, in which gradients are checked, there are none.
    const IN_BF16: bool;

    /// Two factors in a word, as a number of the same size.
    fn pair(low: Self, high: Self) -> Self;

    /// C ← A·B or C ← C + A·B on the calling thread, with B in panels of words.
    ///
    /// # Safety
    /// C's rows, `c_row` apart, are writable for B's `n` columns and this call's alone.
    unsafe fn multiply_words(a: Matrix<Self>, b: Words<Self>, c: *mut Self, c_row: usize, add: bool);

    /// The same with B as it is.
    ///
    /// # Safety
    /// As of [`Pairs::multiply_words`].
    unsafe fn multiply_in_bf16(a: Matrix<Self>, b: Matrix<Self>, c: *mut Self, c_row: usize, add: bool);
}

/// A matrix (k, n) of words as panels of 16 columns: panel j has, for each two rows, a word of each column from 16·j on.
#[derive(Debug, Clone, Copy)]
pub struct Words<'a, T> {
    /// ⌈k / 2⌉ rows of words for each panel.
    pub panels: &'a [[T; LANES]],
    /// Terms.
    pub k: usize,
    /// Columns.
    pub n: usize,
}

impl Pairs for f64 {
    const IN_BF16: bool = false;
    fn pair(_: Self, _: Self) -> Self {
        unreachable!("f64 has no products in bf16")
    }
    unsafe fn multiply_words(_: Matrix<Self>, _: Words<Self>, _: *mut Self, _: usize, _: bool) {
        unreachable!("f64 has no products in bf16")
    }
    unsafe fn multiply_in_bf16(_: Matrix<Self>, _: Matrix<Self>, _: *mut Self, _: usize, _: bool) {
        unreachable!("f64 has no products in bf16")
    }
}

thread_local! {
    /// A block of A's rows, and a part of B.
    static OF_A: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    static OF_B: RefCell<Vec<[f32; LANES]>> = const { RefCell::new(Vec::new()) };
}

impl Pairs for f32 {
    const IN_BF16: bool = true;

    #[inline(always)]
    fn pair(low: Self, high: Self) -> Self {
        f32::from_bits(pair(low, high))
    }

    unsafe fn multiply_words(a: Matrix<f32>, b: Words<f32>, c: *mut f32, c_row: usize, add: bool) {
        let (rows, k) = a.shape();
        assert_eq!((k, b.panels.len()), (b.k, k.div_ceil(2) * b.n.div_ceil(LANES)), "terms and words of a product");
        OF_A.with_borrow_mut(|words| {
            words.resize(ROW_BLOCK * STRIDE, 0);
            let all = k.div_ceil(2);
            let block = all.div_ceil(all.div_ceil(MAX_WORDS).max(1)).max(1);
            for first in (0..rows).step_by(ROW_BLOCK) {
                let height = ROW_BLOCK.min(rows - first);
                for start in (0..all).step_by(block) {
                    let turn = start..all.min(start + block);
                    let terms = 2 * start..k.min(2 * turn.end);
                    let some = a.rows(first..first + height).cols(terms);
                    let c = c.wrapping_add(first * c_row);
                    let part = Part { words: turn, c, c_row, add: add || start > 0 };
                    // SAFETY: the caller's promise, of a block of rows; the instructions are there.
                    unsafe { block_of_rows(some, b, part, words) }
                }
            }
        });
    }

    unsafe fn multiply_in_bf16(a: Matrix<f32>, b: Matrix<f32>, c: *mut f32, c_row: usize, add: bool) {
        let (k, n) = b.shape();
        OF_B.with_borrow_mut(|words| {
            words.resize(MAX_WORDS * COLUMNS / LANES, [0.0; LANES]);
            for first in (0..n).step_by(COLUMNS) {
                let columns = first..n.min(first + COLUMNS);
                for start in (0..k).step_by(TERMS) {
                    let terms = start..k.min(start + TERMS);
                    let panel = terms.len().div_ceil(2);
                    let part = b.rows(terms.clone()).cols(columns.clone());
                    let panels = &mut words[..panel * columns.len().div_ceil(LANES)];
                    for (j, panel) in panels.chunks_exact_mut(panel).enumerate() {
                        let width = LANES.min(columns.len() - j * LANES);
                        pack(std::iter::once(part.cols(j * LANES..j * LANES + width)), panel);
                    }
                    let b = Words { panels, k: terms.len(), n: columns.len() };
                    // SAFETY: the caller's promise, of some of the columns.
                    unsafe { Self::multiply_words(a.cols(terms), b, c.wrapping_add(first), c_row, add || start > 0) }
                }
            }
        });
    }
}

/// Writes the rows of all parts, one after another and two to a word; filled up with zeros to sixteen columns and an even number
/// of rows.
#[inline(always)]
pub(super) fn pack<'a, T: crate::Float>(parts: impl Iterator<Item = Matrix<'a, T>>, words: &mut [[T; LANES]]) {
    let rows = parts.flat_map(|part| (0..part.shape().0).map(move |p| (part, p)));
    let mut rows = rows.map(|(part, p)| match part.row::<LANES>(p) {
        Some(row) => *row,
        None => {
            let width = part.shape().1;
            std::array::from_fn(|j| if j < width { part.at(p, j) } else { T::ZERO })
        }
    });
    for words in words {
        let low = rows.next().unwrap_or([T::ZERO; LANES]);
        let high = rows.next().unwrap_or([T::ZERO; LANES]);
        for ((word, low), high) in words.iter_mut().zip(low).zip(high) {
            *word = T::pair(low, high);
        }
    }
}

/// A part of a panel's words, and where sums go.
pub(super) struct Part {
    pub(super) words: Range<usize>,
    pub(super) c: *mut f32,
    pub(super) c_row: usize,
    pub(super) add: bool,
}

/// At most [`ROW_BLOCK`] rows of A times a part of B's words.
///
/// # Safety
/// As of [`Pairs::multiply_words`].
unsafe fn block_of_rows(a: Matrix<f32>, b: Words<f32>, part: Part, words: &mut [u32]) {
    #[cfg(target_arch = "x86_64")]
    if available() {
        // SAFETY: the processor has the instructions; the rest is the caller's promise.
        return unsafe { bf16_tiles::block_of_rows(a, b, part, words) };
    }
    let _ = words;
    let ((rows, k), height) = (a.shape(), b.k.div_ceil(2));
    for (r, j) in (0..rows).flat_map(|r| (0..b.n).map(move |j| (r, j))) {
        let panel = &b.panels[j / LANES * height..][part.words.clone()];
        let mut sum = 0.0;
        for (q, word) in panel.iter().enumerate() {
            let [low, high] = factors(word[j % LANES].to_bits());
            if 2 * q + 1 < k {
                sum += nearest(a.at(r, 2 * q + 1)) * high;
            }
            sum += nearest(a.at(r, 2 * q)) * low;
        }
        // SAFETY: a place of C's, the caller's promise.
        unsafe {
            let place = part.c.add(r * part.c_row + j);
            *place = if part.add { *place + sum } else { sum };
        }
    }
}

/// C (m, n) ← A (m, k) · B (k, n) as a triple loop over factors rounded to bf16, sums in f64: the reference.
pub fn naive(a: Matrix<f32>, b: Matrix<f32>) -> Vec<f64> {
    let ((m, k), (_, n)) = (a.shape(), b.shape());
    let term = |i, j, p| f64::from(nearest(a.at(i, p))) * f64::from(nearest(b.at(p, j)));
    (0..m * n).map(|place| (0..k).map(|p| term(place / n, place % n, p)).sum()).collect()
}
