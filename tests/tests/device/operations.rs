//! Every operation, forward and gradients.

use inkgrad_engine::device::Precision;
use inkgrad_engine::device::plan::DevicePlan;
use inkgrad_engine::device::state::State;
use inkgrad_engine::device::window::{Row, SUMS};
use inkgrad_engine::ops::{Case, CaseInput, Draw, OPS};
use inkgrad_engine::optim::{Optimizer, Rule};
use inkgrad_engine::{Clock, Compile, DeviceError, Init, Param, Params, Shape, Tape, Team, Tensor};
use inkgrad_kernels::emulator::Emulator;
use inkgrad_kernels::launch::{self, Apart, Device as _};
use inkgrad_kernels::ptx::MODULES;
use inkgrad_tests::cases;
use proptest::prelude::*;

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
const PROCESSOR_ALONE: [&str; 14] = [
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
struct Recorded {
    params: Params<f32>,
    declared: Vec<Option<Param>>,
    tape: Tape<f32>,
    inputs: Vec<Tensor>,
    y: Tensor,
    loss: Tensor,
}

impl Recorded {
    fn new(case: &Case, again: u8) -> Recorded {
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

/// Numbers of all inputs.
fn size(case: &Case) -> usize {
    case.inputs.iter().map(|x| x.values.len()).sum()
}

fn linear([b, i, o]: [usize; 3]) -> Case {
    let mut draw = Draw::small(1);
    Case {
        label: format!("x ({b}, {i}), weight ({o}, {i})"),
        inputs: vec![draw.values([b, i]), draw.weights([o, i], i), draw.biases(o)],
        f32: Box::new(|tape, x| tape.linear(x[0], x[1], x[2])),
        f64: Box::new(|tape, x| tape.linear(x[0], x[1], x[2])),
    }
}

/// A layer whose products are cut along their sums.
pub fn long_sums() -> Case {
    linear([5, 700, 70])
}

/// A layer whose products have more than half a tile of rows and columns, and sums that end within a tile's first half.
pub fn ragged() -> Case {
    linear([40, 21, 37])
}

/// The same with sums that end within a tile's second half.
pub fn more_ragged() -> Case {
    linear([40, 29, 37])
}

fn linear_relu([b, i, o]: [usize; 3]) -> Case {
    Case {
        f32: Box::new(|tape, x| tape.linear_relu(x[0], x[1], x[2])),
        f64: Box::new(|tape, x| tape.linear_relu(x[0], x[1], x[2])),
        ..linear([b, i, o])
    }
}

/// A layer with a ReLU and less than half a tile of columns, whose sums end within a tile's first half.
pub fn narrow() -> Case {
    linear_relu([9, 21, 30])
}

/// The same with sums that end within a tile's second half.
pub fn more_narrow() -> Case {
    linear_relu([9, 29, 30])
}

/// A softmax that has nothing to choose from.
pub fn one_class() -> Case {
    let mut draw = Draw::small(1);
    Case {
        label: "logits (3, 1)".to_owned(),
        inputs: vec![draw.values([3, 1]), draw.labels(3, 1)],
        f32: Box::new(|tape, x| tape.softmax_cross_entropy(x[0], x[1])),
        f64: Box::new(|tape, x| tape.softmax_cross_entropy(x[0], x[1])),
    }
}

/// Scores with equal ones among them, over more than a block.
pub fn equal_scores() -> Case {
    const ROWS: usize = 300;
    const CLASSES: usize = 5;
    let given = |shape: &[usize], value: fn(usize) -> usize| CaseInput {
        shape: Shape::try_from(shape).unwrap(),
        values: (0..shape.iter().product()).map(|i| value(i) as f64).collect(),
        differentiable: false,
    };
    Case {
        label: format!("logits ({ROWS}, {CLASSES})"),
        inputs: vec![given(&[ROWS, CLASSES], |i| i * 7 % 11 % 4), given(&[ROWS], |i| i % CLASSES)],
        f32: Box::new(|tape, x| tape.correct(x[0], x[1])),
        f64: Box::new(|tape, x| tape.correct(x[0], x[1])),
    }
}

/// The first drawn case of an operation that has `inputs` inputs.
fn with_inputs(name: &str, inputs: usize) -> Case {
    let spec = OPS.iter().find(|spec| spec.name == name).expect("an operation");
    (0..).map(|seed| (spec.draw)(&mut Draw::small(seed))).find(|case| case.inputs.len() == inputs).expect("a case")
}

/// An LSTM that begins in a given state.
pub fn lstm_from_state() -> Case {
    with_inputs("lstm", 7)
}

/// A GRU that begins in a given state.
pub fn gru_from_state() -> Case {
    with_inputs("gru", 6)
}

/// The inputs of a recurrent layer over five sequences, which is more than a block has.
fn sequences(gates: usize, hidden: usize) -> Vec<CaseInput> {
    let mut draw = Draw::small(1);
    let rows = gates * hidden;
    let (x, w_ih, w_hh) = (draw.values([5, 4, 3]), draw.weights([rows, 3], 3), draw.weights([rows, hidden], hidden));
    vec![x, w_ih, w_hh, draw.biases(rows), draw.biases(rows)]
}

fn lstm(hidden: usize) -> Case {
    Case {
        label: format!("x (5, 4, 3), {hidden} units"),
        inputs: sequences(4, hidden),
        f32: Box::new(|tape, x| tape.lstm(x[0], [x[1], x[2], x[3], x[4]], None, false)),
        f64: Box::new(|tape, x| tape.lstm(x[0], [x[1], x[2], x[3], x[4]], None, false)),
    }
}

fn gru(hidden: usize) -> Case {
    Case {
        label: format!("x (5, 4, 3), {hidden} units"),
        inputs: sequences(3, hidden),
        f32: Box::new(|tape, x| tape.gru(x[0], [x[1], x[2], x[3], x[4]], None, false)),
        f64: Box::new(|tape, x| tape.gru(x[0], [x[1], x[2], x[3], x[4]], None, false)),
    }
}

/// An LSTM of eight units, whose recurrent weights are walked by fours to the end.
pub fn lstm_of_eight() -> Case {
    lstm(8)
}

/// An LSTM of more units, of which two are left over.
pub fn lstm_with_rest() -> Case {
    lstm(58)
}

/// A GRU of eight units.
pub fn gru_of_eight() -> Case {
    gru(8)
}

/// A GRU of more units, of which two are left over.
pub fn gru_with_rest() -> Case {
    gru(78)
}

/// Bytes of shared memory with which [`lstm_with_rest`] keeps four rows of recurrent weights in its forward and none in its
/// backward, or eight and four. Products need 8704.
pub const LSTM_BYTES: [usize; 2] = [160 * 58, (160 + 4 * 16) * 58];
/// The same for [`gru_with_rest`].
pub const GRU_BYTES: [usize; 2] = [112 * 78, (112 + 4 * 12) * 78];

/// Noise in every part of its distribution.
pub fn noise() -> Case {
    let mut draw = Draw::small(1);
    Case {
        label: "(8, 70), noise drawn".to_owned(),
        inputs: vec![draw.values([8, 70]), draw.values([8, 70])],
        f32: Box::new(|tape, x| tape.reparameterize(x[0], x[1])),
        f64: Box::new(|tape, x| tape.reparameterize(x[0], x[1])),
    }
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
