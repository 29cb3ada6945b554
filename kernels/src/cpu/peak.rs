//! What the arithmetic units can do at most, as the measure for everything else.

use std::hint::black_box;
use std::time::Instant;

use super::lanes::{LANES, Lanes};
use crate::multiversion;

/// Sums that are under way at a time: a processor starts two fused operations a cycle and takes four or five cycles for
/// each, so eight to ten registers keep it busy. [`LANES`] `f32` fill two AVX2 registers or one of AVX-512.
const SUMS: usize = 6;
const SUMS_WIDE: usize = 12;

multiversion! {
    /// Multiplies and adds `rounds` times into each of the sums, in registers alone. Returns the operations done and
    /// something that depends on all of them.
    fn spin<T: Float, A: Arithmetic>(rounds: usize, factor: T) -> (usize, T) {
        let count = if A::WIDE { SUMS_WIDE } else { SUMS };
        let (factor, one) = (A::Lanes::<T>::splat(factor), A::Lanes::<T>::splat(T::ONE));
        let mut sums = [one; SUMS_WIDE];
        for _ in 0..rounds {
            sums[..count].iter_mut().for_each(|sum| *sum = sum.mul_add(factor, one));
        }
        let mut out = [T::ZERO; LANES];
        let total = sums.into_iter().reduce(|a, b| a.add(b)).unwrap_or(one);
        // SAFETY: `out` holds as many elements as are stored.
        unsafe { total.store(out.as_mut_ptr()) };
        (2 * LANES * count * rounds, out[0])
    }
}

/// Billions of `f32` operations a second that `threads` threads reach together when they do nothing but multiply and add:
/// the best of five tries of some ten milliseconds.
pub fn peak_gflops(threads: usize) -> f64 {
    const ROUNDS: usize = 1 << 18;
    let measure = || {
        let started = Instant::now();
        let operations: usize = std::thread::scope(|scope| {
            let work = || black_box(spin(black_box(ROUNDS), black_box(0.5f32))).0;
            let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            work() + helpers.into_iter().map(|helper| helper.join().expect("nothing here panics")).sum::<usize>()
        });
        operations as f64 / started.elapsed().as_secs_f64() / 1e9
    };
    (0..5).map(|_| measure()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_come_to_their_fixed_point() {
        // x ← x/2 + 1 has the fixed point 2; all sums are added up.
        let (operations, total) = spin(100, 0.5f64);
        let count = operations / (2 * LANES * 100);
        assert!(count == SUMS || count == SUMS_WIDE);
        assert!((total - (2 * count + (SUMS_WIDE - count)) as f64).abs() < 1e-9, "{total}");
        assert!(peak_gflops(1) > 0.0);
    }
}
