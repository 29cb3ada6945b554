//! Analytic against numeric gradients, in `f64`.
//!
//! Small problems are checked element by element with central differences. Large ones along random directions *v*: the
//! derivative of the loss along *v* has to be ⟨∇loss, *v*⟩, which costs two forwards whatever the size (HIPS autograd's
//! `check_grads` does the same).

use inkgrad_kernels::cpu::{Team, rng};

use crate::ops::{Case, Draw, Spec};
use crate::{Clock, Compile, Init, Param, Params, Plan, Result, Tape, Tensor};

/// The largest relative error that passes.
pub const TOLERANCE: f64 = 1e-6;

/// Problems of at most this many numbers are checked element by element.
const FULL: usize = 400;

/// Steps of the central differences. The first, near the cube root of the rounding error, is the most exact. A smaller one is
/// tried where the two gradients differ: between x − h and x + h some ReLU may have switched on, and the smaller the
/// step, the fewer do. A wrong gradient differs at every step.
const STEPS: [f64; 3] = [1e-5, 1e-6, 1e-7];

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

    /// The error of `analytic` against (loss(θ + h·v) − loss(θ − h·v)) / 2h, for a `v` that is zero outside `range`,
    /// relative to the larger of the two and `scale`.
    fn error(&mut self, range: std::ops::Range<usize>, v: &[f64], analytic: f64, scale: f64) -> f64 {
        let start: Vec<f64> = self.params.values[range.clone()].to_vec();
        let mut least = f64::INFINITY;
        for step in STEPS {
            let mut at = |h: f64| {
                let values = &mut self.params.values[range.clone()];
                values.iter_mut().zip(&start).zip(v).for_each(|((value, start), v)| *value = start + h * v);
                self.loss()
            };
            let numeric = (at(step) - at(-step)) / (2.0 * step);
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
    /// typical derivative ‖∇‖·‖v‖/√n along a direction v.
    pub fn check(mut self, seed: u64) -> Outcome {
        self.plan.forward(&self.params, self.team, Clock::default());
        self.plan.backward(&mut self.params, self.team);
        let analytic = self.params.grads.clone();
        let full = analytic.len() <= FULL;
        let mut outcome = Outcome { label: self.label.clone(), compared: 0, error: 0.0, place: String::new() };
        let list: Vec<Param> = self.params.iter().cloned().collect();
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

/// Checks one case of an operation: the gradients of Σ u·y for random u, with every differentiable input a parameter.
///
/// # Errors
/// If the case does not fit its operation.
pub fn check_case(case: &Case, team: &Team, seed: u64) -> Result<Outcome> {
    let mut tape = Tape::<f64>::new();
    let mut params = Params::new();
    let mut inputs = Vec::new();
    let mut filled = Vec::new();
    for (i, input) in case.inputs.iter().enumerate() {
        if input.differentiable {
            let param = params.declare(format!("input {i}"), input.shape, Init::Normal);
            params.value_mut(&param).copy_from_slice(&input.values);
            inputs.push(tape.param(&param));
        } else {
            let tensor = tape.input("constant", input.shape);
            filled.push((tensor, input.values.clone()));
            inputs.push(tensor);
        }
    }
    let y = (case.f64)(&mut tape, &inputs)?;
    let shape = tape.shape(y);
    let u = tape.input("u", shape);
    let mut weights = vec![0.0; shape.len()];
    rng::fill_normal(team, seed, u64::MAX, 0, &mut weights);
    filled.push((u, weights));
    let weighted = tape.mul(y, u)?;
    let loss = tape.sum(weighted)?;
    let mut plan = tape.compile(Compile { loss: Some(loss), ..Compile::default() });
    for (tensor, values) in filled {
        plan.input(tensor).copy_from_slice(&values);
    }
    Ok(Problem { label: case.label.clone(), plan, loss, params, team }.check(seed))
}

/// Checks an operation on `small` random small cases and one large one; returns the worst outcome.
///
/// # Errors
/// If a drawn case does not fit its operation.
pub fn check_op(spec: &Spec, team: &Team, small: u64) -> Result<Outcome> {
    let mut worst: Option<Outcome> = None;
    let mut compared = 0;
    for seed in 0..=small {
        let mut draw = if seed < small { Draw::small(seed) } else { Draw::large(seed) };
        let outcome = check_case(&(spec.draw)(&mut draw), team, seed)?;
        compared += outcome.compared;
        if worst.as_ref().is_none_or(|worst| exceeds(outcome.error, worst.error)) {
            worst = Some(outcome);
        }
    }
    Ok(Outcome { compared, ..worst.expect("at least one case") })
}
