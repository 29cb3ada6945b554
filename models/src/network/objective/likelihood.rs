//! ln p(x|z): how likely pixels in [0, 1] are, given the logits that a decoder makes. With p = σ(l) for a logit l:
//!
//! * Bernoulli: ln p(x|z) = Σ x·ln p + (1 − x)·ln(1 − p), minus which is binary cross-entropy (Kingma and Welling 2014,
//!   appendix C.1). Grey pixels are taken as probabilities, for which it is no density.
//! * Continuous Bernoulli: the same plus Σ ln C(p) with C(p) = 2·artanh(1 − 2p) / (1 − 2p), which makes it one (Loaiza-Ganem and
//!   Cunningham 2019, equation 5); see [`continuous`] for how it is computed.
//! * Gaussian: ln p(x|z) = −½ Σ (x − p)², of variance 1 and up to the constant −½·D·ln 2π.

use inkgrad_engine::ops::Reduction;
use inkgrad_engine::{Float, Result, Tape, Tensor};

use super::constant;
use crate::model::choice;

choice! {
    /// How pixels are distributed around those that are decoded.
    Likelihood("likelihood") {
        /// Pixels of ink or paper.
        Bernoulli = "bernoulli",
        /// Pixels of any shade between.
        ContinuousBernoulli = "continuous-bernoulli",
        /// Pixels around a shade, with variance 1.
        Gaussian = "gaussian",
    }
}

impl Likelihood {
    /// The name of the term that reports −ln p(x|z).
    pub(super) fn term(self) -> &'static str {
        match self {
            Likelihood::Bernoulli => "bce",
            Likelihood::ContinuousBernoulli | Likelihood::Gaussian => "nll",
        }
    }

    /// −ln p(x|z), summed over everything: a scalar. `logits` and `images` have the same shape.
    pub(super) fn sum<T: Float>(self, tape: &mut Tape<T>, logits: Tensor, images: Tensor) -> Result<Tensor> {
        match self {
            Likelihood::Bernoulli => tape.bce_with_logits(logits, images),
            Likelihood::ContinuousBernoulli => {
                let pixels = continuous(tape, logits, images)?;
                tape.sum(pixels)
            }
            Likelihood::Gaussian => {
                let means = tape.sigmoid(logits)?;
                let squares = tape.mse_reduced(means, images, Reduction::Sum)?;
                tape.scale(squares, 0.5)
            }
        }
    }

    /// −ln p(x|z) of each row, `(N)`, of `logits: (N, D)` and `images: (N, D)`.
    pub(super) fn rows<T: Float>(self, tape: &mut Tape<T>, logits: Tensor, images: Tensor) -> Result<Tensor> {
        let pixels = match self {
            Likelihood::Bernoulli => cross_entropy(tape, logits, images)?,
            Likelihood::ContinuousBernoulli => continuous(tape, logits, images)?,
            Likelihood::Gaussian => {
                let means = tape.sigmoid(logits)?;
                let difference = tape.sub(means, images)?;
                let squares = tape.mul(difference, difference)?;
                tape.scale(squares, 0.5)?
            }
        };
        tape.sum_axis(pixels, 1)
    }
}

/// ln(1 + eˡ) − x·l, pixel by pixel.
fn cross_entropy<T: Float>(tape: &mut Tape<T>, logits: Tensor, images: Tensor) -> Result<Tensor> {
    let (softplus, ink) = (tape.softplus(logits)?, tape.mul(logits, images)?);
    tape.sub(softplus, ink)
}

/// Factors of sinh that [`continuous`] takes.
const FACTORS: i32 = 8;

/// −ln of the continuous Bernoulli's density, pixel by pixel. With its constant it is
///
/// −ln p(x|l) = ln ∫₀¹ e^{tl} dt − x·l = ½l + ln(sinh(½l) / ½l) − x·l,
///
/// and sinh y / y = Π_{k=1}^{K} cosh(y/2ᵏ) · sinh(y/2ᴷ) / (y/2ᴷ), where ln cosh(½a) = ln(1 + eᵃ) − ½a − ln 2, so that it is
///
/// Σ_{k=1}^{K} ln(1 + e^{l/2ᵏ}) + (2^{−K−1} − x)·l − K·ln 2 + r,   r = ln(sinh m / m) ≈ m²/6,   m = l/2^{K+1}.
///
/// Nothing in it is 0/0 at l = 0, nor a difference of large numbers beside it. Of the remainder m⁴/180 is left out: 1e-9 at
/// l = 10.
fn continuous<T: Float>(tape: &mut Tape<T>, logits: Tensor, images: Tensor) -> Result<Tensor> {
    let mut sum = tape.scale(logits, 0.5f64.powi(FACTORS + 1))?;
    for k in 1..=FACTORS {
        let part = tape.scale(logits, 0.5f64.powi(k))?;
        let softplus = tape.softplus(part)?;
        sum = tape.add(sum, softplus)?;
    }
    let ink = tape.mul(logits, images)?;
    let sum = tape.sub(sum, ink)?;
    let square = tape.mul(logits, logits)?;
    let remainder = tape.scale(square, 0.25f64.powi(FACTORS + 1) / 6.0)?;
    let sum = tape.add(sum, remainder)?;
    let twos = constant(tape, logits, f64::from(FACTORS) * std::f64::consts::LN_2)?;
    tape.sub(sum, twos)
}
