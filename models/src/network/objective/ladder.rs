//! Two levels of latents, the ladder VAE (Sønderby et al. 2016): above z₁, which is decoded, a smaller z₂ says where z₁ lies,
//!
//! p(z₂) = N(0, I),   p(z₁|z₂) = N(μ_p, σ_p²) with μ_p and σ_p of z₂,   p(x|z₁).
//!
//! A drawing is coded upwards, then downwards: the encoder's N(μ̂, σ̂²) says what the drawing tells of z₁, from it comes q(z₂|x), and on
//! the way down that is joined with what z₂ tells of z₁, each weighed by its precision,
//!
//! q(z₁|x, z₂) = N(σ²·(μ̂/σ̂² + μ_p/σ_p²), σ²),   σ² = 1 / (1/σ̂² + 1/σ_p²).
//!
//! Minimised is −ln p(x|z₁) + β·(KL(q(z₂|x) ‖ p(z₂)) + KL(q(z₁|x, z₂) ‖ p(z₁|z₂))).
//!
//! Both levels are coded in units of their prior, u₂ = z₂ and u₁ = (z₁ − μ_p) / σ_p: so a code (u₂, u₁) has the prior N(0, I) like that
//! of any other VAE, and whatever draws, compares or walks among codes needs not know of levels. Divergences stay what they are under a map
//! that is affine. With a = ln σ̂² − ln σ_p² and the logistic function s,
//!
//! q(u₁|x, u₂) = N(s(−a)·(μ̂ − μ_p)/σ_p, s(a)),   ln s(a) = −softplus(−a).
//!
//! The paper's levels are of one deterministic network with batch normalisation; here the encoder of the model is the way up to z₁,
//! and an MLP goes on to z₂.

use inkgrad_engine::nn::Mlp;
use inkgrad_engine::{Float, Params, Result, Tape, Tensor};

use super::{Coded, Objective, Time, draw};
use crate::model::config::Config;
use crate::model::{Kind, ModelOption, Sizes, Training, Value};
use crate::network::sizes::{Count, MOST, whole};

/// Numbers of the upper latent.
pub(in crate::network) const TOP: ModelOption = ModelOption {
    name: "top_latent",
    help: "numbers of the upper of two latents, of the objective ladder",
    kind: Kind::IfGiven(&Kind::Whole { default: 16, least: 1, most: MOST }),
};

/// Units of the hidden layer of each MLP between the levels.
const HIDDEN: usize = 128;
/// How the names of each way's parameters begin.
const UP: &str = "ladder.up";
const DOWN: &str = "ladder.down";

/// The ways between the levels.
#[derive(Debug, Clone)]
pub(in crate::network) struct Ladder {
    /// (μ̂, ln σ̂²) to (μ₂, ln σ₂²).
    up: Mlp,
    /// z₂ to (μ_p, ln σ_p²).
    down: Mlp,
    /// Numbers of z₂.
    top: usize,
}

/// A Gaussian's mean and log-variance.
type Gaussian = (Tensor, Tensor);

impl Ladder {
    /// Numbers of a code, of both levels.
    pub(super) fn width(&self, latent: usize) -> usize {
        self.top + latent
    }

    /// The widths of the way up, and of that down.
    fn widths(config: &Config, latent: usize) -> [[usize; 3]; 2] {
        let top = whole(config, &TOP);
        [[2 * latent, HIDDEN, 2 * top], [top, HIDDEN, 2 * latent]]
    }

    /// Adds the parameters.
    pub(super) fn count(count: Count, config: &Config, latent: usize) -> Count {
        let layers = Self::widths(config, latent).into_iter().flat_map(|[a, b, c]| [(a, b), (b, c)]);
        layers.fold(count, |count, (inputs, out)| count.linear(inputs, out))
    }

    pub(super) fn new<T: Float>(config: &Config, latent: usize, params: &mut Params<T>) -> Self {
        let [up, down] = Self::widths(config, latent);
        Ladder { up: Mlp::new(params, UP, &up), down: Mlp::new(params, DOWN, &down), top: whole(config, &TOP) }
    }

    /// Reads the upper latent's width from weights.
    pub(in crate::network) fn sizes(sizes: &mut Sizes<'_>) {
        let first = format!("{DOWN}.0.weight");
        if let Some(top) = sizes.extent(&first, 1) {
            sizes.found(&super::OBJECTIVE, Value::Text("ladder".to_owned()), &first);
            sizes.found(&TOP, Value::Whole(top as u64), &first);
        }
    }

