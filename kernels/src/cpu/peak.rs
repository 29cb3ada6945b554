//! The peak rate of the arithmetic units: the measure for everything else.

use std::hint::black_box;
use std::thread::Builder;
use std::time::Instant;

use super::lanes::{LANES, Lanes};
use super::simd::Arithmetic;
use crate::{Float, multiversion};

/// Sums that are under way at a time: a processor starts two fused operations a cycle and takes four or five cycles for
/// each, so eight to ten registers keep it busy. [`LANES`] `f32` fill two AVX2 registers or one of AVX-512.
pub const SUMS: usize = 6;
/// The same with the registers of AVX-512.
pub const SUMS_WIDE: usize = 12;

multiversion! {
    /// x ← factor · x + 1 for as many of `sums` as registers hold, `rounds` times, in registers alone. Returns the
    /// operations done. Sums come from memory and go back there: the compiler would compute equal ones once, and leave
    /// out what nobody reads.
    pub fn spin<T: Float, A: Arithmetic>(rounds: usize, factor: T, sums: &mut [[T; LANES]; SUMS_WIDE]) -> usize {
        if A::WIDE { chains::<T, A, SUMS_WIDE>(rounds, factor, sums) } else { chains::<T, A, SUMS>(rounds, factor, sums) }
    }
}

/// [`spin`] for the first `N` sums.
#[inline(always)]
fn chains<T: Float, A: Arithmetic, const N: usize>(rounds: usize, factor: T, sums: &mut [[T; LANES]]) -> usize {
    let (factor, one) = (A::Lanes::<T>::splat(factor), A::Lanes::<T>::splat(T::ONE));
    let mut lanes: [A::Lanes<T>; N] = std::array::from_fn(|i| A::Lanes::<T>::of(&sums[i]));
    for _ in 0..rounds {
        for lanes in &mut lanes {
            *lanes = lanes.mul_add(factor, one);
        }
    }
    for (sum, lanes) in sums.iter_mut().zip(lanes) {
        // SAFETY: an array of sixteen.
        unsafe { lanes.store(sum.as_mut_ptr()) };
    }
    2 * LANES * N * rounds
}

/// Billions of `f32` operations a second that `threads` threads reach together when they do nothing but multiply and add:
/// the best of five tries of some ten milliseconds. Threads that the system doesn't start do nothing.
pub fn peak_gflops(threads: usize) -> f64 {
    const ROUNDS: usize = 1 << 18;
    let measure = || {
        let started = Instant::now();
        let operations: usize = std::thread::scope(|scope| {
            let work = || spin(black_box(ROUNDS), black_box(0.5f32), &mut [[1.0; LANES]; SUMS_WIDE]);
            let helpers: Vec<_> = (1..threads).map_while(|_| Builder::new().spawn_scoped(scope, work).ok()).collect();
            work() + helpers.into_iter().map(|helper| helper.join().expect("nothing here panics")).sum::<usize>()
        });
        operations as f64 / started.elapsed().as_secs_f64() / 1e9
    };
    (0..5).map(|_| measure()).fold(0.0, f64::max)
}
