//! How far reconstructions are from their originals.
//!
//! ```
//! use inkgrad_models::distance::{bce, mse};
//!
//! let (originals, grey) = ([0.0, 1.0, 1.0, 0.0], [0.5; 4]); // two pictures of two pixels
//! assert_eq!(mse(&originals, &grey), 0.25);
//! assert!((bce(&originals, &grey, 2) - 2.0 * 2f64.ln()).abs() < 1e-12); // ln 2 a pixel
//! ```

/// The summed binary cross-entropy of a picture of `values`, −Σ x·ln p + (1 − x)·ln(1 − p), averaged over all pictures;
/// both are `(N, values)` in [0, 1]. Logarithms end at −100, as PyTorch's do.
pub fn bce(originals: &[f32], reconstructions: &[f32], values: usize) -> f64 {
    let log = |p: f64| p.ln().max(-100.0);
    values as f64 * mean(originals, reconstructions, |x, p| -(x * log(p) + (1.0 - x) * log(1.0 - p)))
}

/// The squared error of a pixel, averaged over all pixels of all pictures; both are `(N, values)`.
pub fn mse(originals: &[f32], reconstructions: &[f32]) -> f64 {
    mean(originals, reconstructions, |x, y| (x - y) * (x - y))
}

/// The mean over all values of all pictures.
fn mean(originals: &[f32], reconstructions: &[f32], of: impl Fn(f64, f64) -> f64) -> f64 {
    assert_eq!(originals.len(), reconstructions.len(), "a reconstruction for each original");
    let sum: f64 = originals.iter().zip(reconstructions).map(|(&x, &y)| of(x.into(), y.into())).sum();
    sum / originals.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_per_drawing_and_per_pixel() {
        const PIXELS: usize = 784;
        let (ink, half) = (vec![1.0; 2 * PIXELS], vec![0.5; 2 * PIXELS]);
        assert!((bce(&ink, &half, PIXELS) - PIXELS as f64 * 2f64.ln()).abs() < 1e-9);
        assert_eq!(mse(&ink, &half), 0.25);
        // Certain and wrong: 100 a pixel. Certain and right: nothing.
        assert_eq!(bce(&ink, &vec![0.0; 2 * PIXELS], PIXELS), 100.0 * PIXELS as f64);
        assert_eq!(bce(&ink, &ink, PIXELS), 0.0);
    }
}
