//! The importance-weighted bound (Burda, Grosse and Salakhutdinov 2016, equation 8) on ln p(x), with K samples z_k ~ q(z|x):
//!
//! L_K = ln 1/K Σ_k w_k,   ln w_k = ln p(x|z_k) + ln p(z_k) − ln q(z_k|x)
//!
//! L_1 is the ELBO in expectation, and L_K rises to ln p(x). Gradients go through z_k = μ + σ·ε_k. In
//!
//! ln p(z) − ln q(z|x) = ½ Σ_j ((z_j − μ_j)² / σ_j² + ln σ_j² − z_j²)
//!
//! the constants of both Gaussians cancel.

use inkgrad_engine::{Float, Tape, Tensor};

use super::{Coded, Objective, constant};
use crate::Result;
use crate::model::Training;

/// `x: (B, D)` to `(B·K, D)`, each row K times.
fn repeated<T: Float>(tape: &mut Tape<T>, x: Tensor, samples: usize) -> Result<Tensor> {
    let [batch, width] = *tape.shape(x).dims() else { unreachable!("(B, D)") };
    let x = tape.repeat(x, samples)?;
    Ok(tape.reshape(x, [batch * samples, width])?)
}

/// Records −L_K, summed over a batch; `noise: (B·K, latent)` where it is given.
pub(super) fn record<T: Float>(
    objective: &Objective,
    tape: &mut Tape<T>,
    coded: &Coded<'_, T>,
    samples: usize,
    noise: Option<Tensor>,
) -> Result<Training> {
    let &Coded { batch, images, labels, mu, logvar, .. } = coded;
    let rows = batch * samples;
    let (many_mu, many_logvar) = (repeated(tape, mu, samples)?, repeated(tape, logvar, samples)?);
    let many_labels = match labels {
        None => None,
        Some(labels) => {
            let column = tape.reshape(labels, [batch, 1])?;
            let many = repeated(tape, column, samples)?;
            Some(tape.reshape(many, [rows])?)
        }
    };
    let z = match noise {
        Some(noise) => tape.reparameterize_with(many_mu, many_logvar, noise)?,
        None => tape.reparameterize(many_mu, many_logvar)?,
    };
    let logits = (coded.decode)(tape, z, many_labels)?;
    let pixels = tape.shape(images).len() / batch;
    let (logits, flat) = (tape.reshape(logits, [rows, pixels])?, tape.reshape(images, [batch, pixels])?);
    let targets = repeated(tape, flat, samples)?;
    let nll = objective.likelihood.rows(tape, logits, targets)?; // (B·K)

    // ½ Σ_j ((z − μ)² e^{−logσ²} + logσ² − z²)
    let away = tape.sub(z, many_mu)?;
    let negative = tape.neg(many_logvar)?;
    let precision = tape.exp(negative)?;
    let away = tape.mul(away, away)?;
    let away = tape.mul(away, precision)?;
    let sum = tape.add(away, many_logvar)?;
    let square = tape.mul(z, z)?;
    let sum = tape.sub(sum, square)?;
    let sum = tape.sum_axis(sum, 1)?;
    let ratio = tape.scale(sum, 0.5)?; // (B·K)
    let weights = tape.sub(ratio, nll)?;
    let weights = tape.reshape(weights, [batch, samples])?;
    let bounds = tape.logsumexp(weights)?; // (B), each L_K + ln K
    let bound = tape.sum(bounds)?;
    let count = constant(tape, bound, batch as f64 * (samples as f64).ln())?;
    let loss = tape.sub(count, bound)?;

    let nll = tape.sum(nll)?;
    let nll = tape.scale(nll, 1.0 / samples as f64)?;
    let kl = tape.gaussian_kl(mu, logvar)?;
    Ok(Training::sum(images, loss, batch).labels(labels).term(objective.likelihood.term(), nll).term("kl", kl))
}
