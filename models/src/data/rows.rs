//! Pictures that stay in their files, for data that memory has no room for: the rows of a batch are read when they are asked for.
//!
//! They are read at their positions, not mapped into memory. A mapped file that another program cuts short ends the process that
//! looks at it, its bytes may change under a reader that the compiler promised they would not, and every page that was looked at
//! counts as this process's memory. A read that fails is an error like any other; and a batch is some hundred rows, whose reads from
//! the system's cache take a hundredth of a step.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::images::{MASK, check_values, ones};
use super::npy::header::{Element, Header};
use super::npy::values::{f32_from_f16, interleave};
use super::split::{Order, Place};
use super::{Extents, Images, Pixels};
use crate::error::{Error, Result};

/// Pictures of one size in one file or in several.
#[derive(Clone, Debug)]
pub struct Rows {
    /// In the files.
    extents: Extents,
    /// The side of their middle squares, where these are asked for.
    side: Option<usize>,
    files: Vec<Arc<PictureFile>>,
    /// How many pictures the files before each have, and at the end all.
    firsts: Vec<usize>,
    /// Where each picture lies; of `None` one after the other.
    order: Option<Order>,
}

impl Rows {
    /// The pictures of a file, one after the other.
    pub(super) fn new(extents: Extents, file: PictureFile) -> Self {
        let firsts = vec![0, file.count];
        Rows { extents, side: None, files: vec![Arc::new(file)], firsts, order: None }
    }

    /// The same files' pictures in another order, or some of them.
    pub(super) fn ordered(&self, order: Order) -> Self {
        Rows { order: Some(order), ..self.clone() }
    }

    /// Adds others of the same extents at the end.
    ///
    /// # Errors
    /// If their values are of another type: both types.
    pub(super) fn append(&mut self, others: Rows) -> Result<(), String> {
        if others.pixel_type() != self.pixel_type() {
            return Err(format!("{}, expected {} as in training", others.pixel_type(), self.pixel_type()));
        }
        assert!(self.order.is_none() && others.order.is_none(), "files whose pictures are in turn");
        for file in others.files {
            self.firsts.push(self.firsts[self.files.len()] + file.count);
            self.files.push(file);
        }
        Ok(())
    }

    /// The same with the middle square of every picture at `side`×`side` pixels.
    pub(super) fn resized(self, side: usize) -> Self {
        Rows { side: Some(side), ..self }
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.order.as_ref().map_or(self.firsts[self.files.len()], Order::len)
    }

    /// Whether there is no picture.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Height, width and channels of a picture as [`Rows::read`] gives it.
    pub fn extents(&self) -> Extents {
        self.side.map_or(self.extents, |side| Extents { height: side, width: side, ..self.extents })
    }

