//! The exercises in the order of the lessons. `tests/tests/exercises.rs` holds every property against both sides: the starter
//! fails it, and the engine's own operation passes.

pub mod lesson1;
pub mod lesson2;
pub mod lesson3;
pub mod lesson4;
pub mod lesson5;
pub mod lesson6;
pub mod lesson7;
pub mod lesson8;

use inkgrad_engine::prelude::*;

/// A property's finding: what holds, or in one line where it fails and a hint.
pub type Verdict = std::result::Result<String, String>;

/// A lesson's exercise.
pub struct Exercise {
    /// The lesson's number.
    pub lesson: usize,
    /// The file to edit.
    pub file: &'static str,
    /// The task.
    pub asks: &'static str,
    /// Holds the reader's code against the property.
    pub starter: fn() -> Verdict,
    /// Holds the engine's own operations against it.
    pub solution: fn() -> Verdict,
}

/// All of them.
pub const EXERCISES: [Exercise; 8] = [
    lesson1::EXERCISE,
    lesson2::EXERCISE,
    lesson3::EXERCISE,
    lesson4::EXERCISE,
    lesson5::EXERCISE,
    lesson6::EXERCISE,
    lesson7::EXERCISE,
    lesson8::EXERCISE,
];

/// Whether two numbers agree within `tolerance`, relative to the expected one where that is larger than 1. NaN does not.
pub fn close(found: f64, expected: f64, tolerance: f64) -> bool {
    (found - expected).abs() <= tolerance * expected.abs().max(1.0)
}

/// The engine's value and gradient of a scalar function of the numbers `x`: records it, runs it forward and backward.
pub fn differentiate(x: &[f64], record: impl Fn(&mut Tape<f64>, &[Tensor]) -> Result<Tensor>) -> (f64, Vec<f64>) {
    let (mut tape, mut params, team) = (Tape::new(), Params::new(), Team::solo());
    let declared: Vec<Param> = (0..x.len()).map(|i| params.declare(format!("x{i}"), [1], Init::Normal)).collect();
    for (param, &x) in declared.iter().zip(x) {
        params.value_mut(param)[0] = x;
    }
    let inputs: Vec<Tensor> = declared.iter().map(|param| tape.param(param)).collect();
    let loss = record(&mut tape, &inputs).expect("operations on single numbers");
    let mut plan = tape.compile(Compile { loss: Some(loss), ..Compile::default() });
    plan.forward(&params, &team, Clock::default());
    plan.backward(&mut params, &team);
    (plan.value(loss)[0], declared.iter().map(|param| params.grad(param)[0]).collect())
}
