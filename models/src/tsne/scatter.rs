//! A picture of points in the plane, coloured by class, with a legend.

use std::path::Path;

use crate::error::Result;
use crate::image::{Channels, Picture, text};
use crate::palette::{COLORS, Shape, mark};

const WIDTH: usize = 1000;
const HEIGHT: usize = 860;
/// The picture is drawn this many times larger and averaged down.
const FINER: usize = 2;
const MARGIN: f32 = 16.0;
const LEGEND: f32 = 180.0;
/// The height of title and caption.
const HEAD: f32 = 58.0;
const TEXT: f32 = 18.0;
const INK: [u8; 3] = [40, 40, 40];
const SOFT: [u8; 3] = [90, 90, 90];
/// How much of what lies below a point covers.
const COVER: f32 = 0.7;
/// The words above a picture.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// The title.
    pub title: &'a str,
    /// A line under it: how the picture was made.
    pub caption: &'a str,
}

/// Draws `points: (N, 2)` with equal scales on both axes. `labels` index `classes`, whose names make the legend; without
/// labels all points have one colour. Classes beyond the eighth have other shapes.
///
/// # Panics
/// If there are labels, but not one for each point.
pub fn scatter(points: &[f32], labels: Option<&[usize]>, classes: &[String], head: Head) -> Picture {
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
    let top = if head.title.is_empty() && head.caption.is_empty() { 0.0 } else { HEAD };
    let fitting = |line: &str, size: f32| size.min((WIDTH as f32 - 2.0 * MARGIN) / text::width(line, 1.0).max(1.0));
    canvas.text(head.title, fitting(head.title, 24.0), INK, MARGIN, MARGIN + 8.0);
    canvas.text(head.caption, fitting(head.caption, 16.0), SOFT, MARGIN, MARGIN + 34.0);
    let room =
        [WIDTH as f32 - 2.0 * MARGIN - if labels.is_some() { LEGEND } else { 0.0 }, HEIGHT as f32 - 2.0 * MARGIN - top];
    let scale =
        (0..2).map(|axis| room[axis] / (high[axis] - low[axis]).max(f32::MIN_POSITIVE)).fold(f32::MAX, f32::min);
    let radius = (250.0 / (points.len() as f32).sqrt()).clamp(1.4, 5.0);
    for (i, point) in points.iter().enumerate() {
        let at = |axis: usize| (point[axis] - (low[axis] + high[axis]) / 2.0) * scale + room[axis] / 2.0 + MARGIN;
        let (color, shape) = mark(labels.map_or(0, |labels| labels[i]));
        // The second axis points up.
        canvas.point(at(0), HEIGHT as f32 - at(1), radius, COLORS[color], shape, COVER);
    }
    if labels.is_some() {
        let line = ((HEIGHT as f32 - 2.0 * MARGIN - top) / classes.len().max(1) as f32).min(28.0);
        let x = WIDTH as f32 - LEGEND;
        for (class, name) in classes.iter().enumerate() {
            let middle = top + MARGIN + (class as f32 + 0.5) * line;
            let (color, shape) = mark(class);
            canvas.point(x, middle, (line / 4.0).min(6.0), COLORS[color], shape, 1.0);
            let fits = (LEGEND - MARGIN - 14.0) / text::width(name, 1.0).max(1.0);
            canvas.text(name, TEXT.min(line * 0.8).min(fits), INK, x + 14.0, middle);
        }
    }
    canvas.finish()
}

/// Draws [`scatter`] into a PNG file.
///
/// # Errors
/// [`crate::Error::Io`] where the file cannot be written.
pub fn scatter_png(
    path: &Path,
    points: &[f32],
    labels: Option<&[usize]>,
    classes: &[String],
    head: Head,
) -> Result<()> {
    scatter(points, labels, classes, head).save_png(path)
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

    fn point(&mut self, x: f32, y: f32, radius: f32, color: [u8; 3], shape: Shape, cover: f32) {
        let (x, y, radius) = (x * FINER as f32, y * FINER as f32, radius * FINER as f32);
        let reach = shape.corner(radius);
        let span = |middle: f32| (middle - reach).floor().max(0.0) as usize..=(middle + reach).ceil().max(0.0) as usize;
        for py in span(y) {
            for px in span(x) {
                if shape.holds(radius, px as f32 + 0.5 - x, py as f32 + 0.5 - y) {
                    self.mix(px, py, color, cover);
                }
            }
        }
    }

    fn text(&mut self, line: &str, size: f32, color: [u8; 3], x: f32, middle: f32) {
        let finer = FINER as f32;
        text::draw(line, size * finer, x * finer, middle * finer, |x, y, coverage| self.mix(x, y, color, coverage));
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
