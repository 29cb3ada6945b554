//! Samplers of latents: what a trained network's new drawings are decoded from. The prior needs no fitting; the others are fitted
//! on the latents of training drawings, so that a plain autoencoder, which has no prior, can draw too.
//!
//! - `prior`: z ~ N(0, I), of a variational network; of one whose prior is learnt, `vamp`.
//! - `vamp`: the prior of a network that was trained with the objective `vamp`, 1/K·Σₖ q(z|uₖ) of its pseudo-inputs uₖ (Tomczak and
//!   Welling 2018). It is not fitted either.
//! - `gmm:K`: a mixture of K Gaussians, fitted by expectation-maximisation ([`em`]).
//! - `aggregate`: of a variational network the aggregate posterior, z ~ q(z|x) of a training drawing x (Makhzani et al. 2015); of a
//!   plain autoencoder a density of kernels around the latents of training drawings (see [`Aggregate`]).
//! - `codes`: of a network that was trained with the objective `vq`, the shares that codes have at each place of a latent (see
//!   [`Codes`]); for the others of these there is nothing between codes.
//!
//! A network that is told the class has one density for each class.
//!
//! ```
//! use inkgrad_models::data::builtin;
//! use inkgrad_models::infer::Inference;
//! use inkgrad_models::prelude::*;
//! use inkgrad_models::sampler::{Fitted, Sampler};
//!
//! let models = Models::builtin();
//! let mut network = models.build(&models.defaults("cnn-ae")?)?;
//! network.initialise(42);
//! let mut inference = Inference::new(network, 1);
//! let sampler: Sampler = "gmm:3:diagonal".parse().expect("a sampler");
//! let fitted = Fitted::fit(sampler, &mut inference, &builtin(100, 1)?.train, 7)?;
//! let latents = fitted.draw(5, None, 42); // (5, latent), the same for the same seed
//! assert_eq!(inference.decode(&latents, None)?.len(), 5 * 784);
//! # Ok::<(), Error>(())
//! ```

mod aggregate;
mod codes;
pub mod em;
mod kept;
mod mixture;

use std::fmt;
use std::str::FromStr;

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::rng;
use inkgrad_kernels::cpu::threads::on_threads;

pub use self::aggregate::Aggregate;
pub use self::codes::Codes;
pub use self::kept::Source;
pub use self::mixture::{Covariance, Mixture};
use crate::data::Examples;
use crate::infer::Inference;
use crate::{Error, Result, sample};

/// The most components of a mixture.
const MOST: usize = 1000;
/// Latents are fitted on so many training drawings at most, which lie evenly over all.
pub const DRAWINGS: usize = 20_000;

/// The stream of the choice of a component or a drawing, beside those of [`sample`].
const CHOICES: u64 = (1 << 40) + 2;
/// The stream of the noise of the latents that a density is fitted on.
const POSTERIOR: u64 = (1 << 40) + 3;

/// How latents are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sampler {
    /// N(0, I).
    #[default]
    Prior,
    /// A mixture of so many Gaussians.
    Gmm(usize, Covariance),
    /// The latents of training drawings, with their spread.
    Aggregate,
    /// The latents of pseudo-inputs that are learnt, with their spread.
    Vamp,
    /// Codes of a codebook, by their shares.
    Codes,
}

impl Sampler {
    /// Its drawings, in a few words.
    pub fn describe(self) -> String {
        match self {
            Sampler::Prior => "draws from the prior N(0, I)".to_owned(),
            Sampler::Gmm(1, covariance) => {
                format!("draws from a Gaussian of {covariance} covariance fitted on training latents")
            }
            Sampler::Gmm(k, covariance) => {
                format!("draws from a mixture of {k} Gaussians of {covariance} covariance fitted on training latents")
            }
            Sampler::Aggregate => "draws from the latents of training drawings, with their spread".to_owned(),
            Sampler::Vamp => "draws from the prior, the latents of pseudo-inputs with their spread".to_owned(),
            Sampler::Codes => {
                "draws codes of the codebook by their shares at each place of training latents".to_owned()
            }
        }
    }
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sampler::Prior => f.pad("prior"),
            Sampler::Gmm(k, Covariance::Full) => f.pad(&format!("gmm:{k}")),
            Sampler::Gmm(k, Covariance::Diagonal) => f.pad(&format!("gmm:{k}:diagonal")),
            Sampler::Aggregate => f.pad("aggregate"),
            Sampler::Vamp => f.pad("vamp"),
            Sampler::Codes => f.pad("codes"),
        }
    }
}

