//! Every operation, forward and gradients.

use inkgrad_engine::device::Precision;
use inkgrad_engine::device::plan::DevicePlan;
use inkgrad_engine::device::state::State;
use inkgrad_engine::device::window::{Row, SUMS};
use inkgrad_engine::ops::{Case, CaseInput, Draw, OPS};
use inkgrad_engine::optim::{Optimizer, Rule};
use inkgrad_engine::{Clock, Compile, DeviceError, Init, Param, Params, Tape, Team, Tensor};
use inkgrad_kernels::emulator::Emulator;
use inkgrad_kernels::launch::{self, Apart, Device as _};
use inkgrad_kernels::ptx::MODULES;
use inkgrad_tests::cases;
use proptest::prelude::*;

use crate::cases::{
    GRU_BYTES, LSTM_BYTES, equal_scores, gru_from_state, gru_of_eight, gru_with_rest, long_sums, lstm_from_state,
    lstm_of_eight, lstm_with_rest, more_narrow, more_ragged, narrow, noise, one_class, ragged, size,
};
use crate::{device, error, opened};

const CLOCK: Clock = Clock { seed: 7, step: 3 };

/// The largest error of an output or a gradient.
pub const TOLERANCE: f64 = 1e-5;

/// The same with products in tf32.
pub const TF32_TOLERANCE: f64 = 2e-3;

/// Which inputs are used a second time, one bit each: none, all, every other one.
pub const AGAIN: [u8; 3] = [0, 0xff, 0b1010_1010];

