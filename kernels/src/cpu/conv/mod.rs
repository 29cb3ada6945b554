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
//! Kernels of 4×4 with stride 2 go through fewer products, by Winograd's algorithm (`winograd`), where a cost model says that its
//! transforms pay; each of the three picks by shape, and so does the length of its scratch.
//!
//! A register tile covers several images at *the same pixel*: they need the same taps, so taps that fall outside
//! the picture are left out altogether instead of being multiplied by zero (18 % of the work of a padded 3×3 kernel on
//! 7×7 pixels).

mod down;
mod geometry;
pub mod naive;
mod pack;
mod tile;
mod up;
pub mod weight;
pub mod winograd;

pub use super::lanes::LANES;
pub use down::down;
use geometry::{Axis, taps_of_small};
pub use geometry::{Geometry, Grid, Store};
pub use up::up;
pub use weight::{weight_gradient, weight_gradient_scratch};
use winograd::Plan;

/// Images that a thread works on at a time, whatever the number of threads.
pub(crate) const SLICE: usize = 16;

/// How one of the three kernels computes a geometry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// All products, one by one.
    Direct,
    /// Fewer products, between transformed pixels and weights.
    Winograd,
}

impl Algorithm {
    fn of(plan: Option<Plan>) -> Self {
        if plan.is_some() { Algorithm::Winograd } else { Algorithm::Direct }
    }

    /// Its name in one word.
    ///
    /// ```
    /// use inkgrad_kernels::cpu::conv::{Geometry, Grid};
    /// use inkgrad_kernels::cpu::simd::has_fused;
    ///
    /// let grid = |pixels, channels| Grid { height: pixels, width: pixels, channels };
    /// let (small, big) = (grid(7, 128), grid(14, 64));
    /// let four = Geometry { batch: 128, small, big, kernel: (4, 4), stride: (2, 2), padding: (1, 1) };
    /// assert_eq!(four.up_algorithm().name(), if has_fused() { "winograd" } else { "direct" });
    /// assert_eq!(Geometry { kernel: (3, 3), ..four }.up_algorithm().name(), "direct");
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Direct => "direct",
            Algorithm::Winograd => "winograd",
        }
    }
}

impl Geometry {
    /// How [`down`] computes this geometry.
    pub fn down_algorithm(&self) -> Algorithm {
        Algorithm::of(Plan::of_down(self))
    }

    /// How [`up`] computes this geometry.
    pub fn up_algorithm(&self) -> Algorithm {
        Algorithm::of(Plan::of_up(self))
    }

    /// How [`weight_gradient`] computes this geometry.
    pub fn weight_gradient_algorithm(&self) -> Algorithm {
        Algorithm::of(Plan::of_weight_gradient(self))
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
}
