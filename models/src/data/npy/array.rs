//! An array in a file: its header, and its values in C order whatever their order, type and byte order there.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::header::{self, Element, Header};
use super::npz;
use super::values::{f32_from_f16, interleave};
use crate::data::extents::Layout;
use crate::data::images::{MASK, check_bytes, check_values};
use crate::data::rows::{Format, PictureFile, Rows};
use crate::data::{Images, Pixels};
use crate::error::{Error, Result};
use crate::{file, memory, text};

/// Values of a packed array that room is made for at first; it grows with what comes.
const FIRST_ROOM: usize = 1 << 22;

/// An open file whose header has been read and fits its length.
pub(in crate::data) struct Array {
    pub(super) path: PathBuf,
    /// Where the values come from.
    source: Box<dyn Read>,
    pub(super) header: Header,
    /// Number of values.
    count: usize,
    /// The length of the file that the source is packed in, where it is: only reading tells then whether the values are there.
    packed: Option<u64>,
    /// Where the values begin.
    start: u64,
    /// The length of the file, where it is a `.npy` and no part of an archive.
    length: Option<u64>,
}

impl Array {
    /// Reads the header and checks that the values it announces are there.
    pub(in crate::data) fn open(path: &Path) -> Result<Self> {
        if let Some((file, member)) = npz::member(path) {
            return npz::open(&file, Some(&member));
        }
        let bad = |problem: String| Error::input(path.display(), problem);
        let length = file::check(path, "a .npy array")?;
        if length == 0 {
            return Err(bad("the file is empty, expected a .npy array".to_owned()));
        }
        let mut file = File::open(path).map_err(Error::io(path))?;
        let mut start = Vec::new();
        Read::by_ref(&mut file).take(npz::MAGIC.len() as u64).read_to_end(&mut start).map_err(Error::io(path))?;
        if start == npz::MAGIC {
            return npz::open(path, None);
        }
        let array = Self::read(path, Box::new(std::io::Cursor::new(start).chain(file)), length, None)?;
        Ok(Self { length: Some(length), ..array })
    }

    /// Reads the header of an array of `length` bytes from `file`, which are a promise where they are packed.
    pub(super) fn read(path: &Path, mut file: Box<dyn Read>, length: u64, packed: Option<u64>) -> Result<Self> {
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
        let array =
            Self { path: path.to_owned(), source: file, header, count, packed, start: data_start, length: None };
        if packed.is_some() {
            array.check(bytes)?;
        }
        Ok(array)
    }

    /// Checks that this many bytes can be had for its values.
    fn check(&self, bytes: usize) -> Result<()> {
        match self.packed {
            Some(length) => memory::check_packed(bytes as u64, length, self.path.display()),
            None => memory::check(bytes as u64, self.path.display()),
        }
    }

    pub(in crate::data) fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// How pictures lie in it.
    pub(in crate::data) fn layout(&self) -> Result<Layout> {
        Layout::of(self.shape()).map_err(|hint| self.unexpected_shape(&format!("{}{hint}", Layout::EXPECTED)))
    }

    /// Reads pictures. Of integers 255 is ink, of floats and truth values 1.
    pub(in crate::data) fn into_images(self) -> Result<Images> {
        let Layout { extents, planes, .. } = self.layout()?;
        let (path, element) = (self.path.clone(), self.header.element);
        let bad = |problem: String| Error::input(path.display(), problem);
        let pixels = match element {
            Element::U8 => {
                let bytes = self.bytes()?;
                check_bytes(&bytes).map_err(|problem| bad(problem.to_owned()))?;
                Pixels::U8(bytes)
            }
            Element::Bool => {
                let mut bytes = self.bytes()?;
                bytes.iter_mut().for_each(|byte| *byte = if *byte == 0 { 0 } else { u8::MAX });
                Pixels::U8(bytes)
            }
            Element::F16 | Element::F32 | Element::F64 => {
                let values = self.floats("floats")?;
                check_values(&values, extents.len(), 0).map_err(bad)?;
                Pixels::F32(values)
            }
            _ => {
                let values = self.integers("integers")?;
                if let Some(at) = values.iter().position(|v| !(0..=255).contains(v)) {
                    let (image, found) = (at / extents.len(), values[at]);
                    return Err(bad(format!("image {image} holds {found}, expected integers of 0 to 255")));
                }
                if values.iter().max() == Some(&1) {
                    return Err(bad(MASK.to_owned()));
                }
                Pixels::U8(values.into_iter().map(|v| v as u8).collect())
            }
        };
        let pixels = match pixels {
            Pixels::U8(pixels) if planes => Pixels::U8(interleave(&pixels, extents.channels, extents.len())),
            Pixels::F32(pixels) if planes => Pixels::F32(interleave(&pixels, extents.channels, extents.len())),
            pixels => pixels,
        };
        Ok(Images::from_checked(extents, pixels))
    }

    /// Bytes that its pictures take in memory.
    pub(in crate::data) fn picture_bytes(&self) -> u64 {
        let is_float = self.header.element.is_float();
        (self.count as u64).saturating_mul(if is_float { size_of::<f32>() as u64 } else { 1 })
    }