/// Operations that run on the processor alone: those of networks that are never trained, and those that no kernel computes, as
/// each one's file says.
pub const PROCESSOR_ALONE: [&str; 14] = [
    "frozen_conv2d",
    "avg_pool2d",
    "max_pool2d",
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

/// A case whose differentiable inputs are parameters. Its loss is Σ y² + 3y, so that the output's gradient differs from
/// element to element and is not zero where y is. Σ x² is added for the parameters that `again` names,
/// one bit each, so that the operation's backward finds gradients to add to.
pub struct Recorded {
    pub params: Params<f32>,
    declared: Vec<Option<Param>>,
    pub tape: Tape<f32>,
    inputs: Vec<Tensor>,
    pub y: Tensor,
    pub loss: Tensor,
}

impl Recorded {
    pub fn new(case: &Case, again: u8) -> Recorded {
        let (mut params, mut tape) = (Params::new(), Tape::new());
        let declared: Vec<Option<Param>> = case
            .inputs
            .iter()
            .enumerate()
            .map(|(i, x)| x.differentiable.then(|| params.declare(format!("x{i}"), x.shape, Init::Normal)))
            .collect();
        let mut inputs = Vec::new();
        for (param, x) in declared.iter().zip(&case.inputs) {
            inputs.push(match param {
                Some(param) => {
                    let values = params.value_mut(param).iter_mut().zip(&x.values);
                    values.for_each(|(value, &given)| *value = given as f32);
                    tape.param(param)
                }
                None => tape.input("x", x.shape),
            });
        }
        let y = (case.f32)(&mut tape, &inputs).unwrap();
        let square = tape.mul(y, y).unwrap();
        let triple = tape.scale(y, 3.0).unwrap();
        let terms = tape.add(square, triple).unwrap();
        let mut loss = tape.sum(terms).unwrap();
        for (_, &x) in inputs.iter().enumerate().filter(|&(i, _)| again >> i & 1 == 1 && declared[i].is_some()) {
            let square = tape.mul(x, x).unwrap();
            let sum = tape.sum(square).unwrap();
            loss = tape.add(loss, sum).unwrap();
        }
        Recorded { params, declared, tape, inputs, y, loss }
    }
}

/// The inputs that are no parameters, with their values.
fn fixed(case: &Case, inputs: &[Tensor]) -> Vec<(Tensor, Vec<f32>)> {
    let values = |x: &CaseInput| x.values.iter().map(|&x| x as f32).collect();
    let all = inputs.iter().zip(&case.inputs);
    all.filter(|(_, input)| !input.differentiable).map(|(&x, input)| (x, values(input))).collect()
}

/// The output of a case on a device, and its parameters with their gradients.
fn on_device(
    case: &Case,
    again: u8,
    precision: Precision,
    device: &mut dyn launch::Device,
) -> Result<(Vec<f32>, Params<f32>), DeviceError> {
    let Recorded { mut params, tape, inputs, y, loss, .. } = Recorded::new(case, again);
    let optimizer = Optimizer::new(Rule::Adam, None, params.count());
    let state = State::new(device, &params, &optimizer)?.with_precision(precision);
    let options = Compile { loss: Some(loss), keep: &[y], ..Compile::default() };
    let plan = DevicePlan::new(tape, options, &params, &state, device)?;
    for (x, values) in fixed(case, &inputs) {
        plan.write(device, x, &values)?;
    }
    state.window.prepare(device, &[0.0; SUMS], &[Row { clock: CLOCK, lr: 1e-3, step: 1, batch: 0 }])?;
    device.launch(&state.window.begin())?;
    for launch in plan.forward.iter().chain(&plan.backward) {
        device.launch(launch)?;
    }
    let found = plan.read(device, y)?;
    state.download_grads(device, &mut params)?;
    plan.free(device)?;
    state.free(device)?;
    Ok((found, params))
}

/// The largest error of the output and of the gradients of each input.
pub fn compare(
    case: &Case,
    again: u8,
    precision: Precision,
    device: &mut dyn launch::Device,
) -> Result<f64, DeviceError> {
    let Recorded { mut params, declared, tape, inputs, y, loss } = Recorded::new(case, again);
    let mut plan = tape.compile(Compile { loss: Some(loss), keep: &[y], ..Compile::default() });
    for (x, values) in fixed(case, &inputs) {
        plan.input(x).copy_from_slice(&values);
    }
    plan.forward(&params, &Team::solo(), CLOCK);
    let expected = plan.value(y).to_vec();
    plan.backward(&mut params, &Team::solo());

    let (found, on_device) = on_device(case, again, precision, device)?;
    // Where many terms cancel, the sum is as good as they are.
    let least = (size(case) as f64).sqrt() / 8.0;
    let gradients = declared.iter().flatten().map(|param| error(on_device.grad(param), params.grad(param), least));
    Ok(gradients.fold(error(&found, &expected, least), |worst, x| if x > worst || x.is_nan() { x } else { worst }))
}

/// An emulator, for what only it can be asked.
fn emulator() -> Emulator {
    let mut emulator = Emulator::new(5);
    for (name, text) in MODULES {
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
    #![proptest_config(cases(4))]

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
    #![proptest_config(cases(1))]

    /// Over several blocks and tiles.
    #[test]
    fn so_does_it_at_larger_extents(seed in any::<u64>()) {
        let mut device = opened(Precision::Fp32);
        let products = [long_sums(), ragged(), more_ragged(), one_class(), equal_scores(), noise()];
        let recurrent = [lstm_from_state(), gru_from_state(), lstm_of_eight(), gru_of_eight()];
        for case in products.into_iter().chain(recurrent) {
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
    for case in drawn.chain([ragged(), one_class(), lstm_of_eight(), gru_of_eight()]) {
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
        let (y, params) = on_device(case, 0xff, Precision::Fp32, emulator).unwrap();
        y.iter().chain(params.grads()).map(|x| x.to_bits()).collect::<Vec<u32>>()
    };
    for (case, limits) in [(lstm_with_rest(), LSTM_BYTES), (gru_with_rest(), GRU_BYTES)] {
        let mut emulator = emulator();
        let expected = bits(&mut emulator, &case);
        for bytes in limits {
            emulator.set_shared_bytes(bytes);
            assert!(bits(&mut emulator, &case) == expected, "{}: another result with {bytes} bytes", case.label);
        }
        // A byte less than a launch needs at least.
        emulator.set_shared_bytes(limits[0] - 1);
        let refused = on_device(&case, 0, Precision::Fp32, &mut emulator).unwrap_err().to_string();
        let expected = format!("found {} bytes of shared memory, expected {} at most", limits[0], limits[0] - 1);
        assert!(refused.contains(&expected), "{refused}");
    }
}

#[test]
fn recurrent_layers_have_no_bank_conflicts() {
    let mut emulator = emulator();
    for case in [lstm_of_eight(), gru_of_eight()] {
        on_device(&case, 0, Precision::Fp32, &mut emulator).unwrap();
    }
    for entry in ["lstm_forward", "lstm_backward", "gru_forward", "gru_backward"] {
        let counters = emulator.counters()[entry];
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
