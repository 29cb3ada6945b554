//! KID: the squared maximum mean discrepancy of features under a cubic kernel (Bińkowski et al., "Demystifying MMD GANs",
//! 2018), as torch-fidelity draws its subsets.

use rayon::prelude::*;

use super::linalg::products;
use super::neighbours::{self, Copies, Coverage};
use super::numpy_random::RandomState;
use super::pairs::Subsets;
use super::{MeanStd, SEED, Table};
use crate::ranks::Ranks;
use crate::{Error, Result};

/// Subsets to draw.
pub const SUBSETS: usize = 100;
/// Rows of a subset, where there are as many.
pub const SUBSET_SIZE: usize = 1000;

/// The mean and standard deviation over [`SUBSETS`] subsets of `size` rows without replacement, drawn by
/// `RandomState(2020)`, of the generated rows before the real ones, of the unbiased
/// Σ_{i≠j} (k(xᵢ, xⱼ) + k(yᵢ, yⱼ)) / (m(m − 1)) − 2·Σ k(xᵢ, yⱼ) / m² with k(x, y) = (x·y/d + 1)³.
///
/// # Errors
/// If widths differ, `size` is below 2, or a side has fewer rows.
pub fn kid(real: Table, generated: Table, size: usize) -> Result<MeanStd> {
    let draws = draw(real, generated, size)?;
    let width = real.width();
    let values: Vec<f64> = draws.par_iter().map(|(x, y)| mmd2(&generated.gather(x), &real.gather(y), width)).collect();
    Ok(MeanStd::of(&values))
}

/// [`kid`] and [`coverage`](super::neighbours::coverage) of the same products, by several ranks: [`SUBSETS`] subsets together hold a
/// pair of rows many times over, where the sets are not much larger than a subset.
///
/// # Errors
/// As both.
pub(super) fn with_coverage(
    real: Table,
    generated: Table,
    size: usize,
    k: usize,
    ranks: &dyn Ranks,
) -> Result<(MeanStd, Coverage, Copies)> {
    let (x, y): (Vec<_>, Vec<_>) = draw(real, generated, size)?.into_iter().unzip();
    let (x, y) = (Subsets::new(x, generated.rows()), Subsets::new(y, real.rows()));
    let (coverage, copies, sums) = neighbours::coverage_and_sums(real, generated, k, (&y, &x), ranks)?;
    let pairs = sums.generated.iter().zip(&sums.real).zip(&sums.between);
    let values: Vec<f64> = pairs.map(|((xx, yy), xy)| unbiased(xx + yy, *xy, size)).collect();
    Ok((MeanStd::of(&values), coverage, copies))
}

/// The rows of each subset, of the generated side and of the real one.
fn draw(real: Table, generated: Table, size: usize) -> Result<Vec<(Vec<usize>, Vec<usize>)>> {
    real.check_width(&generated)?;
    if size < 2 {
        return Err(Error::input("KID's subsets", format!("{size} rows, expected at least 2")));
    }
    generated.check_rows(size, "a subset of KID")?;
    real.check_rows(size, "a subset of KID")?;
    let mut random = RandomState::new(SEED);
    Ok((0..SUBSETS).map(|_| (random.choice(generated.rows(), size), random.choice(real.rows(), size))).collect())
}

/// From the sums of the kernel within both subsets and between them.
fn unbiased(within: f64, between: f64, size: usize) -> f64 {
    let m = size as f64;
    within / (m * (m - 1.0)) - 2.0 * between / (m * m)
}

/// The unbiased estimate for `x` and `y`: `(m, width)` each.
fn mmd2(x: &[f64], y: &[f64], width: usize) -> f64 {
    let m = x.len() / width;
    let kernel = |dot: f64| (dot / width as f64 + 1.0).powi(3);
    let all = |a: &[f64], b: &[f64]| products(a, b, width).into_iter().map(kernel).sum::<f64>();
    let within = |a: &[f64]| {
        let table = products(a, a, width);
        let rows = table.chunks_exact(m).enumerate();
        rows.map(|(i, row)| row.iter().enumerate().filter(|&(j, _)| j != i).map(|(_, &dot)| kernel(dot)).sum::<f64>())
            .sum::<f64>()
    };
    unbiased(within(x) + within(y), all(x, y), m)
}
