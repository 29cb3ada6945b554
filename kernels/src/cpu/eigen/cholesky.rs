//! The Cholesky factor of a positive definite matrix, blocked: a block of columns is solved, then taken from the rest as a
//! product.

use super::super::Team;
use super::super::matrix::Matrix;
use super::{dot, update_lower};

/// Columns of a block.
const BLOCK: usize = 64;
/// Rows of a task.
const ROWS: usize = 32;

/// L with L·Lᵀ = A, in place of the lower triangle of `a: (n, n)`; above it are zeros. False, and `a` is of no use, where
/// a pivot is not above `least` times the diagonal element that it began as: A is singular, or nearly.
///
/// # Panics
/// If `a` has not n² elements.
pub fn factor(team: &Team, a: &mut [f64], n: usize, least: f64) -> bool {
    assert_eq!(a.len(), n * n, "the elements of a matrix ({n}, {n})");
    let least: Vec<f64> = (0..n).map(|i| least * a[i * n + i]).collect();
    for first in (0..n).step_by(BLOCK) {
        let width = BLOCK.min(n - first);
        let end = first + width;
        for i in first..end {
            let (above, row) = a.split_at_mut(i * n);
            solve(&above[first * n..], n, first, &mut row[first..i]);
            let pivot = row[i] - dot(&row[first..i], &row[first..i]);
            // NaN is no pivot either.
            if pivot.is_nan() || pivot <= least[i] {
                return false;
            }
            row[i] = pivot.sqrt();
            row[i + 1..n].fill(0.0);
        }
        let (above, below) = a.split_at_mut(end * n);
        team.pieces([(&mut *below, ROWS * n)], |_, [rows]| {
            rows.chunks_exact_mut(n).for_each(|row| solve(&above[first * n..], n, first, &mut row[first..end]));
        });
        if end < n {
            let block: Vec<f64> = below.chunks_exact(n).flat_map(|row| &row[first..end]).copied().collect();
            let block = Matrix::new(&block, n - end, width);
            update_lower(team, a, n, end, -1.0, block, block);
        }
    }
    true
}

/// x ← x·L⁻ᵀ with the triangle L of `above`, whose rows of `n` begin at column `first`.
fn solve(above: &[f64], n: usize, first: usize, x: &mut [f64]) {
    for j in 0..x.len() {
        let row = &above[j * n + first..][..j + 1];
        x[j] = (x[j] - dot(&x[..j], &row[..j])) / row[j];
    }
}
