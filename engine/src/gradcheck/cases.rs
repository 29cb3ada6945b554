//! The check of an operation: on random cases, each in several [`Uses`].

use std::fmt;

use inkgrad_kernels::cpu::{Team, rng};

use super::guard::told;
use super::{Outcome, Problem, exceeds};
use crate::ops::{Case, Draw, Spec};
use crate::{Compile, Error, Init, Params, Result, Tape};

/// The most inputs that a case has: [`Uses`] has a bit for each.
const MAX_CASE_INPUTS: usize = 64;

/// How a check uses the inputs of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uses {
    /// Differentiable inputs that nobody needs a gradient of, one bit each.
    pub constant: u64,
    /// Inputs that a later operation reads as well, one bit each: its backward runs first, and the case's adds.
    pub again: u64,
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
        let mut uses = vec![Uses::ONCE, Uses { again: u64::MAX, ..Uses::ONCE }, Uses { twice: true, ..Uses::ONCE }];
        if list.len() > 1 {
            // In random order: the first is constant, the second is not, a coin decides the others.
            let mut order = list.clone();
            for i in (1..order.len()).rev() {
                order.swap(i, draw.whole(0, i));
            }
            let mut bits = 1 << order[0];
            for &input in &order[2..] {
                bits |= u64::from(draw.coin()) << input;
            }
            uses.push(Uses { constant: bits, again: draw.whole(0, usize::MAX) as u64, twice: draw.coin() });
        }
        uses
    }
}

impl fmt::Display for Uses {
    /// `, input 1 constant, inputs 0, 2 read again, twice`; nothing for [`Uses::ONCE`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |bits: u64| (0..64).filter(|i| bits >> i & 1 == 1).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
        if self.constant != 0 {
            write!(f, ", constant: {}", list(self.constant))?;
        }
        match self.again {
            0 => {}
            u64::MAX => f.write_str(", read again: all")?,
            bits => write!(f, ", read again: {}", list(bits))?,
        }
        f.write_str(if self.twice { ", recorded twice" } else { "" })
    }
}

/// Checks one case of an operation in several [`Uses`], which `seed` draws; returns the worst outcome, or the first that
/// fails: the case alone, of which single elements can be named, comes first.
///
/// # Errors
/// If the case does not fit its operation, an input has more or fewer values than its shape, or none is differentiable.
pub fn check_case(case: &Case, team: &Team, seed: u64) -> Result<Outcome> {
    fits(case)?;
    let mut worst: Option<Outcome> = None;
    let mut compared = 0;
    for uses in Uses::of(case, &mut Draw::small(seed)) {
        let outcome = check_uses(case, uses, team, seed)?;
        compared += outcome.compared;
        let failed = !outcome.passes();
        keep_worse(&mut worst, outcome);
        if failed {
            break;
        }
    }
    Ok(Outcome { compared, ..worst.expect("at least one use") })
}

/// Checks one case of an operation: the gradients of Σ u·y for random u, with every differentiable input a parameter that
/// is not constant; Σ r·x is added for random r and every x that is read again.
///
/// # Errors
/// As [`check_case`].
pub fn check_uses(case: &Case, uses: Uses, team: &Team, seed: u64) -> Result<Outcome> {
    fits(case)?;
    let label = format!("{}{uses}", case.label);
    let problem = match told(|| problem(case, uses, team, seed)) {
        Ok(problem) => Problem { label, ..problem? },
        Err(panic) => return Ok(Outcome::failed(label, format!("panics while it is recorded: {panic}"))),
    };
    Ok(if uses == Uses::ONCE { problem.check(seed) } else { problem.check_directions(seed) })
}

/// Refuses a case that cannot be checked.
fn fits(case: &Case) -> Result<()> {
    let refused = |problem| Err(Error::shape("case", problem));
    if case.inputs.len() > MAX_CASE_INPUTS {
        return refused(format!("{} inputs, expected at most {MAX_CASE_INPUTS}", case.inputs.len()));
    }
    for (i, input) in case.inputs.iter().enumerate() {
        let (found, expected) = (input.values.len(), input.shape.len());
        if found != expected {
            return refused(format!("input {i} has {found} values, expected {expected} for {}", input.shape));
        }
        if let Some(j) = input.values.iter().position(|x| !x.is_finite()) {
            return refused(format!("element {j} of input {i} is {}, expected finite values", input.values[j]));
        }
    }
    match case.inputs.iter().any(|input| input.differentiable) {
        true => Ok(()),
        false => refused(format!("none of {} inputs is differentiable, expected at least one", case.inputs.len())),
    }
}

/// The sum that [`check_uses`] differentiates.
fn problem<'a>(case: &Case, uses: Uses, team: &'a Team, seed: u64) -> Result<Problem<'a>> {
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
    Ok(Problem { label: String::new(), plan, loss, params, team })
}

/// Checks an operation on `small` random small cases and one large one; returns the worst outcome. Its label says how the
/// case is drawn again. A case that cannot be drawn, in which the operation panics, or that its own shape rule refuses, fails.
pub fn check_op(spec: &Spec, team: &Team, small: u64) -> Outcome {
    let mut worst: Option<Outcome> = None;
    let mut compared = 0;
    for seed in 0..=small {
        let (size, mut draw) = if seed < small { ("small", Draw::small(seed)) } else { ("large", Draw::large(seed)) };
        let mut outcome = match told(|| (spec.draw)(&mut draw)) {
            Err(panic) => Outcome::failed("", format!("drawing a case panics: {panic}")),
            Ok(case) => check_case(&case, team, seed).unwrap_or_else(|e| Outcome::failed(&case.label, e.to_string())),
        };
        outcome.label = format!("{} {}, drawn from Draw::{size}({seed})", spec.name, outcome.label);
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
