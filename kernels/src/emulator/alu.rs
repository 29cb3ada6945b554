//! Arithmetic of 32 lanes at once.
//!
//! Each function is a plain loop over arrays, compiled twice on x86-64: for AVX2 with FMA, and for what every processor
//! has.

use super::inst::{Cmp, F1, F2, F3, Narrow, Round, Shift, Type, W1, W2, W3, Widen};
#[cfg(target_arch = "x86_64")]
use crate::cpu::simd::Isa;
use crate::cpu::simd::isa;

/// A 32-bit register of each lane.
pub type Lanes = [u32; 32];
/// A 64-bit register of each lane.
pub type WideLanes = [u64; 32];

/// Declares a function that is compiled for AVX2 too and chooses at run time.
macro_rules! vectorised {
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty $body:block) => {
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) -> $ret {
            #[inline(always)]
            fn body($($arg: $ty),*) -> $ret $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,popcnt,lzcnt")]
            fn avx2($($arg: $ty),*) -> $ret {
                body($($arg),*)
            }

            match isa() {
                // SAFETY: `isa` names AVX2 and what is above it only where the processor has AVX2 and FMA, and every
                // processor with AVX2 has `popcnt` and `lzcnt`.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 | Isa::Avx512 => unsafe { avx2($($arg),*) },
                _ => body($($arg),*),
            }
        }
    };
}

#[inline(always)]
fn each1<A: Copy, D: Copy + Default>(a: &[A; 32], f: impl Fn(A) -> D) -> [D; 32] {
    let mut out = [D::default(); 32];
    for (out, &a) in out.iter_mut().zip(a) {
        *out = f(a);
    }
    out
}

#[inline(always)]
fn each2<A: Copy, B: Copy, D: Copy + Default>(a: &[A; 32], b: &[B; 32], f: impl Fn(A, B) -> D) -> [D; 32] {
    let mut out = [D::default(); 32];
    for (lane, out) in out.iter_mut().enumerate() {
        *out = f(a[lane], b[lane]);
    }
    out
}

#[inline(always)]
fn each3<A: Copy, D: Copy + Default>(a: &[A; 32], b: &[A; 32], c: &[A; 32], f: impl Fn(A, A, A) -> D) -> [D; 32] {
    let mut out = [D::default(); 32];
    for (lane, out) in out.iter_mut().enumerate() {
        *out = f(a[lane], b[lane], c[lane]);
    }
    out
}

#[inline(always)]
fn float1(a: &Lanes, f: impl Fn(f32) -> f32) -> Lanes {
    each1(a, |x| f(f32::from_bits(x)).to_bits())
}

#[inline(always)]
fn float2(a: &Lanes, b: &Lanes, f: impl Fn(f32, f32) -> f32) -> Lanes {
    each2(a, b, |x, y| f(f32::from_bits(x), f32::from_bits(y)).to_bits())
}

#[inline(always)]
fn double2(a: &WideLanes, b: &WideLanes, f: impl Fn(f64, f64) -> f64) -> WideLanes {
    each2(a, b, |x, y| f(f64::from_bits(x), f64::from_bits(y)).to_bits())
}

fn signed(x: u32) -> i32 {
    x.cast_signed()
}

fn rounded(x: f64, round: Round) -> f64 {
    match round {
        Round::Nearest => x.round_ties_even(),
        Round::Zero => x.trunc(),
        Round::Down => x.floor(),
        Round::Up => x.ceil(),
    }
}

/// The nearest multiple of 2^−`bits`: the error that an approximate instruction may have, so that what works here does not
/// rest on more exactness than a GPU has.
fn coarse(x: f64, bits: i32) -> f32 {
    let scale = f64::from(bits).exp2();
    if x.abs() < 1e9 { ((x * scale).round() / scale) as f32 } else { x as f32 }
}

/// tanh with the relative error of `tanh.approx.f32`, at most 2^−11: an exact value with 10 bits after the leading one.
fn tanh_approx(x: f32) -> f32 {
    let exact = f64::from(x).tanh() as f32;
    f32::from_bits(exact.to_bits().wrapping_add(1 << 12) & !((1 << 13) - 1))
}

