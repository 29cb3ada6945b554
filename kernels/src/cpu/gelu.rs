//! The Gaussian error linear unit, y = x·Φ(x) with Φ the distribution function of N(0, 1) (Hendrycks and Gimpel, "Gaussian
//! error linear units", 2016), exactly and by tanh.
//!
//! Φ(x) = ½·erfc(−x / √2) keeps all its digits where it is small, which ½·(1 + erf(x / √2)) does not.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::activation::put;
use crate::multiversion;

/// The coefficients of [`erfc`]: fdlibm's `s_erf.c` (Sun Microsystems, 1993). Lowest power first; of a denominator the first
/// is 1.
#[allow(clippy::excessive_precision, reason = "the digits of the source")]
mod coefficients {
    /// erf(x) − x over x, in x², for |x| < 0.84375.
    pub const SMALL: [&[f64]; 2] = [
        &[
            1.28379167095512558561e-01,
            -3.25042107247001499370e-01,
            -2.84817495755985104766e-02,
            -5.77027029648944159157e-03,
            -2.37630166566501626084e-05,
        ],
        &[
            1.0,
            3.97917223959155352819e-01,
            6.50222499887672944485e-02,
            5.08130628187576562776e-03,
            1.32494738004321644526e-04,
            -3.96022827877536812320e-06,
        ],
    ];
    /// erf(x) − [`AT_ONE`], in |x| − 1, for |x| < 1.25.
    pub const MIDDLE: [&[f64]; 2] = [
        &[
            -2.36211856075265944077e-03,
            4.14856118683748331666e-01,
            -3.72207876035701323847e-01,
            3.18346619901161753674e-01,
            -1.10894694282396677476e-01,
            3.54783043256182359371e-02,
            -2.16637559486879084300e-03,
        ],
        &[
            1.0,
            1.06420880400844228286e-01,
            5.40397917702171048937e-01,
            7.18286544141962662868e-02,
            1.26171219808761642112e-01,
            1.36370839120290507362e-02,
            1.19844998467991074170e-02,
        ],
    ];
    /// erf(1), rounded to f32.
    pub const AT_ONE: f64 = 8.45062911510467529297e-01;
    /// ln(x·erfc(x)) + x² + 9/16, in 1/x², for x < 1/0.35.
    pub const TAIL: [&[f64]; 2] = [
        &[
            -9.86494403484714822705e-03,
            -6.93858572707181764372e-01,
            -1.05586262253232909814e+01,
            -6.23753324503260060396e+01,
            -1.62396669462573470355e+02,
            -1.84605092906711035994e+02,
            -8.12874355063065934246e+01,
            -9.81432934416914548592e+00,
        ],
        &[
            1.0,
            1.96512716674392571292e+01,
            1.37657754143519042600e+02,
            4.34565877475229228821e+02,
            6.45387271733267880336e+02,
            4.29008140027567833386e+02,
            1.08635005541779435134e+02,
            6.57024977031928170135e+00,
            -6.04244152148580987438e-02,
        ],
    ];
    /// The same for larger x.
    pub const FAR_TAIL: [&[f64]; 2] = [
        &[
            -9.86494292470009928597e-03,
            -7.99283237680523006574e-01,
            -1.77579549177547519889e+01,
            -1.60636384855821916062e+02,
            -6.37566443368389627722e+02,
            -1.02509513161107724954e+03,
            -4.83519191608651397019e+02,
        ],
        &[
            1.0,
            3.03380607434824582924e+01,
            3.25792512996573918826e+02,
            1.53672958608443695994e+03,
            3.19985821950859553908e+03,
            2.55305040643316442583e+03,
            4.74528541206955367215e+02,
            -2.24409524465858183362e+01,
        ],
    ];
}

/// A quotient of two polynomials.
#[inline(always)]
fn quotient([above, below]: [&[f64]; 2], x: f64) -> f64 {
    let horner = |coefficients: &[f64]| coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c);
    horner(above) / horner(below)
}

