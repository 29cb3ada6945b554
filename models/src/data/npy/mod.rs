//! NumPy's `.npy` arrays: reading images, labels and matrices, writing results.
//!
//! Versions 1 to 3, C and Fortran order, either byte order. Nothing is allocated before the header has been
//! held against the length of the file.

pub(super) mod header;
mod npz;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use npyz::WriterBuilder;

pub(in crate::data) use self::npz::names as npz_names;

use self::header::{Element, Header};
use super::Images;
use crate::error::{Error, Result};
use crate::run::atomic;
use crate::{memory, text};

/// Loads images for `--images`: (N, 784) or (N, 28, 28), with further axes of 1; integers from 0 to 255, booleans (0 and
/// 255), or floats in [0, 1]. A `.npz` file does where it has one array; `FILE.npz:NAME` names one of several.
///
/// # Errors
/// When the file cannot be read, is no such array, or holds a value outside its type's range.
pub fn load_images(path: impl AsRef<Path>) -> Result<Images> {
    Array::open(path.as_ref())?.into_images()
}

/// Loads labels: (N,) or (N, 1), integers of any type, none negative.
///
/// # Errors
/// When the file cannot be read, is no such array, or holds a negative label.
pub fn load_labels(path: impl AsRef<Path>) -> Result<Vec<usize>> {
    let array = Array::open(path.as_ref())?;
    if !matches!(array.shape(), [_] | [_, 1]) {
        return Err(array.unexpected_shape("(N,)"));
    }
    match array.header.element {
        Element::Bool => array.labels(|b: [u8; 1]| i128::from(b[0] != 0)),
        Element::U8 => array.labels(|b: [u8; 1]| b[0].into()),
        Element::U16 => array.labels(|b| u16::from_le_bytes(b).into()),
        Element::U32 => array.labels(|b| u32::from_le_bytes(b).into()),
        Element::U64 => array.labels(|b| u64::from_le_bytes(b).into()),
        Element::I8 => array.labels(|b: [u8; 1]| i8::from_le_bytes(b).into()),
        Element::I16 => array.labels(|b| i16::from_le_bytes(b).into()),
        Element::I32 => array.labels(|b| i32::from_le_bytes(b).into()),
        Element::I64 => array.labels(|b| i64::from_le_bytes(b).into()),
        Element::F16 | Element::F32 | Element::F64 => Err(array.unexpected_type("integers")),
    }
}

/// Loads a matrix of floats (latents, features): rows, columns, and the values (rows, columns).
///
/// # Errors
/// When the file cannot be read, is no such array, or holds a value that is not finite.
pub fn load_matrix(path: impl AsRef<Path>) -> Result<(usize, usize, Vec<f32>)> {
    let array = Array::open(path.as_ref())?;
    let (rows, columns) = match *array.shape() {
        [rows, columns] if columns > 0 => (rows, columns),
        _ => return Err(array.unexpected_shape("(N, d)")),
    };
    let path = array.path.clone();
    let values = array.floats("floats")?;
    match values.iter().position(|v| !v.is_finite()) {
        Some(at) => Err(Error::input(
            path.display(),
            format_args!("row {} holds {}, expected finite numbers", at / columns, values[at]),
        )),
        None => Ok((rows, columns, values)),
    }
}

/// Writes `values` as an array of `shape` in C order; the file appears whole or not at all.
///
/// # Errors
/// When the system refuses to write.
///
/// # Panics
/// When `shape` is not the shape of that many values.
pub fn save_npy<T>(path: impl AsRef<Path>, shape: &[usize], values: &[T]) -> Result<()>
where
    T: npyz::AutoSerialize + npyz::Serialize + Copy,
{
    assert_eq!(shape.iter().product::<usize>(), values.len(), "shape {shape:?} of another number of values");
    let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
    atomic::write(path, |file| {
        let mut writer = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(file).begin_nd()?;
        writer.extend(values.iter().copied())?;
        writer.finish()
    })
}

/// An open file whose header has been read and fits its length.
pub(super) struct Array {
    path: PathBuf,
    /// Where the values come from.
    source: Box<dyn Read>,
    header: Header,
    /// Number of values.
    count: usize,
}

