//! Shapes of the algorithm: where the points of a geometry lie, how many there are, and whether they pay.

use super::super::{Geometry, LANES};
use super::axis::{Axis, CLASSES, Kind};
use crate::cpu::simd::has_fused;

/// Vector multiplications that take as long as the transform of a point's vector, with its share of loads and stores.
const TRANSFORM_COST: usize = 9;

/// The same for a vector of transformed weights, which are gathered from rows of taps.
const WEIGHT_COST: usize = 24;

/// The same for a vector of one of a weight gradient's partial results, which is cleared, added to for each slice of images, added
/// up with others and transformed back.
const PARTIAL_COST: usize = 48;

/// Images of the smallest batch whose weight gradient goes this way: its gain was measured with many.
const LEAST_BATCH: usize = 32;

/// Rows that share their weights and are used by the same residues: neighbours in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// The first point and how many.
    pub(super) first: usize,
    pub(super) count: usize,
    /// First and number of the residues that use them, vertically and horizontally.
    pub(super) y: (usize, usize),
    pub(super) x: (usize, usize),
}

impl Block {
    /// Whether a residue uses it.
    pub(super) fn of(&self, (y, x): (usize, usize)) -> bool {
        (self.y.0..self.y.0 + self.y.1).contains(&y) && (self.x.0..self.x.0 + self.x.1).contains(&x)
    }
}

/// A geometry with kernel 4×4 and stride 2×2, or kernel 3×3 and stride 1×1, cut into points.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub(super) batch: usize,
    pub(super) y: Axis,
    pub(super) x: Axis,
    /// In both directions.
    pub(super) stride: usize,
    pub(super) small_channels: usize,
    pub(super) big_channels: usize,
    /// The first point of each class, and at the end how many there are.
    first: [usize; CLASSES * CLASSES + 1],
    /// Inner points of each class in both directions, and edges that it has horizontally: asked for at each window.
    inner: ([usize; CLASSES], [usize; CLASSES]),
    edges: [usize; CLASSES],
}

impl Plan {
    /// The plan of a geometry, if it has a kernel of 4×4 and stride 2×2 or of 3×3 and stride 1×1 and no big pixels beyond the kernel's
    /// reach, and the processor fused multiply-add: the kernels are not compiled for others.
    pub fn new(g: &Geometry) -> Option<Plan> {
        let stride = g.stride.0;
        let axis = |small, big, padding| Axis { small, big, padding, stride };
        let y = axis(g.small.height, g.big.height, g.padding.0);
        let x = axis(g.small.width, g.big.width, g.padding.1);
        let covered = |axis: Axis| {
            axis.small > 0 && axis.big > 0 && axis.big + axis.padding <= stride * (axis.small - 1) + stride + 2
        };
        let known = [((4, 4), (2, 2)), ((3, 3), (1, 1))].contains(&(g.kernel, g.stride));
        if !known || !covered(y) || !covered(x) || !has_fused() {
            return None;
        }
        let (small_channels, big_channels) = (g.small.channels, g.big.channels);
        if g.batch * small_channels * big_channels == 0 {
            return None;
        }
        let mut first = [0; CLASSES * CLASSES + 1];
        for class in 0..CLASSES * CLASSES {
            let points = |axis: Axis, class| axis.inner_points(class) + usize::from(axis.has_edge(class));
            first[class + 1] = first[class] + points(y, class / CLASSES) * points(x, class % CLASSES);
        }
        let inner = |axis: Axis| std::array::from_fn(|class| axis.inner_points(class));
        let edges = std::array::from_fn(|class| usize::from(x.has_edge(class)));
        Some(Plan {
            batch: g.batch,
            y,
            x,
            stride,
            small_channels,
            big_channels,
            first,
            inner: (inner(y), inner(x)),
            edges,
        })
    }

    /// The plan of a geometry for which [`super::up`] costs less than the products one by one.
    pub fn of_up(g: &Geometry) -> Option<Plan> {
        Plan::new(g).filter(|plan| plan.pays(g, plan.small_channels, plan.big_padded(), WEIGHT_COST))
    }

    /// The plan of a geometry for which [`super::down`] costs less than the products one by one.
    pub fn of_down(g: &Geometry) -> Option<Plan> {
        Plan::new(g).filter(|plan| plan.pays(g, plan.big_channels, plan.small_padded(), WEIGHT_COST))
    }

