//! Dropout (Srivastava and others, "Dropout: a simple way to prevent neural networks from overfitting", 2014), scaled while
//! training, so that nothing has to be scaled afterwards.

use super::activation::put;
use super::rng::Philox;
use super::team::Team;
use crate::Float;

/// Values of a task: a whole number of the generator's blocks.
pub const PIECE: usize = 1 << 12;

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
