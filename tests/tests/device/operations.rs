//! Every operation, forward and gradients.

use inkgrad_engine::device::Precision;
use inkgrad_engine::gradcheck::on_device::{AGAIN, TF32_TOLERANCE, TOLERANCE, compare, run};
use inkgrad_engine::ops::{Case, Draw, OPS};
use inkgrad_kernels::emulator::Emulator;
use inkgrad_kernels::launch::{self, Apart, Device as _};
use inkgrad_kernels::ptx;
use inkgrad_tests::cases;
use proptest::prelude::*;

use crate::cases::{
    GRU_BYTES, LSTM_BYTES, conv_of_sixteens, conv_transpose_of_sixteens, equal_pixels, equal_scores, gru_from_state,
    gru_of, gru_of_cluster, gru_of_cluster_from_state, gru_of_eight, gru_with_rest, long_sums, lstm_from_state,
    lstm_of, lstm_of_cluster, lstm_of_cluster_from_state, lstm_of_eight, lstm_of_registers,
    lstm_of_registers_from_state, lstm_with_rest, more_narrow, more_ragged, narrow, noise, one_class, ragged, size,
};
use crate::{device, opened};

/// Operations that run on the processor alone: those of networks that are never trained, and those that no kernel computes, as
/// each one's file says.
pub const PROCESSOR_ALONE: [&str; 12] = [
    "frozen_conv2d",
    "div",
    "pow",
    "max_axis",
    "ln",
    "sqrt",
    "gelu",
    "gelu_tanh",
    "layer_norm",
    "batch_norm_statistics",
    "batch_norm",
    "dropout",
];

/// An emulator, for what only it can be asked.
fn emulator() -> Emulator {
    let mut emulator = Emulator::new(5);
    for (name, text) in ptx::all() {
        emulator.load_module(name, text).unwrap();
    }
    emulator
}

/// The architecture of a GPU as old as can be: without tensor cores for tf32, and without clusters.
pub const OLDER: u32 = 70;

/// One of that architecture.
pub fn older() -> Emulator {
    let mut emulator = Emulator::new(5);
    emulator.set_architecture(OLDER);
    for (name, text) in ptx::MODULES {
        emulator.load_module(name, text).unwrap();
    }
    emulator
}

fn check(name: &str, case: &Case, again: u8, device: &mut dyn launch::Device) -> Result<(), TestCaseError> {
    match compare(case, again, Precision::Fp32, device) {
        Ok(error) => prop_assert!(error < TOLERANCE, "{name} {}: {error:.1e}", case.label),
        Err(problem) => prop_assert!(false, "{name} {}: {problem}", case.label),
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases!(4))]

    #[test]
    fn every_operation_agrees_with_the_cpu(seed in any::<u64>()) {
        let mut device = opened(Precision::Fp32);
        for spec in OPS.iter().filter(|spec| !PROCESSOR_ALONE.contains(&spec.name)) {
            let case = (spec.draw)(&mut Draw::small(seed));
            for again in AGAIN {
                check(spec.name, &case, again, &mut *device)?;
            }
        }
    }
}

proptest! {
    #![proptest_config(cases!(1))]

    /// Over several blocks and tiles.
    #[test]
    fn so_does_it_at_larger_extents(seed in any::<u64>()) {
        let mut device = opened(Precision::Fp32);
        let products = [long_sums(), ragged(), more_ragged(), one_class(), equal_scores(), equal_pixels(), noise()];
        let blocks = [lstm_from_state(), gru_from_state(), lstm_of_eight(), gru_of_eight()];
        let registers = [lstm_of_registers(), lstm_of_registers_from_state()];
        let sixteens = [conv_of_sixteens(), conv_transpose_of_sixteens()];
        let clusters = [lstm_of_cluster_from_state(), gru_of_cluster_from_state()];
        for case in products.into_iter().chain(blocks).chain(registers).chain(sixteens).chain(clusters) {
            check("a chosen case", &case, 0, &mut *device)?;
        }
        for spec in OPS.iter().filter(|spec| !PROCESSOR_ALONE.contains(&spec.name)) {
            // Some would take a minute.
            let mut drawn = (0..).map(|i| (spec.draw)(&mut Draw::large(seed.wrapping_add(i))));
            let case = drawn.find(|case| size(case) < 10_000).expect("one of the first");
            check(spec.name, &case, AGAIN[(seed % 3) as usize], &mut *device)?;
        }
    }
}

/// One case of each, whichever the seed of the others: what tools watch that take a minute for a second.
#[test]
fn chosen_cases_agree() {
    let mut device = opened(Precision::Fp32);
    let drawn = OPS.iter().filter(|spec| !PROCESSOR_ALONE.contains(&spec.name));
    let drawn = drawn.map(|spec| (spec.draw)(&mut Draw::small(1)));
    for case in drawn.chain([ragged(), one_class(), lstm_of_eight(), gru_of_eight(), lstm_of(128), gru_of(256)]) {
        let error = compare(&case, 0b101, Precision::Fp32, &mut *device).unwrap();
        assert!(error < TOLERANCE, "{}: {error:.1e}", case.label);
    }
}

