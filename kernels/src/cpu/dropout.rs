//! Dropout (Srivastava and others, "Dropout: a simple way to prevent neural networks from overfitting", 2014), scaled while
//! training, so that nothing has to be scaled afterwards.

use super::activation::put;
use super::rng::Philox;
use super::team::Team;
use crate::Float;

/// Values of a task: a whole number of the generator's blocks.
const PIECE: usize = 1 << 12;

/// The stream that a mask is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mask {
    /// The generator's key.
    pub key: u64,
    /// The stream.
    pub stream: u64,
}

/// yᵢ = xᵢ / (1 − p) where uᵢ ≥ p, else 0, or added; uᵢ is value i of the mask's stream, uniform on [0, 1). So is dx from dy:
/// the mask is drawn again, not kept.
///
/// # Panics
/// If the slices differ in length, or `p` is not from 0 up to below 1.
pub fn dropout<T: Float>(team: &Team, mask: Mask, p: f64, x: &[T], y: &mut [T], add: bool) {
    assert!(x.len() == y.len(), "dropout: {} and {} elements", x.len(), y.len());
    assert!((0.0..1.0).contains(&p), "dropout: a share of {p}, expected from 0 up to below 1");
    let (philox, scale) = (Philox::new(mask.key, mask.stream), T::from_f64(1.0 / (1.0 - p)));
    team.pieces([(y, PIECE)], |i, [y]| {
        let first = i * PIECE;
        for (block, (y, x)) in y.chunks_mut(4).zip(x[first..].chunks(4)).enumerate() {
            let uniforms = philox.uniforms((first / 4 + block) as u64);
            for ((y, &x), u) in y.iter_mut().zip(x).zip(uniforms) {
                put(y, if u >= p { x * scale } else { T::ZERO }, add);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::{Pool, rng};

    #[test]
    fn what_is_kept_is_what_the_generator_says_at_any_number_of_threads() {
        let (mask, p, n) = (Mask { key: 7, stream: 3 }, 0.3, 3 * PIECE + 5);
        let mut u = vec![0.0f64; n];
        rng::fill_uniform(&Team::solo(), mask.key, mask.stream, 0, &mut u);
        let x: Vec<f32> = (0..n).map(|i| 1.0 + i as f32).collect();
        for threads in [1, 3] {
            let mut y = vec![1.0f32; n];
            Pool::new(threads).enter(|team| dropout(team, mask, p, &x, &mut y, true));
            for i in 0..n {
                let expected = if u[i] >= p { x[i] * (1.0 / 0.7) as f32 } else { 0.0 };
                assert_eq!(y[i], 1.0 + expected);
            }
        }
        let kept = u.iter().filter(|&&u| u >= p).count() as f64 / n as f64;
        assert!((kept - 0.7).abs() < 5.0 * (0.21 / n as f64).sqrt(), "{kept}");
    }
}
