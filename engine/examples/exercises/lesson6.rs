//! The divergence of two Gaussians, and its gradient.

use super::{Exercise, Verdict, close, differentiate};

pub const EXERCISE: Exercise = Exercise {
    lesson: 6,
    file: "lesson6.rs",
    asks: "KL of two Gaussians, and its gradient",
    starter: || property(yours),
    solution: || property(engine),
};

/// Of (μ₁, logσ₁², μ₂, logσ₂²): KL(N(μ₁, σ₁²) ‖ N(μ₂, σ₂²)) and its four derivatives.
type Divergence = fn([f64; 4]) -> (f64, [f64; 4]);

/// Yours: as it stands, the second Gaussian is taken for N(0, 1), as in a VAE.
fn yours([mu, logvar, _, _]: [f64; 4]) -> (f64, [f64; 4]) {
    let kl = 0.5 * (mu * mu + logvar.exp() - 1.0 - logvar);
    (kl, [mu, 0.5 * (logvar.exp() - 1.0), 0.0, 0.0])
}

/// The engine's `gaussian_kl`, to N(0, 1): shifting and scaling both Gaussians until the second is N(0, 1) leaves their
/// divergence as it is.
fn engine(x: [f64; 4]) -> (f64, [f64; 4]) {
    let (kl, d) = differentiate(&x, |tape, x| {
        let minus_mu = tape.scale(x[2], -1.0)?;
        let shifted = tape.add(x[0], minus_mu)?;
        let minus_half = tape.scale(x[3], -0.5)?;
        let inverse_sigma = tape.exp(minus_half)?;
        let mu = tape.mul(shifted, inverse_sigma)?;
        let minus_logvar = tape.scale(x[3], -1.0)?;
        let logvar = tape.add(x[1], minus_logvar)?;
        tape.gaussian_kl(mu, logvar)
    });
    (kl, [d[0], d[1], d[2], d[3]])
}

/// ∫ p·(ln p − ln q), by Simpson's rule over twelve standard deviations on each side.
fn integral([mu1, logvar1, mu2, logvar2]: [f64; 4]) -> f64 {
    const PIECES: usize = 2000;
    let log_density = |x: f64, mu: f64, logvar: f64| {
        -0.5 * ((x - mu).powi(2) * (-logvar).exp() + logvar + std::f64::consts::TAU.ln())
    };
    let sigma = (0.5 * logvar1).exp();
    let (start, width) = (mu1 - 12.0 * sigma, 24.0 * sigma / PIECES as f64);
    let term = |i: usize| {
        let x = start + i as f64 * width;
        let (log_p, log_q) = (log_density(x, mu1, logvar1), log_density(x, mu2, logvar2));
        let weight = if i == 0 || i == PIECES { 1.0 } else { [2.0, 4.0][i % 2] };
        weight * log_p.exp() * (log_p - log_q)
    };
    (0..=PIECES).map(term).sum::<f64>() * width / 3.0
}

/// The value is the integral, and the derivatives its differences.
fn property(divergence: Divergence) -> Verdict {
    let h = 1e-4;
    let cases = [[0.0, 0.0, 0.0, 0.0], [1.0, -0.5, 0.0, 0.0], [0.4, 0.3, -0.9, 0.3], [-0.7, -1.0, 0.5, 0.8]];
    for x in cases {
        let [mu1, logvar1, mu2, logvar2] = x;
        let place = format!("μ₁ = {mu1}, logσ₁² = {logvar1}, μ₂ = {mu2}, logσ₂² = {logvar2}");
        let (found, gradient) = divergence(x);
        let expected = integral(x);
        if !close(found, expected, 1e-9) {
            return Err(format!(
                "at {place}: KL is {found:.6}, the integral {expected:.6}. Of ln p − ln q under p: E(x − μ₂)² = σ₁² + (μ₁ − μ₂)²"
            ));
        }
        for (i, name) in ["μ₁", "logσ₁²", "μ₂", "logσ₂²"].into_iter().enumerate() {
            let shifted = |h: f64| {
                let mut x = x;
                x[i] += h;
                integral(x)
            };
            let expected = (shifted(h) - shifted(-h)) / (2.0 * h);
            if !close(gradient[i], expected, 1e-6) {
                let found = gradient[i];
                return Err(format!(
                    "at {place}: the derivative by {name} is {found:.6}, differences say {expected:.6}. Of the means, KL \
                     depends on (μ₁ − μ₂)²/σ₂² alone, and σ₂ stands in two terms"
                ));
            }
        }
    }
    Ok(format!("values and gradients of {} pairs are the integral's", cases.len()))
}
