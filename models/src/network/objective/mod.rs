//! The objectives that a variational autoencoder is trained with, each made of the tape's operations. docs/objectives.md has
//! their formulas side by side.

mod densities;
mod divergence;
mod iwae;
mod ladder;
mod likelihood;
mod mmd;
mod tc;
#[cfg(test)]
mod tests;
mod vamp;
mod vq;

use inkgrad_engine::{Float, Params, Tape, Tensor};

use self::divergence::{Divergence, Weighted};
pub(super) use self::ladder::{Ladder, TOP};
pub use self::likelihood::Likelihood;
pub(super) use self::vamp::{PSEUDO_INPUTS, PseudoInputs};
pub(super) use self::vq::{CODE_WIDTH, CODES, Codebook};
use super::sizes::{Count, flag, refuse, whole};
use crate::model::config::{Config, DeviceKind};
use crate::model::{Kind, ModelOption, Training, Value, WarmUp};
use crate::{Error, Result};

/// The weight of the divergence, β.
pub(super) const BETA: ModelOption = ModelOption {
    name: "beta",
    help: "the weight of the KL term, or of what the objective has in its place; of the commitment, with vq",
    kind: Kind::Beside {
        kind: &Kind::Number { default: 1.0, least: 0.0, most: f64::INFINITY },
        option: "objective",
        defaults: &[("wae-mmd", mmd::WEIGHT), ("vq", vq::COMMITMENT)],
    },
};

/// The loss that is minimised.
pub(super) const OBJECTIVE: ModelOption = ModelOption {
    name: "objective",
    help: "what is minimised: elbo, iwae (importance-weighted bound), wae-mmd (Wasserstein autoencoder), beta-tc (total correlation), \
           vamp (a prior that is learnt), ladder (two levels of latents) or vq (codes of a codebook)",
    kind: Kind::IfGiven(&Kind::OneOf(&["elbo", "iwae", "wae-mmd", "beta-tc", "vamp", "ladder", "vq"])),
};

/// Samples of the importance-weighted bound.
pub(super) const SAMPLES: ModelOption = ModelOption {
    name: "importance_samples",
    help: "samples of a latent for each drawing, of the objective iwae",
    kind: Kind::IfGiven(&Kind::Whole { default: 5, least: 1, most: 1000 }),
};

/// Whether the gradient of the importance-weighted bound is doubly reparameterised.
pub(super) const DOUBLY: ModelOption = ModelOption {
    name: "dreg",
    help: "whether the encoder's gradient of the objective iwae is doubly reparameterised: less noise",
    kind: Kind::IfGiven(&Kind::Flag { default: false }),
};

/// How pixels are distributed.
pub(super) const LIKELIHOOD: ModelOption = ModelOption {
    name: "likelihood",
    help: "the distribution of pixels: bernoulli, continuous-bernoulli or gaussian (of variance 1)",
    kind: Kind::IfGiven(&Kind::OneOf(&["bernoulli", "continuous-bernoulli", "gaussian"])),
};

/// The rise of the divergence's weight.
pub(super) const WARM_UP: ModelOption = ModelOption {
    name: "kl_warmup",
    help: "epochs over which the weight of the KL term rises, as in 10 or 10:cyclic",
    kind: Kind::Unset(&Kind::WarmUp),
};

/// λ of free bits.
pub(super) const FREE_BITS: ModelOption = ModelOption {
    name: "free_bits",
    help: "nats of each dimension's KL that cost nothing",
    kind: Kind::Unset(&Kind::Number { default: 0.0, least: 0.0, most: f64::INFINITY }),
};

/// C of a capacity.
pub(super) const CAPACITY: ModelOption = ModelOption {
    name: "capacity",
    help: "nats at which the KL is held, reached over --kl-warmup",
    kind: Kind::Unset(&Kind::Number { default: 0.0, least: 0.0, most: f64::INFINITY }),
};

