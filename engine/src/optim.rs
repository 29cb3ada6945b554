//! Optimisers and schedules of the learning rate. The update loops, with their formulas, are in
//! `kernels::cpu::optimizer`.
//!
//! ```
//! use inkgrad_engine::prelude::*;
//!
//! // The minimum of Σ (w − t)², found by Adam.
//! let (mut tape, mut params) = (Tape::<f32>::new(), Params::new());
//! let w = params.declare("w", [3], Init::Normal);
//! let (at_w, t) = (tape.param(&w), tape.input("t", [3]));
//! let loss = tape.mse(at_w, t)?;
//! let mut plan = tape.compile(Compile { loss: Some(loss), ..Compile::default() });
//! plan.fill(t, &[1.0, 2.0, 3.0])?;
//!
//! let mut optimizer = Optimizer::adam(&params).with_clip_norm(1.0);
//! let (team, schedule) = (Team::solo(), Schedule::Cosine { warmup: 10, total: 400 });
//! for step in 0..400 {
//!     plan.forward(&params, &team, Clock { seed: 1, step });
//!     plan.backward(&mut params, &team);
//!     optimizer.update(&mut params, &team, schedule.rate(0.1, step));
//! }
//! assert!(params.value(&w).iter().zip([1.0, 2.0, 3.0]).all(|(w, t)| (w - t).abs() < 1e-3));
//! # Ok::<(), Error>(())
//! ```

mod accumulate;
mod average;
mod schedule;
mod tree;

use std::ops::Range;

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::optimizer::{self, AdamStep};
use inkgrad_kernels::cpu::{Team, reduce};

pub use self::accumulate::Accumulator;
pub use self::average::Average;
pub use self::schedule::Schedule;
pub use self::tree::{Block, Tree};
use crate::Params;

/// The numbers of Adam (Kingma and Ba 2015), and the weight decay of AdamW (Loshchilov and Hutter 2019).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adam {
    /// β₁: how much of the mean gradient is kept each step.
    pub beta1: f64,
    /// β₂: how much of the mean squared gradient is kept each step.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// λ: before each step, parameters are multiplied by 1 − lr·λ. Decoupled from the gradient, so that the moments do not see
    /// it; of all parameters that are moved, biases too.
    pub weight_decay: f64,
}

impl Adam {
    /// PyTorch's defaults, without weight decay: β₁ 0.9, β₂ 0.999, eps 1e-8. The device's kernel has them too.
    pub const DEFAULT: Adam = Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 };
}

impl Default for Adam {
    fn default() -> Self {
        Adam::DEFAULT
    }
}

/// Which formula moves the parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// Adam with PyTorch's defaults: β₁ 0.9, β₂ 0.999, eps 1e-8.
    Adam,
    /// Adam with numbers of one's own, among them a decoupled weight decay. On the processor alone.
    AdamW(Adam),
    /// Gradient descent with this momentum (0 for none).
    Sgd(f64),
}

impl Rule {
    /// Adam's numbers, if that is the rule.
    fn adam(self) -> Option<Adam> {
        match self {
            Rule::Adam => Some(Adam::DEFAULT),
            Rule::AdamW(adam) => Some(adam),
            Rule::Sgd(_) => None,
        }
    }
}

/// Panics unless gradients can be shortened to `max`.
#[track_caller]
fn expect_norm(max: f64) {
    assert!(max > 0.0, "a longest gradient of {max}, expected a number above 0");
}

/// An optimiser and its state.
///
/// It follows the gradients that are live (see [`Params`]): parameters that no backward has reached since the last update, or
/// that are frozen, keep their values and moments to the last byte, and their own count of steps.
#[derive(Debug, Clone)]
pub struct Optimizer<T> {
    rule: Rule,
    /// Gradients longer than this are shortened to it.
    clip_norm: Option<f64>,
    /// Updates made.
    pub step: u64,
    /// Of how many of them each parameter was left out, in the order of declaration; none are where it ends. Adam's
    /// correction of the bias counts a parameter's own steps.
    pub missed: Vec<u64>,
    /// The numbers that it was made for.
    count: usize,
    /// Those that it moves.
    share: Range<usize>,
    /// Adam's mean gradient, or the velocity, of its share.
    pub first: Vec<T>,
    /// Adam's mean squared gradient; empty for descent.
    pub second: Vec<T>,
}

