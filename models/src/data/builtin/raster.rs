//! Strokes to pixels, after Google's recipe for the Quick, Draw! bitmaps.
//!
//! There a drawing's longer side is 255 units, a line 16 units wide, and a picture of 28×28 pixels shows 304
//! units: the 256 of the drawing, 16 of padding on each side and the width of a line.

use super::pen::Point;
use crate::data::{PIXELS, SIDE};

/// Pixels a unit.
const SCALE: f32 = SIDE as f32 / 304.0;
/// Longer side of the box around the points, in pixels.
const EXTENT: f32 = 255.0 * SCALE;
/// Half the width of a line, in pixels.
const HALF_WIDTH: f32 = 8.0 * SCALE;

/// Draws the strokes, scaled and centred, on `image`: 784 zeros.
pub(super) fn draw(strokes: &[Vec<Point>], image: &mut [u8]) {
    let points = || strokes.iter().flatten();
    let fold = |start: f32, pick: fn(f32, f32) -> f32, axis: usize| points().map(|p| p[axis]).fold(start, pick);
    let low = [0, 1].map(|axis| fold(f32::INFINITY, f32::min, axis));
    let high = [0, 1].map(|axis| fold(f32::NEG_INFINITY, f32::max, axis));
    let side = (high[0] - low[0]).max(high[1] - low[1]).max(1e-3);
    let place =
        |p: &Point| [0, 1].map(|axis| (p[axis] - (low[axis] + high[axis]) / 2.0) / side * EXTENT + SIDE as f32 / 2.0);

    // Within a stroke a pixel takes the largest coverage, as one path does; strokes are laid over one another.
    let mut paper = [0.0f32; PIXELS];
    for stroke in strokes {
        let mut ink = [0.0f32; PIXELS];
        let placed: Vec<Point> = stroke.iter().map(place).collect();
        match placed[..] {
            [point] => segment(point, point, &mut ink),
            _ => placed.windows(2).for_each(|ends| segment(ends[0], ends[1], &mut ink)),
        }
        for (paper, ink) in paper.iter_mut().zip(ink) {
            *paper += (1.0 - *paper) * ink;
        }
    }
    for (pixel, paper) in image.iter_mut().zip(paper) {
        *pixel = (paper * 255.0).round() as u8;
    }
}

/// Raises `ink` to the share of each pixel that a round-ended line from `a` to `b` covers.
///
/// Coverage is linear in the distance of the pixel's centre from the line's edge, over the pixel's own width
/// seen along the line's normal: exact for level and upright lines.
fn segment(a: Point, b: Point, ink: &mut [f32; PIXELS]) {
    let along = [b[0] - a[0], b[1] - a[1]];
    let squared = along[0] * along[0] + along[1] * along[1];
    let blur = if squared > 0.0 { (along[0].abs() + along[1].abs()) / squared.sqrt() } else { 1.0 };
    let reach = HALF_WIDTH + blur / 2.0;
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
            let coverage = ((reach - (dx * dx + dy * dy).sqrt()) / blur).clamp(0.0, 1.0);
            let pixel = &mut ink[row * SIDE + column];
            *pixel = pixel.max(coverage);
        }
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