/// A batch's code, and how it is decoded.
pub(super) struct Coded<'a, T> {
    pub(super) batch: usize,
    pub(super) images: Tensor,
    pub(super) labels: Option<Tensor>,
    /// `(B, latent)`.
    pub(super) mu: Tensor,
    /// `(B, latent)`; none of codes of a codebook.
    pub(super) logvar: Option<Tensor>,
    /// `(N, latent)` and labels to the logits of N pictures.
    pub(super) decode: &'a Decode<'a, T>,
    /// N pictures to μ and logσ² if there is one, `(N, latent)` each, without classes.
    pub(super) encode: &'a Encode<'a, T>,
}

/// Records an encoder.
pub(super) type Encode<'a, T> = dyn Fn(&mut Tape<T>, Tensor) -> inkgrad_engine::Result<(Tensor, Option<Tensor>)> + 'a;

/// Records a decoder.
pub(super) type Decode<'a, T> = dyn Fn(&mut Tape<T>, Tensor, Option<Tensor>) -> inkgrad_engine::Result<Tensor> + 'a;

impl<T: Float> Coded<'_, T> {
    /// μ and log σ² of an objective that has a distribution.
    fn gaussian(&self) -> (Tensor, Tensor) {
        (self.mu, self.logvar.expect("an encoder with variances, as every objective but vq has it"))
    }

    /// z ~ N(μ, σ²), with `noise` where it is given, and −ln p(x|z), summed over the batch.
    fn decoded(&self, tape: &mut Tape<T>, likelihood: Likelihood, noise: Option<Tensor>) -> Result<(Tensor, Tensor)> {
        let z = draw(tape, self.gaussian(), noise)?;
        Ok((z, self.nll(tape, likelihood, z)?))
    }

    /// −ln p(x|z), summed over the batch.
    fn nll(&self, tape: &mut Tape<T>, likelihood: Likelihood, z: Tensor) -> Result<Tensor> {
        let logits = (self.decode)(tape, z, self.labels)?;
        Ok(likelihood.sum(tape, logits, self.images)?)
    }

    /// The graph to train: `loss`, with `nll` as the likelihood's term.
    fn training(&self, loss: Tensor, likelihood: Likelihood, nll: Tensor) -> Training {
        Training::sum(self.images, loss, self.batch).labels(self.labels).term(likelihood.term(), nll)
    }
}

/// z ~ N(μ, σ²), with `noise` where it is given.
fn draw<T: Float>(tape: &mut Tape<T>, (mu, logvar): (Tensor, Tensor), noise: Option<Tensor>) -> Result<Tensor> {
    Ok(match noise {
        Some(noise) => tape.reparameterize_with(mu, logvar, noise)?,
        None => tape.reparameterize(mu, logvar)?,
    })
}

/// Noise as values of their own, for comparisons; drawn by the operations where it is not given.
#[derive(Debug, Clone, Copy, Default)]
pub struct Noise {
    /// Of the latents, `(B, latent)`; `(B·K, latent)` for the K samples of iwae.
    pub latents: Option<Tensor>,
    /// Draws from the prior, `(B, latent)`, of wae-mmd.
    pub prior: Option<Tensor>,
}

/// Which weights a recorded loss has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// Those of a step, which training fills.
    Step,
    /// Those of the end of training.
    End,
}

/// An objective, as a configuration has it.
#[derive(Debug, Clone)]
pub(super) struct Objective {
    bound: Bound,
    likelihood: Likelihood,
    divergence: Divergence,
}

#[derive(Debug, Clone)]
enum Bound {
    Elbo,
    Iwae { samples: usize, doubly: bool },
    WaeMmd,
    BetaTc,
    Vamp(PseudoInputs),
    Ladder(Ladder),
    VqVae(Codebook),
}

/// The objective's name in `config`.
fn name(config: &Config) -> String {
    text(config, &OBJECTIVE)
}

/// An option that is a name.
fn text(config: &Config, option: &ModelOption) -> String {
    match config.value(option) {
        Value::Text(text) => text,
        found => unreachable!("{} is {found:?}, which `Kind::check` refuses", option.name),
    }
}

/// Adds the parameters that an objective has of its own.
pub(super) fn count(count: Count, config: &Config, latent: usize) -> Count {
    match name(config).as_str() {
        "vamp" => PseudoInputs::count(count, config),
        "ladder" => Ladder::count(count, config, latent),
        "vq" => Codebook::count(count, config),
        _ => count,
    }
}

