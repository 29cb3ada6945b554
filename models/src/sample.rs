//! Latents to decode: draws from the prior, the other strategies of the original study, each under its own name, and
//! what lies between two latents.
//!
//! ```
//! use inkgrad_models::sample::{prior, slerp};
//!
//! let latents = prior(2, 16, 42); // (2, 16), the same for the same seed
//! let (a, b) = latents.split_at(16);
//! assert_eq!(slerp(a, b, 0.0), a);
//! ```

use std::fmt;
use std::str::FromStr;

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::rng;

/// The random stream of samples; streams of training and initialisation lie elsewhere.
const STREAM: u64 = 1 << 40;
/// The stream of a strategy's own choices.
const CHOICES: u64 = STREAM + 1;

/// How latents are drawn. Only [`Strategy::Prior`] draws what a VAE is trained to decode; the others are the original
/// study's "diverse sampling" and say so wherever they are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// ε ~ N(0, I).
    #[default]
    Prior,
    /// 1.5·ε.
    Scaled,
    /// ε where a coin of probability 0.3 falls, else 0.
    Sparse,
    /// U(−2, 2).
    Uniform,
    /// |ε|·(−1)ʲ in dimension j.
    Alternating,
    /// 2·ε in a quarter of the dimensions, chosen anew for each latent, and 0.3·ε in the others.
    Focused,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 6] =
        [Self::Prior, Self::Scaled, Self::Sparse, Self::Uniform, Self::Alternating, Self::Focused];

    /// Its name on the command line and in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prior => "prior",
            Self::Scaled => "scaled",
            Self::Sparse => "sparse",
            Self::Uniform => "uniform",
            Self::Alternating => "alternating",
            Self::Focused => "focused",
        }
    }

    /// Its drawings, in a few words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Prior => "draws from the prior N(0, I)",
            Self::Scaled => "noise scaled by 1.5, not draws from the prior",
            Self::Sparse => "sparse noise, not draws from the prior",
            Self::Uniform => "uniform noise in [-2, 2], not draws from the prior",
            Self::Alternating => "noise of alternating sign, not draws from the prior",
            Self::Focused => "noise focused on a quarter of the dimensions, not draws from the prior",
        }
    }

    /// Draws `n` latents, `(n, width)`. Latent `i` is the same for every `n`.
    pub fn draw(self, n: usize, width: usize, seed: u64) -> Vec<f32> {
        let mut latents = prior(n, width, seed);
        let choices = || {
            let mut choices = vec![0.0f32; n * width];
            rng::fill_uniform(&Team::solo(), seed, CHOICES, 0, &mut choices);
            choices
        };
        match self {
            Self::Prior => {}
            Self::Scaled => latents.iter_mut().for_each(|z| *z *= 1.5),
            Self::Sparse => latents.iter_mut().zip(choices()).for_each(|(z, u)| {
                if u >= 0.3 {
                    *z = 0.0;
                }
            }),
            Self::Uniform => latents.iter_mut().zip(choices()).for_each(|(z, u)| *z = 4.0 * u - 2.0),
            Self::Alternating => latents.chunks_mut(width).for_each(|latent| {
                let signs = [1.0, -1.0].into_iter().cycle();
                latent.iter_mut().zip(signs).for_each(|(z, sign)| *z = z.abs() * sign);
            }),
            Self::Focused => latents.chunks_mut(width).zip(choices().chunks(width)).for_each(|(latent, choices)| {
                let mut dimensions: Vec<usize> = (0..width).collect();
                dimensions.sort_by(|&a, &b| choices[a].total_cmp(&choices[b]));
                let (focus, others) = dimensions.split_at(width / 4);
                focus.iter().for_each(|&j| latent[j] *= 2.0);
                others.iter().for_each(|&j| latent[j] *= 0.3);
            }),
        }
        latents
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("unknown strategy `{text}`, expected one of {known}")
        })
    }
}