impl FromStr for Sampler {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected prior, gmm:K, gmm:K:diagonal, aggregate, vamp or codes".to_owned();
        let (k, covariance) = match text.split(':').collect::<Vec<_>>()[..] {
            ["prior"] => return Ok(Sampler::Prior),
            ["aggregate"] => return Ok(Sampler::Aggregate),
            ["vamp"] => return Ok(Sampler::Vamp),
            ["codes"] => return Ok(Sampler::Codes),
            ["gmm", k] | ["gmm", k, "full"] => (k, Covariance::Full),
            ["gmm", k, "diagonal"] => (k, Covariance::Diagonal),
            _ => return Err(expected()),
        };
        match k.parse() {
            Ok(k) if (1..=MOST).contains(&k) => Ok(Sampler::Gmm(k, covariance)),
            _ => Err(format!("expected K to be a whole number from 1 to {MOST}")),
        }
    }
}

/// A density that latents are drawn from.
#[derive(Debug, Clone, PartialEq)]
enum Density {
    Mixture(Mixture),
    Aggregate(Aggregate),
    Codes(Codes),
}

/// A sampler that is fitted on a network's latents.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    sampler: Sampler,
    width: usize,
    /// Drawings whose latents it was fitted on; pseudo-inputs of a prior that is learnt.
    drawings: usize,
    /// One of all latents, or one of each class.
    densities: Vec<Density>,
}

impl Fitted {
    /// The prior, which is not fitted on anything: N(0, I), or the one that was learnt.
    ///
    /// # Errors
    /// If the network has none.
    pub fn prior(inference: &mut Inference) -> Result<Self> {
        let network = inference.network();
        let width = network.latent()?;
        if !network.has_prior() {
            let expected = if network.code_width().is_some() { "codes" } else { "gmm:K or aggregate" };
            let problem = format!("prior of {}, which has none, expected {expected}", network.spec().name);
            return Err(Error::input("--sampler", problem));
        }
        let Some(mixture) = inference.prior()? else {
            return Ok(Fitted { sampler: Sampler::Prior, width, drawings: 0, densities: Vec::new() });
        };
        let (drawings, spread) = (mixture.mu.len() / width, mixture.spread());
        let densities = vec![Density::Aggregate(Aggregate::new(width, mixture.mu, spread))];
        Ok(Fitted { sampler: Sampler::Vamp, width, drawings, densities })
    }

    /// The prior that was learnt.
    ///
    /// # Errors
    /// If the network has none that was.
    pub fn learnt(inference: &mut Inference) -> Result<Self> {
        let network = inference.network();
        match network.components() {
            Some(_) => Self::prior(inference),
            None => {
                let prior = if network.has_prior() { "whose prior is N(0, I)" } else { "which has no prior" };
                let problem = format!("vamp of {}, {prior}, expected a run of --objective vamp", network.spec().name);
                Err(Error::input("--sampler", problem))
            }
        }
    }

