//! Losses and their gradients: serial, summed in the fixed order of [`reduce`](super::reduce), never averaged.
//!
//! A backward form multiplies by `scale`, the gradient of the sum, and writes `dx` or adds to it.

use super::activation::{positive_part, put};
use super::reduce::sum_of_terms;
use crate::{Float, multiversion};

#[track_caller]
fn same_length(name: &str, lengths: &[usize]) {
    assert!(lengths.windows(2).all(|pair| pair[0] == pair[1]), "{name}: the slices differ in length: {lengths:?}");
}

multiversion! {
    /// Binary cross-entropy of σ(x) with targets t, from the logits x: Σ max(x, 0) − x·t + ln(1 + e^−|x|).
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn bce_with_logits<T: Float, A: Arithmetic>(x: &[T], t: &[T]) -> T {
        same_length("bce_with_logits", &[x.len(), t.len()]);
        let total = sum_of_terms::<T>(x.len(), |range, terms| {
            for ((term, &x), &t) in terms.iter_mut().zip(&x[range.clone()]).zip(&t[range]) {
                *term = positive_part(x) - x * t + (-x.abs()).exp::<A>().ln_1p::<A>();
            }
        });
        T::from_f64(total)
    }
}

multiversion! {
    /// dx = (σ(x) − t)·scale.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn bce_with_logits_backward<T: Float, A: Arithmetic>(x: &[T], t: &[T], scale: T, dx: &mut [T], add: bool) {
        same_length("bce_with_logits_backward", &[x.len(), t.len(), dx.len()]);
        for ((dx, &x), &t) in dx.iter_mut().zip(x).zip(t) {
            put(dx, (x.sigmoid::<A>() - t) * scale, add);
        }
    }
}

multiversion! {
    /// Σ (x − t)².
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn mse<T: Float, A: Arithmetic>(x: &[T], t: &[T]) -> T {
        same_length("mse", &[x.len(), t.len()]);
        let total = sum_of_terms::<T>(x.len(), |range, terms| {
            for ((term, &x), &t) in terms.iter_mut().zip(&x[range.clone()]).zip(&t[range]) {
                *term = (x - t) * (x - t);
            }
        });
        T::from_f64(total)
    }
}

multiversion! {
    /// dx = 2·(x − t)·scale. The gradient of t is that of x with −scale.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn mse_backward<T: Float, A: Arithmetic>(x: &[T], t: &[T], scale: T, dx: &mut [T], add: bool) {
        same_length("mse_backward", &[x.len(), t.len(), dx.len()]);
        let scale = scale + scale;
        for ((dx, &x), &t) in dx.iter_mut().zip(x).zip(t) {
            put(dx, (x - t) * scale, add);
        }
    }
}

multiversion! {
    /// The divergence of N(μ, σ²) from N(0, 1): −½ Σ (1 + logσ² − μ² − e^logσ²).
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn gaussian_kl<T: Float, A: Arithmetic>(mu: &[T], logvar: &[T]) -> T {
        same_length("gaussian_kl", &[mu.len(), logvar.len()]);
        let total = sum_of_terms::<T>(mu.len(), |range, terms| {
            for ((term, &mu), &logvar) in terms.iter_mut().zip(&mu[range.clone()]).zip(&logvar[range]) {
                *term = T::ONE + logvar - mu * mu - logvar.exp::<A>();
            }
        });
        T::from_f64(-0.5 * total)
    }
}

multiversion! {
    /// dμ = μ·scale.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn gaussian_kl_backward_mu<T: Float, A: Arithmetic>(mu: &[T], scale: T, dmu: &mut [T], add: bool) {
        same_length("gaussian_kl_backward_mu", &[mu.len(), dmu.len()]);
        for (dmu, &mu) in dmu.iter_mut().zip(mu) {
            put(dmu, mu * scale, add);
        }
    }
}

multiversion! {
    /// dlogσ² = ½·(e^logσ² − 1)·scale.
    ///
    /// # Panics
    /// If the slices differ in length.
    pub fn gaussian_kl_backward_logvar<T: Float, A: Arithmetic>(
        logvar: &[T], scale: T, dlogvar: &mut [T], add: bool,
    ) {
        same_length("gaussian_kl_backward_logvar", &[logvar.len(), dlogvar.len()]);
        let half = scale * T::from_f64(0.5);
        for (dlogvar, &logvar) in dlogvar.iter_mut().zip(logvar) {
            put(dlogvar, (logvar.exp::<A>() - T::ONE) * half, add);
        }
    }
}

/// Classes of logits (batch, classes) with labels (batch), after checking that the lengths fit.
#[track_caller]
fn classes(name: &str, elements: usize, labels: usize, others: &[usize]) -> usize {
    let classes = elements.checked_div(labels).unwrap_or(0);
    assert!(
        classes * labels == elements && others.iter().all(|&len| len == elements),
        "{name}: {elements} logits and slices of {others:?} for {labels} labels"
    );
    classes
}