vectorised! {
    /// A function of one 32-bit register.
    pub fn map1(f: F1, a: &Lanes) -> Lanes {
        match f {
            F1::Mov => *a,
            F1::Not => each1(a, |x| !x),
            F1::Neg => each1(a, |x| x.wrapping_neg()),
            F1::Abs => each1(a, |x| signed(x).wrapping_abs().cast_unsigned()),
            F1::Popc => each1(a, u32::count_ones),
            F1::Clz => each1(a, u32::leading_zeros),
            F1::Brev => each1(a, u32::reverse_bits),
            F1::FNeg => each1(a, |x| x ^ 0x8000_0000),
            F1::FAbs => each1(a, |x| x & 0x7fff_ffff),
            // NaN becomes 0.
            F1::FSaturate => float1(a, |x| if x > 0.0 { if x < 1.0 { x } else { 1.0 } } else { 0.0 }),
            F1::Rcp => float1(a, |x| 1.0 / x),
            F1::Sqrt => float1(a, f32::sqrt),
            F1::Rsqrt => float1(a, |x| (1.0 / f64::from(x).sqrt()) as f32),
            F1::Ex2 => float1(a, |x| f64::from(x).exp2() as f32),
            F1::Lg2 => float1(a, |x| coarse(f64::from(x).log2(), 22)),
            F1::Tanh => float1(a, tanh_approx),
            F1::Sin => float1(a, |x| coarse(f64::from(x).sin(), 21)),
            F1::Cos => float1(a, |x| coarse(f64::from(x).cos(), 21)),
            F1::Tf32 => each1(a, |x| if f32::from_bits(x).is_finite() { x.wrapping_add(0x1000) & !0x1fff } else { x }),
            F1::ToF32 { signed: false } => each1(a, |x| (x as f32).to_bits()),
            F1::ToF32 { signed: true } => each1(a, |x| (signed(x) as f32).to_bits()),
            F1::FromF32 { signed: false, round } => each1(a, |x| rounded(f32::from_bits(x).into(), round) as u32),
            F1::FromF32 { signed: true, round } => {
                each1(a, |x| (rounded(f32::from_bits(x).into(), round) as i32).cast_unsigned())
            }
            F1::Round(Round::Nearest) => float1(a, f32::round_ties_even),
            F1::Round(round) => float1(a, |x| rounded(x.into(), round) as f32),
            F1::Extend { bits, signed: false } => each1(a, |x| x & (u32::MAX >> (32 - bits))),
            F1::Extend { bits, signed: true } => {
                each1(a, |x| ((x << (32 - bits)).cast_signed() >> (32 - bits)).cast_unsigned())
            }
        }
    }
}

vectorised! {
    /// A function of two 32-bit registers.
    pub fn map2(f: F2, a: &Lanes, b: &Lanes) -> Lanes {
        match f {
            F2::Add => each2(a, b, u32::wrapping_add),
            F2::Sub => each2(a, b, u32::wrapping_sub),
            F2::Mul => each2(a, b, u32::wrapping_mul),
            F2::MulHigh { signed: false } => each2(a, b, |x, y| ((u64::from(x) * u64::from(y)) >> 32) as u32),
            F2::MulHigh { signed: true } => {
                each2(a, b, |x, y| ((i64::from(signed(x)) * i64::from(signed(y))) >> 32) as u32)
            }
            F2::Min { signed: false } => each2(a, b, u32::min),
            F2::Min { signed: true } => each2(a, b, |x, y| signed(x).min(signed(y)).cast_unsigned()),
            F2::Max { signed: false } => each2(a, b, u32::max),
            F2::Max { signed: true } => each2(a, b, |x, y| signed(x).max(signed(y)).cast_unsigned()),
            // PTX leaves a division by zero open; GPUs give all ones.
            F2::Div { signed: false } => each2(a, b, |x, y| x.checked_div(y).unwrap_or(u32::MAX)),
            F2::Div { signed: true } => each2(a, b, |x, y| match signed(y) {
                0 => u32::MAX,
                y => signed(x).wrapping_div(y).cast_unsigned(),
            }),
            F2::Rem { signed: false } => each2(a, b, |x, y| x.checked_rem(y).unwrap_or(x)),
            F2::Rem { signed: true } => each2(a, b, |x, y| match signed(y) {
                0 => x,
                y => signed(x).wrapping_rem(y).cast_unsigned(),
            }),
            F2::And => each2(a, b, |x, y| x & y),
            F2::Or => each2(a, b, |x, y| x | y),
            F2::Xor => each2(a, b, |x, y| x ^ y),
            F2::Shl => each2(a, b, |x, y| if y < 32 { x << y } else { 0 }),
            F2::Shr { signed: false } => each2(a, b, |x, y| if y < 32 { x >> y } else { 0 }),
            F2::Shr { signed: true } => each2(a, b, |x, y| (signed(x) >> y.min(31)).cast_unsigned()),
            F2::FAdd => float2(a, b, |x, y| x + y),
            F2::FSub => float2(a, b, |x, y| x - y),
            F2::FMul => float2(a, b, |x, y| x * y),
            F2::FDiv => float2(a, b, |x, y| x / y),
            // A NaN loses against a number.
            F2::FMin => float2(a, b, |x, y| if x < y || y.is_nan() { x } else { y }),
            F2::FMax => float2(a, b, |x, y| if x > y || y.is_nan() { x } else { y }),
            // With `.NaN` it wins.
            F2::FMinNan => float2(a, b, |x, y| if x < y || x.is_nan() { x } else { y }),
            F2::FMaxNan => float2(a, b, |x, y| if x > y || x.is_nan() { x } else { y }),
            // PTX has the sign first.
            F2::CopySign => each2(a, b, |x, y| (x & 0x8000_0000) | (y & 0x7fff_ffff)),
        }
    }
}

