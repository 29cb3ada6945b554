//! Images in memory, in the type that they have on disk.

use std::borrow::Cow;
use std::ops::Range;

use inkgrad_kernels::cpu::bytes::little_endian;
use sha2::{Digest, Sha256};

use super::{Extents, PIXELS};
use crate::error::Result;

/// Pictures of one size, each row after row with the channels of a pixel side by side; of drawings 0 is paper and 255 (or
/// 1.0) ink.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    extents: Extents,
    pixels: Pixels,
}

/// The values of pictures, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub enum Pixels {
    /// 0 to 255: a byte a pixel.
    U8(Vec<u8>),
    /// In [0, 1].
    F32(Vec<f32>),
}

impl Pixels {
    /// Number of values.
    pub(super) fn len(&self) -> usize {
        match self {
            Pixels::U8(pixels) => pixels.len(),
            Pixels::F32(pixels) => pixels.len(),
        }
    }

    /// The name of the values' type, as NumPy has it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Pixels::U8(_) => "uint8",
            Pixels::F32(_) => "float32",
        }
    }
}

impl Images {
    /// Images of bytes: (N, 784).
    ///
    /// # Panics
    /// When the length is no multiple of 784.
    pub fn from_u8(pixels: Vec<u8>) -> Self {
        assert_eq!(pixels.len() % PIXELS, 0, "{} bytes are no whole number of images", pixels.len());
        Self { extents: Extents::DRAWING, pixels: Pixels::U8(pixels) }
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
        check_values(&pixels, PIXELS, 0)?;
        Ok(Self { extents: Extents::DRAWING, pixels: Pixels::F32(pixels) })
    }

    /// Pictures of any extents: values of whole pictures.
    ///
    /// # Errors
    /// One line that says what is wrong: no whole number of pictures, or the first picture with a value that is not in
    /// [0, 1].
    pub fn new(extents: Extents, pixels: Pixels) -> Result<Self, String> {
        let (len, each) = match &pixels {
            Pixels::U8(pixels) => (pixels.len(), extents.len()),
            Pixels::F32(pixels) => (pixels.len(), extents.len()),
        };
        if each == 0 || len % each != 0 {
            return Err(format!("{len} values, expected whole pictures of {extents}"));
        }
        if let Pixels::F32(pixels) = &pixels {
            check_values(pixels, each, 0)?;
        }
        Ok(Self { extents, pixels })
    }

    /// `n` pictures of bytes, each from the function of (picture, row, column, channel).
    ///
    /// ```
    /// use inkgrad_models::data::Images;
    ///
    /// // Two grey ramps, the second one upside down.
    /// let ramps = Images::from_fn([16, 16, 1], 2, |i, y, _, _| 16 * if i == 0 { y } else { 15 - y } as u8);
    /// assert_eq!((ramps.len(), ramps.image(1)[0]), (2, 240.0 / 255.0));
    /// ```
    pub fn from_fn(extents: impl Into<Extents>, n: usize, f: impl Fn(usize, usize, usize, usize) -> u8) -> Self {
        let extents = extents.into();
        let Extents { height, width, channels } = extents;
        let mut pixels = Vec::with_capacity(n * extents.len());
        for i in 0..n {
            for y in 0..height {
                for x in 0..width {
                    pixels.extend((0..channels).map(|channel| f(i, y, x, channel)));
                }
            }
        }
        Self { extents, pixels: Pixels::U8(pixels) }
    }

    /// Height, width and channels.
    pub fn extents(&self) -> Extents {
        self.extents
    }

    /// Their memory.
    pub(super) fn into_pixels(self) -> Pixels {
        self.pixels
    }

    /// Pictures of values that have been checked already.
    pub(super) fn from_checked(extents: Extents, pixels: Pixels) -> Self {
        Self { extents, pixels }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.extents.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values as they are stored.
    pub fn pixels(&self) -> &Pixels {
        &self.pixels
    }

    /// Image `index` as values in [0, 1].
    ///
    /// # Panics
    /// When there is no such image.
    pub fn image(&self, index: usize) -> Vec<f32> {
        let mut out = vec![0.0; self.extents.len()];
        self.gather(&[index], &mut out);
        out
    }

    /// The images at `indices`, as they are stored.
    ///
    /// # Panics
    /// When an index has no image.
    pub fn take(&self, indices: &[usize]) -> Self {
        fn some<T: Copy>(pixels: &[T], indices: &[usize], each: usize) -> Vec<T> {
            indices.iter().flat_map(|&index| &pixels[index * each..][..each]).copied().collect()
        }
        let each = self.extents.len();
        let pixels = match &self.pixels {
            Pixels::U8(pixels) => Pixels::U8(some(pixels, indices, each)),
            Pixels::F32(pixels) => Pixels::F32(some(pixels, indices, each)),
        };
        Self { extents: self.extents, pixels }
    }

    /// Some neighbouring images, without a copy where they are all.
    ///
    /// # Panics
    /// When there are fewer.
    pub(crate) fn part(&self, range: &Range<usize>) -> Cow<'_, Self> {
        match range.len() == self.len() {
            true => Cow::Borrowed(self),
            false => Cow::Owned(self.take(&range.clone().collect::<Vec<_>>())),
        }
    }