/// Where they lie makes no difference, and no launch reads what it writes through another buffer.
#[test]
fn buffers_apart_from_each_other_give_the_same() {
    let mut apart = Apart::new(device().open(Precision::Fp32).unwrap().expect("a device beside the processor"));
    for spec in OPS.iter().filter(|spec| !PROCESSOR_ALONE.contains(&spec.name)) {
        let case = (spec.draw)(&mut Draw::small(2));
        check(spec.name, &case, 0xff, &mut apart).unwrap();
    }
}

#[test]
fn products_on_tensor_cores_agree_with_the_cpu() {
    let mut device = opened(Precision::Tf32);
    for name in ["linear", "conv2d", "conv_transpose2d", "lstm", "gru"] {
        let spec = OPS.iter().find(|spec| spec.name == name).expect("an operation");
        let cases = (0..3).map(|seed| (spec.draw)(&mut Draw::small(seed)));
        let chosen =
            [long_sums(), ragged(), more_ragged(), narrow(), more_narrow()].into_iter().filter(|_| name == "linear");
        for (case, again) in cases.chain(chosen).zip(AGAIN.into_iter().cycle()) {
            let error = compare(&case, again, Precision::Tf32, &mut *device).unwrap();
            assert!(error < TF32_TOLERANCE, "{name} {}: {error:.1e}", case.label);
        }
    }
}

#[test]
fn recurrent_layers_are_the_same_to_the_bit_however_much_of_their_weights_is_kept() {
    let bits = |emulator: &mut Emulator, case: &Case| {
        let (y, params) = run(case, 0xff, Precision::Fp32, emulator).unwrap();
        y.iter().chain(params.grads()).map(|x| x.to_bits()).collect::<Vec<u32>>()
    };
    for (case, limits) in [(lstm_with_rest(), LSTM_BYTES), (gru_with_rest(), GRU_BYTES)] {
        // Their own products need little shared memory.
        let mut emulator = older();
        let expected = bits(&mut emulator, &case);
        for bytes in limits {
            emulator.set_shared_bytes(bytes);
            assert!(bits(&mut emulator, &case) == expected, "{}: another result with {bytes} bytes", case.label);
        }
        // A byte less than a launch needs at least.
        emulator.set_shared_bytes(limits[0] - 1);
        let refused = run(&case, 0, Precision::Fp32, &mut emulator).unwrap_err().to_string();
        let expected = format!("found {} bytes of shared memory, expected {} at most", limits[0], limits[0] - 1);
        assert!(refused.contains(&expected), "{refused}");
    }
}

/// The output and the gradients.
fn numbers(case: &Case, emulator: &mut Emulator) -> Vec<f32> {
    let (y, params) = run(case, 0xff, Precision::Fp32, emulator).unwrap();
    y.iter().chain(params.grads()).copied().collect()
}

#[test]
#[ignore = "slow"]
fn recurrent_layers_of_clusters_agree_with_the_cpu() {
    let mut emulator = emulator();
    let sizes = [128, 256].into_iter().flat_map(|hidden| [lstm_of(hidden), gru_of(hidden)]);
    let chosen = [lstm_of_cluster(), lstm_of_cluster_from_state(), gru_of_cluster(), gru_of_cluster_from_state()];
    for case in chosen.into_iter().chain(sizes) {
        for again in AGAIN.into_iter().take(if case.label.contains(" 64 ") { 3 } else { 1 }) {
            check("in clusters", &case, again, &mut emulator).unwrap();
        }
    }
    for layer in ["lstm", "gru"] {
        for way in ["forward", "backward"] {
            let counters = emulator.counters();
            assert!(counters[&format!("{layer}_cluster_{way}")].launches > 0, "{layer} {way}");
            assert!(!counters.contains_key(&format!("{layer}_{way}")), "{layer} {way}");
        }
    }
}

#[test]
fn clusters_give_the_same_to_the_bit_in_any_order() {
    for case in [lstm_of_cluster_from_state(), gru_of_cluster_from_state()] {
        let mut expected = None;
        for seed in [1, 2, 3] {
            let mut emulator = Emulator::new(seed);
            ptx::all().for_each(|(name, text)| emulator.load_module(name, text).unwrap());
            let found: Vec<u32> = numbers(&case, &mut emulator).into_iter().map(f32::to_bits).collect();
            assert!(
                *expected.get_or_insert_with(|| found.clone()) == found,
                "{}: another result by {seed}",
                case.label
            );
        }
    }
}

