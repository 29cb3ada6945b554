//! Softmax, its logarithm, and ln Σ eˣ, of each row of `x: (rows, width)`: serial, callers split the rows over threads.
//!
//! The largest element of a row is taken off first, so that no exponential overflows. x may hold −∞ (a mask), but not in a
//! whole row.

use super::activation::put;
use crate::{Float, multiversion};

/// The largest element.
#[inline(always)]
fn largest<T: Float>(row: &[T]) -> T {
    // NaN reaches the result by its own exponential.
    row.iter().fold(row[0], |max, &x| x.at_least(max))
}

#[track_caller]
fn check(name: &str, width: usize, whole: &[usize], rows: &[usize]) {
    let len = whole[0];
    let fits = width > 0 && len.is_multiple_of(width) && whole.iter().all(|&l| l == len);
    assert!(
        fits && rows.iter().all(|&r| r == len / width),
        "{name}: slices of {whole:?} and {rows:?} elements do not fit rows of {width}"
    );
}

multiversion! {
    /// y = eˣ / Σ eˣ over each row.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn softmax<T: Float, A: Arithmetic>(width: usize, x: &[T], y: &mut [T]) {
        check("softmax", width, &[x.len(), y.len()], &[]);
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let max = largest(x);
            for (y, &x) in y.iter_mut().zip(x) {
                *y = (x - max).exp::<A>();
            }
            let scale = T::from_f64(1.0 / y.iter().map(|y| y.to_f64()).sum::<f64>());
            y.iter_mut().for_each(|y| *y *= scale);
        }
    }
}

multiversion! {
    /// dx = y·(dy − Σ dy·y) over each row.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn softmax_backward<T: Float, A: Arithmetic>(width: usize, y: &[T], dy: &[T], dx: &mut [T], add: bool) {
        check("softmax_backward", width, &[y.len(), dy.len(), dx.len()], &[]);
        let rows = y.chunks_exact(width).zip(dy.chunks_exact(width));
        for ((y, dy), dx) in rows.zip(dx.chunks_exact_mut(width)) {
            let sum = T::from_f64(y.iter().zip(dy).map(|(y, dy)| y.to_f64() * dy.to_f64()).sum());
            for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
                put(dx, y * (dy - sum), add);
            }
        }
    }
}

/// ln Σ e^{x − max} over a row, and max.
#[inline(always)]
fn log_sum<T: Float, A: super::simd::Arithmetic>(row: &[T]) -> (T, T) {
    let max = largest(row);
    let sum: f64 = row.iter().map(|&x| (x - max).exp::<A>().to_f64()).sum();
    (T::from_f64(sum.ln()), max)
}

multiversion! {
    /// y = x − ln Σ eˣ over each row.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn log_softmax<T: Float, A: Arithmetic>(width: usize, x: &[T], y: &mut [T]) {
        check("log_softmax", width, &[x.len(), y.len()], &[]);
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let (log, max) = log_sum::<T, A>(x);
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = (x - max) - log);
        }
    }
}

multiversion! {
    /// dx = dy − eʸ·Σ dy over each row.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn log_softmax_backward<T: Float, A: Arithmetic>(width: usize, y: &[T], dy: &[T], dx: &mut [T], add: bool) {
        check("log_softmax_backward", width, &[y.len(), dy.len(), dx.len()], &[]);
        let rows = y.chunks_exact(width).zip(dy.chunks_exact(width));
        for ((y, dy), dx) in rows.zip(dx.chunks_exact_mut(width)) {
            let sum = T::from_f64(dy.iter().map(|dy| dy.to_f64()).sum());
            for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
                put(dx, dy - y.exp::<A>() * sum, add);
            }
        }
    }
}

multiversion! {
    /// y = ln Σ eˣ over each row: one number a row.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn logsumexp<T: Float, A: Arithmetic>(width: usize, x: &[T], y: &mut [T]) {
        check("logsumexp", width, &[x.len()], &[y.len()]);
        for (x, y) in x.chunks_exact(width).zip(y) {
            let (log, max) = log_sum::<T, A>(x);
            *y = max + log;
        }
    }
}

multiversion! {
    /// dx = dy·e^{x − y}, with one y and one dy a row.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn logsumexp_backward<T: Float, A: Arithmetic>(
        width: usize, x: &[T], y: &[T], dy: &[T], dx: &mut [T], add: bool,
    ) {
        check("logsumexp_backward", width, &[x.len(), dx.len()], &[y.len(), dy.len()]);
        let rows = x.chunks_exact(width).zip(dx.chunks_exact_mut(width));
        for ((x, dx), (&y, &dy)) in rows.zip(y.iter().zip(dy)) {
            for (dx, &x) in dx.iter_mut().zip(x) {
                put(dx, dy * (x - y).exp::<A>(), add);
            }
        }
    }
}

