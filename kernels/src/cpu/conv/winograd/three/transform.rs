//! The transforms of pixels: to points on both sides, and from points to the side that a pass goes to.
//!
//! A picture is cut into tiles of 4×4 outputs; those at the end may lie partly outside. Points are `[point][tile][image][channel,
//! padded]`, so that the rows of one point, which share their weights, are neighbours.

use std::ops::Range;

use super::super::super::{Grid, LANES, Store};
use super::super::transform::{finish, load, store, sub};
use super::{KINDS, OUTPUTS, POINTS, Pass};
use crate::Float;
use crate::cpu::lanes::Lanes;
use crate::multiversion;

/// A constant in all lanes.
#[inline(always)]
fn number<T: Float, L: Lanes<T>>(x: f64) -> L {
    L::splat(T::from_f64(x))
}

/// Bᵀ·d.
#[inline(always)]
fn points_of_from<T: Float, L: Lanes<T>>(d: [L; POINTS]) -> [L; POINTS] {
    let three_halves = number(1.5);
    let (even, odd) = (sub(d[4], d[2]), sub(d[3], d[1]));
    let (sum, difference) = (d[3].mul_add(three_halves, even), d[2].mul_add(three_halves, odd));
    [
        odd.mul_add(three_halves, sub(d[0], d[2]).add(even)),
        sum.add(difference),
        sub(sum, difference),
        odd.mul_add(number(2.0), even),
        odd.mul_add(number(-0.5), even),
        even.mul_add(three_halves, sub(sub(d[5], d[3]), odd)),
    ]
}

/// Aᵀ·m.
#[inline(always)]
fn to_of_points<T: Float, L: Lanes<T>>(m: [L; POINTS]) -> [L; OUTPUTS] {
    let (sum, difference) = (m[1].add(m[2]), sub(m[1], m[2]));
    [
        m[0].add(sum).add(m[3].add(m[4])),
        m[3].mul_add(number(0.5), m[4].mul_add(number(-2.0), difference)),
        m[3].mul_add(number(0.25), m[4].mul_add(number(4.0), sum)),
        m[3].mul_add(number(0.125), m[4].mul_add(number(-8.0), difference.add(m[5]))),
    ]
}

/// A·y.
#[inline(always)]
fn points_of_to<T: Float, L: Lanes<T>>(y: [L; OUTPUTS]) -> [L; POINTS] {
    let (even, odd) = (y[0].add(y[2]), y[1].add(y[3]));
    // By Horner's rule, at ½ and at −2.
    let half = y[3].mul_add(number(0.5), y[2]).mul_add(number(0.5), y[1]).mul_add(number(0.5), y[0]);
    let two = y[3].mul_add(number(-2.0), y[2]).mul_add(number(-2.0), y[1]).mul_add(number(-2.0), y[0]);
    [y[0], even.add(odd), sub(even, odd), half, two, y[3]]
}

/// Row of the points of `point` for a tile and an image.
#[inline(always)]
fn row(pass: &Pass, images: usize, point: usize, tile: usize, image: usize) -> usize {
    (point * pass.tiles() + tile) * images + image
}

/// The place of pixel `first + i − padding` along an axis of this extent, if it is one.
#[inline(always)]
fn inside(at: usize, padding: usize, extent: usize) -> Option<usize> {
    at.checked_sub(padding).filter(|&at| at < extent)
}

multiversion! {
    /// V = Bᵀ·from·B of the pictures `from: (images, height, width, channels)`.
    pub(super) fn from_to_points<T: Float, A: Arithmetic>(pass: &Pass, images: usize, from: &[T], points: &mut [T]) {
        let Grid { height, width, channels } = pass.from;
        let (padded, columns) = (pass.from.padded_channels(), pass.grid().1);
        assert!(points.len() >= KINDS * pass.tiles() * images * padded);
        for image in 0..images {
            let picture = &from[image * pass.from.len()..][..pass.from.len()];
            for tile in 0..pass.tiles() {
                let (y, x) = (tile / columns * OUTPUTS, tile % columns * OUTPUTS);
                for c in (0..channels).step_by(LANES) {
                    let lanes = LANES.min(channels - c);
                    let mut rows = [[A::Lanes::<T>::splat(T::ZERO); POINTS]; POINTS];
                    for j in 0..POINTS {
                        let Some(x) = inside(x + j, pass.padding.1, width) else { continue };
                        let mut column = [A::Lanes::<T>::splat(T::ZERO); POINTS];
                        for (i, pixel) in column.iter_mut().enumerate() {
                            if let Some(y) = inside(y + i, pass.padding.0, height) {
                                *pixel = load::<T, A>(picture, (y * width + x) * channels + c, lanes);
                            }
                        }
                        let column = points_of_from(column);
                        for (row, point) in rows.iter_mut().zip(&column) {
                            row[j] = *point;
                        }
                    }
                    for (py, pixels) in rows.iter().enumerate() {
                        for (px, value) in points_of_from(*pixels).iter().enumerate() {
                            let at = row(pass, images, py * POINTS + px, tile, image) * padded + c;
                            store::<T, A>(*value, points, at, LANES);
                        }
                    }
                }
            }
        }
    }
}

