//! Latents to decode: draws from the prior, and the other strategies of the original study, each under its own name.

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::rng;

/// The random stream of samples; streams of training and initialisation lie elsewhere.
const STREAM: u64 = 1 << 40;

/// `n` draws from N(0, I), `(n, width)`.
pub fn prior(n: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut latents = vec![0.0; n * width];
    rng::fill_normal(&Team::solo(), seed, STREAM, 0, &mut latents);
    latents
}