impl Array {
    /// Reads the header and checks that the values it announces are there.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if let Some((file, member)) = npz::member(path) {
            return npz::open(&file, Some(&member));
        }
        let bad = |problem: String| Error::input(path.display(), problem);
        let metadata = path.metadata().map_err(Error::io(path))?;
        if !metadata.is_file() {
            return Err(bad("not a file, expected a .npy array".to_owned()));
        }
        let length = metadata.len();
        if length == 0 {
            return Err(bad("the file is empty, expected a .npy array".to_owned()));
        }
        let mut file = File::open(path).map_err(Error::io(path))?;
        let mut start = Vec::new();
        Read::by_ref(&mut file).take(npz::MAGIC.len() as u64).read_to_end(&mut start).map_err(Error::io(path))?;
        if start == npz::MAGIC {
            return npz::open(path, None);
        }
        Self::read(path, Box::new(std::io::Cursor::new(start).chain(file)), length)
    }

    /// Reads the header of an array of `length` bytes from `source`.
    fn read(path: &Path, mut file: Box<dyn Read>, length: u64) -> Result<Self> {
        let bad = |problem: String| Error::input(path.display(), problem);
        let mut start = Vec::new();
        Read::by_ref(&mut file).take(text::LFS_LENGTH).read_to_end(&mut start).map_err(Error::io(path))?;
        if text::is_lfs_pointer(&start) {
            return Err(bad(text::LFS_POINTER.to_owned()));
        }
        let mut file: Box<dyn Read> = Box::new(std::io::Cursor::new(start).chain(file));
        let mut start = Vec::new();
        Read::by_ref(&mut file).take(header::PREAMBLE as u64).read_to_end(&mut start).map_err(Error::io(path))?;
        let text_range = header::text_range(&start).map_err(bad)?;
        let (header_length, data_start) = (text_range.end - text_range.start, text_range.end);
        if data_start > length {
            return Err(bad(format!("a header of {header_length} bytes in a file of {length}, expected it to fit")));
        }
        // Version 1's text begins before the end of what has been read.
        let begun = start.split_off((text_range.start as usize).min(start.len()));
        let mut file: Box<dyn Read> = Box::new(std::io::Cursor::new(begun).chain(file));
        let mut text = Vec::new();
        Read::by_ref(&mut file).take(header_length).read_to_end(&mut text).map_err(Error::io(path))?;
        // Latin-1 in versions 1 and 2, UTF-8 in 3; the three keys and any readable type are ASCII in all.
        let header = Header::parse(&String::from_utf8_lossy(&text)).map_err(bad)?;
        let shape = Shape(&header.shape);
        let (count, bytes) = header
            .sizes()
            .ok_or_else(|| bad(format!("shape {shape} is too large, expected one that fits the file")))?;
        let found = length - data_start;
        if found != bytes as u64 {
            let hint = if found < bytes as u64 { ": the file is truncated" } else { "" };
            let descr = &header.descr;
            return Err(bad(format!("{found} bytes of data, expected {bytes} for shape {shape} of {descr:?}{hint}")));
        }
        memory::check(bytes as u64, path.display())?;
        Ok(Self { path: path.to_owned(), source: file, header, count })
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// Number of images.
    pub(super) fn image_count(&self) -> Result<usize> {
        if !Images::fits(self.shape()) {
            return Err(self.unexpected_shape(Images::EXPECTED_SHAPE));
        }
        Ok(self.shape()[0])
    }

    /// Reads 28×28 images.
    pub(super) fn into_images(self) -> Result<Images> {
        self.image_count()?;
        if self.header.element == Element::U8 {
            return Ok(Images::from_u8(self.bytes()?));
        }
        let path = self.path.clone();
        match self.header.element {
            Element::Bool => return self.pixels(|b: [u8; 1]| if b[0] == 0 { 0 } else { 255 }),
            Element::I8 => return self.pixels(|b: [u8; 1]| i8::from_le_bytes(b).into()),
            Element::U16 => return self.pixels(|b| u16::from_le_bytes(b).into()),
            Element::I16 => return self.pixels(|b| i16::from_le_bytes(b).into()),
            Element::U32 => return self.pixels(|b| u32::from_le_bytes(b).into()),
            Element::I32 => return self.pixels(|b| i32::from_le_bytes(b).into()),
            Element::U64 => return self.pixels(|b| u64::from_le_bytes(b).into()),
            Element::I64 => return self.pixels(|b| i64::from_le_bytes(b).into()),
            Element::U8 | Element::F16 | Element::F32 | Element::F64 => {}
        }
        let values = self.floats("integers from 0 to 255, or floats in [0, 1]")?;
        Images::from_f32(values).map_err(|problem| Error::input(path.display(), problem))
    }

    /// Images of integers, which mean what a byte means.
    fn pixels<const W: usize>(self, decode: impl Fn([u8; W]) -> i128) -> Result<Images> {
        let path = self.path.clone();
        // A value outside is noted, and the values are narrowed as they come: one byte each is kept.
        let outside = std::cell::Cell::new(None);
        let at = std::cell::Cell::new(0usize);
        let bytes = self.values(|word| {
            let value = decode(word);
            let byte = u8::try_from(value);
            if byte.is_err() && outside.get().is_none() {
                outside.set(Some((at.get(), value)));
            }
            at.set(at.get() + 1);
            byte.unwrap_or(0)
        })?;
        match outside.get() {
            Some((at, value)) => {
                let problem = format_args!("value {at} of its images is {value}, expected integers from 0 to 255");
                Err(Error::input(path.display(), problem))
            }
            None => Ok(Images::from_u8(bytes)),
        }
    }

    fn unexpected_shape(&self, expected: &str) -> Error {
        Error::input(self.path.display(), format_args!("shape {}, expected {expected}", Shape(self.shape())))
    }

    fn unexpected_type(&self, expected: &str) -> Error {
        Error::input(self.path.display(), format_args!("type {:?}, expected {expected}", self.header.descr))
    }

    /// The values of a one-byte type, read at one go when they are in C order.
    fn bytes(mut self) -> Result<Vec<u8>> {
        // One byte more, so that the end of the file is seen without growing the buffer.
        let mut bytes = Vec::with_capacity(self.count + 1);
        let most = self.count as u64 + 1;
        self.source.by_ref().take(most).read_to_end(&mut bytes).map_err(Error::io(&self.path))?;
        if bytes.len() != self.count {
            return Err(Error::input(self.path.display(), "the file changed while it was read"));
        }
        Ok(self.in_c_order(bytes))
    }

    /// The values of a float type as `f32`.
    fn floats(self, expected: &str) -> Result<Vec<f32>> {
        match self.header.element {
            Element::F16 => self.values(|b| f32_from_f16(u16::from_le_bytes(b))),
            Element::F32 => self.values(f32::from_le_bytes),
            Element::F64 => self.values(|b| f64::from_le_bytes(b) as f32),
            _ => Err(self.unexpected_type(expected)),
        }
    }

    fn labels<const W: usize>(self, decode: impl Fn([u8; W]) -> i128) -> Result<Vec<usize>> {
        let path = self.path.clone();
        let labels = self.values(decode)?;
        let check = |(i, &label): (usize, &i128)| {
            usize::try_from(label).map_err(|_| {
                Error::input(path.display(), format_args!("label {i} is {label}, expected the index of a class"))
            })
        };
        labels.iter().enumerate().map(check).collect()
    }

    /// Decodes all values in C order, a block of the file at a time. `decode` gets little-endian bytes.
    fn values<T: Copy, const W: usize>(mut self, decode: impl Fn([u8; W]) -> T) -> Result<Vec<T>> {
        const VALUES_A_BLOCK: usize = 8192;
        let mut block = vec![0; VALUES_A_BLOCK * W];
        let mut values = Vec::with_capacity(self.count);
        while values.len() < self.count {
            let size = VALUES_A_BLOCK.min(self.count - values.len()) * W;
            self.source.read_exact(&mut block[..size]).map_err(Error::io(&self.path))?;
            let (words, _) = block[..size].as_chunks::<W>();
            if self.header.big_endian {
                values.extend(words.iter().map(|&(mut word)| {
                    word.reverse();
                    decode(word)
                }));
            } else {
                values.extend(words.iter().map(|&word| decode(word)));
            }
        }
        Ok(self.in_c_order(values))
    }

    fn in_c_order<T: Copy>(&self, values: Vec<T>) -> Vec<T> {
        if !self.header.fortran_order || self.shape().len() < 2 {
            return values;
        }
        let shape = self.shape();
        let strides: Vec<usize> = shape
            .iter()
            .scan(1, |stride, &n| {
                let this = *stride;
                *stride *= n;
                Some(this)
            })
            .collect();
        let mut index = vec![0; shape.len()];
        let mut at = 0;
        let mut ordered = Vec::with_capacity(values.len());
        for _ in 0..values.len() {
            ordered.push(values[at]);
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                at += strides[axis];
                if index[axis] < shape[axis] {
                    break;
                }
                at -= strides[axis] * shape[axis];
                index[axis] = 0;
            }
        }
        ordered
    }
}

/// A shape as Python writes it.
pub(super) struct Shape<'a>(pub(super) &'a [usize]);

impl std::fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            [n] => write!(f, "({n},)"),
            many => {
                let sizes: Vec<String> = many.iter().map(usize::to_string).collect();
                write!(f, "({})", sizes.join(", "))
            }
        }
    }
}

/// IEEE 754 half precision: a sign, five bits of exponent, ten of fraction.
fn f32_from_f16(half: u16) -> f32 {
    let sign = if half >> 15 == 1 { -1.0 } else { 1.0 };
    let exponent = i32::from(half >> 10 & 0x1f);
    let fraction = f32::from(half & 0x3ff);
    let magnitude = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
    };
    sign * magnitude
}