    /// The name of the type that values have in memory, as NumPy has it.
    pub fn pixel_type(&self) -> &'static str {
        self.no_pixels().type_name()
    }

    /// Whether values are floats in memory, not bytes.
    pub fn is_float(&self) -> bool {
        self.files[0].format.element.is_float()
    }

    /// Bytes that all of them would take in memory.
    pub fn bytes(&self) -> u64 {
        let size = if self.is_float() { size_of::<f32>() } else { 1 };
        (self.len() as u64).saturating_mul((self.extents().len() * size) as u64)
    }

    /// Reads the pictures at `indices`, as memory would have them.
    ///
    /// # Errors
    /// If a file cannot be read, was cut or written to since it was opened, or holds a value that is none of a
    /// picture's.
    ///
    /// # Panics
    /// When an index has no picture.
    pub fn read(&self, indices: &[usize]) -> Result<Images> {
        self.read_into(indices, None)
    }

    /// The same in the memory of pictures that nobody needs any more: the system would have to clear new memory for each batch.
    pub(super) fn read_into(&self, indices: &[usize], spare: Option<Images>) -> Result<Images> {
        let spare = spare.map(Images::into_pixels).filter(|spare| spare.type_name() == self.pixel_type());
        let mut pixels = spare.unwrap_or_else(|| self.no_pixels());
        match &mut pixels {
            Pixels::U8(pixels) => empty(pixels, indices.len() * self.extents.len()),
            Pixels::F32(pixels) => empty(pixels, indices.len() * self.extents.len()),
        }
        let mut used = vec![false; self.files.len()];
        let mut block = Vec::new();
        let mut places = indices.iter().map(|&index| self.place(index)).peekable();
        let mut read = Ok(());
        while let (Some(Place { file, row }), true) = (places.next(), read.is_ok()) {
            // Neighbours in one go.
            let mut rows = 1;
            while places.next_if(|next| (next.file, next.row) == (file, row + rows)).is_some() {
                rows += 1;
            }
            used[file as usize] = true;
            read = self.files[file as usize].read(row as usize, rows as usize, self.extents, &mut block, &mut pixels);
        }
        // A file that somebody else has written to explains whatever was found there.
        self.files.iter().zip(used).filter(|(_, used)| *used).try_for_each(|(file, _)| file.check_unchanged())?;
        read?;
        let images = Images::from_checked(self.extents, pixels);
        match self.side {
            Some(side) => images.resized(side),
            None => Ok(images),
        }
    }

    /// No pixels yet, of the type that the files have.
    fn no_pixels(&self) -> Pixels {
        match self.is_float() {
            true => Pixels::F32(Vec::new()),
            false => Pixels::U8(Vec::new()),
        }
    }

    fn place(&self, index: usize) -> Place {
        match &self.order {
            Some(order) => order.at(index),
            None => {
                assert!(index < self.len(), "picture {index} of {}", self.len());
                let file = self.firsts.partition_point(|&first| first <= index) - 1;
                Place { file: file as u32, row: (index - self.firsts[file]) as u32 }
            }
        }
    }
}

/// Makes a list empty, with room for `count`.
fn empty<T>(list: &mut Vec<T>, count: usize) {
    list.clear();
    list.reserve_exact(count);
}

/// How a file keeps pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Format {
    element: Element,
    big_endian: bool,
    /// Whether each channel is a plane of its own.
    planes: bool,
}

impl Format {
    /// A byte a pixel.
    pub(super) const BYTES: Format = Format { element: Element::U8, big_endian: false, planes: false };

    /// That of an array, where its pictures can be read one by one.
    ///
    /// # Errors
    /// Why they cannot.
    pub(super) fn of(header: &Header, planes: bool) -> Result<Self, &'static str> {
        let Header { element, big_endian, fortran_order, .. } = *header;
        match element {
            _ if fortran_order => Err("in Fortran order"),
            Element::U8 | Element::Bool | Element::F16 | Element::F32 | Element::F64 => {
                Ok(Format { element, big_endian, planes })
            }
            _ => Err("integers of more than a byte"),
        }
    }

    /// Adds values that a file has as `bytes`.
    fn decode(self, bytes: &[u8], pixels: &mut Pixels) {
        match (self.element, pixels) {
            (Element::U8, Pixels::U8(pixels)) => pixels.extend_from_slice(bytes),
            (_, Pixels::U8(pixels)) => pixels.extend(bytes.iter().map(|&byte| if byte == 0 { 0 } else { u8::MAX })),
            (Element::F16, Pixels::F32(pixels)) => self.words(bytes, |b| f32_from_f16(u16::from_le_bytes(b)), pixels),
            (Element::F64, Pixels::F32(pixels)) => self.words(bytes, |b| f64::from_le_bytes(b) as f32, pixels),
            (_, Pixels::F32(pixels)) => self.words(bytes, f32::from_le_bytes, pixels),
        }
    }

    /// Adds values of `W` bytes each; `decode` gets little-endian ones.
    fn words<const W: usize>(self, bytes: &[u8], decode: impl Fn([u8; W]) -> f32, pixels: &mut Vec<f32>) {
        let (words, _) = bytes.as_chunks::<W>();
        pixels.extend(words.iter().map(|&(mut word)| {
            if self.big_endian {
                word.reverse();
            }
            decode(word)
        }));
    }
}

/// Bytes that are looked at in one go.
const BLOCK: usize = 1 << 16;

