//! Property tests of operations and graphs, by [`proptest`]: strategies, and a closure made a property in three lines. With
//! the feature `proptest`.
//!
//! ```
//! use inkgrad_engine::{gradient_property, property::alike};
//!
//! gradient_property! {
//!     fn a_product_has_its_gradient(alike(2)) => |tape, x| tape.mul(x[0], x[1])
//! }
//! a_product_has_its_gradient(); // with `#[test]` above it, a test
//! ```
//!
//! The property of each case: its analytic gradients are the numeric ones, in every use of
//! [`check_case`]; `f32` computes what `f64` does; two threads compute the bits that one does.
//!
//! Strategies: [`shapes`] of rank 0 to 6, [`values`] away from zero, [`tensors`] of given shapes ([`tensors_of`] with other values), [`alike`] for several of one
//! random shape, [`graphs()`] of random operations that share inputs.
//!
//! ```
//! use inkgrad_engine::property::{check, tensors};
//! use inkgrad_engine::{case, prelude::*};
//! use proptest::prelude::*;
//!
//! // Shapes that depend on each other: x (B, I), weight (O, I), bias (O).
//! let layer = (1..4usize, 1..4usize, 1..4usize);
//! let inputs = layer.prop_flat_map(|(b, i, o)| tensors([[b, i].into(), [o, i].into(), [o].into()]));
//! let held = check("linear", 20, inputs, |x| case!("", x, |tape, x| tape.linear(x[0], x[1], x[2]))).unwrap();
//! assert!(held.compared > 0 && held.error < 1e-6);
//! ```
//!
//! A failing case is shrunk, to fewer nodes and smaller shapes, and the message says how it is drawn again. The same cases are
//! drawn in every run and nothing is written when one fails; `PROPTEST_CASES=N` draws more of them and `PROPTEST_RNG_SEED=N`
//! others.

mod graphs;
mod strategies;

use std::cell::Cell;
use std::fmt;

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::{Pool, Team};
use proptest::prelude::{ProptestConfig, any};
use proptest::strategy::Strategy;
use proptest::test_runner::{RngSeed, TestCaseError, TestError, TestRunner, contextualize_config};

pub use self::graphs::{RandomGraph, graphs};
pub use self::strategies::{alike, shapes, tensors, tensors_of, values};
use crate::gradcheck::{Outcome, check_case};
use crate::ops::{Case, CaseInput, Recorder};
use crate::{Clock, Compile, Params, Tape};

/// Cases of a property that does not say how many.
pub const CASES: u32 = 100;

/// Simpler cases that a failing property tries, some milliseconds each.
const SHRINK: u32 = 2000;

/// `cases` cases, the same ones in every run, and nothing written when one fails. `PROPTEST_CASES=N` draws more of them and
/// `PROPTEST_RNG_SEED=N` others.
pub fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(0), ..ProptestConfig::default() }
}

/// A property that held.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    /// In how many cases.
    pub cases: u32,
    /// How many derivatives were compared.
    pub compared: usize,
    /// The largest relative error of one.
    pub error: f64,
}

/// A test of the gradients that a closure records, on inputs that a strategy draws; see [the module](crate::property). The
/// closure is given a tape of `f32` or `f64` and the inputs as `&[Tensor]`, returns a `Result<Tensor>`, and may capture what is
/// [`Copy`].
#[macro_export]
macro_rules! gradient_property {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($inputs:expr) => |$tape:ident, $x:ident| $record:expr) => {
        $(#[$attribute])*
        $visibility fn $name() {
            let case = |inputs| $crate::case!("", inputs, |$tape, $x| $record);
            let held = $crate::property::check(stringify!($name), $crate::property::CASES, $inputs, case);
            if let Err(problem) = held {
                panic!("{problem}");
            }
        }
    };
}

/// Draws `number` values of `strategy` and checks the case that `case` makes of each, as [the module](crate::property) says.
/// A case without a label is called by the shapes of its inputs.
///
/// # Errors
/// One message that names the property, what is wrong with which input, the simplest case that fails, and how to draw it again.
pub fn check<S: Strategy>(
    name: &str,
    number: u32,
    strategy: S,
    case: impl Fn(S::Value) -> Case,
) -> Result<Held, String> {
    check_as(name, contextualize_config(ProptestConfig { max_shrink_iters: SHRINK, ..cases(number) }), strategy, case)
}

