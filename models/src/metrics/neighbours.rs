//! Scores of nearest neighbours: precision and recall (Kynkäänniemi et al., "Improved precision and recall metric for
//! assessing generative models", 2019), density and coverage (Naeem et al., "Reliable fidelity and diversity metrics for
//! generative models", 2020), and the nearest training drawing.

use serde::{Deserialize, Serialize};

use super::Table;
use super::linalg::Points;
use crate::{Error, Result};

/// Neighbours that a radius reaches.
pub const K: usize = 3;

/// How two sets of features cover each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// The share of generated rows within the ball of any real row.
    pub precision: f64,
    /// The share of real rows within the ball of any generated row.
    pub recall: f64,
    /// How many balls of real rows a generated row is within, on average, divided by k.
    pub density: f64,
    /// The share of real rows whose ball has a generated row within.
    pub coverage: f64,
}

/// A row's ball reaches its `k`-th neighbour among the other rows of its set. On the border is within for precision and
/// recall, and is not for density and coverage.
///
/// # Errors
/// If widths differ, `k` is 0, or a side has no more than `k` rows.
pub fn coverage(real: Table, generated: Table, k: usize) -> Result<Coverage> {
    real.check_width(&generated)?;
    if k == 0 {
        return Err(Error::input("k", "0 neighbours, expected at least 1"));
    }
    let what = format!("{k} neighbours of each");
    real.check_rows(k + 1, &what)?;
    generated.check_rows(k + 1, &what)?;
    let real = Points::new(real.to_f64(), real.width());
    let generated = Points::new(generated.to_f64(), generated.width());
    let (real_radii, generated_radii) = (radii(&real, k), radii(&generated, k));

    // Of a generated row: whether it is precise, and how many balls it is strictly within.
    let of_generated = generated.distances(&real, |_, distances| {
        let pairs = || distances.iter().zip(&real_radii);
        (pairs().any(|(d, r)| d <= r), pairs().filter(|(d, r)| d < r).count())
    });
    // Of a real row: whether it is recalled, and whether it is covered.
    let of_real = real.distances(&generated, |i, distances| {
        let recalled = distances.iter().zip(&generated_radii).any(|(d, r)| d <= r);
        (recalled, distances.iter().any(|&d| d < real_radii[i]))
    });
    let share = |count: usize, of: usize| count as f64 / of as f64;
    Ok(Coverage {
        precision: share(of_generated.iter().filter(|row| row.0).count(), generated.len()),
        recall: share(of_real.iter().filter(|row| row.0).count(), real.len()),
        density: share(of_generated.iter().map(|row| row.1).sum(), k * generated.len()),
        coverage: share(of_real.iter().filter(|row| row.1).count(), real.len()),
    })
}

/// The squared distance of each row to its `k`-th neighbour, not counting itself.
fn radii(points: &Points, k: usize) -> Vec<f64> {
    points.distances(points, |i, distances| {
        distances[i] = f64::INFINITY;
        *distances.select_nth_unstable_by(k - 1, f64::total_cmp).1
    })
}

/// A row's nearest row of another set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Nearest {
    /// Which one; the first of equally near ones.
    pub index: usize,
    /// How far it is, ‖x − y‖.
    pub distance: f64,
}

/// The nearest of `training` for each of `samples`, as pixels or features: a distance near 0 is a memorised drawing.
///
/// # Errors
/// If widths differ.
pub fn nearest(samples: Table, training: Table) -> Result<Vec<Nearest>> {
    training.check_width(&samples)?;
    let training = Points::new(training.to_f64(), training.width());
    let samples = Points::new(samples.to_f64(), samples.width());
    Ok(samples.distances(&training, |_, distances| {
        let index = (1..distances.len()).fold(0, |best, i| if distances[i] < distances[best] { i } else { best });
        Nearest { index, distance: distances[index].sqrt() }
    }))
}
