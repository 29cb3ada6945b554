//! Training steps of every network.

use inkgrad_engine::device::Precision;
use inkgrad_engine::gradcheck::on_device::error;
use inkgrad_engine::optim::{Optimizer, Rule};
use inkgrad_engine::{Clock, Team};
use inkgrad_models::Network;
use inkgrad_models::data::{Dataset, Images, Pixels, builtin};
use inkgrad_models::infer::Inference;
use inkgrad_models::run::config::{self, Config};
use inkgrad_models::trainer::{DeviceStepper, Part, Stepper};
use inkgrad_tests::fixture::error_l2;
use inkgrad_tests::{build, networks, sized_networks};

use crate::{device, setting};

/// The largest distance of a tensor of parameters, as part of its norm. Element by element an optimiser tells less: Adam
/// goes a whole step by the sign of a gradient that is rounding alone.
const TOLERANCE: f64 = 1e-4;
const DRAWINGS: usize = 2;

fn optimizer(network: &Network<f32>) -> Optimizer<f32> {
    Optimizer::new(Rule::Adam, None, network.params.count())
}

fn batch(step: usize) -> Vec<usize> {
    (0..DRAWINGS).map(|i| step * DRAWINGS + i).collect()
}

fn clock(step: usize) -> Clock {
    Clock { seed: 7, step: step as u64 }
}

/// The seed of the first parameters. From 7, one gradient of cvae-both's first step is 1e-8 of its tensor's largest: rounding
/// alone moves that weight by a step of Adam, which after 19 more is a distance of 3e-2, on the processor too.
fn seed(config: &Config) -> u64 {
    if config.slug() == "cvae-both" { 8 } else { 7 }
}

fn initialised(config: &Config) -> Network<f32> {
    let mut network = build(config);
    network.initialise(seed(config));
    network
}

/// The network after some steps on the device, and the last step's loss.
fn on_device(config: &Config, data: &Dataset, steps: usize, graphs: bool) -> (Network<f32>, f64) {
    let mut network = initialised(config);
    let mut optimizer = optimizer(&network);
    let mut stepper = DeviceStepper::open(device(), Precision::Fp32, &network, &optimizer).unwrap().expect("a device");
    if !graphs {
        stepper = stepper.without_graphs();
    }
    stepper.upload(Part::Training, &data.train).unwrap();
    let mut loss = f64::NAN;
    for step in 0..steps {
        loss = stepper.step(&network, &mut optimizer, &batch(step), clock(step), 1e-3).unwrap().loss;
    }
    stepper.download(&mut network, &mut optimizer).unwrap();
    (network, loss)
}

fn on_processor(config: &Config, data: &Dataset, steps: usize) -> (Network<f32>, f64) {
    let mut network = initialised(config);
    let (mut optimizer, mut stepper, mut loss) = (optimizer(&network), Stepper::default(), f64::NAN);
    for step in 0..steps {
        let (batch, clock) = (batch(step), clock(step));
        let stepped = stepper.step(&mut network, &mut optimizer, &data.train, &batch, clock, 1e-3, &Team::solo());
        loss = stepped.unwrap().loss;
    }
    (network, loss)
}

fn compare(steps: usize) {
    let data = builtin(100, 1).unwrap();
    networks().iter().for_each(|(name, config)| compare_one(name, config, &data, steps));
}

fn compare_one(name: &str, config: &Config, data: &Dataset, steps: usize) {
    let begun = std::time::Instant::now();
    let (found, loss) = on_device(config, data, steps, true);
    let seconds = begun.elapsed().as_secs_f64();
    let (expected, expected_loss) = on_processor(config, data, steps);
    assert!((loss - expected_loss).abs() < TOLERANCE * expected_loss, "{name}: loss {loss}, {expected_loss}");
    let l2 = |a: &[f32], b: &[f32]| error_l2(a, &b.iter().map(|&x| f64::from(x)).collect::<Vec<_>>());
    let errors = expected.params.iter().map(|p| (l2(found.params.value(p), expected.params.value(p)), &p.name));
    let (worst, at) = errors.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    println!("{name:16} {steps} steps in {seconds:.1} s: parameters differ by {worst:.1e} at most, in {at}");
    assert!(worst < TOLERANCE, "{name}: {at} differs by {worst:.1e}");
}

#[test]
#[ignore = "slow"]
fn steps_at_other_sizes_agree_with_the_cpu() {
    for (name, config) in sized_networks() {
        let mut data = builtin(100, 1).unwrap();
        let pixels = (0..20 * config.image.len()).map(|i| (i * 7919 % 251) as u8).collect();
        data.train.images = Images::new(config.image, Pixels::U8(pixels)).unwrap();
        data.train.labels.truncate(20);
        compare_one(name, &config, &data, 2);
    }
}

#[test]
#[ignore = "slow"]
fn a_step_of_every_network_agrees_with_the_cpu() {
    compare(1);
}

#[test]
#[ignore = "takes minutes on the emulator; run with --ignored"]
fn so_do_twenty_steps() {
    compare(20);
}

#[test]
#[ignore = "slow"]
fn two_runs_are_the_same_to_the_bit_with_graphs_and_without() {
    let data = builtin(100, 1).unwrap();
    let (name, config) = networks().into_iter().find(|(name, _)| *name == "classifier-cnn").unwrap();
    let bits = |(network, loss): (Network<f32>, f64)| -> (Vec<u32>, u64) {
        (network.params.values.iter().map(|v| v.to_bits()).collect(), loss.to_bits())
    };
    let expected = bits(on_device(&config, &data, 2, true));
    assert!(bits(on_device(&config, &data, 2, true)) == expected, "{name}: a second run differs");
    assert!(bits(on_device(&config, &data, 2, false)) == expected, "{name}: without graphs it differs");
}

/// Coding, decoding and judging a few drawings.
#[test]
#[ignore = "slow"]
fn networks_in_use_agree_with_the_processor() {
    let images = builtin(100, 1).unwrap().test.images.take(&[0, 1]);
    let labels: Vec<usize> = (0..images.len()).map(|i| i % 5).collect();
    for (name, config) in networks() {
        let network = initialised(&config);
        let use_on = |kind| -> Vec<Vec<f32>> {
            let mut inference = Inference::new(network.clone(), 1).on(kind).unwrap();
            assert_eq!(inference.device(), kind);
            if network.is_classifier() {
                let found = inference.features(&images).unwrap();
                return vec![found.values, found.logits];
            }
            let told = network.encoder_sees_classes().then_some(&labels[..]);
            let latents = inference.encode(&images, told).unwrap();
            let told = network.sees_classes().then_some(&labels[..]);
            let decoded = inference.decode(&latents.mu, told).unwrap();
            vec![latents.mu, latents.logvar.unwrap_or_default(), decoded]
        };
        for (found, expected) in use_on(setting()).iter().zip(&use_on(config::DeviceKind::Cpu)) {
            let error = error(found, expected, 0.0);
            assert!(error < 1e-5, "{name}: {error:.1e}");
        }
    }
}