/// erfc x = 1 − erf x = 2/√π ∫ₓ^∞ e^{−t²} dt, to 1e-15 of its value.
pub fn erfc(x: f64) -> f64 {
    use coefficients::{AT_ONE, FAR_TAIL, MIDDLE, SMALL, TAIL};
    let magnitude = x.abs();
    if magnitude < 0.84375 {
        return 1.0 - (x + x * quotient(SMALL, x * x));
    }
    let of_magnitude = if magnitude < 1.25 {
        (1.0 - AT_ONE) - quotient(MIDDLE, magnitude - 1.0)
    } else if magnitude > 28.0 {
        0.0 // below the smallest f64
    } else {
        let s = 1.0 / (magnitude * magnitude);
        let log = quotient(if magnitude < 1.0 / 0.35 { TAIL } else { FAR_TAIL }, s);
        // e^{−x²} in two factors, the first of an x whose square is exact: x² = z² + (x − z)(x + z).
        let z = f64::from_bits(magnitude.to_bits() & 0xffff_ffff_0000_0000);
        (-z * z - 0.5625).exp() * ((z - magnitude) * (z + magnitude) + log).exp() / magnitude
    };
    if x < 0.0 { 2.0 - of_magnitude } else { of_magnitude }
}

/// Φ(x), the share of N(0, 1) below x.
#[inline(always)]
fn share_below(x: f64) -> f64 {
    0.5 * erfc(-x * FRAC_1_SQRT_2)
}

multiversion! {
    /// y = x·Φ(x).
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn gelu<T: Float, A: Arithmetic>(x: &[T], y: &mut [T]) {
        assert_eq!(x.len(), y.len(), "gelu: x and y differ in length");
        for (y, x) in y.iter_mut().zip(x) {
            let x = x.to_f64();
            *y = T::from_f64(x * share_below(x));
        }
    }
}

multiversion! {
    /// dx = dy·(Φ(x) + x·φ(x)) with φ(x) = e^{−x²/2} / √(2π).
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn gelu_backward<T: Float, A: Arithmetic>(x: &[T], dy: &[T], dx: &mut [T], add: bool) {
        assert!(x.len() == dx.len() && dy.len() == dx.len(), "gelu_backward: the slices differ in length");
        let peak = 1.0 / (2.0 * PI).sqrt();
        for ((dx, x), &dy) in dx.iter_mut().zip(x).zip(dy) {
            let x = x.to_f64();
            let slope = share_below(x) + x * peak * (-0.5 * x * x).exp();
            put(dx, dy * T::from_f64(slope), add);
        }
    }
}

/// √(8/π): twice the slope at 0 of what tanh is taken of.
const SLOPE: f64 = 1.595_769_121_605_730_8;
/// The factor of x³.
pub const CUBE: f64 = 0.044_715;

multiversion! {
    /// y = ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), which is x·σ(√(8/π)·(x + 0.044715·x³)).
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn gelu_tanh<T: Float, A: Arithmetic>(x: &[T], y: &mut [T]) {
        assert_eq!(x.len(), y.len(), "gelu_tanh: x and y differ in length");
        let (slope, cube) = (T::from_f64(SLOPE), T::from_f64(SLOPE * CUBE));
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x * (x * (slope + cube * x * x)).sigmoid::<A>();
        }
    }
}

multiversion! {
    /// dx = dy·(σ + x·σ·(1 − σ)·√(8/π)·(1 + 3·0.044715·x²)), σ as in [`gelu_tanh`].
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn gelu_tanh_backward<T: Float, A: Arithmetic>(x: &[T], dy: &[T], dx: &mut [T], add: bool) {
        assert!(x.len() == dx.len() && dy.len() == dx.len(), "gelu_tanh_backward: the slices differ in length");
        let (slope, cube, three) = (T::from_f64(SLOPE), T::from_f64(SLOPE * CUBE), T::from_f64(3.0));
        for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
            let s = (x * (slope + cube * x * x)).sigmoid::<A>();
            put(dx, dy * (s + x * s * (T::ONE - s) * (slope + three * cube * x * x)), add);
        }
    }
}
