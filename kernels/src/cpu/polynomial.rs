//! Branch-free `exp`, `sigmoid`, `tanh`, `ln` and `ln(1 + x)` for `f32`, in a form that compilers turn into vector code.
//!
//! Library routines cost some ten times as much: they branch, and they take one value at a time.

use super::simd::Arithmetic;

/// eˣ = 2ⁿ·(1 + p), as p and n, for −87.3 ≤ x ≤ 88.7; where x is small, p keeps the low bits of eˣ − 1.
///
/// x = n·ln 2 + r with |r| ≤ ½ ln 2, and p = eʳ − 1 = r + r²·q(r) with a polynomial q of degree 5. ln 2 is split in two so
/// that r keeps its low bits (Cody and Waite).
#[inline(always)]
fn parts<A: Arithmetic>(x: f32) -> (f32, i32) {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and subtracting 1.5·2²³ rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    let shifted = A::mul_add(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = A::mul_add(n, -LN2_LOW, A::mul_add(n, -LN2_HIGH, x));
    let mut q = 1.987_569_1e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1] {
        q = A::mul_add(q, r, coefficient);
    }
    // n as an integer stands in the low bits of `shifted`; a conversion would check its range.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    (A::mul_add(q, r * r, r), n)
}

/// eˣ within 2 units in the last place; 0 below −87.3 and the largest finite power above 88.7.
#[inline(always)]
pub fn exp<A: Arithmetic>(x: f32) -> f32 {
    let (p, n) = parts::<A>(clamp(x, -87.3, 88.7));
    // 2ⁿ in two factors: n = 128 has no float of its own.
    let half = n >> 1;
    let scaled = (p + 1.0) * power_of_two(half) * power_of_two(n.wrapping_sub(half));
    // The mask keeps the compiler from branching around all of the above, which would end its vector form.
    let keep = if x < -87.3 { 0 } else { u32::MAX };
    f32::from_bits(scaled.to_bits() & keep)
}

/// σ(x) = 1 / (1 + e⁻ˣ) within 3e-7 relative from −87 on, below that σ(−87); NaN kept.
#[inline(always)]
pub fn sigmoid<A: Arithmetic>(x: f32) -> f32 {
    let (p, n) = parts::<A>(clamp(-x, -87.0, 87.0));
    let power = power_of_two(n);
    1.0 / (1.0 + A::mul_add(power, p, power))
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
/// tanh x = m / (m + 2) with m = e²ˣ − 1 = 2ⁿ·p + (2ⁿ − 1), in which nothing cancels: where x is small, 2ⁿ = 1. Beyond
/// |x| = 10, tanh is 1 to the last bit.
#[inline(always)]
pub fn tanh<A: Arithmetic>(x: f32) -> f32 {
    let (p, n) = parts::<A>(clamp(2.0 * x, -20.0, 20.0));
    let power = power_of_two(n);
    let m = A::mul_add(power, p, power - 1.0);
    m / (m + 2.0)
}

/// ln(1 + x) for x in [0, 1], within 2e-7 relative.
///
/// With s = x / (2 + x), ln(1 + x) = 2·artanh s = 2(s + s³/3 + s⁵/5 + …), and s ≤ 1/3.
#[inline(always)]
pub fn ln_1p<A: Arithmetic>(x: f32) -> f32 {
    let s = x / (2.0 + x);
    let t = s * s;
    let mut p = 1.0 / 17.0;
    for coefficient in [1.0 / 15.0, 1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 1.0 / 5.0, 1.0 / 3.0] {
        p = A::mul_add(p, t, coefficient);
    }
    2.0 * A::mul_add(s * t, p, s)
}

/// ln x of a positive, normal and finite number, within 2e-7 relative.
///
/// x = 2ⁿ·m with √½ ≤ m < √2, and with s = (m − 1) / (m + 1), ln x = n·ln 2 + 2·artanh s, where |s| < 0.172.
#[inline(always)]
pub fn ln<A: Arithmetic>(x: f32) -> f32 {
    const ROOT_HALF: i32 = std::f32::consts::FRAC_1_SQRT_2.to_bits() as i32;
    let n = (x.to_bits() as i32).wrapping_sub(ROOT_HALF) >> 23;
    let m = f32::from_bits((x.to_bits() as i32).wrapping_sub(n << 23) as u32);
    let s = (m - 1.0) / (m + 1.0);
    let t = s * s;
    let mut p = 2.0 / 9.0;
    for coefficient in [2.0 / 7.0, 2.0 / 5.0, 2.0 / 3.0] {
        p = A::mul_add(p, t, coefficient);
    }
    A::mul_add(n as f32, std::f32::consts::LN_2, A::mul_add(s * t, p, 2.0 * s))
}
