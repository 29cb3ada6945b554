//! Walks through latents: along one dimension, from one class towards another, from one drawing to another.
//!
//! ```
//! use inkgrad_models::infer::Latents;
//! use inkgrad_models::walk::{self, Way};
//!
//! // Four latents of two dimensions, of two classes that differ in the first; the second says nothing: q(z|x) is the prior.
//! let mu = vec![1.0, 0.0, 1.5, 0.0, -1.0, 0.0, -1.5, 0.0];
//! let logvar = Some(vec![-4.0, 0.0, -4.0, 0.0, -4.0, 0.0, -4.0, 0.0]);
//! let latents = Latents { width: 2, mu, logvar };
//! let dimensions = walk::dimensions(&latents)?;
//! assert_eq!((dimensions[0].index, dimensions[1].kl), (0, Some(0.0)));
//! assert_eq!(dimensions[0].traversal(&[0.0, 0.5], 3.0, 3), [-3.0, 0.5, 0.0, 0.5, 3.0, 0.5]);
//!
//! let towards = walk::attribute(&latents, &[0, 0, 1, 1], [0, 1]).expect("latents of both classes");
//! assert_eq!(towards, [2.5, 0.0]);
//! assert_eq!(walk::along(&[-1.0, 0.0], &towards, &[0.0, 0.5]), [-1.0, 0.0, 0.25, 0.0]);
//! assert_eq!(Way::Linear.between(&[0.0, 1.0], &[2.0, 1.0], 0.25), [0.5, 1.0]);
//! # Ok::<(), inkgrad_models::Error>(())
//! ```

use crate::Result;
use crate::infer::Latents;
use crate::metrics::Table;
use crate::metrics::latent::usage;
use crate::run::config::choice;
use crate::sample::slerp;

choice! {
    /// How one goes from one latent to another.
    Way("way") {
        /// Along an arc: lengths stay those that draws from the prior have.
        Spherical = "spherical",
        /// Along a straight line.
        Linear = "linear",
    }
}

impl Way {
    /// The latent at `t` of the way from `a` (`t` = 0) to `b` (`t` = 1): (1 − t)·a + t·b, or that of [`slerp`].
    pub fn between(self, a: &[f32], b: &[f32], t: f64) -> Vec<f32> {
        match self {
            Way::Spherical => slerp(a, b, t),
            Way::Linear => {
                let between = |(&a, &b): (&f32, &f32)| ((1.0 - t) * f64::from(a) + t * f64::from(b)) as f32;
                a.iter().zip(b).map(between).collect()
            }
        }
    }
}

/// A dimension of latents, as the drawings use it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dimension {
    /// Which one.
    pub index: usize,
    /// KL(q(z|x) ‖ N(0, 1)) in nats, the mean over drawings; `None` without variances.
    pub kl: Option<f64>,
    /// The middle of the values that a decoder knows: 0 with a prior, else the mean over drawings.
    pub middle: f64,
    /// Their standard deviation: 1 with a prior, else that over drawings.
    pub deviation: f64,
}

/// The dimensions of the latents of drawings, those first that carry most: by their divergence from the prior, of a network without
/// one by their variance.
///
/// # Errors
/// If there are no latents, or one is not finite.
pub fn dimensions(latents: &Latents) -> Result<Vec<Dimension>> {
    let width = latents.width;
    let mu = Table::new("latents", &latents.mu, width)?;
    let mut found: Vec<(f64, Dimension)> = match &latents.logvar {
        Some(logvar) => {
            let used = usage(mu, Table::new("log-variances", logvar, width)?)?;
            let of = |(index, kl)| (kl, Dimension { index, kl: Some(kl), middle: 0.0, deviation: 1.0 });
            used.kl.into_iter().enumerate().map(of).collect()
        }
        None => {
            let column = |j: usize| latents.mu.iter().skip(j).step_by(width).map(|&z| f64::from(z));
            let of = |index| {
                let n = mu.rows() as f64;
                let middle = column(index).sum::<f64>() / n;
                let variance = column(index).map(|z| (z - middle) * (z - middle)).sum::<f64>() / n;
                (variance, Dimension { index, kl: None, middle, deviation: variance.sqrt() })
            };
            (0..width).map(of).collect()
        }
    };
    found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    Ok(found.into_iter().map(|(_, dimension)| dimension).collect())
}

impl Dimension {
    /// The value at `sigmas` standard deviations from the middle.
    pub fn at(&self, sigmas: f64) -> f32 {
        (self.middle + sigmas * self.deviation) as f32
    }

