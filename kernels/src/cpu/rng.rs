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

/// The ten rounds of Philox4x32 (Salmon et al. 2011).
pub fn rounds(mut c: [u32; 4], [mut k0, mut k1]: [u32; 2]) -> [u32; 4] {
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
