//! The importance-weighted bound (Burda, Grosse and Salakhutdinov 2016, equation 8) on ln p(x), with K samples z_k ~ q(z|x):
//!
//! L_K = ln 1/K Σ_k w_k,   ln w_k = ln p(x|z_k) + ln p(z_k) − ln q(z_k|x)
//!
//! L_1 is the ELBO in expectation, and L_K rises to ln p(x). Gradients go through z_k = μ + σ·ε_k. In
//!
//! ln p(z) − ln q(z|x) = ½ Σ_j ((z_j − μ_j)² / σ_j² + ln σ_j² − z_j²)
//!
//! the constants of both Gaussians cancel.
//!
//! The gradient of L_K with regard to the encoder loses itself in noise as K grows (Rainforth et al. 2018). The doubly reparameterised
//! one (Tucker, Lawson, Gu and Maddison 2019, equation 8) has the same expectation and less noise: with w̃_k = w_k / Σ_l w_l and ∂ at
//! fixed parameters of q,
//!
//! ∇_φ L_K = E Σ_k w̃_k² · ∂ln w_k/∂z_k · ∂z_k/∂φ
//!
//! and the decoder's is as before, Σ_k w̃_k · ∂ln w_k/∂θ. Of one sample it is the gradient of Roeder, Wu and Duvenaud (2017). On the
//! tape μ and σ² of q's density are detached, and the gradient that comes back to z_k from ln w_k, which L_K weighs by w̃_k, is weighed
//! by w̃_k again: z_k is replaced by detach(z_k) + (w̃_k·z_k − detach(w̃_k·z_k)), which is z_k. The weights have to be known by then, so
//! that the samples are decoded twice, the first time without a backward. L_K stays the loss's value; its gradient is no longer that of
//! the value for one draw of noise, but in expectation.

use inkgrad_engine::{Float, Tape, Tensor};

use super::{Coded, Objective, constant, draw};
use crate::Result;
use crate::model::Training;

/// `x: (B, D)` to `(B·K, D)`, each row K times.
fn repeated<T: Float>(tape: &mut Tape<T>, x: Tensor, samples: usize) -> Result<Tensor> {
    let [batch, width] = *tape.shape(x).dims() else { unreachable!("(B, D)") };
    let x = tape.repeat(x, samples)?;
    Ok(tape.reshape(x, [batch * samples, width])?)
}

/// Records −L_K, summed over a batch; `noise: (B·K, latent)` where it is given. The gradient is doubly reparameterised where `doubly`
/// says so.
pub(super) fn record<T: Float>(
    objective: &Objective,
    tape: &mut Tape<T>,
    coded: &Coded<'_, T>,
    (samples, doubly): (usize, bool),
    noise: Option<Tensor>,
) -> Result<Training> {
    let &Coded { batch, labels, .. } = coded;
    let (mu, logvar) = coded.gaussian();
    let rows = batch * samples;
    let (mut many_mu, mut many_logvar) = (repeated(tape, mu, samples)?, repeated(tape, logvar, samples)?);
    let many_labels = match labels {
        None => None,
        Some(labels) => {
            let column = tape.reshape(labels, [batch, 1])?;
            let many = repeated(tape, column, samples)?;
            Some(tape.reshape(many, [rows])?)
        }
    };
    let mut z = draw(tape, (many_mu, many_logvar), noise)?;
    if doubly {
        let constants = [tape.detach(many_mu)?, tape.detach(many_logvar)?];
        let constant_z = tape.detach(z)?;
        let (weights, _) = weigh(objective, tape, coded, constants, constant_z, many_labels)?;
        let weights = tape.reshape(weights, [batch, samples])?;
        let shares = tape.softmax(weights)?;
        let shares = tape.detach(shares)?;
        let shares = tape.reshape(shares, [rows, 1])?;
        let weighed = tape.mul(z, shares)?;
        let constant = tape.detach(weighed)?;
        let nothing = tape.sub(weighed, constant)?;
        z = tape.add(constant_z, nothing)?;
        [many_mu, many_logvar] = constants;
    }
    let (weights, nll) = weigh(objective, tape, coded, [many_mu, many_logvar], z, many_labels)?;
    let weights = tape.reshape(weights, [batch, samples])?;
    let bounds = tape.logsumexp(weights)?; // (B), each L_K + ln K
    let bound = tape.sum(bounds)?;
    let count = constant(tape, bound, batch as f64 * (samples as f64).ln())?;
    let loss = tape.sub(count, bound)?;

    let nll = tape.sum(nll)?;
    let nll = tape.scale(nll, 1.0 / samples as f64)?;
    let kl = tape.gaussian_kl(mu, logvar)?;
    Ok(coded.training(loss, objective.likelihood, nll).term("kl", kl))
}

/// ln w_k and −ln p(x|z_k), `(B·K)` each, of `z: (B·K, latent)` drawn from N(μ, σ²).
fn weigh<T: Float>(
    objective: &Objective,
    tape: &mut Tape<T>,
    coded: &Coded<'_, T>,
    [mu, logvar]: [Tensor; 2],
    z: Tensor,
    labels: Option<Tensor>,
) -> Result<(Tensor, Tensor)> {
    let &Coded { batch, images, .. } = coded;
    let logits = (coded.decode)(tape, z, labels)?;
    let (rows, pixels) = (tape.shape(z).first(), tape.shape(images).len() / batch);
    let (logits, flat) = (tape.reshape(logits, [rows, pixels])?, tape.reshape(images, [batch, pixels])?);
    let targets = repeated(tape, flat, rows / batch)?;
    let nll = objective.likelihood.rows(tape, logits, targets)?;

    // ½ Σ_j ((z − μ)² e^{−logσ²} + logσ² − z²)
    let away = tape.sub(z, mu)?;
    let negative = tape.neg(logvar)?;
    let precision = tape.exp(negative)?;
    let away = tape.mul(away, away)?;
    let away = tape.mul(away, precision)?;
    let sum = tape.add(away, logvar)?;
    let square = tape.mul(z, z)?;
    let sum = tape.sub(sum, square)?;
    let sum = tape.sum_axis(sum, 1)?;
    let ratio = tape.scale(sum, 0.5)?;
    Ok((tape.sub(ratio, nll)?, nll))
}