/// An open file of pictures.
#[derive(Debug)]
pub(super) struct PictureFile {
    path: PathBuf,
    file: File,
    /// Where its pictures begin.
    start: u64,
    /// How many it has.
    count: usize,
    format: Format,
    /// Its length and when it was last written to, as it was opened.
    stamp: (u64, Option<SystemTime>),
}

impl PictureFile {
    /// Opens a file of `length` bytes whose `count` pictures begin at `start`.
    ///
    /// # Errors
    /// If it cannot be opened, or is not as long any more.
    pub(super) fn open(path: &Path, length: u64, start: u64, count: usize, format: Format) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        let stamp = stamp(&file).map_err(Error::io(path))?;
        if u32::try_from(count).is_err() {
            let problem = format_args!("{count} pictures, expected at most {}", u32::MAX);
            return Err(Error::input(path.display(), problem));
        }
        if stamp.0 != length {
            return Err(Error::input(path.display(), "the file changed while it was read"));
        }
        let opened = PictureFile { path: path.to_owned(), file, start, count, format, stamp };
        match format.element == Element::U8 && opened.is_mask(length).map_err(Error::io(path))? {
            true => Err(Error::input(path.display(), MASK)),
            false => Ok(opened),
        }
    }

    /// Whether the largest of its bytes is 1. Drawings show early that it is not; only of a mask is the whole file read.
    fn is_mask(&self, length: u64) -> io::Result<bool> {
        let (mut block, mut found) = (vec![0; BLOCK], false);
        let mut at = self.start;
        while at < length {
            let part = &mut block[..BLOCK.min((length - at) as usize)];
            read_exact_at(&self.file, part, at)?;
            let Some(ones) = ones(part) else { return Ok(false) };
            found |= ones;
            at += part.len() as u64;
        }
        Ok(found)
    }

    /// Refuses contents that somebody has changed: the bytes that were read are of those that the fingerprint is of only if nobody has
    /// written to the file.
    fn check_unchanged(&self) -> Result<()> {
        let bad = |problem: String| Error::input(self.path.display(), problem);
        let now = stamp(&self.file).map_err(|error| bad(error.to_string()))?;
        if now == self.stamp {
            return Ok(());
        }
        let (found, expected) = (now.0, self.stamp.0);
        Err(bad(match found < expected {
            true => format!("another program cut it to {found} bytes while it was in use, expected {expected}"),
            false => "another program wrote to it while it was in use, expected it to stay as it is".to_owned(),
        }))
    }

    /// Adds pictures from number `row` on to `pixels`. What was read counts if the file is [unchanged](Self::check_unchanged).
    fn read(&self, row: usize, rows: usize, extents: Extents, block: &mut Vec<u8>, pixels: &mut Pixels) -> Result<()> {
        let bad = |problem: String| Error::input(self.path.display(), problem);
        let each = extents.len();
        let bytes = each * self.format.element.size();
        block.resize(rows * bytes, 0);
        let read = read_exact_at(&self.file, block, self.start + (row * bytes) as u64);
        read.map_err(|error| bad(format!("image {row} cannot be read: {error}")))?;
        let begin = pixels.len();
        self.format.decode(block, pixels);
        match pixels {
            Pixels::U8(pixels) if self.format.planes => by_pixel(&mut pixels[begin..], extents),
            Pixels::F32(pixels) => {
                check_values(&pixels[begin..], each, row).map_err(bad)?;
                if self.format.planes {
                    by_pixel(&mut pixels[begin..], extents);
                }
            }
            Pixels::U8(_) => {}
        }
        Ok(())
    }
}

/// Brings the channels of a pixel together.
fn by_pixel<T: Copy>(values: &mut [T], extents: Extents) {
    let together = interleave(values, extents.channels, extents.len());
    values.copy_from_slice(&together);
}

fn stamp(file: &File) -> io::Result<(u64, Option<SystemTime>)> {
    let metadata = file.metadata()?;
    Ok((metadata.len(), metadata.modified().ok()))
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => (bytes, offset) = (&mut bytes[n..], offset + n as u64),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