    /// `(steps, latent)`: the latent `base` with this dimension at −`sigmas` to `sigmas` standard deviations from the middle, in even
    /// steps.
    ///
    /// # Panics
    /// With fewer than two steps, or a latent that is too short.
    pub fn traversal(&self, base: &[f32], sigmas: f64, steps: usize) -> Vec<f32> {
        let values = stops(-sigmas, sigmas, steps).map(|at| {
            let mut latent = base.to_vec();
            latent[self.index] = self.at(at);
            latent
        });
        values.flatten().collect()
    }
}

/// `steps` numbers from `from` to `to`, both included.
///
/// # Panics
/// With fewer than two steps.
pub fn stops(from: f64, to: f64, steps: usize) -> impl Iterator<Item = f64> {
    assert!(steps >= 2, "{steps} steps have no two ends");
    (0..steps).map(move |i| {
        let t = i as f64 / (steps - 1) as f64;
        (1.0 - t) * from + t * to
    })
}

/// The mean latent of the drawings of class `to` minus that of class `from`, of `[to, from]` (Larsen et al. 2016, *Autoencoding beyond
/// pixels using a learned similarity metric*, section 4.3): `(latent)`; `labels` are the drawings' classes. `None` where a class has no
/// drawing.
pub fn attribute(latents: &Latents, labels: &[usize], [to, from]: [usize; 2]) -> Option<Vec<f32>> {
    let mean = |class: usize| {
        let mut sum = vec![0.0f64; latents.width];
        let rows = latents.mu.chunks_exact(latents.width).zip(labels).filter(|(_, label)| **label == class);
        let mut n = 0u32;
        for (row, _) in rows {
            sum.iter_mut().zip(row).for_each(|(sum, &z)| *sum += f64::from(z));
            n += 1;
        }
        (n > 0).then(|| sum.into_iter().map(|sum| sum / f64::from(n)).collect::<Vec<f64>>())
    };
    let (to, from) = (mean(to)?, mean(from)?);
    Some(to.iter().zip(&from).map(|(to, from)| (to - from) as f32).collect())
}

/// `(weights, latent)`: a latent plus each of `weights` times a direction.
pub fn along(latent: &[f32], direction: &[f32], weights: &[f64]) -> Vec<f32> {
    let moved = |&weight: &f64| {
        let place = move |(&z, &d): (&f32, &f32)| (f64::from(z) + weight * f64::from(d)) as f32;
        latent.iter().zip(direction).map(place)
    };
    weights.iter().flat_map(moved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dimensions_are_in_the_order_of_what_they_carry() {
        // Without variances: the third dimension varies most, around 5.
        let mu = vec![1.0, 0.0, 9.0, 2.0, 0.5, 1.0, 1.0, 0.0, 9.0, 2.0, 0.5, 1.0];
        let found = dimensions(&Latents { width: 3, mu: mu.clone(), logvar: None }).unwrap();
        assert_eq!(found.iter().map(|d| d.index).collect::<Vec<_>>(), [2, 0, 1]);
        assert_eq!((found[0].middle, found[0].deviation, found[0].kl), (5.0, 4.0, None));
        assert_eq!(found[0].traversal(&[7.0, 8.0, 0.0], 2.0, 2), [7.0, 8.0, -3.0, 7.0, 8.0, 13.0]);
        // With them: ½·(μ² + σ² − 1 − ln σ²).
        let logvar: Vec<f32> = [0.0, -3.0, 0.0].repeat(4);
        let found = dimensions(&Latents { width: 3, mu, logvar: Some(logvar) }).unwrap();
        let kl: Vec<f64> = found.iter().map(|d| d.kl.unwrap()).collect();
        assert_eq!(found.iter().map(|d| d.index).collect::<Vec<_>>(), [2, 0, 1]);
        let expected = [20.5, 1.25, 0.5 * (0.125 + (-3.0f64).exp() - 1.0 + 3.0)];
        assert!(kl.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-6), "{kl:?}");
        assert_eq!((found[0].middle, found[0].deviation), (0.0, 1.0));
    }

    #[test]
    fn a_class_without_drawings_has_no_direction() {
        let latents = Latents { width: 1, mu: vec![1.0, 2.0], logvar: None };
        assert_eq!(attribute(&latents, &[0, 1], [1, 0]), Some(vec![1.0]));
        assert_eq!(attribute(&latents, &[0, 0], [1, 0]), None);
    }

    #[test]
    fn ends_are_met_on_every_way() {
        for way in Way::ALL {
            let (a, b) = ([1.0, 2.0, -3.0], [0.5, -1.0, 4.0]);
            for (t, end) in [(0.0, a), (1.0, b)] {
                let found = way.between(&a, &b, t);
                assert!(found.iter().zip(end).all(|(x, y)| (x - y).abs() < 1e-6), "{way}: {found:?}");
            }
        }
        assert_eq!(stops(-3.0, 3.0, 5).collect::<Vec<_>>(), [-3.0, -1.5, 0.0, 1.5, 3.0]);
    }
}
