//! The model of a GPU's time: what it counts by a few blocks of each launch is what all of them do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use inkgrad_engine::Clock;
use inkgrad_engine::device::{Precision, load_kernels};
use inkgrad_engine::optim::{Optimizer, Rule};
use inkgrad_kernels::emulator::hardware::H100;
use inkgrad_kernels::emulator::{Counters, Emulator};
use inkgrad_kernels::estimate::{Bound, Estimator};
use inkgrad_kernels::launch::{self, Device};
use inkgrad_models::data::builtin;
use inkgrad_models::model::Network;
use inkgrad_models::trainer::{DeviceStepper, Part};
use inkgrad_tests::{build, networks};

/// A step of a network on a device.
fn step(network: &Network<f32>, device: impl Device + 'static, batch: usize) {
    let mut optimizer = Optimizer::new(Rule::Adam, None, network.params.count());
    let mut stepper = DeviceStepper::on(Box::new(device), Precision::Fp32, network, &optimizer).unwrap();
    stepper.upload(Part::Training, &builtin(100, 1).unwrap().train).unwrap();
    let drawings: Vec<usize> = (0..batch).map(|i| (7 * i) % 80).collect();
    stepper.step(network, &mut optimizer, &drawings, Clock { seed: 1, step: 0 }, 1e-3).unwrap();
}

fn loaded<D: Device + 'static>(mut device: D) -> Arc<Mutex<D>> {
    load_kernels(&mut device, Precision::Fp32).unwrap();
    Arc::new(Mutex::new(device))
}

#[test]
#[ignore = "slow"]
fn a_few_blocks_tell_what_all_blocks_of_a_step_do() {
    let wanted = [("lstm-ae", 6), ("cnn-ae", 5), ("cvae", 3), ("classifier", 70)];
    for (name, config) in networks() {
        let Some((_, batch)) = wanted.iter().find(|(wanted, _)| *wanted == name) else { continue };
        let mut network = build(&config);
        network.initialise(7);
        let (whole, few) = (loaded(Emulator::new(0)), loaded(Estimator::new(Emulator::new(0), &H100)));
        step(&network, whole.clone(), *batch);
        step(&network, few.clone(), *batch);

        let few = few.lock().unwrap();
        let mut sums = BTreeMap::<&str, Counters>::new();
        for estimate in few.estimates() {
            *sums.entry(estimate.entry).or_default() += estimate.counters;
            assert!(estimate.run > 0.0 && estimate.chain <= 1.01 * estimate.run, "{name}: {estimate:?}");
        }
        let whole = whole.lock().unwrap();
        assert_eq!(sums.keys().copied().collect::<Vec<_>>(), whole.counters().keys().collect::<Vec<_>>(), "{name}");
        for (entry, all) in whole.counters() {
            let found = sums[entry.as_str()];
            assert_eq!(found.launches, all.launches, "{name}: {entry}");
            for (count, found, all) in [
                ("instructions", found.instructions, all.instructions),
                ("flops", found.flops, all.flops),
                ("sectors", found.sectors, all.sectors),
                ("lines", found.lines, all.lines),
                ("shared accesses", found.shared_accesses, all.shared_accesses),
                ("accesses to peers", found.peer_accesses, all.peer_accesses),
            ] {
                let off = (found as f64 - all as f64).abs() / (all as f64).max(1.0);
                assert!(off <= 0.05, "{name}: {entry}: {found} {count}, expected {all} within 5 %");
            }
        }
    }
}

/// The purpose of the model: it tells a kernel that waits from one that computes.
#[test]
#[ignore = "slow"]
fn what_bounds_a_launch_is_named() {
    use inkgrad_kernels::gpu::gemm::{Epilogue, Matrix, MatrixMut, gemm};
    use inkgrad_kernels::gpu::layout::embedding_backward;
    use inkgrad_kernels::gpu::{Launches, Span, Target, elementwise};
    let device = loaded(Estimator::new(Emulator::new(0), &H100));
    let mut device = device.lock().unwrap();
    let n = 1 << 22;
    let address = device.alloc(4 * 4 * n as u64).unwrap();
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| Span { address: address + 4 * i * n as u64, len: n });
    let mut launches = Launches::default();
    elementwise::fill(&mut launches, 1.0, Target::write(a.part(0, 64)));
    // One thread a number of 64 classes' rows of 8, which looks at 400 labels.
    embedding_backward(&mut launches, a.part(0, 400), b.part(0, 400 * 8), Target::write(c.part(0, 64 * 8)));
    let square = |span| Matrix::new(span, 2048, 2048);
    gemm(&mut launches, square(a), square(b), MatrixMut::new(Target::write(c), 2048, 2048), Epilogue::NONE, d);
    elementwise::add(&mut launches, a, b, d);
    device.replay(0, &launches.list).unwrap();
    let bounds: Vec<Bound> = device.estimates().iter().map(|estimate| estimate.bound).collect();
    assert_eq!(bounds, [Bound::Launch, Bound::Latency, Bound::Work, Bound::Memory]);
    let gemm = &device.estimates()[2];
    // A product of 2048³ at a part of the peak that no kernel without tensor cores exceeds, nor this one misses by far.
    let peak = 2.0 * 2048f64.powi(3) / gemm.run / 1e12;
    assert!((20.0..59.3).contains(&peak), "{peak} TFLOP/s");
    let unknown = launch::Launch { entry: "none", ..launches.list[0].clone() };
    assert!(device.launch(&unknown).unwrap_err().to_string().contains("no such entry point"));
}
