//! The plain forms.

/// [`eigenvalues`](super::eigenvalues) by cyclic Jacobi rotations: slow, and each as precise as ε·‖a‖.
pub fn eigenvalues(a: &[f64], n: usize) -> Vec<f64> {
    let mut a: Vec<f64> = (0..n * n).map(|at| a[(at / n).max(at % n) * n + (at / n).min(at % n)]).collect();
    for _ in 0..60 {
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let off = a[p * n + q];
                if off.abs() <= f64::EPSILON * 1e-3 * (a[p * n + p] * a[q * n + q]).abs().sqrt() || off.abs() < 1e-300 {
                    continue;
                }
                rotated = true;
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * off);
                let t = 1.0f64.copysign(theta) / (theta.abs() + theta.hypot(1.0));
                let c = t.hypot(1.0).recip();
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..n {
                    let (x, y) = (a[p * n + k], a[q * n + k]);
                    (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
        if !rotated {
            break;
        }
    }
    let mut values: Vec<f64> = (0..n).map(|i| a[i * n + i]).collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// [`cholesky::factor`](super::cholesky::factor) of a positive definite matrix, element by element.
pub fn factor(a: &[f64], n: usize) -> Vec<f64> {
    let mut l = vec![0.0f64; n * n];
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
            let rest = a[i * n + j] - sum;
            l[i * n + j] = if i == j { rest.sqrt() } else { rest / l[j * n + j] };
        }
    }
    l
}

/// [`singular::singular_values`](super::singular::singular_values) by Jacobi rotations of the columns (Hestenes, 1958):
/// slow, and each precise to its own size.
pub fn singular_values(a: &[f64], m: usize, n: usize) -> Vec<f64> {
    let mut columns: Vec<Vec<f64>> = if m < n {
        a.chunks_exact(n.max(1)).map(<[f64]>::to_vec).collect()
    } else {
        (0..n).map(|j| (0..m).map(|i| a[i * n + j]).collect()).collect()
    };
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    for _ in 0..60 {
        let mut rotated = false;
        for q in 1..columns.len() {
            let (before, after) = columns.split_at_mut(q);
            for x in before {
                let y = &mut after[0];
                let (xx, yy, xy) = (dot(x, x), dot(y, y), dot(x, y));
                if xy.abs() <= 1e-15 * (xx * yy).sqrt() {
                    continue;
                }
                rotated = true;
                let theta = (yy - xx) / (2.0 * xy);
                let t = 1.0f64.copysign(theta) / (theta.abs() + theta.hypot(1.0));
                let c = t.hypot(1.0).recip();
                for (x, y) in x.iter_mut().zip(y) {
                    (*x, *y) = (c * *x - c * t * *y, c * t * *x + c * *y);
                }
            }
        }
        if !rotated {
            break;
        }
    }
    let mut values: Vec<f64> = columns.iter().map(|column| dot(column, column).sqrt()).collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}
