//! Analytic against numeric gradients, in `f64`.
//!
//! Small problems are checked element by element with central differences. Large ones along random directions *v*: the
//! derivative of the loss along *v* has to be ⟨∇loss, *v*⟩, which costs two forwards whatever the size (HIPS autograd's
//! `check_grads` does the same).
//!
//! A case of an operation is checked in several [`Uses`], so that gradients are also added, and inputs constant. All memory that
//! the operation is to write holds NaN at first.

use inkgrad_kernels::cpu::{Team, rng};

use crate::{Clock, Param, Params, Plan, Tensor};

mod cases;

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
/// differ, the others are tried. The sum that a gradient is may nearly cancel, and its terms' rounding with a small step exceed
/// it: larger steps. Between x − h and x + h some ReLU may have switched on: smaller ones. A wrong gradient differs from each.
const ESTIMATES: [Estimate; 5] = [
    Estimate::Central(1e-5),
    Estimate::FivePoint(1e-4),
    Estimate::FivePoint(1e-3),
    Estimate::Central(1e-6),
    Estimate::Central(1e-7),
];

impl Estimate {
    /// The derivative at 0 of `loss`.
    fn of(self, mut loss: impl FnMut(f64) -> f64) -> f64 {
        match self {
            Estimate::Central(h) => (loss(h) - loss(-h)) / (2.0 * h),
            Estimate::FivePoint(h) => (8.0 * (loss(h) - loss(-h)) - (loss(2.0 * h) - loss(-2.0 * h))) / (12.0 * h),
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The case or model.
    pub label: String,
    /// How many derivatives were compared.
    pub compared: usize,
    /// The largest relative error.
    pub error: f64,
    /// Where it was found.
    pub place: String,
}

impl Outcome {
    /// Whether the error is within [`TOLERANCE`]; NaN is not.
    pub fn passes(&self) -> bool {
        self.error <= TOLERANCE
    }
}

/// A loss as a function of its parameters.
pub struct Problem<'a> {
    /// What messages call it.
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

impl Problem<'_> {
    fn loss(&mut self) -> f64 {
        self.plan.forward(&self.params, self.team, Clock::default());
        self.plan.value(self.loss)[0]
    }

    /// The error of `analytic` against the derivative of loss(θ + h·v) at h = 0, for a `v` that is zero outside `range`,
    /// relative to the larger of the two and `scale`.
    fn error(&mut self, range: std::ops::Range<usize>, v: &[f64], analytic: f64, scale: f64) -> f64 {
        let start: Vec<f64> = self.params.values[range.clone()].to_vec();
        let mut least = f64::INFINITY;
        for estimate in ESTIMATES {
            let numeric = estimate.of(|h| {
                let values = &mut self.params.values[range.clone()];
                values.iter_mut().zip(&start).zip(v).for_each(|((value, start), v)| *value = start + h * v);
                self.loss()
            });
            let error = relative((analytic - numeric).abs(), scale.max(analytic.abs()).max(numeric.abs()));
            least = if error.is_nan() { error } else { least.min(error) };
            if least <= TOLERANCE || least.is_nan() {
                break;
            }
        }
        self.params.values[range].copy_from_slice(&start);
        least
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

    fn check_by(mut self, full: bool, seed: u64) -> Outcome {
        let mut outcome = Outcome { label: self.label.clone(), compared: 0, error: 0.0, place: String::new() };
        let list: Vec<Param> = self.params.iter().cloned().collect();
        if let Err(place) = self.differentiate(&list) {
            return Outcome { error: f64::NAN, place, ..outcome };
        }
        let analytic = self.params.grads.clone();
        for (i, param) in list.iter().enumerate() {
            let gradient = &analytic[param.range()];
            let (error, compared) = if full {
                self.by_element(param, gradient)
            } else {
                self.by_direction(param, gradient, seed, i as u64)
            };
            outcome.compared += compared;
            if exceeds(error, outcome.error) {
                (outcome.error, outcome.place) = (error, param.name.clone());
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

    fn by_element(&mut self, param: &Param, gradient: &[f64]) -> (f64, usize) {
        let largest = gradient.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let errors = param.range().zip(gradient).map(|(i, &g)| self.error(i..i + 1, &[1.0], g, largest));
        (errors.fold(0.0, worse), gradient.len())
    }

    fn by_direction(&mut self, param: &Param, gradient: &[f64], seed: u64, stream: u64) -> (f64, usize) {
        const DIRECTIONS: u64 = 2;
        let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
        let mut error = 0.0;
        for direction in 0..DIRECTIONS {
            let mut v = vec![0.0; gradient.len()];
            rng::fill_normal(self.team, seed, stream * DIRECTIONS + direction, 0, &mut v);
            let analytic: f64 = gradient.iter().zip(&v).map(|(g, v)| g * v).sum();
            let typical = norm(gradient) * norm(&v) / (v.len() as f64).sqrt();
            error = worse(error, self.error(param.range(), &v, analytic, typical));
        }
        (error, DIRECTIONS as usize)
    }
}

/// Whether `a` is a larger error than `b`, NaN being the largest.
fn exceeds(a: f64, b: f64) -> bool {
    a.is_nan() || a > b
}

/// The larger error, NaN being the largest.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

fn relative(difference: f64, scale: f64) -> f64 {
    // Gradients that are zero on both sides up to rounding agree.
    if difference <= 1e-12 && scale <= 1e-12 { 0.0 } else { difference / scale }
}
