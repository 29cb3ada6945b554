//! Whether a classifier recognises what was to be drawn.

use serde::{Deserialize, Serialize};

use super::Watch;
use crate::data::Examples;
use crate::infer::Inference;
use crate::metrics::Table;
use crate::metrics::classifier::{Verdict, on_samples};
use crate::model::{Spec, argmax};
use crate::network::classifier::Classifier;
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
    /// Trains both and tests them, telling `watch` how far it is. As many real drawings as samples are used, the first of each class.
    ///
    /// # Errors
    /// If a classifier cannot be trained.
    pub fn measure(
        samples: &Examples,
        train: &Examples,
        test: &Examples,
        names: &[String],
        seed: u64,
        threads: usize,
        watch: &mut Watch,
    ) -> Result<Self> {
        const EPOCHS: u64 = 10;
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
        let mut on_samples = fitted(&balanced(samples, n, names.len()))?;
        let mut on_real = fitted(&balanced(train, n, names.len()))?;
        let test_on = |inference: &mut Inference, split: &Examples| -> Result<Verdict> {
            let logits = inference.features(&split.images)?.logits;
            Ok(Recognition::new(&logits, &split.labels, names)?.all)
        };
        Ok(Transfer {
            samples_to_real: test_on(&mut on_samples, test)?,
            real_to_samples: test_on(&mut on_real, samples)?,
            real_to_real: test_on(&mut on_real, test)?,
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
