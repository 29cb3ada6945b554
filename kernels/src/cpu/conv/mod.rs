//! Convolution and transposed convolution, forward and both gradients.
//!
//! The two are one relation between two grids of pixels read in opposite directions. Call the side that moves by whole
//! strides *small* (a convolution's output, a transposed convolution's input) and the other *big*. Tap k of the kernel
//! joins small pixel s with big pixel
//!
//! ```text
//! b = s · stride − padding + k
//! ```
//!
//! and three kernels cover everything:
//!
//! | kernel | computes | is |
//! |---|---|---|
//! | [`down`] | `small[s] = Σₖ big[b] · W[k]` | a convolution's forward, a transposed convolution's input gradient |
//! | [`up`] | `big[b] = Σₖ small[s] · W[k]ᵀ` | a transposed convolution's forward, a convolution's input gradient |
//! | [`weight_gradient`] | `dW[k] = Σ small[s]ᵀ · big[b]` | both weight gradients |
//!
//! Pixels are stored channels-last, `(batch, height, width, channels)`, so that vectors run along channels and a patch is
//! read where it lies: no patch matrix is built. Weights come in PyTorch's layout, which is `(small, big, kh, kw)` for
//! both kinds, and are packed once a call into panels of [`LANES`] channels.
//!
//! Kernels of 4×4 with stride 2 go both ways through fewer products, by Winograd's algorithm (`winograd`), where a cost model
//! says that its transforms pay; `up` and `down` pick by shape, and so does the length of their scratch.
//!
//! A register tile covers several images at *the same pixel*: they need the same taps, so taps that fall outside
//! the picture are left out altogether instead of being multiplied by zero (18 % of the work of a padded 3×3 kernel on
//! 7×7 pixels).

mod down;
pub mod naive;
mod pack;
mod tile;
mod up;
mod weight;
mod winograd;

pub use super::lanes::LANES;
pub use down::down;
pub use up::up;
pub use weight::{weight_gradient, weight_gradient_scratch};
use winograd::Plan;

/// Images that a thread works on at a time, whatever the number of threads.
pub(crate) const SLICE: usize = 16;

/// The extent of one side's picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Channels.
    pub channels: usize,
}

impl Grid {
    /// Pixels of one image.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Elements of one image.
    pub fn len(&self) -> usize {
        self.pixels() * self.channels
    }

    /// Whether some extent is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Channels rounded up to whole panels.
    pub(crate) fn padded_channels(&self) -> usize {
        self.channels.next_multiple_of(LANES)
    }
}

/// How the pixels of two grids are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Images.
    pub batch: usize,
    /// A convolution's output; a transposed convolution's input.
    pub small: Grid,
    /// A convolution's input; a transposed convolution's output.
    pub big: Grid,
    /// Rows and columns of the kernel.
    pub kernel: (usize, usize),
    /// Vertical and horizontal step on the big side.
    pub stride: (usize, usize),
    /// Vertical and horizontal padding of the big side.
    pub padding: (usize, usize),
}

impl Geometry {
    /// Positions in the kernel.
    pub fn taps(&self) -> usize {
        self.kernel.0 * self.kernel.1
    }

    /// Elements of the weights.
    pub fn weights(&self) -> usize {
        self.small.channels * self.big.channels * self.taps()
    }

    /// Elements of scratch that [`down`] needs for its weights and bias, and for transformed slices.
    pub fn down_scratch(&self) -> usize {
        match Plan::of_down(self) {
            Some(plan) => plan.down_scratch(),
            None => self.small.padded_channels() * (self.taps() * self.big.channels + 1),
        }
    }

    /// Elements of scratch that [`up`] needs for its weights and bias, and for transformed slices.
    pub fn up_scratch(&self) -> usize {
        match Plan::of_up(self) {
            Some(plan) => plan.up_scratch(),
            None => self.big.padded_channels() * (self.taps() * self.small.channels + 1),
        }
    }

    /// Multiplications and additions of any of the three kernels.
    pub fn flops(&self) -> u64 {
        let rows: usize = (0..self.small.height).map(|s| taps_of_small(s, self.vertical()).count()).sum();
        let columns: usize = (0..self.small.width).map(|s| taps_of_small(s, self.horizontal()).count()).sum();
        2 * (self.batch * rows * columns * self.small.channels * self.big.channels) as u64
    }

    fn vertical(&self) -> Axis {
        Axis { kernel: self.kernel.0, stride: self.stride.0, padding: self.padding.0, big: self.big.height }
    }

    fn horizontal(&self) -> Axis {
        Axis { kernel: self.kernel.1, stride: self.stride.1, padding: self.padding.1, big: self.big.width }
    }

    fn check(&self, small: usize, big: usize, weights: usize) {
        assert_eq!(small, self.batch * self.small.len(), "elements on the small side");
        assert_eq!(big, self.batch * self.big.len(), "elements on the big side");
        assert_eq!(weights, self.weights(), "elements of the weights");
    }
}

/// One direction of a [`Geometry`].
#[derive(Debug, Clone, Copy)]
struct Axis {
    kernel: usize,
    stride: usize,
    padding: usize,
    big: usize,
}

/// The taps that small position `s` has inside the picture.
#[inline(always)]
fn taps_of_small(s: usize, axis: Axis) -> std::ops::Range<usize> {
    let start = s * axis.stride;
    let first = axis.padding.saturating_sub(start).min(axis.kernel);
    let last = (axis.big + axis.padding).saturating_sub(start).min(axis.kernel);
    first..last.max(first)
}

/// The epilogue: the last step of a sum before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// It replaces what is there.
    Write,
    /// It replaces what is there, negative values as zero.
    WriteRelu,
    /// It is added to what is there.
    Add,
}

#[cfg(test)]
mod tests;
