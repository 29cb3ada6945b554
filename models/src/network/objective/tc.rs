//! β-TC-VAE (Chen, Li, Grosse and Duvenaud 2018, equation 4 with α = γ = 1): of the divergence's three parts only the total
//! correlation, the dependence between the latent's dimensions, is weighted by β:
//!
//! −ln p(x|z) + KL(q(z|x) ‖ p(z)) + (β − 1)·TC,   TC = KL(q(z) ‖ Π_j q(z_j))
//!
//! q(z) is estimated from the batch itself (their minibatch-weighted sampling, section 4.1):
//!
//! ln q(z_i) ≈ ln 1/B Σ_k q(z_i|x_k),   ln q(z_ij) ≈ ln 1/B Σ_k q(z_ij|x_k)
//!
//! The paper divides by the number of training drawings too, which moves TC by a constant and its gradient not at all.

use inkgrad_engine::{Float, Tape, Tensor};

use super::{Coded, Objective, constant, densities};
use crate::Result;
use crate::model::Training;

/// Records the loss, summed over a batch; `noise: (B, latent)` where it is given.
pub(super) fn record<T: Float>(
    objective: &Objective,
    tape: &mut Tape<T>,
    coded: &Coded<'_, T>,
    noise: Option<Tensor>,
) -> Result<Training> {
    let (mu, logvar) = coded.gaussian();
    let (z, nll) = coded.decoded(tape, objective.likelihood, noise)?;
    let kl = tape.gaussian_kl(mu, logvar)?;
    let tc = total_correlation(tape, z, mu, logvar)?;
    let weighted = tape.scale(tc, objective.divergence.beta - 1.0)?;
    let bound = tape.add(nll, kl)?;
    let loss = tape.add(bound, weighted)?;
    let training = coded.training(loss, objective.likelihood, nll);
    Ok(training.term("kl", kl).term("tc", tc))
}

/// Σ_i [ln q(z_i) − Σ_j ln q(z_ij)], all of `z`, `mu` and `logvar` `(B, L)`: a scalar.
fn total_correlation<T: Float>(tape: &mut Tape<T>, z: Tensor, mu: Tensor, logvar: Tensor) -> Result<Tensor> {
    let [batch, latent] = *tape.shape(z).dims() else { unreachable!("(B, latent)") };
    let densities = densities::of_each(tape, z, mu, logvar)?; // (B, L, B), k last
    let joint = tape.sum_axis(densities, 1)?; // (B, B)
    let joint = tape.logsumexp(joint)?;
    let joint = tape.sum(joint)?;
    let alone = tape.logsumexp(densities)?; // (B, L)
    let alone = tape.sum(alone)?;
    let tc = tape.sub(joint, alone)?;
    // Each logarithm less ln B: B of the joint ones, B·L of the others.
    let (n, l) = (batch as f64, latent as f64);
    let means = constant(tape, tc, n * (l - 1.0) * n.ln())?;
    Ok(tape.add(tc, means)?)
}
