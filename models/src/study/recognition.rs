//! Whether a classifier recognises what was to be drawn.

use serde::{Deserialize, Serialize};

use super::Watch;
use super::evaluate::Options;
use crate::data::Examples;
use crate::infer::Inference;
use crate::metrics::Table;
use crate::metrics::classifier::{Verdict, on_samples};
use crate::model::{Spec, argmax};
use crate::network::classifier::Classifier;
use crate::ranks::{Ranks, deal};
use crate::run::config::Config;
use crate::{Result, trainer};

/// A classifier's verdict on the drawings of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// The class's name.
    pub class: String,
    /// The verdict; `None` where there was no drawing.
    pub verdict: Option<Verdict>,
}

/// A classifier's verdicts on drawings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recognition {
    /// On all drawings.
    pub all: Verdict,
    /// On those of each class.
    pub classes: Vec<ClassScore>,
}

impl Recognition {
    /// Verdicts by `logits: (N, classes)` on drawings of the classes `labels`.
    ///
    /// # Errors
    /// Those of [`on_samples`].
    pub fn new(logits: &[f32], labels: &[usize], names: &[String]) -> Result<Self> {
        let found = on_samples(Table::new("logits", logits, names.len())?, labels)?;
        let named = names.iter().zip(found.classes);
        let classes = named.map(|(class, verdict)| ClassScore { class: class.clone(), verdict });
        Ok(Recognition { all: found.all, classes: classes.collect() })
    }

    /// The same on drawings for which no class was asked: each is taken for one of the class that is seen in it.
    ///
    /// # Errors
    /// Those of [`on_samples`].
    pub fn unasked(logits: &[f32], names: &[String]) -> Result<Self> {
        let seen: Vec<usize> = logits.chunks_exact(names.len().max(1)).map(argmax).collect();
        Self::new(logits, &seen, names)
    }
}

/// Whether samples can stand in for real drawings: two classifiers of the same size, steps and number of drawings, one
/// trained on samples and one on real drawings, each tested on both (Ravuri and Vinyals 2019, "Classification accuracy
/// score for conditional generative models").
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// Trained on samples, tested on real drawings.
    pub samples_to_real: Verdict,
    /// Trained on real drawings, tested on samples.
    pub real_to_samples: Verdict,
    /// Trained and tested on real drawings: what the first cannot be expected to exceed.
    pub real_to_real: Verdict,
    /// Drawings that each was trained on.
    pub trained_on: usize,
    /// Passes over them.
    pub epochs: u64,
}

impl Transfer {
    /// Trains both and tests them, telling `watch` how far it is; of several ranks one each. As many real drawings as samples are used,
    /// the first of each class.
    ///
    /// # Errors
    /// If a classifier cannot be trained.
    pub fn measure(
        samples: &Examples,
        train: &Examples,
        test: &Examples,
        names: &[String],
        options: Options,
        ranks: &dyn Ranks,
        watch: &mut Watch,
    ) -> Result<Self> {
        const EPOCHS: u64 = 10;
        let Options { seed, threads, .. } = options;
        let n = samples.len().min(train.len());
        let mut fitted = |data: &Examples| -> Result<Inference> {
            let spec = Spec::of::<Classifier>();
            let defaults = Config::defaults(&spec);
            let config = Config {
                classes: names.to_vec(),
                image: data.images.extents(),
                epochs: Some(EPOCHS),
                batch_size: defaults.batch_size.min(n),
                seed,
                threads,
                ..defaults
            };
            Ok(Inference::new(
                trainer::fit(spec, &config, data, &mut |done, of| watch("steps of a classifier", done, of))?,
                threads,
            ))
        };
        // The logits of the one that is trained on samples, of test drawings; of the other, of these and of samples.
        let logits = deal(ranks, 2, |own| {
            let of_one = |&classifier: &usize| -> Result<Vec<f64>> {
                let (data, tests) =
                    if classifier == 0 { (samples, &[test][..]) } else { (train, &[test, samples][..]) };
                let mut inference = fitted(&balanced(data, n, names.len()))?;
                let mut logits = Vec::new();
                for split in tests {
                    logits.extend(inference.features(&split.images)?.logits.into_iter().map(f64::from));
                }
                Ok(logits)
            };
            own.iter().map(of_one).collect()
        })?;
        let verdict = |logits: &[f64], split: &Examples| -> Result<Verdict> {
            let logits: Vec<f32> = logits.iter().map(|&logit| logit as f32).collect();
            Ok(Recognition::new(&logits, &split.labels, names)?.all)
        };
        let (of_test, of_samples) = logits[1].split_at(logits[0].len());
        Ok(Transfer {
            samples_to_real: verdict(&logits[0], test)?,
            real_to_samples: verdict(of_samples, samples)?,
            real_to_real: verdict(of_test, test)?,
            trained_on: n,
            epochs: EPOCHS,
        })
    }
}

/// `n` drawings, the classes in turn as long as each lasts.
pub(super) fn balanced(split: &Examples, n: usize, classes: usize) -> Examples {
    let indices = in_turn(&split.labels, n, classes);
    split.take(&indices)
}

/// The indices of the first `n` drawings, the classes in turn as long as each lasts.
pub(super) fn in_turn(labels: &[usize], n: usize, classes: usize) -> Vec<usize> {
    let mut queues: Vec<_> = (0..classes)
        .map(|class| labels.iter().enumerate().filter(move |(_, l)| **l == class).map(|(i, _)| i))
        .collect();
    let mut indices = Vec::with_capacity(n);
    while indices.len() < n {
        let before = indices.len();
        for queue in &mut queues {
            indices.extend(queue.next().filter(|_| indices.len() < n));
        }
        if indices.len() == before {
            break;
        }
    }
    indices
}
