//! PNG pictures: grids of drawings.
//!
//! ```
//! use inkgrad_models::data::Images;
//! use inkgrad_models::image::{GridOptions, grid};
//!
//! let ramps = Images::from_fn([28, 28, 1], 6, |i, y, _, _| (9 * y + i) as u8);
//! let png = grid(&ramps.values(), 3, &GridOptions::default()).to_png()?; // two rows of three
//! assert!(png.starts_with(b"\x89PNG"));
//! # Ok::<(), inkgrad_models::Error>(())
//! ```

mod encoded;
pub mod text;

use std::io;
use std::path::Path;

pub use self::encoded::Png;
use crate::data::Extents;
use crate::error::{Error, Result};
use crate::run::atomic;

const PAGE: u8 = 255;
const TEXT_SIZE: f32 = 15.0;
const TITLE_SIZE: f32 = 19.0;
/// A page with a title may always become as wide as this.
const NARROWEST: usize = 420;
/// The least space around a label.
const TEXT_PADDING: usize = 6;

/// The kind of a picture's pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// One byte a pixel.
    Grey,
    /// Three bytes a pixel.
    Rgb,
}

impl Channels {
    /// Bytes a pixel.
    fn bytes(self) -> usize {
        match self {
            Channels::Grey => 1,
            Channels::Rgb => 3,
        }
    }
}

/// An 8-bit picture, row by row from the top.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes a pixel.
    pub channels: Channels,
    /// `width · height` pixels.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// The same as a PNG file has it.
    ///
    /// # Errors
    /// As [`Picture::to_png`].
    pub fn encode(&self) -> Result<Png> {
        let &Picture { width, height, channels, .. } = self;
        Ok(Png { width, height, channels, bytes: self.to_png()? })
    }

    /// The picture as the bytes of a PNG file.
    ///
    /// # Errors
    /// [`Error::Input`] where it has no pixels or more than a PNG can hold.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.write_png(&mut bytes).map_err(|error| Error::input("picture", error))?;
        Ok(bytes)
    }

    /// Writes a PNG file, atomically.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written, and the errors of [`Picture::to_png`].
    pub fn save_png(&self, path: impl AsRef<Path>) -> Result<()> {
        atomic::write(path, |file| self.write_png(file).map_err(io::Error::from))
    }

    fn write_png(&self, sink: impl io::Write) -> Result<(), png::EncodingError> {
        let extent = |pixels: usize| u32::try_from(pixels).map_err(io::Error::other);
        let mut encoder = png::Encoder::new(sink, extent(self.width)?, extent(self.height)?);
        encoder.set_color(match self.channels {
            Channels::Grey => png::ColorType::Grayscale,
            Channels::Rgb => png::ColorType::Rgb,
        });
        // By which a picture is known that may be made anew.
        encoder.add_text_chunk("Software".to_owned(), "inkgrad".to_owned())?;
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.pixels)?;
        writer.finish()
    }

    /// Draws black text; `x` is its left end and `middle` the middle of its line.
    fn label(&mut self, label: &str, size: f32, x: f32, middle: f32) {
        let bytes = self.channels.bytes();
        text::draw(label, size, x, middle, |x, y, coverage| {
            if x < self.width && y < self.height {
                for byte in &mut self.pixels[(y * self.width + x) * bytes..][..bytes] {
                    *byte = (f32::from(*byte) * (1.0 - coverage)).round() as u8;
                }
            }
        });
    }
}

/// The colours that drawings are shown in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ink {
    /// As the data are: 1 is white, on black.
    #[default]
    White,
    /// As people draw and as it prints: 1 is black, on white.
    Black,
}

impl Ink {
    /// The shade of a value, clamped to [0, 1]; NaN shows as 0.
    fn shade(self, value: f32) -> u8 {
        let shade = (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        match self {
            Self::White => shade,
            Self::Black => 255 - shade,
        }
    }

    /// The shade between the cells, told apart from a drawing's ground.
    fn separator(self) -> u8 {
        match self {
            Self::White => 96,
            Self::Black => 208,
        }
    }
}

/// How a grid looks.
#[derive(Clone, Copy, Debug)]
pub struct GridOptions<'a> {
    /// The extents of a picture.
    pub image: Extents,
    /// The drawings' colours.
    pub ink: Ink,
    /// The side of a pixel.
    pub scale: usize,
    /// The width of the lines between the cells.
    pub gap: usize,
    /// The captions left of each row, from the top; rows without one stay bare.
    pub row_labels: &'a [&'a str],
    /// The captions above the cells, each over an equal share of the width.
    pub captions: &'a [&'a str],
    /// The title above everything.
    pub title: &'a str,
    /// A line under it: how the drawings were made.
    pub caption: &'a str,
}

