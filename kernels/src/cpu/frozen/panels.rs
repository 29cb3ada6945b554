//! Rows of pixels times panels of weights: the product that a convolution ends in.

use crate::Float;
use crate::cpu::lanes::{LANES, Lanes, load_first, store_first};
use crate::cpu::simd::Arithmetic;
use crate::cpu::tiles::{max_rows, with_rows};

/// The factors of a product: `taps × rows` pointers, tap after tap, each to `len` consecutive elements.
#[derive(Clone, Copy)]
pub(super) struct Factors<'a, T> {
    pub(super) table: &'a [*const T],
    pub(super) rows: usize,
    pub(super) len: usize,
}

/// The start value of a product's sums, and how they end.
#[derive(Clone, Copy)]
pub(super) struct Sums<T> {
    /// Where sums begin: these lanes of a panel, or `None` for what the output holds already.
    pub(super) start: Option<*const T>,
    /// Whether negative results become zero.
    pub(super) relu: bool,
}

/// `y[r][j] = start[j] + Σ table[tap][r][i] · panel[tap][i][j]` for all rows and up to 16 columns.
///
/// # Safety
/// Each pointer of the table is readable for `len` elements; `panel` for `taps · len · LANES`; `sums.start` for `LANES`;
/// `y + r · y_row` is readable and writable for `width ≤ LANES` elements.
#[inline(always)]
pub(super) unsafe fn multiply<T: Float, A: Arithmetic>(
    factors: Factors<'_, T>,
    panel: *const T,
    sums: Sums<T>,
    y: *mut T,
    y_row: usize,
    width: usize,
) {
    let mut row = 0;
    while row < factors.rows {
        let rows = (factors.rows - row).min(max_rows::<A>());
        // SAFETY: the caller's promise, for some of the rows.
        unsafe {
            let y = y.add(row * y_row);
            with_rows!(rows, A, tile::<T>(factors, row, panel, sums, y, y_row, width));
        }
        row += rows;
    }
}

/// [`multiply`] for `ROWS` rows from `first` on, in registers.
///
/// # Safety
/// As [`multiply`]; `y` is the first row's.
#[inline(always)]
unsafe fn tile<T: Float, A: Arithmetic, const ROWS: usize>(
    factors: Factors<'_, T>,
    first: usize,
    panel: *const T,
    sums: Sums<T>,
    y: *mut T,
    y_row: usize,
    width: usize,
) {
    let Factors { table, rows, len } = factors;
    // SAFETY: every access below is one that the caller vouches for.
    unsafe {
        let mut lanes: [A::Lanes<T>; ROWS] = match sums.start {
            Some(start) => [A::Lanes::<T>::load(start); ROWS],
            None => std::array::from_fn(|r| load_first::<T, A>(y.add(r * y_row), width)),
        };
        let mut panel = panel;
        for tap in table.chunks_exact(rows) {
            let x: [*const T; ROWS] = std::array::from_fn(|r| *tap.get_unchecked(first + r));
            for i in 0..len {
                let weights = A::Lanes::<T>::load(panel);
                panel = panel.add(LANES);
                for (lanes, x) in lanes.iter_mut().zip(x) {
                    *lanes = A::Lanes::<T>::splat(*x.add(i)).mul_add(weights, *lanes);
                }
            }
        }
        for (r, mut lanes) in lanes.into_iter().enumerate() {
            if sums.relu {
                // This way round, NaN stays NaN.
                lanes = A::Lanes::<T>::splat(T::ZERO).at_least(lanes);
            }
            store_first::<T, A>(lanes, y.add(r * y_row), width);
        }
    }
}
