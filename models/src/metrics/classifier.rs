//! A classifier's verdict on samples whose class is known: accuracy and confidence with 95 % intervals.

use serde::{Deserialize, Serialize};

use super::Table;
use super::inception_score::log_softmax;
use crate::model::argmax;
use crate::{Error, Result};

/// The 97.5 % quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "their names say it")]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// A classifier's verdict on some samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Samples.
    pub n: usize,
    /// The share of those put in their class.
    pub accuracy: f64,
    /// Of the accuracy, Wilson's.
    pub accuracy_interval: Interval,
    /// The mean of the largest probability.
    pub confidence: f64,
    /// Of that mean, normal: ± 1.96·s/√n, within [0, 1]. All of [0, 1] for a single sample.
    pub confidence_interval: Interval,
}

/// The verdict on each class, in order (`None` for a class with no samples), and on all samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "their names say it")]
pub struct OnSamples {
    pub classes: Vec<Option<Verdict>>,
    pub all: Verdict,
}

/// Judges samples by a classifier's logits `(N, classes)` and the classes they were drawn as. Of equal logits the first
/// wins.
///
/// # Errors
/// If there is not one label a row, or a label names no class.
pub fn on_samples(logits: Table, labels: &[usize]) -> Result<OnSamples> {
    let (n, classes) = (logits.rows(), logits.width());
    if labels.len() != n {
        let problem = format!("{} for {n} rows of {}, expected {n}", labels.len(), logits.name());
        return Err(Error::input("labels", problem));
    }
    if let Some(at) = labels.iter().position(|&label| label >= classes) {
        let problem = format!("label {} at {at}, expected 0 to {}", labels[at], classes - 1);
        return Err(Error::input("labels", problem));
    }
    // Of each sample: its class, whether it was found, how sure the classifier is.
    let found: Vec<(usize, bool, f64)> = labels
        .iter()
        .enumerate()
        .map(|(i, &label)| {
            let row = logits.row(i);
            let best = argmax(row);
            (label, best == label, log_softmax(row)[best].exp())
        })
        .collect();
    let of_class = |class: usize| {
        let some: Vec<_> = found.iter().copied().filter(|sample| sample.0 == class).collect();
        (!some.is_empty()).then(|| verdict(&some))
    };
    Ok(OnSamples { classes: (0..classes).map(of_class).collect(), all: verdict(&found) })
}

/// Of at least one sample.
fn verdict(samples: &[(usize, bool, f64)]) -> Verdict {
    let n = samples.len();
    let right = samples.iter().filter(|sample| sample.1).count();
    let confidence = samples.iter().map(|sample| sample.2).sum::<f64>() / n as f64;
    let squares: f64 = samples.iter().map(|sample| (sample.2 - confidence).powi(2)).sum();
    let reach = if n > 1 { Z * (squares / (n - 1) as f64 / n as f64).sqrt() } else { 1.0 };
    Verdict {
        n,
        accuracy: right as f64 / n as f64,
        accuracy_interval: wilson(right, n),
        confidence,
        confidence_interval: Interval { low: (confidence - reach).max(0.0), high: (confidence + reach).min(1.0) },
    }
}

/// The 95 % interval of a share of `right` in `n` (Wilson, "Probable inference, the law of succession, and statistical
/// inference", 1927): (p + z²/2n ± z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n). All of [0, 1] where `n` is 0.
pub fn wilson(right: usize, n: usize) -> Interval {
    if n == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let (p, n) = (right as f64 / n as f64, n as f64);
    let centre = p + Z * Z / (2.0 * n);
    let reach = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    Interval { low: ((centre - reach) / scale).max(0.0), high: ((centre + reach) / scale).min(1.0) }
}
