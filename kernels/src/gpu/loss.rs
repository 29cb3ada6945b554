//! Losses, their gradients, and right answers (`loss.ptx`; the sums are `sum_terms` in `reduce.ptx`).

use super::elementwise::fill;
use super::launches::{Launches, Span, Target, int, read_or_none};
use super::reduce::{Term, sum, sum_scratch_len, sum_terms};
use crate::launch::Arg;

/// Which gradient; the numbers of the kernel.
#[derive(Debug, Clone, Copy)]
enum Gradient {
    /// x − t
    Difference = 0,
    /// σ(x) − t
    Probability = 1,
    /// x
    Value = 2,
    /// eˣ − 1
    Exponential = 3,
}

/// dx = f(x, t)·scale·dy, or added; `dy` is one number.
fn backward(launches: &mut Launches, f: Gradient, x: Span, t: Option<Span>, dy: Span, scale: f32, dx: Target) {
    let (x, t, n) = (x.read(), read_or_none(t), dx.span.len);
    let args = [x, t, dy.read(), dx.arg(), int(n), int(f as usize), Arg::F32(scale), dx.flag()];
    launches.each("loss_backward", n, args);
}

/// y = Σ max(x, 0) − x·t + ln(1 + e^−|x|). `scratch`: [`sum_scratch_len`], and so it is for the next two.
pub fn bce_with_logits(launches: &mut Launches, x: Span, t: Span, y: Span, scratch: Span) {
    sum_terms(launches, Term::CrossEntropy, x, Some(t), 1.0, y, scratch);
}

/// dx = (σ(x) − t)·dy, or added.
pub fn bce_with_logits_backward(launches: &mut Launches, x: Span, t: Span, dy: Span, dx: Target) {
    backward(launches, Gradient::Probability, x, Some(t), dy, 1.0, dx);
}

/// dt = −x·dy, or added.
pub fn bce_with_logits_backward_targets(launches: &mut Launches, x: Span, dy: Span, dt: Target) {
    backward(launches, Gradient::Value, x, None, dy, -1.0, dt);
}

/// y = scale·Σ (x − t)².
pub fn mse(launches: &mut Launches, x: Span, t: Span, scale: f32, y: Span, scratch: Span) {
    sum_terms(launches, Term::SquaredError, x, Some(t), scale, y, scratch);
}

/// dx = (x − t)·scale·dy, or added.
pub fn mse_backward(launches: &mut Launches, x: Span, t: Span, dy: Span, scale: f32, dx: Target) {
    backward(launches, Gradient::Difference, x, Some(t), dy, scale, dx);
}

/// y = −½·Σ (1 + logvar − mu² − e^logvar).
pub fn gaussian_kl(launches: &mut Launches, mu: Span, logvar: Span, y: Span, scratch: Span) {
    sum_terms(launches, Term::Divergence, mu, Some(logvar), -0.5, y, scratch);
}

/// dmu = mu·dy, or added.
pub fn gaussian_kl_backward_mu(launches: &mut Launches, mu: Span, dy: Span, dmu: Target) {
    backward(launches, Gradient::Value, mu, None, dy, 1.0, dmu);
}

/// dlogvar = ½·(e^logvar − 1)·dy, or added.
pub fn gaussian_kl_backward_logvar(launches: &mut Launches, logvar: Span, dy: Span, dlogvar: Target) {
    backward(launches, Gradient::Exponential, logvar, None, dy, 0.5, dlogvar);
}

/// Numbers of scratch for [`softmax_cross_entropy`] and [`correct`]: one for each row, and their sum's.
pub fn rows_scratch_len(rows: usize) -> usize {
    rows + sum_scratch_len(rows)
}

/// p = softmax(x) for each row of `x: (rows, classes)`, y = −mean ln p\[label\]. `scratch`: [`rows_scratch_len`].
pub fn softmax_cross_entropy(launches: &mut Launches, x: Span, labels: Span, p: Span, y: Span, scratch: Span) {
    let rows = labels.len;
    let (terms, scratch) = scratch.split(rows);
    let args = [x.read(), labels.read(), p.write(), terms.write(), int(rows), int(x.len / rows)];
    launches.each("softmax_cross_entropy", rows, args);
    sum(launches, terms, 1.0 / rows as f32, y, scratch);
}

/// dx = (p − onehot(label))·dy / rows, or added.
pub fn softmax_cross_entropy_backward(launches: &mut Launches, p: Span, labels: Span, dy: Span, dx: Target) {
    let (rows, n) = (labels.len, dx.span.len);
    let (classes, scale) = (int(n / rows), Arg::F32(1.0 / rows as f32));
    let args = [p.read(), labels.read(), dy.read(), dx.arg(), int(n), classes, scale, dx.flag()];
    launches.each("softmax_cross_entropy_backward", n, args);
}

/// y = how many rows of `x: (rows, classes)` are largest at their label, the first of equal ones. `scratch`:
/// [`rows_scratch_len`].
pub fn correct(launches: &mut Launches, x: Span, labels: Span, y: Span, scratch: Span) {
    let rows = labels.len;
    let (each, scratch) = scratch.split(rows);
    let args = [x.read(), labels.read(), each.write(), int(rows), int(x.len / rows)];
    launches.each("correct", rows, args);
    sum(launches, each, 1.0, y, scratch);
}

/// Numbers of scratch for [`softmax`]: one for each row.
pub fn softmax_scratch_len(rows: usize) -> usize {
    rows
}

/// p = softmax(x) for each row of `x: (rows, width)`, and −ln p of its first element, one number a row: the kernel of
/// [`softmax_cross_entropy`] with labels 0. `scratch`: [`softmax_scratch_len`].
pub fn softmax(launches: &mut Launches, x: Span, p: Span, minus_log_first: Span, scratch: Span) {
    let rows = minus_log_first.len;
    let labels = scratch.part(0, rows);
    fill(launches, 0.0, Target::write(labels));
    let args = [x.read(), labels.read(), p.write(), minus_log_first.write(), int(rows), int(x.len / rows)];
    launches.each("softmax_cross_entropy", rows, args);
}