/// The index that a label holds.
///
/// # Panics
/// If it is no whole number below `classes`.
#[track_caller]
fn index<T: Float>(label: T, classes: usize) -> usize {
    let index = label.to_f64() as usize;
    assert!(
        index < classes && index as f64 == label.to_f64(),
        "label {label} is no whole number below {classes}, the number of classes"
    );
    index
}

multiversion! {
    /// −Σ ln p\[b, label_b\] with p = softmax of each row of the logits x (batch, classes), which is written to `p`.
    /// Labels (batch) are whole numbers from 0.
    ///
    /// # Panics
    /// If the lengths do not fit together or a label is no whole number below the number of classes.
    pub fn softmax_cross_entropy<T: Float, A: Arithmetic>(x: &[T], labels: &[T], p: &mut [T]) -> T {
        let classes = classes("softmax_cross_entropy", x.len(), labels.len(), &[p.len()]);
        let mut total = 0.0;
        for (b, &label) in labels.iter().enumerate() {
            let row = b * classes..(b + 1) * classes;
            let (x, p) = (&x[row.clone()], &mut p[row]);
            let label = index(label, classes);
            // NaN among the logits reaches the sum by its own exponential.
            let max = x.iter().fold(x[0], |max, &x| x.at_least(max));
            for (p, &x) in p.iter_mut().zip(x) {
                *p = (x - max).exp::<A>();
            }
            let sum: T = p.iter().copied().sum();
            for p in p.iter_mut() {
                *p = *p / sum;
            }
            // −ln p = ln Σ eˣ⁻ᵐᵃˣ − (x − max)
            total += (sum.ln() - (x[label] - max)).to_f64();
        }
        T::from_f64(total)
    }
}

multiversion! {
    /// dx = (p − onehot(label))·scale, from the probabilities p (batch, classes).
    ///
    /// # Panics
    /// As [`softmax_cross_entropy`].
    pub fn softmax_cross_entropy_backward<T: Float, A: Arithmetic>(
        p: &[T], labels: &[T], scale: T, dx: &mut [T], add: bool,
    ) {
        let classes = classes("softmax_cross_entropy_backward", p.len(), labels.len(), &[dx.len()]);
        for (b, &label) in labels.iter().enumerate() {
            let label = index(label, classes);
            let row = b * classes..(b + 1) * classes;
            for (c, (dx, &p)) in dx[row.clone()].iter_mut().zip(&p[row]).enumerate() {
                let onehot = if c == label { T::ONE } else { T::ZERO };
                put(dx, (p - onehot) * scale, add);
            }
        }
    }
}

