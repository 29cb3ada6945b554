//! From a picture to a network's input of 299×299, by the three rules that published scores use.

use crate::data::Extents;
use crate::resample::{Taps, mix};
use crate::run::config::choice;

/// Width and height of the network's input.
pub const INPUT: usize = 299;

choice! {
    /// How pictures are resized.
    Resize("rule") {
        /// TensorFlow 1's bilinear, as torch-fidelity has it: pixel `i` of the output is at `i · in / out`.
        Tf1 = "tf1",
        /// Bilinear between the centres of pixels, as pytorch-fid and clean-fid's `legacy_pytorch` have it; no antialiasing.
        HalfPixel = "half-pixel",
        /// Pillow's bicubic on floats, as clean-fid's `clean` has it: nothing is rounded to bytes, what goes beyond them is cut off.
        Bicubic = "bicubic",
    }
}

/// A rule at work on pictures of one size.
#[derive(Debug, Clone)]
pub struct Resampler {
    rule: Resize,
    from: Extents,
    columns: Vec<Taps>,
    rows: Vec<Taps>,
}

impl Resampler {
    /// A rule for pictures of these extents.
    pub fn new(rule: Resize, from: Extents) -> Self {
        let taps = |side: usize| (0..INPUT).map(|i| rule.taps(i, side)).collect();
        Resampler { rule, from, columns: taps(from.width), rows: taps(from.height) }
    }

    /// The extents of the pictures.
    pub fn extents(&self) -> Extents {
        self.from
    }

    /// Resizes one picture, values in [0, 1], to `out: (299, 299, channels)` in [0, 1].
    ///
    /// # Panics
    /// If a slice has another length.
    pub fn apply(&self, picture: &[f32], out: &mut [f32]) {
        let Extents { width, channels, .. } = self.from;
        let lengths = (self.from.len(), INPUT * INPUT * channels);
        assert_eq!((picture.len(), out.len()), lengths, "a picture and what it is resized to");
        mix(picture, (width, channels), (&self.rows, &self.columns), out);
        if self.rule == Resize::Bicubic {
            // Its weights are negative in places, so that edges overshoot.
            out.iter_mut().for_each(|pixel| *pixel = pixel.clamp(0.0, 1.0));
        }
    }
}

impl Resize {
    /// The taps of output pixel `i` of a side with `side` pixels.
    fn taps(self, i: usize, side: usize) -> Taps {
        match self {
            // src = i · in / out, between ⌊src⌋ and the next pixel; in f32, as TensorFlow and torch-fidelity compute it.
            Resize::Tf1 => linear(i as f32 * (side as f32 / INPUT as f32), side),
            // src = (i + ½) · in / out − ½, not below 0; in f32, as PyTorch computes it
            Resize::HalfPixel => linear((side as f32 / INPUT as f32 * (i as f32 + 0.5) - 0.5).max(0.0), side),
            Resize::Bicubic => Taps::antialiased(i, side, INPUT, 2.0, cubic),
        }
    }
}

/// Between the pixels left and right of `at`, the last one repeated.
fn linear(at: f32, side: usize) -> Taps {
    let first = (at as usize).min(side - 1);
    let share = at - first as f32;
    if first + 1 < side {
        Taps { first, weights: vec![1.0 - share, share] }
    } else {
        Taps { first, weights: vec![1.0] }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_to_one_and_stay_inside() {
        for &rule in Resize::ALL {
            for side in [1, 2, 28, 64, 299, 500] {
                for taps in (0..INPUT).map(|i| rule.taps(i, side)) {
                    let sum: f32 = taps.weights.iter().sum();
                    assert!((sum - 1.0).abs() < 1e-6, "{rule}, {side}: {taps:?}");
                    assert!(taps.first + taps.weights.len() <= side, "{rule}, {side}: {taps:?}");
                }
            }
        }
    }

    #[test]
    fn rules_place_pixels_where_they_say() {
        // A ramp along the columns shows where each output pixel reads.
        let side = Extents::DRAWING.width;
        let ramp: Vec<f32> = (0..side * side).map(|i| (i % side) as f32 / 27.0).collect();
        let apply = |rule: Resize| {
            let mut out = vec![0.0; INPUT * INPUT];
            Resampler::new(rule, Extents::DRAWING).apply(&ramp, &mut out);
            out
        };
        let scale = 28.0 / 299.0;
        let out = apply(Resize::Tf1);
        assert!((out[100] * 27.0 - 100.0 * scale).abs() < 1e-4 && out[298] == 1.0);
        let out = apply(Resize::HalfPixel);
        assert!((out[100] * 27.0 - (100.5 * scale - 0.5)).abs() < 1e-4 && out[0] == 0.0);
        let out = apply(Resize::Bicubic);
        assert!((out[150] * 27.0 - (150.5 * scale - 0.5)).abs() < 1e-4);
    }

    #[test]
    fn a_bicubic_does_not_leave_the_range_of_bytes() {
        // An edge between black and white, beside which the kernel overshoots by some 7 %.
        let side = Extents::DRAWING.width;
        let edge: Vec<f32> = (0..side * side).map(|i| if i % side < side / 2 { 0.0 } else { 1.0 }).collect();
        let mut out = vec![0.5; INPUT * INPUT];
        Resampler::new(Resize::Bicubic, Extents::DRAWING).apply(&edge, &mut out);
        let (low, high) =
            out.iter().fold((f32::MAX, f32::MIN), |(low, high), &pixel| (low.min(pixel), high.max(pixel)));
        assert_eq!((low, high), (0.0, 1.0));
    }

    #[test]
    fn colours_do_not_mix_and_a_picture_of_the_input_s_size_stays() {
        let extents = Extents { height: 10, width: 14, channels: 3 };
        let colours = [0.25f32, 0.5, 0.75];
        let picture: Vec<f32> = colours.iter().copied().cycle().take(extents.len()).collect();
        for &rule in Resize::ALL {
            let mut out = vec![0.0; INPUT * INPUT * 3];
            Resampler::new(rule, extents).apply(&picture, &mut out);
            assert!(out.iter().zip(colours.iter().cycle()).all(|(a, b)| (a - b).abs() < 1e-6), "{rule}");
            let same = Extents { height: INPUT, width: INPUT, channels: 1 };
            let noise: Vec<f32> = (0..same.len()).map(|i| (i * 7919 % 256) as f32 / 255.0).collect();
            let mut out = vec![0.0; same.len()];
            Resampler::new(rule, same).apply(&noise, &mut out);
            assert!(out.iter().zip(&noise).all(|(a, b)| (a - b).abs() < 1e-4), "{rule}");
        }
    }
}
