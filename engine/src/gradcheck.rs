//! Analytic against numeric gradients, in `f64`.
//!
//! Small problems are checked element by element with central differences. Large ones along random directions *v*: the
//! derivative of the loss along *v* has to be ⟨∇loss, *v*⟩, which costs two forwards whatever the size (HIPS autograd's
//! `check_grads` does the same).
//!
//! A case of an operation is checked in several [`Uses`], so that gradients are also added, and inputs constant. All memory that
//! the operation is to write holds NaN at first.
//!
//! A check never panics on account of what it checks: an operation that panics, that leaves a gradient unwritten or computes
//! one that is not finite, a case that does not fit, and a point without a derivative are failures, and the [`Outcome`] says
//! which operation, input and element it was.
//!
//! ```
//! use inkgrad_engine::gradcheck::{Problem, check_op};
//! use inkgrad_engine::ops::OPS;
//! use inkgrad_engine::prelude::*;
//!
//! // Every operation of the table, on random cases.
//! let team = Team::solo();
//! assert!(check_op(&OPS[0], &team, 2).passes());
//!
//! // A loss of your own, at a point of your own: Σ tanh(w)².
//! let (mut tape, mut params) = (Tape::new(), Params::new());
//! let w = params.declare("w", [5], Init::Normal);
//! let at_w = tape.param(&w);
//! let y = tape.tanh(at_w)?;
//! let square = tape.mul(y, y)?;
//! let loss = tape.sum(square)?;
//! params.initialise(1);
//! let plan = tape.compile(Compile { loss: Some(loss), ..Compile::default() });
//! let outcome = Problem { label: "tanh²".to_owned(), plan, loss, params, team: &team }.check(1);
//! assert!(outcome.passes() && outcome.unreached.is_empty(), "{outcome}");
//! # Ok::<(), Error>(())
//! ```

use std::fmt;
use std::ops::Range;

use inkgrad_kernels::cpu::{Team, rng};

use self::guard::{guard, told};
use crate::{Clock, Param, Params, Plan, Tensor};

mod cases;
mod guard;
pub mod on_device;
#[cfg(test)]
mod tests;

pub use cases::{Uses, check_case, check_op, check_uses};

/// The largest relative error that passes.
pub const TOLERANCE: f64 = 1e-6;

/// Problems of at most this many numbers are checked element by element.
const FULL: usize = 400;

/// An estimate of a derivative from the loss a step before and a step behind, or from two steps on each side.
#[derive(Debug, Clone, Copy)]
enum Estimate {
    /// (L(h) − L(−h)) / 2h, off by h²·L‴/6.
    Central(f64),
    /// (8 (L(h) − L(−h)) − (L(2h) − L(−2h))) / 12h, off by h⁴·L⁗′/30: for larger steps, of which rounding is a smaller part.
    FivePoint(f64),
}

/// The first is the most exact as a rule: its step lies near the cube root of the rounding error. Where the two gradients
/// differ, the others are tried. The sum that a gradient is may nearly cancel, or the gradient be small beside the loss, and
/// rounding with a small step exceed it: larger steps. Between x − h and x + h some ReLU may have switched on: smaller ones. A
/// wrong gradient differs from each.
const ESTIMATES: [Estimate; 6] = [
    Estimate::Central(1e-5),
    Estimate::FivePoint(1e-4),
    Estimate::FivePoint(1e-3),
    Estimate::Central(1e-6),
    Estimate::Central(1e-7),
    Estimate::FivePoint(LONGEST),
];

/// The longest step, whose estimate is blurred least by the loss's own rounding: of up to so many of its last digits, which is all
/// that differences can say of a gradient.
const LONGEST: f64 = 1e-2;
const ROUNDING: f64 = 16.0 * f64::EPSILON;
/// The part of a gradient that this may be.
const SLIGHT: f64 = 1e-2;

impl Estimate {
    fn step(self) -> f64 {
        match self {
            Estimate::Central(h) | Estimate::FivePoint(h) => h,
        }
    }

    /// The derivative at 0 of `loss`.
    fn of(self, mut loss: impl FnMut(f64) -> f64) -> f64 {
        match self {
            Estimate::Central(h) => (loss(h) - loss(-h)) / (2.0 * h),
            Estimate::FivePoint(h) => (8.0 * (loss(h) - loss(-h)) - (loss(2.0 * h) - loss(-2.0 * h))) / (12.0 * h),
        }
    }
}

/// The outcome of a check.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The case or model.
    pub label: String,
    /// How many derivatives were compared.
    pub compared: usize,
    /// The largest relative error; NaN where there is no derivative to compare, by a fault of the operation or the case.
    pub error: f64,
    /// Where it was found and, of one that is too large, what was found.
    pub place: String,
    /// The parameters that no gradient reaches at this point, frozen ones apart: nothing leads from them to the loss, or all that
    /// does is zero here. Nothing but zeros was compared of them, so that they pass whatever their gradient is elsewhere.
    pub unreached: Vec<String>,
}

