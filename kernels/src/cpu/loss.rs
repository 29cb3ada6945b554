//! Losses and their gradients: serial, summed in the fixed order of [`reduce`](super::reduce), never averaged.
//!
//! A backward form multiplies by `scale`, the gradient of the sum, and writes `dx` or adds to it.

pub mod naive;

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

/// The index that a label holds; labels travel as numbers of a tape's own type.
///
/// # Panics
/// If it is no whole number below `classes`.
#[track_caller]
pub fn index<T: Float>(label: T, classes: usize) -> usize {
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
