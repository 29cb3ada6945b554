//! −ln p(x) by importance sampling (Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", 2016, equation 8):
//! ln p(x) ≈ ln 1/S · Σ_s p(x|z_s)·p(z_s) / q(z_s|x) with z_s ~ q(z|x), in log-sum-exp. The mean of the same S logarithms
//! estimates the ELBO, which is never above.

use std::f64::consts::TAU;

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::rng;
use serde::{Deserialize, Serialize};

use crate::data::{Images, Pixels};
use crate::infer::{Inference, Latents};
use crate::ranks::{Ranks, Solo, deal};
use crate::{Error, Result};

/// Samples of z a drawing.
pub const SAMPLES: usize = 5000;
/// Samples that are decoded at a time.
const CHUNK: usize = 500;
/// The random stream of the first drawing; drawing i has the i-th after it.
const STREAM: u64 = 1 << 41;

/// Mean over drawings, in nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Likelihood {
    /// Drawings.
    pub n: usize,
    /// Samples of z for each.
    pub samples: usize,
    /// −ln p(x), an upper bound in expectation that tightens with more samples.
    pub nll: f64,
    /// E_q[ln p(x|z) + ln p(z) − ln q(z|x)], at most −`nll`.
    pub elbo: f64,
    /// The standard error of `nll` over drawings; 0 for one.
    pub standard_error: f64,
}

/// Drawings of ink and paper: 1 where a value is above ½, else 0.
pub fn binarise(images: &Images) -> Images {
    let pixels = images.values().iter().map(|&x| if x > 0.5 { 255 } else { 0 }).collect();
    Images::new(images.extents(), Pixels::U8(pixels)).unwrap_or_else(|_| unreachable!("as many values as before"))
}

/// The likelihood of drawings, which are binarised first, under a variational autoencoder with Bernoulli pixels; `labels`
/// are for a network that sees classes. `watch` is told after each drawing how many are done, and of how many.
///
/// # Errors
/// If there is no drawing, the network is no variational autoencoder, or labels are missing or wrong.
pub fn of_drawings(
    inference: &mut Inference,
    images: &Images,
    labels: Option<&[usize]>,
    samples: usize,
    seed: u64,
    watch: &mut dyn FnMut(usize, usize),
) -> Result<Likelihood> {
    of_drawings_among(inference, images, labels, (samples, seed), &Solo, watch)
}

/// [`of_drawings`] by several ranks, each some of the drawings; all get it.
///
/// # Errors
/// As [`of_drawings`].
pub fn of_drawings_among(
    inference: &mut Inference,
    images: &Images,
    labels: Option<&[usize]>,
    (samples, seed): (usize, u64),
    ranks: &dyn Ranks,
    watch: &mut dyn FnMut(usize, usize),
) -> Result<Likelihood> {
    let images = binarise(images);
    let to_encoder = labels.filter(|_| inference.network().encoder_sees_classes());
    let posterior = inference.encode(&images, to_encoder)?;
    let prior = inference.prior()?;
    estimate_among(&posterior, prior.as_ref(), (samples, seed), ranks, watch, |drawing, latents| {
        let n = latents.len() / posterior.width;
        let labels = labels.and_then(|labels| labels.get(drawing)).map(|&label| vec![label; n]);
        let decoded = inference.decode(latents, labels.as_deref())?;
        let x = images.image(drawing);
        Ok(decoded.chunks_exact(x.len()).map(|p| bernoulli(&x, p)).collect())
    })
}

/// Σ ln p where there is ink, ln(1 − p) elsewhere. Probabilities keep 2⁻²⁴ from 0 and 1, where f32 ends to tell them
/// apart.
fn bernoulli(x: &[f32], p: &[f32]) -> f64 {
    let end = 2f64.powi(-24);
    let pixel = |(&x, &p): (&f32, &f32)| {
        let p = f64::from(p).clamp(end, 1.0 - end);
        if x > 0.5 { p.ln() } else { (1.0 - p).ln() }
    };
    x.iter().zip(p).map(pixel).sum()
}

/// The estimate for any model: `posterior` is q(z|x) of each x, `prior` p(z) as Gaussians of the same weight, N(0, I) where there are
/// none, and `log_likelihood(i, latents)` gives ln p(xᵢ|z) for each row of `latents: (n, width)`, of at most 500 rows. `watch` is told
/// after each x how many are done, and of how many.
///
/// # Errors
/// If there are no samples or no rows, a distribution has no variances, or what `log_likelihood` returns.
pub fn estimate(
    posterior: &Latents,
    prior: Option<&Latents>,
    samples: usize,
    seed: u64,
    watch: &mut dyn FnMut(usize, usize),
    log_likelihood: impl FnMut(usize, &[f32]) -> Result<Vec<f64>>,
) -> Result<Likelihood> {
    estimate_among(posterior, prior, (samples, seed), &Solo, watch, log_likelihood)
}

