//! Mistakes that only a program's own text can contain: each panics, with a message that says what was found and what to do.

use std::panic::{AssertUnwindSafe, catch_unwind};

use inkgrad_engine::device::plan::DevicePlan;
use inkgrad_engine::device::state::State;
use inkgrad_engine::op::{Op, Reads};
use inkgrad_engine::optim::{Accumulator, Rule};
use inkgrad_engine::prelude::*;
use inkgrad_kernels::emulator::Emulator;

/// The message of the panic that this ends in.
fn panic_of<R>(work: impl FnOnce() -> R) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(work()))).expect_err("a panic");
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).expect("a message")
}

#[track_caller]
fn begins(found: &str, expected: &str) {
    assert!(found.starts_with(expected), "{found}, expected {expected}");
}

/// Σ (x·w)² of so many numbers.
fn squares(numbers: usize) -> (Tape<f32>, Params<f32>, [Tensor; 3]) {
    let (mut tape, mut params) = (Tape::new(), Params::new());
    let w = params.declare("w", [numbers], Init::Normal);
    let (x, w) = (tape.input("x", [numbers]), tape.param(&w));
    let y = tape.mul(x, w).unwrap();
    let squares = tape.mul(y, y).unwrap();
    let loss = tape.sum(squares).unwrap();
    (tape, params, [x, w, loss])
}

#[test]
fn of_shapes() {
    let refused = |dims: &[usize]| Shape::try_from(dims).unwrap_err().to_string();
    for dims in [[1 << 30, 1 << 31], [1 << 40, 1 << 40]] {
        let expected = format!("shape: ({}, {}) has more than 1152921504606846975 elements", dims[0], dims[1]);
        begins(&panic_of(|| Tape::<f32>::new().input("x", dims)), &expected);
        assert_eq!(refused(&dims), expected);
    }
    begins(&refused(&[0, 1 << 40, 1 << 40]), "shape: (0, 1099511627776, 1099511627776) has more than");
    assert_eq!(Shape::from([0, 1 << 40]).len(), 0);
}

#[test]
fn of_optimisers() {
    let (_, params, _) = squares(3);
    let (_, mut others, _) = squares(5);
    begins(&panic_of(|| Optimizer::sgd(&params, -3.0)), "momentum -3, expected a number from 0 up to below 1");
    for norm in [-1.0, 0.0, f64::NAN] {
        let expected = format!("a longest gradient of {norm}, expected a number above 0");
        begins(&panic_of(|| Optimizer::adam(&params).with_clip_norm(norm)), &expected);
        begins(&panic_of(|| Optimizer::<f32>::new(Rule::Adam, Some(norm), 3)), &expected);
    }
    let (mut accumulator, team) = (Accumulator::default(), Team::solo());
    let mut taken = params.clone();
    taken.grads_mut().fill(1.0);
    accumulator.take(&mut taken, 1.0, &team);
    begins(&panic_of(|| accumulator.give(&mut others, &team)), "gradients of 3 numbers, but the parameters have 5");
}

#[test]
fn of_plans_on_a_device() {
    let device = &mut Emulator::new(1);
    let (tape, params, [x, w, loss]) = squares(3);
    let (foreign, _, [_, _, foreign_loss]) = squares(3);
    let (other_tape, others, [other, ..]) = squares(5);
    let optimizer = Optimizer::adam(&params);
    begins(
        &panic_of(|| State::new(device, &others, &optimizer)),
        "an optimiser of 3 numbers, but the parameters have 5",
    );
    let state = State::new(device, &params, &optimizer).unwrap();
    let options = |loss| Compile { loss: Some(loss), ..Compile::default() };
    begins(
        &panic_of(|| DevicePlan::new(foreign, options(foreign_loss), &Params::new(), &state, device)),
        "these `Params` lack parameter `w` (3), number 0: use those that it was declared in",
    );
    let other_options = Compile::default();
    begins(
        &panic_of(|| DevicePlan::new(other_tape, other_options, &others, &state, device)),
        "a `State` of 3 numbers, but the parameters have 5: make it of these `Params`",
    );
    begins(&panic_of(|| state.upload(device, &others, &optimizer)), "a `State` of 3 numbers");
    let sgd = Optimizer::sgd(&params, 0.9);
    begins(
        &panic_of(|| state.upload(device, &params, &sgd)),
        "a `State` of (3, 3) moments, but the optimiser has (3, 0)",
    );

    let plan = DevicePlan::new(tape, options(loss), &params, &state, device).unwrap();
    begins(&panic_of(|| plan.write(device, x, &[1.0])), "found 1 values for the input of node 0, (3), expected 3");
    begins(&panic_of(|| plan.write(device, w, &[1.0; 3])), "node 1 is no input, but ");
    begins(&panic_of(|| plan.read(device, other)), "Tensor(0) is of another tape");
}

/// An operation that takes whatever is asked of it.
#[derive(Debug)]
struct Own;

impl<T: Float> Op<T> for Own {
    fn name(&self) -> &'static str {
        "own"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0])
    }
    fn reads(&self) -> Reads {
        Reads::NOTHING
    }
    fn forward(&self, run: Forward<'_, T>) {
        run.y.copy_from_slice(run.x[0]);
    }
    fn backward(&self, mut run: Backward<'_, T>) {
        run.dx.take(9);
    }
}

#[test]
fn of_operations() {
    assert_eq!(Tape::<f32>::new().record(Own, &[]).unwrap_err().to_string(), "own: 0 inputs, expected 1 to 8");
    begins(&panic_of(|| Reads::inputs(&[8])), "an operation reads input 8, expected a number below 8");
    let (tape, mut params, [_, _, loss]) = squares(3);
    let (mut plan, team) = (tape.compile(Compile { keep: &[loss], ..Compile::default() }), Team::solo());
    begins(&panic_of(|| plan.backward(&mut params, &team)), "a loss to differentiate: give `Compile::loss` one");

    let (mut tape, mut params) = (Tape::<f32>::new(), Params::new());
    let w = params.declare("w", [3], Init::Normal);
    let w = tape.param(&w);
    let y = tape.record(Own, &[w]).unwrap();
    let loss = tape.sum(y).unwrap();
    let mut plan = tape.compile(Compile { loss: Some(loss), ..Compile::default() });
    plan.forward(&params, &team, Clock::default());
    begins(&panic_of(|| plan.backward(&mut params, &team)), "the gradient of input 9, expected a number below 8");
}

#[test]
fn of_labels() {
    for (label, shown) in [(-1.0, "-1"), (1.5, "1.5"), (7.0, "7"), (f32::NAN, "NaN")] {
        let (mut tape, mut params) = (Tape::<f32>::new(), Params::new());
        let table = nn::Embedding::new(&mut params, "table", 3, 2);
        let labels = tape.input("labels", [1]);
        let y = table.forward(&mut tape, labels).unwrap();
        let mut plan = tape.compile(Compile { keep: &[y], ..Compile::default() });
        plan.fill(labels, &[label]).unwrap();
        let found = panic_of(|| plan.forward(&params, &Team::solo(), Clock::default()));
        begins(&found, &format!("label {shown} is no whole number below 3, the number of classes"));
    }
}
