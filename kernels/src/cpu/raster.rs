//! Strokes to pixels, as cairo paints them for Google's Quick, Draw! bitmaps.
//!
//! In Google's recipe a drawing fits a box of 256 units, a line is 16 units wide with round ends and corners, and
//! a picture of 28×28 pixels shows 304 units: the box, 16 of padding on each side and the width of a line
//! (<https://github.com/googlecreativelab/quickdraw-dataset/issues/19#issuecomment-402247262>).
//!
//! ```
//! use inkgrad_kernels::cpu::raster::{Rasterizer, SIDE};
//!
//! let mut image = [0; SIDE * SIDE];
//! Rasterizer::default().stroke(&[[4.0, 13.0], [24.0, 13.0]], &mut image);
//! assert!(image[13 * SIDE + 14] > 0 && image[0] == 0);
//! ```

use std::f32::consts::TAU;
use std::ops::Range;

/// Pixels on each side of a picture.
pub const SIDE: usize = 28;

/// A place in a picture, x to the right and y down.
pub type Point = [f32; 2];

/// Side of the box that a drawing fits, in units.
pub const BOX: f32 = 256.0;
/// Pixels a unit.
pub const SCALE: f32 = SIDE as f32 / (BOX + 2.0 * PADDING + LINE);

/// Width of a line, in units.
const LINE: f32 = 16.0;
/// Paper on each side of the box, in units.
const PADDING: f32 = 16.0;
/// Half the width of a line, in pixels.
const RADIUS: f32 = LINE / 2.0 * SCALE;

/// Corners of what stands for a circle: as many as keep within cairo's tolerance of a tenth of a pixel.
const PEN_CORNERS: usize = 12;
/// Lines that sample a row of pixels, as in cairo; along a line, coverage is exact.
const LINES_A_ROW: usize = 15;
const LINES: usize = SIDE * LINES_A_ROW;
/// The interval without a point.
const NOWHERE: [f32; 2] = [f32::INFINITY, f32::NEG_INFINITY];
/// No line.
const UNTOUCHED: Range<usize> = Range { start: LINES, end: 0 };

/// Paints strokes; keeps its memory between them.
#[derive(Debug)]
pub struct Rasterizer {
    pen: [Point; PEN_CORNERS],
    /// The part of each line that the current stroke covers: intervals of x that neither touch nor overlap.
    covered: Vec<Vec<[f32; 2]>>,
    /// Between which x each line crosses the current polygon; [`NOWHERE`] between polygons.
    crossed: [[f32; 2]; LINES],
    /// The lines between the first and the last that the current stroke covers.
    touched: Range<usize>,
}

impl Default for Rasterizer {
    fn default() -> Self {
        let corner = |i| {
            let (sin, cos) = (TAU * i as f32 / PEN_CORNERS as f32).sin_cos();
            [RADIUS * cos, RADIUS * sin]
        };
        Self {
            pen: std::array::from_fn(corner),
            covered: vec![Vec::new(); LINES],
            crossed: [NOWHERE; LINES],
            touched: UNTOUCHED,
        }
    }
}

impl Rasterizer {
    /// Lays a line through `points`, in pixels, over `image`: (784), 0 for paper and 255 for ink.
    ///
    /// # Panics
    /// If `image` is shorter.
    pub fn stroke(&mut self, points: &[Point], image: &mut [u8]) {
        for &[x, y] in points {
            self.cover(&self.pen.map(|corner| [x + corner[0], y + corner[1]]));
        }
        for ends in points.windows(2) {
            let [a, b] = [ends[0], ends[1]];
            let along = [b[0] - a[0], b[1] - a[1]];
            let length = along[0].hypot(along[1]);
            if length > 0.0 {
                let aside = [-along[1] * RADIUS / length, along[0] * RADIUS / length];
                let corner = |p: Point, sign: f32| [p[0] + sign * aside[0], p[1] + sign * aside[1]];
                self.cover(&[corner(a, 1.0), corner(b, 1.0), corner(b, -1.0), corner(a, -1.0)]);
            }
        }
        // Rows that it does not reach stay as they are.
        let touched = std::mem::replace(&mut self.touched, UNTOUCHED);
        for y in touched.start / LINES_A_ROW..touched.end.div_ceil(LINES_A_ROW) {
            self.paint(y, &mut image[y * SIDE..][..SIDE]);
        }
    }

    /// Lays what is covered of row y over its pixels: (28). Nothing is covered any more then.
    fn paint(&mut self, y: usize, row: &mut [u8]) {
        let mut ink = [0.0; SIDE];
        for line in &mut self.covered[y * LINES_A_ROW..][..LINES_A_ROW] {
            for &[left, right] in &*line {
                let (first, last) = (left as usize, (right as usize).min(SIDE - 1));
                for (i, pixel) in ink[first..=last].iter_mut().enumerate() {
                    let x = (first + i) as f32;
                    *pixel += right.min(x + 1.0) - left.max(x);
                }
            }
            line.clear();
        }
        // A stroke covers what is below it: out = ink + (1 − ink) · image, in bytes.
        for (pixel, ink) in row.iter_mut().zip(ink) {
            if ink > 0.0 {
                let ink = (ink * (255.0 / LINES_A_ROW as f32)).round();
                *pixel = (ink + (1.0 - ink / 255.0) * f32::from(*pixel)).round() as u8;
            }
        }
    }

    /// Covers a convex polygon.
    fn cover(&mut self, corners: &[Point]) {
        // A line crosses the polygon between the edges that it meets; this is the first line at or below a y.
        let line_at = |y: f32| ((y * LINES_A_ROW as f32 + 0.5) as usize).min(LINES);
        let (mut top, mut bottom) = (LINES, 0);
        for (i, &a) in corners.iter().enumerate() {
            let b = corners[(i + 1) % corners.len()];
            let (a, b) = if a[1] < b[1] { (a, b) } else { (b, a) };
            let lines = line_at(a[1])..line_at(b[1]);
            if lines.is_empty() {
                continue;
            }
            let slope = (b[0] - a[0]) / (b[1] - a[1]);
            (top, bottom) = (top.min(lines.start), bottom.max(lines.end));
            for line in lines {
                let x = a[0] + slope * ((line as f32 + 0.5) / LINES_A_ROW as f32 - a[1]);
                let [left, right] = &mut self.crossed[line];
                (*left, *right) = (left.min(x), right.max(x));
            }
        }
        self.touched = self.touched.start.min(top)..self.touched.end.max(bottom);
        for line in top..bottom {
            let [left, right] = std::mem::replace(&mut self.crossed[line], NOWHERE);
            let (left, right) = (left.max(0.0), right.min(SIDE as f32));
            if left < right {
                insert(&mut self.covered[line], left, right);
            }
        }
    }
}

/// Adds an interval, joining it with those it meets.
pub fn insert(covered: &mut Vec<[f32; 2]>, mut left: f32, mut right: f32) {
    let mut i = 0;
    while let Some(&[other_left, other_right]) = covered.get(i) {
        if other_right < left || right < other_left {
            i += 1;
        } else {
            (left, right) = (left.min(other_left), right.max(other_right));
            covered.swap_remove(i);
        }
    }
    covered.push([left, right]);
}
