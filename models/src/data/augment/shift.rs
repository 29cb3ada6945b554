//! Pictures moved: q(y, x) = (y − a, x − b), with whole numbers a and b of −n to n, all equally likely.
//!
//! Whole pixels, so that nothing is blurred; what moves out of the picture is lost.

use inkgrad_kernels::cpu::rng::Philox;

use super::Place;

/// Rows and columns of up to `pixels`.
pub(super) fn draw(pixels: f64, draws: Philox) -> Place {
    let [u, v, ..] = draws.uniforms(0);
    // 2n + 1 equal parts of [0, 1).
    let whole = |u: f64| (u * (2.0 * pixels + 1.0)).floor() - pixels;
    (whole(u), whole(v))
}

/// Where pixel `(y, x)` of the result is read from.
pub(super) fn source((y, x): Place, (rows, columns): Place) -> Place {
    (y - rows, x - columns)
}