vectorised! {
    /// A function of three 32-bit registers.
    pub fn map3(f: F3, a: &Lanes, b: &Lanes, c: &Lanes) -> Lanes {
        match f {
            F3::Mad => each3(a, b, c, |x, y, z| x.wrapping_mul(y).wrapping_add(z)),
            F3::MadHigh { signed: false } => {
                each3(a, b, c, |x, y, z| (((u64::from(x) * u64::from(y)) >> 32) as u32).wrapping_add(z))
            }
            F3::MadHigh { signed: true } => each3(a, b, c, |x, y, z| {
                (((i64::from(signed(x)) * i64::from(signed(y))) >> 32) as u32).wrapping_add(z)
            }),
            F3::Fma => each3(a, b, c, |x, y, z| {
                f32::from_bits(x).mul_add(f32::from_bits(y), f32::from_bits(z)).to_bits()
            }),
            F3::Lop3(table) => each3(a, b, c, |x, y, z| {
                (0..8).filter(|bit| table >> bit & 1 != 0).fold(0, |out, bit| {
                    let pick = |value: u32, mask: u32| if bit & mask != 0 { value } else { !value };
                    out | (pick(x, 4) & pick(y, 2) & pick(z, 1))
                })
            }),
            F3::Prmt => each3(a, b, c, |x, y, z| {
                let bytes = (u64::from(y) << 32 | u64::from(x)).to_le_bytes();
                u32::from_le_bytes(std::array::from_fn(|at| {
                    let selector = z >> (4 * at);
                    let byte = bytes[(selector & 7) as usize];
                    // The selector's top bit asks for the byte's sign eight times.
                    if selector & 8 == 0 { byte } else { (byte.cast_signed() >> 7).cast_unsigned() }
                }))
            }),
            F3::Bfe { signed } => each3(a, b, c, |x, position, length| field(x, position, length, signed)),
            F3::Funnel { left } => each3(a, b, c, |x, y, z| {
                let both = u64::from(y) << 32 | u64::from(x);
                if left { ((both << (z & 31)) >> 32) as u32 } else { (both >> (z & 31)) as u32 }
            }),
            F3::Slct { float: false } => each3(a, b, c, |x, y, z| if signed(z) >= 0 { x } else { y }),
            F3::Slct { float: true } => each3(a, b, c, |x, y, z| if f32::from_bits(z) >= 0.0 { x } else { y }),
        }
    }
}

/// `bfe`: the bits from `position` on, `length` of them, extended. Bits beyond the 31st are zeros or the sign.
fn field(x: u32, position: u32, length: u32, signed: bool) -> u32 {
    let (position, length) = (position & 0xff, length & 0xff);
    if length == 0 {
        return 0;
    }
    let x = if signed { i64::from(x.cast_signed()) } else { i64::from(x) };
    let shifted = x >> position.min(63);
    let spare = 64 - length.min(64);
    let kept = shifted << spare;
    (if signed { kept >> spare } else { (kept.cast_unsigned() >> spare).cast_signed() }) as u32
}

/// `bfi`: `b` with its bits from `position` on, `length` of them, replaced by the lowest of `a`.
pub fn insert(a: &Lanes, b: &Lanes, position: &Lanes, length: &Lanes) -> Lanes {
    std::array::from_fn(|lane| {
        let (position, length) = (position[lane] & 0xff, (length[lane] & 0xff).min(32));
        let mask = ((1u64 << length) - 1).checked_shl(position).unwrap_or(0) as u32;
        (b[lane] & !mask) | (u64::from(a[lane]).checked_shl(position).unwrap_or(0) as u32 & mask)
    })
}

