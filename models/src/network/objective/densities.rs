//! Densities of diagonal Gaussians on the tape.

use std::f64::consts::TAU;

use inkgrad_engine::{Float, Result, Tape, Tensor};

use super::constant;

/// ln q(z_ij|k) = −½ ((z_ij − μ_kj)² e^{−logσ²_kj} + logσ²_kj + ln 2π) of each `z: (N, L)`, dimension by dimension, under each of
/// the K Gaussians with `mu` and `logvar`, `(K, L)`: `(N, L, K)`.
pub(super) fn of_each<T: Float>(tape: &mut Tape<T>, z: Tensor, mu: Tensor, logvar: Tensor) -> Result<Tensor> {
    let [n, latent] = *tape.shape(z).dims() else { unreachable!("(N, L)") };
    let components = tape.shape(mu).first();
    let z = tape.reshape(z, [n, latent, 1])?;
    let mut last = [mu, logvar];
    for x in &mut last {
        let transposed = tape.permute(*x, &[1, 0])?;
        *x = tape.reshape(transposed, [1, latent, components])?;
    }
    of(tape, z, last)
}

/// ln q(z_i) = Σⱼ ln N(z_ij; μ_ij, σ²_ij) of each row under its own Gaussian, all `(N, L)`: `(N)`.
pub(super) fn of_own<T: Float>(tape: &mut Tape<T>, z: Tensor, mu: Tensor, logvar: Tensor) -> Result<Tensor> {
    let densities = of(tape, z, [mu, logvar])?;
    tape.sum_axis(densities, 1)
}

/// ln N(z; μ, σ²), element by element; the shapes broadcast.
fn of<T: Float>(tape: &mut Tape<T>, z: Tensor, [mu, logvar]: [Tensor; 2]) -> Result<Tensor> {
    let negative = tape.neg(logvar)?;
    let precision = tape.exp(negative)?;
    let away = tape.sub(z, mu)?;
    let away = tape.mul(away, away)?;
    let away = tape.mul(away, precision)?;
    let twice = tape.add(away, logvar)?;
    let tau = constant(tape, twice, TAU.ln())?;
    let twice = tape.add(twice, tau)?;
    tape.scale(twice, -0.5)
}
