//! The check of an operation: on random cases, each in several [`Uses`].

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use inkgrad_kernels::cpu::{Team, rng};

use super::{Outcome, Problem, exceeds};
use crate::ops::{Case, Draw, Spec};
use crate::{Compile, Init, Params, Result, Tape};

/// How a check uses the inputs of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uses {
    /// Differentiable inputs that nobody needs a gradient of, one bit each.
    pub constant: u8,
    /// Inputs that a later operation reads as well, one bit each: its backward runs first, and the case's adds.
    pub again: u8,
    /// Whether the case is recorded twice, on the same inputs: the second writes, the first adds.
    pub twice: bool,
}

impl Uses {
    /// The case alone.
    pub const ONCE: Uses = Uses { constant: 0, again: 0, twice: false };

    /// Those that every case is checked in: the case alone, each input read again, the case twice, and random inputs constant
    /// and read again.
    fn of(case: &Case, draw: &mut Draw) -> Vec<Uses> {
        let list: Vec<usize> = (0..case.inputs.len()).filter(|&i| case.inputs[i].differentiable).collect();
        let mut uses = vec![Uses::ONCE, Uses { again: u8::MAX, ..Uses::ONCE }, Uses { twice: true, ..Uses::ONCE }];
        if list.len() > 1 {
            // In random order: the first is constant, the second is not, a coin decides the others.
            let mut order = list.clone();
            for i in (1..order.len()).rev() {
                order.swap(i, draw.whole(0, i));
            }
            let mut bits = 1 << order[0];
            for &input in &order[2..] {
                bits |= u8::from(draw.coin()) << input;
            }
            uses.push(Uses { constant: bits, again: draw.whole(0, 255) as u8, twice: draw.coin() });
        }
        uses
    }
}

impl fmt::Display for Uses {
    /// `, input 1 constant, inputs 0, 2 read again, twice`; nothing for [`Uses::ONCE`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |bits: u8| (0..8).filter(|i| bits >> i & 1 == 1).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
        if self.constant != 0 {
            write!(f, ", constant: {}", list(self.constant))?;
        }
        match self.again {
            0 => {}
            u8::MAX => f.write_str(", read again: all")?,
            bits => write!(f, ", read again: {}", list(bits))?,
        }
        f.write_str(if self.twice { ", recorded twice" } else { "" })
    }
}

/// Checks one case of an operation in several [`Uses`], which `seed` draws; returns the worst outcome.
///
/// # Errors
/// If the case does not fit its operation.
pub fn check_case(case: &Case, team: &Team, seed: u64) -> Result<Outcome> {
    let mut worst: Option<Outcome> = None;
    let mut compared = 0;
    for uses in Uses::of(case, &mut Draw::small(seed)) {
        let outcome = check_uses(case, uses, team, seed)?;
        compared += outcome.compared;
        keep_worse(&mut worst, outcome);
    }
    Ok(Outcome { compared, ..worst.expect("at least one use") })
}

/// Checks one case of an operation: the gradients of Σ u·y for random u, with every differentiable input a parameter that
/// is not constant; Σ r·x is added for random r and every x that is read again.
///
/// # Errors
/// If the case does not fit its operation.
pub fn check_uses(case: &Case, uses: Uses, team: &Team, seed: u64) -> Result<Outcome> {
    let mut tape = Tape::<f64>::new();
    let mut params = Params::new();
    let mut inputs = Vec::new();
    let mut filled = Vec::new();
    for (i, input) in case.inputs.iter().enumerate() {
        if input.differentiable && uses.constant >> i & 1 == 0 {
            let param = params.declare(format!("input {i}"), input.shape, Init::Normal);
            params.value_mut(&param).copy_from_slice(&input.values);
            inputs.push(tape.param(&param));
        } else {
            let tensor = tape.input("constant", input.shape);
            filled.push((tensor, input.values.clone()));
            inputs.push(tensor);
        }
    }
    let mut terms = vec![(case.f64)(&mut tape, &inputs)?];
    if uses.twice {
        terms.push((case.f64)(&mut tape, &inputs)?);
    }
    let again = (0..inputs.len()).filter(|i| case.inputs[*i].differentiable && uses.again >> i & 1 == 1);
    terms.extend(again.map(|i| inputs[i]));
    let mut loss = None;
    for (i, &term) in terms.iter().enumerate() {
        let shape = tape.shape(term);
        let u = tape.input("u", shape);
        let mut weights = vec![0.0; shape.len()];
        rng::fill_normal(team, seed, u64::MAX - i as u64, 0, &mut weights);
        filled.push((u, weights));
        let weighted = tape.mul(term, u)?;
        let sum = tape.sum(weighted)?;
        loss = Some(match loss {
            None => sum,
            Some(loss) => tape.add(loss, sum)?,
        });
    }
    let loss = loss.expect("the case's own term");
    let mut plan = tape.compile(Compile { loss: Some(loss), ..Compile::default() });
    for (tensor, values) in filled {
        plan.input(tensor).copy_from_slice(&values);
    }
    let problem = Problem { label: format!("{}{uses}", case.label), plan, loss, params, team };
    Ok(if uses == Uses::ONCE { problem.check(seed) } else { problem.check_directions(seed) })
}

/// Checks an operation on `small` random small cases and one large one; returns the worst outcome. Its label says how the
/// case is drawn again. A case in which the operation panics, or that its own shape rule refuses, fails.
pub fn check_op(spec: &Spec, team: &Team, small: u64) -> Outcome {
    let mut worst: Option<Outcome> = None;
    let mut compared = 0;
    for seed in 0..=small {
        let size = if seed < small { "small" } else { "large" };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut draw = if seed < small { Draw::small(seed) } else { Draw::large(seed) };
            let case = (spec.draw)(&mut draw);
            let checked = catch_unwind(AssertUnwindSafe(|| check_case(&case, team, seed)));
            let failed = |place| Outcome { label: case.label.clone(), compared: 0, error: f64::NAN, place };
            match checked {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(error)) => failed(error.to_string()),
                Err(panic) => failed(format!("{} panics: {}", spec.name, message(&*panic))),
            }
        }));
        let mut outcome = outcome.unwrap_or_else(|panic| Outcome {
            label: String::new(),
            compared: 0,
            error: f64::NAN,
            place: format!("drawing a case panics: {}", message(&*panic)),
        });
        outcome.label = format!("{}, drawn from Draw::{size}({seed})", outcome.label);
        compared += outcome.compared;
        keep_worse(&mut worst, outcome);
    }
    Outcome { compared, ..worst.expect("at least one case") }
}

fn keep_worse(worst: &mut Option<Outcome>, outcome: Outcome) {
    if worst.as_ref().is_none_or(|worst| exceeds(outcome.error, worst.error) && !worst.error.is_nan()) {
        *worst = Some(outcome);
    }
}

/// What a panic says.
fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}
