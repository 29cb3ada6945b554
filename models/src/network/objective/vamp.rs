//! The VampPrior (Tomczak and Welling 2018, equation 9): instead of N(0, I) the prior is the mean of what the encoder makes of K
//! pseudo-inputs u_k, pictures that are trained like any other parameter. With the aggregate posterior it shares that it is a
//! mixture of posteriors, and with few components it overfits less:
//!
//! −ln p(x|z) + β·(ln q(z|x) − ln p(z)),   p(z) = 1/K Σ_k q(z|u_k),   u_k = σ(w_k)
//!
//! There is no closed form of the divergence from a mixture, so that it is taken at the sample z ~ q(z|x) that is decoded too:
//! ln q(z|x) − ln p(z) is an estimate of it without bias, which may be below zero for one z. The paper's pixels are cut off at 0 and 1;
//! the sigmoid here keeps them between without an edge where gradients end.

use inkgrad_engine::{Float, Init, Param, Params, Tape, Tensor};

use super::{Coded, Objective, Time, densities};
use crate::Result;
use crate::data::Extents;
use crate::model::config::Config;
use crate::model::{Kind, ModelOption, Sizes, Training, Value};
use crate::network::sizes::{Count, MOST, whole};

/// The parameters' name.
const NAME: &str = "pseudo_inputs";

/// How many pseudo-inputs there are.
pub(in crate::network) const PSEUDO_INPUTS: ModelOption = ModelOption {
    name: NAME,
    help: "pictures whose codes are the prior, of the objective vamp",
    kind: Kind::IfGiven(&Kind::Whole { default: 128, least: 1, most: MOST }),
};

/// Pictures that are parameters: (K, C, H, W), before the sigmoid.
#[derive(Debug, Clone)]
pub(in crate::network) struct PseudoInputs(Param);

impl PseudoInputs {
    /// Adds the parameters.
    pub(super) fn count(count: Count, config: &Config) -> Count {
        count.embedding(whole(config, &PSEUDO_INPUTS), config.image.len())
    }

    pub(super) fn new<T: Float>(config: &Config, params: &mut Params<T>) -> Self {
        let Extents { height, width, channels } = config.image;
        let shape = [whole(config, &PSEUDO_INPUTS), channels, height, width];
        PseudoInputs(params.declare(NAME, shape, Init::Normal))
    }

    /// Reads their number from weights, and the pictures, whose extents they have.
    pub(in crate::network) fn sizes(sizes: &mut Sizes<'_>) {
        if !sizes.has(NAME) {
            return;
        }
        sizes.found(&super::OBJECTIVE, Value::Text("vamp".to_owned()), NAME);
        let extents = [0, 1, 2, 3].map(|axis| sizes.extent(NAME, axis));
        if let [Some(count), Some(channels), Some(height), Some(width)] = extents {
            sizes.found(&PSEUDO_INPUTS, Value::Whole(count as u64), NAME);
            sizes.pictures(Extents { height, width, channels });
        }
    }

    /// The pictures, `(K, H, W, C)` in [0, 1].
    pub(in crate::network) fn pictures<T: Float>(&self, tape: &mut Tape<T>) -> inkgrad_engine::Result<Tensor> {
        let logits = tape.param(&self.0);
        let pictures = tape.sigmoid(logits)?;
        tape.channels_last(pictures)
    }
}

/// Records the loss, summed over a batch; `noise: (B, latent)` where it is given.
pub(super) fn record<T: Float>(
    objective: &Objective,
    tape: &mut Tape<T>,
    coded: &Coded<'_, T>,
    pseudo: &PseudoInputs,
    noise: Option<Tensor>,
    time: Time,
) -> Result<Training> {
    let (mu, logvar) = coded.gaussian();
    let (z, nll) = coded.decoded(tape, objective.likelihood, noise)?;
    let pictures = pseudo.pictures(tape)?;
    let components = match (coded.encode)(tape, pictures)? {
        (mu, Some(logvar)) => (mu, logvar),
        (_, None) => unreachable!("an encoder with variances, as this objective has it"),
    };
    let posterior = densities::of_own(tape, z, mu, logvar)?;
    let posterior = tape.sum(posterior)?;
    let prior = log_prior(tape, z, components)?;
    let kl = tape.sub(posterior, prior)?;
    objective.weighed(tape, coded, nll, [mu, logvar], &[("kl", kl)], time)
}

/// Σ_i ln 1/K Σ_k N(z_i; μ_k, σ_k²) of `z: (B, L)` and K Gaussians, a scalar.
fn log_prior<T: Float>(
    tape: &mut Tape<T>,
    z: Tensor,
    (mu, logvar): (Tensor, Tensor),
) -> inkgrad_engine::Result<Tensor> {
    let (batch, components) = (tape.shape(z).first() as f64, tape.shape(mu).first() as f64);
    let densities = densities::of_each(tape, z, mu, logvar)?; // (B, L, K)
    let joint = tape.sum_axis(densities, 1)?; // (B, K)
    let joint = tape.logsumexp(joint)?;
    let joint = tape.sum(joint)?;
    let count = super::constant(tape, joint, batch * components.ln())?;
    tape.sub(joint, count)
}