/// How many rows of `x: (batch, classes)` are largest at their label, the first of equal ones. Labels (batch) are whole
/// numbers from 0.
///
/// # Panics
/// As [`softmax_cross_entropy`].
pub fn correct<T: Float>(x: &[T], labels: &[T]) -> usize {
    let classes = classes("correct", x.len(), labels.len(), &[]);
    let largest = |row: &[T]| (1..classes).fold(0, |best, i| if row[i] > row[best] { i } else { best });
    x.chunks_exact(classes).zip(labels).filter(|&(row, &label)| largest(row) == index(label, classes)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wavy(len: usize, amplitude: f64, phase: f64) -> Vec<f64> {
        (0..len).map(|i| amplitude * (i as f64 * 0.73 + phase).sin()).collect()
    }

    fn narrow(x: &[f64]) -> Vec<f32> {
        x.iter().map(|&x| x as f32).collect()
    }

    #[track_caller]
    fn close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance * expected.abs().max(1e-3), "{found}, expected {expected}");
    }

    /// `backward(v, add)` writes, then doubles, the central differences of `loss` at x, times 1.5.
    fn check_gradient(x: &[f64], loss: impl Fn(&[f64]) -> f64, backward: impl Fn(f64, &mut [f64], bool)) {
        let mut dx = vec![f64::NAN; x.len()];
        backward(1.5, &mut dx, false);
        let once = dx.clone();
        backward(1.5, &mut dx, true);
        for i in 0..x.len() {
            let at = |shift: f64| {
                let mut x = x.to_vec();
                x[i] += shift;
                loss(&x)
            };
            close(once[i], 1.5 * (at(1e-5) - at(-1e-5)) / 2e-5, 1e-6);
            assert_eq!(dx[i], once[i] + once[i]);
        }
    }

    #[test]
    fn bce_is_that_of_the_sigmoid() {
        let (x, t) = (wavy(1500, 6.0, 0.0), wavy(1500, 0.5, 2.0).iter().map(|t| t + 0.5).collect::<Vec<_>>());
        let sigma: Vec<f64> = x.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect();
        let expected = -sigma.iter().zip(&t).map(|(p, t)| t * p.ln() + (1.0 - t) * (1.0 - p).ln()).sum::<f64>();
        close(bce_with_logits(&x, &t), expected, 1e-13);

        let (x32, t32) = (narrow(&x), narrow(&t));
        close(bce_with_logits(&x32, &t32).into(), expected, 1e-6);
        let (x, t) = (&x[..40], &t[..40]);
        check_gradient(x, |x| bce_with_logits(x, t), |s, dx, add| bce_with_logits_backward(x, t, s, dx, add));
    }

    #[test]
    fn bce_stays_finite_at_the_ends() {
        assert_eq!(bce_with_logits(&[1e4f32, -1e4, 1e4], &[1.0, 0.0, 0.0]), 1e4);
        let mut dx = [f32::NAN; 2];
        bce_with_logits_backward(&[-1e4, 1e4], &[0.0, 0.0], 1.0, &mut dx, false);
        assert!(dx[0] < 2e-38 && dx[1] == 1.0, "{dx:?}");
        assert!(bce_with_logits(&[f32::NAN], &[0.5]).is_nan());
    }

    #[test]
    fn mse_is_a_sum_of_squares() {
        let (x, t) = (wavy(100_000, 1.0, 0.0), wavy(100_000, 1.0, 1.0));
        let expected: f64 = x.iter().zip(&t).map(|(x, t)| (x - t) * (x - t)).sum();
        close(mse(&x, &t), expected, 1e-12);
        close(mse(&narrow(&x), &narrow(&t)).into(), expected, 1e-6);
        let (x, t) = (&x[..20], &t[..20]);
        check_gradient(x, |x| mse(x, t), |s, dx, add| mse_backward(x, t, s, dx, add));
    }

    #[test]
    fn kl_is_zero_for_the_standard_normal_and_has_its_slopes() {
        assert_eq!(gaussian_kl(&[0.0f32; 9], &[0.0; 9]), 0.0);
        let (mu, logvar) = (wavy(40, 2.0, 0.0), wavy(40, 2.0, 1.0));
        let terms = mu.iter().zip(&logvar).map(|(m, l)| -0.5 * (1.0 + l - m * m - l.exp()));
        let expected: f64 = terms.sum();
        close(gaussian_kl(&mu, &logvar), expected, 1e-13);
        close(gaussian_kl(&narrow(&mu), &narrow(&logvar)).into(), expected, 1e-6);
        check_gradient(&mu, |mu| gaussian_kl(mu, &logvar), |s, d, add| gaussian_kl_backward_mu(&mu, s, d, add));
        let backward = |s: f64, d: &mut [f64], add| gaussian_kl_backward_logvar(&logvar, s, d, add);
        check_gradient(&logvar, |logvar| gaussian_kl(&mu, logvar), backward);
    }

    #[test]
    fn cross_entropy_is_that_of_the_softmax() {
        let (x, labels) = (wavy(7 * 5, 4.0, 0.0), [0.0, 4.0, 2.0, 2.0, 1.0, 3.0, 0.0]);
        let loss = |x: &[f64]| softmax_cross_entropy(x, &labels, &mut [0.0; 35]);
        let mut expected = 0.0;
        for (row, label) in x.chunks(5).zip(labels) {
            expected -= (row[label as usize].exp() / row.iter().map(|x| x.exp()).sum::<f64>()).ln();
        }
        close(loss(&x), expected, 1e-13);
        let mut p = vec![0.0f32; 35];
        let found = softmax_cross_entropy(&narrow(&x), &labels.map(|l| l as f32), &mut p);
        close(found.into(), expected, 1e-6);
        assert!(p.chunks(5).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-6));

        let mut p = vec![0.0; 35];
        softmax_cross_entropy(&x, &labels, &mut p);
        check_gradient(&x, loss, |s, dx, add| softmax_cross_entropy_backward(&p, &labels, s, dx, add));
    }

    #[test]
    fn cross_entropy_of_large_logits_is_finite_and_of_nan_is_nan() {
        let mut p = [0.0f32; 3];
        assert_eq!(softmax_cross_entropy(&[1e4, -1e4, 0.0], &[1.0], &mut p), 2e4);
        assert!(softmax_cross_entropy(&[0.0, f32::NAN, 1.0], &[0.0], &mut p).is_nan());
    }

    #[test]
    #[should_panic(expected = "label 3 is no whole number below 3")]
    fn a_label_out_of_range_is_refused() {
        softmax_cross_entropy(&[0.0f32; 3], &[3.0], &mut [0.0; 3]);
    }
}
