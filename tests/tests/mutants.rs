//! The gradient check notices faults: each operation's backward is broken in each way, and has to fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

use inkgrad_engine::Team;
use inkgrad_engine::gradcheck::check_case;
use inkgrad_engine::ops::{Case, Draw, OPS, Spec};
use inkgrad_engine::testing::{Fault, Flaw, break_case};

/// Small cases that a fault may take until it shows: as many as `inkgrad gradcheck` draws.
const CASES: u64 = 20;

/// Faults in the gradient of any input.
const OF_ANY: [Flaw; 9] = [
    Flaw::Factor(1.001),
    Flaw::Factor(-1.0),
    Flaw::Factor(1.0 + 1e-5),
    Flaw::Dropped,
    Flaw::OneDropped(5),
    Flaw::Unwritten,
    Flaw::OneUnwritten(3),
    Flaw::IgnoredAdd,
    Flaw::AlwaysAdded,
];

/// Faults that show where an input is constant and another is not.
const OF_SEVERAL: [Flaw; 3] = [Flaw::NeededByOthers, Flaw::DroppedWithNext, Flaw::Demanded];

/// An operation whose gradient is zero wherever it has one: times a factor it still is.
const COUNT: &str = "correct";

fn differentiable(case: &Case) -> Vec<usize> {
    (0..case.inputs.len()).filter(|&i| case.inputs[i].differentiable).collect()
}

/// Whether one of the cases fails; those without the input cannot.
fn noticed(spec: &Spec, fault: Fault) -> bool {
    (0..CASES).any(|seed| {
        let case = (spec.draw)(&mut Draw::small(seed));
        let broken = break_case(case, fault);
        let check = || check_case(&broken, &Team::solo(), seed).unwrap().passes();
        differentiable(&broken).contains(&fault.input) && !catch_unwind(AssertUnwindSafe(check)).unwrap_or(false)
    })
}

#[test]
fn every_fault_in_every_operation_is_noticed() {
    let mut planted = 0;
    let mut missed = Vec::new();
    for spec in OPS {
        // Else it would be no news that a broken one fails.
        for seed in 0..CASES {
            let outcome = check_case(&(spec.draw)(&mut Draw::small(seed)), &Team::solo(), seed).unwrap();
            assert!(outcome.passes(), "{} {seed}: {outcome:?}", spec.name);
        }
        // Some inputs are there in some cases only.
        let mut inputs: Vec<usize> =
            (0..CASES).flat_map(|seed| differentiable(&(spec.draw)(&mut Draw::small(seed)))).collect();
        inputs.sort_unstable();
        inputs.dedup();
        let several: &[Flaw] = if inputs.len() > 1 { &OF_SEVERAL } else { &[] };
        for &input in &inputs {
            for &flaw in OF_ANY.iter().chain(several) {
                if spec.name == COUNT && matches!(flaw, Flaw::Factor(_) | Flaw::Dropped | Flaw::OneDropped(_)) {
                    continue;
                }
                planted += 1;
                if !noticed(spec, Fault { input, flaw }) {
                    missed.push(format!("{} input {input}: {flaw:?}", spec.name));
                }
            }
        }
    }
    println!("{planted} faults planted in {} operations", OPS.len());
    assert!(missed.is_empty(), "{} of {planted} faults not noticed:\n{}", missed.len(), missed.join("\n"));
    assert!(planted > 9 * OPS.len());
}
