//! How good generated drawings are: scores of features, logits, latents and likelihoods, all in `f64`.
//!
//! Each score is one file with its formula and source. [`score()`] computes all scores of two sets of features, with
//! their [`Protocol`]. Work is cut by shapes and sums have a fixed order: results do not depend on the number of threads,
//! which are rayon's, or those of [`on_threads`], nor, where several work together (`…_among`), on that of ranks.
//!
//! ```
//! use inkgrad_models::metrics::{Table, frechet};
//!
//! let features: Vec<f32> = (0..60).map(|i| (i as f32).sin()).collect();
//! let (real, generated) = (Table::new("real", &features, 3)?, Table::new("generated", &features, 3)?);
//! assert!(frechet::fid(real, generated)?.abs() < 1e-6); // of a set and itself
//! # Ok::<(), inkgrad_models::Error>(())
//! ```

pub mod classifier;
pub mod frechet;
pub mod inception_score;
pub mod kid;
pub mod latent;
pub mod likelihood;
mod linalg;
pub mod neighbours;
pub mod numpy_random;
mod pairs;
mod scores;
mod table;
#[cfg(test)]
mod tests;

pub use inkgrad_kernels::cpu::threads::on_threads;
pub use scores::{FeatureScores, FeatureSource, Options, Protocol, Scores, score, score_among};
pub use table::Table;

/// The seed of subsets and orders, torch-fidelity's.
pub const SEED: u32 = 2020;

/// A mean and its standard deviation (ddof 0).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "their names say it")]
pub struct MeanStd {
    pub mean: f64,
    pub std: f64,
}

impl MeanStd {
    /// Of at least one value.
    pub(crate) fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        // Of values whose squares are beyond f64, as those of KID for features beyond 1e25, it is that of smaller ones.
        let scale = values.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        if !variance.is_finite() && scale > 1.0 && scale.is_finite() {
            let smaller = Self::of(&values.iter().map(|x| x / scale).collect::<Vec<_>>());
            return MeanStd { mean: smaller.mean * scale, std: smaller.std * scale };
        }
        MeanStd { mean, std: variance.sqrt() }
    }
}
