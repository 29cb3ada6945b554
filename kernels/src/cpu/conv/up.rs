//! From the small side to the big one: a transposed convolution's forward.

use super::pack::{self, Lanes};
use super::tile::{Steps, Taps, dot, patch};
use super::winograd::{self, Plan};
use super::{Axis, Geometry, LANES, SLICE, Store};
use crate::Float;
use crate::cpu::Team;
use crate::cpu::tiles::{Tiles, with_rows};
use crate::multiversion;

/// `big[b] = bias + Σ small[s] · W[k]ᵀ` over the (s, k) with `s · stride − padding + k = b`, stored as `store` says.
///
/// - `small`: `(batch, height, width, channels)` of the small side; `big` alike.
/// - `w`: `(small channels, big channels, kh, kw)`; `bias`: `(big channels)`.
/// - `scratch`: [`Geometry::up_scratch`] elements.
///
/// A big pixel meets only the taps of its own residue modulo the stride, so a 4×4 kernel of stride 2 is four 2×2
/// convolutions and nothing is multiplied by an inserted zero.
#[allow(clippy::too_many_arguments)]
pub fn up<T: Float>(
    team: &Team,
    geometry: &Geometry,
    small: &[T],
    w: &[T],
    bias: Option<&[T]>,
    store: Store,
    big: &mut [T],
    scratch: &mut [T],
) {
    geometry.check(small.len(), big.len(), w.len());
    match Plan::of_up(geometry) {
        Some(plan) => winograd::up(team, &plan, small, w, bias, store, big, scratch),
        None => up_direct(team, geometry, small, w, bias, store, big, scratch),
    }
}

/// [`up`] product by product.
#[allow(clippy::too_many_arguments)]
pub(super) fn up_direct<T: Float>(
    team: &Team,
    geometry: &Geometry,
    small: &[T],
    w: &[T],
    bias: Option<&[T]>,
    store: Store,
    big: &mut [T],
    scratch: &mut [T],
) {
    let one_channel = geometry.big.channels == 1;
    let (panels, bias): (&[T], &[T]) = if one_channel {
        // (small channels, taps) → (taps, small channels)
        let (panel, rest) = scratch.split_at_mut(geometry.weights());
        for (tap, row) in panel.chunks_exact_mut(geometry.small.channels).enumerate() {
            for (c, weight) in row.iter_mut().enumerate() {
                *weight = w[c * geometry.taps() + tap];
            }
        }
        rest[0] = bias.map_or(T::ZERO, |bias| bias[0]);
        (panel, &rest[..1])
    } else {
        pack::weights(team, geometry, Lanes::Big, w, bias, scratch)
    };
    team.pieces([(big, SLICE * geometry.big.len())], |slice, [big]| {
        let images = big.len() / geometry.big.len();
        let first = slice * SLICE * geometry.small.len();
        let small = &small[first..first + images * geometry.small.len()];
        if one_channel {
            up_slice_one_channel(geometry, images, small, panels, bias, store, big);
        } else {
            up_slice(geometry, images, small, panels, bias, store, big);
        }
    });
}

/// The taps that a big position has in one direction: those of its residue whose small position exists. From one to the
/// next, the tap rises by the stride and the small position falls by one.
#[derive(Clone, Copy, PartialEq, Eq)]
struct TapsOfBig {
    /// The first tap and its small position.
    tap: usize,
    small: usize,
    count: usize,
}

#[inline(always)]
fn taps_of_big(b: usize, axis: Axis, small: usize) -> TapsOfBig {
    let start = b + axis.padding;
    let outside = (start / axis.stride + 1).saturating_sub(small);
    let tap = start % axis.stride + outside * axis.stride;
    let count = axis.kernel.min(start + 1).saturating_sub(tap).div_ceil(axis.stride);
    TapsOfBig { tap, small: (start / axis.stride).saturating_sub(outside), count }
}

/// The factors of big pixel (y, x).
#[inline(always)]
fn taps_of(geometry: &Geometry, y: usize, x: usize) -> Taps {
    let s = geometry.small;
    let vertical = taps_of_big(y, geometry.vertical(), s.height);
    taps_from(geometry, vertical, taps_of_big(x, geometry.horizontal(), s.width))
}

#[inline(always)]
fn taps_from(geometry: &Geometry, vertical: TapsOfBig, horizontal: TapsOfBig) -> Taps {
    let Geometry { small: s, kernel, stride, .. } = *geometry;
    Taps {
        x: (vertical.small * s.width + horizontal.small) * s.channels,
        w: (vertical.tap * kernel.1 + horizontal.tap) * s.channels,
        len: s.channels,
        vertical: Steps {
            count: vertical.count,
            x: -((s.width * s.channels) as isize),
            w: stride.0 * kernel.1 * s.channels,
        },
        horizontal: Steps { count: horizontal.count, x: -(s.channels as isize), w: stride.1 * s.channels },
    }
}

