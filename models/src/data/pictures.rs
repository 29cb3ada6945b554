//! PNG and JPEG files of any sizes: finding them, and reading each when it is needed or many at once.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use inkgrad_kernels::cpu::threads;
use png::{BitDepth, ColorType, Decoder, Transformations};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::images::{MASK, check_bytes, ones};
use super::resize::middle_square;
use super::{Extents, Images, Pixels, Source, is_clutter};
use crate::digest::{hexadecimal, sha256};
use crate::{Error, Result, file, memory, text};

/// The most bytes of a picture's file.
const MOST_BYTES: u64 = 1 << 28;

/// A picture: bytes row after row, the channels of a pixel side by side. One that has no colour has one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Height, width and channels: 1 or 3.
    pub extents: Extents,
    /// Its values.
    pub bytes: Vec<u8>,
}

/// The pictures below a folder.
#[derive(Debug, Clone)]
pub struct Pictures {
    folder: PathBuf,
    files: Vec<PathBuf>,
    left_out: Vec<PathBuf>,
}

/// The endings of pictures' names, in lower case.
const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

impl Pictures {
    /// Finds the PNG and JPEG files in a folder and in those within it, in the order of their paths.
    ///
    /// # Errors
    /// If a folder cannot be read, there is none in it, or all of them are masks of 0 and 1.
    pub fn find(folder: &Path) -> Result<Self> {
        let pictures = Self::look(folder, true)?;
        let Some(first) = pictures.files.first() else {
            return Err(Error::input(folder.display(), "no pictures, expected PNG or JPEG files"));
        };
        match pictures.are_masks() {
            true => Err(mask(first, pictures.files.len())),
            false => Ok(pictures),
        }
    }

    /// Whether the largest value of all is 1. The first picture mostly shows that it is not; one that cannot be read shows its fault
    /// when it is used.
    fn are_masks(&self) -> bool {
        let mut found = false;
        for file in &self.files {
            let Some(ones) = read(file).ok().and_then(|picture| ones(&picture.bytes)) else { return false };
            found |= ones;
        }
        found
    }

    /// The PNG and JPEG files in a folder, in the order of their names, and perhaps of those within it; there may be none.
    pub(super) fn look(folder: &Path, within: bool) -> Result<Self> {
        let mut pictures = Pictures { folder: folder.to_owned(), files: Vec::new(), left_out: Vec::new() };
        pictures.look_in(folder, within)?;
        pictures.files.sort_unstable();
        pictures.left_out.sort_unstable();
        Ok(pictures)
    }

    fn look_in(&mut self, folder: &Path, within: bool) -> Result<()> {
        for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
            let entry = entry.map_err(Error::io(folder))?;
            if is_clutter(&entry.file_name()) {
                continue;
            }
            let (path, kind) = (entry.path(), entry.file_type().map_err(Error::io(folder))?);
            let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
            // A link to a folder may lead back.
            if kind.is_dir() && within {
                self.look_in(&path, within)?;
            } else if kind.is_dir() {
                self.left_out.push(path);
            } else if ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str())) {
                self.files.push(path);
            } else {
                self.left_out.push(path);
            }
        }
        Ok(())
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files, in order.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Files that are no pictures by their names.
    pub fn left_out(&self) -> &[PathBuf] {
        &self.left_out
    }

    /// The SHA-256 of all files' contents, in order, in hexadecimal; their names do not count.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn sha256(&self) -> Result<String> {
        let mut digest = Sha256::new();
        for file in &self.files {
            digest.update(sha256(file)?);
        }
        Ok(hexadecimal(digest))
    }

    /// Reads a picture.
    ///
    /// # Errors
    /// If the file cannot be read, or is no picture of 8 bits a channel.
    pub fn read(&self, index: usize) -> Result<Picture> {
        read(&self.files[index])
    }
}

impl Source for Pictures {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn picture(&self, index: usize) -> Result<(Extents, Vec<f32>)> {
        let Picture { extents, bytes } = self.read(index)?;
        Ok((extents, bytes.iter().map(|&v| f32::from(v) / 255.0).collect()))
    }
}

/// Reads a picture.
///
/// # Errors
/// If the file cannot be read, or is no picture of 8 bits a channel.
pub(super) fn read(path: &Path) -> Result<Picture> {
    let bytes = file::read(path, MOST_BYTES, "a picture")?;
    decode(bytes).map_err(|problem| Error::input(path.display(), problem))
}

/// All pictures of several folders as arrays with the same extents: grey ones where all are grey.
///
/// # Errors
/// If a picture cannot be read, or two are of different sizes: both are named. `watch` is told how many are read.
pub fn same_size(sets: &[&Pictures], watch: &mut dyn FnMut(usize)) -> Result<Vec<Images>> {
    let files: Vec<&Path> = sets.iter().flat_map(|set| &set.files).map(PathBuf::as_path).collect();
    let mut rest = read_all(&files, None, "", watch)?;
    let part = |set: &&Pictures| {
        let later = rest.split_off(set.len());
        std::mem::replace(&mut rest, later)
    };
    Ok(sets.iter().map(part).collect())
}

