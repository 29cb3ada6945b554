//! Winograd's algorithm for kernels of 3×3 and stride 1: four outputs of one direction with six products instead of twelve,
//! sixteen of a tile with 36 instead of 144.
//!
//! In one direction, with the points 0, 1, −1, ½, −2 and ∞,
//!
//! ```text
//! to = Aᵀ · ((G·W) ⊙ (Bᵀ·from))
//!
//!        1 −3/2  −2  3/2    1  0                1     0     0              1  1  1   1   1  0
//!        0   −1  ½   5/2    1  0               1/3   1/3   1/3        Aᵀ = 0  1 −1   ½  −2  0
//!   Bᵀ = 0    1 −5/2   ½    1  0         G =  −1/3   1/3  −1/3             0  1  1   ¼   4  0
//!        0   −2  −1    2    1  0             −16/15 −8/15 −4/15            0  1 −1   ⅛  −8  1
//!        0    ½  −1   −½    1  0              1/15 −2/15   4/15
//!        0    1 −3/2  −2  3/2  1                0     0     1
//! ```
//!
//! and in two it is nested. Of the sets of points whose transforms are sums of few terms this one rounds least: on 64 channels the
//! norm of the error is 8e-7 of the result's (1e-7 product by product), and the largest one 6e-6 of its root mean square; with ±2
//! in place of ½ and −2 they are 1.0e-6 and 1.4e-5.
//!
//! A convolution of stride 1 read backwards is one as well, of the turned kernel, so that a pass *from* one side *to* the other does
//! for both. The gradient of the weights is summed between points, `dU = Σ (A·to)ᵀ·(Bᵀ·from)`, and `dW = Gᵀ·dU`.
//!
//! Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks*, 2016; Barabasz et al., *Error Analysis and Improving the
//! Accuracy of Winograd Convolution for Deep Neural Networks*, 2020.

mod gradient;
#[cfg(test)]
mod tests;
mod transform;

use super::super::tile::{Steps, Taps};
use super::super::{Geometry, Grid, LANES, Store};
use super::{MAX_WORKERS, pad_bias, product};
use crate::Float;
use crate::cpu::Team;
use crate::multiversion;
pub(in crate::cpu::conv) use gradient::weight_gradient;

/// Outputs of a tile in one direction, and the points that it has.
const OUTPUTS: usize = 4;
const POINTS: usize = 6;
/// Points of a tile.
const KINDS: usize = POINTS * POINTS;
/// Taps of a kernel.
const TAPS: usize = 9;

/// From three taps to points.
const G: [[f64; 3]; POINTS] = [
    [1.0, 0.0, 0.0],
    [1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0],
    [-1.0 / 3.0, 1.0 / 3.0, -1.0 / 3.0],
    [-16.0 / 15.0, -8.0 / 15.0, -4.0 / 15.0],
    [1.0 / 15.0, -2.0 / 15.0, 4.0 / 15.0],
    [0.0, 0.0, 1.0],
];

/// Elements of points that a slice of images may have: six pictures of 7×7 pixels with 64 and 128 channels, whose 24 tiles fill
/// register tiles of six rows and of twelve.
const SLICE_ELEMENTS: usize = 192 << 10;

/// Vector multiplications that take as long as the transform of a point's vector; the same for one of transformed weights, and
/// for one of a weight gradient's partial results.
const TRANSFORM_COST: usize = 7;
const WEIGHT_COST: usize = 24;
const PARTIAL_COST: usize = 48;

/// Which way a pass goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// From the big side to the small one.
    Down,
    /// From the small side to the big one, with the kernel turned by half a circle.
    Up,
}

/// A pass over a geometry with kernel 3×3 and stride 1: `to[p] = Σₖ from[p − padding + k] · W[k]`.
#[derive(Debug, Clone, Copy)]
pub(in crate::cpu::conv) struct Pass {
    batch: usize,
    from: Grid,
    to: Grid,
    /// Vertical and horizontal.
    padding: (usize, usize),
    way: Way,
}