impl Default for GridOptions<'_> {
    fn default() -> Self {
        Self {
            image: Extents::DRAWING,
            ink: Ink::White,
            scale: 3,
            gap: 2,
            row_labels: &[],
            captions: &[],
            title: "",
            caption: "",
        }
    }
}

/// Draws `images: (N, height, width, channels)` row by row as a grid of `columns`, in colour where there are three channels.
///
/// # Panics
/// Where `images` does not hold whole pictures.
pub fn grid(images: &[f32], columns: usize, options: &GridOptions) -> Picture {
    let each = options.image.len();
    let cells: Vec<&[f32]> = images.chunks_exact(each).collect();
    assert_eq!(cells.len() * each, images.len(), "pictures of {each} values");
    draw_cells(&cells, columns, options)
}

/// Draws rows of originals, each above the row of its reconstructions; both are
/// `(N, height, width, channels)`. The rows are labelled
/// so where the options have no labels of their own.
///
/// # Panics
/// Where the two do not hold the same number of whole drawings.
pub fn pairs_grid(originals: &[f32], reconstructions: &[f32], columns: usize, options: &GridOptions) -> Picture {
    assert_eq!(originals.len(), reconstructions.len(), "a reconstruction for each original");
    let each = options.image.len();
    let row = columns.clamp(1, (originals.len() / each).max(1)) * each;
    let mut cells: Vec<&[f32]> = Vec::new();
    for (above, below) in originals.chunks(row).zip(reconstructions.chunks(row)) {
        for part in [above, below] {
            cells.extend(part.chunks_exact(each));
            // The last pair of rows may be short.
            cells.resize(cells.len().next_multiple_of(row / each), &[]);
        }
    }
    let labels = ["original", "reconstructed"].repeat(originals.len().div_ceil(row));
    let row_labels = if options.row_labels.is_empty() { &labels } else { options.row_labels };
    draw_cells(&cells, columns, &GridOptions { row_labels, ..*options })
}

/// Each of `originals` with its reconstruction behind it; both are `(N, height, width, channels)`, and the result
/// `(N, 2, height, width, channels)`.
///
/// # Panics
/// Where the two do not hold the same number of whole drawings.
pub fn interleaved(originals: &[f32], reconstructions: &[f32], image: Extents) -> Vec<f32> {
    let each = image.len();
    assert_eq!(
        (originals.len(), originals.len() % each),
        (reconstructions.len(), 0),
        "pairs of pictures of {each} values"
    );
    let pairs = originals.chunks_exact(each).zip(reconstructions.chunks_exact(each));
    pairs.flat_map(|(original, reconstruction)| original.iter().chain(reconstruction)).copied().collect()
}

