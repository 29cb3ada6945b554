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
use super::axis::{CLASSES, Kind, RESIDUES, Segment};
use super::plan::Plan;
use crate::Float;
use crate::cpu::lanes::{Lanes, TO_L2, load_first, prefetch, store_first};
use crate::cpu::simd::Arithmetic;
use crate::multiversion;

/// `a − b`.
#[inline(always)]
fn sub<T: Float, L: Lanes<T>>(a: L, b: L) -> L {
    b.mul_add(L::splat(-T::ONE), a)
}

/// Applies a one-dimensional map to each row of a window and then to each column.
macro_rules! both {
    ($f:ident, $ky:ident, $kx:ident, $window:expr) => {{
        let rows = $window;
        let rows = [$f($kx, rows[0]), $f($kx, rows[1]), $f($kx, rows[2]), $f($kx, rows[3])];
        let column = [
            $f($ky, [rows[0][0], rows[1][0], rows[2][0], rows[3][0]]),
            $f($ky, [rows[0][1], rows[1][1], rows[2][1], rows[3][1]]),
            $f($ky, [rows[0][2], rows[1][2], rows[2][2], rows[3][2]]),
            $f($ky, [rows[0][3], rows[1][3], rows[2][3], rows[3][3]]),
        ];
        [
            [column[0][0], column[1][0], column[2][0], column[3][0]],
            [column[0][1], column[1][1], column[2][1], column[3][1]],
            [column[0][2], column[1][2], column[2][2], column[3][2]],
            [column[0][3], column[1][3], column[2][3], column[3][3]],
        ]
    }};
}

/// From small pixels to points.
#[inline(always)]
fn points_of_small<T: Float, L: Lanes<T>>(kind: Kind, d: [L; 4]) -> [L; 4] {
    match kind {
        Kind::Three => [sub(d[0], d[2]), d[1].add(d[2]), sub(d[2], d[1]), sub(d[3], d[1])],
        Kind::Two => [sub(d[0], d[1]), d[1].add(d[1]), d[1], sub(d[2], d[1])],
        Kind::One => [d[0], d[0], d[0], d[1]],
        Kind::First | Kind::Last => [d[0]; 4],
    }
}

/// The transpose of [`points_of_small`].
#[inline(always)]
fn small_of_points<T: Float, L: Lanes<T>>(kind: Kind, p: [L; 4]) -> [L; 4] {
    match kind {
        Kind::Three => [p[0], sub(sub(p[1], p[2]), p[3]), sub(p[1].add(p[2]), p[0]), p[3]],
        Kind::Two => [p[0], sub(sub(p[1].add(p[1]), p[0]), p[3]), p[3], p[3]],
        Kind::One => [p[0], p[3], p[3], p[3]],
        Kind::First => [p[3]; 4],
        Kind::Last => [p[0]; 4],
    }
}

/// From points to big pixels of one residue.
#[inline(always)]
fn big_of_points<T: Float, L: Lanes<T>>(kind: Kind, p: [L; 4]) -> [L; 4] {
    match kind {
        Kind::Three => {
            let sum = p[1].add(p[2]);
            [p[0].add(sum), sub(p[1], p[2]), sum.add(p[3]), p[3]]
        }
        Kind::Two => [p[0].add(p[1]), p[1].add(p[3]), p[3], p[3]],
        Kind::One => [p[0].add(p[3]); 4],
        Kind::First => [p[3]; 4],
        Kind::Last => [p[0]; 4],
    }
}

/// The transpose of [`big_of_points`].
#[inline(always)]
fn points_of_big<T: Float, L: Lanes<T>>(kind: Kind, y: [L; 4]) -> [L; 4] {
    match kind {
        Kind::Three => {
            let sum = y[0].add(y[2]);
            [y[0], sum.add(y[1]), sub(sum, y[1]), y[2]]
        }
        Kind::Two => [y[0], y[0].add(y[1]), y[1], y[1]],
        Kind::One | Kind::First | Kind::Last => [y[0]; 4],
    }
}

/// Lanes from `x[at..]`, the first `width` of them.
#[inline(always)]
fn load<T: Float, A: Arithmetic>(x: &[T], at: usize, width: usize) -> A::Lanes<T> {
    let from = &x[at..at + width];
    // SAFETY: `width ≤ LANES` elements, as `load_first` wants.
    unsafe { load_first::<T, A>(from.as_ptr(), width) }
}