    /// q(z₂|x) of what the encoder says of z₁.
    fn upper<T: Float>(&self, tape: &mut Tape<T>, (mu, logvar): Gaussian) -> Result<Gaussian> {
        let both = tape.concat(mu, logvar)?;
        given(&self.up, tape, both)
    }

    /// p(z₁|z₂).
    fn prior<T: Float>(&self, tape: &mut Tape<T>, top: Tensor) -> Result<Gaussian> {
        given(&self.down, tape, top)
    }

    /// q(u₁|x, u₂) of what the encoder and what the upper level say of z₁.
    fn lower<T: Float>(tape: &mut Tape<T>, encoder: Gaussian, prior: Gaussian) -> Result<Gaussian> {
        let away = tape.sub(encoder.0, prior.0)?;
        let precision = tape.scale(prior.1, -0.5)?;
        let precision = tape.exp(precision)?;
        let away = tape.mul(away, precision)?;
        let against = tape.sub(prior.1, encoder.1)?; // −a
        let share = tape.sigmoid(against)?;
        let logvar = tape.softplus(against)?;
        Ok((tape.mul(share, away)?, tape.neg(logvar)?))
    }

    /// The distribution of a drawing's code, `(B, top + latent)`, that of u₁ at the mean of u₂.
    pub(super) fn code<T: Float>(&self, tape: &mut Tape<T>, encoder: Gaussian) -> Result<Gaussian> {
        let upper = self.upper(tape, encoder)?;
        let prior = self.prior(tape, upper.0)?;
        let lower = Self::lower(tape, encoder, prior)?;
        joined(tape, upper, lower)
    }

    /// z₁ of codes `(B, top + latent)`.
    pub(super) fn lowest<T: Float>(&self, tape: &mut Tape<T>, code: Tensor) -> Result<Tensor> {
        let width = tape.shape(code).dims()[1];
        let top = tape.slice(code, 1, 0..self.top)?;
        let rest = tape.slice(code, 1, self.top..width)?;
        let (mu, logvar) = self.prior(tape, top)?;
        tape.reparameterize_with(mu, logvar, rest)
    }
}

/// The Gaussian that an MLP makes of `x`.
fn given<T: Float>(mlp: &Mlp, tape: &mut Tape<T>, x: Tensor) -> Result<Gaussian> {
    let both = mlp.forward(tape, x)?;
    let [mu, logvar] = tape.chunk(both, 1)?;
    Ok((mu, logvar))
}

/// The Gaussian of both levels.
fn joined<T: Float>(tape: &mut Tape<T>, upper: Gaussian, lower: Gaussian) -> Result<Gaussian> {
    Ok((tape.concat(upper.0, lower.0)?, tape.concat(upper.1, lower.1)?))
}

/// Records the loss, summed over a batch; `noise: (B, top + latent)` where it is given.
pub(super) fn record<T: Float>(
    objective: &Objective,
    tape: &mut Tape<T>,
    coded: &Coded<'_, T>,
    ladder: &Ladder,
    noise: Option<Tensor>,
    time: Time,
) -> crate::Result<Training> {
    let encoder = coded.gaussian();
    let latent = tape.shape(encoder.0).dims()[1];
    let noise = |tape: &mut Tape<T>, range| noise.map(|noise| tape.slice(noise, 1, range)).transpose();
    let upper = ladder.upper(tape, encoder)?;
    let given = noise(tape, 0..ladder.top)?;
    let top = draw(tape, upper, given)?;
    let prior = ladder.prior(tape, top)?;
    let lower = Ladder::lower(tape, encoder, prior)?;
    let given = noise(tape, ladder.top..ladder.top + latent)?;
    let rest = draw(tape, lower, given)?;
    let z = tape.reparameterize_with(prior.0, prior.1, rest)?;
    let nll = coded.nll(tape, objective.likelihood, z)?;
    let (mu, logvar) = joined(tape, upper, lower)?;
    let kl = tape.gaussian_kl(mu, logvar)?;
    let above = tape.gaussian_kl(upper.0, upper.1)?;
    objective.weighed(tape, coded, nll, [mu, logvar], &[("kl", kl), ("top_kl", above)], time)
}
