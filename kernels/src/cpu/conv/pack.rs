//! Weights and pixels in the order in which the tiles read them.

use super::{Geometry, Grid, LANES};
use crate::Float;
use crate::cpu::Team;

/// Which side's channels become the lanes of a panel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lanes {
    Small,
    Big,
}

/// Packs `w: (small, big, taps)` into panels `[panel][tap][other side][LANES]`, the last one padded with zeros, and the
/// bias (zeros if there is none) into as many lanes behind them. Returns the two parts.
pub(super) fn weights<'a, T: Float>(
    team: &Team,
    geometry: &Geometry,
    lanes: Lanes,
    w: &[T],
    bias: Option<&[T]>,
    scratch: &'a mut [T],
) -> (&'a [T], &'a [T]) {
    let taps = geometry.taps();
    let (small, big) = (geometry.small.channels, geometry.big.channels);
    let (out, other) = match lanes {
        Lanes::Small => (small, big),
        Lanes::Big => (big, small),
    };
    // Elements of `w` from one lane to the next and from one channel of the other side to the next.
    let (lane_step, other_step) = match lanes {
        Lanes::Small => (big * taps, taps),
        Lanes::Big => (taps, big * taps),
    };
    let panel_len = taps * other * LANES;
    let padded = out.next_multiple_of(LANES);
    let (panels, rest) = scratch.split_at_mut(padded * taps * other);
    team.pieces([(&mut *panels, panel_len)], |p, [panel]| {
        let first = p * LANES;
        let width = LANES.min(out - first);
        for (row, lanes) in panel.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let (tap, c) = (row / other, row % other);
            let base = first * lane_step + c * other_step + tap;
            for (j, lane) in lanes.iter_mut().enumerate() {
                *lane = if j < width { w[base + j * lane_step] } else { T::ZERO };
            }
        }
    });
    let packed_bias = &mut rest[..padded];
    packed_bias.fill(T::ZERO);
    if let Some(bias) = bias {
        packed_bias[..out].copy_from_slice(bias);
    }
    (panels, packed_bias)
}

/// Packs the pixels of some images, `x: (images, pixels, channels)`, into panels `[panel][image][pixel][LANES]`, the last
/// one padded with zeros.
pub(super) fn pixels<T: Float>(grid: &Grid, x: &[T], out: &mut [T]) {
    let pixels = x.len() / grid.channels;
    for (p, panel) in out.chunks_exact_mut(pixels * LANES).enumerate() {
        let first = p * LANES;
        let width = LANES.min(grid.channels - first);
        for (pixel, lanes) in x.chunks_exact(grid.channels).zip(panel.as_chunks_mut::<LANES>().0) {
            if let Some(whole) = pixel[first..].first_chunk::<LANES>() {
                *lanes = *whole;
            } else {
                lanes.fill(T::ZERO);
                lanes[..width].copy_from_slice(&pixel[first..]);
            }
        }
    }
}
