//! Normalisation: of each row of `x: (rows, width)` to mean 0 and variance 1 (layer normalisation), and the loops over rows
//! that normalise columns (batch normalisation). Serial; callers split the rows over threads.

use super::activation::put;
use crate::multiversion;

#[track_caller]
fn check(name: &str, width: usize, whole: &[usize], columns: &[usize]) {
    let fits = width > 0 && whole[0].is_multiple_of(width) && whole.iter().all(|&len| len == whole[0]);
    assert!(
        fits && columns.iter().all(|&len| len == width),
        "{name}: slices of {whole:?} and {columns:?} elements do not fit rows of {width}"
    );
}

multiversion! {
    /// y = (x − m)·r·weight + bias with a row's mean m and r = 1 / √(variance + eps), the variance being that of all its
    /// elements (biased). m and r go to `moments: (rows, 2)`; weight and bias have a number for each column.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn layer_norm<T: Float, A: Arithmetic>(
        eps: f64, x: &[T], weight: &[T], bias: &[T], y: &mut [T], moments: &mut [T],
    ) {
        let width = weight.len();
        check("layer_norm", width, &[x.len(), y.len(), moments.len() / 2 * width], &[bias.len()]);
        let rows = x.chunks_exact(width).zip(y.chunks_exact_mut(width));
        for ((x, y), moments) in rows.zip(moments.as_chunks_mut::<2>().0) {
            let mean = x.iter().map(|x| x.to_f64()).sum::<f64>() / width as f64;
            let squares: f64 = x.iter().map(|x| (x.to_f64() - mean) * (x.to_f64() - mean)).sum();
            *moments = [mean, 1.0 / (squares / width as f64 + eps).sqrt()].map(T::from_f64);
            let [mean, r] = *moments;
            for (((y, &x), &weight), &bias) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                *y = (x - mean) * r * weight + bias;
            }
        }
    }
}

multiversion! {
    /// dx = r·(g − mean(g) − n·mean(g·n)) with g = dy·weight, n = (x − m)·r, means over a row.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn layer_norm_backward<T: Float, A: Arithmetic>(
        x: &[T], weight: &[T], moments: &[T], dy: &[T], dx: &mut [T], add: bool,
    ) {
        let width = weight.len();
        check("layer_norm_backward", width, &[x.len(), dy.len(), dx.len(), moments.len() / 2 * width], &[]);
        let rows = x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(dx.chunks_exact_mut(width));
        for (((x, dy), dx), &[mean, r]) in rows.zip(moments.as_chunks::<2>().0) {
            let (mut sum, mut along) = (0.0, 0.0);
            for ((&x, &dy), &weight) in x.iter().zip(dy).zip(weight) {
                let (g, n) = ((dy * weight).to_f64(), ((x - mean) * r).to_f64());
                sum += g;
                along += g * n;
            }
            let [sum, along] = [sum, along].map(|sum| T::from_f64(sum / width as f64));
            for (((dx, &x), &dy), &weight) in dx.iter_mut().zip(x).zip(dy).zip(weight) {
                put(dx, r * (dy * weight - sum - (x - mean) * r * along), add);
            }
        }
    }
}

multiversion! {
    /// n·dy, whose sums over the rows are the weight's gradient: n = (x − m)·r.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn layer_norm_products<T: Float, A: Arithmetic>(
        width: usize, x: &[T], moments: &[T], dy: &[T], products: &mut [T],
    ) {
        check("layer_norm_products", width, &[x.len(), dy.len(), products.len(), moments.len() / 2 * width], &[]);
        let rows = x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(products.chunks_exact_mut(width));
        for (((x, dy), products), &[mean, r]) in rows.zip(moments.as_chunks::<2>().0) {
            for ((product, &x), &dy) in products.iter_mut().zip(x).zip(dy) {
                *product = (x - mean) * r * dy;
            }
        }
    }
}

multiversion! {
    /// y = (x − mean)·scale + shift, each with a number for each column.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn scale_columns<T: Float, A: Arithmetic>(x: &[T], mean: &[T], scale: &[T], shift: &[T], y: &mut [T]) {
        let width = mean.len();
        check("scale_columns", width, &[x.len(), y.len()], &[scale.len(), shift.len()]);
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            for ((((y, &x), &mean), &scale), &shift) in y.iter_mut().zip(x).zip(mean).zip(scale).zip(shift) {
                *y = (x - mean) * scale + shift;
            }
        }
    }
}

multiversion! {
    /// (x − mean)·z, with a mean for each column: of z = x − mean their squares, of z = dy a scale's gradient, row by row.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn centred_products<T: Float, A: Arithmetic>(x: &[T], mean: &[T], z: &[T], products: &mut [T]) {
        let width = mean.len();
        check("centred_products", width, &[x.len(), z.len(), products.len()], &[]);
        let rows = x.chunks_exact(width).zip(z.chunks_exact(width));
        for ((x, z), products) in rows.zip(products.chunks_exact_mut(width)) {
            for (((product, &x), &mean), &z) in products.iter_mut().zip(x).zip(mean).zip(z) {
                *product = (x - mean) * z;
            }
        }
    }
}

multiversion! {
    /// (x − mean)², with a mean for each column.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn centred_squares<T: Float, A: Arithmetic>(x: &[T], mean: &[T], squares: &mut [T]) {
        let width = mean.len();
        check("centred_squares", width, &[x.len(), squares.len()], &[]);
        for (x, squares) in x.chunks_exact(width).zip(squares.chunks_exact_mut(width)) {
            for ((square, &x), &mean) in squares.iter_mut().zip(x).zip(mean) {
                *square = (x - mean) * (x - mean);
            }
        }
    }
}

/// The plain formulas, for comparison.
pub mod naive {
    /// (x − m) / √(variance + eps) of a row.
    pub fn normalise(eps: f64, row: &[f64]) -> Vec<f64> {
        let n = row.len() as f64;
        let mean = row.iter().sum::<f64>() / n;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        row.iter().map(|x| (x - mean) / (variance + eps).sqrt()).collect()
    }

    /// The gradient of a row x where y = normalise(x), for the gradient g of y: dx_i = Σ_j g_j ∂y_j/∂x_i with
    /// ∂y_j/∂x_i = r·(\[i = j\] − 1/n − y_i·y_j / n).
    pub fn normalise_backward(eps: f64, row: &[f64], g: &[f64]) -> Vec<f64> {
        let n = row.len() as f64;
        let mean = row.iter().sum::<f64>() / n;
        let r = 1.0 / (row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n + eps).sqrt();
        let y = normalise(eps, row);
        let slope = |i: usize, j: usize| r * (f64::from(u8::from(i == j)) - 1.0 / n - y[i] * y[j] / n);
        (0..row.len()).map(|i| (0..row.len()).map(|j| g[j] * slope(i, j)).sum()).collect()
    }
}
