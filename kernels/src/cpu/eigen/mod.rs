//! Eigenvalues, without vectors, of symmetric matrices in `f64`, and the Cholesky factor that makes one matrix of two.
//!
//! [`eigenvalues`] is LAPACK's way: Householder reflections make the matrix tridiagonal ([`tridiagonal`]), half of the work
//! as products of matrices; then implicit QL iterations without square roots ([`ql`]). Only lower triangles are read.
//! [`singular`] is for matrices that must not be squared.

pub mod cholesky;
pub mod naive;
pub mod ql;
pub mod singular;
pub mod tridiagonal;

use super::Team;
use super::gemm::gemm;
use super::matrix::{Matrix, MatrixMut};
use crate::{Float, multiversion};

/// Rows of a task of a triangle's update.
const ROWS: usize = 128;

/// The eigenvalues, ascending, of the symmetric matrix whose lower triangle is that of `a: (n, n)`, which is overwritten.
/// `None` where they do not converge, as with NaN. Their errors are a few ε·‖a‖.
///
/// # Panics
/// If `a` has not n² elements.
pub fn eigenvalues(team: &Team, a: &mut [f64], n: usize) -> Option<Vec<f64>> {
    let (mut diagonal, mut off) = tridiagonal::reduce(team, a, n);
    ql::eigenvalues(&mut diagonal, &mut off).then_some(diagonal)
}

/// Adds alpha·X·Yᵀ to the lower triangle of C, a block of rows a task; what lies above it in a block is changed too.
/// C are the rows and columns from `first` on of `a: (n, n)`; X and Y have a row for each of them.
fn update_lower(team: &Team, a: &mut [f64], n: usize, first: usize, alpha: f64, x: Matrix<f64>, y: Matrix<f64>) {
    team.pieces([(&mut a[first * n..], ROWS * n)], |i, [rows]| {
        let (start, height) = (i * ROWS, rows.len() / n);
        let end = start + height;
        let c = MatrixMut::with_strides(&mut rows[first..], height, end, n, 1);
        // The scratch is for long sums into few elements; a task alone makes none.
        let (x, y) = (x.rows(start..end), y.rows(0..end).transposed());
        gemm(&Team::solo(), alpha, x, y, 1.0, c, &mut scratch(height, x.shape().1, end));
    });
}

/// Scratch for a product.
fn scratch(m: usize, k: usize, n: usize) -> Vec<f64> {
    vec![0.0; super::gemm::gemm_scratch_len(m, k, n)]
}

/// Elements side by side in sums.
const WIDTH: usize = 16;

/// Σ a·b, each lane's sum in registers.
#[inline(always)]
fn dot_inline<T: Float, A: super::simd::Arithmetic>(a: &[T], b: &[T]) -> T {
    let mut sums = [T::ZERO; WIDTH];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<WIDTH>(), b.as_chunks::<WIDTH>());
    for (a, b) in a.iter().zip(b) {
        for l in 0..WIDTH {
            sums[l] = A::mul_add(a[l], b[l], sums[l]);
        }
    }
    for ((sum, &a), &b) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum = A::mul_add(a, b, *sum);
    }
    super::lanes::sum_of_lanes(sums)
}

multiversion! {
    /// Σ a·b.
    ///
    /// # Panics
    /// If they differ in length.
    pub fn dot<T: Float, A: Arithmetic>(a: &[T], b: &[T]) -> T {
        assert_eq!(a.len(), b.len(), "dot: a and b differ in length");
        dot_inline::<T, A>(a, b)
    }
}

multiversion! {
    /// y ← y + x·factor.
    pub fn add_scaled<T: Float, A: Arithmetic>(y: &mut [T], x: &[T], factor: T) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = A::mul_add(x, factor, *y);
        }
    }
}
