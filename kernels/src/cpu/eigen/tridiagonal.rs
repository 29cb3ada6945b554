//! Householder's tridiagonal form of a symmetric matrix, blocked (Dongarra, Sorensen and Hammarling, "Block reduction of
//! matrices to condensed forms for eigenvalue computations", 1989; LAPACK's dsytrd).
//!
//! A reflection H = I − τ·v·vᵀ from both sides is a rank-2 update, H·A·H = A − v·wᵀ − w·vᵀ with p = τ·A·v and
//! w = p − (τ/2)·(pᵀv)·v. The updates of `PANEL` columns are held back and made at once, as one product; meanwhile the
//! held vectors correct each new column and each A·v. That A·v reads the remaining triangle once, in which both halves of
//! the symmetric matrix are: this is half of the multiplications and, since it waits for memory, most of the time.

use super::super::Team;
use super::super::lanes::sum_of_lanes;
use super::super::matrix::Matrix;
use super::{add_scaled, dot, update_lower};
use crate::multiversion;

/// Columns whose updates are made at once.
const PANEL: usize = 32;
/// Elements of a triangle that are worth a task, and the most tasks.
const TASK: usize = 1 << 14;
const MAX_TASKS: usize = 16;

/// The diagonal (n) and the elements beside it (n − 1) of a tridiagonal matrix with the eigenvalues of the symmetric one
/// whose lower triangle is that of `a: (n, n)`. Overwrites `a`.
///
/// # Panics
/// If `a` has not n² elements.
pub fn reduce(team: &Team, a: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    assert_eq!(a.len(), n * n, "the elements of a matrix ({n}, {n})");
    let (mut diagonal, mut off) = (vec![0.0; n], vec![0.0; n.saturating_sub(1)]);
    // Columns of n elements: the panel's v, then its w, then its v again, so that both [v w] and [w v] lie together.
    let mut held = vec![0.0; 3 * PANEL * n];
    let mut sums = vec![0.0; MAX_TASKS * n];
    for first in (0..n).step_by(PANEL) {
        let columns = PANEL.min(n - first);
        for i in 0..columns {
            let k = first + i;
            // Column k from its diagonal on, with the updates held.
            let mut column: Vec<f64> = (k..n).map(|row| a[row * n + k]).collect();
            let (vs, ws) = held.split_at_mut(PANEL * n);
            for (v, w) in vs.chunks_exact(n).zip(ws.chunks_exact(n)).take(i) {
                add_scaled(&mut column, &v[k..], -w[k]);
                add_scaled(&mut column, &w[k..], -v[k]);
            }
            diagonal[k] = column[0];
            if k + 1 == n {
                break;
            }
            let (beta, tau) = reflection(&mut column[1..]);
            off[k] = beta;
            let v = &column[1..];
            let mut p = vec![0.0; v.len()];
            if tau != 0.0 {
                multiply(team, a, n, k + 1, v, &mut sums, &mut p);
                for (earlier_v, earlier_w) in vs.chunks_exact(n).zip(ws.chunks_exact(n)).take(i) {
                    let (earlier_v, earlier_w) = (&earlier_v[k + 1..], &earlier_w[k + 1..]);
                    let (of_w, of_v) = (dot(earlier_w, v), dot(earlier_v, v));
                    add_scaled(&mut p, earlier_v, -of_w);
                    add_scaled(&mut p, earlier_w, -of_v);
                }
                p.iter_mut().for_each(|p| *p *= tau);
                let half = -0.5 * tau * dot(&p, v);
                add_scaled(&mut p, v, half);
            }
            vs[i * n + k + 1..][..v.len()].copy_from_slice(v);
            ws[i * n + k + 1..][..v.len()].copy_from_slice(&p);
        }
        let rest = first + columns;
        if rest < n {
            held.copy_within(0..PANEL * n, 2 * PANEL * n);
            let pairs = |from: usize| Matrix::with_strides(&held[from * n + rest..], n - rest, 2 * PANEL, 1, n);
            update_lower(team, a, n, rest, -1.0, pairs(0), pairs(PANEL));
        }
    }
    (diagonal, off)
}

