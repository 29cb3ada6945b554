//! Eigenvalues of a symmetric tridiagonal matrix by implicit QL iterations in Pal, Walker and Kahan's form, which works on
//! squares and takes one root a shift (Parlett, "The symmetric eigenvalue problem", 1980, section 8.15; LAPACK's dsterf).

/// Iterations for each eigenvalue, on average, before giving up. Fewer than two are usual.
const ITERATIONS: usize = 60;

/// Turns `diagonal` (n) into the eigenvalues, ascending, given the elements beside the diagonal (n − 1), which are
/// overwritten. False where they do not converge, as with NaN.
///
/// # Panics
/// If `off` has not one element less.
pub fn eigenvalues(diagonal: &mut [f64], off: &mut [f64]) -> bool {
    assert_eq!(off.len(), diagonal.len().saturating_sub(1), "elements beside the diagonal");
    let largest = diagonal.iter().chain(&*off).fold(0.0f64, |largest, x| largest.max(x.abs()));
    if !diagonal.iter().chain(&*off).all(|x| x.is_finite()) {
        return false;
    }
    if largest > 0.0 {
        // A power of two, which rounds nothing: squares neither overflow nor vanish where they matter.
        let scale = largest.log2().floor().exp2();
        diagonal.iter_mut().for_each(|x| *x /= scale);
        off.iter_mut().for_each(|x| *x = (*x / scale).powi(2));
        let mut left = ITERATIONS * diagonal.len();
        let mut start = 0;
        while start < diagonal.len() {
            let end = (start..off.len()).find(|&i| is_zero(diagonal, off, i)).unwrap_or(off.len());
            let (block, squares) = (&mut diagonal[start..=end], &mut off[start..end]);
            // QL finds the eigenvalue at the start first: convergence is fast where the small ones are there.
            if block[block.len() - 1].abs() < block[0].abs() {
                block.reverse();
                squares.reverse();
            }
            if !solve(block, squares, &mut left) {
                return false;
            }
            start = end + 1;
        }
        diagonal.iter_mut().for_each(|x| *x *= scale);
    }
    diagonal.sort_unstable_by(f64::total_cmp);
    true
}

/// Whether the squared element between i and i + 1 is nothing beside the diagonal, or beside 1, the matrix's scale.
fn is_zero(diagonal: &[f64], squares: &[f64], i: usize) -> bool {
    const EPSILON: f64 = f64::EPSILON / 2.0;
    let tiny = EPSILON * EPSILON;
    squares[i] <= tiny * (diagonal[i] * diagonal[i + 1]).abs() || squares[i] <= tiny * tiny
}

/// [`eigenvalues`] of a block that does not fall apart, from its first element on.
fn solve(d: &mut [f64], e: &mut [f64], left: &mut usize) -> bool {
    let mut l = 0;
    while l < d.len() {
        let m = (l..e.len()).find(|&i| is_zero(d, e, i)).unwrap_or(e.len());
        if m == l {
            l += 1;
            continue;
        }
        if m == l + 1 {
            (d[l], d[m]) = of_two(d[l], e[l], d[m]);
            e[l] = 0.0;
            l += 2;
            continue;
        }
        if *left == 0 {
            return false;
        }
        *left -= 1;
        // Wilkinson's shift: the nearer eigenvalue of the first two rows.
        let root = e[l].sqrt();
        let g = (d[l + 1] - d[l]) / (2.0 * root);
        let shift = d[l] - root / (g + g.hypot(1.0).copysign(g));
        let (mut c, mut s) = (1.0, 0.0);
        let mut gamma = d[m] - shift;
        let mut p = gamma * gamma;
        for i in (l..m).rev() {
            let square = e[i];
            let r = p + square;
            if i + 1 < m {
                e[i + 1] = s * r;
            }
            let earlier_c = c;
            c = p / r;
            s = square / r;
            let earlier_gamma = gamma;
            gamma = c * (d[i] - shift) - s * earlier_gamma;
            d[i + 1] = earlier_gamma + (d[i] - gamma);
            p = if c == 0.0 { earlier_c * square } else { gamma * gamma / c };
        }
        e[l] = s * p;
        d[l] = shift + gamma;
    }
    true
}

/// The eigenvalues of (a, √square; √square, c).
fn of_two(a: f64, square: f64, c: f64) -> (f64, f64) {
    let (half, mean) = (0.5 * (a - c), 0.5 * (a + c));
    let root = half.hypot(square.sqrt());
    let larger = mean + root.copysign(mean);
    // By the determinant where the difference would cancel.
    let smaller = if larger == 0.0 { 0.0 } else { (a / larger) * c - square / larger };
    (larger, smaller)
}
