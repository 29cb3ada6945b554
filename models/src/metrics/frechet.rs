//! The Fréchet distance of features taken for Gaussian: FID (Heusel et al., "GANs trained by a two time-scale update rule
//! converge to a local Nash equilibrium", 2017, equation 6), and its extrapolation to endless samples (Chong and
//! Forsyth, "Effectively unbiased FID and Inception Score", 2020).

use std::sync::OnceLock;

use inkgrad_kernels::cpu::Team;
use inkgrad_kernels::cpu::eigen::{cholesky, eigenvalues, singular};

use super::linalg::{gram, team_products, times_lower, transpose, with_team};
use super::numpy_random::RandomState;
use super::{SEED, Table};
use crate::ranks::{Ranks, Solo, deal};
use crate::{Error, Result};

/// Sizes that FID∞ is regressed on.
const SIZES: usize = 15;
/// The smallest of them, where there are twice as many samples.
const SMALLEST: usize = 5000;
/// The score that needs them, as errors name it.
pub(super) const SIZES_TOLD: &str = "an extrapolation from 15 sizes";
/// The fewest generated rows that FID∞ takes.
pub const FEWEST: usize = 2 * SIZES;

/// Mean and covariance of features. The covariance (divisor N − 1) is kept as a factor A with Σ = AᵀA, of N − 1 rows, so
/// that it needs no full rank.
#[derive(Debug)]
pub struct Moments {
    width: usize,
    mean: Vec<f64>,
    trace: f64,
    factor: Vec<f64>,
    /// Columns that differ.
    varying: Vec<bool>,
    /// Columns that were needed first, and the Cholesky factor L (LLᵀ = Σ) of them, where there is one.
    cholesky: OnceLock<(Vec<usize>, Option<Vec<f64>>)>,
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
        let mut varying = vec![false; width];
        let first = values[..width].to_vec();
        for row in values.chunks_exact(width) {
            mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            varying.iter_mut().zip(row.iter().zip(&first)).for_each(|(varies, (x, first))| *varies |= x != first);
        }
        for (mean, (varies, first)) in mean.iter_mut().zip(varying.iter().zip(&first)) {
            // A mean of equal numbers is rounded, too.
            *mean = if *varies { *mean / n as f64 } else { *first };
        }
        let scale = ((n - 1) as f64).sqrt().recip();
        for row in values.chunks_exact_mut(width) {
            row.iter_mut().zip(&mean).for_each(|(x, mean)| *x = (*x - mean) * scale);
        }
        let trace = values.iter().map(|x| x * x).sum();
        // N rows whose sum is zero have rank N − 1. The reflection that takes (1, …, 1)/√N to (1, 0, …) makes the first row
        // zero, and adds it to the others by a factor of 1/(√N − 1).
        let mut factor = values.split_off(width);
        let share = ((n as f64).sqrt() - 1.0).recip();
        for row in factor.chunks_exact_mut(width) {
            row.iter_mut().zip(&values).for_each(|(x, first)| *x += first * share);
        }
        Moments { width, mean, trace, factor, varying, cholesky: OnceLock::new() }
    }

    /// The factor's `columns`.
    fn columns(&self, columns: &[usize]) -> std::borrow::Cow<'_, [f64]> {
        if columns.len() == self.width {
            return (&self.factor).into();
        }
        self.factor.chunks_exact(self.width).flat_map(|row| columns.iter().map(|&j| row[j])).collect::<Vec<_>>().into()
    }

    /// Calls `f` with the Cholesky factor of the covariance of `columns`, `a` being [`Moments::columns`].
    fn with_cholesky<R>(&self, team: &Team, columns: &[usize], a: &[f64], f: impl FnOnce(Option<&[f64]>) -> R) -> R {
        let factor = || {
            let mut sigma = gram(team, a, columns.len());
            cholesky::factor(team, &mut sigma, columns.len(), LEAST_PIVOT).then_some(sigma)
        };
        let (of, found) = self.cholesky.get_or_init(|| (columns.to_vec(), factor()));
        if of == columns { f(found.as_deref()) } else { f(factor().as_deref()) }
    }
}

/// ‖μ₁ − μ₂‖² + Tr Σ₁ + Tr Σ₂ − 2·Tr √(Σ₁Σ₂) of features `(N, d)` each; exact for any N.
///
/// With Σ₁ = AᵀA and Σ₂ = BᵀB, the eigenvalues of Σ₁Σ₂ other than 0 are those of MᵀM for M = ABᵀ: the trace of its root is
/// the sum of the singular values of M. See `cross` for how they are found.
///
/// # Errors
/// If a side has fewer than two rows, or widths differ.
pub fn fid(real: Table, generated: Table) -> Result<f64> {
    real.check_width(&generated)?;
    distance(&Moments::new(real)?, &Moments::new(generated)?)
}

/// [`fid`] of moments.
///
/// # Errors
/// If widths differ, or singular values do not converge.
pub fn distance(a: &Moments, b: &Moments) -> Result<f64> {
    if a.width != b.width {
        return Err(Error::input("features", format!("rows of {} and {}, expected the same", a.width, b.width)));
    }
    let cross = with_team(|team| cross(team, a, b)).ok_or_else(|| {
        Error::input("features", "singular values do not converge, expected numbers of moderate size")
    })?;
    let means: f64 = a.mean.iter().zip(&b.mean).map(|(a, b)| (a - b) * (a - b)).sum();
    let (sum, scale) = (means + a.trace + b.trace - 2.0 * cross, means + a.trace + b.trace);
    // Of equal sets the rounding of what cancels is left.
    Ok(if sum <= ROUNDING * scale { 0.0 } else { sum })
}