    /// Adds others of the same extents at the end.
    ///
    /// # Errors
    /// If their values are of another type: both types.
    pub(super) fn append(&mut self, others: Self) -> Result<(), String> {
        let types = (others.pixel_type(), self.pixel_type());
        match (&mut self.pixels, others.pixels) {
            (Pixels::U8(pixels), Pixels::U8(others)) => pixels.extend(others),
            (Pixels::F32(pixels), Pixels::F32(others)) => pixels.extend(others),
            _ => return Err(format!("{}, expected {} as in training", types.0, types.1)),
        }
        Ok(())
    }

    /// The images from number `at` on, which are no longer among these then.
    ///
    /// # Panics
    /// If there are fewer.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        fn off<T>(pixels: &mut Vec<T>, at: usize) -> Vec<T> {
            let others = pixels.split_off(at);
            pixels.shrink_to_fit();
            others
        }
        let at = at * self.extents.len();
        let pixels = match &mut self.pixels {
            Pixels::U8(pixels) => Pixels::U8(off(pixels, at)),
            Pixels::F32(pixels) => Pixels::F32(off(pixels, at)),
        };
        Self { extents: self.extents, pixels }
    }

    /// All images as values in [0, 1], one after the other.
    pub fn values(&self) -> Vec<f32> {
        let mut out = vec![0.0; self.len() * self.extents.len()];
        self.gather(&(0..self.len()).collect::<Vec<_>>(), &mut out);
        out
    }

    /// Writes the images at `indices` to `out`, one after the other. A byte `v` becomes `v / 255`.
    ///
    /// # Panics
    /// When an index has no image, or `out` has another size.
    pub fn gather(&self, indices: &[usize], out: &mut [f32]) {
        let each = self.extents.len();
        assert_eq!(out.len(), indices.len() * each, "room for another number of images");
        let rows = out.chunks_exact_mut(each).zip(indices);
        match &self.pixels {
            Pixels::U8(pixels) => {
                for (row, &index) in rows {
                    let image = &pixels[index * each..][..each];
                    for (out, &v) in row.iter_mut().zip(image) {
                        *out = f32::from(v) / 255.0;
                    }
                }
            }
            Pixels::F32(pixels) => {
                for (row, &index) in rows {
                    row.copy_from_slice(&pixels[index * each..][..each]);
                }
            }
        }
    }

    /// The name of the stored type, as NumPy has it.
    pub fn pixel_type(&self) -> &'static str {
        self.pixels.type_name()
    }

    /// Adds the pixels to a digest, as they are stored.
    pub(crate) fn hash(&self, digest: &mut Sha256) {
        match &self.pixels {
            Pixels::U8(pixels) => digest.update(pixels),
            Pixels::F32(pixels) => little_endian(pixels).for_each(|bytes| digest.update(bytes)),
        }
    }
}

/// Refuses values that are not in [0, 1], of pictures of `each` values, the first of which is number `first`.
pub(super) fn check_values(pixels: &[f32], each: usize, first: usize) -> Result<(), String> {
    match pixels.iter().position(|v| !(0.0..=1.0).contains(v)) {
        Some(at) => {
            let bytes = pixels.iter().all(|v| (0.0..=255.0).contains(v));
            let hint = if bytes { " (divide by 255, or save as uint8)" } else { "" };
            let image = first + at / each;
            Err(format!("image {image} holds {}, expected values in [0, 1]{hint}", pixels[at]))
        }
        None => Ok(()),
    }
}

/// Refuses bytes of which the largest is 1: masks, whose ink would be taken for the faintest grey.
pub(super) fn check_bytes(bytes: &[u8]) -> Result<(), &'static str> {
    match ones(bytes) {
        Some(true) => Err(MASK),
        _ => Ok(()),
    }
}

/// Whether bytes that are all 0 or 1 hold a 1; `None` where one is larger, as drawings show early.
pub(super) fn ones(bytes: &[u8]) -> Option<bool> {
    (!bytes.iter().any(|&byte| byte > 1)).then(|| bytes.contains(&1))
}

/// The line about values that are those of a mask.
pub(super) const MASK: &str = "values of 0 and 1 alone, expected 0 to 255 (save them as bool, or times 255)";
