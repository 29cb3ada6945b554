//! The transforms of pixels: from the small side to points and back, from the big side to points and back.
//!
//! Each is a one-dimensional map applied to the rows and then to the columns of a window; the two ways back are the
//! transposes of the two ways there.

#![expect(
    clippy::needless_range_loop,
    reason = "indices are rows and columns of a window, and of the picture under it"
)]

use std::ops::Range;

use super::super::{LANES, Store};
use super::axis::{CLASSES, Kind, Segment};
use super::maps::{big_of_points, both, points_of_big, points_of_small, small_of_points};
use super::plan::Plan;
use crate::Float;
use crate::cpu::lanes::{Lanes, TO_L2, load_first, prefetch, store_first};
use crate::cpu::simd::Arithmetic;
use crate::multiversion;

/// The first `width` lanes from `x[at..]`.
///
/// # Safety
/// `at + width ≤ x.len()` and `width ≤ LANES`.
#[inline(always)]
unsafe fn load<T: Float, A: Arithmetic>(x: &[T], at: usize, width: usize) -> A::Lanes<T> {
    debug_assert!(at + width <= x.len() && width <= LANES, "{at} + {width} of {}", x.len());
    // SAFETY: the caller's promise.
    unsafe { load_first::<T, A>(x.as_ptr().add(at), width) }
}

/// The first `width` lanes to `x[at..]`.
///
/// # Safety
/// `at + width ≤ x.len()` and `width ≤ LANES`.
#[inline(always)]
unsafe fn store<T: Float, A: Arithmetic>(lanes: A::Lanes<T>, x: &mut [T], at: usize, width: usize) {
    debug_assert!(at + width <= x.len() && width <= LANES, "{at} + {width} of {}", x.len());
    // SAFETY: the caller's promise.
    unsafe { store_first::<T, A>(lanes, x.as_mut_ptr().add(at), width) }
}

/// The body with the kinds of two segments: a copy of its own where both are the common one or one is (five in six windows of 14 × 14
/// small pixels, nine in ten of kernel 3). A macro, since a closure might be compiled for the baseline.
macro_rules! by_kind {
    ($y:expr, $x:expr, |$ky:ident, $kx:ident| $body:block) => {
        by_kind!(
            $y, $x, |$ky, $kx| $body,
            (Three Three) (Three One) (One Three) (Three First) (First Three) (Three Last) (Last Three)
            (Pair Pair) (Pair Half) (Half Pair)
        )
    };
    ($y:expr, $x:expr, |$ky:ident, $kx:ident| $body:block, $(($vertical:ident $horizontal:ident))*) => {
        match ($y, $x) {
            $((Kind::$vertical, Kind::$horizontal) => {
                let ($ky, $kx) = (Kind::$vertical, Kind::$horizontal);
                $body
            })*
            ($ky, $kx) => $body,
        }
    };
}

/// The body for a window's channels, sixteen at a time, `c` and as many more as `width` says. Whole lanes of windows that are `whole` have
/// [`by_kind`]'s copies, with a width that is known and `gaps` that are not; one more copy does the rest. For a copy of unknown length is
/// a call, across which no register keeps its value, and pixels that may be missing are branches.
macro_rules! by_lanes {
    (($y:expr, $x:expr), $channels:expr, $whole:expr, |$ky:ident, $kx:ident, $c:ident, $width:ident, $gaps:ident| $body:block) => {{
        let channels = $channels;
        let fast = if $whole { channels / LANES * LANES } else { 0 };
        if fast > 0 {
            by_kind!($y.kind, $x.kind, |$ky, $kx| {
                let ($width, $gaps) = (LANES, false);
                for $c in (0..fast).step_by(LANES) $body
            });
        }
        if fast < channels {
            let ($ky, $kx, $gaps) = ($y.kind, $x.kind, true);
            for $c in (fast..channels).step_by(LANES) {
                let $width = LANES.min(channels - $c);
                $body
            }
        }
    }};
}

