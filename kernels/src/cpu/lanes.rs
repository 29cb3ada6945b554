//! Sixteen elements side by side, in whatever registers the instruction set has.
//!
//! Loops over slices become vector code by themselves; sums that have to stay in registers across nested loops do not, so
//! the register tiles name their registers. The operations are the few that a tile needs.

use super::simd::{Arithmetic, Fused, FusedWide, Separate};
use crate::Float;

/// How many elements.
pub const LANES: usize = 16;

/// Bytes of a cache line.
pub(crate) const LINE: usize = 64;

/// The sum of all lanes, upper halves added to lower ones.
#[inline(always)]
pub(crate) fn sum_of_lanes<T: Float>(mut lanes: [T; LANES]) -> T {
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for l in 0..width {
            lanes[l] += lanes[l + width];
        }
    }
    lanes[0]
}

/// Where [`prefetch`] brings a line: x86-64's hints T0, into all caches, and T1, into L2 and beyond.
pub(crate) const TO_L1: i32 = 3;
pub(crate) const TO_L2: i32 = 2;

/// Asks for the cache line at `at`, which need not be memory of ours.
#[inline(always)]
pub(crate) fn prefetch<const HINT: i32, T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which every processor of the architecture has; it never faults.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<HINT>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

/// Asks for all cache lines of a row that lies apart from the one before it.
#[inline(always)]
pub(crate) fn prefetch_row<T: Float>(row: &[T]) {
    row.iter().step_by(LINE / size_of::<T>()).for_each(|value| prefetch::<TO_L1, T>(value));
}

/// Sixteen `T` in registers.
///
/// The types for AVX2 and AVX-512 may only be used in code that was chosen by [`super::simd::isa`].
pub trait Lanes<T>: Copy {
    /// All lanes equal.
    fn splat(x: T) -> Self;
    /// The lanes from memory.
    ///
    /// # Safety
    /// [`LANES`] elements are readable at `from`; any alignment.
    unsafe fn load(from: *const T) -> Self;
    /// The lanes of an array.
    #[inline(always)]
    fn of(array: &[T; LANES]) -> Self {
        // SAFETY: the array has as many elements.
        unsafe { Self::load(array.as_ptr()) }
    }
    /// The lanes to memory.
    ///
    /// # Safety
    /// [`LANES`] elements are writable at `to`; any alignment.
    unsafe fn store(self, to: *mut T);
    /// `self · factor + addend`, lane by lane.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// `self + other`, lane by lane.
    fn add(self, other: Self) -> Self;
    /// `self / other`, lane by lane.
    fn div(self, other: Self) -> Self;
    /// The larger of `self` and `other`, lane by lane; NaN where `other` is NaN.
    fn at_least(self, other: Self) -> Self;
    /// The sum of all lanes, upper halves added to lower ones.
    fn sum(self) -> T;
}

/// An element type's registers for one kind of arithmetic.
pub trait Registers<A>: Sized {
    /// Sixteen elements.
    type Lanes: Lanes<Self>;
}

/// Lanes of which only the first `width` are in memory.
///
/// # Safety
/// `width ≤ LANES` elements are readable at `from`.
#[inline(always)]
pub(crate) unsafe fn load_first<T: Float, A: Arithmetic>(from: *const T, width: usize) -> A::Lanes<T> {
    // SAFETY: as the caller promises; the array is whole.
    unsafe {
        if width == LANES {
            return A::Lanes::<T>::load(from);
        }
        let mut lanes = [T::ZERO; LANES];
        std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), width);
        A::Lanes::<T>::load(lanes.as_ptr())
    }
}

/// Stores the first `width` lanes.
///
/// # Safety
/// `width ≤ LANES` elements are writable at `to`.
#[inline(always)]
pub(crate) unsafe fn store_first<T: Float, A: Arithmetic>(lanes: A::Lanes<T>, to: *mut T, width: usize) {
    // SAFETY: as the caller promises; the array is whole.
    unsafe {
        if width == LANES {
            return lanes.store(to);
        }
        let mut array = [T::ZERO; LANES];
        lanes.store(array.as_mut_ptr());
        std::ptr::copy_nonoverlapping(array.as_ptr(), to, width);
    }
}

