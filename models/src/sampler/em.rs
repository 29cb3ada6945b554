//! Expectation-maximisation of a mixture of Gaussians (Dempster, Laird and Rubin 1977), from a start by k-means++ (Arthur and
//! Vassilvitskii 2007).
//!
//! Of points xᵢ it maximises the penalised log-likelihood
//!
//! ```text
//! J = Σᵢ ln Σₖ wₖ·N(xᵢ; μₖ, Σₖ) − λ/2 · Σₖ tr Σₖ⁻¹
//! ```
//!
//! in turns:
//!
//! ```text
//! rᵢₖ = wₖ·N(xᵢ; μₖ, Σₖ) / Σₗ wₗ·N(xᵢ; μₗ, Σₗ)                               (expectation)
//! nₖ = Σᵢ rᵢₖ,  wₖ = nₖ/N,  μₖ = Σᵢ rᵢₖ·xᵢ/nₖ,
//! Σₖ = (Σᵢ rᵢₖ·(xᵢ − μₖ)(xᵢ − μₖ)ᵀ + λ·I) / nₖ                                (maximisation)
//! ```
//!
//! Without the penalty a component on a single point has a likelihood without bound. It comes in at the maximisation as one
//! point's worth of λ, [`FLOOR`] times the mean variance of the data, and as both steps maximise, J never falls. A diagonal covariance
//! keeps the diagonal of Σₖ alone.
//!
//! Sums over points have the order of the points, whatever the number of threads: tasks are blocks of points in the expectation, and
//! components in the maximisation.

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::eigen::cholesky;
use inkgrad_kernels::cpu::threads;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rayon::prelude::*;

use super::mixture::{Covariance, Mixture};

/// λ as a share of the mean variance of the data.
pub const FLOOR: f64 = 0.01;
/// The most turns.
const TURNS: usize = 200;
/// It ends when a turn adds less than this to J/N, in nats.
const ENOUGH: f64 = 1e-4;
/// Turns of k-means at the start.
const START: usize = 10;
/// Points of a task.
const BLOCK: usize = 256;

/// A mixture that was fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// The mixture.
    pub mixture: Mixture,
    /// J/N before each turn and after the last.
    pub objective: Vec<f64>,
}

/// The numbers of one component.
#[derive(Debug, Clone)]
struct Component {
    /// ln w; −∞ of one that no point belongs to any more.
    log_weight: f64,
    mean: Vec<f64>,
    /// L of its covariance, `(width, width)`, zero above; or standard deviations, `(width)`.
    factor: Vec<f64>,
}

/// Fits a mixture of `components` Gaussians on `points: (N, width)`, all randomness starting at `seed`.
///
/// # Panics
/// If there are fewer points than components, or numbers that are not finite.
#[track_caller]
pub fn fit(points: &[f64], width: usize, components: usize, covariance: Covariance, seed: u64) -> Fit {
    threads::shared(|| fit_here(points, width, components, covariance, seed))
}

#[track_caller]
fn fit_here(points: &[f64], width: usize, components: usize, covariance: Covariance, seed: u64) -> Fit {
    let n = points.len() / width;
    assert!(components > 0 && n >= components, "{components} components of {n} points");
    assert!(points.iter().all(|x| x.is_finite()), "points that are not finite");
    let data = Data { points, width, covariance, lambda: FLOOR * mean_variance(points, width) };
    let mut shares = start(points, width, components, seed);
    let mut mixture = data.maximise(&shares, components);
    let mut objective = Vec::new();
    for _ in 0..TURNS {
        let likelihood;
        (shares, likelihood) = data.expect(&mixture);
        objective.push((likelihood - data.penalty(&mixture)) / n as f64);
        if let [.., before, last] = objective[..]
            && last - before < ENOUGH
        {
            break;
        }
        mixture = data.maximise(&shares, components);
    }
    let narrow = |values: &[f64]| values.iter().map(|&x| x as f32).collect::<Vec<f32>>();
    let weights: Vec<f64> = mixture.iter().map(|component| component.log_weight.exp()).collect();
    let mixture = Mixture {
        width,
        weights: narrow(&weights),
        means: mixture.iter().flat_map(|component| narrow(&component.mean)).collect(),
        factors: mixture.iter().flat_map(|component| narrow(&data.square(&component.factor))).collect(),
    };
    Fit { mixture, objective }
}

