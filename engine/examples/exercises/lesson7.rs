//! The Fréchet distance of two Gaussians with diagonal covariances.

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::eigen::eigenvalues;

use super::{Exercise, Verdict, close};

pub const EXERCISE: Exercise = Exercise {
    lesson: 7,
    file: "lesson7.rs",
    asks: "the Fréchet distance of two diagonal Gaussians",
    starter: || property(yours),
    solution: || property(engine),
};

/// A Gaussian of independent features: their means and variances.
struct Gaussian {
    mean: &'static [f64],
    variance: &'static [f64],
}

/// Yours: as it stands, only the means are compared.
fn yours(a: &Gaussian, b: &Gaussian) -> f64 {
    a.mean.iter().zip(b.mean).map(|(a, b)| (a - b).powi(2)).sum()
}

/// ‖μ₁ − μ₂‖² + Tr Σ₁ + Tr Σ₂ − 2·Tr √(Σ₁Σ₂) as for any covariances: √(Σ₁Σ₂) has the trace of the root of S·Σ₂·S with
/// S = √Σ₁, which is symmetric, and its eigenvalues are the engine's. Both covariances are reflected by one matrix
/// Q = I − 2vvᵀ/‖v‖² first, which changes no distance and leaves nothing diagonal.
fn engine(a: &Gaussian, b: &Gaussian) -> f64 {
    let n = a.mean.len();
    let q = |i: usize, j: usize| {
        let (vi, vj) = ((i + 1) as f64, (j + 1) as f64);
        let norm: f64 = (1..=n).map(|k| (k * k) as f64).sum();
        f64::from(u8::from(i == j)) - 2.0 * vi * vj / norm
    };
    let product = |x: &[f64], y: &[f64]| -> Vec<f64> {
        (0..n * n).map(|at| (0..n).map(|k| x[at / n * n + k] * y[k * n + at % n]).sum()).collect()
    };
    // Q·diag(d)·Q, since Q is its own transpose.
    let reflected = |d: &dyn Fn(usize) -> f64| -> Vec<f64> {
        (0..n * n).map(|at| (0..n).map(|k| q(at / n, k) * d(k) * q(k, at % n)).sum()).collect()
    };
    let root = reflected(&|k| a.variance[k].sqrt());
    let mut square = product(&product(&root, &reflected(&|k| b.variance[k])), &root);
    let values = eigenvalues(&Team::solo(), &mut square, n).expect("finite variances");
    let cross: f64 = values.iter().map(|value| value.max(0.0).sqrt()).sum();
    let traces: f64 = a.variance.iter().chain(b.variance).sum();
    let means: f64 = a.mean.iter().zip(b.mean).map(|(a, b)| (a - b).powi(2)).sum();
    means + traces - 2.0 * cross
}

/// The cost of moving the one Gaussian onto the other, quantile by quantile: Σ ∫ φ(z)·(μ₁ + σ₁z − μ₂ − σ₂z)² dz, by
/// Simpson's rule from −12 to 12.
fn transport(a: &Gaussian, b: &Gaussian) -> f64 {
    const PIECES: usize = 2000;
    let width = 24.0 / PIECES as f64;
    let feature = |k: usize| {
        let (mean, spread) = (a.mean[k] - b.mean[k], a.variance[k].sqrt() - b.variance[k].sqrt());
        let term = |i: usize| {
            let z = i as f64 * width - 12.0;
            let weight = if i == 0 || i == PIECES { 1.0 } else { [2.0, 4.0][i % 2] };
            weight * (-0.5 * z * z).exp() * (mean + spread * z).powi(2)
        };
        (0..=PIECES).map(term).sum::<f64>() * width / (3.0 * std::f64::consts::TAU.sqrt())
    };
    (0..a.mean.len()).map(feature).sum()
}

/// It is the cost of optimal transport.
fn property(distance: fn(&Gaussian, &Gaussian) -> f64) -> Verdict {
    let gaussian = |mean, variance| Gaussian { mean, variance };
    let pairs = [
        [gaussian(&[0.5], &[2.0]), gaussian(&[0.5], &[2.0])],
        [gaussian(&[1.0, -2.0], &[1.0, 3.0]), gaussian(&[0.0, -1.5], &[1.0, 3.0])],
        [gaussian(&[0.0, 0.0], &[1.0, 4.0]), gaussian(&[0.0, 0.0], &[4.0, 1.0])],
        [gaussian(&[0.3, -0.1, 2.0], &[0.5, 1.5, 2.5]), gaussian(&[-0.4, 0.2, 1.0], &[2.0, 0.1, 2.5])],
    ];
    for [a, b] in &pairs {
        let (found, expected) = (distance(a, b), transport(a, b));
        if !close(found, expected, 1e-9) {
            return Err(format!(
                "of means {:?} and {:?}, variances {:?} and {:?}: {found:.6}, transport costs {expected:.6}. Equal means \
                 leave the spreads: σ₁z has to go to σ₂z",
                a.mean, b.mean, a.variance, b.variance
            ));
        }
    }
    Ok(format!("{} distances are the costs of transport", pairs.len()))
}
