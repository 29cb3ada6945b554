//! From a drawing of 28×28 to a network's input of 299×299, by the three rules that published scores use.

use std::sync::LazyLock;

use crate::data::{PIXELS, SIDE};
use crate::run::config::choice;

/// Width and height of the network's input.
pub const INPUT: usize = 299;

choice! {
    /// How drawings are enlarged.
    Resize("rule") {
        /// TensorFlow 1's bilinear, as torch-fidelity has it: pixel `i` of the output is at `i · in / out`.
        Tf1 = "tf1",
        /// Bilinear between the centres of pixels, as pytorch-fid has it; no antialiasing.
        HalfPixel = "half-pixel",
        /// Pillow's bicubic on floats, as clean-fid has it; nothing is rounded to bytes.
        Bicubic = "bicubic",
    }
}

/// Which input pixels an output pixel is made of, along one axis.
#[derive(Debug, Clone, Copy, Default)]
struct Taps {
    first: usize,
    /// Weights of `first`, `first + 1`, …; zeros behind the last.
    weights: [f32; 4],
}

impl Resize {
    /// Enlarges one drawing, values in [0, 1], to `out: (299, 299)` in [0, 1] (a bicubic goes a little beyond).
    ///
    /// # Panics
    /// If a slice has another length.
    pub fn apply(self, drawing: &[f32], out: &mut [f32]) {
        assert_eq!((drawing.len(), out.len()), (PIXELS, INPUT * INPUT), "a drawing and its enlargement");
        let taps = &TAPS[self as usize];
        // Columns first, as Pillow does; the rows of the result are mixed next.
        let mut wide = vec![0.0f32; SIDE * INPUT];
        for (row, wide) in drawing.chunks_exact(SIDE).zip(wide.chunks_exact_mut(INPUT)) {
            for (out, taps) in wide.iter_mut().zip(taps) {
                *out = (row[taps.first..].iter().zip(taps.weights)).map(|(x, weight)| x * weight).sum();
            }
        }
        for (out, taps) in out.chunks_exact_mut(INPUT).zip(taps) {
            out.fill(0.0);
            for (row, weight) in wide[taps.first * INPUT..].chunks_exact(INPUT).zip(taps.weights) {
                out.iter_mut().zip(row).for_each(|(out, x)| *out += weight * x);
            }
        }
    }

    /// The taps of output pixel `i`.
    fn taps(self, i: usize) -> Taps {
        let scale = SIDE as f64 / INPUT as f64;
        match self {
            // src = i · in / out, between ⌊src⌋ and the next pixel; in f32, as TensorFlow and torch-fidelity compute it.
            Resize::Tf1 => linear(i as f32 * (SIDE as f32 / INPUT as f32)),
            // src = (i + ½) · in / out − ½, not below 0
            Resize::HalfPixel => linear((((i as f64 + 0.5) * scale - 0.5) as f32).max(0.0)),
            Resize::Bicubic => {
                let centre = (i as f64 + 0.5) * scale;
                let first = (centre - 2.0 + 0.5).max(0.0) as usize;
                let last = ((centre + 2.0 + 0.5) as usize).min(SIDE);
                let raw: Vec<f64> = (first..last).map(|x| cubic(x as f64 - centre + 0.5)).collect();
                let sum: f64 = raw.iter().sum();
                let mut weights = [0.0; 4];
                weights.iter_mut().zip(&raw).for_each(|(weight, raw)| *weight = (raw / sum) as f32);
                Taps { first, weights }
            }
        }
    }
}

/// Between the pixels left and right of `at`, the last one repeated.
fn linear(at: f32) -> Taps {
    let first = (at as usize).min(SIDE - 1);
    let share = at - first as f32;
    if first + 1 < SIDE {
        Taps { first, weights: [1.0 - share, share, 0.0, 0.0] }
    } else {
        Taps { first, weights: [1.0, 0.0, 0.0, 0.0] }
    }
}

/// Keys' kernel with a = −½ (Keys, "Cubic convolution interpolation", 1981), Pillow's choice.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// The taps of each rule, in the order of [`Resize::ALL`].
static TAPS: LazyLock<Vec<Vec<Taps>>> =
    LazyLock::new(|| Resize::ALL.iter().map(|rule| (0..INPUT).map(|i| rule.taps(i)).collect()).collect());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_to_one_and_stay_inside() {
        for taps in TAPS.iter().flatten() {
            let sum: f32 = taps.weights.iter().sum();
            assert!((sum - 1.0).abs() < 1e-6, "{taps:?}");
            let last = taps.weights.iter().rposition(|&weight| weight != 0.0).unwrap();
            assert!(taps.first + last < SIDE, "{taps:?}");
        }
    }

    #[test]
    fn rules_place_pixels_where_they_say() {
        // A ramp along the columns shows where each output pixel reads.
        let ramp: Vec<f32> = (0..PIXELS).map(|i| (i % SIDE) as f32 / 27.0).collect();
        let mut out = vec![0.0; INPUT * INPUT];
        let scale = 28.0 / 299.0;
        Resize::Tf1.apply(&ramp, &mut out);
        assert!((out[100] * 27.0 - 100.0 * scale).abs() < 1e-4 && out[298] == 1.0);
        Resize::HalfPixel.apply(&ramp, &mut out);
        assert!((out[100] * 27.0 - (100.5 * scale - 0.5)).abs() < 1e-4 && out[0] == 0.0);
        Resize::Bicubic.apply(&ramp, &mut out);
        assert!((out[150] * 27.0 - (150.5 * scale - 0.5)).abs() < 1e-4);
    }
}
