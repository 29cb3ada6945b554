//! Two grids of pixels and how a kernel joins them.

use crate::cpu::lanes::LANES;

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

    /// Multiplications and additions of any of the three kernels.
    pub fn flops(&self) -> u64 {
        let rows: usize = (0..self.small.height).map(|s| taps_of_small(s, self.vertical()).count()).sum();
        let columns: usize = (0..self.small.width).map(|s| taps_of_small(s, self.horizontal()).count()).sum();
        2 * (self.batch * rows * columns * self.small.channels * self.big.channels) as u64
    }

    pub(super) fn vertical(&self) -> Axis {
        Axis { kernel: self.kernel.0, stride: self.stride.0, padding: self.padding.0, big: self.big.height }
    }

    pub(super) fn horizontal(&self) -> Axis {
        Axis { kernel: self.kernel.1, stride: self.stride.1, padding: self.padding.1, big: self.big.width }
    }

    pub(super) fn check(&self, small: usize, big: usize, weights: usize) {
        assert_eq!(small, self.batch * self.small.len(), "elements on the small side");
        assert_eq!(big, self.batch * self.big.len(), "elements on the big side");
        assert_eq!(weights, self.weights(), "elements of the weights");
    }
}

/// One direction of a [`Geometry`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
    pub(super) big: usize,
}

/// The taps that small position `s` has inside the picture.
#[inline(always)]
pub(super) fn taps_of_small(s: usize, axis: Axis) -> std::ops::Range<usize> {
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
