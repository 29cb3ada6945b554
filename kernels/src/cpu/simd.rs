//! Which vector instructions this processor has, chosen at run time.
//!
//! A kernel is written once, as plain loops over arrays, and compiled several times: [`multiversion!`](crate::multiversion) makes a copy for
//! each instruction set and calls the widest one that the processor has. The compiler turns the loops into vector
//! code, so what the tests check on one machine is the source that runs on every other.

use std::sync::OnceLock;

use super::lanes::{Lanes, Registers};
use crate::Float;

/// An instruction set that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// The instructions that every processor of the architecture has (SSE2 on x86-64, NEON on AArch64).
    Generic,
    /// x86-64 with AVX2 and FMA: 16 registers of 8 `f32`.
    Avx2,
    /// x86-64 with AVX-512 (F, BW, DQ, VL): 32 registers of 16 `f32`.
    Avx512,
}

impl Isa {
    /// The name that `INKGRAD_ISA` takes and reports show.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Generic => "generic",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }

    /// The widest set that this processor has.
    fn detect() -> Isa {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if avx2 && avx512 {
                return Isa::Avx512;
            }
            if avx2 {
                return Isa::Avx2;
            }
        }
        Isa::Generic
    }
}

/// The instruction set in use: the widest there is, or a narrower one named by the environment variable `INKGRAD_ISA`
/// (`generic`, `avx2`, `avx512`). Read once.
pub fn isa() -> Isa {
    static CHOICE: OnceLock<Isa> = OnceLock::new();
    *CHOICE.get_or_init(|| {
        let widest = Isa::detect();
        let wanted = std::env::var("INKGRAD_ISA").ok();
        [Isa::Generic, Isa::Avx2, Isa::Avx512]
            .into_iter()
            .find(|isa| wanted.as_deref() == Some(isa.name()) && *isa <= widest)
            .unwrap_or(widest)
    })
}

/// Whether kernels multiply and add with one rounding here: on AArch64 always, on x86-64 from AVX2 on.
pub fn has_fused() -> bool {
    cfg!(target_arch = "aarch64") || isa() > Isa::Generic
}

/// How a kernel multiplies and adds: a type, so that each compiled copy has its own.
pub trait Arithmetic: Sized + 'static {
    /// Sixteen elements in registers.
    type Lanes<T: Float>: Lanes<T>;
    /// Rows of a register tile that is 16 `f32` wide: as many as leave a register or two for the operands.
    const WIDE: bool;
    /// `a · b + c`.
    fn mul_add<T: Float>(a: T, b: T, c: T) -> T;
}

/// Two roundings: processors without a fused instruction, where calling one would be a slow library routine.
#[derive(Debug, Clone, Copy)]
pub struct Separate;
/// One rounding, with 16 registers of 8 `f32`.
#[derive(Debug, Clone, Copy)]
pub struct Fused;
/// One rounding, with 32 registers of 16 `f32`.
#[derive(Debug, Clone, Copy)]
pub struct FusedWide;

impl Arithmetic for Separate {
    type Lanes<T: Float> = <T as Registers<Separate>>::Lanes;
    const WIDE: bool = false;
    #[inline(always)]
    fn mul_add<T: Float>(a: T, b: T, c: T) -> T {
        a * b + c
    }
}

impl Arithmetic for Fused {
    type Lanes<T: Float> = <T as Registers<Fused>>::Lanes;
    const WIDE: bool = false;
    #[inline(always)]
    fn mul_add<T: Float>(a: T, b: T, c: T) -> T {
        a.fused_mul_add(b, c)
    }
}

impl Arithmetic for FusedWide {
    type Lanes<T: Float> = <T as Registers<FusedWide>>::Lanes;
    const WIDE: bool = true;
    #[inline(always)]
    fn mul_add<T: Float>(a: T, b: T, c: T) -> T {
        a.fused_mul_add(b, c)
    }
}

/// The arithmetic of [`Isa::Generic`].
#[cfg(target_arch = "aarch64")]
pub type Baseline = Fused;
/// The arithmetic of [`Isa::Generic`].
#[cfg(not(target_arch = "aarch64"))]
pub type Baseline = Separate;

