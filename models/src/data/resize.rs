//! Pictures of another size: the middle square, resampled.

use super::{Extents, Images, Pixels};
use crate::error::Result;
use crate::{Error, memory};

/// Which pixels of a line a new pixel is made of.
struct Taps {
    first: usize,
    /// Weights of `first`, `first + 1`, …, which add up to 1.
    weights: Vec<f32>,
}

/// The taps of `side` pixels made of the `length` from `start` on.
///
/// With s = length / side the new pixel i has its centre at c = start + (i + ½)·s, and the old pixel x, of which the centre is at
/// x + ½, weighs max(0, 1 − |x + ½ − c| / max(s, 1)): a triangle, as much wider as the picture shrinks, which is Pillow's and
/// torchvision's bilinear filter with antialiasing.
fn taps(start: usize, length: usize, side: usize) -> Vec<Taps> {
    let scale = length as f64 / side as f64;
    let reach = scale.max(1.0);
    (0..side)
        .map(|i| {
            let centre = (i as f64 + 0.5) * scale;
            let first = (centre - reach + 0.5).max(0.0) as usize;
            let last = ((centre + reach + 0.5) as usize).min(length);
            let raw: Vec<f64> =
                (first..last).map(|x| (1.0 - (x as f64 + 0.5 - centre).abs() / reach).max(0.0)).collect();
            let sum: f64 = raw.iter().sum();
            Taps { first: start + first, weights: raw.iter().map(|raw| (raw / sum) as f32).collect() }
        })
        .collect()
}

/// The middle square of `picture: (height, width, channels)` as (side, side, channels). What its longer sides have beyond the shorter
/// is cut off, evenly; values stay between the smallest and the largest.
pub(super) fn middle_square(extents: Extents, picture: &[f32], side: usize) -> Vec<f32> {
    let Extents { height, width, channels } = extents;
    let length = height.min(width);
    let (rows, columns) = (taps((height - length) / 2, length, side), taps((width - length) / 2, length, side));
    // Columns first; the rows of the result are mixed next.
    let row = side * channels;
    let mut narrow = vec![0.0f32; height * row];
    for (from, narrow) in picture.chunks_exact(width * channels).zip(narrow.chunks_exact_mut(row)) {
        for (out, taps) in narrow.chunks_exact_mut(channels).zip(&columns) {
            for (channel, out) in out.iter_mut().enumerate() {
                let values = from[taps.first * channels + channel..].iter().step_by(channels);
                *out = values.zip(&taps.weights).map(|(x, weight)| x * weight).sum();
            }
        }
    }
    let mut square = vec![0.0f32; side * row];
    for (out, taps) in square.chunks_exact_mut(row).zip(&rows) {
        for (from, &weight) in narrow[taps.first * row..].chunks_exact(row).zip(&taps.weights) {
            out.iter_mut().zip(from).for_each(|(out, x)| *out += weight * x);
        }
    }
    square
}

impl Images {
    /// The middle square of each picture at `side`×`side` pixels, in the same type; pictures of that size stay as they are.
    ///
    /// # Errors
    /// If memory is short.
    pub(super) fn resized(self, side: usize) -> Result<Self> {
        let from = self.extents();
        if (from.height, from.width) == (side, side) {
            return Ok(self);
        }
        let extents = Extents { height: side, width: side, ..from };
        let size = match self.pixels() {
            Pixels::U8(_) => 1,
            Pixels::F32(_) => size_of::<f32>(),
        };
        let count = self.len();
        let bytes = count.saturating_mul(extents.len()).saturating_mul(size);
        memory::check(bytes as u64, format_args!("{count} pictures of {extents}"))?;
        let squares = (0..count).flat_map(|i| middle_square(from, &self.image(i), side));
        let pixels = match self.pixels() {
            Pixels::U8(_) => Pixels::U8(squares.map(|v| (255.0 * v).round() as u8).collect()),
            Pixels::F32(_) => Pixels::F32(squares.map(|v| v.clamp(0.0, 1.0)).collect()),
        };
        Images::new(extents, pixels).map_err(|problem| Error::input("--resize", problem))
    }
}
