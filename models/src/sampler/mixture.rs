//! A mixture of Gaussians: Σₖ wₖ·N(μₖ, Lₖ·Lₖᵀ).

use std::fmt;

/// The covariance of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covariance {
    /// Any.
    Full,
    /// Dimensions vary independently.
    Diagonal,
}

impl fmt::Display for Covariance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Covariance::Full => "full",
            Covariance::Diagonal => "diagonal",
        })
    }
}

/// A mixture of K Gaussians of `width` dimensions. Its numbers are `f32`, as a file keeps them, so that one that was read draws what
/// the one that was fitted does.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    /// Dimensions.
    pub width: usize,
    /// `(K)`: the share of each component; they add up to 1.
    pub weights: Vec<f32>,
    /// `(K, width)`.
    pub means: Vec<f32>,
    /// `(K, width, width)`: the lower triangles L of the covariances' Cholesky factors, zero above; a diagonal one's are standard
    /// deviations.
    pub factors: Vec<f32>,
}

impl Mixture {
    /// Turns the noise `z` ~ N(0, I) into a draw: μₖ + Lₖ·z of the component at the share `choice`, uniform on [0, 1).
    pub fn place(&self, choice: f64, z: &mut [f32]) {
        let d = self.width;
        let k = self.component(choice);
        let (mean, factor) = (&self.means[k * d..][..d], &self.factors[k * d * d..][..d * d]);
        // From the last row up: a row needs the noise of those before it.
        for j in (0..d).rev() {
            let sum: f64 = factor[j * d..][..=j].iter().zip(&z[..=j]).map(|(&l, &e)| f64::from(l) * f64::from(e)).sum();
            z[j] = (f64::from(mean[j]) + sum) as f32;
        }
    }

    /// The component that the share `choice` falls on. Rounding may leave the shares short of 1: the last with a weight has the rest.
    fn component(&self, choice: f64) -> usize {
        let mut end = 0.0;
        let found = self.weights.iter().position(|&weight| {
            end += f64::from(weight);
            choice < end
        });
        found.unwrap_or_else(|| self.weights.iter().rposition(|&weight| weight > 0.0).unwrap_or(0))
    }

    /// ln p(x), by its formula: the naive twin of what [`em`](super::em) computes.
    ///
    /// ln Σₖ wₖ·exp(−½·‖Lₖ⁻¹(x − μₖ)‖² − Σⱼ ln Lₖⱼⱼ − d/2·ln 2π)
    pub fn log_density(&self, x: &[f64]) -> f64 {
        let d = self.width;
        let terms: Vec<f64> = (0..self.weights.len())
            .filter(|&k| self.weights[k] > 0.0)
            .map(|k| {
                let factor = |j: usize, i: usize| f64::from(self.factors[(k * d + j) * d + i]);
                // L·y = x − μ by forward substitution.
                let mut y = vec![0.0; d];
                for j in 0..d {
                    let known: f64 = (0..j).map(|i| factor(j, i) * y[i]).sum();
                    y[j] = (x[j] - f64::from(self.means[k * d + j]) - known) / factor(j, j);
                }
                let squares: f64 = y.iter().map(|y| y * y).sum();
                let volume: f64 = (0..d).map(|j| factor(j, j).ln()).sum();
                f64::from(self.weights[k]).ln() - 0.5 * squares - volume - 0.5 * d as f64 * std::f64::consts::TAU.ln()
            })
            .collect();
        let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        largest + terms.iter().map(|term| (term - largest).exp()).sum::<f64>().ln()
    }
}