/// A distance no larger than this share of what it is the difference of is rounding.
const ROUNDING: f64 = 1e-12;

/// A covariance's pivot that is smaller, beside its diagonal element, is lost in rounding.
const LEAST_PIVOT: f64 = 1e-12;
/// The error of [`cross`], beside itself, that the roots of eigenvalues may have.
const TOLERANCE: f64 = 1e-9;

/// Tr √(Σ₁Σ₂); `None` where numbers do not converge.
///
/// As roots of the eigenvalues of one symmetric matrix, where these lose nothing; as singular values otherwise, which takes
/// several times as long. A column that is constant on either side adds nothing, and is left out.
fn cross(team: &Team, a: &Moments, b: &Moments) -> Option<f64> {
    let columns: Vec<usize> = (0..a.width).filter(|&j| a.varying[j] && b.varying[j]).collect();
    let width = columns.len();
    if width == 0 {
        return Some(0.0);
    }
    let (x, y) = (a.columns(&columns), b.columns(&columns));
    by_eigenvalues(team, a, &columns, &x, &y).or_else(|| {
        let (x, y) = (triangle(team, &x, width), triangle(team, &y, width));
        let (m, n) = (x.len() / width, y.len() / width);
        let values = singular::singular_values(team, &mut team_products(team, &x, &y, width), m, n)?;
        Some(values.iter().sum())
    })
}

/// R with RᵀR = XᵀX, of no more rows than columns.
fn triangle(team: &Team, x: &[f64], width: usize) -> Vec<f64> {
    if x.len() <= width * width {
        return x.to_vec();
    }
    singular::triangular(team, &mut transpose(x, width), width)
}

/// The sum of the roots of the eigenvalues of MᵀM; `None` where it may be less precise than [`TOLERANCE`].
///
/// `x` and `y` are the `columns` of both factors, `x` those of `a`. Where both have more rows than columns, M = y·L with
/// the Cholesky factor L of xᵀx; otherwise M = x·yᵀ, or MᵀM = y·(xᵀx)·yᵀ with x the longer one.
fn by_eigenvalues(team: &Team, a: &Moments, columns: &[usize], x: &[f64], y: &[f64]) -> Option<f64> {
    let width = columns.len();
    let (m, n) = (x.len() / width, y.len() / width);
    let (mut square, size) = if m > width && n > width {
        let products = a.with_cholesky(team, columns, x, |l| l.map(|l| times_lower(team, y, l, width)))?;
        (gram(team, &products, width), width)
    } else {
        let (long, short) = if m >= n { (x, y) } else { (y, x) };
        let products = if m.max(n) > width {
            // The triangle's other half is the same.
            let mut sigma = gram(team, long, width);
            for i in 0..width {
                for j in 0..i {
                    sigma[j * width + i] = sigma[i * width + j];
                }
            }
            let half = team_products(team, short, &sigma, width);
            team_products(team, &half, short, width)
        } else {
            let products = team_products(team, long, short, width);
            gram(team, &products, m.min(n))
        };
        (products, m.min(n))
    };
    let values = eigenvalues(team, &mut square, size)?;
    // An eigenvalue λ is off by about ε·λₘₐₓ, so its root by half of that over √λ, and at most by the root of it.
    let error = f64::EPSILON * values.last()?.max(0.0);
    let mut sum = 0.0;
    let mut lost = 0.0;
    for value in &values {
        let root = value.max(0.0).sqrt();
        sum += root;
        lost += if *value > error { error / (2.0 * root) } else { error.sqrt() };
    }
    (lost <= TOLERANCE * sum).then_some(sum)
}

/// FID∞: [`fid`] of 15 numbers of generated rows, from 5,000 (or half of them, where that is less) to all, each drawn
/// anew without replacement, against all real rows; regressed on 1/N, the intercept.
///
/// # Errors
/// As [`fid`]; and if there are fewer than 30 generated rows.
pub fn fid_infinity(real: Table, generated: Table) -> Result<f64> {
    fid_infinity_among(real, generated, &Solo)
}

/// [`fid_infinity`] by several ranks, each some of the sizes; all get it.
///
/// # Errors
/// As [`fid_infinity`].
pub fn fid_infinity_among(real: Table, generated: Table, ranks: &dyn Ranks) -> Result<f64> {
    real.check_width(&generated)?;
    generated.check_rows(FEWEST, SIZES_TOLD)?;
    let n = generated.rows();
    let first = SMALLEST.min(n / 2);
    let mut random = RandomState::new(SEED);
    let subsets: Vec<_> = (0..SIZES).map(|i| random.choice(n, first + (n - first) * i / (SIZES - 1))).collect();
    let distances = deal(ranks, SIZES, |own| {
        // Of use to all of them: its Cholesky factor is found once.
        let real = Moments::new(real)?;
        let of_size = |&size: &usize| {
            let moments = Moments::of(generated.gather(&subsets[size]), generated.width());
            Ok(vec![distance(&real, &moments)?])
        };
        own.iter().map(of_size).collect()
    })?;
    let points: Vec<_> =
        subsets.iter().zip(distances).map(|(subset, fid)| ((subset.len() as f64).recip(), fid[0])).collect();
    Ok(intercept(&points))
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
