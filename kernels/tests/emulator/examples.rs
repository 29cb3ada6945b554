//! Every kernel runs as an example.

use std::collections::BTreeSet;

use inkgrad_kernels::cpu::Pool;
use inkgrad_kernels::cpu::rng::fill_normal;
use inkgrad_kernels::emulator::Emulator;
use inkgrad_kernels::emulator::examples::{Example, examples};
use inkgrad_kernels::launch::{Device, Result};
use inkgrad_kernels::ptx;

#[test]
fn every_kernel_has_an_example_that_runs_at_any_size() {
    let mut emulator = Emulator::new(0);
    ptx::all().for_each(|(name, text)| emulator.load_module(name, text).unwrap());
    let kernels: BTreeSet<&str> = emulator.entries().collect();
    assert_eq!(examples().map(|example| example.entry).collect::<BTreeSet<_>>(), kernels);
    for example in examples() {
        for n in [1, 5, 33, example.n] {
            let mut emulator = Emulator::new(n as u64);
            let mut run = || -> Result<Vec<f32>> {
                let prepared = example.prepare(&mut emulator, None, n)?;
                emulator.launch(&prepared.launch)?;
                prepared.result(&mut emulator, 8)
            };
            let result = run().unwrap_or_else(|error| panic!("{} at {n}: {error}", example.entry));
            assert!(!result.is_empty() && result.iter().all(|value| value.is_finite()), "{}", example.entry);
            assert_eq!(emulator.counters()[example.entry].launches, 1, "{}: nothing else uses it", example.entry);
        }
    }
}

/// A page shows a kernel's description without the list that it stands in.
#[test]
fn descriptions_stand_alone() {
    let descriptions: BTreeSet<&str> = examples().map(|example| example.about).collect();
    assert_eq!(descriptions.len(), examples().count(), "two kernels have one description");
    for about in descriptions {
        assert!(!about.starts_with("its ") && !about.starts_with("the same "), "{about}");
    }
}

#[test]
fn a_module_of_ones_own_takes_the_engines_place() {
    let example = Example::find("axpy").unwrap();
    let twice = example.module().1.replace("fma.rn.f32      %v, %a, %u, %v;", "mul.f32 %v, %a, %u;");
    let mut emulator = Emulator::new(0);
    let prepared = example.prepare(&mut emulator, Some(("mine.ptx", &twice)), 3).unwrap();
    emulator.launch(&prepared.launch).unwrap();
    let mut x = [0.0; 3];
    Pool::new(1).enter(|team| fill_normal(team, 0, 1, 0, &mut x));
    assert_eq!(prepared.result(&mut emulator, 8).unwrap(), x.map(|x| 2.0 * x));
    let other = Example::find("scale").unwrap().prepare(&mut Emulator::new(0), Some(("mine.ptx", &twice)), 3);
    assert_eq!(other.unwrap_err().to_string(), "mine.ptx:1: found no entry point `scale`, expected it");
}
