//! VQ-VAE (van den Oord, Vinyals and Kavukcuoglu 2017, equation 3): a latent is made of codes e_k of a codebook. The encoder's answer is
//! cut into pieces z_e of `code_width` numbers, each is replaced by the nearest code, and the decoder sees those alone:
//!
//! −ln p(x|z_q) + β·Σ ‖z_e − sg[e_k]‖²,   k = argmin_l ‖z_e − e_l‖²,   z_q = z_e + sg[e_k − z_e]
//!
//! with sg the identity to the forward and a constant to the backward: the gradient that comes to z_q goes on to z_e, straight
//! through. β is the weight of the commitment, 0.25 unless it is given ([`COMMITMENT`]), as in the paper, which finds results alike
//! from 0.1 to 2.
//!
//! No gradient moves the codes. With n_k pieces of a batch that chose code k, s_k their sum, and γ = 0.99 (appendix A.1)
//!
//! N_k ← γ·N_k + (1 − γ)·n_k,   m_k ← γ·m_k + (1 − γ)·s_k,   e_k ← m_k / N_k   where n_k > 0
//!
//! Both averages begin at zero, so that their quotient is the mean of what was seen from the first step on.

use inkgrad_engine::ops::Transposed;
use inkgrad_engine::{Float, Init, Param, Params, Result, Tape, Tensor};

use super::{Coded, Objective, constant};
use crate::Error;
use crate::model::config::Config;
use crate::model::{Kind, ModelOption, Sizes, Training, Value};
use crate::network::sizes::{Count, MOST, whole};

/// β unless it is given.
pub(super) const COMMITMENT: f64 = 0.25;

/// γ of the averages.
const DECAY: f64 = 0.99;

/// Codes that nothing has chosen for so many steps are said to be unused.
const FORGOTTEN: i32 = 500;

/// The numbers of the codebook.
pub(in crate::network) const CODES: ModelOption = ModelOption {
    name: "codes",
    help: "codes of the codebook, of the objective vq",
    kind: Kind::IfGiven(&Kind::Whole { default: 64, least: 1, most: MOST }),
};

/// The numbers of a code.
pub(in crate::network) const CODE_WIDTH: ModelOption = ModelOption {
    name: "code_width",
    help: "numbers of a code: a latent is made of latent / code-width codes",
    kind: Kind::IfGiven(&Kind::Whole { default: 4, least: 1, most: MOST }),
};

const PREFIX: &str = "codebook.";
const CODEBOOK: &str = "codebook.weight";

/// The codes, and the averages that move them; no gradient does.
#[derive(Debug, Clone)]
pub(in crate::network) struct Codebook {
    /// e: (K, D).
    codes: Param,
    /// N: (K).
    counts: Param,
    /// m: (K, D).
    sums: Param,
}

/// Pieces of latents, and the codes in their place.
struct Quantised {
    /// The nearest codes, (N, D).
    codes: Tensor,
    /// 1 where a piece has chosen a code, (N, K).
    choices: Tensor,
}

impl Codebook {
    /// Adds the parameters.
    pub(super) fn count(count: Count, config: &Config) -> Count {
        let (codes, width) = (whole(config, &CODES), whole(config, &CODE_WIDTH));
        count.embedding(codes, width).embedding(codes, width).embedding(codes, 1)
    }

    /// Declares the parameters, codes from U(−1/K, 1/K).
    ///
    /// # Errors
    /// If a latent is not made of whole codes.
    pub(super) fn new<T: Float>(config: &Config, latent: usize, params: &mut Params<T>) -> crate::Result<Self> {
        let (codes, width) = (whole(config, &CODES), whole(config, &CODE_WIDTH));
        if !latent.is_multiple_of(width) {
            let problem = format_args!("{latent} with codes of {width} numbers, expected a multiple of --code-width");
            return Err(Error::input("--latent", problem));
        }
        let bound = 1.0 / codes as f64;
        let codebook = Codebook {
            codes: params.declare(CODEBOOK, [codes, width], Init::Uniform(bound)),
            counts: params.declare(format!("{PREFIX}counts"), [codes], Init::Constant(0.0)),
            sums: params.declare(format!("{PREFIX}sums"), [codes, width], Init::Constant(0.0)),
        };
        params.freeze(PREFIX)?;
        Ok(codebook)
    }

    /// Reads their sizes from weights.
    pub(in crate::network) fn sizes(sizes: &mut Sizes<'_>) {
        if let (Some(codes), Some(width)) = (sizes.extent(CODEBOOK, 0), sizes.extent(CODEBOOK, 1)) {
            sizes.found(&super::OBJECTIVE, Value::Text("vq".to_owned()), CODEBOOK);
            sizes.found(&CODES, Value::Whole(codes as u64), CODEBOOK);
            sizes.found(&CODE_WIDTH, Value::Whole(width as u64), CODEBOOK);
        }
    }

    /// The numbers of a code.
    pub(in crate::network) fn width(&self) -> usize {
        self.codes.shape.dims()[1]
    }

    /// The codes nearest to pieces of `latents: (B, L)`, in their place: `(B, L)`.
    pub(in crate::network) fn nearest<T: Float>(&self, tape: &mut Tape<T>, latents: Tensor) -> Result<Tensor> {
        let shape = tape.shape(latents);
        let quantised = self.quantise(tape, latents)?;
        tape.reshape(quantised.codes, shape)
    }

