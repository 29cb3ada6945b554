//! Pictures of another size: the middle square, resampled.

use super::{Extents, Images, Pixels};
use crate::error::Result;
use crate::resample::{Taps, mix};
use crate::{Error, memory};

/// The taps of `side` pixels made of the `length` from `start` on, by a triangle that is 1 pixel wide on each side: Pillow's and
/// torchvision's bilinear filter with antialiasing.
fn taps(start: usize, length: usize, side: usize) -> Vec<Taps> {
    (0..side)
        .map(|i| {
            let taps = Taps::antialiased(i, length, side, 1.0, |x| (1.0 - x.abs()).max(0.0));
            Taps { first: start + taps.first, ..taps }
        })
        .collect()
}

/// The middle square of `picture: (height, width, channels)` as (side, side, channels). The longer side is cut to the shorter at
/// both ends evenly; values stay between the smallest and the largest.
pub(super) fn middle_square(extents: Extents, picture: &[f32], side: usize) -> Vec<f32> {
    let Extents { height, width, channels } = extents;
    let length = height.min(width);
    let (rows, columns) = (taps((height - length) / 2, length, side), taps((width - length) / 2, length, side));
    let mut square = vec![0.0f32; side * side * channels];
    mix(picture, (width, channels), (&rows, &columns), &mut square);
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
