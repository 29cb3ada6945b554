//! How much of its latent a variational autoencoder uses.

use serde::{Deserialize, Serialize};

use super::Table;
use crate::Result;

/// A dimension is active above this variance.
pub const ACTIVE: f64 = 0.01;

/// The information that each dimension of a latent carries, averaged over drawings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Dimensions with a variance above [`ACTIVE`].
    pub active: usize,
    /// `Var_x(E_q[z])`, divisor N, of each dimension.
    pub variance: Vec<f64>,
    /// KL(q(z|x) ‖ N(0, 1)) of each dimension, in nats.
    pub kl: Vec<f64>,
}

/// Active units (Burda, Grosse and Salakhutdinov, "Importance weighted autoencoders", 2016, section 5.2) and
/// ½·(μ² + σ² − 1 − ln σ²) a dimension, of an encoder's `mu` and `logvar`: `(N, latent)`.
///
/// # Errors
/// If the two differ in shape.
pub fn usage(mu: Table, logvar: Table) -> Result<Usage> {
    mu.check_width(&logvar)?;
    logvar.check_pairs(&mu)?;
    let n = mu.rows() as f64;
    let mean = |of: &dyn Fn(f64, f64) -> f64, j: usize| {
        (0..mu.rows()).map(|i| of(mu.row(i)[j].into(), logvar.row(i)[j].into())).sum::<f64>() / n
    };
    let variance: Vec<f64> = (0..mu.width())
        .map(|j| {
            let centre = mean(&|mu, _| mu, j);
            mean(&|mu, _| (mu - centre) * (mu - centre), j)
        })
        .collect();
    let divergence = |mu: f64, logvar: f64| 0.5 * (mu * mu + logvar.exp() - 1.0 - logvar);
    let kl = (0..mu.width()).map(|j| mean(&divergence, j)).collect();
    Ok(Usage { active: variance.iter().filter(|&&v| v > ACTIVE).count(), variance, kl })
}
