//! How products are cut into register tiles.
//!
//! A tile keeps `ROWS × LANES` sums in registers: with AVX2, 6 × 16 sums fill 12 of 16 registers, and 12 fused
//! multiplications need 8 loads.

use super::simd::Arithmetic;

/// Rows of a tile: as many as fit the registers.
#[inline(always)]
pub(crate) fn max_rows<A: Arithmetic>() -> usize {
    if A::WIDE { 12 } else { 6 }
}

/// Cuts `0..n` into the fewest tiles of nearly equal height: an iterator of (start, rows).
pub(crate) struct Tiles {
    start: usize,
    end: usize,
    left: usize,
}

impl Tiles {
    #[inline(always)]
    pub(crate) fn new<A: Arithmetic>(n: usize) -> Self {
        Tiles { start: 0, end: n, left: n.div_ceil(max_rows::<A>()) }
    }
}

impl Iterator for Tiles {
    type Item = (usize, usize);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, usize)> {
        if self.left == 0 {
            return None;
        }
        let rows = (self.end - self.start).div_ceil(self.left);
        self.left -= 1;
        self.start += rows;
        Some((self.start - rows, rows))
    }
}

/// Panels of 16 columns that a tile is wide: 12 × 32 sums fill 24 of 32 registers, and 24 multiplications need 14 loads.
#[inline(always)]
pub(crate) fn panels_at_once<T, A: Arithmetic>() -> usize {
    if A::WIDE && size_of::<T>() == 4 { 2 } else { 1 }
}

/// Calls `$f::<T, A, ROWS>(…)` with the constant that equals `$rows`, or `$f::<T, A, ROWS, COLUMNS>(…)` where `COLUMNS` stands behind `T`.
macro_rules! with_rows {
    ($rows:expr, $a:ident, $f:ident::<$t:ident $(; $columns:literal)?>($($arg:expr),* $(,)?)) => {
        match $rows {
            1 => $f::<$t, $a, 1 $(, $columns)?>($($arg),*),
            2 => $f::<$t, $a, 2 $(, $columns)?>($($arg),*),
            3 => $f::<$t, $a, 3 $(, $columns)?>($($arg),*),
            4 => $f::<$t, $a, 4 $(, $columns)?>($($arg),*),
            5 => $f::<$t, $a, 5 $(, $columns)?>($($arg),*),
            6 => $f::<$t, $a, 6 $(, $columns)?>($($arg),*),
            7 if $a::WIDE => $f::<$t, $a, 7 $(, $columns)?>($($arg),*),
            8 if $a::WIDE => $f::<$t, $a, 8 $(, $columns)?>($($arg),*),
            9 if $a::WIDE => $f::<$t, $a, 9 $(, $columns)?>($($arg),*),
            10 if $a::WIDE => $f::<$t, $a, 10 $(, $columns)?>($($arg),*),
            11 if $a::WIDE => $f::<$t, $a, 11 $(, $columns)?>($($arg),*),
            12 if $a::WIDE => $f::<$t, $a, 12 $(, $columns)?>($($arg),*),
            rows => unreachable!("a tile of {rows} rows"),
        }
    };
}
pub(crate) use with_rows;