/// The first `width` lanes to `x[at..]`.
#[inline(always)]
fn store<T: Float, A: Arithmetic>(lanes: A::Lanes<T>, x: &mut [T], at: usize, width: usize) {
    let to = &mut x[at..at + width];
    // SAFETY: `width ≤ LANES` elements, as `store_first` wants.
    unsafe { store_first::<T, A>(lanes, to.as_mut_ptr(), width) }
}

/// The body with the kinds of two segments: a copy of its own where both are the common one, or one is, in the order given. A macro, since a
/// closure might be compiled for the baseline.
macro_rules! by_kind {
    ($y:expr, $x:expr, |$ky:ident, $kx:ident| $body:block) => {
        by_kind!($y, $x, |$ky, $kx| $body, (Three Three))
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

/// [`by_kind`] with a copy for every pair of which one is the common one: five in six windows of 14 × 14 small pixels.
macro_rules! by_every_kind {
    ($y:expr, $x:expr, |$ky:ident, $kx:ident| $body:block) => {
        by_kind!(
            $y, $x, |$ky, $kx| $body,
            (Three Three) (Three One) (One Three) (Three First) (First Three) (Three Last) (Last Three)
        )
    };
}

/// The rows of a window's points, by their classes; of classes that its segments have.
#[inline(always)]
fn rows_of(plan: &Plan, y: Segment, x: Segment) -> [[usize; CLASSES]; CLASSES] {
    let mut rows = [[0; CLASSES]; CLASSES];
    for &cy in y.kind.classes() {
        for &cx in x.kind.classes() {
            rows[cy][cx] = plan.row((cy, y.index), (cx, x.index));
        }
    }
    rows
}

/// A window's big pixels of one residue.
#[derive(Clone, Copy)]
enum Pixels {
    /// Nine that all exist, by the first.
    Whole(usize),
    /// Some of them.
    Some([[Option<usize>; 3]; 3]),
}

/// Calls the body for each of a window's big pixels of a residue that exist: with a copy of its own where all nine do, which has no
/// branches in between.
macro_rules! for_pixels {
    ($plan:expr, $pixels:expr, ($ky:ident, $kx:ident), |$i:ident, $j:ident, $pixel:ident| $body:expr) => {
        match $pixels {
            Pixels::Whole(first) => {
                for $i in 0..3 {
                    for $j in 0..3 {
                        let $pixel = first + RESIDUES * ($i * $plan.x.big + $j);
                        $body;
                    }
                }
            }
            Pixels::Some(pixels) => {
                for $i in 0..$ky.outputs() {
                    for $j in 0..$kx.outputs() {
                        if let Some($pixel) = pixels[$i][$j] {
                            $body;
                        }
                    }
                }
            }
        }
    };
}

#[inline(always)]
fn pixels_of(plan: &Plan, y: Segment, x: Segment, residue: (usize, usize)) -> Pixels {
    let pixels = plan.big_pixels((y.m, y.kind), (x.m, x.kind), residue);
    match (pixels[0][0], pixels[2][2]) {
        (Some(first), Some(_)) if (y.kind, x.kind) == (Kind::Three, Kind::Three) => Pixels::Whole(first),
        _ => Pixels::Some(pixels),
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
        for image in 0..images {
            let picture = &small[image * plan.small_len()..][..plan.small_len()];
            for y in plan.y.segments() {
                for x in plan.x.segments() {
                    let rows = rows_of(plan, y, x);
                    let corner = (y.small * plan.x.small + x.small) * channels + some.start;
                    by_kind!(y.kind, x.kind, |ky, kx| {
                        for c in (0..some.len()).step_by(LANES) {
                            let width = LANES.min(some.len() - c);
                            let mut d = [[A::Lanes::<T>::splat(T::ZERO); 4]; 4];
                            for i in 0..ky.inputs() {
                                for j in 0..kx.inputs() {
                                    let at = corner + (i * plan.x.small + j) * channels + c;
                                    d[i][j] = load::<T, A>(picture, at, width);
                                }
                            }
                            let p = both!(points_of_small, ky, kx, d);
                            for &cy in ky.classes() {
                                for &cx in kx.classes() {
                                    store::<T, A>(p[cy][cx], points, (rows[cy][cx] * images + image) * padded + c, LANES);
                                }
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
        for image in 0..images {
            let picture = &mut small[image * plan.small_len()..][..plan.small_len()];
            for c in (0..channels).step_by(LANES) {
                sums.fill(T::ZERO);
                for y in plan.y.segments() {
                    for x in plan.x.segments() {
                        let rows = rows_of(plan, y, x);
                        let corner = (y.small * plan.x.small + x.small) * LANES;
                        by_kind!(y.kind, x.kind, |ky, kx| {
                            let mut p = [[A::Lanes::<T>::splat(T::ZERO); 4]; 4];
                            for &cy in ky.classes() {
                                for &cx in kx.classes() {
                                    let at = (rows[cy][cx] * images + image) * padded + c;
                                    p[cy][cx] = load::<T, A>(points, at, LANES);
                                }
                            }
                            let d = both!(small_of_points, ky, kx, p);
                            for i in 0..ky.inputs() {
                                for j in 0..kx.inputs() {
                                    let at = corner + (i * plan.x.small + j) * LANES;
                                    let sum = load::<T, A>(sums, at, LANES).add(d[i][j]);
                                    store::<T, A>(sum, sums, at, LANES);
                                }
                            }
                        });
                    }
                }
                let (width, bias) = (LANES.min(channels - c), load::<T, A>(bias, c, LANES));
                for pixel in 0..plan.y.small * plan.x.small {
                    let sum = load::<T, A>(sums, pixel * LANES, LANES);
                    finish::<T, A>(sum.add(bias), how, picture, pixel * channels + c, width);
                }
            }
        }
    }
}

/// Stores a finished sum.
#[inline(always)]
fn finish<T: Float, A: Arithmetic>(mut sum: A::Lanes<T>, how: Store, out: &mut [T], at: usize, width: usize) {
    match how {
        Store::Write => {}
        // This way round, NaN stays NaN.
        Store::WriteRelu => sum = A::Lanes::<T>::splat(T::ZERO).at_least(sum),
        Store::Add => sum = load::<T, A>(out, at, width).add(sum),
    }
    store::<T, A>(sum, out, at, width);
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
        for image in 0..images {
            let picture = &mut big[image * plan.big_len()..][..plan.big_len()];
            for y in plan.y.segments() {
                for x in plan.x.segments() {
                    let (rows, pixels) = (rows_of(plan, y, x), pixels_of(plan, y, x, residue));
                    by_every_kind!(y.kind, x.kind, |ky, kx| {
                        for c in (0..channels).step_by(LANES) {
                            let (width, bias) = (LANES.min(channels - c), load::<T, A>(bias, c, LANES));
                            let mut p = [[A::Lanes::<T>::splat(T::ZERO); 4]; 4];
                            for &cy in ky.classes() {
                                for &cx in kx.classes() {
                                    let at = (rows[cy][cx] * images + image) * padded + c;
                                    p[cy][cx] = load::<T, A>(points, at, LANES);
                                }
                            }
                            let sums = both!(big_of_points, ky, kx, p);
                            for_pixels!(plan, pixels, (ky, kx), |i, j, pixel| {
                                finish::<T, A>(sums[i][j].add(bias), how, picture, pixel * channels + c, width)
                            });
                        }
                    });
                }
            }
        }
    }
}

multiversion! {
    #[fused]
    /// Points of the big side, `[row][residue][channel, padded]`, from the pictures `big: (images, height, width, channels)`.
    pub(super) fn big_to_points<T: Float, A: Arithmetic>(plan: &Plan, images: usize, big: &[T], points: &mut [T]) {
        let (channels, padded) = (plan.big_channels, plan.big_padded());
        let all = RESIDUES * RESIDUES * padded;
        // Pixels from a window to the one below it.
        let below = 3 * RESIDUES * plan.x.big;
        for image in 0..images {
            let picture = &big[image * plan.big_len()..][..plan.big_len()];
            for y in plan.y.segments() {
                for x in plan.x.segments() {
                    let rows = rows_of(plan, y, x);
                    for residue in 0..RESIDUES * RESIDUES {
                        let to = residue * padded;
                        let pixels = pixels_of(plan, y, x, (residue / RESIDUES, residue % RESIDUES));
                        by_every_kind!(y.kind, x.kind, |ky, kx| {
                            for c in (0..channels).step_by(LANES) {
                                let width = LANES.min(channels - c);
                                let mut d = [[A::Lanes::<T>::splat(T::ZERO); 4]; 4];
                                for_pixels!(plan, pixels, (ky, kx), |i, j, pixel| {
                                    d[i][j] = {
                                        prefetch::<TO_L2, T>(picture.as_ptr().wrapping_add((pixel + below) * channels + c));
                                        load::<T, A>(picture, pixel * channels + c, width)
                                    }
                                });
                                let p = both!(points_of_big, ky, kx, d);
                                for &cy in ky.classes() {
                                    for &cx in kx.classes() {
                                        let at = (rows[cy][cx] * images + image) * all + to + c;
                                        store::<T, A>(p[cy][cx], points, at, LANES);
                                    }
                                }
                            }
                        });
                    }
                }
            }
        }
    }
}
