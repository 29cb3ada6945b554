//! Optimisers and schedules of the learning rate. The update loops, with their formulas, are in
//! `kernels::cpu::optimizer`.

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::optimizer::{self, AdamStep};
use inkgrad_kernels::cpu::{Team, reduce};

use crate::Params;

/// PyTorch's defaults; the device's kernel has them too.
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;

/// Which formula moves the parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Adam with PyTorch's defaults: β₁ 0.9, β₂ 0.999, eps 1e-8.
    Adam,
    /// Gradient descent with this momentum (0 for none).
    Sgd(f64),
}

/// An optimiser and its state.
#[derive(Debug, Clone)]
pub struct Optimizer<T> {
    rule: Rule,
    /// Gradients longer than this are shortened to it.
    clip_norm: Option<f64>,
    /// Steps taken.
    pub step: u64,
    /// Adam's mean gradient, or the velocity.
    pub first: Vec<T>,
    /// Adam's mean squared gradient; empty for descent.
    pub second: Vec<T>,
}

impl<T: Float> Optimizer<T> {
    /// An optimiser of `count` parameters that has taken no step.
    pub fn new(rule: Rule, clip_norm: Option<f64>, count: usize) -> Self {
        let second = if rule == Rule::Adam { count } else { 0 };
        Optimizer { rule, clip_norm, step: 0, first: vec![T::ZERO; count], second: vec![T::ZERO; second] }
    }

    /// The rule and the longest gradient.
    pub fn settings(&self) -> (Rule, Option<f64>) {
        (self.rule, self.clip_norm)
    }

    /// Moves the parameters against their gradients, once, at learning rate `lr`.
    pub fn update(&mut self, params: &mut Params<T>, team: &Team, lr: f64) {
        let scale =
            T::from_f64(self.clip_norm.map_or(1.0, |max| {
                optimizer::clip_scale(reduce::squared_norm(team, &params.grads).to_f64().sqrt(), max)
            }));
        self.step += 1;
        let Params { values, grads, .. } = params;
        match self.rule {
            Rule::Adam => {
                let step = AdamStep { lr, beta1: BETA1, beta2: BETA2, eps: 1e-8, weight_decay: 0.0, step: self.step };
                optimizer::adam(team, step, scale, values, grads, &mut self.first, &mut self.second);
            }
            Rule::Sgd(momentum) => {
                let (lr, momentum) = (T::from_f64(lr), T::from_f64(momentum));
                optimizer::sgd(team, lr, momentum, scale, values, grads, &mut self.first, self.step == 1);
            }
        }
    }
}

/// What a GPU's Adam is told of its `step`-th step: lr / (1 − β₁ᵗ) and √(1 − β₂ᵗ).
pub(crate) fn adam_factors(lr: f64, step: u64) -> (f32, f32) {
    let correction = |beta: f64| 1.0 - beta.powf(step.max(1) as f64);
    ((lr / correction(BETA1)) as f32, correction(BETA2).sqrt() as f32)
}

/// How the learning rate changes over a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Rises linearly for `warmup` steps, then not at all.
    WarmUp {
        /// Steps of the rise.
        warmup: u64,
    },
    /// Rises linearly for `warmup` steps, then falls as half a cosine to zero at `total`.
    Cosine {
        /// Steps of the rise.
        warmup: u64,
        /// Steps of the run.
        total: u64,
    },
}

impl Schedule {
    /// The learning rate of step `step` (from 0), given its peak.
    pub fn rate(&self, peak: f64, step: u64) -> f64 {
        match *self {
            Schedule::WarmUp { warmup } | Schedule::Cosine { warmup, .. } if step < warmup => {
                peak * (step + 1) as f64 / warmup as f64
            }
            Schedule::Constant | Schedule::WarmUp { .. } => peak,
            Schedule::Cosine { warmup, total } => {
                let done = (step - warmup) as f64 / total.saturating_sub(warmup).max(1) as f64;
                peak * 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosine_rises_peaks_and_ends_at_zero() {
        let schedule = Schedule::Cosine { warmup: 10, total: 110 };
        assert_eq!(schedule.rate(1.0, 0), 0.1);
        assert_eq!(schedule.rate(1.0, 9), 1.0);
        assert_eq!(schedule.rate(1.0, 10), 1.0);
        assert!((schedule.rate(1.0, 60) - 0.5).abs() < 1e-12);
        assert!(schedule.rate(1.0, 110) < 1e-12 && schedule.rate(1.0, 500) < 1e-12);
        assert_eq!(Schedule::Constant.rate(0.3, 7), 0.3);
        let rates = [0, 3, 4].map(|step| Schedule::WarmUp { warmup: 4 }.rate(1.0, step));
        assert_eq!(rates, [0.25, 1.0, 1.0]);
    }
}
