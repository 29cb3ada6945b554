//! The points as the forest reads them, and its trees.

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::distance::squared_distances;
use inkgrad_kernels::cpu::gemm::{gemm, gemm_scratch_len};
use inkgrad_kernels::cpu::matrix::{Matrix, MatrixMut};
use inkgrad_kernels::cpu::rng::Philox;

use super::super::super::{Points, Real};
use super::super::Centred;

/// Trees.
const TREES: usize = 4;
/// Points that are not divided further.
const LEAF: usize = 64;
/// A cut with a smaller share of the points on one side, one in so many, is moved to their middle.
const LEAST_SHARE: usize = 8;
/// Others that a block is held against at a time.
const COLUMNS: usize = 1024;
/// The random streams of trees; samples and starts have others.
const STREAM: u64 = 1 << 43;

/// The points less their mean, as f32 between −1 and 1.
pub(super) struct Table {
    width: usize,
    rows: Vec<f32>,
}

impl Table {
    pub(super) fn new<T: Real>(points: Points<T>) -> Self {
        let mean = Centred::new(points).mean;
        let centred = || {
            points
                .values
                .chunks_exact(points.width)
                .flat_map(|row| row.iter().zip(&mean).map(|(&x, mean)| x.into() - mean))
        };
        let largest = centred().fold(0.0f64, |largest, x| largest.max(x.abs()));
        let scale = if largest > 0.0 { largest.recip() } else { 1.0 };
        Table { width: points.width, rows: centred().map(|x| (x * scale) as f32).collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len() / self.width
    }

    pub(super) fn row(&self, index: u32) -> &[f32] {
        &self.rows[index as usize * self.width..][..self.width]
    }

    pub(super) fn reordered(&self, order: &[u32]) -> Table {
        Table { width: self.width, rows: order.iter().flat_map(|&index| self.row(index)).copied().collect() }
    }

    /// Gives `each` the squared distances from each row of `own` to `others`, some of them at a time.
    pub(super) fn distances(&self, own: &[u32], others: &[u32], mut each: impl FnMut(usize, &[u32], &[f32])) {
        let d = self.width;
        // Less the mean of the block, so that products stay small and sums exact.
        let mut mean = vec![0.0f32; d];
        for &index in own {
            mean.iter_mut().zip(self.row(index)).for_each(|(mean, x)| *mean += x / own.len() as f32);
        }
        let gather = |some: &[u32], x: &mut Vec<f32>, norms: &mut Vec<f32>| {
            x.resize(some.len() * d, 0.0);
            norms.resize(some.len(), 0.0);
            for ((to, norm), &index) in x.chunks_exact_mut(d).zip(norms).zip(some) {
                for ((to, x), mean) in to.iter_mut().zip(self.row(index)).zip(&mean) {
                    *to = x - mean;
                }
                *norm = to.iter().map(|x| x * x).sum();
            }
        };
        let (mut x, mut norms, mut y, mut other_norms) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        gather(own, &mut x, &mut norms);
        let mut tile = vec![0.0; own.len() * COLUMNS];
        let mut scratch = vec![0.0; gemm_scratch_len(own.len(), d, COLUMNS)];
        for others in others.chunks(COLUMNS) {
            let width = others.len();
            gather(others, &mut y, &mut other_norms);
            let tile = &mut tile[..own.len() * width];
            for (row, norm) in tile.chunks_exact_mut(width).zip(&norms) {
                row.iter_mut().zip(&other_norms).for_each(|(sum, other)| *sum = norm + other);
            }
            let (a, b) = (Matrix::new(&x, own.len(), d), Matrix::new(&y, width, d).transposed());
            gemm(&Team::solo(), -2.0, a, b, 1.0, MatrixMut::new(tile, own.len(), width), &mut scratch);
            for (row, distances) in tile.chunks_exact(width).enumerate() {
                each(row, others, distances);
            }
        }
    }

    /// The points in the orders of [`TREES`] trees.
    pub(super) fn trees(&self, seed: u64, team: &Team) -> Vec<Vec<u32>> {
        let mut orders: Vec<Vec<u32>> = (0..TREES).map(|_| (0..self.len() as u32).collect()).collect();
        team.pieces([(&mut orders, 1)], |tree, [order]| {
            let mut cuts =
                Cuts { table: self, philox: Philox::new(seed, STREAM + tree as u64), drawn: 0, sides: Vec::new() };
            cuts.divide(&mut order[0]);
        });
        orders
    }
}

/// A tree that grows.
struct Cuts<'a> {
    table: &'a Table,
    philox: Philox,
    drawn: u64,
    sides: Vec<(f32, u32)>,
}

impl Cuts<'_> {
    fn divide(&mut self, order: &mut [u32]) {
        if order.len() > LEAF {
            let cut = self.cut(order);
            let (left, right) = order.split_at_mut(cut);
            self.divide(left);
            self.divide(right);
        }
    }

    /// Moves what is nearer to one of two points drawn to the front, and says how many these are.
    fn cut(&mut self, order: &mut [u32]) -> usize {
        let n = order.len();
        let draw = self.philox.block(self.drawn);
        self.drawn += 1;
        let pick = |word: u32| self.table.row(order[((u64::from(word) * n as u64) >> 32) as usize]);
        let (a, b) = (pick(draw[0]), pick(draw[1]));
        let (mut to_a, mut to_b) = (vec![0.0; n], vec![0.0; n]);
        squared_distances(a, &self.table.rows, order, &mut to_a);
        squared_distances(b, &self.table.rows, order, &mut to_b);
        self.sides.clear();
        self.sides.extend(to_a.iter().zip(&to_b).zip(&*order).map(|((a, b), &index)| (a - b, index)));
        let left = self.sides.iter().filter(|(side, _)| *side < 0.0).count();
        let least = n / LEAST_SHARE;
        if left < least || n - left < least {
            let middle = n / 2;
            self.sides.select_nth_unstable_by(middle, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            order.iter_mut().zip(&self.sides).for_each(|(slot, &(_, index))| *slot = index);
            return middle;
        }
        let (mut front, mut back) = (0, left);
        for &(side, index) in &self.sides {
            let at = if side < 0.0 { &mut front } else { &mut back };
            order[*at] = index;
            *at += 1;
        }
        left
    }
}
