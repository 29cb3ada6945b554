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
