//! A run's parameters depend on its seed and its data, and on nothing else: not on threads, not on debug mode.

use std::process::Command;

use inkgrad_engine::optim::{Optimizer, Rule};
use inkgrad_engine::{Clock, Pool};
use inkgrad_kernels::cpu::simd::isa;
use inkgrad_models::data::{Dataset, builtin};
use inkgrad_models::run::config::Config;
use inkgrad_models::trainer::Stepper;
use inkgrad_tests::{build, defaults, networks};

/// Drawings of the steps, in turn. 40 cut products, convolutions and reductions into more tasks than there are threads.
const BATCHES: [usize; 5] = [40, 9, 17, 9, 17];

/// The bits of every parameter after `steps` steps.
fn train(config: &Config, data: &Dataset, steps: usize, threads: usize, debug: bool) -> Vec<u32> {
    let mut network = build::<f32>(config);
    network.initialise(7);
    let mut optimizer = Optimizer::new(Rule::Adam, None, network.params.count());
    let mut stepper = Stepper::default();
    stepper.debug = debug;
    Pool::new(threads).enter(|team| {
        for step in 0..steps {
            let batch: Vec<usize> =
                (0..BATCHES[step % BATCHES.len()]).map(|i| (step * 20 + i) % data.train.len()).collect();
            let clock = Clock { seed: 7, step: step as u64 };
            stepper.step(&mut network, &mut optimizer, &data.train, &batch, clock, 1e-3, team).unwrap();
        }
    });
    assert!(network.params.values.iter().all(|v| v.is_finite()));
    network.params.values.iter().map(|v| v.to_bits()).collect()
}

#[test]
#[ignore = "slow"]
fn a_hundred_steps_are_the_same_to_the_bit_at_any_number_of_threads_and_in_debug_mode() {
    let (config, data) = (defaults("cnn-vae"), builtin(500, 1).unwrap());
    let expected = train(&config, &data, 100, 1, false);
    for threads in [2, 3, 8] {
        assert!(train(&config, &data, 100, threads, false) == expected, "{threads} threads differ from one");
    }
    assert!(train(&config, &data, 100, 2, true) == expected, "debug mode differs");
}

#[test]
fn so_are_a_few_steps_of_every_network() {
    let data = builtin(100, 1).unwrap();
    for (name, config) in networks() {
        let expected = train(&config, &data, 3, 1, false);
        assert!(train(&config, &data, 3, 3, false) == expected, "{name}: 3 threads differ from one");
        assert!(train(&config, &data, 3, 2, true) == expected, "{name}: debug mode differs");
    }
}

/// Set in the processes that [`so_are_steps_with_every_instruction_set`] starts.
const CHILD: &str = "INKGRAD_TEST_CHILD";

/// `INKGRAD_ISA` is read once a process, so each instruction set gets one.
#[test]
fn so_are_steps_with_every_instruction_set() {
    if std::env::var_os(CHILD).is_some() {
        let (config, data) = (defaults("cnn-vae"), builtin(100, 1).unwrap());
        let expected = train(&config, &data, 3, 1, false);
        assert!(train(&config, &data, 3, 3, false) == expected, "{}: 3 threads differ from one", isa().name());
        assert!(train(&config, &data, 3, 2, true) == expected, "{}: debug mode differs", isa().name());
        return;
    }
    for name in ["generic", "avx2", "avx512"] {
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "so_are_steps_with_every_instruction_set"])
            .env(CHILD, "1")
            .env("INKGRAD_ISA", name)
            .status()
            .unwrap();
        assert!(status.success(), "INKGRAD_ISA={name}: {status}");
    }
}
