//! The gradient of the weights: a long sum over images and pixels into a small result.

use super::pack;
use super::tile::{Pixels, Strides, outer};
use super::winograd::{self, Plan};
use super::{Geometry, LANES, taps_of_small};
use crate::Float;
use crate::cpu::Team;
use crate::cpu::simd::Arithmetic;
use crate::cpu::tiles::{Tiles, panels_at_once, with_rows};
use crate::multiversion;

/// Pixels of the small side in a block of images: with so many, the factors of a register tile (a panel of one side, a plane
/// of the other) stay in the L1 cache while they are multiplied.
const BLOCK_PIXELS: usize = 256;

/// Partial results at most: each is a sum over a fixed share of the batch, and they are added in order.
const MAX_PARTS: usize = 8;

/// How the work is cut; depends on the shapes alone.
struct Cut {
    parts: usize,
    images_per_part: usize,
    /// Images of a block.
    block: usize,
    /// Elements of one partial result, `[tap][big channel][padded small channel]`.
    result: usize,
    /// Elements of one block's packed small side.
    packed: usize,
    /// Elements of one block's big side: its channels in planes, or, if it has one channel, its padded pictures.
    planes: usize,
}

impl Cut {
    fn new(geometry: &Geometry) -> Cut {
        let block = (BLOCK_PIXELS / geometry.small.pixels().max(1)).clamp(1, 8);
        // Parts that are alike, not whole blocks: a part too long is one that other threads wait for.
        let images_per_part = geometry.batch.div_ceil(MAX_PARTS).max(block);
        let lanes = geometry.small.padded_channels();
        let (height, width) = padded_extent(geometry);
        Cut {
            parts: geometry.batch.div_ceil(images_per_part).max(1),
            images_per_part,
            block,
            result: geometry.taps() * geometry.big.channels * lanes,
            packed: block * geometry.small.pixels() * lanes,
            planes: block * if geometry.big.channels == 1 { height * width } else { geometry.big.len() },
        }
    }

    fn part(&self) -> usize {
        self.result + self.packed + self.planes
    }
}

/// The big side's extent with room for every tap.
fn padded_extent(geometry: &Geometry) -> (usize, usize) {
    let extent = |small: usize, stride: usize, kernel: usize| (small.max(1) - 1) * stride + kernel;
    (
        extent(geometry.small.height, geometry.stride.0, geometry.kernel.0),
        extent(geometry.small.width, geometry.stride.1, geometry.kernel.1),
    )
}

/// Elements of scratch that [`weight_gradient`] needs.
pub fn weight_gradient_scratch(geometry: &Geometry) -> usize {
    if let Some(plan) = Plan::of_weight_gradient(geometry) {
        return plan.weight_gradient_scratch();
    }
    let cut = Cut::new(geometry);
    cut.parts * cut.part()
}

/// `dw[k] = Σ small[s]ᵀ · big[s · stride − padding + k]` over images and small pixels, written, or added if `add`.
///
/// - `small`, `big`: `(batch, height, width, channels)`.
/// - `dw`: `(small channels, big channels, kh, kw)`.
/// - `scratch`: [`weight_gradient_scratch`] elements.
pub fn weight_gradient<T: Float>(
    team: &Team,
    geometry: &Geometry,
    small: &[T],
    big: &[T],
    dw: &mut [T],
    add: bool,
    scratch: &mut [T],
) {
    geometry.check(small.len(), big.len(), dw.len());
    if let Some(plan) = Plan::of_weight_gradient(geometry) {
        return winograd::weight_gradient(team, &plan, small, big, dw, add, scratch);
    }
    direct(team, geometry, small, big, dw, add, scratch);
}

/// The same, product by product.
pub fn direct<T: Float>(
    team: &Team,
    geometry: &Geometry,
    small: &[T],
    big: &[T],
    dw: &mut [T],
    add: bool,
    scratch: &mut [T],
) {
    let cut = Cut::new(geometry);
    let (s, b) = (geometry.small, geometry.big);
    let scratch = &mut scratch[..cut.parts * cut.part()];
    team.pieces([(&mut *scratch, cut.part())], |part, [memory]| {
        let (result, rest) = memory.split_at_mut(cut.result);
        let (packed, planes) = rest.split_at_mut(cut.packed);
        result.fill(T::ZERO);
        let images = part * cut.images_per_part..((part + 1) * cut.images_per_part).min(geometry.batch);
        for first in images.clone().step_by(cut.block) {
            let count = cut.block.min(images.end - first);
            let small = &small[first * s.len()..(first + count) * s.len()];
            let big = &big[first * b.len()..(first + count) * b.len()];
            let packed = &mut packed[..count * s.pixels() * s.padded_channels()];
            pack::pixels(&s, small, packed);
            if b.channels == 1 {
                pad(geometry, big, planes);
                block_one_channel(geometry, count, packed, planes, result);
            } else {
                block(geometry, count, packed, big, &mut planes[..big.len()], result);
            }
        }
    });

    // [part][tap][big][small] → (small, big, tap), parts added in order.
    let (scratch, taps, lanes) = (&*scratch, geometry.taps(), s.padded_channels());
    team.pieces([(dw, b.channels * taps)], |c, [dw]| {
        for (i, dw) in dw.iter_mut().enumerate() {
            let (channel, tap) = (i / taps, i % taps);
            let at = (tap * b.channels + channel) * lanes + c;
            let sum = (1..cut.parts).fold(scratch[at], |sum, part| sum + scratch[part * cut.part() + at]);
            *dw = if add { *dw + sum } else { sum };
        }
    });
}

