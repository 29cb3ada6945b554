//! The Fréchet distance of features taken for Gaussian: FID (Heusel et al., "GANs trained by a two time-scale update rule
//! converge to a local Nash equilibrium", 2017, equation 6), and its extrapolation to endless samples (Chong and
//! Forsyth, "Effectively unbiased FID and Inception Score", 2020).

use rayon::prelude::*;

use super::linalg::{nuclear_norm, parallel_products, products, triangular_factor};
use super::numpy_random::RandomState;
use super::{SEED, Table};
use crate::{Error, Result};

/// Sizes that FID∞ is regressed on.
const SIZES: usize = 15;
/// The smallest of them, where there are twice as many samples.
const SMALLEST: usize = 5000;
/// The fewest generated rows that FID∞ takes.
pub const FEWEST: usize = 2 * SIZES;

/// Mean and covariance of features. The covariance (divisor N − 1) is kept as a factor F with Σ = FᵀF, of N rows where
/// these are few and of d rows otherwise, so that it needs no full rank.
#[derive(Debug)]
pub struct Moments {
    width: usize,
    mean: Vec<f64>,
    trace: f64,
    factor: Vec<f64>,
}

impl Moments {
    /// Of at least two rows.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn new(features: Table) -> Result<Self> {
        features.check_rows(2, "a covariance")?;
        Ok(Self::of(features.to_f64(), features.width()))
    }

    fn of(mut values: Vec<f64>, width: usize) -> Self {
        let n = values.len() / width;
        let mut mean = vec![0.0; width];
        for row in values.chunks_exact(width) {
            mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
        mean.iter_mut().for_each(|sum| *sum /= n as f64);
        let scale = ((n - 1) as f64).sqrt().recip();
        for row in values.chunks_exact_mut(width) {
            row.iter_mut().zip(&mean).for_each(|(x, mean)| *x = (*x - mean) * scale);
        }
        let trace = values.iter().map(|x| x * x).sum();
        let factor = if n > width { triangular_factor(&values, width) } else { values };
        Moments { width, mean, trace, factor }
    }
}

/// ‖μ₁ − μ₂‖² + Tr Σ₁ + Tr Σ₂ − 2·Tr √(Σ₁Σ₂) of features `(N, d)` each; exact for any N.
///
/// With Σ₁ = AᵀA and Σ₂ = BᵀB, the eigenvalues of Σ₁Σ₂ other than 0 are those of (ABᵀ)(ABᵀ)ᵀ: the trace of its root is
/// the sum of the singular values of ABᵀ.
///
/// # Errors
/// If a side has fewer than two rows, or widths differ.
pub fn fid(real: Table, generated: Table) -> Result<f64> {
    real.check_width(&generated)?;
    let (real, generated) = rayon::join(|| Moments::new(real), || Moments::new(generated));
    distance(&real?, &generated?)
}

/// [`fid`] of moments.
///
/// # Errors
/// If widths differ, or singular values do not converge.
pub fn distance(a: &Moments, b: &Moments) -> Result<f64> {
    if a.width != b.width {
        return Err(Error::input("features", format!("rows of {} and {}, expected the same", a.width, b.width)));
    }
    from_products(a, b, &parallel_products(&a.factor, &b.factor, a.width))
}

fn from_products(a: &Moments, b: &Moments, products: &[f64]) -> Result<f64> {
    let columns = b.factor.len() / b.width;
    let cross = nuclear_norm(products, columns).ok_or_else(|| {
        Error::input("features", "singular values do not converge, expected numbers of moderate size")
    })?;
    let means: f64 = a.mean.iter().zip(&b.mean).map(|(a, b)| (a - b) * (a - b)).sum();
    Ok(means + a.trace + b.trace - 2.0 * cross)
}

/// FID∞: [`fid`] of 15 numbers of generated rows, from 5,000 (or half of them, where that is less) to all, each drawn
/// anew without replacement, against all real rows; regressed on 1/N, the intercept.
///
/// # Errors
/// As [`fid`]; and if there are fewer than 30 generated rows.
pub fn fid_infinity(real: Table, generated: Table) -> Result<f64> {
    real.check_width(&generated)?;
    generated.check_rows(FEWEST, "an extrapolation from 15 sizes")?;
    let n = generated.rows();
    let first = SMALLEST.min(n / 2);
    let mut random = RandomState::new(SEED);
    let subsets: Vec<_> = (0..SIZES).map(|i| random.choice(n, first + (n - first) * i / (SIZES - 1))).collect();
    let real = Moments::new(real)?;
    let points = subsets.par_iter().map(|subset| {
        let moments = Moments::of(generated.gather(subset), generated.width());
        let products = products(&real.factor, &moments.factor, real.width);
        Ok(((subset.len() as f64).recip(), from_products(&real, &moments, &products)?))
    });
    Ok(intercept(&points.collect::<Result<Vec<_>>>()?))
}

/// Where the least-squares line through points meets x = 0.
fn intercept(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let slope = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>()
        / points.iter().map(|p| (p.0 - x) * (p.0 - x)).sum::<f64>();
    y - slope * x
}