/// [`estimate`] by several ranks, each some of the x; all get it.
fn estimate_among(
    posterior: &Latents,
    prior: Option<&Latents>,
    (samples, seed): (usize, u64),
    ranks: &dyn Ranks,
    watch: &mut dyn FnMut(usize, usize),
    mut log_likelihood: impl FnMut(usize, &[f32]) -> Result<Vec<f64>>,
) -> Result<Likelihood> {
    let width = posterior.width;
    let variances = |of: &'_ Latents| -> Result<Vec<f32>> {
        let missing = || Error::input("model", "no variances, expected a variational autoencoder");
        of.logvar.clone().ok_or_else(missing)
    };
    let logvar = variances(posterior)?;
    let mixture = match prior {
        None => None,
        Some(prior) => Some(Gaussians::new(width, &prior.mu, &variances(prior)?)),
    };
    let n = posterior.mu.len() / width;
    if n == 0 || samples == 0 {
        let problem = format!("{n} drawings and {samples} samples of each, expected at least one");
        return Err(Error::input("likelihood", problem));
    }
    let (mut noise, mut done) = (vec![0.0f32; samples * width], 0);
    // −ln p(x) and the ELBO of one x.
    let mut of_one = |i: usize| -> Result<Vec<f64>> {
        rng::fill_normal(&Team::solo(), seed, STREAM + i as u64, 0, &mut noise);
        let (mu, logvar) = (&posterior.mu[i * width..][..width], &logvar[i * width..][..width]);
        let mut log_weights = Vec::with_capacity(samples);
        for noise in noise.chunks(CHUNK * width) {
            let rows = noise.chunks_exact(width);
            let latents: Vec<f32> =
                rows.clone().flat_map(|row| (0..width).map(|j| mu[j] + (0.5 * logvar[j]).exp() * row[j])).collect();
            let likelihoods = log_likelihood(i, &latents)?;
            let terms = likelihoods.iter().zip(latents.chunks_exact(width)).zip(rows);
            // ln p(z) = −½·Σ (z² + ln 2π), or that of a mixture, and ln q(z|x) = −½·Σ (ε² + ln σ² + ln 2π)
            log_weights.extend(terms.map(|((likelihood, z), noise)| {
                let prior: f64 = match &mixture {
                    None => z.iter().map(|&z| log_normal(z.into(), 0.0)).sum(),
                    Some(mixture) => mixture.log_density(z),
                };
                let proposal: f64 = noise.iter().zip(logvar).map(|(&e, &v)| log_normal(e.into(), v.into())).sum();
                likelihood + prior - proposal
            }));
        }
        let count = log_weights.len() as f64;
        // A rank knows of its own, and takes others to be as far.
        done = n.min(done + ranks.size());
        watch(done, n);
        Ok(vec![count.ln() - log_sum_exp(&log_weights), log_weights.iter().sum::<f64>() / count])
    };
    let found = deal(ranks, n, |own| own.iter().map(|&i| of_one(i)).collect())?;
    let (nll, elbo): (Vec<f64>, Vec<f64>) = found.iter().map(|found| (found[0], found[1])).unzip();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n as f64;
    let average = mean(&nll);
    let squares: f64 = nll.iter().map(|x| (x - average) * (x - average)).sum();
    let standard_error = if n > 1 { (squares / (n - 1) as f64 / n as f64).sqrt() } else { 0.0 };
    Ok(Likelihood { n, samples, nll: average, elbo: mean(&elbo), standard_error })
}

/// A mixture of K Gaussians of the same weight.
struct Gaussians {
    /// (K, width).
    mu: Vec<f64>,
    /// e^{−logvar}, (K, width).
    precision: Vec<f64>,
    /// −½·Σ (logvar + ln 2π) − ln K of each.
    peaks: Vec<f64>,
    width: usize,
}

impl Gaussians {
    fn new(width: usize, mu: &[f32], logvar: &[f32]) -> Self {
        let count = (mu.len() / width) as f64;
        let peak = |row: &[f32]| row.iter().map(|&v| log_normal(0.0, v.into())).sum::<f64>() - count.ln();
        Gaussians {
            mu: mu.iter().map(|&mu| mu.into()).collect(),
            precision: logvar.iter().map(|&v| (-f64::from(v)).exp()).collect(),
            peaks: logvar.chunks_exact(width).map(peak).collect(),
            width,
        }
    }

    /// ln 1/K Σ_k N(z; μ_k, σ_k²).
    fn log_density(&self, z: &[f32]) -> f64 {
        let rows = self.mu.chunks_exact(self.width).zip(self.precision.chunks_exact(self.width)).zip(&self.peaks);
        let terms: Vec<f64> = rows
            .map(|((mu, precision), peak)| {
                let each = z.iter().zip(mu).zip(precision);
                peak - 0.5 * each.map(|((&z, mu), p)| (f64::from(z) - mu).powi(2) * p).sum::<f64>()
            })
            .collect();
        log_sum_exp(&terms)
    }
}

/// ln of the density of N(μ, e^logvar) at μ + e^{½ logvar}·`e`.
fn log_normal(e: f64, logvar: f64) -> f64 {
    -0.5 * (e * e + logvar + TAU.ln())
}

/// ln Σ eˣ, with the largest taken out first.
fn log_sum_exp(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + values.iter().map(|x| (x - largest).exp()).sum::<f64>().ln()
}