/// Whether an encoder has variances beside its means.
pub(super) fn has_variances(config: &Config) -> bool {
    name(config) != "vq"
}

impl Objective {
    /// As `config` has it, with the parameters that it has of its own.
    ///
    /// # Errors
    /// If settings are given that have no effect together.
    pub(super) fn new<T: Float>(config: &Config, latent: usize, params: &mut Params<T>) -> Result<Self> {
        let number = |option: &ModelOption| match config.options.get(option.name) {
            Some(&Value::Number(number)) => Some(number),
            _ => None,
        };
        let name = name(config);
        let beta = config.number(BETA.name);
        let bound = match name.as_str() {
            "iwae" => Bound::Iwae { samples: whole(config, &SAMPLES), doubly: flag(config, &DOUBLY) },
            "wae-mmd" => Bound::WaeMmd,
            "beta-tc" => Bound::BetaTc,
            "vamp" => Bound::Vamp(PseudoInputs::new(config, params)),
            "ladder" => Bound::Ladder(Ladder::new(config, latent, params)),
            "vq" => Bound::VqVae(Codebook::new(config, latent, params)?),
            _ => Bound::Elbo,
        };
        if !matches!(bound, Bound::Iwae { .. }) {
            for option in [&SAMPLES, &DOUBLY] {
                refuse(config, option, &format!("with the objective {name}, expected --objective iwae"))?;
            }
        }
        if !matches!(bound, Bound::Vamp(_)) {
            refuse(config, &PSEUDO_INPUTS, &format!("with the objective {name}, expected --objective vamp"))?;
        }
        if !matches!(bound, Bound::Ladder(_)) {
            refuse(config, &TOP, &format!("with the objective {name}, expected --objective ladder"))?;
        }
        if !matches!(bound, Bound::VqVae(_)) {
            for option in [&CODES, &CODE_WIDTH] {
                refuse(config, option, &format!("with the objective {name}, expected --objective vq"))?;
            }
        }
        // Free bits are told by dimension, which the divergence from a mixture is not.
        let (heeded, others): (&[&ModelOption], &[&ModelOption]) = match bound {
            Bound::Elbo | Bound::Ladder(_) => (&[], &[]),
            Bound::Vamp(_) => (&[], &[&FREE_BITS]),
            _ => (&[&WARM_UP, &CAPACITY], &[&FREE_BITS]),
        };
        for (options, expected) in [(heeded, "elbo, vamp or ladder"), (others, "elbo or ladder")] {
            for option in options {
                refuse(config, option, &format!("with the objective {name}, expected --objective {expected}"))?;
            }
        }
        if matches!(bound, Bound::Iwae { .. }) && beta != 1.0 {
            return Err(Error::input("--beta", format_args!("{beta} with the objective iwae, expected 1")));
        }
        if config.options.contains_key(FREE_BITS.name) {
            refuse(config, &CAPACITY, "with --free-bits, expected one of them")?;
        }
        let warm_up = match config.options.get(WARM_UP.name) {
            Some(Value::Text(text)) => text.parse::<WarmUp>().ok(),
            _ => None,
        };
        let likelihood = text(config, &LIKELIHOOD).parse().unwrap_or(Likelihood::Bernoulli);
        if let (Bound::WaeMmd | Bound::VqVae(_), true) = (&bound, config.device != DeviceKind::Cpu) {
            let problem = format!(
                "{} with the objective {name}, whose operation div has no kernels for a GPU, expected cpu",
                config.device
            );
            return Err(Error::input("--device", problem));
        }
        let divergence = Divergence { beta, warm_up, free_bits: number(&FREE_BITS), capacity: number(&CAPACITY) };
        Ok(Objective { bound, likelihood, divergence })
    }

    /// The pictures whose codes are the prior, where it is not N(0, I).
    pub(super) fn pseudo_inputs(&self) -> Option<&PseudoInputs> {
        match &self.bound {
            Bound::Vamp(pseudo) => Some(pseudo),
            _ => None,
        }
    }

    /// Numbers of a code of an encoder that gives `latent` of them.
    pub(super) fn width(&self, latent: usize) -> usize {
        match &self.bound {
            Bound::Ladder(ladder) => ladder.width(latent),
            _ => latent,
        }
    }