/// The variance of the points, averaged over dimensions; 1 where all are equal.
fn mean_variance(points: &[f64], width: usize) -> f64 {
    let n = (points.len() / width) as f64;
    let of_dimension = |j: usize| {
        let column = || points.iter().skip(j).step_by(width);
        let mean = column().sum::<f64>() / n;
        column().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n
    };
    let mean = (0..width).map(of_dimension).sum::<f64>() / width as f64;
    if mean > 0.0 { mean } else { 1.0 }
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Which component each point begins in, as shares `(N, K)` of 0 and 1: k-means++ and a few turns of Lloyd's.
fn start(points: &[f64], width: usize, components: usize, seed: u64) -> Vec<f64> {
    let rows: Vec<&[f64]> = points.chunks_exact(width).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut centres: Vec<Vec<f64>> = vec![rows[(rng.random::<f64>() * rows.len() as f64) as usize].to_vec()];
    let mut distances: Vec<f64> = rows.iter().map(|row| squared_distance(row, &centres[0])).collect();
    while centres.len() < components {
        // A point by its squared distance to the nearest centre; any where all lie on one.
        let total: f64 = distances.iter().sum();
        let mut left = rng.random::<f64>() * total;
        let chosen = distances.iter().position(|distance| {
            left -= distance;
            left < 0.0
        });
        let chosen = chosen.unwrap_or_else(|| distances.iter().rposition(|&d| d > 0.0).unwrap_or(centres.len()));
        let centre = rows[chosen].to_vec();
        distances.iter_mut().zip(&rows).for_each(|(d, row)| *d = d.min(squared_distance(row, &centre)));
        centres.push(centre);
    }
    let mut nearest = Vec::new();
    for _ in 0..=START {
        let of = |row: &&[f64]| {
            let distances = centres.iter().map(|centre| squared_distance(row, centre));
            distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(k, _)| k)
        };
        nearest = rows.par_iter().map(of).collect::<Vec<usize>>();
        let (mut sums, mut counts) = (vec![vec![0.0; width]; components], vec![0usize; components]);
        for (row, &k) in rows.iter().zip(&nearest) {
            counts[k] += 1;
            sums[k].iter_mut().zip(*row).for_each(|(sum, x)| *sum += x);
        }
        for ((centre, sum), count) in centres.iter_mut().zip(sums).zip(counts).filter(|(_, count)| *count > 0) {
            *centre = sum.iter().map(|sum| sum / count as f64).collect();
        }
    }
    let mut shares = vec![0.0; rows.len() * components];
    nearest.iter().enumerate().for_each(|(i, &k)| shares[i * components + k] = 1.0);
    shares
}

/// The points, and what their mixture is to be.
struct Data<'a> {
    points: &'a [f64],
    width: usize,
    covariance: Covariance,
    lambda: f64,
}

