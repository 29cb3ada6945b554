//! Pictures turned about their middle c by an angle θ, uniform on ±A: q(p) = c + R(−θ)·(p − c), with
//! R(θ) = (cos θ, −sin θ; sin θ, cos θ) and c = ((H − 1)/2, (W − 1)/2).

use inkgrad_kernels::cpu::rng::Philox;

use super::Place;

/// The sine and cosine of an angle of up to `degrees` either way.
pub(super) fn draw(degrees: f64, draws: Philox) -> (f64, f64) {
    ((2.0 * draws.uniforms(0)[0] - 1.0) * degrees.to_radians()).sin_cos()
}

/// Where pixel `(y, x)` of the result is read from, in a picture of `sides`, height and width.
pub(super) fn source((y, x): Place, (sin, cos): (f64, f64), (height, width): Place) -> Place {
    let (middle_y, middle_x) = ((height - 1.0) / 2.0, (width - 1.0) / 2.0);
    let (dy, dx) = (y - middle_y, x - middle_x);
    (middle_y + cos * dy - sin * dx, middle_x + sin * dy + cos * dx)
}
