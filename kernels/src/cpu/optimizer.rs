//! Updates of parameters: one pass over flat buffers, split over threads in fixed pieces.

use super::team::Team;
use crate::{Float, multiversion};

/// Elements of a task.
pub const PIECE: usize = 16_384;

/// The numbers that one step of Adam needs beside its buffers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// The step size α.
    pub lr: f64,
    /// How much of the mean gradient is kept each step.
    pub beta1: f64,
    /// How much of the mean squared gradient is kept each step.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// This much of each parameter is added to its gradient (L2; not AdamW).
    pub weight_decay: f64,
    /// The number of this step, from 1.
    pub step: u64,
}

/// One step of Adam (Kingma and Ba 2015) by PyTorch's formula, with g = grad_scale · grad + weight_decay · param:
///
/// - m ← m + (1 − β₁)(g − m), v ← β₂·v + (1 − β₂)·g²
/// - param ← param − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps)
///
/// `grad_scale` is 1, or below it where the gradient is clipped (see [`clip_scale`]).
///
/// # Panics
/// If the buffers differ in length or the step is 0.
pub fn adam<T: Float>(
    team: &Team,
    step: AdamStep,
    grad_scale: T,
    params: &mut [T],
    grads: &[T],
    m: &mut [T],
    v: &mut [T],
) {
    assert!(step.step > 0, "adam: steps count from 1");
    assert!(
        params.len() == grads.len() && m.len() == grads.len() && v.len() == grads.len(),
        "adam: {} parameters, {} gradients, moments of {} and {}",
        params.len(),
        grads.len(),
        m.len(),
        v.len()
    );
    // In f64 until the end, as PyTorch's scalars are: 1 − β₂ᵗ loses digits at small t.
    let correction = |beta: f64| 1.0 - beta.powf(step.step as f64);
    let factors = [
        grad_scale.to_f64(),
        step.weight_decay,
        1.0 - step.beta1,
        step.beta2,
        1.0 - step.beta2,
        correction(step.beta2).sqrt(),
        step.eps,
        step.lr / correction(step.beta1),
    ]
    .map(T::from_f64);
    team.pieces([(params, PIECE), (m, PIECE), (v, PIECE)], |i, [params, m, v]| {
        adam_piece(factors, params, &grads[i * PIECE..][..params.len()], m, v);
    });
}

multiversion! {
    fn adam_piece<T: Float, A: Arithmetic>(factors: [T; 8], params: &mut [T], grads: &[T], m: &mut [T], v: &mut [T]) {
        let [scale, decay, new1, keep2, new2, correction, eps, rate] = factors;
        for (((p, &g), m), v) in params.iter_mut().zip(grads).zip(m).zip(v) {
            let g = g * scale + *p * decay;
            *m += (g - *m) * new1;
            *v = *v * keep2 + g * g * new2;
            *p -= rate * *m / ((*v).sqrt() / correction + eps);
        }
    }
}

/// params ← keep · params: the weight decay of AdamW (Loshchilov and Hutter 2019, algorithm 2), which is decoupled from the
/// gradient. Of a step at learning rate lr with decay λ, `keep` is 1 − lr·λ, and this comes before [`adam`], as in PyTorch.
pub fn decay<T: Float>(team: &Team, keep: T, params: &mut [T]) {
    team.pieces([(params, PIECE)], |_, [params]| params.iter_mut().for_each(|p| *p *= keep));
}

/// mean ← mean + (1 − decay)·(params − mean): an exponential moving average of the weights.
///
/// # Panics
/// If the buffers differ in length.
pub fn average<T: Float>(team: &Team, decay: f64, params: &[T], mean: &mut [T]) {
    assert!(params.len() == mean.len(), "average: {} parameters, a mean of {}", params.len(), mean.len());
    let new = T::from_f64(1.0 - decay);
    team.pieces([(mean, PIECE)], |i, [mean]| {
        mean.iter_mut().zip(&params[i * PIECE..]).for_each(|(mean, &p)| *mean += (p - *mean) * new);
    });
}

/// One step of gradient descent with momentum μ by PyTorch's formula, with g = grad_scale · grad:
/// v ← μ·v + g (on the first step v ← g), param ← param − lr·v. With μ = 0, v is g.
///
/// # Panics
/// If the buffers differ in length.
#[allow(clippy::too_many_arguments)]
pub fn sgd<T: Float>(
    team: &Team,
    lr: T,
    momentum: T,
    grad_scale: T,
    params: &mut [T],
    grads: &[T],
    velocity: &mut [T],
    first_step: bool,
) {
    assert!(
        params.len() == grads.len() && velocity.len() == grads.len(),
        "sgd: {} parameters, {} gradients, a velocity of {}",
        params.len(),
        grads.len(),
        velocity.len()
    );
    team.pieces([(params, PIECE), (velocity, PIECE)], |i, [params, velocity]| {
        let grads = &grads[i * PIECE..][..params.len()];
        sgd_piece([lr, momentum, grad_scale], params, grads, velocity, first_step);
    });
}

multiversion! {
    fn sgd_piece<T: Float, A: Arithmetic>(
        factors: [T; 3], params: &mut [T], grads: &[T], velocity: &mut [T], first_step: bool,
    ) {
        let [lr, momentum, scale] = factors;
        for ((p, &g), v) in params.iter_mut().zip(grads).zip(velocity) {
            let g = g * scale;
            *v = if first_step { g } else { momentum * *v + g };
            *p -= lr * *v;
        }
    }
}

/// The factor that brings a gradient of length `norm` to at most `max`: min(1, max / (norm + 1e-6)), as PyTorch's
/// `clip_grad_norm_`.
pub fn clip_scale(norm: f64, max: f64) -> f64 {
    (max / (norm + 1e-6)).min(1.0)
}
