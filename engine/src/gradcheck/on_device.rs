//! A device's values and gradients, in `f32`, against the processor's: these are the ones that differences have confirmed in `f64`, so
//! a device that agrees with them differentiates correctly too.
//!
//! ```
//! use inkgrad_engine::device::{Kind, Precision};
//! use inkgrad_engine::gradcheck::on_device::{TOLERANCE, check_op};
//! use inkgrad_engine::ops::OPS;
//!
//! let mut device = Kind::Emulated.open(Precision::Fp32)?.expect("a device that is not the processor");
//! let relu = OPS.iter().find(|spec| spec.name == "relu").expect("an operation");
//! let apart = check_op(relu, 2, Precision::Fp32, &mut *device)?.expect("it has kernels");
//! assert!(apart.error < TOLERANCE, "{}", apart.place);
//! # Ok::<(), inkgrad_engine::DeviceError>(())
//! ```

use inkgrad_kernels::launch::Device;

use crate::device::Precision;
use crate::device::plan::DevicePlan;
use crate::device::state::State;
use crate::ops::{Case, CaseInput, Draw, Recorder, Spec};
use crate::optim::{Optimizer, Rule};
use crate::{Clock, Compile, DeviceError, Float, Init, Param, Params, Result, Tape, Team, Tensor};

/// The largest error that passes of products in fp32.
pub const TOLERANCE: f64 = 1e-5;

/// The same with products in tf32, whose factors have 11 bits of mantissa.
pub const TF32_TOLERANCE: f64 = 2e-3;

/// Which inputs a check uses a second time, one bit each: none, all, every other one.
pub const AGAIN: [u8; 3] = [0, 0xff, 0b1010_1010];

/// A case whose differentiable inputs are parameters. Its loss is Σ y² + 3y, so that the output's gradient differs from
/// element to element and is not zero where y is. Σ x² is added for the parameters that `again` names,
/// one bit each, so that the operation's backward finds gradients to add to.
#[derive(Debug)]
pub struct Recorded<T> {
    /// The differentiable inputs.
    pub params: Params<T>,
    declared: Vec<Option<Param>>,
    /// The case and its loss.
    pub tape: Tape<T>,
    inputs: Vec<Tensor>,
    /// The case's output.
    pub y: Tensor,
    /// The scalar.
    pub loss: Tensor,
}

impl<T: Float> Recorded<T> {
    /// Records a case by one of its two recorders, on values that `f32` can hold.
    ///
    /// # Errors
    /// If the operation refuses it.
    pub fn new(case: &Case, record: &Recorder<T>, again: u8) -> Result<Self> {
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
                    values.for_each(|(value, &given)| *value = single(given));
                    tape.param(param)
                }
                None => tape.input("x", x.shape),
            });
        }
        let y = record(&mut tape, &inputs)?;
        let square = tape.mul(y, y)?;
        let triple = tape.scale(y, 3.0)?;
        let terms = tape.add(square, triple)?;
        let mut loss = tape.sum(terms)?;
        for (_, &x) in inputs.iter().enumerate().filter(|&(i, _)| again >> i & 1 == 1 && declared[i].is_some()) {
            let square = tape.mul(x, x)?;
            let sum = tape.sum(square)?;
            loss = tape.add(loss, sum)?;
        }
        Ok(Recorded { params, declared, tape, inputs, y, loss })
    }

    /// The inputs that are no parameters, with their values.
    fn fixed(&self, case: &Case) -> Vec<(Tensor, Vec<T>)> {
        let values = |x: &CaseInput| x.values.iter().map(|&x| single(x)).collect();
        let all = self.inputs.iter().zip(&case.inputs);
        all.filter(|(_, input)| !input.differentiable).map(|(&x, input)| (x, values(input))).collect()
    }

    /// The case's output on the processor, and the gradient of each input that has one.
    fn on_processor(self, case: &Case) -> [Vec<Vec<f64>>; 2] {
        let filled = self.fixed(case);
        let Recorded { mut params, declared, tape, y, loss, .. } = self;
        let mut plan = tape.compile(Compile { loss: Some(loss), keep: &[y], ..Compile::default() });
        for (x, values) in &filled {
            plan.input(*x).copy_from_slice(values);
        }
        plan.forward(&params, &Team::solo(), CLOCK);
        let double = |values: &[T]| values.iter().map(|x| x.to_f64()).collect();
        let output = double(plan.value(y));
        plan.backward(&mut params, &Team::solo());
        [vec![output], declared.iter().flatten().map(|param| double(params.grad(param))).collect()]
    }
}

/// A number as `f32` has it.
fn single<T: Float>(x: f64) -> T {
    T::from_f64(f64::from(x as f32))
}

/// Runs a loss forward and backward on a device: gives the values of `keep`, and the gradients in `params`. `filled` are the values
/// of the tape's inputs.
///
/// # Errors
/// If an operation has no kernels there, or the device fails.
pub fn differentiate(
    tape: Tape<f32>,
    loss: Tensor,
    keep: &[Tensor],
    filled: &[(Tensor, Vec<f32>)],
    params: &mut Params<f32>,
    clock: Clock,
    (precision, device): (Precision, &mut dyn Device),
) -> Result<Vec<Vec<f32>>, DeviceError> {
    let optimizer = Optimizer::new(Rule::Sgd(0.0), None, params.count());
    let state = State::new(device, params, &optimizer)?.with_precision(precision);
    let plan = DevicePlan::new(tape, Compile { loss: Some(loss), keep, ..Compile::default() }, params, &state, device)?;
    for (x, values) in filled {
        plan.write(device, *x, values)?;
    }
    state.window.single(device, clock)?;
    for launch in plan.forward.iter().chain(&plan.backward) {
        device.launch(launch)?;
    }
    let values = keep.iter().map(|&x| plan.read(device, x)).collect::<Result<_, _>>()?;
    state.download_grads(device, params)?;
    plan.free(device)?;
    state.free(device)?;
    Ok(values)
}