/// `n` draws from N(0, I), `(n, width)`.
pub fn prior(n: usize, width: usize, seed: u64) -> Vec<f32> {
    let mut latents = vec![0.0; n * width];
    rng::fill_normal(&Team::solo(), seed, STREAM, 0, &mut latents);
    latents
}

/// Spherical interpolation from `a` (`t` = 0) to `b` (`t` = 1):
/// sin((1 − t)·Ω)/sin Ω · a + sin(t·Ω)/sin Ω · b, where Ω is the angle between them (Shoemake 1985).
/// Where they point the same or the opposite way the arc has no one direction, and a straight line takes its place.
pub fn slerp(a: &[f32], b: &[f32], t: f64) -> Vec<f32> {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
    let omega = (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()).clamp(-1.0, 1.0).acos();
    let sine = omega.sin();
    // NaN where one of them is zero.
    let (of_a, of_b) =
        if sine > 1e-6 { (((1.0 - t) * omega).sin() / sine, (t * omega).sin() / sine) } else { (1.0 - t, t) };
    a.iter().zip(b).map(|(&a, &b)| (of_a * f64::from(a) + of_b * f64::from(b)) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strategies_are_what_their_names_say() {
        let (n, width) = (500, 32);
        let prior = prior(n, width, 7);
        let draw = |strategy: Strategy| strategy.draw(n, width, 7);
        assert_eq!(draw(Strategy::Prior), prior);
        assert!(draw(Strategy::Scaled).iter().zip(&prior).all(|(z, e)| *z == 1.5 * e));

        let sparse = draw(Strategy::Sparse);
        let kept = sparse.iter().filter(|&&z| z != 0.0).count() as f64 / sparse.len() as f64;
        assert!((0.28..0.32).contains(&kept), "{kept}");
        assert!(sparse.iter().zip(&prior).all(|(z, e)| *z == 0.0 || z == e));

        let uniform = draw(Strategy::Uniform);
        assert!(uniform.iter().all(|z| (-2.0..=2.0).contains(z)));
        assert!(uniform.iter().any(|z| *z < -1.9) && uniform.iter().any(|z| *z > 1.9));

        let alternating = draw(Strategy::Alternating);
        assert!(alternating.chunks(2).all(|pair| pair[0] >= 0.0 && pair[1] <= 0.0));

        for (latent, noise) in draw(Strategy::Focused).chunks(width).zip(prior.chunks(width)) {
            assert_eq!(latent.iter().zip(noise).filter(|(z, e)| **z == 2.0 * *e).count(), width / 4);
            assert_eq!(latent.iter().zip(noise).filter(|(z, e)| **z == 0.3 * *e).count(), width - width / 4);
        }
    }

    #[test]
    fn a_draw_does_not_depend_on_how_many_follow() {
        for strategy in Strategy::ALL {
            assert_eq!(strategy.draw(3, 32, 1), strategy.draw(9, 32, 1)[..3 * 32], "{strategy}");
            assert_ne!(strategy.draw(3, 32, 1), strategy.draw(3, 32, 2), "{strategy}");
            assert_eq!(strategy.name().parse(), Ok(strategy));
        }
    }

    #[test]
    fn an_arc_keeps_its_radius_and_meets_both_ends() {
        let (a, b) = ([3.0, 0.0], [0.0, 3.0]);
        let middle = slerp(&a, &b, 0.5);
        assert!(middle.iter().all(|x| (x - 3.0 / 2f32.sqrt()).abs() < 1e-6), "{middle:?}");
        assert_eq!(slerp(&a, &b, 0.0), a);
        let end = slerp(&a, &b, 1.0);
        assert!(end.iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-6), "{end:?}");
    }

    #[test]
    fn without_an_angle_the_way_is_straight() {
        assert_eq!(slerp(&[1.0, 0.0], &[3.0, 0.0], 0.5), [2.0, 0.0]);
        assert_eq!(slerp(&[0.0, 0.0], &[4.0, 2.0], 0.25), [1.0, 0.5]);
    }
}
