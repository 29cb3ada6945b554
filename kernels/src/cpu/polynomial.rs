//! Branch-free `exp`, `tanh` and `ln(1 + x)` for `f32`, in a form that compilers turn into vector code.
//!
//! Library routines cost some ten times as much: they branch, and they take one value at a time.

/// eˣ within 2 units in the last place; 0 below −87.3 and the largest finite power above 88.7.
///
/// x = n·ln 2 + r with |r| ≤ ½ ln 2, then eˣ = 2ⁿ·eʳ, where eʳ is a polynomial of degree 6 and 2ⁿ is made from its
/// exponent bits. ln 2 is split in two so that r keeps its low bits (Cody and Waite).
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and subtracting 1.5·2²³ rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    let clamped = clamp(x, -87.3, 88.7);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 5e-1;
    let e = (p * r * r + r) + 1.0;
    // n as an integer stands in the low bits of `shifted`; a conversion would check its range. 2ⁿ in two factors:
    // n = 128 has no float of its own.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    let scaled = e * power_of_two(half) * power_of_two(n.wrapping_sub(half));
    // The mask keeps the compiler from branching around all of the above, which would end its vector form.
    let keep = if x < -87.3 { 0 } else { u32::MAX };
    f32::from_bits(scaled.to_bits() & keep)
}

/// 2ⁿ for −126 ≤ n ≤ 127, from its bits.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) << 23) as u32)
}

/// `x` held within bounds, NaN kept; compiles to two instructions.
#[inline(always)]
fn clamp(x: f32, low: f32, high: f32) -> f32 {
    let x = if low > x { low } else { x };
    if high < x { high } else { x }
}

/// tanh x within 3e-7 relative, NaN kept.
///
/// Both forms are computed and one is chosen, so that there is no branch: an odd polynomial of degree 11 where
/// |x| < 0.625 (coefficients of the Cephes library), (1 − e) / (1 + e) with e = e^(−2|x|) elsewhere, where the
/// subtraction loses nothing.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    let s = x * x;
    let mut p = -5.704_988_7e-3;
    p = p * s + 2.063_909e-2;
    p = p * s + -5.373_971_6e-2;
    p = p * s + 1.333_144_2e-1;
    p = p * s + -3.333_328e-1;
    let near = x + x * s * p;
    let e = exp(-2.0 * x.abs());
    let far = ((1.0 - e) / (1.0 + e)).copysign(x);
    if x.abs() < 0.625 { near } else { far }
}

/// ln(1 + x) for x in [0, 1], within 2e-7 relative.
///
/// With s = x / (2 + x), ln(1 + x) = 2·artanh s = 2(s + s³/3 + s⁵/5 + …), and s ≤ 1/3.
#[inline(always)]
pub fn ln_1p(x: f32) -> f32 {
    let s = x / (2.0 + x);
    let t = s * s;
    let mut p = 1.0 / 17.0;
    p = p * t + 1.0 / 15.0;
    p = p * t + 1.0 / 13.0;
    p = p * t + 1.0 / 11.0;
    p = p * t + 1.0 / 9.0;
    p = p * t + 1.0 / 7.0;
    p = p * t + 1.0 / 5.0;
    p = p * t + 1.0 / 3.0;
    2.0 * (s + s * t * p)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest relative error of `f` against `reference` over a fine grid of [low, high].
    fn worst(low: f64, high: f64, f: impl Fn(f32) -> f32, reference: impl Fn(f64) -> f64) -> f64 {
        (0..=2_000_000)
            .map(|i| {
                let x = (low + (high - low) * f64::from(i) / 2e6) as f32;
                let (found, expected) = (f64::from(f(x)), reference(f64::from(x)));
                (found - expected).abs() / expected.abs().max(1e-300)
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn errors_stay_within_their_bounds() {
        assert!(worst(-87.0, 88.7, exp, f64::exp) < 2.5e-7);
        assert!(worst(-12.0, 12.0, tanh, f64::tanh) < 3e-7);
        assert!(worst(1e-7, 1.0, ln_1p, f64::ln_1p) < 2e-7);
    }

    #[test]
    fn ends_and_nan() {
        assert_eq!(exp(-200.0), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(1000.0) > 1e38);
        assert!(exp(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
        assert_eq!(tanh(50.0), 1.0);
        assert_eq!(tanh(0.0), 0.0);
        assert_eq!(ln_1p(0.0), 0.0);
    }
}
