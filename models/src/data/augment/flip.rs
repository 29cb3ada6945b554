//! Pictures mirrored, left to right: q(y, x) = (y, W − 1 − x), of one picture in two.
//!
//! Not for letters, digits and what else is known by its direction.

use inkgrad_kernels::cpu::rng::Philox;

use super::Place;

/// Whether the picture is mirrored.
pub(super) fn draw(draws: Philox) -> bool {
    draws.uniforms(0)[0] < 0.5
}

/// Where pixel `(y, x)` of the result is read from, in a picture of `sides`, height and width.
pub(super) fn source((y, x): Place, (_, width): Place) -> Place {
    (y, width - 1.0 - x)
}