    /// The plan of a geometry for which [`super::weight_gradient`] costs less than the products one by one.
    pub fn of_weight_gradient(g: &Geometry) -> Option<Plan> {
        Plan::new(g).filter(|plan| {
            plan.batch >= LEAST_BATCH
                && plan.pays(g, plan.small_channels, plan.big_padded(), PARTIAL_COST * plan.shares())
        })
    }

    /// The cost model, in multiplications and additions of whole vectors: products, one by one, against products of points,
    /// the transforms of both sides' pixels, and the weights' transform at `weight_cost` a vector, which is once a call.
    fn pays(&self, g: &Geometry, inputs: usize, outputs: usize, weight_cost: usize) -> bool {
        let direct = g.flops() / (2 * self.small_channels * self.big_channels) as u64 * (inputs * outputs) as u64;
        let points = (self.batch * self.products() * inputs * outputs) as u64;
        let sides = self.small_padded() + self.residues() * self.big_padded();
        let transforms = (TRANSFORM_COST * self.batch * self.points() * sides) as u64;
        let weights = (weight_cost * self.kinds() * inputs * outputs) as u64;
        self.small_channels.min(self.big_channels) >= LANES && points + transforms + weights < direct
    }

    /// Residues in both directions: each has big pixels and taps of its own.
    pub(super) fn residues(&self) -> usize {
        self.stride * self.stride
    }

    /// Residues times classes.
    pub(super) fn kinds(&self) -> usize {
        self.residues() * CLASSES * CLASSES
    }

    /// Taps of a kernel in one direction.
    pub(super) fn side(&self) -> usize {
        self.stride + 2
    }

    /// Points of an image.
    pub fn points(&self) -> usize {
        self.first[CLASSES * CLASSES]
    }

    /// The points of a window, by the kinds and indices of its segments: where their rows of `step` elements begin, by classes, zero for
    /// those that the segments lack. Each is less than [`Plan::points`] times `step`.
    #[inline(always)]
    pub(super) fn rows(
        &self,
        (ky, y): (Kind, usize),
        (kx, x): (Kind, usize),
        step: usize,
    ) -> [[usize; CLASSES]; CLASSES] {
        let mut rows = [[0; CLASSES]; CLASSES];
        for &cx in kx.classes() {
            let (inner_x, edges) = (self.inner.1[cx], self.edges[cx]);
            for &cy in ky.classes() {
                let inner_y = self.inner.0[cy];
                let number = match (ky.edge(), kx.edge()) {
                    (false, false) => y * inner_x + x,
                    (false, true) => inner_y * inner_x + y,
                    (true, false) => inner_y * (inner_x + edges) + x,
                    (true, true) => inner_y * (inner_x + edges) + inner_x,
                };
                rows[cy][cx] = (self.first[cy * CLASSES + cx] + number) * step;
            }
        }
        rows
    }

    /// The blocks of a class, in the order of [`Plan::rows`]; some may be empty.
    pub(super) fn blocks(&self, class: usize) -> [Block; 4] {
        let (cy, cx) = (class / CLASSES, class % CLASSES);
        let (inner_y, inner_x) = (self.y.inner_points(cy), self.x.inner_points(cx));
        let (edge_y, edge_x) = (self.y.edge_residues(cy), self.x.edge_residues(cx));
        let (n_y, n_x) = (usize::from(edge_y.1 > 0), usize::from(edge_x.1 > 0));
        let all = (0, self.stride);
        let mut first = self.first[class];
        [
            (inner_y * inner_x, all, all),
            (inner_y * n_x, all, edge_x),
            (n_y * inner_x, edge_y, all),
            (n_y * n_x, edge_y, edge_x),
        ]
        .map(|(count, y, x)| {
            first += count;
            Block { first: first - count, count, y, x }
        })
    }

    pub(super) fn small_len(&self) -> usize {
        self.y.small * self.x.small * self.small_channels
    }

    pub(super) fn big_len(&self) -> usize {
        self.y.big * self.x.big * self.big_channels
    }

    pub(super) fn small_padded(&self) -> usize {
        self.small_channels.next_multiple_of(LANES)
    }

    pub(super) fn big_padded(&self) -> usize {
        self.big_channels.next_multiple_of(LANES)
    }

    /// Products of an image and a pair of channels, over all residues.
    pub fn products(&self) -> usize {
        let all = |axis: Axis| (0..self.stride).map(|residue| axis.products(residue)).sum::<usize>();
        all(self.y) * all(self.x)
    }
}
