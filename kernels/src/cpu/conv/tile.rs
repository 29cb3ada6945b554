//! The register tiles that all convolutions are made of: sums that stay in registers while all that adds to them streams by.
//!
//! [`patch`], for pictures that go in and out. A row is a picture of the batch, so that one load of weights serves all of them;
//! a column is an output channel, so that 16 of them, a panel, are one vector of lanes:
//!
//! ```text
//!                                      a panel of packed weights w: (factors, 16)
//!                                      j = 0    1    2   …   15    output channels
//!                                    ┌─────────────────────────┐
//!                              i = 0 │ w₀₀  w₀₁  w₀₂  …  w₀₁₅  │   one load a factor, used by all rows
//!    one pixel's factors           1 │ w₁₀  w₁₁  w₁₂  …  w₁₁₅  │
//!    of each picture               ⋮ │  ⋮                      │   i runs over the taps' runs: kernel places × channels
//!      i = 0   1   2  …              └─────────────────────────┘
//!    ┌─────────────────┐             ┌─────────────────────────┐
//!    │ x₀₀ x₀₁ x₀₂  …  │ picture 0   │ sums[0]                 │ + bias, ReLU → y, picture 0, 16 channels of the pixel
//!    │ x₁₀ x₁₁ x₁₂  …  │ picture 1   │ sums[1]                 │              → y, picture 1
//!    │  ⋮              │     ⋮       │  ⋮        the tile      │
//!    │ one broadcast   │ ROWS − 1    │ sums[ROWS − 1]          │ ROWS × 16 sums: a register a row with AVX-512, two with AVX2
//!    └─────────────────┘             └─────────────────────────┘
//! ```
//!
//! [`outer`], for the gradient of weights. A row is a channel of one side, a column one of the 16 channels in a panel of packed
//! pixels of the other, and what streams by are the pixels that a kernel's place joins:
//!
//! ```text
//!    for every pixel:   x[pixel]: (ROWS)  ×  panel[pixel]: (16)   →   sums[r][j] += x[pixel][r] · panel[pixel][j]
//! ```
//!
//! [`dot`] is `patch` for a single output channel: its lanes lie along the factors and are summed at the end.

use super::{LANES, Store};
use crate::Float;
use crate::cpu::lanes::Lanes;
use crate::cpu::simd::Arithmetic;

/// The factors of one pixel: a grid of runs, each `len` elements of an image against `len` rows of packed weights.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taps {
    /// The first run's place in an image, and in the weights.
    pub(super) x: usize,
    pub(super) w: usize,
    pub(super) len: usize,
    pub(super) vertical: Steps,
    pub(super) horizontal: Steps,
}

/// `count` runs in one direction, and how far the next one lies on either side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    pub(super) count: usize,
    pub(super) x: isize,
    pub(super) w: usize,
}

impl Taps {
    /// The pairs (place in an image, place in the weights) at which runs start.
    #[inline(always)]
    pub(super) fn runs(self) -> impl Iterator<Item = (usize, usize)> {
        let Taps { x, w, vertical, horizontal, .. } = self;
        (0..vertical.count).flat_map(move |i| {
            let x = x.wrapping_add_signed(i as isize * vertical.x);
            let w = w + i * vertical.w;
            (0..horizontal.count).map(move |j| (x.wrapping_add_signed(j as isize * horizontal.x), w + j * horizontal.w))
        })
    }
}

/// `y[r][j] = bias[j] + Σ x[r][i] · w[i][j]` over the taps' runs, for `ROWS` images and up to 16 channels.
///
/// `x` and `y` point at the first image; the next one is `x_image`, `y_image` elements on.
///
/// # Safety
/// For every run and every row, `x + row · x_image + run` and `w + run · LANES` are readable for its length;
/// `bias` is readable for `LANES` elements; `y + row · y_image` is writable for `width ≤ LANES` elements.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn patch<T: Float, A: Arithmetic, const ROWS: usize>(
    x: *const T,
    x_image: usize,
    taps: Taps,
    w: *const T,
    bias: *const T,
    y: *mut T,
    y_image: usize,
    width: usize,
    store: Store,
) {
    // SAFETY: every access below is one that the caller vouches for.
    unsafe {
        let mut sums = [A::Lanes::<T>::splat(T::ZERO); ROWS];
        for (at, row) in taps.runs() {
            let x = x.add(at);
            let w = w.add(row * LANES);
            for i in 0..taps.len {
                let weights = A::Lanes::<T>::load(w.add(i * LANES));
                for (r, sum) in sums.iter_mut().enumerate() {
                    let factor = A::Lanes::<T>::splat(*x.add(r * x_image + i));
                    *sum = factor.mul_add(weights, *sum);
                }
            }
        }
        let bias = A::Lanes::<T>::load(bias);
        for (r, sum) in sums.into_iter().enumerate() {
            let y = y.add(r * y_image);
            let mut sum = sum.add(bias);
            if store == Store::WriteRelu {
                // This way round, NaN stays NaN.
                sum = A::Lanes::<T>::splat(T::ZERO).at_least(sum);
            }
            if width == LANES {
                if store == Store::Add {
                    sum = sum.add(A::Lanes::<T>::load(y));
                }
                sum.store(y);
            } else {
                let mut lanes = [T::ZERO; LANES];
                sum.store(lanes.as_mut_ptr());
                for (j, &sum) in lanes.iter().enumerate().take(width) {
                    let y = &mut *y.add(j);
                    *y = if store == Store::Add { *y + sum } else { sum };
                }
            }
        }
    }
}