    /// How its pictures can be read one by one.
    ///
    /// # Errors
    /// Why they cannot.
    pub(in crate::data) fn format(&self) -> Result<Format, &'static str> {
        match self.length {
            Some(_) => Format::of(&self.header, self.layout().is_ok_and(|layout| layout.planes)),
            None => Err("part of an archive"),
        }
    }

    /// Leaves its pictures where they are, of that format.
    pub(in crate::data) fn into_rows(self, format: Format) -> Result<Rows> {
        let Layout { count, extents, .. } = self.layout()?;
        let length = self.length.unwrap_or_default();
        Ok(Rows::new(extents, PictureFile::open(&self.path, length, self.start, count, format)?))
    }

    /// Where it lies.
    pub(in crate::data) fn path(&self) -> &Path {
        &self.path
    }

    /// Number of labels.
    pub(in crate::data) fn label_count(&self) -> Result<usize> {
        match *self.shape() {
            [count] | [count, 1] => Ok(count),
            _ => Err(self.unexpected_shape("(N,)")),
        }
    }

    /// Reads labels.
    pub(in crate::data) fn into_labels(self) -> Result<Vec<usize>> {
        self.label_count()?;
        if self.header.element == Element::U64 {
            return self.values(|b| usize::try_from(u64::from_le_bytes(b)).unwrap_or(usize::MAX));
        }
        let path = self.path.clone();
        let check = |(i, label): (usize, i64)| {
            usize::try_from(label).map_err(|_| {
                Error::input(path.display(), format_args!("label {i} is {label}, expected the index of a class"))
            })
        };
        self.integers("integers")?.into_iter().enumerate().map(check).collect()
    }

    pub(super) fn unexpected_shape(&self, expected: &str) -> Error {
        Error::input(self.path.display(), format_args!("shape {}, expected {expected}", Shape(self.shape())))
    }

    fn unexpected_type(&self, expected: &str) -> Error {
        Error::input(self.path.display(), format_args!("type {:?}, expected {expected}", self.header.descr))
    }

    /// The values of a one-byte type, read at one go when they are in C order.
    fn bytes(mut self) -> Result<Vec<u8>> {
        self.check(self.count)?;
        // One byte more, so that the end of the file is seen without growing the buffer.
        let mut bytes = Vec::with_capacity(self.room(self.count + 1));
        let most = self.count as u64 + 1;
        self.source.by_ref().take(most).read_to_end(&mut bytes).map_err(Error::io(&self.path))?;
        if bytes.len() != self.count {
            return Err(Error::input(self.path.display(), "the file changed while it was read"));
        }
        Ok(self.in_c_order(bytes))
    }

    /// The values of a float type as `f32`.
    pub(super) fn floats(self, expected: &str) -> Result<Vec<f32>> {
        match self.header.element {
            Element::F16 => self.values(|b| f32_from_f16(u16::from_le_bytes(b))),
            Element::F32 => self.values(f32::from_le_bytes),
            Element::F64 => self.values(|b| f64::from_le_bytes(b) as f32),
            _ => Err(self.unexpected_type(expected)),
        }
    }

    /// The values of an integer type; one beyond `i64` is the largest there is.
    fn integers(self, expected: &str) -> Result<Vec<i64>> {
        match self.header.element {
            Element::Bool => self.values(|b: [u8; 1]| i64::from(b[0] != 0)),
            Element::U8 => self.values(|b: [u8; 1]| b[0].into()),
            Element::U16 => self.values(|b| u16::from_le_bytes(b).into()),
            Element::U32 => self.values(|b| u32::from_le_bytes(b).into()),
            Element::U64 => self.values(|b| i64::try_from(u64::from_le_bytes(b)).unwrap_or(i64::MAX)),
            Element::I8 => self.values(|b: [u8; 1]| i8::from_le_bytes(b).into()),
            Element::I16 => self.values(|b| i16::from_le_bytes(b).into()),
            Element::I32 => self.values(|b| i32::from_le_bytes(b).into()),
            Element::I64 => self.values(i64::from_le_bytes),
            Element::F16 | Element::F32 | Element::F64 => Err(self.unexpected_type(expected)),
        }
    }

    /// Decodes all values in C order, a block of the file at a time. `decode` gets little-endian bytes.
    pub(super) fn values<T: Copy, const W: usize>(mut self, decode: impl Fn([u8; W]) -> T) -> Result<Vec<T>> {
        const VALUES_A_BLOCK: usize = 8192;
        let mut block = vec![0; VALUES_A_BLOCK * W];
        self.check(self.count.saturating_mul(size_of::<T>()))?;
        let mut values = Vec::with_capacity(self.room(self.count));
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

    /// Of `count` values, as many as room is made for before the first of them has come.
    fn room(&self, count: usize) -> usize {
        if self.packed.is_some() { count.min(FIRST_ROOM) } else { count }
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
pub(in crate::data) struct Shape<'a>(pub(in crate::data) &'a [usize]);

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