/// Turns x into v with v₀ = 1 and (I − τ·v·vᵀ)·x = (β, 0, …): returns β and τ. τ is 0 where x is that already.
pub(super) fn reflection(x: &mut [f64]) -> (f64, f64) {
    let alpha = x[0];
    // Scaled, since squares of what is small enough vanish.
    let largest = x[1..].iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    x[0] = 1.0;
    if largest == 0.0 {
        return (alpha, 0.0);
    }
    let squares: f64 = x[1..].iter().map(|x| (x / largest).powi(2)).sum();
    let beta = -(largest * squares.sqrt()).hypot(alpha).copysign(alpha);
    let scale = alpha - beta;
    x[1..].iter_mut().for_each(|x| *x /= scale);
    (beta, (beta - alpha) / beta)
}

/// p ← A·v for the rows and columns from `first` on of the symmetric matrix whose lower triangle is in `a: (n, n)`.
/// Tasks are ranges of rows of equal area, each with sums of its own in `sums`, which are added in order.
fn multiply(team: &Team, a: &[f64], n: usize, first: usize, v: &[f64], sums: &mut [f64], p: &mut [f64]) {
    let m = v.len();
    let tasks = (m * m / 2 / TASK).clamp(1, MAX_TASKS);
    let start = |task: usize| (m as f64 * (task as f64 / tasks as f64).sqrt()) as usize / 4 * 4;
    team.pieces([(&mut sums[..tasks * n], n)], |task, [sums]| {
        let end = if task + 1 == tasks { m } else { start(task + 1) };
        rows_of_triangle(a, n, first, start(task), end, v, &mut sums[..m]);
    });
    for sums in sums.chunks_exact(n).take(tasks) {
        p.iter_mut().zip(sums).for_each(|(p, sum)| *p += sum);
    }
}

/// Rows of the triangle that go past v and the sums together.
const ROWS: usize = 4;
/// Elements side by side in sums.
const WIDTH: usize = 8;

multiversion! {
    /// The share of A·v of rows `start..end` of the triangle, each element in two sums: Σⱼ aᵢⱼ·vⱼ and Σᵢ aᵢⱼ·vᵢ.
    fn rows_of_triangle<T: Float, A: Arithmetic>(
        a: &[T], n: usize, first: usize, start: usize, end: usize, v: &[T], sums: &mut [T],
    ) {
        sums.fill(T::ZERO);
        for i in (start..end).step_by(ROWS) {
            let height = ROWS.min(end - i);
            let mut square = 0;
            if height == ROWS {
                // The columns left of these rows' own, a whole number of chunks.
                square = i / WIDTH * WIDTH;
                let rows: [&[[T; WIDTH]]; ROWS] =
                    std::array::from_fn(|r| a[(first + i + r) * n + first..][..square].as_chunks().0);
                let factors: [T; ROWS] = std::array::from_fn(|r| v[i + r]);
                let mut totals = [[T::ZERO; WIDTH]; ROWS];
                let chunks = v[..square].as_chunks::<WIDTH>().0.iter().zip(sums[..square].as_chunks_mut::<WIDTH>().0);
                let [r0, r1, r2, r3] = rows;
                for (((((v, sums), r0), r1), r2), r3) in chunks.zip(r0).zip(r1).zip(r2).zip(r3) {
                    for (r, row) in [r0, r1, r2, r3].into_iter().enumerate() {
                        for l in 0..WIDTH {
                            totals[r][l] = A::mul_add(row[l], v[l], totals[r][l]);
                            sums[l] = A::mul_add(row[l], factors[r], sums[l]);
                        }
                    }
                }
                for (r, lanes) in totals.into_iter().enumerate() {
                    let mut wide = [T::ZERO; 16];
                    wide[..WIDTH].copy_from_slice(&lanes);
                    sums[i + r] += sum_of_lanes(wide);
                }
            }
            for r in i..i + height {
                let row = &a[(first + r) * n + first..][..r + 1];
                for j in square..r {
                    sums[r] = A::mul_add(row[j], v[j], sums[r]);
                    sums[j] = A::mul_add(row[j], v[r], sums[j]);
                }
                sums[r] = A::mul_add(row[r], v[r], sums[r]);
            }
        }
    }
}
