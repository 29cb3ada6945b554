//! Scores of nearest neighbours: precision and recall (Kynkäänniemi et al., "Improved precision and recall metric for
//! assessing generative models", 2019), density and coverage (Naeem et al., "Reliable fidelity and diversity metrics for
//! generative models", 2020), and the nearest training drawing.

use serde::{Deserialize, Serialize};

use super::Table;
use super::linalg::Points;
use super::pairs::{Subsets, between, within};
use crate::ranks::{Ranks, Solo};
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
    let none = |table: &Table| Subsets::none(table.rows());
    Ok(coverage_and_sums(real, generated, k, (&none(&real), &none(&generated)), &Solo)?.0)
}

/// Real rows whose ball is a point, since they have `k` copies or more: no row lies strictly within it, so that density and
/// coverage do not see them.
pub(super) struct Copies(pub(super) usize);

/// Sums of KID's kernel for each subset.
pub(super) struct Sums {
    /// Over pairs of different real rows.
    pub(super) real: Vec<f64>,
    /// Over pairs of different generated rows.
    pub(super) generated: Vec<f64>,
    /// Over pairs of both.
    pub(super) between: Vec<f64>,
}

/// [`coverage`], and what KID needs of the same products, by several ranks.
pub(super) fn coverage_and_sums(
    real: Table,
    generated: Table,
    k: usize,
    (real_subsets, generated_subsets): (&Subsets, &Subsets),
    ranks: &dyn Ranks,
) -> Result<(Coverage, Copies, Sums)> {
    real.check_width(&generated)?;
    if k == 0 {
        return Err(Error::input("k", "0 neighbours, expected at least 1"));
    }
    check_sides(&real, &generated, k)?;
    let real = Points::new(real.to_f64(), real.width());
    let generated = Points::new(generated.to_f64(), generated.width());
    let (real_radii, of_real) = within(&real, k, real_subsets, ranks)?;
    let (generated_radii, of_generated) = within(&generated, k, generated_subsets, ranks)?;
    let generated_side = (&generated, &generated_radii[..], generated_subsets);
    let found = between(generated_side, (&real, &real_radii, real_subsets), ranks)?;
    let share = |count: usize, of: usize| count as f64 / of as f64;
    let coverage = Coverage {
        precision: share(found.precise, generated.len()),
        recall: share(found.recalled, real.len()),
        density: share(found.dense, k * generated.len()),
        coverage: share(found.covered, real.len()),
    };
    let copies = Copies(real_radii.iter().filter(|&&radius| radius == 0.0).count());
    Ok((coverage, copies, Sums { real: of_real, generated: of_generated, between: found.kernels }))
}

/// Checks that each row has `k` others beside it.
pub(super) fn check_sides(real: &Table, generated: &Table, k: usize) -> Result<()> {
    [real, generated].iter().try_for_each(|side| side.check_rows(k + 1, &format!("{k} neighbours of each")))
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
    nearest_among(samples, training, &Solo)
}

/// [`nearest`] by several ranks, each some of the samples; all get all.
///
/// # Errors
/// As [`nearest`].
pub fn nearest_among(samples: Table, training: Table, ranks: &dyn Ranks) -> Result<Vec<Nearest>> {
    training.check_width(&samples)?;
    let training = Points::new(training.to_f64(), training.width());
    let samples = Points::new(samples.to_f64(), samples.width());
    let found = samples.distances(&training, ranks, |distances| {
        let index = (1..distances.len()).fold(0, |best, i| if distances[i] < distances[best] { i } else { best });
        [index as f64, distances[index].sqrt()]
    })?;
    Ok(found.into_iter().map(|[index, distance]| Nearest { index: index as usize, distance }).collect())
}