impl Pass {
    /// The pass from the big side to the small one.
    fn down(g: &Geometry) -> Option<Pass> {
        let fits = |small: usize, big: usize, padding: usize| padding <= 2 && small + 2 == big + 2 * padding;
        let (vertical, horizontal) =
            (fits(g.small.height, g.big.height, g.padding.0), fits(g.small.width, g.big.width, g.padding.1));
        let three = g.kernel == (3, 3) && g.stride == (1, 1) && vertical && horizontal;
        let empty = g.batch == 0 || g.small.is_empty() || g.big.is_empty();
        (three && !empty).then_some(Pass {
            batch: g.batch,
            from: g.big,
            to: g.small,
            padding: g.padding,
            way: Way::Down,
        })
    }

    /// The pass from the small side to the big one.
    fn up(g: &Geometry) -> Option<Pass> {
        let Pass { batch, from: to, to: from, padding, .. } = Pass::down(g)?;
        Some(Pass { batch, from, to, padding: (2 - padding.0, 2 - padding.1), way: Way::Up })
    }

    /// The pass of a geometry for which [`super::super::down`] costs less than the products one by one.
    pub(in crate::cpu::conv) fn of_down(g: &Geometry) -> Option<Pass> {
        Pass::down(g).filter(|pass| pass.pays(g, WEIGHT_COST))
    }

    /// The same for [`super::super::up`].
    pub(in crate::cpu::conv) fn of_up(g: &Geometry) -> Option<Pass> {
        Pass::up(g).filter(|pass| pass.pays(g, WEIGHT_COST))
    }

    /// The same for [`super::super::weight_gradient`].
    pub(in crate::cpu::conv) fn of_weight_gradient(g: &Geometry) -> Option<Pass> {
        Pass::down(g).filter(|pass| pass.pays(g, PARTIAL_COST * pass.shares()))
    }

    /// The cost model, as that of [`super::Plan`].
    fn pays(&self, g: &Geometry, weight_cost: usize) -> bool {
        let (inputs, outputs) = (self.from.channels, self.to.padded_channels());
        let direct = g.flops() / (2 * inputs * self.to.channels) as u64 * (inputs * outputs) as u64;
        let points = (self.batch * self.tiles() * KINDS) as u64;
        let products = points * (inputs * outputs) as u64;
        let transforms = points * (TRANSFORM_COST * (self.from.padded_channels() + outputs)) as u64;
        let weights = (weight_cost * KINDS * inputs * outputs) as u64;
        inputs.min(self.to.channels) >= LANES && products + transforms + weights < direct
    }

    /// Tiles of a picture, vertically and horizontally.
    fn grid(&self) -> (usize, usize) {
        (self.to.height.div_ceil(OUTPUTS), self.to.width.div_ceil(OUTPUTS))
    }

    fn tiles(&self) -> usize {
        self.grid().0 * self.grid().1
    }

    /// Images of a slice.
    fn slice(&self) -> usize {
        let per_image = KINDS * self.tiles() * (self.from.padded_channels() + self.to.padded_channels());
        (SLICE_ELEMENTS / per_image).clamp(1, 16).min(self.batch)
    }

    /// Elements of one side's points in a slice.
    fn points(&self, side: Grid) -> usize {
        KINDS * self.tiles() * self.slice() * side.padded_channels()
    }

    fn workers(&self) -> usize {
        self.batch.div_ceil(self.slice()).min(MAX_WORKERS)
    }

    fn memory(&self) -> usize {
        self.points(self.from) + self.points(self.to)
    }

    /// Elements of transformed weights.
    fn weights(&self) -> usize {
        KINDS * self.from.channels * self.to.padded_channels()
    }

    /// Elements of scratch that [`run`] needs.
    pub(in crate::cpu::conv) fn scratch(&self) -> usize {
        self.weights() + self.to.padded_channels() + self.workers() * self.memory()
    }
}

