//! Products and distances of rows in `f64`, cut into blocks of a fixed number of rows.

use std::ops::Range;

use inkgrad_kernels::cpu::gemm::{gemm, gemm_scratch_len};
use inkgrad_kernels::cpu::matrix::{Matrix, MatrixMut};
use inkgrad_kernels::cpu::{Pool, Team};
use rayon::prelude::*;

use crate::Result;
use crate::ranks::{Ranks, deal};

/// Rows of a task.
pub(super) const BLOCK: usize = 64;

/// Does `work` with a team of as many threads as rayon has here.
pub(super) fn with_team<R>(work: impl FnOnce(&Team) -> R) -> R {
    Pool::new(rayon::current_num_threads()).enter(work)
}

/// C ← A·B, with memory for the sums that a product is split into.
pub(super) fn multiply(
    team: &Team,
    a: Matrix<f64>,
    b: Matrix<f64>,
    (m, k, n): (usize, usize, usize),
    c: MatrixMut<f64>,
) {
    gemm(team, 1.0, a, b, 0.0, c, &mut vec![0.0; gemm_scratch_len(m, k, n)]);
}

/// A·Bᵀ for rows `a: (m, width)` and `b: (n, width)`: `(m, n)`, on the calling thread.
pub(super) fn products(a: &[f64], b: &[f64], width: usize) -> Vec<f64> {
    team_products(&Team::solo(), a, b, width)
}

/// The same on all threads of a team.
pub(super) fn team_products(team: &Team, a: &[f64], b: &[f64], width: usize) -> Vec<f64> {
    let (m, n) = (a.len() / width, b.len() / width);
    let mut out = vec![0.0; m * n];
    let transposed = Matrix::new(b, n, width).transposed();
    multiply(team, Matrix::new(a, m, width), transposed, (m, width, n), MatrixMut::new(&mut out, m, n));
    out
}

/// Rows of a symmetric product that are made at once.
const ROWS: usize = 256;

/// The lower triangle of XᵀX for `x: (n, width)`, in `(width, width)`; what is above it is of no use.
pub(super) fn gram(team: &Team, x: &[f64], width: usize) -> Vec<f64> {
    let n = x.len() / width;
    let mut out = vec![0.0; width * width];
    let x = Matrix::new(x, n, width);
    for first in (0..width).step_by(ROWS) {
        let end = width.min(first + ROWS);
        let c = MatrixMut::with_strides(&mut out[first * width..], end - first, end, width, 1);
        multiply(team, x.cols(first..end).transposed(), x.cols(0..end), (end - first, n, end), c);
    }
    out
}

/// X·L for `x: (n, width)` and the lower triangle `l: (width, width)`.
pub(super) fn times_lower(team: &Team, x: &[f64], l: &[f64], width: usize) -> Vec<f64> {
    let n = x.len() / width;
    let mut out = vec![0.0; x.len()];
    let (x, l) = (Matrix::new(x, n, width), Matrix::new(l, width, width));
    for first in (0..width).step_by(ROWS) {
        let end = width.min(first + ROWS);
        let c = MatrixMut::new(&mut out, n, width).cols(first..end);
        let l = l.rows(first..width).cols(first..end);
        multiply(team, x.cols(first..width), l, (n, width - first, end - first), c);
    }
    out
}

/// `(rows, width)` to `(width, rows)`.
pub(super) fn transpose(x: &[f64], width: usize) -> Vec<f64> {
    let rows = x.len() / width;
    let mut out = vec![0.0; x.len()];
    out.par_chunks_mut(BLOCK * rows).enumerate().for_each(|(block, columns)| {
        for (i, row) in x.chunks_exact(width).enumerate() {
            let values = &row[block * BLOCK..];
            columns.iter_mut().skip(i).step_by(rows).zip(values).for_each(|(to, x)| *to = *x);
        }
    });
    out
}

/// Rows and their squared lengths.
#[derive(Debug)]
pub(super) struct Points {
    pub(super) values: Vec<f64>,
    pub(super) width: usize,
    lengths: Vec<f64>,
}

impl Points {
    pub(super) fn new(values: Vec<f64>, width: usize) -> Self {
        let lengths = values.chunks_exact(width).map(|row| row.iter().map(|x| x * x).sum()).collect();
        Points { values, width, lengths }
    }

    pub(super) fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Rows of a task: a block's product packs all the other rows, which is little beside many rows of its own.
    pub(super) fn block(&self) -> usize {
        (self.len() / 16).clamp(BLOCK, 4 * BLOCK).next_multiple_of(8)
    }

    /// x·y for some rows of this and some of `others`, on the calling thread.
    pub(super) fn products(&self, rows: Range<usize>, others: &Points, columns: Range<usize>) -> Vec<f64> {
        let of = |points: &Points, range: Range<usize>| range.start * points.width..range.end * points.width;
        products(&self.values[of(self, rows)], &others.values[of(others, columns)], self.width)
    }

    /// Calls `f(distances)` for each row on all threads of all ranks, with its squared distances to all rows of `others`; results
    /// are in the order of rows.
    ///
    /// # Errors
    /// If ranks do not go on together.
    pub(super) fn distances<const N: usize>(
        &self,
        others: &Points,
        ranks: &dyn Ranks,
        f: impl Fn(&[f64]) -> [f64; N] + Sync,
    ) -> Result<Vec<[f64; N]>> {
        let height = self.block();
        let of_block = |block: usize| -> Vec<f64> {
            let rows = block * height..self.len().min((block + 1) * height);
            let mut table = self.products(rows.clone(), others, 0..others.len());
            let rows = rows.zip(table.chunks_exact_mut(others.len()));
            let of_row = |(i, row): (usize, &mut [f64])| {
                self.finish(i, others, 0, row);
                f(row)
            };
            rows.flat_map(of_row).collect()
        };
        let work = |own: &[usize]| Ok(own.par_iter().map(|&block| of_block(block)).collect());
        let blocks = deal(ranks, self.len().div_ceil(height), work)?;
        Ok(blocks.iter().flat_map(|block| block.as_chunks().0).copied().collect())
    }

    /// From products x·y of row i and the others from `first` on to ‖x − y‖² = ‖x‖² + ‖y‖² − 2·x·y, by differences where
    /// that cancels: equal rows are at 0.
    pub(super) fn finish(&self, i: usize, others: &Points, first: usize, row: &mut [f64]) {
        let x = &self.values[i * self.width..][..self.width];
        let ys = others.values[first * self.width..].chunks_exact(self.width);
        for ((value, y), length) in row.iter_mut().zip(ys).zip(&others.lengths[first..]) {
            let sum = self.lengths[i] + length;
            *value = sum - 2.0 * *value;
            if *value < 1e-8 * sum {
                *value = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum();
            }
        }
    }
}