/// Declares a function generic over `T: Float` that is compiled here, once for each element type and instruction set, and
/// calls the widest one that the processor has. The body may use the second type parameter, an [`Arithmetic`].
///
/// Everything that the body calls in its inner loops has to be `#[inline(always)]`, or it is compiled for the baseline.
///
/// `#[fused]` before all else: no copy for processors without fused multiply-add, which have to go another way ([`has_fused`]).
#[macro_export]
macro_rules! multiversion {
    (#[fused] $($item:tt)*) => {
        $crate::multiversion! { @fused $($item)* }
    };
    (
        $(@$least:ident)?
        $(#[$meta:meta])*
        $vis:vis fn $name:ident<$t:ident: Float, $a:ident: Arithmetic>(
            $($arg:ident: $ty:ty),* $(,)?
        ) $(-> $ret:ty)? $body:block
    ) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, clippy::type_complexity)]
        $vis fn $name<$t: $crate::Float>($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::extra_unused_type_parameters, clippy::too_many_arguments)]
            fn body<$t: $crate::Float, $a: $crate::cpu::simd::Arithmetic>($($arg: $ty),*) $(-> $ret)? $body

            // Functions without type parameters are compiled in the crate that declares them. Generic ones would be
            // compiled in every crate that calls them, at that crate's optimisation level.
            let single = $crate::instance!([$($least)?] f32 as $t, $($arg: $ty),* => $($ret)?);
            let double = $crate::instance!([$($least)?] f64 as $t, $($arg: $ty),* => $($ret)?);
            let copies: [&dyn std::any::Any; 2] = [&single, &double];
            let copy = copies.iter().find_map(|copy| copy.downcast_ref::<fn($($ty),*) $(-> $ret)?>());
            copy.expect("Float is implemented for f32 and f64")($($arg),*)
        }
    };
}

/// The copies of [`multiversion!`](crate::multiversion)'s `body` for one element type: a function that chooses by instruction set. In `f64`
/// gradients are checked and nothing is trained: with AVX-512 it takes AVX2's copy, and the compiler has a sixth fewer copies to make.
#[doc(hidden)]
#[macro_export]
macro_rules! instance {
    (@avx512 f32 as $t:ident, $($arg:ident: $ty:ty),* => $($ret:ty)?) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
        #[allow(clippy::too_many_arguments)]
        fn avx512($($arg: $ty),*) $(-> $ret)? {
            body::<$t, $crate::cpu::simd::FusedWide>($($arg),*)
        }
    };
    (@avx512 f64 as $t:ident, $($arg:ident: $ty:ty),* => $($ret:ty)?) => {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        #[allow(clippy::too_many_arguments)]
        fn avx512($($arg: $ty),*) $(-> $ret)? {
            avx2($($arg),*)
        }
    };
    (@baseline [] $t:ident, $($arg:ident),*) => {
        body::<$t, $crate::cpu::simd::Baseline>($($arg),*)
    };
    (@baseline [fused] $t:ident, $($arg:ident),*) => {{
        #[cfg(not(target_arch = "aarch64"))]
        unreachable!("a kernel of processors with fused multiply-add was called on another");
        #[cfg(target_arch = "aarch64")]
        body::<$t, $crate::cpu::simd::Baseline>($($arg),*)
    }};
    ([$($least:ident)?] $float:ident as $t:ident, $($arg:ident: $ty:ty),* => $($ret:ty)?) => {{
        type $t = $float;

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        #[allow(clippy::too_many_arguments)]
        fn avx2($($arg: $ty),*) $(-> $ret)? {
            body::<$t, $crate::cpu::simd::Fused>($($arg),*)
        }

        $crate::instance!(@avx512 $float as $t, $($arg: $ty),* => $($ret)?);

        #[allow(clippy::too_many_arguments)]
        fn dispatch($($arg: $ty),*) $(-> $ret)? {
            match $crate::cpu::simd::isa() {
                // SAFETY: `isa` names a set only where the processor has all of its features.
                #[cfg(target_arch = "x86_64")]
                $crate::cpu::simd::Isa::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::cpu::simd::Isa::Avx2 => unsafe { avx2($($arg),*) },
                _ => $crate::instance!(@baseline [$($least)?] $t, $($arg),*),
            }
        }

        dispatch as fn($($ty),*) $(-> $ret)?
    }};
}