/// As [`super::super::down`] or [`super::super::up`], with [`Pass::scratch`] elements of scratch.
#[allow(clippy::too_many_arguments)]
pub(in crate::cpu::conv) fn run<T: Float>(
    team: &Team,
    pass: &Pass,
    from: &[T],
    w: &[T],
    bias: Option<&[T]>,
    how: Store,
    to: &mut [T],
    scratch: &mut [T],
) {
    let (u, rest) = scratch.split_at_mut(pass.weights());
    let (padded_bias, rest) = rest.split_at_mut(pass.to.padded_channels());
    team.pieces([(&mut *u, KINDS * pass.from.channels * LANES)], |p, [u]| weights(pass, p * LANES, w, u));
    pad_bias(bias, padded_bias);
    let (u, bias, slice) = (&*u, &*padded_bias, pass.slice());
    let memory = (&mut rest[..pass.workers() * pass.memory()], pass.memory());
    team.pieces_in([(to, slice * pass.to.len())], memory, |i, [to], memory| {
        let images = to.len() / pass.to.len();
        let from = &from[i * slice * pass.from.len()..][..images * pass.from.len()];
        let (v, m) = memory.split_at_mut(pass.points(pass.from));
        transform::from_to_points(pass, images, from, v);
        multiply(pass, images, v, u, m);
        transform::points_to_to(pass, images, m, bias, how, to);
    });
}

multiversion! {
    /// Transformed weights G·W·Gᵀ of the panel whose first lane is channel `first`, `[point][other side's channel][LANES]`, from
    /// `w: (small, big, 3, 3)`.
    fn weights<T: Float, A: Arithmetic>(pass: &Pass, first: usize, w: &[T], out: &mut [T]) {
        let (lanes, other) = (pass.to.channels, pass.from.channels);
        let (lane_step, other_step) = match pass.way {
            Way::Down => (other * TAPS, TAPS),
            Way::Up => (TAPS, lanes * TAPS),
        };
        let width = LANES.min(lanes - first);
        let g = G.map(|row| row.map(T::from_f64));
        let out = out.as_chunks_mut::<LANES>().0;
        for c in 0..other {
            // [tap][lane]
            let mut taps = [[T::ZERO; LANES]; TAPS];
            let starts = (first * lane_step + c * other_step..).step_by(lane_step);
            for (lane, at) in starts.take(width).enumerate() {
                for (tap, &w) in w[at..at + TAPS].iter().enumerate() {
                    taps[if pass.way == Way::Up { TAPS - 1 - tap } else { tap }][lane] = w;
                }
            }
            for (py, gy) in g.iter().enumerate() {
                // A row of points by columns of taps.
                let mut row = [[T::ZERO; LANES]; 3];
                for (x, row) in row.iter_mut().enumerate() {
                    for (lane, sum) in row.iter_mut().enumerate() {
                        *sum = gy[0] * taps[x][lane] + gy[1] * taps[3 + x][lane] + gy[2] * taps[6 + x][lane];
                    }
                }
                for (px, gx) in g.iter().enumerate() {
                    let to = &mut out[(py * POINTS + px) * other + c];
                    for (lane, to) in to.iter_mut().enumerate() {
                        *to = gx[0] * row[0][lane] + gx[1] * row[1][lane] + gx[2] * row[2][lane];
                    }
                }
            }
        }
    }
}

multiversion! {
    /// `M[point] = V[point] · U[point]`.
    fn multiply<T: Float, A: Arithmetic>(pass: &Pass, images: usize, v: &[T], u: &[T], m: &mut [T]) {
        let (channels, from, to) = (pass.from.channels, pass.from.padded_channels(), pass.to.padded_channels());
        let (rows, panel) = (pass.tiles() * images, KINDS * channels * LANES);
        let none = Steps { count: 1, x: 0, w: 0 };
        let taps = Taps { x: 0, w: 0, len: channels, vertical: none, horizontal: none };
        for point in 0..KINDS {
            let (v, u) = (&v[point * rows * from..], &u[point * channels * LANES..]);
            product::rows::<T, A>(v, from, taps, u, panel, &mut m[point * rows * to..], to, rows);
        }
    }
}