/// [`Plan::rows`] of a window.
#[inline(always)]
fn rows_of(plan: &Plan, y: Segment, x: Segment, step: usize) -> [[usize; CLASSES]; CLASSES] {
    by_kind!(y.kind, x.kind, |ky, kx| { plan.rows((ky, y.index), (kx, x.index), step) })
}

/// A window's big pixels of one residue: those of some of its outputs, which lie a stride apart.
struct Pixels {
    /// The pixel of the first output, which need not be one of them.
    first: usize,
    y: Range<usize>,
    x: Range<usize>,
}

impl Pixels {
    #[inline(always)]
    fn of(plan: &Plan, y: Segment, x: Segment, residue: (usize, usize)) -> Pixels {
        let row = (plan.stride * y.m + residue.0).wrapping_sub(plan.y.padding);
        let column = (plan.stride * x.m + residue.1).wrapping_sub(plan.x.padding);
        Pixels {
            first: row.wrapping_mul(plan.x.big).wrapping_add(column),
            y: plan.y.outputs(y, residue.0),
            x: plan.x.outputs(x, residue.1),
        }
    }

    /// Whether no output is without a pixel.
    fn whole(&self, y: Segment, x: Segment) -> bool {
        self.y == (0..y.kind.outputs()) && self.x == (0..x.kind.outputs())
    }

    /// The outputs that have a pixel: all, unless there may be gaps.
    #[inline(always)]
    fn outputs(&self, gaps: bool, ky: Kind, kx: Kind) -> (Range<usize>, Range<usize>) {
        if gaps { (self.y.clone(), self.x.clone()) } else { (0..ky.outputs(), 0..kx.outputs()) }
    }

    /// The pixel of an output that has one.
    #[inline(always)]
    fn at(&self, plan: &Plan, i: usize, j: usize) -> usize {
        self.first.wrapping_add(plan.stride * (i * plan.x.big + j))
    }
}

multiversion! {
    #[fused]
    /// Points of the small side, `[row][channel, padded]`, from some channels of the pictures `small: (images, height, width,
    /// channels)`.
    pub(super) fn small_to_points<T: Float, A: Arithmetic>(
        plan: &Plan,
        images: usize,
        some: Range<usize>,
        small: &[T],
        points: &mut [T],
    ) {
        let (channels, padded) = (plan.small_channels, some.len().next_multiple_of(LANES));
        assert!(some.end <= channels && points.len() >= plan.points() * images * padded);
        for image in 0..images {
            let picture = &small[image * plan.small_len()..][..plan.small_len()];
            for y in plan.y.segments() {
                for x in plan.x.segments() {
                    let rows = rows_of(plan, y, x, images * padded);
                    let corner = y.small.wrapping_mul(plan.x.small).wrapping_add(x.small);
                    let (ys, xs) = (plan.y.inputs(y), plan.x.inputs(x));
                    by_lanes!((y, x), some.len(), true, |ky, kx, c, width, _gaps| {
                        let mut d = [[A::Lanes::<T>::splat(T::ZERO); 4]; 4];
                        for i in 0..ky.inputs() {
                            for j in 0..kx.inputs() {
                                if ky.reaches_out() && !(ys.contains(&i) && xs.contains(&j)) {
                                    continue;
                                }
                                let at = corner.wrapping_add(i * plan.x.small + j) * channels + some.start + c;
                                // SAFETY: these inputs are small pixels, and `some` are channels of theirs.
                                d[i][j] = unsafe { load::<T, A>(picture, at, width) };
                            }
                        }
                        let p = both!(points_of_small, ky, kx, d);
                        for &cy in ky.classes() {
                            for &cx in kx.classes() {
                                let at = rows[cy][cx] + image * padded + c;
                                // SAFETY: rows are less than `plan.points()`, of `images · padded` elements each.
                                unsafe { store::<T, A>(p[cy][cx], points, at, LANES) };
                            }
                        }
                    });
                }
            }
        }
    }
}