/// [`check`] with the cases that `config` says, whatever the environment does.
fn check_as<S: Strategy>(
    name: &str,
    config: ProptestConfig,
    strategy: S,
    case: impl Fn(S::Value) -> Case,
) -> Result<Held, String> {
    let again = Again { config: config.clone() };
    let mut runner = TestRunner::new(config);
    let held = Cell::new(Held { cases: 0, compared: 0, error: 0.0 });
    let tested = Pool::new(2).enter(|team| {
        runner.run(&(strategy, any::<u64>()), |(value, seed)| {
            let mut case = case(value);
            if case.label.is_empty() {
                case.label = label(&case.inputs);
            }
            let outcome = holds(&case, team, seed).map_err(TestCaseError::fail)?;
            let Held { cases, compared, error } = held.get();
            let (compared, error) = (compared + outcome.compared, error.max(outcome.error));
            held.set(Held { cases: cases + 1, compared, error });
            Ok(())
        })
    });
    match tested {
        Ok(()) => Ok(held.get()),
        Err(TestError::Fail(reason, (value, seed))) => {
            Err(format!("{name}: {reason}\nthe simplest case that fails: {value:?}, checked with seed {seed}\n{again}"))
        }
        Err(TestError::Abort(reason)) => Err(format!("{name}: no cases could be drawn: {reason}\n{again}")),
    }
}

/// How cases are drawn again.
struct Again {
    config: ProptestConfig,
}

impl fmt::Display for Again {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cases = self.config.cases;
        match self.config.rng_seed {
            RngSeed::Fixed(seed) => write!(f, "the same cases again: PROPTEST_RNG_SEED={seed} PROPTEST_CASES={cases}"),
            RngSeed::Random => write!(f, "the cases were drawn from the system's random numbers"),
        }
    }
}

/// `x0 (2, 3), x1 (3)`.
fn label(inputs: &[CaseInput]) -> String {
    let inputs: Vec<String> = inputs.iter().enumerate().map(|(i, input)| format!("x{i} {}", input.shape)).collect();
    inputs.join(", ")
}

/// Checks one case: gradients, `f32` against `f64`, and the bits that `team` computes against those of one thread.
///
/// # Errors
/// If something does not hold; names the case, and the input or the element.
fn holds(case: &Case, team: &Team, seed: u64) -> Result<Outcome, String> {
    let solo = Team::solo();
    let outcome = check_case(case, &solo, seed).map_err(|error| format!("{}: {error}", case.label))?;
    if !outcome.passes() {
        return Err(outcome.to_string());
    }
    let (single, double) = (forward(case, &case.f32, &solo)?, forward(case, &case.f64, &solo)?);
    // Far above what rounding makes of a sane formula, far below a wrong one.
    const TOLERANCE: f64 = 1e-3;
    let scale = double.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
    for (i, (s, d)) in single.iter().zip(&double).enumerate() {
        let s = f64::from(*s);
        let agree = (s - d).abs() <= TOLERANCE * scale; // NaN does not
        if !agree {
            return Err(format!("{}: element {i} of the output is {s} in f32, {d} in f64", case.label));
        }
    }
    let together = forward(case, &case.f32, team)?;
    let differs = |(a, b): (&f32, &f32)| a.to_bits() != b.to_bits();
    if let Some(i) = single.iter().zip(&together).position(differs) {
        let (threads, found, expected) = (team.threads(), together[i], single[i]);
        let problem = format!("element {i} of the output is {found} with {threads} threads, {expected} with one");
        return Err(format!("{}: {problem}", case.label));
    }
    Ok(outcome)
}

/// The output in `T`.
fn forward<T: Float>(case: &Case, record: &Recorder<T>, team: &Team) -> Result<Vec<T>, String> {
    let mut tape = Tape::new();
    let x: Vec<_> = case.inputs.iter().map(|input| tape.input("x", input.shape)).collect();
    // In memory of its own, even if the case records a view of an input or an input itself.
    let y = record(&mut tape, &x).and_then(|y| tape.scale(y, 1.0)).map_err(|error| error.to_string())?;
    let mut plan = tape.compile(Compile { keep: &[y], ..Compile::default() });
    for (&x, input) in x.iter().zip(&case.inputs) {
        plan.input(x).iter_mut().zip(&input.values).for_each(|(to, &value)| *to = T::from_f64(value));
    }
    plan.forward(&Params::new(), team, Clock::default());
    Ok(plan.value(y).to_vec())
}

#[cfg(test)]
mod tests;
