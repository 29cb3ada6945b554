//! Strokes of any size fitted to the picture and simplified, as Google does before it paints them.

use inkgrad_kernels::cpu::raster::{Rasterizer, SCALE};

use super::pen::Point;
use crate::data::SIDE;

/// Longer side of the box around the points, in units.
const EXTENT: f32 = 255.0;
/// How far, in units, the points that Google leaves out of a stroke may lie off the simpler one.
const TOLERANCE: f32 = 2.0;

/// Draws the strokes, scaled and centred, on `image`: 784 zeros.
pub(super) fn draw(strokes: &[Vec<Point>], rasterizer: &mut Rasterizer, image: &mut [u8]) {
    let points = || strokes.iter().flatten();
    let fold = |start: f32, pick: fn(f32, f32) -> f32, axis: usize| points().map(|p| p[axis]).fold(start, pick);
    let low = [0, 1].map(|axis| fold(f32::INFINITY, f32::min, axis));
    let high = [0, 1].map(|axis| fold(f32::NEG_INFINITY, f32::max, axis));
    let units = EXTENT / (high[0] - low[0]).max(high[1] - low[1]).max(1e-3);
    let place =
        |p: &Point| [0, 1].map(|axis| (p[axis] - (low[axis] + high[axis]) / 2.0) * units * SCALE + SIDE as f32 / 2.0);

    for stroke in strokes {
        let mut kept = vec![stroke[0]];
        simplify(stroke, TOLERANCE / units, &mut kept);
        let placed: Vec<Point> = kept.iter().map(place).collect();
        rasterizer.stroke(&placed, image);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::PIXELS;

    #[test]
    fn a_line_is_fitted_to_the_picture() {
        let mut image = [0; PIXELS];
        draw(&[vec![[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]]], &mut Rasterizer::default(), &mut image);
        let column: Vec<u8> = (0..SIDE).map(|row| image[row * SIDE + 14]).collect();
        assert_eq!(column[12..16], [0, 187, 187, 0]);
        let inked = (0..SIDE).filter(|column| image[13 * SIDE + column] > 0).count();
        assert!((25..=26).contains(&inked), "{inked}");
    }
}