multiversion! {
    /// `to = Aᵀ·M·A` with its bias, stored as `how` says.
    pub(super) fn points_to_to<T: Float, A: Arithmetic>(
        pass: &Pass,
        images: usize,
        points: &[T],
        bias: &[T],
        how: Store,
        to: &mut [T],
    ) {
        let Grid { height, width, channels } = pass.to;
        let (padded, columns) = (pass.to.padded_channels(), pass.grid().1);
        for image in 0..images {
            let picture = &mut to[image * pass.to.len()..][..pass.to.len()];
            for tile in 0..pass.tiles() {
                let (y, x) = (tile / columns * OUTPUTS, tile % columns * OUTPUTS);
                for c in (0..channels).step_by(LANES) {
                    let (lanes, bias) = (LANES.min(channels - c), load::<T, A>(bias, c, LANES));
                    let mut rows = [[A::Lanes::<T>::splat(T::ZERO); POINTS]; OUTPUTS];
                    for px in 0..POINTS {
                        let mut column = [A::Lanes::<T>::splat(T::ZERO); POINTS];
                        for (py, point) in column.iter_mut().enumerate() {
                            let at = row(pass, images, py * POINTS + px, tile, image) * padded + c;
                            *point = load::<T, A>(points, at, LANES);
                        }
                        let column = to_of_points(column);
                        for (row, value) in rows.iter_mut().zip(&column) {
                            row[px] = *value;
                        }
                    }
                    for (y, row) in (y..height).zip(&rows) {
                        for (x, sum) in (x..width).zip(&to_of_points(*row)) {
                            finish::<T, A>(sum.add(bias), how, picture, (y * width + x) * channels + c, lanes);
                        }
                    }
                }
            }
        }
    }
}

multiversion! {
    /// Z = A·to·Aᵀ of some channels of the pictures `to: (images, height, width, channels)`.
    pub(super) fn to_to_points<T: Float, A: Arithmetic>(
        pass: &Pass,
        images: usize,
        some: Range<usize>,
        to: &[T],
        points: &mut [T],
    ) {
        let Grid { height, width, channels } = pass.to;
        let (padded, columns) = (some.len().next_multiple_of(LANES), pass.grid().1);
        for image in 0..images {
            let picture = &to[image * pass.to.len()..][..pass.to.len()];
            for tile in 0..pass.tiles() {
                let (y, x) = (tile / columns * OUTPUTS, tile % columns * OUTPUTS);
                for c in (0..some.len()).step_by(LANES) {
                    let lanes = LANES.min(some.len() - c);
                    let mut rows = [[A::Lanes::<T>::splat(T::ZERO); OUTPUTS]; POINTS];
                    for (j, x) in (x..width).take(OUTPUTS).enumerate() {
                        let mut column = [A::Lanes::<T>::splat(T::ZERO); OUTPUTS];
                        for (y, pixel) in (y..height).zip(&mut column) {
                            *pixel = load::<T, A>(picture, (y * width + x) * channels + some.start + c, lanes);
                        }
                        let column = points_of_to(column);
                        for (row, point) in rows.iter_mut().zip(&column) {
                            row[j] = *point;
                        }
                    }
                    for (py, pixels) in rows.iter().enumerate() {
                        for (px, value) in points_of_to(*pixels).iter().enumerate() {
                            let at = row(pass, images, py * POINTS + px, tile, image) * padded + c;
                            store::<T, A>(*value, points, at, LANES);
                        }
                    }
                }
            }
        }
    }
}
