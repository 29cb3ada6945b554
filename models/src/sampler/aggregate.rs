//! The latents of training drawings as a density.

use super::em;

/// Of a variational network the aggregate posterior 1/N·Σᵢ N(μᵢ, σᵢ²), which its decoder was trained on. A plain autoencoder's
/// latents have no spread of their own: kernels around them make a density of them,
///
/// ```text
/// z = m + √(1 − h²)·(zᵢ − m) + h·L·ε,  L·Lᵀ = Cov(z),  h = N^(−1/(d + 4))
/// ```
///
/// with Scott's width h (1992), and shrunk towards the mean m so that mean and covariance are those of the latents (the smoothed
/// bootstrap of Silverman 1986, section 6.4).
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    /// Dimensions.
    pub(super) width: usize,
    /// `(N, width)`: the means μᵢ; or the latents, already shrunk.
    pub(super) centres: Vec<f32>,
    /// `(N, width)`: the standard deviations σᵢ; empty without.
    pub(super) spread: Vec<f32>,
    /// `(width, width)`: h·L; empty with `spread`.
    pub(super) factor: Vec<f32>,
}

impl Aggregate {
    /// The density of latents `(N, width)`, N at least 1, of which a variational network has standard deviations.
    pub(super) fn new(width: usize, mut centres: Vec<f32>, spread: Option<Vec<f32>>) -> Self {
        if let Some(spread) = spread {
            return Aggregate { width, centres, spread, factor: Vec::new() };
        }
        let n = (centres.len() / width) as f64;
        let h = n.powf(-1.0 / (width as f64 + 4.0));
        let mut mean = vec![0.0; width];
        for z in centres.chunks_exact(width) {
            mean.iter_mut().zip(z).for_each(|(mean, &z)| *mean += f64::from(z) / n);
        }
        let mut factor = vec![0.0; width * width];
        for z in centres.chunks_exact_mut(width) {
            let apart: Vec<f64> = z.iter().zip(&mean).map(|(&z, mean)| f64::from(z) - mean).collect();
            for j in 0..width {
                let row = factor[j * width..][..=j].iter_mut();
                row.zip(&apart).for_each(|(sum, other)| *sum += apart[j] * other / n);
            }
            let shrunk = apart.iter().zip(&mean).map(|(apart, mean)| (mean + (1.0 - h * h).sqrt() * apart) as f32);
            z.iter_mut().zip(shrunk).for_each(|(z, shrunk)| *z = shrunk);
        }
        em::factor(&mut factor, width);
        let factor: Vec<f32> = factor.iter().map(|&l| (h * l) as f32).collect();
        Aggregate { width, centres, spread: Vec::new(), factor }
    }

    /// Turns the noise `z` ~ N(0, I) into a draw around the latent at the share `choice`, uniform on [0, 1).
    pub(super) fn place(&self, choice: f64, z: &mut [f32]) {
        let d = self.width;
        let n = self.centres.len() / d;
        let i = ((choice * n as f64) as usize).min(n - 1);
        let centre = &self.centres[i * d..][..d];
        if !self.spread.is_empty() {
            let spread = &self.spread[i * d..][..d];
            z.iter_mut().zip(centre.iter().zip(spread)).for_each(|(z, (mu, sigma))| *z = mu + sigma * *z);
            return;
        }
        // From the last row up: a row needs the noise of those before it.
        for j in (0..d).rev() {
            let row = self.factor[j * d..][..=j].iter().zip(&z[..=j]);
            let sum: f64 = row.map(|(&l, &e)| f64::from(l) * f64::from(e)).sum();
            z[j] = (f64::from(centre[j]) + sum) as f32;
        }
    }
}