    /// The distribution of drawings' codes, of what the encoder gives.
    pub(super) fn code<T: Float>(
        &self,
        tape: &mut Tape<T>,
        (mu, logvar): (Tensor, Option<Tensor>),
    ) -> inkgrad_engine::Result<(Tensor, Option<Tensor>)> {
        Ok(match (&self.bound, logvar) {
            (Bound::VqVae(codebook), _) => (codebook.nearest(tape, mu)?, logvar),
            (Bound::Ladder(ladder), Some(logvar)) => {
                let (mu, logvar) = ladder.code(tape, (mu, logvar))?;
                (mu, Some(logvar))
            }
            _ => (mu, logvar),
        })
    }

    /// z, which the decoder is given, of codes.
    pub(super) fn decoded<T: Float>(&self, tape: &mut Tape<T>, codes: Tensor) -> inkgrad_engine::Result<Tensor> {
        match &self.bound {
            Bound::Ladder(ladder) => ladder.lowest(tape, codes),
            _ => Ok(codes),
        }
    }

    /// The codebook that latents are made of, where they are.
    pub(super) fn codebook(&self) -> Option<&Codebook> {
        match &self.bound {
            Bound::VqVae(codebook) => Some(codebook),
            _ => None,
        }
    }

    /// Records the loss, summed over a batch.
    ///
    /// # Errors
    /// If the noise that is given has another shape.
    pub(super) fn record<T: Float>(
        &self,
        tape: &mut Tape<T>,
        coded: &Coded<'_, T>,
        noise: Noise,
        time: Time,
    ) -> Result<Training> {
        match &self.bound {
            Bound::Elbo => self.elbo(tape, coded, noise.latents, time),
            &Bound::Iwae { samples, doubly } => iwae::record(self, tape, coded, (samples, doubly), noise.latents),
            Bound::WaeMmd => mmd::record(self, tape, coded, noise.latents, noise.prior),
            Bound::BetaTc => tc::record(self, tape, coded, noise.latents),
            Bound::Vamp(pseudo) => vamp::record(self, tape, coded, pseudo, noise.latents, time),
            Bound::Ladder(ladder) => ladder::record(self, tape, coded, ladder, noise.latents, time),
            Bound::VqVae(codebook) => vq::record(self, tape, coded, codebook),
        }
    }

    /// The evidence lower bound (Kingma and Welling 2014): −ln p(x|z) + KL(q(z|x) ‖ N(0, I)), the divergence weighted.
    fn elbo<T: Float>(
        &self,
        tape: &mut Tape<T>,
        coded: &Coded<'_, T>,
        noise: Option<Tensor>,
        time: Time,
    ) -> Result<Training> {
        let (mu, logvar) = coded.gaussian();
        let (_, nll) = coded.decoded(tape, self.likelihood, noise)?;
        let kl = tape.gaussian_kl(mu, logvar)?;
        self.weighed(tape, coded, nll, [mu, logvar], &[("kl", kl)], time)
    }

    /// −ln p(x|z) and the first of `terms`, the divergence of N(μ, σ²), weighted; the terms are reported beside the loss.
    fn weighed<T: Float>(
        &self,
        tape: &mut Tape<T>,
        coded: &Coded<'_, T>,
        nll: Tensor,
        gaussian: [Tensor; 2],
        terms: &[(&'static str, Tensor)],
        time: Time,
    ) -> Result<Training> {
        let Weighted { tensor, floored, scheduled } = self.divergence.weighted(tape, gaussian, terms[0].1, time)?;
        let loss = tape.add(nll, tensor)?;
        let floored = floored.map(|floored| ("floored_kl", floored));
        let training = coded.training(loss, self.likelihood, nll).scheduled(scheduled);
        Ok(terms.iter().copied().chain(floored).fold(training, |training, (name, term)| training.term(name, term)))
    }
}

/// The number `c` in the shape of `like`, which has to be finite: c·e^{0·x}.
fn constant<T: Float>(tape: &mut Tape<T>, like: Tensor, c: f64) -> inkgrad_engine::Result<Tensor> {
    let zeros = tape.scale(like, 0.0)?;
    let ones = tape.exp(zeros)?;
    tape.scale(ones, c)
}