/// On a device without clusters, with too little room or shared memory for them, and for other sizes, blocks work by themselves.
#[test]
fn layers_for_which_clusters_do_not_fit_are_computed_without() {
    let without = |case: &Case, mut emulator: Emulator| {
        check("without clusters", case, 0xff, &mut emulator).unwrap();
        let found = emulator.counters();
        let clusters = found.keys().filter(|entry| entry.contains("cluster")).count();
        assert!(
            clusters == 0 && (found.contains_key("lstm_forward") || found.contains_key("gru_backward")),
            "{found:?}"
        );
    };
    for case in [lstm_of_cluster(), gru_of_cluster()] {
        without(&case, older());
        let mut small = emulator();
        small.set_shared_bytes(32 << 10);
        without(&case, small);
        let mut part = emulator();
        part.set_cluster_blocks(1);
        without(&case, part);
    }
    // Room for clusters of four blocks, not of eight: the layer takes one of the two as a whole.
    let mut part = emulator();
    part.set_cluster_blocks(4);
    without(&gru_of(256), part);
    without(&lstm_of(96), emulator());
    without(&gru_of(68), emulator());
}

/// Whose products are others.
#[test]
fn operations_of_products_agree_with_the_cpu_on_an_older_gpu_too() {
    let mut older = older();
    let drawn = ["linear", "matmul", "conv2d", "conv_transpose2d", "lstm", "gru"].map(|name| {
        let spec = OPS.iter().find(|spec| spec.name == name).expect("an operation");
        (0..3).map(|seed| (spec.draw)(&mut Draw::small(seed)))
    });
    let chosen = [long_sums(), ragged(), more_ragged(), conv_of_sixteens(), conv_transpose_of_sixteens()];
    for (case, again) in drawn.into_iter().flatten().chain(chosen).zip(AGAIN.into_iter().cycle()) {
        check("older", &case, again, &mut older).unwrap();
    }
    assert!(older.counters().keys().all(|entry| !entry.ends_with("_tensor") && !entry.contains("cluster")));
}

/// Sums of products on tensor cores are as exact as others: of numbers of one sign, whose errors would add up.
#[test]
fn numbers_of_two_halves_are_numbers_of_fp32() {
    let case = |value: fn(usize) -> f64| {
        let mut case = long_sums();
        for x in &mut case.inputs {
            x.values.iter_mut().enumerate().for_each(|(i, x)| *x = value(i));
        }
        case
    };
    // Whose halves are both there, and which are all but one number of tf32 and the next.
    let values: [fn(usize) -> f64; 2] = [
        |i| f64::from(1.0 + (i * i % 1009) as f32 / 1009.0),
        |i| f64::from(1.0 + f32::EPSILON * (4095 + i % 3) as f32),
    ];
    for value in values {
        let case = case(value);
        let errors =
            [&mut emulator(), &mut older()].map(|emulator| compare(&case, 0, Precision::Fp32, emulator).unwrap());
        assert!(errors[0] < 1e-6 && errors[0] < 2.0 * errors[1] + 1e-7, "{errors:?}");
    }
}

#[test]
fn products_have_no_bank_conflicts() {
    let (mut newer, mut older) = (emulator(), older());
    for case in [ragged(), more_ragged(), long_sums()] {
        for emulator in [&mut newer, &mut older] {
            run(&case, 0, Precision::Fp32, emulator).unwrap();
        }
    }
    for counters in [newer.counters()["gemm_tensor"], older.counters()["gemm"]] {
        assert!(counters.shared_accesses > 0 && counters.bank_conflicts == 0, "{counters:?}");
    }
}

#[test]
fn recurrent_layers_have_no_bank_conflicts() {
    let (mut older, mut newer) = (older(), emulator());
    for case in [lstm_of_eight(), gru_of_eight()] {
        run(&case, 0, Precision::Fp32, &mut older).unwrap();
    }
    for case in [lstm_of_registers(), lstm_of_cluster(), gru_of(128)] {
        run(&case, 0, Precision::Fp32, &mut newer).unwrap();
    }
    let blocks = ["lstm_forward", "lstm_backward", "gru_forward", "gru_backward"];
    let others = ["lstm_small", "lstm_cluster", "gru_cluster"]
        .map(|layer| [format!("{layer}_forward"), format!("{layer}_backward")]);
    let found = blocks.iter().map(|&entry| (entry, older.counters()[entry]));
    let found =
        found.chain(others.as_flattened().iter().map(|entry| (entry.as_str(), newer.counters()[entry.as_str()])));
    for (entry, counters) in found {
        assert!(counters.shared_accesses > 0 && counters.bank_conflicts == 0, "{entry}: {counters:?}");
    }
}

#[test]
fn what_has_no_kernel_is_named() {
    let mut device = opened(Precision::Fp32);
    for spec in OPS.iter().filter(|spec| PROCESSOR_ALONE.contains(&spec.name)) {
        let refused =
            compare(&(spec.draw)(&mut Draw::small(1)), 0, Precision::Fp32, &mut *device).unwrap_err().to_string();
        assert!(refused.contains(spec.name) && refused.contains("processor alone"), "{refused}");
    }
}
