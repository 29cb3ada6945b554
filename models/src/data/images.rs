//! Images in memory, in the type that they have on disk.

use std::path::Path;

use super::{PIXELS, SIDE, npy};
use crate::error::Result;

/// Drawings of 28×28 pixels, row after row, 0 for paper and 255 (or 1.0) for ink.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    pixels: Pixels,
}

/// Pixel values, (N, 784).
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// 0 to 255: a byte a pixel.
    U8(Vec<u8>),
    /// In [0, 1].
    F32(Vec<f32>),
}

impl Images {
    /// Images of bytes: (N, 784).
    ///
    /// # Panics
    /// When the length is no multiple of 784.
    pub fn from_u8(pixels: Vec<u8>) -> Self {
        assert_eq!(pixels.len() % PIXELS, 0, "{} bytes are no whole number of images", pixels.len());
        Self { pixels: Pixels::U8(pixels) }
    }

    /// Images of floats: (N, 784).
    ///
    /// # Errors
    /// One line that names the first image with a value that is not a number in [0, 1].
    ///
    /// # Panics
    /// When the length is no multiple of 784.
    pub fn from_f32(pixels: Vec<f32>) -> Result<Self, String> {
        assert_eq!(pixels.len() % PIXELS, 0, "{} values are no whole number of images", pixels.len());
        match pixels.iter().position(|v| !(0.0..=1.0).contains(v)) {
            Some(at) => {
                let bytes = pixels.iter().all(|v| (0.0..=255.0).contains(v));
                let hint = if bytes { " (divide by 255)" } else { "" };
                Err(format!("image {} holds {}, expected values in [0, 1]{hint}", at / PIXELS, pixels[at]))
            }
            None => Ok(Self { pixels: Pixels::F32(pixels) }),
        }
    }

    /// Images of values that have been checked already.
    pub(super) fn from_checked(pixels: Pixels) -> Self {
        Self { pixels }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        match &self.pixels {
            Pixels::U8(pixels) => pixels.len() / PIXELS,
            Pixels::F32(pixels) => pixels.len() / PIXELS,
        }
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values as they are stored.
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// Image `index` as 784 values in [0, 1].
    ///
    /// # Panics
    /// When there is no such image.
    pub fn image(&self, index: usize) -> [f32; PIXELS] {
        let mut out = [0.0; PIXELS];
        self.gather(&[index], &mut out);
        out
    }

    /// Writes the images at `indices` to `out`: (`indices.len()`, 784). A byte `v` becomes `v / 255`.
    ///
    /// # Panics
    /// When an index has no image, or `out` has another size.
    pub fn gather(&self, indices: &[usize], out: &mut [f32]) {
        assert_eq!(out.len(), indices.len() * PIXELS, "room for another number of images");
        let rows = out.chunks_exact_mut(PIXELS).zip(indices);
        match &self.pixels {
            Pixels::U8(pixels) => {
                for (row, &index) in rows {
                    let image = &pixels[index * PIXELS..][..PIXELS];
                    for (out, &v) in row.iter_mut().zip(image) {
                        *out = f32::from(v) / 255.0;
                    }
                }
            }
            Pixels::F32(pixels) => {
                for (row, &index) in rows {
                    row.copy_from_slice(&pixels[index * PIXELS..][..PIXELS]);
                }
            }
        }
    }

    /// Whether images of this shape have 28×28 pixels: (N, 784) or (N, 28, 28), with further axes of 1.
    pub(super) fn fits(shape: &[usize]) -> bool {
        matches!(shape, [_, 784] | [_, 28, 28] | [_, 1, 28, 28] | [_, 28, 28, 1] | [_, 1, 784] | [_, 784, 1])
    }

    /// What [`Images::fits`] takes, for errors.
    pub(super) const EXPECTED_SHAPE: &str = "(N, 784), (N, 28, 28) or (N, 1, 28, 28), or with its axis of 1 elsewhere";

    /// The name of the stored type, as NumPy has it.
    pub fn pixel_type(&self) -> &'static str {
        match self.pixels {
            Pixels::U8(_) => "uint8",
            Pixels::F32(_) => "float32",
        }
    }

    /// Writes the images as they are stored, (N, 28, 28).
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let shape = [self.len(), SIDE, SIDE];
        match &self.pixels {
            Pixels::U8(pixels) => npy::save_npy(path, &shape, pixels),
            Pixels::F32(pixels) => npy::save_npy(path, &shape, pixels),
        }
    }
}