/// Where the factors of [`outer`] lie: image by image, row by row of the pixels that a tap joins.
#[derive(Clone, Copy)]
pub(super) struct Pixels {
    pub(super) images: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// On the side that gives the sums' rows.
    pub(super) x: Strides,
    /// On the packed side.
    pub(super) p: Strides,
}

/// The first pixel on one side, and pixels from there to the next column, row and image.
#[derive(Clone, Copy)]
pub(super) struct Strides {
    pub(super) first: usize,
    pub(super) column: usize,
    pub(super) row: usize,
    pub(super) image: usize,
}

/// `out[r][j] += Σ x[pixel][r] · panel[pixel][j]` over all pixels of all images, where a pixel of `x` is `x_pixel` elements, for `COLUMNS`
/// panels, `panel_len` elements apart.
///
/// # Safety
/// For every image, row and column, `ROWS` elements of `x` and `LANES` of each panel are readable where [`Pixels`] says;
/// `out + r · out_row` is writable for `COLUMNS · LANES` elements.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn outer<T: Float, A: Arithmetic, const ROWS: usize, const COLUMNS: usize>(
    x: *const T,
    x_pixel: usize,
    panel: *const T,
    panel_len: usize,
    pixels: Pixels,
    out: *mut T,
    out_row: usize,
) {
    // SAFETY: every access below is one that the caller vouches for.
    unsafe {
        let mut sums = [[A::Lanes::<T>::splat(T::ZERO); COLUMNS]; ROWS];
        let Pixels { images, rows, columns, x: from, p } = pixels;
        let (x, panel) = (x.add(from.first * x_pixel), panel.add(p.first * LANES));
        let (step, panel_step) = (from.column * x_pixel, p.column * LANES);
        for image in 0..images {
            for row in 0..rows {
                let mut x = x.add((image * from.image + row * from.row) * x_pixel);
                let panel = panel.add((image * p.image + row * p.row) * LANES);
                for i in 0..columns {
                    let mut values = [A::Lanes::<T>::splat(T::ZERO); COLUMNS];
                    for (c, values) in values.iter_mut().enumerate() {
                        *values = A::Lanes::<T>::load(panel.add(c * panel_len + i * panel_step));
                    }
                    for (r, sums) in sums.iter_mut().enumerate() {
                        let factor = A::Lanes::<T>::splat(*x.add(r));
                        for (sum, &values) in sums.iter_mut().zip(&values) {
                            *sum = factor.mul_add(values, *sum);
                        }
                    }
                    // Behind the last one this need not be memory of ours.
                    x = x.wrapping_add(step);
                }
            }
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (c, sum) in sums.into_iter().enumerate() {
                let out = out.add(r * out_row + c * LANES);
                sum.add(A::Lanes::<T>::load(out)).store(out);
            }
        }
    }
}

/// `y[r] = bias + Σ x[r][i] · w[i]` over the taps' runs: the one-channel form of [`patch`], with lanes along the
/// factors.
///
/// # Safety
/// For every run and every row, `x + row · x_row + run` and `w + run` are readable for its length;
/// `y + row · y_row` is writable for one element.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) unsafe fn dot<T: Float, A: Arithmetic, const ROWS: usize>(
    x: *const T,
    x_row: usize,
    taps: Taps,
    w: *const T,
    bias: T,
    y: *mut T,
    y_row: usize,
    store: Store,
) {
    // SAFETY: every access below is one that the caller vouches for.
    unsafe {
        let mut sums = [A::Lanes::<T>::splat(T::ZERO); ROWS];
        for (at, row) in taps.runs() {
            let x = x.add(at);
            let w = w.add(row);
            for i in (0..whole(taps.len)).step_by(LANES) {
                let weights = A::Lanes::<T>::load(w.add(i));
                for (r, sum) in sums.iter_mut().enumerate() {
                    *sum = A::Lanes::<T>::load(x.add(r * x_row + i)).mul_add(weights, *sum);
                }
            }
        }
        for (r, lanes) in sums.into_iter().enumerate() {
            let mut sum = lanes.sum() + bias;
            if whole(taps.len) < taps.len {
                for (at, row) in taps.runs() {
                    for i in whole(taps.len)..taps.len {
                        sum += *x.add(r * x_row + at + i) * *w.add(row + i);
                    }
                }
            }
            if store == Store::WriteRelu {
                sum = T::ZERO.at_least(sum);
            }
            let y = &mut *y.add(r * y_row);
            *y = if store == Store::Add { *y + sum } else { sum };
        }
    }
}

/// The part of a length that fills all lanes.
#[inline(always)]
fn whole(len: usize) -> usize {
    len - len % LANES
}
