//! Random numbers by counter: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2,
//! 3", 2011).
//!
//! A draw is a pure function of (seed, stream, index), with no state to carry: any number of threads, any chunking
//! and any device draws the same numbers, and a resumed run continues by its index.

use std::f64::consts::TAU;

use super::team::Team;
use crate::Float;

/// Values of a task.
const PIECE: usize = 1024;

/// One stream of random blocks of four 32-bit words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Philox {
    key: [u32; 2],
    stream: [u32; 2],
}

impl Philox {
    /// The generator whose key is `seed` and whose counters hold `stream` in their upper half.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self { key: halves(seed), stream: halves(stream) }
    }

    /// Block `counter` of this stream: ten rounds on the counter words (counter low, high, stream low, high) under the
    /// key (seed low, high).
    pub fn block(&self, counter: u64) -> [u32; 4] {
        let ([c0, c1], [c2, c3]) = (halves(counter), self.stream);
        rounds([c0, c1, c2, c3], self.key)
    }

    /// Four independent standard normal values from block `counter`, in f64.
    ///
    /// Box and Muller's formula on the block's words r: with u = (r₀ + ½)·2⁻³² and θ = 2π·r₁·2⁻³², the first two are
    /// √(−2 ln u)·cos θ and √(−2 ln u)·sin θ; r₂ and r₃ give the other two in the same way.
    pub fn normals(&self, counter: u64) -> [f64; 4] {
        const UNIT: f64 = 1.0 / 4_294_967_296.0;
        let [r0, r1, r2, r3] = self.block(counter).map(f64::from);
        let pair = |r: f64, turn: f64| {
            let radius = (-2.0 * ((r + 0.5) * UNIT).ln()).sqrt();
            let (sin, cos) = (TAU * (turn * UNIT)).sin_cos();
            [radius * cos, radius * sin]
        };
        let ([a, b], [c, d]) = (pair(r0, r1), pair(r2, r3));
        [a, b, c, d]
    }

    /// Four independent values uniform on [0, 1) from block `counter`: (r >> 8)·2⁻²⁴ for each word r, exact in `f32`.
    pub fn uniforms(&self, counter: u64) -> [f64; 4] {
        self.block(counter).map(|r| f64::from(r >> 8) / 16_777_216.0)
    }
}

/// The low and the high word.
fn halves(x: u64) -> [u32; 2] {
    [x as u32, (x >> 32) as u32]
}

/// The ten rounds of Philox4x32.
fn rounds(mut c: [u32; 4], [mut k0, mut k1]: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let [low0, high0] = halves(0xD251_1F53 * u64::from(c[0]));
        let [low1, high1] = halves(0xCD9E_8D57 * u64::from(c[2]));
        c = [high1 ^ c[1] ^ k0, low1, high0 ^ c[3] ^ k1, low0];
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
    }
    c
}

/// Standard normal values: element i is value (first + i) of (seed, stream), which is number (first + i) mod 4 of
/// [`Philox::normals`] of block (first + i) / 4, rounded to `T`.
pub fn fill_normal<T: Float>(team: &Team, seed: u64, stream: u64, first: u64, out: &mut [T]) {
    let philox = Philox::new(seed, stream);
    fill(team, first, out, |counter| philox.normals(counter));
}

/// Values uniform on [0, 1): element i is value (first + i) of (seed, stream), which is number (first + i) mod 4 of
/// [`Philox::uniforms`] of block (first + i) / 4.
pub fn fill_uniform<T: Float>(team: &Team, seed: u64, stream: u64, first: u64, out: &mut [T]) {
    let philox = Philox::new(seed, stream);
    fill(team, first, out, |counter| philox.uniforms(counter));
}

/// Lays the values of consecutive blocks end to end, from value `first` on.
fn fill<T: Float>(team: &Team, first: u64, out: &mut [T], block: impl Fn(u64) -> [f64; 4] + Sync) {
    team.pieces([(out, PIECE)], |i, [mut out]| {
        let mut next = first + (i * PIECE) as u64;
        while !out.is_empty() {
            let skip = (next % 4) as usize;
            let (now, later) = out.split_at_mut(out.len().min(4 - skip));
            for (out, value) in now.iter_mut().zip(&block(next / 4)[skip..]) {
                *out = T::from_f64(*value);
            }
            next += now.len() as u64;
            out = later;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Pool;

    #[test]
    fn known_answers() {
        // kat_vectors of Random123 1.09, philox4x32 10.
        let ones = u32::MAX;
        for (counter, key, expected) in [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([ones; 4], [ones; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            assert_eq!(rounds(counter, key), expected);
        }
        let philox = Philox::new(0x299f_31d0_a409_3822, 0x0370_7344_1319_8a2e);
        assert_eq!(philox.block(0x85a3_08d3_243f_6a88)[0], 0xd16c_fe09);
    }

    #[test]
    fn values_do_not_depend_on_chunking_or_threads() {
        let mut whole = vec![0.0f32; 5000];
        fill_normal(&Team::solo(), 7, 3, 0, &mut whole);
        for first in [0, 1, 2, 3, 4, 1021, 4099] {
            let mut part = vec![0.0f32; 5000 - first];
            Pool::new(3).enter(|team| fill_normal(team, 7, 3, first as u64, &mut part));
            assert_eq!(part, whole[first..]);
        }
        let mut uniform = vec![0.0f64; 11];
        fill_uniform(&Team::solo(), 7, 3, 0, &mut uniform);
        let mut part = vec![0.0f64; 6];
        fill_uniform(&Team::solo(), 7, 3, 5, &mut part);
        assert_eq!(part, uniform[5..]);
    }

    #[test]
    fn streams_and_seeds_differ() {
        let draw = |seed, stream| Philox::new(seed, stream).block(0);
        assert_ne!(draw(1, 0), draw(2, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
        assert_ne!(draw(1, 0), draw(1 << 32, 0));
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let n = 400_000;
        let mut x = vec![0.0f64; n];
        let moment = |x: &[f64], p: i32| x.iter().map(|x| x.powi(p)).sum::<f64>() / n as f64;
        fill_normal(&Team::solo(), 42, 0, 0, &mut x);
        // Five standard errors each: √(1/n), √(2/n), √(15/n), √(96/n).
        for (p, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
            let error = moment(&x, p) - expected;
            assert!(error.abs() < 5.0 * f64::sqrt(variance / n as f64), "moment {p} off by {error}");
        }
        let neighbours: f64 = x.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / n as f64;
        assert!(neighbours.abs() < 5.0 / (n as f64).sqrt());
        fill_uniform(&Team::solo(), 42, 0, 0, &mut x);
        assert!(x.iter().all(|x| (0.0..1.0).contains(x)));
        assert!((moment(&x, 1) - 0.5).abs() < 5.0 * f64::sqrt(1.0 / 12.0 / n as f64));
    }
}