/// Draws cells, each a picture or nothing at all.
fn draw_cells(cells: &[&[f32]], columns: usize, options: &GridOptions) -> Picture {
    let &GridOptions { image, ink, scale, gap, row_labels, captions, title, caption } = options;
    let columns = columns.clamp(1, cells.len().max(1));
    let rows = cells.len().div_ceil(columns);
    let (cell_width, cell_height) = (image.width * scale, image.height * scale);
    let (pitch_x, pitch_y) = (cell_width + gap, cell_height + gap);
    let channels = if image.channels == 3 { Channels::Rgb } else { Channels::Grey };
    let bytes = channels.bytes();

    let widest = row_labels.iter().map(|label| text::width(label, TEXT_SIZE)).fold(0.0, f32::max);
    let left = if widest > 0.0 { widest.ceil() as usize + 2 * TEXT_PADDING } else { 0 };
    let (cells_width, cells_height) = (columns * pitch_x + gap, rows * pitch_y + gap);
    // Title and caption make the page wider, up to twice; longer ones become smaller.
    let head: Vec<(&str, f32)> =
        [(title, TITLE_SIZE), (caption, TEXT_SIZE)].into_iter().filter(|(line, _)| !line.is_empty()).collect();
    let words = head.iter().map(|(line, size)| text::width(line, *size)).fold(0.0, f32::max).ceil() as usize;
    let words = if head.is_empty() { 0 } else { words + 2 * TEXT_PADDING };
    let bare = (left + cells_width).max(1);
    let width = bare.max(words.min((2 * bare).max(NARROWEST)));
    let above = head.iter().map(|(_, size)| *size as usize + TEXT_PADDING).sum::<usize>();
    let above = if above > 0 { above + TEXT_PADDING } else { 0 };
    let top = above + if captions.is_empty() { 0 } else { TEXT_SIZE as usize + TEXT_PADDING };
    let height = (top + cells_height).max(1);
    let mut picture = Picture { width, height, channels, pixels: vec![PAGE; width * height * bytes] };

    for line in picture.pixels.chunks_exact_mut(width * bytes).skip(top) {
        line[left * bytes..(left + cells_width) * bytes].fill(ink.separator());
    }
    for (index, cell) in cells.iter().enumerate() {
        let (x0, y0) = (left + gap + index % columns * pitch_x, top + gap + index / columns * pitch_y);
        for y in 0..image.height {
            // A row of pixels is shaded once, and drawn in as many lines as a pixel has.
            let first = ((y0 + y * scale) * width + x0) * bytes;
            for x in 0..image.width {
                for channel in 0..bytes {
                    // Where there is no picture, an empty one.
                    let value = cell.get((y * image.width + x) * image.channels + channel).copied().unwrap_or(0.0);
                    let shade = ink.shade(value);
                    for i in x * scale..(x + 1) * scale {
                        picture.pixels[first + i * bytes + channel] = shade;
                    }
                }
            }
            for line in 1..scale {
                picture.pixels.copy_within(first..first + cell_width * bytes, first + line * width * bytes);
            }
        }
    }

    for (row, label) in row_labels.iter().take(rows).enumerate() {
        let x = left as f32 - TEXT_PADDING as f32 - text::width(label, TEXT_SIZE);
        picture.label(label, TEXT_SIZE, x, (top + gap + row * pitch_y) as f32 + cell_height as f32 / 2.0);
    }
    let share = cells_width as f32 / captions.len().max(1) as f32;
    for (index, caption) in captions.iter().enumerate() {
        let size = TEXT_SIZE.min(TEXT_SIZE * share / text::width(caption, TEXT_SIZE).max(1.0));
        let middle = left as f32 + (index as f32 + 0.5) * share;
        let line = (above + top) as f32 / 2.0;
        picture.label(caption, size, middle - text::width(caption, size) / 2.0, line);
    }
    let mut y = TEXT_PADDING as f32;
    for (line, size) in head {
        let fits = (width - 2 * TEXT_PADDING) as f32 / text::width(line, 1.0).max(1.0);
        picture.label(line, size.min(fits), TEXT_PADDING as f32, y + size / 2.0);
        y += size + TEXT_PADDING as f32;
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 28;
    const DRAWING: usize = SIDE * SIDE;

    /// A drawing of one value.
    fn flat(value: f32) -> Vec<f32> {
        vec![value; DRAWING]
    }

    fn at(picture: &Picture, x: usize, y: usize) -> u8 {
        picture.pixels[y * picture.width + x]
    }

    #[test]
    fn cells_stand_row_by_row_between_lines() {
        let images = [flat(0.5), flat(2.0), flat(f32::NAN)].concat();
        let picture = grid(&images, 2, &GridOptions::default());
        assert_eq!((picture.width, picture.height), (2 + 2 * 86, 2 + 2 * 86));
        assert_eq!([at(&picture, 2, 2), at(&picture, 85, 85), at(&picture, 88, 2)], [128, 128, 255]);
        assert_eq!([at(&picture, 0, 0), at(&picture, 86, 2), at(&picture, 2, 87)], [96; 3]);
        assert_eq!([at(&picture, 2, 88), at(&picture, 88, 88)], [0, 96]);
    }

    #[test]
    fn a_pixel_becomes_a_square_and_ink_can_be_black() {
        let mut image = flat(0.0);
        image[SIDE + 1] = 1.0;
        let options = GridOptions { ink: Ink::Black, scale: 2, gap: 0, ..GridOptions::default() };
        let picture = grid(&image, 1, &options);
        let black: Vec<usize> = (0..picture.pixels.len()).filter(|&index| picture.pixels[index] == 0).collect();
        assert_eq!(black, [2 * 56 + 2, 2 * 56 + 3, 3 * 56 + 2, 3 * 56 + 3]);
        assert!(picture.pixels.iter().all(|&pixel| pixel == 0 || pixel == 255));
    }

    #[test]
    fn reconstructions_stand_below_their_originals() {
        let originals = [flat(0.2), flat(0.4), flat(0.6)].concat();
        let reconstructions = [flat(0.3), flat(0.5), flat(0.7)].concat();
        let options = GridOptions { scale: 1, gap: 0, row_labels: &[""], ..GridOptions::default() };
        let picture = pairs_grid(&originals, &reconstructions, 2, &options);
        let cells: Vec<u8> = (0..8).map(|cell| at(&picture, cell % 2 * 28, cell / 2 * 28)).collect();
        assert_eq!(cells, [51, 102, 77, 128, 153, 0, 179, 0]);
    }

    #[test]
    fn pairs_stand_side_by_side() {
        let (originals, reconstructions) = ([flat(0.2), flat(0.4)].concat(), [flat(0.3), flat(0.5)].concat());
        let pairs = interleaved(&originals, &reconstructions, Extents::DRAWING);
        assert_eq!(pairs, [flat(0.2), flat(0.3), flat(0.4), flat(0.5)].concat());
    }

    #[test]
    fn labels_are_drawn_outside_the_cells() {
        let bare = grid(&flat(0.0), 1, &GridOptions::default());
        let options = GridOptions { row_labels: &["motorbike"], captions: &["one sample"], ..GridOptions::default() };
        let picture = grid(&flat(0.0), 1, &options);
        let (left, top) = (picture.width - bare.width, picture.height - bare.height);
        let inside: Vec<u8> =
            (0..bare.pixels.len()).map(|i| at(&picture, left + i % bare.width, top + i / bare.width)).collect();
        assert_eq!(inside, bare.pixels);
        let dark = |x: std::ops::Range<usize>, y: std::ops::Range<usize>| {
            y.flat_map(|y| x.clone().map(move |x| (x, y))).filter(|&(x, y)| at(&picture, x, y) < 100).count()
        };
        assert!(dark(0..left, top..picture.height) > 50, "the row's label");
        assert!(dark(left..picture.width, 0..top) > 50, "the caption");
        assert_eq!(dark(0..left, 0..top), 0);
    }

    #[test]
    fn title_and_caption_stand_above_everything() {
        let bare = grid(&flat(0.0), 1, &GridOptions::default());
        let options = GridOptions { title: "cnn-vae: samples", caption: "seed 42", ..GridOptions::default() };
        let picture = grid(&flat(0.0), 1, &options);
        let top = picture.height - bare.height;
        assert!(top > 30 && picture.width > bare.width);
        for y in 0..bare.height {
            let line = &picture.pixels[(top + y) * picture.width..][..picture.width];
            assert_eq!(line[..bare.width], bare.pixels[y * bare.width..][..bare.width]);
            assert!(line[bare.width..].iter().all(|&pixel| pixel == PAGE));
        }
        let words = picture.pixels[..top * picture.width].iter().filter(|&&pixel| pixel < 100).count();
        assert!(words > 200, "{words}");
        // However long, it stays on the page.
        let long = "a title ".repeat(200);
        let picture = grid(&flat(0.0), 1, &GridOptions { title: &long, ..GridOptions::default() });
        assert_eq!(picture.width, NARROWEST);
    }

    #[test]
    fn png_files_decode_to_the_same_pixels() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.png");
        let rgb = Picture { width: 2, height: 1, channels: Channels::Rgb, pixels: vec![1, 2, 3, 4, 5, 6] };
        for picture in [rgb, grid(&flat(0.25), 1, &GridOptions::default())] {
            picture.save_png(&path).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(bytes, picture.to_png().unwrap());
            let mut reader = png::Decoder::new(io::Cursor::new(bytes)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut pixels).unwrap();
            assert_eq!((info.width as usize, info.height as usize), (picture.width, picture.height));
            assert_eq!(pixels, picture.pixels);
        }
    }

    #[test]
    fn no_drawings_give_a_picture_all_the_same() {
        assert!(grid(&[], 8, &GridOptions::default()).to_png().is_ok());
        assert!(pairs_grid(&[], &[], 8, &GridOptions::default()).to_png().is_ok());
    }
}