/// Implements [`Lanes`] for `N` registers of `WIDTH` elements through the named intrinsics.
macro_rules! registers {
    ($arch:ident, $t:ty, $arithmetic:ty, $register:ident, $n:literal, $splat:ident, $load:ident, $store:ident, $add:ident,
     $div:ident, $max:ident, |$a:ident, $b:ident, $c:ident| $mul_add:expr $(, $sum:ident)?) => {
        const _: () = {
            use std::arch::$arch::*;

            const WIDTH: usize = LANES / $n;

            #[derive(Clone, Copy)]
            pub struct Packed([$register; $n]);

            impl Registers<$arithmetic> for $t {
                type Lanes = Packed;
            }

            // SAFETY (all blocks): the type is reached only through code compiled for its instruction set; loads and
            // stores are of memory that the caller vouches for.
            #[allow(unused_unsafe, clippy::undocumented_unsafe_blocks)]
            impl Lanes<$t> for Packed {
                #[inline(always)]
                fn splat(x: $t) -> Self {
                    Packed([unsafe { $splat(x) }; $n])
                }
                #[inline(always)]
                unsafe fn load(from: *const $t) -> Self {
                    Packed(std::array::from_fn(|i| unsafe { $load(from.add(i * WIDTH)) }))
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut $t) {
                    for i in 0..$n {
                        unsafe { $store(to.add(i * WIDTH), self.0[i]) }
                    }
                }
                #[inline(always)]
                fn mul_add(mut self, factor: Self, addend: Self) -> Self {
                    for i in 0..$n {
                        let ($a, $b, $c) = (self.0[i], factor.0[i], addend.0[i]);
                        self.0[i] = unsafe { $mul_add };
                    }
                    self
                }
                #[inline(always)]
                fn add(mut self, other: Self) -> Self {
                    for i in 0..$n {
                        self.0[i] = unsafe { $add(self.0[i], other.0[i]) };
                    }
                    self
                }
                #[inline(always)]
                fn div(mut self, other: Self) -> Self {
                    for i in 0..$n {
                        self.0[i] = unsafe { $div(self.0[i], other.0[i]) };
                    }
                    self
                }
                #[inline(always)]
                fn at_least(mut self, other: Self) -> Self {
                    for i in 0..$n {
                        self.0[i] = unsafe { $max(self.0[i], other.0[i]) };
                    }
                    self
                }
                #[inline(always)]
                fn sum(self) -> $t {
                    $(return unsafe { $sum(self.0) };)?
                    #[allow(unreachable_code)]
                    {
                        let mut lanes = [0.0; LANES];
                        unsafe { self.store(lanes.as_mut_ptr()) };
                        sum_of_lanes(lanes)
                    }
                }
            }
        };
    };
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::x86_64::*;

    use super::*;

    /// [`Lanes::sum`] of two registers, without a way through memory.
    ///
    /// # Safety
    /// The processor has AVX2.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn sum_of_two([lower, upper]: [__m256; 2]) -> f32 {
        let eight = _mm256_add_ps(lower, upper);
        let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }

    /// The same of one register.
    ///
    /// # Safety
    /// The processor has AVX-512.
    #[inline]
    #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
    unsafe fn sum_of_one([all]: [__m512; 1]) -> f32 {
        // SAFETY: AVX2 comes with AVX-512.
        unsafe { sum_of_two([_mm512_castps512_ps256(all), _mm512_extractf32x8_ps::<1>(all)]) }
    }

    registers!(
        x86_64,
        f32,
        Separate,
        __m128,
        4,
        _mm_set1_ps,
        _mm_loadu_ps,
        _mm_storeu_ps,
        _mm_add_ps,
        _mm_div_ps,
        _mm_max_ps,
        |a, b, c| _mm_add_ps(_mm_mul_ps(a, b), c)
    );
    registers!(
        x86_64,
        f64,
        Separate,
        __m128d,
        8,
        _mm_set1_pd,
        _mm_loadu_pd,
        _mm_storeu_pd,
        _mm_add_pd,
        _mm_div_pd,
        _mm_max_pd,
        |a, b, c| _mm_add_pd(_mm_mul_pd(a, b), c)
    );
    registers!(
        x86_64,
        f32,
        Fused,
        __m256,
        2,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_add_ps,
        _mm256_div_ps,
        _mm256_max_ps,
        |a, b, c| _mm256_fmadd_ps(a, b, c),
        sum_of_two
    );
    registers!(
        x86_64,
        f64,
        Fused,
        __m256d,
        4,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_add_pd,
        _mm256_div_pd,
        _mm256_max_pd,
        |a, b, c| _mm256_fmadd_pd(a, b, c)
    );
    registers!(
        x86_64,
        f32,
        FusedWide,
        __m512,
        1,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_add_ps,
        _mm512_div_ps,
        _mm512_max_ps,
        |a, b, c| _mm512_fmadd_ps(a, b, c),
        sum_of_one
    );
    registers!(
        x86_64,
        f64,
        FusedWide,
        __m512d,
        2,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_add_pd,
        _mm512_div_pd,
        _mm512_max_pd,
        |a, b, c| _mm512_fmadd_pd(a, b, c)
    );
}

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    use super::*;

    registers!(
        aarch64,
        f32,
        Fused,
        float32x4_t,
        4,
        vdupq_n_f32,
        vld1q_f32,
        vst1q_f32,
        vaddq_f32,
        vdivq_f32,
        vmaxq_f32,
        |a, b, c| vfmaq_f32(c, a, b)
    );
    registers!(
        aarch64,
        f64,
        Fused,
        float64x2_t,
        8,
        vdupq_n_f64,
        vld1q_f64,
        vst1q_f64,
        vaddq_f64,
        vdivq_f64,
        vmaxq_f64,
        |a, b, c| vfmaq_f64(c, a, b)
    );
}

