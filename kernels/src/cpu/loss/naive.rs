//! The losses and their gradients as textbooks define them, in f64: the references that the fast ones are tested against. They
//! take logarithms of probabilities, and lose digits where these come near 0.

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Binary cross-entropy of p = σ(x) with targets t: −Σ t·ln p + (1 − t)·ln(1 − p).
pub fn bce_with_logits(x: &[f64], t: &[f64]) -> f64 {
    let term = |(&x, &t): (&f64, &f64)| t * sigmoid(x).ln() + (1.0 - t) * (1.0 - sigmoid(x)).ln();
    -x.iter().zip(t).map(term).sum::<f64>()
}

/// dx = (p − t)·scale, since dp/dx = p·(1 − p).
pub fn bce_with_logits_backward(x: &[f64], t: &[f64], scale: f64) -> Vec<f64> {
    let p = |x: f64| sigmoid(x);
    // The chain rule, term by term: −(t/p − (1 − t)/(1 − p))·p·(1 − p).
    let slope = |(&x, &t): (&f64, &f64)| -(t / p(x) - (1.0 - t) / (1.0 - p(x))) * p(x) * (1.0 - p(x)) * scale;
    x.iter().zip(t).map(slope).collect()
}

/// Σ (x − t)².
pub fn mse(x: &[f64], t: &[f64]) -> f64 {
    x.iter().zip(t).map(|(x, t)| (x - t).powi(2)).sum()
}

/// dx = 2·(x − t)·scale.
pub fn mse_backward(x: &[f64], t: &[f64], scale: f64) -> Vec<f64> {
    x.iter().zip(t).map(|(x, t)| 2.0 * (x - t) * scale).collect()
}

/// The divergence of N(μ, σ²) from N(0, 1), from μ and logσ²: Σ ½·(μ² + σ² − 1) − ln σ (Kingma and Welling 2014, appendix B).
pub fn gaussian_kl(mu: &[f64], logvar: &[f64]) -> f64 {
    let sigma = |logvar: f64| (0.5 * logvar).exp();
    mu.iter().zip(logvar).map(|(mu, &l)| 0.5 * (mu * mu + sigma(l).powi(2) - 1.0) - sigma(l).ln()).sum()
}

/// dμ = μ·scale and dlogσ² = ½·(σ² − 1)·scale.
pub fn gaussian_kl_backward(mu: &[f64], logvar: &[f64], scale: f64) -> [Vec<f64>; 2] {
    [mu.iter().map(|mu| mu * scale).collect(), logvar.iter().map(|logvar| 0.5 * (logvar.exp() - 1.0) * scale).collect()]
}

/// pᵢ = e^xᵢ / Σⱼ e^xⱼ for each row of `x: (batch, classes)`.
pub fn softmax(x: &[f64], classes: usize) -> Vec<f64> {
    let row = |row: &[f64]| {
        let sum: f64 = row.iter().map(|x| x.exp()).sum();
        row.iter().map(move |x| x.exp() / sum).collect::<Vec<f64>>()
    };
    x.chunks_exact(classes).flat_map(row).collect()
}

/// −Σ ln p\[b, label_b\] with p the softmax of `x: (batch, classes)`; labels (batch).
pub fn softmax_cross_entropy(x: &[f64], labels: &[usize]) -> f64 {
    let classes = x.len() / labels.len();
    let p = softmax(x, classes);
    -labels.iter().enumerate().map(|(b, label)| p[b * classes + label].ln()).sum::<f64>()
}

/// dx = (p − onehot(label))·scale.
pub fn softmax_cross_entropy_backward(x: &[f64], labels: &[usize], scale: f64) -> Vec<f64> {
    let classes = x.len() / labels.len();
    let mut dx = softmax(x, classes);
    for (b, label) in labels.iter().enumerate() {
        dx[b * classes + label] -= 1.0;
    }
    dx.iter().map(|dx| dx * scale).collect()
}
