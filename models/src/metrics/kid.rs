//! KID: the squared maximum mean discrepancy of features under a cubic kernel (Bińkowski et al., "Demystifying MMD GANs",
//! 2018), as torch-fidelity draws its subsets.

use rayon::prelude::*;

use super::linalg::products;
use super::numpy_random::RandomState;
use super::{MeanStd, SEED, Table};
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
    real.check_width(&generated)?;
    if size < 2 {
        return Err(Error::input("KID's subsets", format!("{size} rows, expected at least 2")));
    }
    generated.check_rows(size, "a subset of KID")?;
    real.check_rows(size, "a subset of KID")?;
    let mut random = RandomState::new(SEED);
    let draws: Vec<_> =
        (0..SUBSETS).map(|_| (random.choice(generated.rows(), size), random.choice(real.rows(), size))).collect();
    let width = real.width();
    let values: Vec<f64> = draws.par_iter().map(|(x, y)| mmd2(&generated.gather(x), &real.gather(y), width)).collect();
    Ok(MeanStd::of(&values))
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
    let m = m as f64;
    (within(x) + within(y)) / (m * (m - 1.0)) - 2.0 * all(x, y) / (m * m)
}