    /// Fits `sampler` on the latents of training drawings; all randomness starts at `seed`. Of a variational network they are draws
    /// of q(z|x), of a plain autoencoder its codes.
    ///
    /// # Errors
    /// If the network has no latents, or no prior where that is asked for; if there are fewer drawings (of a class) than components,
    /// or latents that are not finite.
    pub fn fit(sampler: Sampler, inference: &mut Inference, training: &Examples, seed: u64) -> Result<Self> {
        let width = inference.network().latent()?;
        match sampler {
            Sampler::Prior => return Self::prior(inference),
            Sampler::Vamp => return Self::learnt(inference),
            Sampler::Gmm(..) | Sampler::Aggregate | Sampler::Codes => {}
        }
        let code = inference.network().code_width();
        match (sampler, code) {
            (Sampler::Codes, None) => {
                let (name, expected) = (inference.network().spec().name, "expected a run of --objective vq");
                let problem = format!("codes of {name}, whose latents are made of none, {expected}");
                return Err(Error::input("--sampler", problem));
            }
            (Sampler::Gmm(..) | Sampler::Aggregate, Some(_)) => {
                let problem = format!("{sampler} of latents that are codes of a codebook, expected codes");
                return Err(Error::input("--sampler", problem));
            }
            _ => {}
        }
        let n = training.len().min(DRAWINGS);
        let indices: Vec<usize> = (0..n).map(|i| i * training.len() / n).collect();
        let labels: Vec<usize> = indices.iter().map(|&i| training.labels[i]).collect();
        let seen = inference.network().encoder_sees_classes().then_some(&labels[..]);
        let latents = inference.encode(&training.images.take(&indices), seen)?;
        if let Some(i) = latents.mu.iter().chain(latents.logvar.iter().flatten()).position(|z| !z.is_finite()) {
            let problem = format!("the latent of training drawing {} is not finite", indices[i / width % n]);
            return Err(Error::input("--sampler", problem));
        }
        let spread = latents.spread();
        let groups: Vec<Vec<usize>> = match inference.network().sees_classes() {
            false => vec![(0..n).collect()],
            true => {
                let of = |class| (0..n).filter(|&i| labels[i] == class).collect();
                (0..inference.network().classes()).map(of).collect()
            }
        };
        let mut noise = vec![0.0f32; n * width];
        rng::fill_normal(&Team::solo(), seed, POSTERIOR, 0, &mut noise);
        let mut densities = Vec::with_capacity(groups.len());
        for (class, rows) in groups.iter().enumerate() {
            let of_class = if groups.len() > 1 { format!(" of class {class}") } else { String::new() };
            let least = if let Sampler::Gmm(k, _) = sampler { k } else { 1 };
            if rows.len() < least {
                let problem =
                    format!("{sampler} on {} training drawings{of_class}, expected at least {least}", rows.len());
                return Err(Error::input("--sampler", problem));
            }
            let take = |values: &[f32]| -> Vec<f32> {
                rows.iter().flat_map(|&i| &values[i * width..][..width]).copied().collect()
            };
            let (centres, spread) = (take(&latents.mu), spread.as_deref().map(take));
            densities.push(match sampler {
                Sampler::Prior | Sampler::Vamp => unreachable!("returned above"),
                Sampler::Codes => {
                    let code = code.expect("refused above without");
                    Density::Codes(Codes::new(code, width / code, &centres))
                }
                Sampler::Aggregate => Density::Aggregate(Aggregate::new(width, centres, spread)),
                Sampler::Gmm(k, covariance) => {
                    let mut points: Vec<f64> = centres.iter().map(|&z| f64::from(z)).collect();
                    if let Some(spread) = spread {
                        let draws = spread.iter().zip(take(&noise)).map(|(&s, e)| f64::from(s) * f64::from(e));
                        points.iter_mut().zip(draws).for_each(|(z, noise)| *z += noise);
                    }
                    let fit = || em::fit(&points, width, k, covariance, seed);
                    Density::Mixture(on_threads(inference.threads(), fit).mixture)
                }
            });
        }
        Ok(Fitted { sampler, width, drawings: n, densities })
    }

    /// The sampler.
    pub fn sampler(&self) -> Sampler {
        self.sampler
    }

    /// Its drawings, in a few words: what a score of them has been measured with.
    pub fn describe(&self) -> String {
        match (self.sampler, self.densities.len()) {
            (Sampler::Prior, _) => self.sampler.describe(),
            (Sampler::Vamp, _) => format!("{} ({} of them)", self.sampler.describe(), self.drawings),
            (sampler, 0 | 1) => format!("{} ({} drawings)", sampler.describe(), self.drawings),
            (sampler, _) => format!("{} ({} drawings), a density for each class", sampler.describe(), self.drawings),
        }
    }

    /// Draws `n` latents, `(n, latent)`; `labels` are needed where there is a density for each class. Latent `i` is the same for
    /// every `n`.
    ///
    /// # Panics
    /// If labels are missing, fewer than `n` or out of range where they are needed.
    pub fn draw(&self, n: usize, labels: Option<&[usize]>, seed: u64) -> Vec<f32> {
        let width = self.width;
        let mut latents = sample::prior(n, width, seed);
        if self.sampler == Sampler::Prior {
            return latents;
        }
        let each = match self.densities.first() {
            Some(Density::Codes(codes)) => codes.places(),
            _ => 1,
        };
        let mut choices = vec![0.0f64; n * each];
        rng::fill_uniform(&Team::solo(), seed, CHOICES, 0, &mut choices);
        for (i, (latent, choices)) in latents.chunks_exact_mut(width).zip(choices.chunks_exact(each)).enumerate() {
            let density = match &self.densities[..] {
                [one] => one,
                of_classes => &of_classes[labels.expect("labels for a density of each class")[i]],
            };
            match density {
                Density::Mixture(mixture) => mixture.place(choices[0], latent),
                Density::Aggregate(aggregate) => aggregate.place(choices[0], latent),
                Density::Codes(codes) => codes.place(choices, latent),
            }
        }
        latents
    }
}

#[cfg(test)]
mod tests;