/// The plain formulas, which overflow beyond 709.
pub mod naive {
    /// eˣ / Σ eˣ over a row.
    pub fn softmax(row: &[f64]) -> Vec<f64> {
        let sum: f64 = row.iter().map(|x| x.exp()).sum();
        row.iter().map(|x| x.exp() / sum).collect()
    }

    /// ln Σ eˣ over a row.
    pub fn logsumexp(row: &[f64]) -> f64 {
        row.iter().map(|x| x.exp()).sum::<f64>().ln()
    }

    /// The gradient of x where y = softmax x: dx_i = Σ_j dy_j ∂y_j/∂x_i, ∂y_j/∂x_i = y_j·(\[i = j\] − y_i).
    pub fn softmax_backward(row: &[f64], dy: &[f64]) -> Vec<f64> {
        let y = softmax(row);
        let slope = |i: usize, j: usize| y[j] * (f64::from(u8::from(i == j)) - y[i]);
        (0..y.len()).map(|i| (0..y.len()).map(|j| dy[j] * slope(i, j)).sum()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cpu::{Team, rng};
    use crate::property::cases;

    fn normal<T: Float>(seed: u64, len: usize, scale: f64) -> Vec<T> {
        let mut x = vec![0.0f64; len];
        rng::fill_normal(&Team::solo(), seed, 0, 0, &mut x);
        x.iter().map(|x| T::from_f64(f64::from((x * scale) as f32))).collect()
    }

    fn compare<T: Float>(
        rows: usize,
        width: usize,
        scale: f64,
        seed: u64,
        tolerance: f64,
    ) -> Result<(), TestCaseError> {
        let (x, dy) = (normal::<T>(seed, rows * width, scale), normal::<T>(seed ^ 1, rows * width, 1.0));
        let wide = |x: &[T]| x.iter().map(|x| x.to_f64()).collect::<Vec<f64>>();
        let close = |found: &[T], expected: &[f64]| {
            let largest = expected.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
            found.iter().zip(expected).all(|(f, e)| (f.to_f64() - e).abs() <= tolerance * largest)
        };
        let (mut y, mut log, mut sums) = (x.clone(), x.clone(), x[..rows].to_vec());
        softmax(width, &x, &mut y);
        log_softmax(width, &x, &mut log);
        logsumexp(width, &x, &mut sums);
        let [mut dx, mut of_log, mut of_sum] = [(); 3].map(|()| vec![T::ONE; x.len()]);
        softmax_backward(width, &y, &dy, &mut dx, true);
        log_softmax_backward(width, &log, &dy, &mut of_log, true);
        logsumexp_backward(width, &x, &sums, &dy[..rows], &mut of_sum, true);
        for r in 0..rows {
            let here = r * width..(r + 1) * width;
            let (row, dy_row) = (wide(&x[here.clone()]), wide(&dy[here.clone()]));
            let (p, log_sum) = (naive::softmax(&row), naive::logsumexp(&row));
            prop_assert!(close(&y[here.clone()], &p));
            prop_assert!(close(&sums[r..=r], &[log_sum]));
            prop_assert!(close(&log[here.clone()], &row.iter().map(|x| x - log_sum).collect::<Vec<_>>()));
            let plus_one = |dx: Vec<f64>| dx.iter().map(|d| 1.0 + d).collect::<Vec<_>>();
            prop_assert!(close(&dx[here.clone()], &plus_one(naive::softmax_backward(&row, &dy_row))));
            let total: f64 = dy_row.iter().sum();
            let expected = plus_one(dy_row.iter().zip(&p).map(|(d, p)| d - p * total).collect());
            prop_assert!(close(&of_log[here.clone()], &expected));
            let expected = plus_one(p.iter().map(|p| p * dy[r].to_f64()).collect());
            prop_assert!(close(&of_sum[here], &expected));
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(cases(64))]

        #[test]
        fn they_agree_with_the_plain_formulas(
            rows in 1usize..9, width in 1usize..70, scale in 0.1f64..60.0, seed in any::<u64>(),
        ) {
            compare::<f64>(rows, width, scale, seed, 1e-13)?;
            // ln Σ eˣ is about as large as x, and what it is rounded by is an error of e^{x − y} relative to it.
            compare::<f32>(rows, width, scale, seed, 1e-6 * (1.0 + scale))?;
        }
    }

    #[test]
    fn large_and_masked_logits_stay_finite() {
        let x = [1e4f32, 1e4, f32::NEG_INFINITY, -1e4];
        let mut y = [0.0; 4];
        softmax(4, &x, &mut y);
        assert_eq!(y, [0.5, 0.5, 0.0, 0.0]);
        let mut sum = [0.0];
        logsumexp(4, &x, &mut sum);
        assert_eq!(sum, [1e4 + std::f32::consts::LN_2]);
    }
}