impl fmt::Display for Outcome {
    /// One line: `LABEL: error 3.2e-9 at PLACE`, or what is wrong instead.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { label, error, place, compared, .. } = self;
        match error.is_nan() {
            true => write!(f, "{label}: {place}"),
            false if *error == 0.0 => write!(f, "{label}: {compared} derivatives without an error"),
            false => write!(f, "{label}: error {error:.1e} at {place}"),
        }
    }
}

impl Outcome {
    /// An outcome that fails.
    fn failed(label: impl Into<String>, place: impl Into<String>) -> Outcome {
        Outcome { label: label.into(), compared: 0, error: f64::NAN, place: place.into(), unreached: Vec::new() }
    }

    /// Whether the error is within [`TOLERANCE`]; NaN is not.
    pub fn passes(&self) -> bool {
        self.error <= TOLERANCE
    }
}

/// A loss as a function of its parameters.
pub struct Problem<'a> {
    /// Its name in messages.
    pub label: String,
    /// The compiled graph, its inputs filled in.
    pub plan: Plan<f64>,
    /// The scalar that is differentiated.
    pub loss: Tensor,
    /// The parameters, at the point of the check.
    pub params: Params<f64>,
    /// The threads.
    pub team: &'a Team,
}

/// A derivative, and what differences say.
#[derive(Debug, Clone, Copy)]
struct Compared {
    /// Relative to the larger of the two and the gradient's size.
    error: f64,
    analytic: f64,
    /// The estimate that comes nearest.
    numeric: f64,
}

