//! How far q(z|x) may be from the prior: the KL term and what holds it in check. With KLⱼ the divergence of dimension j, a mean over
//! the batch, and w(t) a weight that rises over a warm-up:
//!
//! * β·w(t)·Σⱼ KLⱼ: β-VAE (Higgins et al. 2017), warm-up (Bowman et al. 2016; cyclic, Fu et al. 2019).
//! * Free bits: β·w(t)·Σⱼ max(λ, KLⱼ), so that no dimension is pressed below λ nats (Kingma et al. 2016, equation 15).
//! * Capacity: β·|Σⱼ KLⱼ − C·w(t)|, which holds the divergence at a C that rises over the warm-up (Burgess et al. 2018,
//!   equation 8, whose γ is β).

use inkgrad_engine::{Float, Result, Shape, Tape, Tensor};

use super::{Time, constant};
use crate::model::{Scheduled, WarmUp};

/// The weight of the divergence and what holds it in check.
#[derive(Debug, Clone, Copy)]
pub(super) struct Divergence {
    pub(super) beta: f64,
    pub(super) warm_up: Option<WarmUp>,
    /// λ, nats a dimension.
    pub(super) free_bits: Option<f64>,
    /// C, nats.
    pub(super) capacity: Option<f64>,
}

/// The weighted divergence, summed over the batch, and what belongs to it.
pub(super) struct Weighted {
    pub(super) tensor: Tensor,
    /// The divergence with its floor of free bits, reported too where it is the one that is weighted.
    pub(super) floored: Option<Tensor>,
    pub(super) scheduled: Option<Scheduled>,
}

impl Divergence {
    /// The weighted term of `kl`, the divergence of N(μ, σ²) summed over a batch; of the end of training, or with an input for
    /// the weight that rises.
    pub(super) fn weighted<T: Float>(
        &self,
        tape: &mut Tape<T>,
        [mu, logvar]: [Tensor; 2],
        kl: Tensor,
        time: Time,
    ) -> Result<Weighted> {
        let batch = tape.shape(mu).first() as f64;
        if let Some(capacity) = self.capacity {
            let most = capacity * batch;
            let (wanted, scheduled) = match self.warm_up.filter(|_| time == Time::Step) {
                None => (constant(tape, kl, most)?, None),
                Some(warm_up) => {
                    let tensor = tape.input("capacity", Shape::SCALAR);
                    (tensor, Some(Scheduled { tensor, most, warm_up }))
                }
            };
            let away = tape.sub(kl, wanted)?;
            let away = tape.abs(away)?;
            return Ok(Weighted { tensor: scaled(tape, away, self.beta)?, floored: None, scheduled });
        }
        let floored = self.free_bits.map(|least| floored(tape, mu, logvar, least)).transpose()?;
        let penalty = floored.unwrap_or(kl);
        let (tensor, scheduled) = match self.warm_up.filter(|_| time == Time::Step) {
            None => (scaled(tape, penalty, self.beta)?, None),
            Some(warm_up) => {
                let tensor = tape.input("kl_weight", Shape::SCALAR);
                (tape.mul(penalty, tensor)?, Some(Scheduled { tensor, most: self.beta, warm_up }))
            }
        };
        Ok(Weighted { tensor, floored, scheduled })
    }
}

/// x, or c·x where c is not 1.
fn scaled<T: Float>(tape: &mut Tape<T>, x: Tensor, c: f64) -> Result<Tensor> {
    if c == 1.0 { Ok(x) } else { tape.scale(x, c) }
}

/// B·Σⱼ max(λ, KLⱼ), where B·KLⱼ = ½ Σ_b (μ² + e^{logσ²} − logσ² − 1), as relu(B·KLⱼ − B·λ) + B·λ.
fn floored<T: Float>(tape: &mut Tape<T>, mu: Tensor, logvar: Tensor, least: f64) -> Result<Tensor> {
    let [batch, latent] = *tape.shape(mu).dims() else { unreachable!("(B, latent)") };
    let (batch, least) = (batch as f64, least * batch as f64);
    let (square, variance) = (tape.mul(mu, mu)?, tape.exp(logvar)?);
    let sum = tape.add(square, variance)?;
    let sum = tape.sub(sum, logvar)?;
    let sum = tape.sum_axis(sum, 0)?; // (latent)
    let twice = tape.scale(sum, 0.5)?;
    let below = constant(tape, twice, 0.5 * batch + least)?;
    let above = tape.sub(twice, below)?;
    let above = tape.relu(above)?;
    let above = tape.sum(above)?;
    let floor = constant(tape, above, latent as f64 * least)?;
    tape.add(above, floor)
}