impl<T: Float> Optimizer<T> {
    /// An optimiser of `count` numbers ([`Params::count`]) that has made no update.
    ///
    /// # Panics
    /// If a β or the momentum is not from 0 up to below 1, eps or the weight decay are negative or not finite, or `clip_norm` is not
    /// above 0.
    #[track_caller]
    pub fn new(rule: Rule, clip_norm: Option<f64>, count: usize) -> Self {
        Self::of_share(rule, clip_norm, count, 0..count)
    }

    /// One that moves the elements `share` of the flat buffers alone and has moments for them alone, where others move the rest
    /// (ZeRO-1, Rajbhandari et al. 2020). All count the same steps; to shorten a gradient, each needs the whole of it.
    ///
    /// # Panics
    /// As [`Optimizer::new`]; if the share is none of `count` elements.
    #[track_caller]
    pub fn of_share(rule: Rule, clip_norm: Option<f64>, count: usize, share: Range<usize>) -> Self {
        assert!(
            share.start <= share.end && share.end <= count,
            "{share:?} of {count} numbers, expected a share of them"
        );
        let own = share.len();
        if let Rule::Sgd(momentum) = rule {
            assert!((0.0..1.0).contains(&momentum), "momentum {momentum}, expected a number from 0 up to below 1");
        }
        clip_norm.iter().copied().for_each(expect_norm);
        if let Some(Adam { beta1, beta2, eps, weight_decay }) = rule.adam() {
            let share = 0.0..1.0;
            assert!(
                share.contains(&beta1) && share.contains(&beta2),
                "β₁ {beta1} and β₂ {beta2}, expected numbers from 0 up to below 1"
            );
            let size = 0.0..f64::INFINITY;
            assert!(
                size.contains(&eps) && size.contains(&weight_decay),
                "eps {eps} and weight decay {weight_decay}, expected finite numbers from 0 on"
            );
        }
        let second = if rule.adam().is_some() { own } else { 0 };
        let (first, second) = (vec![T::ZERO; own], vec![T::ZERO; second]);
        Optimizer { rule, clip_norm, step: 0, missed: Vec::new(), count, share, first, second }
    }

    /// Adam for these parameters.
    pub fn adam(params: &Params<T>) -> Self {
        Self::new(Rule::Adam, None, params.count())
    }

    /// Adam with these numbers for these parameters: AdamW, where they have a weight decay.
    ///
    /// # Panics
    /// As [`Optimizer::new`].
    ///
    /// ```
    /// use inkgrad_engine::optim::Adam;
    /// use inkgrad_engine::prelude::*;
    ///
    /// let params = Params::<f32>::new();
    /// let optimizer = Optimizer::adamw(&params, Adam { weight_decay: 0.01, ..Adam::default() });
    /// ```
    #[track_caller]
    pub fn adamw(params: &Params<T>, adam: Adam) -> Self {
        Self::new(Rule::AdamW(adam), None, params.count())
    }

    /// Gradient descent with this momentum (0 for none) for these parameters.
    ///
    /// # Panics
    /// If the momentum is not from 0 up to below 1.
    #[track_caller]
    pub fn sgd(params: &Params<T>, momentum: f64) -> Self {
        Self::new(Rule::Sgd(momentum), None, params.count())
    }

    /// The same, shortening gradients whose norm over all live parameters is larger than `max`.
    ///
    /// # Panics
    /// If `max` is not above 0.
    #[track_caller]
    pub fn with_clip_norm(self, max: f64) -> Self {
        expect_norm(max);
        Optimizer { clip_norm: Some(max), ..self }
    }

    /// The elements of the flat buffers that it moves.
    pub fn share(&self) -> Range<usize> {
        self.share.clone()
    }

    /// The rule and the longest gradient.
    pub fn settings(&self) -> (Rule, Option<f64>) {
        (self.rule, self.clip_norm)
    }

    /// Panics if it was made for another number of parameters.
    #[track_caller]
    pub(crate) fn expect(&self, params: &Params<T>) {
        params.expect_count("an optimiser", self.count);
    }