impl Problem<'_> {
    fn loss(&mut self) -> f64 {
        self.plan.forward(&self.params, self.team, Clock::default());
        self.plan.value(self.loss)[0]
    }

    /// Hands `f` the function h ↦ loss(θ + h·v), for a `v` that is zero outside `range`.
    fn along<R>(&mut self, range: Range<usize>, v: &[f64], f: impl FnOnce(&mut dyn FnMut(f64) -> f64) -> R) -> R {
        let start: Vec<f64> = self.params.values[range.clone()].to_vec();
        let result = f(&mut |h| {
            let values = &mut self.params.values[range.clone()];
            values.iter_mut().zip(&start).zip(v).for_each(|((value, start), v)| *value = start + h * v);
            self.loss()
        });
        self.params.values[range].copy_from_slice(&start);
        result
    }

    /// `analytic` against the derivative of loss(θ + h·v) at h = 0, the error relative to the larger of the two and `scale`.
    fn compare(&mut self, range: Range<usize>, v: &[f64], analytic: f64, scale: f64) -> Compared {
        self.along(range, v, |loss| {
            let mut nearest = Compared { error: f64::INFINITY, analytic, numeric: f64::NAN };
            for estimate in ESTIMATES {
                let numeric = estimate.of(&mut *loss);
                let scale = scale.max(analytic.abs()).max(numeric.abs());
                let mut difference = (analytic - numeric).abs();
                let last = estimate.step() == LONGEST;
                if last {
                    let rounding = ROUNDING * loss(0.0).abs() / LONGEST;
                    // Of a gradient that drowns in it, nothing is said. A difference that is NaN stays so.
                    if rounding <= SLIGHT * scale {
                        difference = if difference <= rounding { 0.0 } else { difference - rounding };
                    }
                }
                let error = relative(difference, scale);
                // So long a step may end where the function is not defined, which says nothing about its derivative.
                if exceeds(nearest.error, error) || (error.is_nan() && !last) {
                    nearest = Compared { error, numeric, ..nearest };
                }
                if nearest.error <= TOLERANCE || nearest.error.is_nan() {
                    break;
                }
            }
            nearest
        })
    }

    /// The two derivatives where they disagree, and a remark where there is none: where the slopes before and behind the
    /// point differ, or the loss is not defined around it.
    fn explain(&mut self, range: Range<usize>, v: &[f64], Compared { analytic, numeric, .. }: Compared) -> String {
        /// So small that a smooth function's slopes agree, so large that rounding does not part them.
        const STEP: f64 = 1e-6;
        const APART: f64 = 1e-3;
        self.along(range, v, |loss| {
            let [before, at, behind] = [-STEP, 0.0, STEP].map(loss);
            let (left, right) = ((at - before) / STEP, (behind - at) / STEP);
            if !(before.is_finite() && behind.is_finite()) {
                return format!(
                    "the gradient is {analytic:.6e}, but a step of {STEP:e} away the loss is {}: the case lies at the border \
                     of where the function is defined; draw its values farther inside",
                    if before.is_finite() { behind } else { before }
                );
            }
            let found = format!("the gradient is {analytic:.6e}, by differences {numeric:.6e}");
            let rounding = 8.0 * f64::EPSILON * at.abs() / STEP;
            if (left - right).abs() > APART * left.abs().max(right.abs()) + rounding {
                return format!(
                    "{found}; the slopes on the two sides are {left:.4e} and {right:.4e}, so there is no derivative here: \
                     draw values away from this point, or look for a jump in the forward"
                );
            }
            found
        })
    }

    /// Checks every parameter.
    ///
    /// Errors are relative to the size of a parameter's gradient: its largest element where every element is checked, the
    /// typical derivative ‖∇‖·‖v‖/√n along a direction v. A value or a gradient that is NaN or infinite fails at once, and
    /// is named.
    pub fn check(self, seed: u64) -> Outcome {
        let full = self.params.count() <= FULL;
        self.check_by(full, seed)
    }

    /// [`Problem::check`] along random directions, whatever the size.
    pub fn check_directions(self, seed: u64) -> Outcome {
        self.check_by(false, seed)
    }

    fn check_by(self, full: bool, seed: u64) -> Outcome {
        let label = self.label.clone();
        told(|| self.compare_all(full, seed)).unwrap_or_else(|place| Outcome::failed(label, place))
    }

    fn compare_all(mut self, full: bool, seed: u64) -> Outcome {
        let list: Vec<Param> = self.params.iter().cloned().collect();
        guard(&mut self.plan.tape);
        if let Err(place) = self.differentiate(&list) {
            return Outcome::failed(self.label, place);
        }
        let analytic = self.params.grads.clone();
        let mut outcome = Outcome { error: 0.0, ..Outcome::failed(self.label.clone(), "") };
        for (i, param) in list.iter().enumerate() {
            let gradient = &analytic[param.range()];
            if !self.params.is_frozen(param) && gradient.iter().all(|&g| g == 0.0) {
                outcome.unreached.push(param.name.clone());
            }
            if full {
                self.by_element(param, gradient, &mut outcome);
            } else {
                self.by_direction(param, gradient, seed, i as u64, &mut outcome);
            }
        }
        outcome
    }

    /// Runs forward and backward in memory that holds NaN.
    ///
    /// # Errors
    /// Names the first value or gradient that is not finite.
    fn differentiate(&mut self, list: &[Param]) -> std::result::Result<(), String> {
        self.params.grads_mut().fill(f64::NAN);
        self.params.discard_gradients();
        self.plan.set_poison(true);
        self.plan.forward_checked(&self.params, self.team, Clock::default()).map_err(|error| error.to_string())?;
        self.plan.backward(&mut self.params, self.team);
        self.plan.set_poison(false);
        for param in list {
            if !self.params.is_live(param) {
                // It does not lead to the loss.
                self.params.grads[param.range()].fill(0.0);
            }
            if let Some(i) = self.params.grad(param).iter().position(|g| !g.is_finite()) {
                let found = self.params.grad(param)[i];
                return Err(match found.is_nan() {
                    true => format!("{}: element {i} of its gradient was not written, or is NaN", param.name),
                    false => format!("{}: element {i} of its gradient is {found}", param.name),
                });
            }
        }
        Ok(())
    }

    fn by_element(&mut self, param: &Param, gradient: &[f64], outcome: &mut Outcome) {
        let largest = gradient.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        for (i, &analytic) in gradient.iter().enumerate() {
            let at = param.range().start + i;
            let compared = self.compare(at..at + 1, &[1.0], analytic, largest);
            self.keep(outcome, compared, (at..at + 1, &[1.0]), || format!("{}, element {i}", param.name));
        }
    }

    fn by_direction(&mut self, param: &Param, gradient: &[f64], seed: u64, stream: u64, outcome: &mut Outcome) {
        const DIRECTIONS: u64 = 2;
        let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
        for direction in 0..DIRECTIONS {
            let mut v = vec![0.0; gradient.len()];
            rng::fill_normal(self.team, seed, stream * DIRECTIONS + direction, 0, &mut v);
            let analytic: f64 = gradient.iter().zip(&v).map(|(g, v)| g * v).sum();
            let typical = norm(gradient) * norm(&v) / (v.len() as f64).sqrt();
            let compared = self.compare(param.range(), &v, analytic, typical);
            self.keep(outcome, compared, (param.range(), &v), || format!("{} along a random direction", param.name));
        }
    }

    /// Counts a comparison, and keeps it if no worse one has been.
    fn keep(
        &mut self,
        outcome: &mut Outcome,
        compared: Compared,
        (range, v): (Range<usize>, &[f64]),
        place: impl FnOnce() -> String,
    ) {
        outcome.compared += 1;
        if outcome.error.is_nan() || !exceeds(compared.error, outcome.error) {
            return;
        }
        (outcome.error, outcome.place) = (compared.error, place());
        if !outcome.passes() {
            let explained = self.explain(range, v, compared);
            outcome.place += &format!(": {explained}");
        }
    }
}

/// Whether `a` is a larger error than `b`, NaN being the largest.
fn exceeds(a: f64, b: f64) -> bool {
    a.is_nan() || a > b
}

fn relative(difference: f64, scale: f64) -> f64 {
    // Gradients that are zero on both sides up to rounding agree.
    if difference <= 1e-12 && scale <= 1e-12 { 0.0 } else { difference / scale }
}