impl Data<'_> {
    /// The shares rᵢₖ, `(N, K)`, and the log-likelihood.
    fn expect(&self, mixture: &[Component]) -> (Vec<f64>, f64) {
        let (d, k) = (self.width, mixture.len());
        let mut shares = vec![0.0; self.points.len() / d * k];
        // ln w − Σⱼ ln Lⱼⱼ − d/2·ln 2π of each component.
        let constant = |component: &Component| {
            let volume: f64 = (0..d).map(|j| self.deviation(&component.factor, j).ln()).sum();
            component.log_weight - volume - 0.5 * d as f64 * std::f64::consts::TAU.ln()
        };
        let constants: Vec<f64> = mixture.iter().map(constant).collect();
        let block = |(shares, points): (&mut [f64], &[f64])| -> f64 {
            let mut y = vec![0.0; d];
            let mut sum = 0.0;
            for (row, x) in shares.chunks_exact_mut(k).zip(points.chunks_exact(d)) {
                for ((share, component), constant) in row.iter_mut().zip(mixture).zip(&constants) {
                    *share = match constant.is_finite() {
                        true => constant - 0.5 * self.squares(component, x, &mut y),
                        false => f64::NEG_INFINITY,
                    };
                }
                let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                row.iter_mut().for_each(|share| *share = (*share - largest).exp());
                let total: f64 = row.iter().sum();
                row.iter_mut().for_each(|share| *share /= total);
                sum += largest + total.ln();
            }
            sum
        };
        let blocks = shares.par_chunks_mut(BLOCK * k).zip(self.points.par_chunks(BLOCK * d));
        let sums: Vec<f64> = blocks.map(block).collect();
        (shares, sums.iter().sum())
    }

    /// ‖L⁻¹(x − μ)‖², by forward substitution into `y`.
    fn squares(&self, component: &Component, x: &[f64], y: &mut [f64]) -> f64 {
        let d = self.width;
        let mut squares = 0.0;
        for j in 0..d {
            let apart = x[j] - component.mean[j];
            y[j] = match self.covariance {
                Covariance::Diagonal => apart / component.factor[j],
                Covariance::Full => {
                    let row = &component.factor[j * d..][..=j];
                    let known: f64 = row[..j].iter().zip(&*y).map(|(l, y)| l * y).sum();
                    (apart - known) / row[j]
                }
            };
            squares += y[j] * y[j];
        }
        squares
    }

    /// Lⱼⱼ of a factor.
    fn deviation(&self, factor: &[f64], j: usize) -> f64 {
        match self.covariance {
            Covariance::Diagonal => factor[j],
            Covariance::Full => factor[j * self.width + j],
        }
    }

    /// The mixture that is most likely by the shares `(N, K)`.
    fn maximise(&self, shares: &[f64], components: usize) -> Vec<Component> {
        let (d, n) = (self.width, self.points.len() / self.width);
        let rows = |k: usize| {
            // The rest adds less than rounding does.
            let shares = shares.iter().skip(k).step_by(components).copied();
            self.points.chunks_exact(d).zip(shares).filter(|(_, share)| *share > 1e-15)
        };
        let component = |k: usize| {
            let count: f64 = rows(k).map(|(_, share)| share).sum();
            if count < 1e-9 {
                // Nothing is left of it.
                let factor = vec![1.0; self.factor_len()];
                return Component { log_weight: f64::NEG_INFINITY, mean: vec![0.0; d], factor };
            }
            let mut mean = vec![0.0; d];
            for (x, share) in rows(k) {
                mean.iter_mut().zip(x).for_each(|(mean, x)| *mean += share * x);
            }
            mean.iter_mut().for_each(|mean| *mean /= count);
            let mut spread = vec![0.0; self.factor_len()];
            let mut apart = vec![0.0; d];
            for (x, share) in rows(k) {
                apart.iter_mut().zip(x.iter().zip(&mean)).for_each(|(apart, (x, mean))| *apart = x - mean);
                match self.covariance {
                    Covariance::Diagonal => {
                        spread.iter_mut().zip(&apart).for_each(|(s, apart)| *s += share * apart * apart);
                    }
                    Covariance::Full => {
                        for j in 0..d {
                            let scaled = share * apart[j];
                            let row = spread[j * d..][..=j].iter_mut();
                            row.zip(&apart).for_each(|(s, apart)| *s += scaled * apart);
                        }
                    }
                }
            }
            let factor = match self.covariance {
                Covariance::Diagonal => spread.iter().map(|s| ((s + self.lambda) / count).sqrt()).collect(),
                Covariance::Full => {
                    (0..d).for_each(|j| spread[j * d + j] += self.lambda);
                    spread.iter_mut().for_each(|s| *s /= count);
                    factor(&mut spread, d);
                    spread
                }
            };
            Component { log_weight: (count / n as f64).ln(), mean, factor }
        };
        (0..components).into_par_iter().map(component).collect()
    }

    fn factor_len(&self) -> usize {
        match self.covariance {
            Covariance::Full => self.width * self.width,
            Covariance::Diagonal => self.width,
        }
    }

    /// λ/2·Σₖ tr Σₖ⁻¹, and tr Σ⁻¹ = ‖L⁻¹‖².
    fn penalty(&self, mixture: &[Component]) -> f64 {
        let d = self.width;
        let trace = |component: &Component| -> f64 {
            let origin = Component { mean: vec![0.0; d], ..component.clone() };
            let (mut unit, mut y) = (vec![0.0; d], vec![0.0; d]);
            let column = |j: usize| {
                unit.fill(0.0);
                unit[j] = 1.0;
                self.squares(&origin, &unit, &mut y)
            };
            (0..d).map(column).sum()
        };
        let with_points = mixture.iter().filter(|component| component.log_weight.is_finite());
        0.5 * self.lambda * with_points.map(trace).sum::<f64>()
    }

    /// A factor as `(width, width)`.
    fn square(&self, factor: &[f64]) -> Vec<f64> {
        match self.covariance {
            Covariance::Full => factor.to_vec(),
            Covariance::Diagonal => {
                let mut square = vec![0.0; self.width * self.width];
                (0..self.width).for_each(|j| square[j * self.width + j] = factor[j]);
                square
            }
        }
    }
}

/// The lower triangle L of A = L·Lᵀ in the place of A, `(n, n)`, of which the lower triangle is read; zero above. Where rounding
/// has made A singular, as little as is needed is added to its diagonal.
pub(super) fn factor(a: &mut [f64], n: usize) {
    let from = a.to_vec();
    let largest = (0..n).map(|j| a[j * n + j]).fold(f64::MIN_POSITIVE, f64::max);
    let mut ridge = 0.0;
    while !cholesky::factor(&Team::solo(), a, n, 1e-12) {
        ridge = if ridge == 0.0 { 1e-10 * largest } else { 10.0 * ridge };
        a.copy_from_slice(&from);
        (0..n).for_each(|j| a[j * n + j] += ridge);
    }
}