    /// Moves the parameters against their live gradients, once, at learning rate `lr`; none are live afterwards. Where all
    /// were, that is one pass over the flat buffers.
    ///
    /// # Panics
    /// If no gradient is live, or the optimiser was made for another number of parameters.
    #[track_caller]
    pub fn update(&mut self, params: &mut Params<T>, team: &Team, lr: f64) {
        self.expect(params);
        let count = params.count();
        self.step += 1;
        let Optimizer { rule, clip_norm, step, ref missed, ref share, ref mut first, ref mut second, .. } = *self;
        let (live, values, grads) = params.parts();
        let stretches = || live.stretches(|i| step - missed.get(i).unwrap_or(&0));
        assert!(
            count == 0 || stretches().next().is_some(),
            "no gradient is live: every update needs a `Plan::backward` before it that reaches a parameter not frozen"
        );
        let scale = T::from_f64(clip_norm.map_or(1.0, |max| {
            let squares = stretches().map(|(range, _)| reduce::squared_norm(team, &grads[range]).to_f64());
            optimizer::clip_scale(squares.sum::<f64>().sqrt(), max)
        }));
        for (range, step) in stretches() {
            let range = range.start.max(share.start)..range.end.min(share.end);
            if range.is_empty() {
                continue;
            }
            let (values, grads) = (&mut values[range.clone()], &grads[range.clone()]);
            let range = range.start - share.start..range.end - share.start;
            match rule {
                Rule::Adam | Rule::AdamW(_) => {
                    let Adam { beta1, beta2, eps, weight_decay } = rule.adam().expect("a rule of Adam's");
                    if weight_decay != 0.0 {
                        optimizer::decay(team, T::from_f64(1.0 - lr * weight_decay), values);
                    }
                    let step = AdamStep { lr, beta1, beta2, eps, weight_decay: 0.0, step };
                    let (first, second) = (&mut first[range.clone()], &mut second[range]);
                    optimizer::adam(team, step, scale, values, grads, first, second);
                }
                Rule::Sgd(momentum) => {
                    let (lr, momentum) = (T::from_f64(lr), T::from_f64(momentum));
                    optimizer::sgd(team, lr, momentum, scale, values, grads, &mut first[range], step == 1);
                }
            }
        }
        self.count_missed(params);
        params.discard_gradients();
    }

    /// Counts this update as missed for the parameters whose gradients are not live.
    fn count_missed(&mut self, params: &Params<T>) {
        for (i, _) in params.marks.iter().enumerate().filter(|(_, marks)| !marks.live) {
            self.missed.resize(self.missed.len().max(i + 1), 0);
            self.missed[i] += 1;
        }
    }
}

/// The factors that a GPU's Adam is told for its `step`-th step: lr / (1 − β₁ᵗ) and √(1 − β₂ᵗ).
pub(crate) fn adam_factors(lr: f64, step: u64) -> (f32, f32) {
    let correction = |beta: f64| 1.0 - beta.powf(step.max(1) as f64);
    let Adam { beta1, beta2, .. } = Adam::DEFAULT;
    ((lr / correction(beta1)) as f32, correction(beta2).sqrt() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "β₁ 0.9 and β₂ 1, expected numbers from 0 up to below 1")]
    fn betas_that_divide_by_zero_are_refused() {
        Optimizer::<f32>::new(Rule::AdamW(Adam { beta2: 1.0, ..Adam::default() }), None, 1);
    }

    #[test]
    fn shares_move_what_one_optimiser_moves() {
        let (count, team) = (1000, Team::solo());
        for rule in [Rule::Adam, Rule::AdamW(Adam { weight_decay: 0.1, ..Adam::DEFAULT }), Rule::Sgd(0.9)] {
            let mut params = Params::<f32>::new();
            let kept = [300, 450, 250].map(|n| params.declare(format!("p{n}"), [n], crate::Init::Normal));
            params.initialise(3);
            let mut apart = [0..0, 0..310, 310..317, 317..count]
                .map(|share| (Optimizer::of_share(rule, Some(0.5), count, share.clone()), params.clone(), share));
            let mut whole = Optimizer::new(rule, Some(0.5), count);
            for step in 0..4 {
                let backward = |params: &mut Params<f32>| {
                    let grads = params.grads_mut().iter_mut().enumerate();
                    grads.for_each(|(i, g)| *g = ((i * 31 + step * 7) % 97) as f32 / 97.0 - 0.5);
                    // The one in the middle is missed by every second step.
                    params.set_live(&[true, step % 2 == 0, true]);
                };
                backward(&mut params);
                whole.update(&mut params, &team, 0.01);
                for (own, values, _) in &mut apart {
                    backward(values);
                    own.update(values, &team, 0.01);
                }
                for i in 0..apart.len() {
                    let (_, values, share) = &apart[i];
                    let (share, moved) = (share.clone(), values.values[share.clone()].to_vec());
                    assert_eq!(moved, params.values[share.clone()]);
                    apart.iter_mut().for_each(|(_, values, _)| values.values[share.clone()].copy_from_slice(&moved));
                }
            }
            assert_eq!(apart.iter().map(|(own, ..)| own.first.len()).sum::<usize>(), count);
            assert!(apart.iter().all(|(own, ..)| own.missed == whole.missed) && !params.is_live(&kept[1]));
        }
    }
}
