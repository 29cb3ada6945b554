//! Each score's meaning: its name, its definition in a line, and which way is better.

/// Which way a score is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The higher, the better.
    Higher,
    /// The lower, the better.
    Lower,
}

impl Better {
    /// As it stands beside a name.
    pub fn arrow(self) -> &'static str {
        match self {
            Better::Higher => "↑",
            Better::Lower => "↓",
        }
    }

    /// The same in words.
    pub fn words(self) -> &'static str {
        match self {
            Better::Higher => "higher is better",
            Better::Lower => "lower is better",
        }
    }

    /// Of values, the best is the …
    pub fn most(self) -> &'static str {
        match self {
            Better::Higher => "highest",
            Better::Lower => "lowest",
        }
    }
}

/// A score that the report knows.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name as evaluations keep it, without the extractor.
    pub key: &'static str,
    /// Its name in a table's head.
    pub name: &'static str,
    /// Its definition.
    pub definition: &'static str,
    /// Which way is better; `None` of what is merely told.
    pub better: Option<Better>,
}

const fn metric(key: &'static str, name: &'static str, better: Better, definition: &'static str) -> Metric {
    Metric { key, name, definition, better: Some(better) }
}

use Better::{Higher, Lower};

/// All of them.
const METRICS: &[Metric] = &[
    metric(
        "reconstruction_mse",
        "MSE",
        Lower,
        "mean squared difference of a pixel in [0, 1] between a test drawing and its reconstruction",
    ),
    metric(
        "reconstruction_bce",
        "BCE",
        Lower,
        "binary cross-entropy of a drawing's grey pixels in nats, summed over pixels; its least value is not 0, and it is no likelihood",
    ),
    metric(
        "fd",
        "FD",
        Lower,
        "Fréchet distance between Gaussians fitted to the judge's features of generated and of real drawings",
    ),
    metric("fd_infinity", "FD∞", Lower, "FD extrapolated to endless samples, which takes out the bias of few"),
    metric(
        "fid",
        "FID",
        Lower,
        "Fréchet distance between Gaussians fitted to InceptionV3's features of generated and of real drawings",
    ),
    metric("fid_infinity", "FID∞", Lower, "FID extrapolated to endless samples, which takes out the bias of few"),
    metric(
        "kid",
        "KID",
        Lower,
        "squared maximum mean discrepancy of features under a cubic kernel, mean ± standard deviation over subsets; unbiased, so it may be below 0",
    ),
    metric(
        "precision",
        "precision",
        Higher,
        "share of generated drawings within the real ones' manifold (3 neighbours): are they plausible?",
    ),
    metric(
        "recall",
        "recall",
        Higher,
        "share of real drawings within the generated ones' manifold (3 neighbours): is everything covered?",
    ),
    metric(
        "density",
        "density",
        Higher,
        "generated drawings in each real one's neighbourhood, relative to the expected number; about 1 for real ones",
    ),
    metric(
        "coverage",
        "coverage",
        Higher,
        "share of real drawings with a generated one among their 3 nearest: robust against outliers",
    ),
    metric(
        "is",
        "IS",
        Higher,
        "Inception Score, exp of the mean divergence of verdicts from their average; mean ± standard deviation over 10 splits; at most the number of classes",
    ),
    metric(
        "ppl",
        "PPL",
        Lower,
        "perceptual path length (Karras et al. 2019) by the network's features, not LPIPS: their squared change over ε = 10⁻⁴ of the way between two latents, divided by ε²; mean without the outer hundredths ± standard deviation over 10 splits, of at most 1,000 paths by InceptionV3; 0 of a model that always draws the same",
    ),
    metric(
        "recognised",
        "recognised",
        Higher,
        "share of drawings in which the classifier sees the class that they were made as",
    ),
    Metric {
        key: "confidence",
        name: "confidence",
        better: None,
        definition: "mean of the classifier's largest probability, right or wrong",
    },
    metric(
        "nll",
        "−ln p(x)",
        Lower,
        "nats a test drawing, binarised at ½, by importance sampling: an upper bound that tightens with more samples of z",
    ),
    metric("elbo", "−ELBO", Lower, "the bound that training optimises, on the same drawings; never below −ln p(x)"),
    Metric {
        key: "active",
        name: "active",
        better: None,
        definition: "dimensions whose mean varies over test drawings by more than 0.01 (Burda et al. 2016)",
    },
    Metric {
        key: "kl",
        name: "KL",
        better: None,
        definition: "nats that the latent tells of a test drawing, against N(0, 1), summed over dimensions",
    },
    metric(
        "trustworthiness",
        "trustworthiness",
        Higher,
        "T(12): 1 where the plane makes no neighbours of what are none among latents",
    ),
    metric(
        "knn_accuracy",
        "kNN accuracy",
        Higher,
        "share of drawings whose class is that of most of their 10 nearest in the plane",
    ),
    metric(
        "map_kl",
        "t-SNE's KL",
        Lower,
        "divergence of the plane's affinities from the latents' in nats: what the plane could not show; depends on N",
    ),
    metric(
        "samples_to_real",
        "samples → real",
        Higher,
        "accuracy on real test drawings of a classifier trained on samples alone: are they as good as data?",
    ),
    metric(
        "real_to_samples",
        "real → samples",
        Higher,
        "accuracy on samples of a classifier trained on real drawings: are the classes recognisable?",
    ),
    Metric {
        key: "real_to_real",
        name: "real → real",
        better: None,
        definition: "the same classifier trained and tested on real drawings: the ceiling of the first",
    },
];

/// A score's name without the extractor that it is of.
pub fn base(name: &str) -> &str {
    name.strip_suffix("_classifier").unwrap_or(name)
}

/// The score of this name, if the report knows it.
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.key == base(name))
}

/// The score of this name, which it knows.
///
/// # Panics
/// If it does not.
pub fn known(name: &str) -> &'static Metric {
    find(name).unwrap_or_else(|| panic!("no definition of `{name}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_defined_once_in_a_line() {
        for (i, metric) in METRICS.iter().enumerate() {
            assert!(METRICS[..i].iter().all(|other| other.key != metric.key), "{} twice", metric.key);
            assert!(!metric.definition.contains('\n') && !metric.definition.ends_with('.'), "{}", metric.key);
        }
        assert_eq!(known("kid_classifier").name, "KID");
        assert!(find("somebody_elses").is_none());
    }
}