multiversion! {
    #[fused]
    /// The pictures `small: (images, height, width, channels)` from the points of their gradients: the transpose of
    /// [`small_to_points`]. `sums` is memory for one picture of [`LANES`] channels.
    pub(super) fn points_to_small<T: Float, A: Arithmetic>(
        plan: &Plan,
        images: usize,
        points: &[T],
        bias: &[T],
        how: Store,
        small: &mut [T],
        sums: &mut [T],
    ) {
        let (channels, padded) = (plan.small_channels, plan.small_padded());
        let sums = &mut sums[..plan.y.small * plan.x.small * LANES];
        assert!(points.len() >= plan.points() * images * padded && bias.len() == padded);
        for image in 0..images {
            let picture = &mut small[image * plan.small_len()..][..plan.small_len()];
            for c in (0..channels).step_by(LANES) {
                sums.fill(T::ZERO);
                for y in plan.y.segments() {
                    for x in plan.x.segments() {
                        let corner = y.small.wrapping_mul(plan.x.small).wrapping_add(x.small);
                        let (ys, xs) = (plan.y.inputs(y), plan.x.inputs(x));
                        by_kind!(y.kind, x.kind, |ky, kx| {
                            let rows = plan.rows((ky, y.index), (kx, x.index), images * padded);
                            let mut p = [[A::Lanes::<T>::splat(T::ZERO); 4]; 4];
                            for &cy in ky.classes() {
                                for &cx in kx.classes() {
                                    let at = rows[cy][cx] + image * padded + c;
                                    // SAFETY: rows are less than `plan.points()`, of `images · padded` elements each.
                                    p[cy][cx] = unsafe { load::<T, A>(points, at, LANES) };
                                }
                            }
                            let d = both!(small_of_points, ky, kx, p);
                            for i in 0..ky.inputs() {
                                for j in 0..kx.inputs() {
                                    if ky.reaches_out() && !(ys.contains(&i) && xs.contains(&j)) {
                                        continue;
                                    }
                                    let at = corner.wrapping_add(i * plan.x.small + j) * LANES;
                                    // SAFETY: these inputs are small pixels.
                                    unsafe {
                                        let sum = load::<T, A>(sums, at, LANES).add(d[i][j]);
                                        store::<T, A>(sum, sums, at, LANES);
                                    }
                                }
                            }
                        });
                    }
                }
                let width = LANES.min(channels - c);
                for pixel in 0..plan.y.small * plan.x.small {
                    // SAFETY: a pixel of the picture, whose channels begin with `c` and `width` more.
                    unsafe {
                        let sum = load::<T, A>(sums, pixel * LANES, LANES).add(load::<T, A>(bias, c, LANES));
                        finish::<T, A>(sum, how, picture, pixel * channels + c, width);
                    }
                }
            }
        }
    }
}

/// Stores a finished sum.
///
/// # Safety
/// As [`store`].
#[inline(always)]
unsafe fn finish<T: Float, A: Arithmetic>(mut sum: A::Lanes<T>, how: Store, out: &mut [T], at: usize, width: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        match how {
            Store::Write => {}
            // This way round, NaN stays NaN.
            Store::WriteRelu => sum = A::Lanes::<T>::splat(T::ZERO).at_least(sum),
            Store::Add => sum = load::<T, A>(out, at, width).add(sum),
        }
        store::<T, A>(sum, out, at, width);
    }
}