/// Copies one-channel pictures into pictures with room for every tap, zero outside.
fn pad<T: Float>(geometry: &Geometry, big: &[T], padded: &mut [T]) {
    let (height, width) = padded_extent(geometry);
    let (top, left) = geometry.padding;
    let columns = geometry.big.width.min(width.saturating_sub(left));
    padded.fill(T::ZERO);
    for (image, padded) in big.chunks_exact(geometry.big.len()).zip(padded.chunks_exact_mut(height * width)) {
        for (row, padded) in image.chunks_exact(geometry.big.width).zip(padded.chunks_exact_mut(width).skip(top)) {
            padded[left..left + columns].copy_from_slice(&row[..columns]);
        }
    }
}

multiversion! {
    /// Adds a block of images: for each tap, rows are the big side's channels.
    fn block<T: Float, A: Arithmetic>(
        geometry: &Geometry,
        images: usize,
        packed: &[T],
        big: &[T],
        planes: &mut [T],
        result: &mut [T],
    ) {
        let Geometry { small: s, big: b, kernel, stride, padding, .. } = *geometry;
        let lanes = s.padded_channels();
        let panel_len = images * s.pixels() * LANES;
        // The channels of each register tile in a plane of their own, [tile][image][pixel][channel of the tile]: a pass
        // over the pixels then reads few cache lines, and reads them whole.
        for (channel, rows) in Tiles::new::<A>(b.channels) {
            let plane = &mut planes[channel * images * b.pixels()..][..rows * images * b.pixels()];
            with_rows!(rows, A, some_channels::<T>(big, b.channels, channel, plane));
        }
        for tap in 0..geometry.taps() {
            let (ky, kx) = (tap / kernel.1, tap % kernel.1);
            // The small pixels whose partner under this tap lies inside the picture: a rectangle.
            let inside = |axis, extent, k| {
                let inside = |&s: &usize| taps_of_small(s, axis).contains(&k);
                let first = (0..extent).find(inside).unwrap_or(extent);
                (first, (first..extent).take_while(inside).count())
            };
            let (y, rows) = inside(geometry.vertical(), s.height, ky);
            let (x, columns) = inside(geometry.horizontal(), s.width, kx);
            if rows * columns == 0 {
                continue;
            }
            let first = (y * stride.0 + ky - padding.0) * b.width + x * stride.1 + kx - padding.1;
            let pixels = Pixels {
                images,
                rows,
                columns,
                x: Strides { first, column: stride.1, row: stride.0 * b.width, image: b.pixels() },
                p: Strides { first: y * s.width + x, column: 1, row: s.width, image: s.pixels() },
            };
            let at_once = panels_at_once::<T, A>();
            for (p, panels) in packed.chunks(at_once * panel_len).enumerate() {
                let width = panels.len() / panel_len * LANES;
                for (channel, rows) in Tiles::new::<A>(b.channels) {
                    let out = &mut result[(tap * b.channels + channel) * lanes + p * at_once * LANES..];
                    assert!(out.len() >= (rows - 1) * lanes + width);
                    // SAFETY: `weight_gradient` checked the lengths; the rectangle lies inside both pictures, channels
                    // channel..channel + rows inside a pixel, and the result's rows inside `out`.
                    unsafe {
                        let x = planes.as_ptr().add(channel * images * b.pixels());
                        let (panel, out) = (panels.as_ptr(), out.as_mut_ptr());
                        if width == LANES {
                            with_rows!(rows, A, outer::<T; 1>(x, rows, panel, panel_len, pixels, out, lanes));
                        } else {
                            with_rows!(rows, A, outer::<T; 2>(x, rows, panel, panel_len, pixels, out, lanes));
                        }
                    }
                }
            }
        }
    }
}

/// Copies `ROWS` channels of each pixel, from `first` on. A constant: copies of unknown length are calls.
#[inline(always)]
#[allow(clippy::extra_unused_type_parameters)] // `with_rows!` names the arithmetic.
fn some_channels<T: Float, A: Arithmetic, const ROWS: usize>(x: &[T], channels: usize, first: usize, out: &mut [T]) {
    for (to, pixel) in out.as_chunks_mut::<ROWS>().0.iter_mut().zip(x.chunks_exact(channels)) {
        to.copy_from_slice(&pixel[first..][..ROWS]);
    }
}

multiversion! {
    /// Adds a block of images where the big side has one channel: rows are the taps of one kernel row, which lie side by
    /// side in a padded picture.
    fn block_one_channel<T: Float, A: Arithmetic>(
        geometry: &Geometry,
        images: usize,
        packed: &[T],
        padded: &[T],
        result: &mut [T],
    ) {
        let Geometry { small: s, kernel, stride, .. } = *geometry;
        let (height, width) = padded_extent(geometry);
        let lanes = s.padded_channels();
        let panel_len = images * s.pixels() * LANES;
        assert!(padded.len() >= images * height * width);
        for ky in 0..kernel.0 {
            let pixels = Pixels {
                images,
                rows: s.height,
                columns: s.width,
                x: Strides { first: ky * width, column: stride.1, row: stride.0 * width, image: height * width },
                p: Strides { first: 0, column: 1, row: s.width, image: s.pixels() },
            };
            for (p, panel) in packed.chunks_exact(panel_len).enumerate() {
                for (kx, rows) in Tiles::new::<A>(kernel.1) {
                    let out = &mut result[(ky * kernel.1 + kx) * lanes + p * LANES..];
                    assert!(out.len() >= (rows - 1) * lanes + LANES);
                    // SAFETY: a padded picture has room for every tap of every small pixel; the rest as above.
                    unsafe {
                        let x = padded.as_ptr().add(kx);
                        with_rows!(rows, A, outer::<T; 1>(x, 1, panel.as_ptr(), panel_len, pixels, out.as_mut_ptr(), lanes));
                    }
                }
            }
        }
    }
}