vectorised! {
    /// A function of one 64-bit register.
    pub fn wide1(f: W1, a: &WideLanes) -> WideLanes {
        match f {
            W1::Mov => *a,
            W1::Not => each1(a, |x| !x),
            W1::Neg => each1(a, |x| x.wrapping_neg()),
            W1::DNeg => each1(a, |x| x ^ 1 << 63),
            W1::DAbs => each1(a, |x| x & !(1 << 63)),
            W1::DSqrt => each1(a, |x| f64::from_bits(x).sqrt().to_bits()),
            W1::DRcp => each1(a, |x| (1.0 / f64::from_bits(x)).to_bits()),
            W1::DRound(round) => each1(a, |x| rounded(f64::from_bits(x), round).to_bits()),
            W1::ToF64 { signed: false } => each1(a, |x| (x as f64).to_bits()),
            W1::ToF64 { signed: true } => each1(a, |x| (x.cast_signed() as f64).to_bits()),
            W1::FromF64 { signed: false, round } => each1(a, |x| rounded(f64::from_bits(x), round) as u64),
            W1::FromF64 { signed: true, round } => {
                each1(a, |x| (rounded(f64::from_bits(x), round) as i64).cast_unsigned())
            }
        }
    }
}

vectorised! {
    /// A function of two 64-bit registers.
    pub fn wide2(f: W2, a: &WideLanes, b: &WideLanes) -> WideLanes {
        match f {
            W2::Add => each2(a, b, u64::wrapping_add),
            W2::Sub => each2(a, b, u64::wrapping_sub),
            W2::Mul => each2(a, b, u64::wrapping_mul),
            W2::MulHigh => each2(a, b, |x, y| ((u128::from(x) * u128::from(y)) >> 64) as u64),
            W2::Min { signed: false } => each2(a, b, u64::min),
            W2::Min { signed: true } => each2(a, b, |x, y| x.cast_signed().min(y.cast_signed()).cast_unsigned()),
            W2::Max { signed: false } => each2(a, b, u64::max),
            W2::Max { signed: true } => each2(a, b, |x, y| x.cast_signed().max(y.cast_signed()).cast_unsigned()),
            W2::Div { signed: false } => each2(a, b, |x, y| x.checked_div(y).unwrap_or(u64::MAX)),
            W2::Div { signed: true } => each2(a, b, |x, y| match y.cast_signed() {
                0 => u64::MAX,
                y => x.cast_signed().wrapping_div(y).cast_unsigned(),
            }),
            W2::Rem { signed: false } => each2(a, b, |x, y| x.checked_rem(y).unwrap_or(x)),
            W2::Rem { signed: true } => each2(a, b, |x, y| match y.cast_signed() {
                0 => x,
                y => x.cast_signed().wrapping_rem(y).cast_unsigned(),
            }),
            W2::And => each2(a, b, |x, y| x & y),
            W2::Or => each2(a, b, |x, y| x | y),
            W2::Xor => each2(a, b, |x, y| x ^ y),
            W2::DAdd => double2(a, b, |x, y| x + y),
            W2::DSub => double2(a, b, |x, y| x - y),
            W2::DMul => double2(a, b, |x, y| x * y),
            W2::DDiv => double2(a, b, |x, y| x / y),
            W2::DMin => double2(a, b, |x, y| if x < y || y.is_nan() { x } else { y }),
            W2::DMax => double2(a, b, |x, y| if x > y || y.is_nan() { x } else { y }),
        }
    }
}

vectorised! {
    /// A function of three 64-bit registers.
    pub fn wide3(f: W3, a: &WideLanes, b: &WideLanes, c: &WideLanes) -> WideLanes {
        match f {
            W3::Mad => each3(a, b, c, |x, y, z| x.wrapping_mul(y).wrapping_add(z)),
            W3::DFma => each3(a, b, c, |x, y, z| {
                f64::from_bits(x).mul_add(f64::from_bits(y), f64::from_bits(z)).to_bits()
            }),
        }
    }
}

vectorised! {
    /// A 64-bit product of 32-bit registers.
    pub fn mul_wide(signed: bool, a: &Lanes, b: &Lanes) -> WideLanes {
        if signed {
            each2(a, b, |x, y| (i64::from(x.cast_signed()) * i64::from(y.cast_signed())).cast_unsigned())
        } else {
            each2(a, b, |x, y| u64::from(x) * u64::from(y))
        }
    }
}

