//! Properties that hold for every operation in the table.

use inkgrad_engine::gradcheck::{check_case, check_op};
use inkgrad_engine::ops::{Case, Draw, OPS};
use inkgrad_engine::{Clock, Compile, Float, Init, Params, Pool, Tape, Team};
use inkgrad_tests::cases;
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases!(40))]

    /// Analytic against numeric gradients in f64, element by element.
    #[test]
    fn gradients_of_small_cases(seed in any::<u64>()) {
        check_gradients(Draw::small, seed)?;
    }

    /// f32 gives what f64 gives, up to rounding.
    #[test]
    fn single_agrees_with_double(seed in any::<u64>()) {
        for spec in OPS {
            let case = (spec.draw)(&mut Draw::large(seed));
            let single = forward(&case, &case.f32, 1);
            let double = forward(&case, &case.f64, 1);
            // Rounding grows with the number of terms, of which some cancel.
            let terms: usize = case.inputs.iter().map(|input| input.values.len()).sum();
            let scale = double.iter().fold((terms as f64).sqrt(), |m: f64, x| m.max(x.abs()));
            for (s, d) in single.iter().zip(&double) {
                prop_assert!((f64::from(*s) - d).abs() <= 2e-6 * scale, "{} {}: {s}, {d}", spec.name, case.label);
            }
        }
    }

    /// The number of threads changes no bit.
    #[test]
    fn threads_change_nothing(seed in any::<u64>()) {
        for spec in OPS {
            let case = (spec.draw)(&mut Draw::large(seed));
            prop_assert_eq!(forward(&case, &case.f32, 1), forward(&case, &case.f32, 3), "{} {}", spec.name, &case.label);
            prop_assert_eq!(gradients(&case, 1), gradients(&case, 3), "gradients of {} {}", spec.name, &case.label);
        }
    }
}

proptest! {
    #![proptest_config(cases!(12))]

    /// Along random directions, over shapes that span several tiles and pieces.
    #[test]
    fn gradients_of_large_cases(seed in any::<u64>()) {
        check_gradients(Draw::large, seed)?;
    }
}

/// Checks the gradients of a case of each operation.
fn check_gradients(draw: fn(u64) -> Draw, seed: u64) -> Result<(), TestCaseError> {
    for spec in OPS {
        let outcome = check_case(&(spec.draw)(&mut draw(seed)), &Team::solo(), seed).unwrap();
        prop_assert!(outcome.passes(), "{}: {outcome:?}", spec.name);
    }
    Ok(())
}

/// The gradients of Σ y² for all inputs that have one.
fn gradients(case: &Case, threads: usize) -> Vec<u32> {
    let (mut tape, mut params, mut filled) = (Tape::<f32>::new(), Params::new(), Vec::new());
    let mut inputs = Vec::new();
    for (i, input) in case.inputs.iter().enumerate() {
        let values: Vec<f32> = input.values.iter().map(|&x| x as f32).collect();
        inputs.push(if input.differentiable {
            let param = params.declare(format!("{i}"), input.shape, Init::Normal);
            params.value_mut(&param).copy_from_slice(&values);
            tape.param(&param)
        } else {
            let x = tape.input("x", input.shape);
            filled.push((x, values));
            x
        });
    }
    let y = (case.f32)(&mut tape, &inputs).unwrap();
    let squares = tape.mul(y, y).unwrap();
    let loss = tape.sum(squares).unwrap();
    let mut plan = tape.compile(Compile { loss: Some(loss), ..Compile::default() });
    for (x, values) in filled {
        plan.fill(x, &values).unwrap();
    }
    Pool::new(threads).enter(|team| {
        plan.forward(&params, team, Clock::default());
        plan.backward(&mut params, team);
    });
    params.grads().iter().map(|x| x.to_bits()).collect()
}

fn forward<T: Float>(case: &Case, record: &inkgrad_engine::ops::Recorder<T>, threads: usize) -> Vec<T> {
    let mut tape = Tape::new();
    let inputs: Vec<_> = case.inputs.iter().map(|input| tape.input("x", input.shape)).collect();
    let y = record(&mut tape, &inputs).unwrap();
    let mut plan = tape.compile(Compile { keep: &[y], ..Compile::default() });
    for (&tensor, input) in inputs.iter().zip(&case.inputs) {
        for (value, &given) in plan.input(tensor).iter_mut().zip(&input.values) {
            *value = T::from_f64(given);
        }
    }
    Pool::new(threads).enter(|team| plan.forward(&Params::new(), team, Clock::default()));
    plan.value(y).to_vec()
}

#[test]
fn every_operation_passes_the_check_of_the_command_line() {
    Pool::new(2).enter(|team| {
        for spec in OPS {
            let outcome = check_op(spec, team, 5);
            println!("{:24} {:6} compared, error {:.1e}", spec.name, outcome.compared, outcome.error);
            assert!(outcome.passes(), "{}: {outcome:?}", spec.name);
        }
    });
}
