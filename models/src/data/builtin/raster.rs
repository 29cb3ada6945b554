//! Strokes to pixels, after Google's recipe for the Quick, Draw! bitmaps.
//!
//! There a drawing's longer side is 255 units, a line 16 units wide, and a picture of 28×28 pixels shows 304
//! units: the 256 of the drawing, 16 of padding on each side and the width of a line.

use super::pen::Point;
use crate::data::{PIXELS, SIDE};

/// Pixels a unit.
const SCALE: f32 = SIDE as f32 / 304.0;
/// Longer side of the box around the points, in units.
const EXTENT: f32 = 255.0;
/// Half the width of a line, in pixels.
const HALF_WIDTH: f32 = 8.0 * SCALE;
/// How far, in units, the points that Google leaves out of a stroke may lie off the simpler one.
const TOLERANCE: f32 = 2.0;

/// Draws the strokes, scaled and centred, on `image`: 784 zeros.
pub(super) fn draw(strokes: &[Vec<Point>], image: &mut [u8]) {
    let points = || strokes.iter().flatten();
    let fold = |start: f32, pick: fn(f32, f32) -> f32, axis: usize| points().map(|p| p[axis]).fold(start, pick);
    let low = [0, 1].map(|axis| fold(f32::INFINITY, f32::min, axis));
    let high = [0, 1].map(|axis| fold(f32::NEG_INFINITY, f32::max, axis));
    let units = EXTENT / (high[0] - low[0]).max(high[1] - low[1]).max(1e-3);
    let place =
        |p: Point| [0, 1].map(|axis| (p[axis] - (low[axis] + high[axis]) / 2.0) * units * SCALE + SIDE as f32 / 2.0);

    // Within a stroke a pixel takes the largest coverage, as one path does; strokes are laid over one another.
    let mut paper = [0.0f32; PIXELS];
    let mut kept = Vec::new();
    for stroke in strokes {
        let mut ink = [0.0f32; PIXELS];
        kept.clear();
        kept.push(stroke[0]);
        simplify(stroke, TOLERANCE / units, &mut kept);
        if kept.len() == 1 {
            kept.push(stroke[0]);
        }
        for ends in kept.windows(2) {
            segment(place(ends[0]), place(ends[1]), &mut ink);
        }
        for (paper, ink) in paper.iter_mut().zip(ink) {
            *paper += (1.0 - *paper) * ink;
        }
    }
    for (pixel, paper) in image.iter_mut().zip(paper) {
        *pixel = (paper * 255.0).round() as u8;
    }
}

/// Ramer, Douglas and Peucker: adds to `kept`, which ends in the first point of `path`, the others that matter.
fn simplify(path: &[Point], tolerance: f32, kept: &mut Vec<Point>) {
    let [first, inner @ .., last] = path else { return };
    let off = |p: &Point| {
        let along = [last[0] - first[0], last[1] - first[1]];
        let from = [p[0] - first[0], p[1] - first[1]];
        let length = along[0].hypot(along[1]);
        if length > 0.0 { (along[0] * from[1] - along[1] * from[0]).abs() / length } else { from[0].hypot(from[1]) }
    };
    match inner.iter().map(off).enumerate().max_by(|a, b| a.1.total_cmp(&b.1)) {
        Some((i, distance)) if distance > tolerance => {
            simplify(&path[..=i + 1], tolerance, kept);
            simplify(&path[i + 1..], tolerance, kept);
        }
        _ => kept.push(*last),
    }
}

/// Raises `ink` to the share of each pixel that a round-ended line from `a` to `b` covers.
fn segment(a: Point, b: Point, ink: &mut [f32; PIXELS]) {
    let along = [b[0] - a[0], b[1] - a[1]];
    let squared = along[0] * along[0] + along[1] * along[1];
    let length = squared.sqrt();
    let edge =
        if length > 0.0 { Edge::new(along[0].abs() / length, along[1].abs() / length) } else { Edge::new(1.0, 0.0) };
    let reach = HALF_WIDTH + edge.reach;
    let range = |axis: usize| {
        let first = (a[axis].min(b[axis]) - reach - 0.5).floor().max(0.0) as usize;
        let last = (a[axis].max(b[axis]) + reach + 0.5).ceil().min(SIDE as f32) as usize;
        first..last
    };
    for row in range(1) {
        let y = row as f32 + 0.5 - a[1];
        for column in range(0) {
            let x = column as f32 + 0.5 - a[0];
            let share = if squared > 0.0 { ((x * along[0] + y * along[1]) / squared).clamp(0.0, 1.0) } else { 0.0 };
            let (dx, dy) = (x - share * along[0], y - share * along[1]);
            let distance = (dx * dx + dy * dy).sqrt();
            if distance < reach {
                let coverage = edge.covered(HALF_WIDTH - distance) - edge.covered(-HALF_WIDTH - distance);
                let pixel = &mut ink[row * SIDE + column];
                *pixel = pixel.max(coverage);
            }
        }
    }
}

/// A straight edge across square pixels, in a direction given by its steepness.
struct Edge {
    /// Larger and smaller side of the direction's unit vector.
    long: f32,
    short: f32,
    /// Farthest that a pixel's corner can be from its centre across the edge.
    reach: f32,
}

impl Edge {
    fn new(x: f32, y: f32) -> Self {
        let (long, short) = (x.max(y), x.min(y).max(1e-3));
        Self { long, short, reach: (long + short) / 2.0 }
    }

    /// Share of a pixel on the inner side, its centre `inside` from the edge: the area of a square cut by a line.
    fn covered(&self, inside: f32) -> f32 {
        let Self { long, short, reach } = *self;
        let to_corner = reach - inside.abs();
        let outer = if to_corner <= 0.0 {
            0.0
        } else if to_corner <= short {
            to_corner * to_corner / (2.0 * long * short)
        } else {
            0.5 - inside.abs() / long
        };
        if inside > 0.0 { 1.0 - outer } else { outer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_line_covers_as_googles_does() {
        let mut image = [0; PIXELS];
        draw(&[vec![[0.0, 0.0], [1.0, 0.0]]], &mut image);
        let column: Vec<u8> = (0..SIDE).map(|row| image[row * SIDE + 14]).collect();
        // 16 of 304 units are 1.474 pixels, half of them on either side of the middle: 0.737 · 255 = 188.
        assert_eq!(column[12..16], [0, 188, 188, 0]);
        let inked = (0..SIDE).filter(|column| image[13 * SIDE + column] > 0).count();
        assert!((25..=26).contains(&inked), "{inked}");
    }
}
