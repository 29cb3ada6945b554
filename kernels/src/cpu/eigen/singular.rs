//! Singular values without vectors, where squaring a matrix would lose the small ones: Householder reflections make it
//! triangular, then bidiagonal (Golub and Kahan, "Calculating the singular values and pseudo-inverse of a matrix", 1965).
//!
//! With diagonal q and superdiagonal e, the singular values are the eigenvalues ≥ 0 of the tridiagonal matrix with zeros on
//! its diagonal and q₁, e₁, q₂, e₂, … beside it. Not blocked: a few times slower than [`eigenvalues`](super::eigenvalues).

use super::super::Team;
use super::tridiagonal::reflection;
use super::{add_scaled, dot, ql};

/// Columns of a task, and reflections that go past each column while it is in the L1 cache.
const COLUMNS: usize = 8;
const PANEL: usize = 16;
/// Elements of a task.
const TASK: usize = 1 << 15;

/// R (n, n) of A = Q·R for the n columns, of at least n elements each, one after the other in `columns`, which is
/// overwritten: RᵀR = AᵀA without squaring A's condition.
///
/// # Panics
/// If columns have fewer elements than there are columns.
pub fn triangular(team: &Team, columns: &mut [f64], n: usize) -> Vec<f64> {
    let m = columns.len() / n.max(1);
    assert!(m >= n && columns.len() == n * m, "{} elements are no {n} columns of at least as many", columns.len());
    let mut r = vec![0.0; n * n];
    for first in (0..n).step_by(PANEL) {
        let end = n.min(first + PANEL);
        let (panel, rest) = columns[first * m..].split_at_mut((end - first) * m);
        let mut taus = [0.0; PANEL];
        for i in 0..end - first {
            let (done, column) = panel.split_at_mut(i * m);
            let column = &mut column[..m];
            reflect(done, &taus[..i], first, column);
            let k = first + i;
            (0..k).for_each(|row| r[row * n + k] = column[row]);
            (r[k * n + k], taus[i]) = reflection(&mut column[k..]);
        }
        let panel = &*panel;
        team.pieces([(rest, COLUMNS * m)], |_, [columns]| {
            columns.chunks_exact_mut(m).for_each(|column| reflect(panel, &taus[..end - first], first, column));
        });
    }
    r
}

/// Applies the reflections in the columns of `panel`, the i-th of which begins at element `first` + i, in turn.
fn reflect(panel: &[f64], taus: &[f64], first: usize, column: &mut [f64]) {
    for (i, (v, tau)) in panel.chunks_exact(column.len()).zip(taus).enumerate() {
        let (v, x) = (&v[first + i..], &mut column[first + i..]);
        let factor = -tau * dot(v, x);
        add_scaled(x, v, factor);
    }
}

/// The singular values, ascending, of `a: (m, n)`, which is overwritten; as many as the shorter side has. `None` where they
/// do not converge, as with NaN. Their errors are a few ε·‖a‖.
///
/// # Panics
/// If `a` has not m·n elements.
pub fn singular_values(team: &Team, a: &mut [f64], m: usize, n: usize) -> Option<Vec<f64>> {
    assert_eq!(a.len(), m * n, "the elements of a matrix ({m}, {n})");
    if m < n {
        let mut transposed: Vec<f64> = (0..m * n).map(|at| a[at % m * n + at / m]).collect();
        return singular_values(team, &mut transposed, n, m);
    }
    let mut beside = vec![0.0; (2 * n).saturating_sub(1)];
    let mut y = vec![0.0; n];
    for k in 0..n {
        // From the left: column k becomes (q, 0, …), and row i of the rest loses τ·uᵢ·y with y = Aᵀ·u.
        let mut u: Vec<f64> = a[k * n + k..].iter().step_by(n).copied().collect();
        let (q, left) = reflection(&mut u);
        beside[2 * k] = q;
        if k + 1 == n {
            break;
        }
        let y = &mut y[k + 1..];
        let width = (TASK / u.len()).max(64);
        let rows = &a[k * n..];
        team.pieces([(&mut *y, width)], |i, [y]| {
            y.fill(0.0);
            for (row, u) in rows.chunks_exact(n).zip(&u) {
                add_scaled(y, &row[k + 1 + i * width..][..y.len()], *u);
            }
        });
        // From the right: what is left of row k becomes (e, 0, …), and the rows below lose τ·(row·v)·v.
        let mut v = a[k * n + k + 1..(k + 1) * n].to_vec();
        add_scaled(&mut v, y, -left * u[0]);
        let (e, right) = reflection(&mut v);
        beside[2 * k + 1] = e;
        let (y, u, v) = (&*y, &u[1..], &v);
        let height = (TASK / n).max(1);
        team.pieces([(&mut a[(k + 1) * n..], height * n)], |i, [rows]| {
            for (row, u) in rows.chunks_exact_mut(n).zip(&u[i * height..]) {
                let row = &mut row[k + 1..];
                add_scaled(row, y, -left * u);
                let factor = -right * dot(row, v);
                add_scaled(row, v, factor);
            }
        });
    }
    let mut values = vec![0.0; 2 * n];
    // Ascending, and each with its negative.
    ql::eigenvalues(&mut values, &mut beside).then(|| values.split_off(n))
}