multiversion! {
    #[fused]
    /// The big pixels of one residue from their points, `[row][channel, padded]`.
    pub(super) fn points_to_big<T: Float, A: Arithmetic>(
        plan: &Plan,
        images: usize,
        residue: (usize, usize),
        points: &[T],
        bias: &[T],
        how: Store,
        big: &mut [T],
    ) {
        let (channels, padded) = (plan.big_channels, plan.big_padded());
        assert!(points.len() >= plan.points() * images * padded && bias.len() == padded);
        for image in 0..images {
            let picture = &mut big[image * plan.big_len()..][..plan.big_len()];
            for y in plan.y.segments() {
                for x in plan.x.segments() {
                    let pixels = Pixels::of(plan, y, x, residue);
                    if pixels.y.is_empty() || pixels.x.is_empty() {
                        continue;
                    }
                    let rows = rows_of(plan, y, x, images * padded);
                    by_lanes!((y, x), channels, pixels.whole(y, x), |ky, kx, c, width, gaps| {
                        let mut p = [[A::Lanes::<T>::splat(T::ZERO); 4]; 4];
                        for &cy in ky.classes() {
                            for &cx in kx.classes() {
                                let at = rows[cy][cx] + image * padded + c;
                                // SAFETY: rows are less than `plan.points()`, of `images · padded` elements each.
                                p[cy][cx] = unsafe { load::<T, A>(points, at, LANES) };
                            }
                        }
                        // SAFETY: a channel of the bias, which is in whole lanes.
                        let bias = unsafe { load::<T, A>(bias, c, LANES) };
                        let sums = both!(big_of_points, ky, kx, p);
                        let (ys, xs) = pixels.outputs(gaps, ky, kx);
                        for i in ys {
                            for j in xs.clone() {
                                let at = pixels.at(plan, i, j) * channels + c;
                                // SAFETY: these outputs have pixels, whose channels begin with `c` and `width` more.
                                unsafe { finish::<T, A>(sums[i][j].add(bias), how, picture, at, width) };
                            }
                        }
                    });
                }
            }
        }
    }
}

multiversion! {
    #[fused]
    /// Points of the big side, `[row][residue][channel, padded]`, from the pictures `big: (images, height, width, channels)`; not those
    /// at edges of residues without a pixel there, which no product reads ([`Plan::blocks`]).
    pub(super) fn big_to_points<T: Float, A: Arithmetic>(plan: &Plan, images: usize, big: &[T], points: &mut [T]) {
        let (channels, padded) = (plan.big_channels, plan.big_padded());
        let all = plan.residues() * padded;
        assert!(points.len() >= plan.points() * images * all);
        // Pixels from a window to the one below it.
        let below = if plan.stride == 2 { 6 } else { 2 } * plan.x.big;
        for image in 0..images {
            let picture = &big[image * plan.big_len()..][..plan.big_len()];
            for y in plan.y.segments() {
                for x in plan.x.segments() {
                    let rows = rows_of(plan, y, x, images * all);
                    for residue in 0..plan.residues() {
                        let pixels = Pixels::of(plan, y, x, (residue / plan.stride, residue % plan.stride));
                        if (y.kind.edge() && pixels.y.is_empty()) || (x.kind.edge() && pixels.x.is_empty()) {
                            continue;
                        }
                        by_lanes!((y, x), channels, pixels.whole(y, x), |ky, kx, c, width, gaps| {
                            let mut d = [[A::Lanes::<T>::splat(T::ZERO); 4]; 4];
                            let (ys, xs) = pixels.outputs(gaps, ky, kx);
                            for i in ys {
                                for j in xs.clone() {
                                    let pixel = pixels.at(plan, i, j);
                                    prefetch::<TO_L2, T>(picture.as_ptr().wrapping_add((pixel + below) * channels + c));
                                    // SAFETY: these outputs have pixels, whose channels begin with `c` and `width` more.
                                    d[i][j] = unsafe { load::<T, A>(picture, pixel * channels + c, width) };
                                }
                            }
                            let p = both!(points_of_big, ky, kx, d);
                            for &cy in ky.classes() {
                                for &cx in kx.classes() {
                                    let at = rows[cy][cx] + image * all + residue * padded + c;
                                    // SAFETY: rows are less than `plan.points()`, of `images · all` elements each.
                                    unsafe { store::<T, A>(p[cy][cx], points, at, LANES) };
                                }
                            }
                        });
                    }
                }
            }
        }
    }
}
