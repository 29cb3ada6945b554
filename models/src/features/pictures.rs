//! Folders of pictures, PNG and JPEG files of any sizes, each read when it is needed.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use png::{BitDepth, ColorType, Decoder, Transformations};
use sha2::{Digest, Sha256};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{hexadecimal, sha256};
use crate::data::{Extents, Images, Pixels, Source};
use crate::memory;
use crate::{Error, Result};

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
    /// If a folder cannot be read, or there is none in it.
    pub fn find(folder: &Path) -> Result<Self> {
        let mut pictures = Pictures { folder: folder.to_owned(), files: Vec::new(), left_out: Vec::new() };
        pictures.look_in(folder)?;
        pictures.files.sort_unstable();
        match pictures.files.is_empty() {
            true => Err(Error::input(folder.display(), "no pictures, expected PNG or JPEG files")),
            false => Ok(pictures),
        }
    }

    fn look_in(&mut self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
            let entry = entry.map_err(Error::io(folder))?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(Error::io(folder))?);
            let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
            // A link to a folder may lead back.
            if kind.is_dir() {
                self.look_in(&path)?;
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
        let path = &self.files[index];
        let bytes = fs::read(path).map_err(Error::io(path))?;
        decode(bytes).map_err(|problem| Error::input(path.display(), problem))
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

/// All pictures of several folders as arrays with the same extents: grey ones where all are grey.
///
/// # Errors
/// If a picture cannot be read, or two are of different sizes: both are named. `watch` is told how many are read.
pub fn same_size(sets: &[&Pictures], watch: &mut dyn FnMut(usize)) -> Result<Vec<Images>> {
    let mut first: Option<(&Path, Extents)> = None;
    let (mut read, mut done) = (Vec::new(), 0);
    for set in sets {
        let mut pictures = Vec::with_capacity(set.len());
        for (i, path) in set.files.iter().enumerate() {
            let picture = set.read(i)?;
            let Extents { height, width, .. } = picture.extents;
            let (earlier, expected) = *first.get_or_insert((path, picture.extents));
            if (height, width) != (expected.height, expected.width) {
                let (height_of, width_of) = (expected.height, expected.width);
                let problem = format!("{height}×{width}, expected {height_of}×{width_of} as {}", earlier.display());
                return Err(Error::input(path.display(), problem));
            }
            if i == 0 {
                memory::check((set.len() * picture.bytes.len()) as u64, format_args!("{} pictures", set.len()))?;
            }
            pictures.push(picture);
            done += 1;
            watch(done);
        }
        read.push(pictures);
    }
    let channels = if read.iter().flatten().any(|picture| picture.extents.channels == 3) { 3 } else { 1 };
    let images = |pictures: Vec<Picture>| {
        let extents = Extents { channels, ..pictures.first().map_or(Extents::DRAWING, |picture| picture.extents) };
        let bytes = pictures.into_iter().flat_map(|picture| picture.with_channels(channels)).collect();
        Images::new(extents, Pixels::U8(bytes)).map_err(|problem| Error::input("pictures", problem))
    };
    read.into_iter().map(images).collect()
}

impl Picture {
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

/// The longest side of a JPEG file's picture.
const LONGEST: usize = 1 << 14;

fn decode_jpeg(bytes: Vec<u8>) -> Result<Picture, String> {
    let options = DecoderOptions::default().set_strict_mode(true).set_max_width(LONGEST).set_max_height(LONGEST);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
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

    #[test]
    fn bytes_that_are_no_picture_are_refused() {
        for bytes in [&b""[..], b"GIF89a", b"\x89PNG\r\n\x1a\n and no more", b"\xff\xd8\xff and no more"] {
            assert!(decode(bytes.to_vec()).is_err(), "{bytes:?}");
        }
    }
}
