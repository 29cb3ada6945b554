//! A picture of points in the plane, coloured by class, with a legend.

use std::path::Path;

use crate::error::Result;
use crate::image::{Channels, Picture, text};

const WIDTH: usize = 1000;
const HEIGHT: usize = 860;
/// The picture is drawn this many times larger and averaged down.
const FINER: usize = 2;
const MARGIN: f32 = 16.0;
const LEGEND: f32 = 180.0;
const TEXT: f32 = 18.0;
const INK: [u8; 3] = [40, 40, 40];
/// How much of what lies below a point covers.
const COVER: f32 = 0.7;
/// Colours that people with any kind of colour vision can tell apart (Okabe and Ito 2008), the palest last.
const COLORS: [[u8; 3]; 8] = [
    [0, 114, 178],
    [230, 159, 0],
    [0, 158, 115],
    [213, 94, 0],
    [204, 121, 167],
    [86, 180, 233],
    [40, 40, 40],
    [240, 228, 66],
];

/// Draws `points: (N, 2)` with equal scales on both axes. `labels` index `classes`, whose names make the legend; without
/// labels all points have one colour.
///
/// # Panics
/// If there are labels, but not one for each point.
pub fn scatter(points: &[f32], labels: Option<&[usize]>, classes: &[String]) -> Picture {
    let (points, _) = points.as_chunks::<2>();
    assert!(labels.is_none_or(|labels| labels.len() == points.len()), "a label for each point");
    let mut canvas = Canvas::new();
    let (mut low, mut high) = ([f32::INFINITY; 2], [f32::NEG_INFINITY; 2]);
    for point in points {
        for axis in 0..2 {
            low[axis] = low[axis].min(point[axis]);
            high[axis] = high[axis].max(point[axis]);
        }
    }
    let room =
        [WIDTH as f32 - 2.0 * MARGIN - if labels.is_some() { LEGEND } else { 0.0 }, HEIGHT as f32 - 2.0 * MARGIN];
    let scale =
        (0..2).map(|axis| room[axis] / (high[axis] - low[axis]).max(f32::MIN_POSITIVE)).fold(f32::MAX, f32::min);
    let radius = (250.0 / (points.len() as f32).sqrt()).clamp(1.4, 5.0);
    for (i, point) in points.iter().enumerate() {
        let at = |axis: usize| (point[axis] - (low[axis] + high[axis]) / 2.0) * scale + room[axis] / 2.0 + MARGIN;
        let color = COLORS[labels.map_or(0, |labels| labels[i]) % COLORS.len()];
        // The second axis points up.
        canvas.disc(at(0), HEIGHT as f32 - at(1), radius, color, COVER);
    }
    if labels.is_some() {
        let line = ((HEIGHT as f32 - 2.0 * MARGIN) / classes.len().max(1) as f32).min(28.0);
        let x = WIDTH as f32 - LEGEND;
        for (class, name) in classes.iter().enumerate() {
            let middle = MARGIN + (class as f32 + 0.5) * line;
            canvas.disc(x, middle, (line / 4.0).min(6.0), COLORS[class % COLORS.len()], 1.0);
            let fits = (LEGEND - MARGIN - 14.0) / text::width(name, 1.0).max(1.0);
            canvas.text(name, TEXT.min(line * 0.8).min(fits), x + 14.0, middle);
        }
    }
    canvas.finish()
}

/// Draws [`scatter`] into a PNG file.
///
/// # Errors
/// [`crate::Error::Io`] where the file cannot be written.
pub fn scatter_png(path: &Path, points: &[f32], labels: Option<&[usize]>, classes: &[String]) -> Result<()> {
    scatter(points, labels, classes).save_png(path)
}

/// A white page of fine pixels, measured in those of the picture.
struct Canvas {
    pixels: Vec<[u8; 3]>,
}

impl Canvas {
    fn new() -> Self {
        Canvas { pixels: vec![[255; 3]; WIDTH * HEIGHT * FINER * FINER] }
    }

    fn mix(&mut self, x: usize, y: usize, color: [u8; 3], share: f32) {
        if x < WIDTH * FINER && y < HEIGHT * FINER {
            let pixel = &mut self.pixels[y * WIDTH * FINER + x];
            for (below, above) in pixel.iter_mut().zip(color) {
                *below = (f32::from(*below) * (1.0 - share) + f32::from(above) * share).round() as u8;
            }
        }
    }

    fn disc(&mut self, x: f32, y: f32, radius: f32, color: [u8; 3], cover: f32) {
        let (x, y, radius) = (x * FINER as f32, y * FINER as f32, radius * FINER as f32);
        let span =
            |middle: f32| (middle - radius).floor().max(0.0) as usize..=(middle + radius).ceil().max(0.0) as usize;
        for py in span(y) {
            for px in span(x) {
                if (px as f32 + 0.5 - x).hypot(py as f32 + 0.5 - y) <= radius {
                    self.mix(px, py, color, cover);
                }
            }
        }
    }

    fn text(&mut self, line: &str, size: f32, x: f32, middle: f32) {
        let finer = FINER as f32;
        text::draw(line, size * finer, x * finer, middle * finer, |x, y, coverage| self.mix(x, y, INK, coverage));
    }

    /// The mean of each square of fine pixels.
    fn finish(self) -> Picture {
        let mut pixels = Vec::with_capacity(WIDTH * HEIGHT * 3);
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                for channel in 0..3 {
                    let part = |i: usize| (y * FINER + i / FINER) * WIDTH * FINER + x * FINER + i % FINER;
                    let sum: u32 = (0..FINER * FINER).map(|i| u32::from(self.pixels[part(i)][channel])).sum();
                    pixels.push((sum / (FINER * FINER) as u32) as u8);
                }
            }
        }
        Picture { width: WIDTH, height: HEIGHT, channels: Channels::Rgb, pixels }
    }
}
