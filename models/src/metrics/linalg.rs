//! Products and distances of rows in `f64`, cut into blocks of a fixed number of rows.

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::gemm::{Matrix, MatrixMut, gemm, gemm_scratch_len};
use nalgebra::{DMatrix, SVD};
use rayon::prelude::*;

/// Rows of a task.
pub(super) const BLOCK: usize = 64;

/// A·Bᵀ for rows `a: (m, width)` and `b: (n, width)`: `(m, n)`, on the calling thread.
pub(super) fn products(a: &[f64], b: &[f64], width: usize) -> Vec<f64> {
    let (m, n) = (a.len() / width, b.len() / width);
    let mut out = vec![0.0; m * n];
    let mut scratch = vec![0.0; gemm_scratch_len(m, width, n)];
    let (a, b) = (Matrix::new(a, m, width), Matrix::new(b, n, width).transposed());
    gemm(&Team::solo(), 1.0, a, b, 0.0, MatrixMut::new(&mut out, m, n), &mut scratch);
    out
}

/// The same on all threads.
pub(super) fn parallel_products(a: &[f64], b: &[f64], width: usize) -> Vec<f64> {
    let blocks: Vec<_> = a.par_chunks(BLOCK * width).map(|rows| products(rows, b, width)).collect();
    blocks.concat()
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

    /// Calls `f(i, distances)` for each row i on all threads, with its squared distances to all rows of `others`;
    /// results are in the order of rows.
    pub(super) fn distances<R: Send>(&self, others: &Points, f: impl Fn(usize, &mut [f64]) -> R + Sync) -> Vec<R> {
        let block = |(block, rows): (usize, &[f64])| -> Vec<R> {
            let mut table = products(rows, &others.values, self.width);
            let rows = table.chunks_exact_mut(others.len()).enumerate();
            rows.map(|(i, row)| {
                let i = block * BLOCK + i;
                self.finish(i, others, row);
                f(i, row)
            })
            .collect()
        };
        let blocks: Vec<_> = self.values.par_chunks(BLOCK * self.width).enumerate().map(block).collect();
        blocks.into_iter().flatten().collect()
    }

    /// From products x·y to ‖x − y‖² = ‖x‖² + ‖y‖² − 2·x·y, by differences where that cancels: equal rows are at 0.
    fn finish(&self, i: usize, others: &Points, row: &mut [f64]) {
        let x = &self.values[i * self.width..][..self.width];
        for (j, (value, y)) in row.iter_mut().zip(others.values.chunks_exact(self.width)).enumerate() {
            let sum = self.lengths[i] + others.lengths[j];
            *value = sum - 2.0 * *value;
            if *value < 1e-8 * sum {
                *value = x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum();
            }
        }
    }
}

/// R (width, width) of A = Q·R for `a: (n, width)` with n ≥ width, so that RᵀR = AᵀA without squaring A's condition.
pub(super) fn triangular_factor(a: &[f64], width: usize) -> Vec<f64> {
    let a = DMatrix::from_row_slice(a.len() / width, width, a);
    // Its columns are the rows of R.
    a.qr().unpack_r().transpose().as_slice().to_vec()
}

/// The sum of the singular values of `a: (m, n)`; `None` if they do not converge.
pub(super) fn nuclear_norm(a: &[f64], n: usize) -> Option<f64> {
    let m = a.len() / n;
    // Column-major, so this is Aᵀ, whose singular values are the same.
    let a = DMatrix::from_column_slice(n, m, a);
    let steps = 100 * m.min(n).max(10);
    let svd = SVD::try_new_unordered(a, false, false, 5.0 * f64::EPSILON, steps)?;
    Some(svd.singular_values.iter().sum())
}