/// Plain arrays, for processors that have no registers named here.
#[cfg(not(target_arch = "x86_64"))]
mod plain {
    use super::*;
    use crate::Float;
    use crate::cpu::simd::Arithmetic;

    /// Sixteen elements, and the arithmetic that they are multiplied with.
    #[derive(Clone, Copy)]
    pub struct Array<T, A>([T; LANES], std::marker::PhantomData<A>);

    macro_rules! arrays {
        ($($t:ty, $arithmetic:ty);*) => { $(
            impl Registers<$arithmetic> for $t {
                type Lanes = Array<$t, $arithmetic>;
            }
        )* };
    }
    arrays!(f32, Separate; f64, Separate; f32, FusedWide; f64, FusedWide);
    #[cfg(not(target_arch = "aarch64"))]
    arrays!(f32, Fused; f64, Fused);

    impl<T: Float, A: Arithmetic + Copy> Lanes<T> for Array<T, A> {
        #[inline(always)]
        fn splat(x: T) -> Self {
            Array([x; LANES], std::marker::PhantomData)
        }
        #[inline(always)]
        unsafe fn load(from: *const T) -> Self {
            // SAFETY: the caller's promise; a read of any alignment.
            Array(unsafe { from.cast::<[T; LANES]>().read_unaligned() }, std::marker::PhantomData)
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut T) {
            // SAFETY: the caller's promise; a write of any alignment.
            unsafe { to.cast::<[T; LANES]>().write_unaligned(self.0) }
        }
        #[inline(always)]
        fn mul_add(mut self, factor: Self, addend: Self) -> Self {
            (0..LANES).for_each(|j| self.0[j] = A::mul_add(self.0[j], factor.0[j], addend.0[j]));
            self
        }
        #[inline(always)]
        fn add(mut self, other: Self) -> Self {
            (0..LANES).for_each(|j| self.0[j] += other.0[j]);
            self
        }
        #[inline(always)]
        fn div(mut self, other: Self) -> Self {
            (0..LANES).for_each(|j| self.0[j] /= other.0[j]);
            self
        }
        #[inline(always)]
        fn at_least(mut self, other: Self) -> Self {
            (0..LANES).for_each(|j| self.0[j] = self.0[j].at_least(other.0[j]));
            self
        }
        #[inline(always)]
        fn sum(self) -> T {
            sum_of_lanes(self.0)
        }
    }
}
