//! The Inception Score (Salimans et al., "Improved techniques for training GANs", 2016), as torch-fidelity splits it.

use super::numpy_random::RandomState;
use super::{MeanStd, SEED, Table};
use crate::Result;

/// Parts that the score is computed of.
pub const SPLITS: usize = 10;

/// Over 10 splits of the rows, shuffled by `RandomState(2020)`: exp of the mean of KL(p(y|x) ‖ p(y)), where p(y) is the
/// split's own mean of p(y|x) = softmax of the logits `(N, classes)`.
///
/// # Errors
/// If there are fewer rows than splits.
pub fn inception_score(logits: Table) -> Result<MeanStd> {
    check(&logits)?;
    let n = logits.rows();
    let order = RandomState::new(SEED).permutation(n);
    let split = |i: usize| score(logits, &order[i * n / SPLITS..(i + 1) * n / SPLITS]);
    Ok(MeanStd::of(&std::array::from_fn::<f64, SPLITS, _>(split)))
}

/// Checks that there is a row for each split.
pub(super) fn check(logits: &Table) -> Result<()> {
    logits.check_rows(SPLITS, "10 splits of the Inception Score")
}

/// The score of some rows.
fn score(logits: Table, rows: &[usize]) -> f64 {
    let log_p: Vec<Vec<f64>> = rows.iter().map(|&i| log_softmax(logits.row(i))).collect();
    let n = rows.len() as f64;
    let mut marginal = vec![0.0; logits.width()];
    for row in &log_p {
        marginal.iter_mut().zip(row).for_each(|(sum, log_p)| *sum += log_p.exp());
    }
    let log_q: Vec<f64> = marginal.iter().map(|sum| (sum / n).ln()).collect();
    // Where p underflows to 0, so does its part of the divergence; log q may be −∞ there.
    let part = |(log_p, log_q): (&f64, &f64)| match log_p.exp() {
        0.0 => 0.0,
        p => p * (log_p - log_q),
    };
    let divergence: f64 = log_p.iter().map(|row| row.iter().zip(&log_q).map(part).sum::<f64>()).sum();
    (divergence / n).exp()
}

/// ln of softmax: x − max − ln Σ e^(x − max).
pub(super) fn log_softmax(row: &[f32]) -> Vec<f64> {
    let largest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let shifted = row.iter().map(|&x| f64::from(x) - largest);
    let log_sum = shifted.clone().map(f64::exp).sum::<f64>().ln();
    shifted.map(|x| x - log_sum).collect()
}
