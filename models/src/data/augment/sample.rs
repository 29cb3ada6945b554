//! Pictures read between their pixels, and outside.
//!
//! Between four pixels a value is bilinear: with y = i + s and x = j + t, whole i, j and s, t in [0, 1),
//! v = (1 − s)·((1 − t)·v(i, j) + t·v(i, j + 1)) + s·((1 − t)·v(i + 1, j) + t·v(i + 1, j + 1)).
//! Around a grey picture lies paper, 0; a coloured one goes on mirrored at its edges, since black is no ground of photographs.

use super::Place;
use crate::data::Extents;

/// Reads the picture `values: (height, width, channels)` at a place: a value a channel, none below or above those of the picture and 0.
pub(super) fn bilinear(values: &[f32], extents: Extents, (y, x): Place, out: &mut [f32]) {
    let (top, left) = (y.floor(), x.floor());
    let (down, right) = ((y - top) as f32, (x - left) as f32);
    let (i, j) = (top as i64, left as i64);
    let corners =
        [pixel(extents, i, j), pixel(extents, i, j + 1), pixel(extents, i + 1, j), pixel(extents, i + 1, j + 1)];
    for (channel, out) in out.iter_mut().enumerate() {
        let [a, b, c, d] = corners.map(|at| at.map_or(0.0, |at| values[at + channel]));
        let (above, below) = (a + right * (b - a), c + right * (d - c));
        *out = (above + down * (below - above)).clamp(0.0, 1.0);
    }
}

/// Where the values of a pixel begin; `None` where there is paper.
fn pixel(Extents { height, width, channels }: Extents, i: i64, j: i64) -> Option<usize> {
    let inside = |at: i64, side: usize| (0..side as i64).contains(&at);
    let (i, j) = match channels {
        1 if inside(i, height) && inside(j, width) => (i as usize, j as usize),
        1 => return None,
        _ => (mirrored(i, height), mirrored(j, width)),
    };
    Some((i * width + j) * channels)
}

/// 0, 1, …, n − 1, n − 1, …, 1, 0, 0, 1, … on either side.
fn mirrored(at: i64, side: usize) -> usize {
    let at = at.rem_euclid(2 * side as i64) as usize;
    at.min(2 * side - 1 - at)
}