multiversion! {
    fn up_slice<T: Float, A: Arithmetic>(
        geometry: &Geometry,
        images: usize,
        small: &[T],
        panels: &[T],
        bias: &[T],
        store: Store,
        big: &mut [T],
    ) {
        let Geometry { small: s, big: b, stride, .. } = *geometry;
        let panel_len = geometry.taps() * s.channels * LANES;
        for (p, panel) in panels.chunks_exact(panel_len).enumerate() {
            let width = LANES.min(b.channels - p * LANES);
            let bias = &bias[p * LANES..][..LANES];
            // Pixels of one residue share their taps, so that these weights stay in the L1 cache.
            for residue in 0..stride.0 * stride.1 {
                for y in (residue / stride.1..b.height).step_by(stride.0) {
                    for x in (residue % stride.1..b.width).step_by(stride.1) {
                        let taps = taps_of(geometry, y, x);
                        let pixel = (y * b.width + x) * b.channels + p * LANES;
                        for (image, rows) in Tiles::new::<A>(images) {
                            // SAFETY: `up` checked the lengths; images image..image + rows exist, runs lie inside one
                            // image and one panel, and the tile's channels inside the pixel.
                            unsafe {
                                let x = small.as_ptr().add(image * s.len());
                                let y = big.as_mut_ptr().add(image * b.len() + pixel);
                                let (w, bias) = (panel.as_ptr(), bias.as_ptr());
                                with_rows!(
                                    rows,
                                    A,
                                    patch::<T>(x, s.len(), taps, w, bias, y, b.len(), width, store)
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Pixels of a row, a stride apart, that have the same taps.
#[derive(Clone, Copy)]
struct Group {
    first: usize,
    count: usize,
    taps: TapsOfBig,
}

/// A row's pixels in groups.
fn groups(geometry: &Geometry) -> impl Iterator<Item = Group> {
    let (axis, small, width) = (geometry.horizontal(), geometry.small.width, geometry.big.width);
    let stride = axis.stride;
    let mut residue = 0;
    let mut first = residue;
    std::iter::from_fn(move || {
        if first >= width {
            residue += 1;
            first = residue;
        }
        if residue >= stride || first >= width {
            return None;
        }
        let taps = taps_of_big(first, axis, small);
        let same = |x: usize| {
            let other = taps_of_big(x, axis, small);
            (other.tap, other.count) == (taps.tap, taps.count)
        };
        let count = 1 + (first + stride..width).step_by(stride).take_while(|&x| same(x)).count();
        first += count * stride;
        Some(Group { first: first - count * stride, count, taps })
    })
}

multiversion! {
    /// With one channel there are no lanes to fill with channels: they run along the factors instead, and the rows of a tile
    /// are neighbouring pixels of one image that have the same taps, so that their factors overlap. Image by image, since the rows of
    /// small pixels that a row of big ones reads stay in the L1 cache for the next.
    fn up_slice_one_channel<T: Float, A: Arithmetic>(
        geometry: &Geometry,
        images: usize,
        small: &[T],
        w: &[T],
        bias: &[T],
        store: Store,
        big: &mut [T],
    ) {
        /// Groups that are kept at a time: more than a row of any usual kernel has.
        const KEPT: usize = 32;
        let Geometry { small: s, big: b, stride, .. } = *geometry;
        let mut rest = groups(geometry);
        loop {
            let kept: [Option<Group>; KEPT] = std::array::from_fn(|_| rest.next());
            if kept[0].is_none() {
                return;
            }
            for image in 0..images {
                let small = &small[image * s.len()..][..s.len()];
                let picture = &mut big[image * b.len()..][..b.len()];
                for (y, row) in picture.chunks_exact_mut(b.width).enumerate() {
                    let vertical = taps_of_big(y, geometry.vertical(), s.height);
                    for &Group { first, count, taps } in kept.iter().flatten() {
                        let taps = taps_from(geometry, vertical, taps);
                        for (pixel, rows) in Tiles::new::<A>(count) {
                            // SAFETY: `up` checked the lengths; the next pixel of a residue has its factors one small pixel
                            // further on, and all pixels first + (0..count) · stride lie in the row.
                            unsafe {
                                let from = small.as_ptr().add(pixel * s.channels);
                                let to = row.as_mut_ptr().add(first + pixel * stride.1);
                                with_rows!(
                                    rows,
                                    A,
                                    dot::<T>(from, s.channels, taps, w.as_ptr(), bias[0], to, stride.1, store)
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}