/// A shifted 64-bit register.
pub fn wide_shift(f: Shift, a: &WideLanes, b: &Lanes) -> WideLanes {
    match f {
        Shift::Left => each2(a, b, |x, y| x.checked_shl(y).unwrap_or(0)),
        Shift::Right { signed: false } => each2(a, b, |x, y| x.checked_shr(y).unwrap_or(0)),
        Shift::Right { signed: true } => each2(a, b, |x, y| (x.cast_signed() >> y.min(63)).cast_unsigned()),
    }
}

/// From 32 to 64 bits.
pub fn widen(f: Widen, a: &Lanes) -> WideLanes {
    match f {
        Widen::Zero => each1(a, u64::from),
        Widen::Sign => each1(a, |x| i64::from(signed(x)).cast_unsigned()),
        Widen::ToF64 { signed: false } => each1(a, |x| f64::from(x).to_bits()),
        Widen::ToF64 { signed: true } => each1(a, |x| f64::from(signed(x)).to_bits()),
        Widen::Float => each1(a, |x| f64::from(f32::from_bits(x)).to_bits()),
    }
}

/// From 64 to 32 bits.
pub fn narrow(f: Narrow, a: &WideLanes) -> Lanes {
    match f {
        Narrow::Low => each1(a, |x| x as u32),
        Narrow::High => each1(a, |x| (x >> 32) as u32),
        Narrow::Float => each1(a, |x| (f64::from_bits(x) as f32).to_bits()),
        Narrow::FromF64 { signed: false, round } => each1(a, |x| rounded(f64::from_bits(x), round) as u32),
        Narrow::FromF64 { signed: true, round } => {
            each1(a, |x| (rounded(f64::from_bits(x), round) as i32).cast_unsigned())
        }
        Narrow::ToF32 { signed: false } => each1(a, |x| (x as f32).to_bits()),
        Narrow::ToF32 { signed: true } => each1(a, |x| (x.cast_signed() as f32).to_bits()),
    }
}

/// The lanes in which a comparison holds, as bits.
#[inline(always)]
fn bits<A: Copy>(a: &[A; 32], b: &[A; 32], f: impl Fn(A, A) -> bool) -> u32 {
    let mut out = 0;
    for lane in 0..32 {
        out |= u32::from(f(a[lane], b[lane])) << lane;
    }
    out
}

#[inline(always)]
fn compare_by<A: Copy, V: PartialOrd>(cmp: Cmp, a: &[A; 32], b: &[A; 32], value: impl Fn(A) -> V) -> u32 {
    // All three are false where one of the two is NaN.
    let equal = |x, y| value(x) == value(y);
    let ordered = |x, y| value(x) < value(y) || value(x) > value(y) || value(x) == value(y);
    match cmp {
        Cmp::Eq => bits(a, b, equal),
        Cmp::Ne => bits(a, b, |x, y| ordered(x, y) && !equal(x, y)),
        Cmp::Equ => bits(a, b, |x, y| equal(x, y) || !ordered(x, y)),
        Cmp::Neu => !bits(a, b, equal),
        Cmp::Lt => bits(a, b, |x, y| value(x) < value(y)),
        Cmp::Geu => !bits(a, b, |x, y| value(x) < value(y)),
        Cmp::Le => bits(a, b, |x, y| value(x) <= value(y)),
        Cmp::Gtu => !bits(a, b, |x, y| value(x) <= value(y)),
        Cmp::Gt => bits(a, b, |x, y| value(x) > value(y)),
        Cmp::Leu => !bits(a, b, |x, y| value(x) > value(y)),
        Cmp::Ge => bits(a, b, |x, y| value(x) >= value(y)),
        Cmp::Ltu => !bits(a, b, |x, y| value(x) >= value(y)),
        Cmp::Num => bits(a, b, ordered),
        Cmp::Nan => !bits(a, b, ordered),
    }
}

vectorised! {
    /// The lanes in which `a cmp b` holds.
    pub fn compare(cmp: Cmp, ty: Type, a: &Lanes, b: &Lanes) -> u32 {
        match ty {
            Type::F32 => compare_by(cmp, a, b, f32::from_bits),
            ty if ty.signed() => compare_by(cmp, a, b, |x| x.cast_signed()),
            _ => compare_by(cmp, a, b, |x| x),
        }
    }
}

/// The lanes in which `a cmp b` holds.
pub fn compare_wide(cmp: Cmp, ty: Type, a: &WideLanes, b: &WideLanes) -> u32 {
    match ty {
        Type::F64 => compare_by(cmp, a, b, f64::from_bits),
        Type::S64 => compare_by(cmp, a, b, |x| x.cast_signed()),
        _ => compare_by(cmp, a, b, |x| x),
    }
}
