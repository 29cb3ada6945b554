//! WAE-MMD (Tolstikhin, Bousquet, Gelly and Schölkopf 2018, algorithm 2): the batch's latents z_i ~ q(z|x_i) as a whole are drawn to
//! the prior, whose draws are z̃_i, not each one's distribution:
//!
//! −ln p(x|z) + λ·MMD²,   MMD² = 1/(n(n−1)) Σ_{i≠j} [k(z_i, z_j) + k(z̃_i, z̃_j)] − 2/n² Σ_{i,j} k(z_i, z̃_j)
//!
//! with inverse multiquadrics k(a, b) = Σ_s C_s / (C_s + ‖a − b‖²), C_s = 2·s·d for s of 0.1, 0.2, 0.5, 1, 2, 5 and 10 and d numbers
//! of a latent, as the paper's code has them. λ is β, which is 100 unless it is given ([`WEIGHT`]). The encoder stays Gaussian, as the paper allows (its section 3): without
//! the KL term nothing keeps its variances from zero but what decoding gains by noise.

use inkgrad_engine::ops::Transposed;
use inkgrad_engine::{Float, Tape, Tensor};

use super::{Coded, Objective, constant};
use crate::Result;
use crate::model::Training;

/// λ where none is given. The paper's code (tolstikhin/wae, `configs.py`, `wae.py`) minimises 0.05·‖x − x̂‖² + 10·MMD²: that is
/// ½‖x − x̂‖² + 100·MMD², the Gaussian likelihood's.
pub(super) const WEIGHT: f64 = 100.0;

const SCALES: [f64; 7] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// Records the loss, summed over a batch; `noise` and `prior`, `(B, latent)` each, where they are given.
pub(super) fn record<T: Float>(
    objective: &Objective,
    tape: &mut Tape<T>,
    coded: &Coded<'_, T>,
    noise: Option<Tensor>,
    prior: Option<Tensor>,
) -> Result<Training> {
    let (mu, logvar) = coded.gaussian();
    let (z, nll) = coded.decoded(tape, objective.likelihood, noise)?;
    let kl = tape.gaussian_kl(mu, logvar)?;
    let prior = match prior {
        Some(prior) => prior,
        None => {
            let zeros = tape.scale(mu, 0.0)?;
            tape.reparameterize(zeros, zeros)?
        }
    };
    let mmd = discrepancy(tape, z, prior)?;
    let weighted = tape.scale(mmd, objective.divergence.beta * coded.batch as f64)?;
    let loss = tape.add(nll, weighted)?;
    let training = coded.training(loss, objective.likelihood, nll);
    Ok(training.term("kl", kl).term_per("mmd", mmd, 1.0))
}

/// MMD² of `a: (n, d)` and `b: (n, d)`, a scalar. Of a single pair the first two sums are empty.
fn discrepancy<T: Float>(tape: &mut Tape<T>, a: Tensor, b: Tensor) -> Result<Tensor> {
    let n = tape.shape(a).first() as f64;
    let between = kernels(tape, a, b)?;
    let between = tape.scale(between, -2.0 / (n * n))?;
    if n < 2.0 {
        return Ok(between);
    }
    let mut within = [a, b];
    for x in &mut within {
        let all = kernels(tape, *x, *x)?;
        // k(x, x) = 1 for each scale.
        let own = constant(tape, all, n * SCALES.len() as f64)?;
        *x = tape.sub(all, own)?;
    }
    let within = tape.add(within[0], within[1])?;
    let within = tape.scale(within, 1.0 / (n * (n - 1.0)))?;
    Ok(tape.add(within, between)?)
}

/// Σ_{i,j} k(a_i, b_j).
fn kernels<T: Float>(tape: &mut Tape<T>, a: Tensor, b: Tensor) -> Result<Tensor> {
    let [n, latent] = *tape.shape(a).dims() else { unreachable!("(n, d)") };
    let mut norms = [a, b];
    for x in &mut norms {
        let square = tape.mul(*x, *x)?;
        *x = tape.sum_axis(square, 1)?;
    }
    let [rows, columns] = [tape.reshape(norms[0], [n, 1])?, tape.reshape(norms[1], [1, n])?];
    let norms = tape.add(rows, columns)?;
    let products = tape.matmul_with(a, b, Transposed { a: false, b: true })?;
    let twice = tape.scale(products, 2.0)?;
    let distances = tape.sub(norms, twice)?; // ‖a_i − b_j‖², (n, n)
    let mut sum = None;
    for scale in SCALES {
        let c = constant(tape, distances, 2.0 * scale * latent as f64)?;
        let below = tape.add(distances, c)?;
        let kernel = tape.div(c, below)?;
        let kernel = tape.sum(kernel)?;
        sum = Some(match sum {
            None => kernel,
            Some(sum) => tape.add(sum, kernel)?,
        });
    }
    Ok(sum.expect("seven scales"))
}
