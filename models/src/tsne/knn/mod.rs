//! Nearest neighbours: all squared distances by matrix products in f64, a tile at a time, or of very many points approximately, by a
//! forest.

mod forest;
mod on_device;

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::gemm::{gemm, gemm_scratch_len};
use inkgrad_kernels::cpu::matrix::{Matrix, MatrixMut};

use super::{Points, Real};
pub use forest::{Found, nearest as approximately_nearest};
pub use on_device::nearest_with;

/// Rows whose neighbours one task looks for.
const ROWS: usize = 128;
/// Points that they are held against at a time.
const COLUMNS: usize = 1024;

/// Each point's nearest others, the nearest first; of equally near ones the first.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    /// How many each point has.
    pub k: usize,
    /// (N, k)
    pub indices: Vec<u32>,
    /// (N, k): squared distances.
    pub squared: Vec<f64>,
}

/// A point's candidates: the nearest that have been seen, and some more.
struct Nearest {
    k: usize,
    /// Only what is nearer than this can be among the k nearest.
    limit: f64,
    candidates: Vec<(f64, u32)>,
}

impl Nearest {
    fn offer(&mut self, distance: f64, index: u32) {
        if distance < self.limit {
            self.candidates.push((distance, index));
            if self.candidates.len() >= 2 * self.k + 32 {
                self.shrink();
            }
        }
    }

    fn shrink(&mut self) {
        if self.candidates.len() > self.k {
            let nearer = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
            self.limit = self.candidates.select_nth_unstable_by(self.k - 1, nearer).1.0;
            self.candidates.truncate(self.k);
        }
    }
}

/// The `k` nearest others of each point, 1 ≤ k < N.
pub fn nearest<T: Real>(points: Points<T>, k: usize, team: &Team) -> Neighbours {
    let all: Vec<usize> = (0..points.n).collect();
    nearest_of(points, &all, k, team)
}

/// The same of `some` points: (some, k).
pub fn nearest_of<T: Real>(points: Points<T>, some: &[usize], k: usize, team: &Team) -> Neighbours {
    let centred = Centred::new(points);
    let mut found = vec![(0.0, 0); some.len() * k];
    team.pieces([(&mut found, ROWS * k)], |piece, [found]| {
        let some = &some[piece * ROWS..][..found.len() / k];
        let empty = || Nearest { k, limit: f64::INFINITY, candidates: Vec::with_capacity(2 * k + 32) };
        let mut rows: Vec<Nearest> = some.iter().map(|_| empty()).collect();
        centred.tiles(some, |start, width, tile| {
            for ((nearest, &own), distances) in rows.iter_mut().zip(some).zip(tile.chunks_exact(width)) {
                for (column, &distance) in distances.iter().enumerate() {
                    if distance < nearest.limit && start + column != own {
                        nearest.offer(distance, (start + column) as u32);
                    }
                }
            }
        });
        for ((mut nearest, &own), found) in rows.into_iter().zip(some).zip(found.chunks_exact_mut(k)) {
            nearest.shrink();
            for (slot, &(_, index)) in found.iter_mut().zip(&nearest.candidates) {
                *slot = (squared(points.row(own), points.row(index as usize)), index);
            }
            found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        }
    });
    let (squared, indices) = found.into_iter().map(|(squared, index)| (T::round(squared), index)).unzip();
    Neighbours { k, indices, squared }
}

/// ‖a − b‖², rounded as differences are: none where the two are the same.
pub fn squared<T: Real>(a: &[T], b: &[T]) -> f64 {
    let square = |(&a, &b): (&T, &T)| (a.into() - b.into()).powi(2);
    a.iter().zip(b).map(square).sum()
}

/// Points less their mean, which keeps products small, and the products exact to 1e-15 of the extent.
pub struct Centred<'a, T = f32> {
    points: Points<'a, T>,
    /// (width)
    pub mean: Vec<f64>,
    norms: Vec<f64>,
}

impl<'a, T: Real> Centred<'a, T> {
    pub fn new(points: Points<'a, T>) -> Self {
        let mut mean = vec![0.0; points.width];
        for i in 0..points.n {
            mean.iter_mut().zip(points.row(i)).for_each(|(mean, &x)| *mean += x.into());
        }
        mean.iter_mut().for_each(|mean| *mean /= points.n as f64);
        let norm = |i| points.row(i).iter().zip(&mean).map(|(&x, &mean): (&T, &f64)| (x.into() - mean).powi(2)).sum();
        let norms = (0..points.n).map(norm).collect();
        Centred { points, mean, norms }
    }

    /// Some rows, less the mean.
    pub fn rows(&self, some: impl IntoIterator<Item = usize>) -> Vec<f64> {
        let rows = some.into_iter().flat_map(|i| self.points.row(i).iter().zip(&self.mean));
        rows.map(|(&x, &mean)| x.into() - mean).collect()
    }

    /// Gives `each` the tiles of squared distances from `some` points to all, less each row's own norm, from left to
    /// right: the first column, the number of columns, and the distances row by row.
    pub fn tiles(&self, some: &[usize], mut each: impl FnMut(usize, usize, &[f64])) {
        let (n, d) = (self.points.n, self.points.width);
        let left = self.rows(some.iter().copied());
        let mut tile = vec![0.0; some.len() * COLUMNS];
        for start in (0..n).step_by(COLUMNS) {
            let columns = start..n.min(start + COLUMNS);
            let width = columns.len();
            let right = self.rows(columns.clone());
            let tile = &mut tile[..some.len() * width];
            for row in tile.chunks_exact_mut(width) {
                row.copy_from_slice(&self.norms[columns.clone()]);
            }
            let (a, b) = (Matrix::new(&left, some.len(), d), Matrix::new(&right, width, d).transposed());
            let solo = Team::solo();
            let mut scratch = vec![0.0; gemm_scratch_len(some.len(), d, width)];
            gemm(&solo, -2.0, a, b, 1.0, MatrixMut::new(tile, some.len(), width), &mut scratch);
            each(start, width, tile);
        }
    }
}