    /// Of pieces z: (N, D) and codes e: (K, D), the one-hot choices and what they choose. With sₖ = z·eₖ − ½‖eₖ‖², largest for the
    /// nearest code, relu(1 − c·(max s − sₖ)) for an endless c is 1 for that and 0 for all others. Codes that are equally near,
    /// which only equal ones are, share.
    fn quantise<T: Float>(&self, tape: &mut Tape<T>, latents: Tensor) -> Result<Quantised> {
        const ENDLESS: f64 = 1e30;

        let width = self.width();
        let z = tape.detach(latents)?;
        let z = tape.reshape(z, [tape.shape(latents).len() / width, width])?;
        let codes = tape.param(&self.codes);
        let codes = tape.detach(codes)?;
        let products = tape.matmul_with(z, codes, Transposed { a: false, b: true })?;
        let squares = tape.mul(codes, codes)?;
        let norms = tape.sum_axis(squares, 1)?;
        let norms = tape.scale(norms, 0.5)?;
        let scores = tape.sub(products, norms)?; // (N, K)
        let best = tape.max_axis_keepdim(scores, 1)?;
        let behind = tape.sub(best, scores)?;
        let far = tape.scale(behind, ENDLESS)?;
        let one = constant(tape, scores, 1.0)?;
        let near = tape.sub(one, far)?;
        let near = tape.relu(near)?;
        let sharing = tape.sum_axis_keepdim(near, 1)?;
        let choices = tape.div(near, sharing)?;
        Ok(Quantised { codes: tape.matmul(choices, codes)?, choices })
    }

    /// Takes a step's n: (K) and s: (K, D) into the averages, and moves the codes that were chosen.
    pub(in crate::network) fn track<T: Float>(&self, params: &mut Params<T>, n: &[T], s: &[T]) {
        let (keep, share) = (T::from_f64(DECAY), T::from_f64(1.0 - DECAY));
        for (param, batch) in [(&self.counts, n), (&self.sums, s)] {
            let averages = params.value_mut(param).iter_mut();
            averages.zip(batch).for_each(|(average, &batch)| *average = keep * *average + share * batch);
        }
        let width = self.width();
        for (k, _) in n.iter().enumerate().filter(|(_, n)| **n > T::ZERO) {
            let count = params.value(&self.counts)[k];
            for j in k * width..(k + 1) * width {
                params.value_mut(&self.codes)[j] = params.value(&self.sums)[j] / count;
            }
        }
    }

    /// A line about codes that nothing chooses, where there are such.
    pub(in crate::network) fn remark<T: Float>(&self, params: &Params<T>) -> Option<String> {
        let least = (1.0 - DECAY) * DECAY.powi(FORGOTTEN);
        let counts = params.value(&self.counts);
        let unused = counts.iter().filter(|count| count.to_f64() < least).count();
        (unused > 0).then(|| {
            let all = counts.len();
            format!("{unused} of the codebook's {all} codes were chosen by no drawing in the last {FORGOTTEN} steps, or at all: fewer --codes would do")
        })
    }
}

/// Records the loss, summed over a batch.
pub(super) fn record<T: Float>(
    objective: &Objective,
    tape: &mut Tape<T>,
    coded: &Coded<'_, T>,
    codebook: &Codebook,
) -> crate::Result<Training> {
    let mu = coded.mu;
    let Quantised { codes, choices } = codebook.quantise(tape, mu)?;
    let pieces = tape.shape(codes).first();
    let codes = tape.reshape(codes, tape.shape(mu))?;
    let codes = tape.detach(codes)?;
    // z_q = z_e + sg[e − z_e]
    let away = tape.sub(codes, mu)?;
    let through = tape.detach(away)?;
    let z = tape.add(mu, through)?;
    let nll = coded.nll(tape, objective.likelihood, z)?;
    let squares = tape.mul(away, away)?;
    let commitment = tape.sum(squares)?;
    let weighted = tape.scale(commitment, objective.divergence.beta)?;
    let loss = tape.add(nll, weighted)?;

    // Perplexity e^{−Σ p ln p} of the shares p of the codes: how many are in use.
    let n = tape.sum_axis(choices, 0)?; // (K)
    let shares = tape.scale(n, 1.0 / pieces as f64)?;
    let least = constant(tape, shares, 1e-30)?;
    let positive = tape.add(shares, least)?;
    let logarithms = tape.ln(positive)?;
    let entropy = tape.mul(shares, logarithms)?;
    let entropy = tape.sum(entropy)?;
    let entropy = tape.neg(entropy)?;
    let perplexity = tape.exp(entropy)?;

    let z_e = tape.detach(mu)?;
    let z_e = tape.reshape(z_e, [pieces, codebook.width()])?;
    let s = tape.matmul_with(choices, z_e, Transposed { a: true, b: false })?; // (K, D)
    let training = coded.training(loss, objective.likelihood, nll);
    let training = training.term("commitment", commitment).term_per("perplexity", perplexity, 1.0);
    Ok(training.statistics([n, s]))
}