/// Files that are decoded at once, by all cores: so many pictures are in memory twice.
const BLOCK: usize = 256;

/// All pictures in one array, grey where all are grey, in colour where one has some; the middle square of each at `side`×`side`
/// pixels, if that is asked for.
///
/// # Errors
/// The first picture, in the order of `files`, that cannot be read or is of another size than the first: both are named, with
/// `hint` behind. `watch` is told how many are read.
pub(super) fn read_all(
    files: &[&Path],
    side: Option<usize>,
    hint: &str,
    watch: &mut dyn FnMut(usize),
) -> Result<Images> {
    let Some((first, others)) = files.split_first() else {
        return Ok(Images::from_checked(Extents::DRAWING, Pixels::U8(Vec::new())));
    };
    let picture = |path: &Path| -> Result<Picture> {
        let picture = read(path)?;
        Ok(match side {
            Some(side) => picture.square(side),
            None => picture,
        })
    };
    let mut all = Gathered::new(first, picture(first)?, files.len())?;
    watch(1);
    for (block, paths) in others.chunks(BLOCK).enumerate() {
        let fitting = |path: &&Path| all.fitting(path, picture(path)?, hint);
        let pictures: Vec<Result<Picture>> = threads::shared(|| paths.par_iter().map(fitting).collect());
        for (i, picture) in pictures.into_iter().enumerate() {
            all.add(picture?)?;
            watch(block * BLOCK + i + 2);
        }
    }
    check_bytes(&all.bytes).map_err(|_| mask(first, files.len()))?;
    Ok(Images::from_checked(all.extents, Pixels::U8(all.bytes)))
}

/// Refuses pictures that are masks, the first of which is named.
fn mask(first: &Path, count: usize) -> Error {
    let all = if count > 1 { format!("the first of {count} pictures that hold ") } else { String::new() };
    Error::input(first.display(), format_args!("{all}{MASK}"))
}

/// Pictures of one size, one after the other.
struct Gathered<'a> {
    first: &'a Path,
    extents: Extents,
    /// How many there will be.
    count: usize,
    bytes: Vec<u8>,
}

impl<'a> Gathered<'a> {
    fn new(path: &'a Path, picture: Picture, count: usize) -> Result<Self> {
        let mut all = Gathered { first: path, extents: picture.extents, count, bytes: Vec::new() };
        all.bytes = all.room()?;
        all.bytes.extend(picture.bytes);
        Ok(all)
    }

    /// Room for all pictures.
    fn room(&self) -> Result<Vec<u8>> {
        let bytes = self.count.saturating_mul(self.extents.len());
        memory::check(bytes as u64, format_args!("{} pictures", self.count))?;
        Ok(Vec::with_capacity(bytes))
    }

    /// The picture, if it has the size of the first.
    fn fitting(&self, path: &Path, picture: Picture, hint: &str) -> Result<Picture> {
        let (Extents { height, width, .. }, expected) = (picture.extents, self.extents);
        if (height, width) == (expected.height, expected.width) {
            return Ok(picture);
        }
        let first = self.first.display();
        let problem = format!("{height}×{width}, expected {}×{} as {first}{hint}", expected.height, expected.width);
        Err(Error::input(path.display(), problem))
    }

    fn add(&mut self, picture: Picture) -> Result<()> {
        let channels = picture.extents.channels;
        if channels > self.extents.channels {
            // The first one in colour.
            self.extents.channels = channels;
            let mut wider = self.room()?;
            wider.extend(self.bytes.iter().flat_map(|&v| [v; 3]));
            self.bytes = wider;
        }
        self.bytes.extend(picture.with_channels(self.extents.channels));
        Ok(())
    }
}

impl Picture {
    /// Its middle square at `side`×`side` pixels.
    fn square(self, side: usize) -> Self {
        let values: Vec<f32> = self.bytes.iter().map(|&v| f32::from(v)).collect();
        let square = middle_square(self.extents, &values, side);
        let extents = Extents { height: side, width: side, ..self.extents };
        Picture { extents, bytes: square.iter().map(|v| v.round() as u8).collect() }
    }

    /// Its bytes with one channel given again for each of three, if so many are asked for.
    fn with_channels(self, channels: usize) -> Vec<u8> {
        match (self.extents.channels, channels) {
            (1, 3) => self.bytes.into_iter().flat_map(|v| [v; 3]).collect(),
            _ => self.bytes,
        }
    }

