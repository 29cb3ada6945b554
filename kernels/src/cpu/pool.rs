//! Pooling of channels-last pictures: each output pixel is the mean or the maximum of a window.

use std::ops::Range;

use super::Team;
use super::conv::Grid;
use crate::{Float, multiversion};

/// Where windows lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Rows and columns of a window.
    pub kernel: (usize, usize),
    /// Vertical and horizontal step.
    pub stride: (usize, usize),
    /// Rows above and below the picture, columns left and right of it, that windows may reach into.
    pub padding: (usize, usize),
}

/// The number that a window is reduced to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The mean. Pixels outside the picture count as zeros if `count_padding`, else not at all.
    Mean {
        /// PyTorch's `count_include_pad`.
        count_padding: bool,
    },
    /// The maximum of the pixels inside the picture.
    Max,
}

impl Window {
    /// The output's rows and columns, ⌊(in + 2·padding − kernel) / stride⌋ + 1 of each. `None` where a window is larger than
    /// the padded picture, has no pixels, or could lie in the padding alone (padding > kernel / 2, as PyTorch has it).
    pub fn output(&self, (height, width): (usize, usize)) -> Option<(usize, usize)> {
        let extent = |input: usize, kernel: usize, stride: usize, padding: usize| {
            (kernel > 0 && 2 * padding <= kernel)
                .then_some((input + 2 * padding).checked_sub(kernel)?.checked_div(stride)? + 1)
        };
        let rows = extent(height, self.kernel.0, self.stride.0, self.padding.0)?;
        Some((rows, extent(width, self.kernel.1, self.stride.1, self.padding.1)?))
    }

    /// The rows (or columns) of the picture that output row `p` sees.
    #[inline(always)]
    fn seen(p: usize, kernel: usize, stride: usize, padding: usize, input: usize) -> Range<usize> {
        let end = (p * stride + kernel).saturating_sub(padding).min(input);
        (p * stride).saturating_sub(padding).min(end)..end
    }

    /// The rows and columns that output pixel `(py, px)` sees.
    #[inline(always)]
    fn pixels(&self, (py, px): (usize, usize), picture: Grid) -> (Range<usize>, Range<usize>) {
        (
            Self::seen(py, self.kernel.0, self.stride.0, self.padding.0, picture.height),
            Self::seen(px, self.kernel.1, self.stride.1, self.padding.1, picture.width),
        )
    }

    /// The factor that makes the sum over output pixel `(py, px)` the mean. With padding that counts, that is what of
    /// the window lies inside the padded picture, which a window may reach beyond by nothing: always the kernel.
    #[inline(always)]
    fn share<T: Float>(&self, rows: usize, columns: usize, count_padding: bool) -> T {
        let pixels = if count_padding { self.kernel.0 * self.kernel.1 } else { rows * columns };
        T::ONE / T::from_f64(pixels as f64)
    }
}

/// Pools `x: (batch, picture)` into `y: (batch, height', width', channels)`.
///
/// # Panics
/// If the window does not fit the picture, or the lengths do not.
pub fn pool<T: Float>(team: &Team, window: &Window, pooling: Pooling, picture: Grid, x: &[T], y: &mut [T]) {
    let (rows, columns) = window.output((picture.height, picture.width)).expect("a window that fits the picture");
    let row = columns * picture.channels;
    assert_eq!(x.len() / picture.len() * rows * row, y.len(), "elements of the output");
    team.pieces([(y, row)], |i, [y]| {
        let x = &x[i / rows * picture.len()..][..picture.len()];
        pool_row(window, pooling, picture, i % rows, x, y);
    });
}

multiversion! {
    /// Row `py` of one picture's output.
    fn pool_row<T: Float, A: Arithmetic>(
        window: &Window, pooling: Pooling, picture: Grid, py: usize, x: &[T], y: &mut [T],
    ) {
        let channels = picture.channels;
        for (px, y) in y.chunks_exact_mut(channels).enumerate() {
            let (rows, columns) = window.pixels((py, px), picture);
            let mut first = true;
            for row in rows.clone() {
                for column in columns.clone() {
                    let x = &x[(row * picture.width + column) * channels..][..channels];
                    if first {
                        y.copy_from_slice(x);
                        first = false;
                    } else if pooling == Pooling::Max {
                        y.iter_mut().zip(x).for_each(|(y, &x)| *y = y.at_least(x));
                    } else {
                        y.iter_mut().zip(x).for_each(|(y, &x)| *y += x);
                    }
                }
            }
            if let Pooling::Mean { count_padding } = pooling {
                let share = window.share::<T>(rows.len(), columns.len(), count_padding);
                y.iter_mut().for_each(|y| *y *= share);
            }
        }
    }
}

/// The gradient of [`pool`]'s input, written or added. A maximum's goes to its first place in the window, as in PyTorch.
///
/// # Panics
/// As [`pool`].
#[allow(clippy::too_many_arguments)]
pub fn pool_backward<T: Float>(
    team: &Team,
    window: &Window,
    pooling: Pooling,
    picture: Grid,
    x: &[T],
    dy: &[T],
    dx: &mut [T],
    add: bool,
) {
    let (rows, columns) = window.output((picture.height, picture.width)).expect("a window that fits the picture");
    let channels = picture.channels;
    assert_eq!(dx.len() / picture.len() * rows * columns * channels, dy.len(), "elements of the output's gradient");
    team.pieces([(dx, picture.len())], |image, [dx]| {
        if !add {
            dx.fill(T::ZERO);
        }
        let dy = &dy[image * rows * columns * channels..];
        for (pixel, dy) in dy.chunks_exact(channels).take(rows * columns).enumerate() {
            let (seen_rows, seen_columns) = window.pixels((pixel / columns, pixel % columns), picture);
            let places = || seen_rows.clone().flat_map(|row| seen_columns.clone().map(move |column| (row, column)));
            let at = |(row, column): (usize, usize)| (row * picture.width + column) * channels;
            match pooling {
                Pooling::Mean { count_padding } => {
                    let share = window.share::<T>(seen_rows.len(), seen_columns.len(), count_padding);
                    for place in places() {
                        dx[at(place)..].iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += dy * share);
                    }
                }
                Pooling::Max => {
                    let x = &x[image * picture.len()..][..picture.len()];
                    for (c, &dy) in dy.iter().enumerate() {
                        let larger = |best: Option<usize>, i: usize| match best {
                            Some(best) if x[i] <= x[best] => Some(best),
                            _ => Some(i),
                        };
                        if let Some(best) = places().map(|place| at(place) + c).fold(None, larger) {
                            dx[best] += dy;
                        }
                    }
                }
            }
        }
    });
}