/// The time of a step that random operations make their key of.
const CLOCK: Clock = Clock { seed: 7, step: 3 };

/// The output of a case on a device, and its parameters with their gradients.
///
/// # Errors
/// If the operation has no kernels there, refuses the case, or the device fails.
pub fn run(
    case: &Case,
    again: u8,
    precision: Precision,
    device: &mut dyn Device,
) -> Result<(Vec<f32>, Params<f32>), DeviceError> {
    let recorded = Recorded::new(case, &case.f32, again).map_err(|error| refused(case, &error))?;
    let filled = recorded.fixed(case);
    let Recorded { mut params, tape, y, loss, .. } = recorded;
    let mut values = differentiate(tape, loss, &[y], &filled, &mut params, CLOCK, (precision, device))?;
    Ok((values.remove(0), params))
}

/// The largest error of a case's output and of the gradients of each input, see [`error`], against the processor in `f64`. Where small
/// errors grow, as in a recurrent layer that is far from stable, the processor in `f32` may be as far off: from half the tolerance on
/// a device's error is measured by the processor's.
///
/// # Errors
/// Those of [`run`].
pub fn compare(case: &Case, again: u8, precision: Precision, device: &mut dyn Device) -> Result<f64, DeviceError> {
    let refused = |error| refused(case, &error);
    let double = Recorded::new(case, &case.f64, again).map_err(refused)?.on_processor(case);
    let single = Recorded::new(case, &case.f32, again).map_err(refused)?;
    let declared = single.declared.clone();
    let single = single.on_processor(case);
    let (y, params) = run(case, again, precision, device)?;
    let gradients = declared.iter().flatten().map(|param| params.grad(param).to_vec()).collect();

    // Where many terms cancel, the sum is as good as they are. An element that enters several outputs has a gradient of as many terms
    // with 2y + 3 in each.
    let numbers: usize = case.inputs.iter().map(|x| x.values.len()).sum();
    let least = (numbers as f64).sqrt() / 8.0;
    let outputs = y.len() as f64;
    let mut worst = 0.0;
    for (kind, found) in [vec![y], gradients].into_iter().enumerate() {
        for ((found, single), double) in found.iter().zip(&single[kind]).zip(&double[kind]) {
            let least = if kind == 0 { least } else { least.max(outputs / found.len().max(1) as f64) };
            let found: Vec<f64> = found.iter().map(|&x| f64::from(x)).collect();
            let processor = apart(single, double, least);
            let error = apart(&found, double, least) * (TOLERANCE / 2.0 / processor).min(1.0);
            if error > worst || error.is_nan() {
                worst = error;
            }
        }
    }
    Ok(worst)
}

/// The largest difference over the largest expected number, or over `least` where that is larger; NaN where a difference is.
///
/// # Panics
/// If there are not as many numbers.
pub fn error(found: &[f32], expected: &[f32], least: f64) -> f64 {
    let double = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    apart(&double(found), &double(expected), least)
}

fn apart(found: &[f64], expected: &[f64], least: f64) -> f64 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(least.max(1e-3), |scale, &x| scale.max(x.abs()));
    found.iter().zip(expected).fold(0.0, |worst, (a, b)| {
        let error = (a - b).abs() / scale;
        if error > worst || error.is_nan() { error } else { worst }
    })
}

/// How far a device is from the processor.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Apart {
    /// Cases, or tensors of gradients.
    pub compared: usize,
    /// The largest error.
    pub error: f64,
    /// Where it was found.
    pub place: String,
}

/// Compares an operation on `small` random small cases, each with its inputs used as [`AGAIN`] says; `None` if it has no kernels for a
/// GPU.
///
/// # Errors
/// If the operation refuses a case, or the device fails.
pub fn check_op(
    spec: &Spec,
    small: u64,
    precision: Precision,
    device: &mut dyn Device,
) -> Result<Option<Apart>, DeviceError> {
    let mut worst = Apart::default();
    for seed in 0..small {
        let case = (spec.draw)(&mut Draw::small(seed));
        let recorded = Recorded::new(&case, &case.f32, 0).map_err(|error| refused(&case, &error))?;
        if recorded.tape.processor_alone().is_some() {
            return Ok(None);
        }
        for again in AGAIN {
            let error = compare(&case, again, precision, device)?;
            worst.compared += 1;
            if error >= worst.error || error.is_nan() {
                let place = format!("{}, drawn from Draw::small({seed}), again {again:#b}", case.label);
                worst = Apart { error, place, ..worst };
            }
            if error.is_nan() {
                return Ok(Some(worst));
            }
        }
    }
    Ok(Some(worst))
}

fn refused(case: &Case, error: &crate::Error) -> DeviceError {
    DeviceError::Launch { entry: case.label.clone(), problem: error.to_string() }
}
