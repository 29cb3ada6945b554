//! The two element types: `f32` to train with, `f64` so that a gradient check can ask for 1e-6.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use super::bf16::Pairs;
#[cfg(target_arch = "x86_64")]
use super::blocked::sgemm;
use super::lanes::Registers;
use super::polynomial;
use super::simd::{Arithmetic, Fused, FusedWide, Separate};
#[cfg(not(target_arch = "x86_64"))]
use matrixmultiply::sgemm;

/// A floating-point type that every CPU kernel is written for.
pub trait Float:
    Copy
    + Default
    + PartialEq
    + PartialOrd
    + Debug
    + Display
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Sum
    + Registers<Separate>
    + Registers<Fused>
    + Registers<FusedWide>
    + Pairs
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The type's name, as messages show it.
    const NAME: &'static str;

    /// The nearest value.
    fn from_f64(x: f64) -> Self;
    /// The value, exactly.
    fn to_f64(self) -> f64;
    /// `self · a + b` rounded once; only worth calling where the processor has the instruction (see [`crate::cpu::simd`]).
    fn fused_mul_add(self, a: Self, b: Self) -> Self;
    /// √x.
    fn sqrt(self) -> Self;
    /// |x|.
    fn abs(self) -> Self;
    /// Neither NaN nor infinite.
    fn is_finite(self) -> bool;
    /// eˣ, branch-free where the type has a vectorisable form (see [`crate::cpu::activation`]).
    fn exp<A: Arithmetic>(self) -> Self;
    /// ln(1 + x) for x in [0, 1], branch-free where the type has a vectorisable form.
    fn ln_1p<A: Arithmetic>(self) -> Self;
    /// σ(x) = 1 / (1 + e⁻ˣ), branch-free where the type has a vectorisable form.
    fn sigmoid<A: Arithmetic>(self) -> Self;
    /// tanh x, branch-free where the type has a vectorisable form.
    fn tanh<A: Arithmetic>(self) -> Self;
    /// ln x.
    fn ln(self) -> Self;
    /// ln x of a positive, normal and finite number, branch-free where the type has a vectorisable form.
    fn ln_of_normal<A: Arithmetic>(self) -> Self;

    /// The larger of the two; `other` where `self` is NaN. Compiles to one instruction.
    #[inline(always)]
    fn at_least(self, other: Self) -> Self {
        if self > other { self } else { other }
    }

    /// The smaller of the two; `other` where `self` is NaN. Compiles to one instruction.
    #[inline(always)]
    fn at_most(self, other: Self) -> Self {
        if self < other { self } else { other }
    }

    /// `C ← alpha · A·B + beta · C` on strided matrices, on the calling thread.
    ///
    /// # Safety
    /// As [`matrixmultiply::sgemm`]: `a`, `b`, `c` point to matrices of `m×k`, `k×n`, `m×n` elements at the given
    /// (row, column) strides, `c` overlaps neither of the others and aliases no element with itself.
    unsafe fn gemm(
        size: (usize, usize, usize),
        alpha: Self,
        a: (*const Self, isize, isize),
        b: (*const Self, isize, isize),
        beta: Self,
        c: (*mut Self, isize, isize),
    );
}

macro_rules! float {
    ($t:ident, $gemm:path, |$x:ident, $a:ident| $exp:expr, $sigmoid:expr, $tanh:expr, $ln_1p:expr, $ln:expr) => {
        impl Float for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NAME: &'static str = stringify!($t);

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn fused_mul_add(self, a: Self, b: Self) -> Self {
                self.mul_add(a, b)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $t::sqrt(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $t::abs(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $t::is_finite(self)
            }
            #[inline(always)]
            fn exp<$a: Arithmetic>(self) -> Self {
                let $x = self;
                $exp
            }
            #[inline(always)]
            fn ln_1p<$a: Arithmetic>(self) -> Self {
                let $x = self;
                $ln_1p
            }
            #[inline(always)]
            fn sigmoid<$a: Arithmetic>(self) -> Self {
                let $x = self;
                $sigmoid
            }
            #[inline(always)]
            fn tanh<$a: Arithmetic>(self) -> Self {
                let $x = self;
                $tanh
            }
            #[inline(always)]
            fn ln(self) -> Self {
                $t::ln(self)
            }
            #[inline(always)]
            fn ln_of_normal<$a: Arithmetic>(self) -> Self {
                let $x = self;
                $ln
            }
            unsafe fn gemm(
                (m, k, n): (usize, usize, usize),
                alpha: Self,
                (a, rsa, csa): (*const Self, isize, isize),
                (b, rsb, csb): (*const Self, isize, isize),
                beta: Self,
                (c, rsc, csc): (*mut Self, isize, isize),
            ) {
                // SAFETY: the caller's promise is matrixmultiply's.
                unsafe { $gemm(m, k, n, alpha, a, rsa, csa, b, rsb, csb, beta, c, rsc, csc) }
            }
        }
    };
}

float!(
    f32,
    sgemm,
    |x, A| polynomial::exp::<A>(x),
    polynomial::sigmoid::<A>(x),
    polynomial::tanh::<A>(x),
    polynomial::ln_1p::<A>(x),
    polynomial::ln::<A>(x)
);
float!(
    f64,
    matrixmultiply::dgemm,
    |x, A| f64::exp(x),
    1.0 / (1.0 + f64::exp(-x)),
    f64::tanh(x),
    f64::ln_1p(x),
    f64::ln(x)
);