    /// The picture with these channels a pixel, of which a second or fourth says how opaque it is and is left out, as Pillow's
    /// `convert("RGB")` does. Equal colours become one.
    fn new(height: usize, width: usize, channels: usize, bytes: &[u8]) -> Result<Self, String> {
        if channels == 0 || height * width == 0 || bytes.len() != height * width * channels {
            return Err(format!("{} bytes for {height}×{width} pixels of {channels} channels", bytes.len()));
        }
        let pixels = bytes.chunks_exact(channels);
        let grey = channels < 3 || pixels.clone().all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
        let kept = if grey { 1 } else { 3 };
        let bytes = pixels.flat_map(|pixel| &pixel[..kept]).copied().collect();
        Ok(Picture { extents: Extents { height, width, channels: kept }, bytes })
    }
}

/// Decodes a file by its first bytes, whatever its name says.
fn decode(bytes: Vec<u8>) -> Result<Picture, String> {
    match &bytes[..] {
        start if text::is_lfs_pointer(start) => Err(text::LFS_POINTER.to_owned()),
        [0x89, b'P', b'N', b'G', ..] => decode_png(&bytes),
        [0xff, 0xd8, ..] => decode_jpeg(bytes),
        [] => Err("empty, expected a PNG or JPEG file".to_owned()),
        _ => Err("neither PNG nor JPEG by its first bytes".to_owned()),
    }
}

fn decode_png(bytes: &[u8]) -> Result<Picture, String> {
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::EXPAND);
    let mut reader = decoder.read_info().map_err(|error| error.to_string())?;
    if reader.info().bit_depth == BitDepth::Sixteen {
        return Err("16 bits a channel, expected 8".to_owned());
    }
    let size = reader.output_buffer_size().ok_or("larger than memory can be")?;
    check_sides(reader.info().height as usize, reader.info().width as usize)?;
    memory::check_packed(size as u64, bytes.len() as u64, "its pixels").map_err(|error| error.to_string())?;
    let mut buffer = vec![0; size];
    let frame = reader.next_frame(&mut buffer).map_err(|error| error.to_string())?;
    let channels = match frame.color_type {
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
        ColorType::Indexed => return Err("a palette that was not looked up".to_owned()),
    };
    Picture::new(frame.height as usize, frame.width as usize, channels, &buffer[..frame.buffer_size()])
}

/// The longest side of a picture.
const LONGEST: usize = 1 << 14;

/// Refuses pictures that nobody has, before memory is asked for.
fn check_sides(height: usize, width: usize) -> Result<(), String> {
    match height.max(width) <= LONGEST {
        true => Ok(()),
        false => Err(format!("{height}×{width}, expected sides up to {LONGEST}")),
    }
}

fn decode_jpeg(bytes: Vec<u8>) -> Result<Picture, String> {
    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(LONGEST).set_max_height(LONGEST);
    let length = bytes.len();
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| format!("{error:?}").replace('\n', " "))?;
    let size = decoder.output_buffer_size().ok_or("no size in its header")?;
    memory::check_packed(size as u64, length as u64, "its pixels").map_err(|error| error.to_string())?;
    let pixels = decoder.decode().map_err(|error| format!("{error:?}").replace('\n', " "))?;
    let info = decoder.info().ok_or("no header")?;
    let (height, width) = (usize::from(info.height), usize::from(info.width));
    let channels = pixels.len() / (height * width).max(1);
    Picture::new(height, width, channels, &pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opacity_is_left_out_and_equal_colours_become_one() {
        let grey = Picture::new(1, 2, 4, &[7, 7, 7, 0, 9, 9, 9, 255]).unwrap();
        assert_eq!((grey.extents.channels, grey.bytes.as_slice()), (1, &[7, 9][..]));
        let colour = Picture::new(1, 2, 4, &[7, 8, 7, 0, 9, 9, 9, 255]).unwrap();
        assert_eq!((colour.extents.channels, colour.bytes.as_slice()), (3, &[7, 8, 7, 9, 9, 9][..]));
        assert_eq!(Picture::new(1, 2, 2, &[7, 0, 9, 255]).unwrap(), grey);
        assert!(Picture::new(2, 2, 3, &[0; 11]).is_err());
    }

    /// The beginning of a PNG file of these sides: signature, header (33 bytes), and the head of a chunk of pixels.
    fn beginning(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(ColorType::Rgb);
        drop(encoder.write_header().unwrap());
        [&bytes[..33], b"\0\0\0\x08IDAT\x78\x9c\0\0\0\0\0\0\0\0\0\0"].concat()
    }

    #[test]
    fn large_pictures_are_refused_by_their_headers() {
        let problem = |width, height| decode(beginning(width, height)).unwrap_err();
        assert_eq!(problem(20_000, 3), "3×20000, expected sides up to 16384");
        let bomb = problem(16_000, 16_000);
        assert!(bomb.contains("packed bytes become 733 MiB"), "{bomb}");
    }

    #[test]
    fn bytes_that_are_no_picture_are_refused() {
        for bytes in [&b""[..], b"GIF89a", b"\x89PNG\r\n\x1a\n and no more", b"\xff\xd8\xff and no more"] {
            assert!(decode(bytes.to_vec()).is_err(), "{bytes:?}");
        }
    }
}
