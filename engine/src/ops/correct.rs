//! y = how many rows of x are largest at their label, the first of equal ones: a classifier's right answers. No gradient.
//!
//! - CPU: `kernels/src/cpu/loss.rs`
//! - GPU: `kernels/ptx/elementwise.ptx`, `kernels/ptx/loss.ptx`, `kernels/ptx/reduce.ptx`
//! - PyTorch: none, PyTorch has no such operation

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::loss;
use inkgrad_kernels::gpu::{self, Launches};

use super::case::{Spec, case};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Error, Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Correct;

impl<T: Float> Op<T> for Correct {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        match (inputs[0].dims(), inputs[1].dims()) {
            (&[b, classes], &[labels]) if b == labels && b > 0 && classes > 0 => Ok(Shape::SCALAR),
            _ => {
                let problem =
                    format!("logits are {}, labels {}, expected (batch, classes) and (batch)", inputs[0], inputs[1]);
                Err(Error::shape(SPEC.name, problem))
            }
        }
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> u64 {
        inputs[0].len() as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        run.y[0] = T::from_f64(loss::correct(run.x[0], run.x[1]) as f64);
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // A count is constant between its jumps: dx = 0
        run.dx.none(0);
        run.dx.none(1);
    }
}

impl DeviceOp for Correct {
    fn device_memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        Memory { forward_scratch: gpu::loss::rows_scratch_len(inputs[1].len()), ..Memory::NONE }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        gpu::loss::correct(launches, run.x[0], run.x[1], run.y, run.scratch);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        run.none(0, launches);
        run.none(1, launches);
    }
}

impl<T: Float> Tape<T> {
    /// How many of `logits: (B, C)` are largest at their label, the first of equal ones; `labels: (B)` are whole numbers. A
    /// scalar without a gradient: what leads to it gets zeros.
    ///
    /// # Errors
    /// If the shapes are not those, or an axis is 0.
    pub fn correct(&mut self, logits: Tensor, labels: Tensor) -> Result<Tensor> {
        self.record(Correct, &[logits, labels])
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "correct",
    formula: "y = how many rows of x are largest at their label",
    draw: |draw| {
        let (b, classes) = (draw.batch(), draw.whole(1, 7));
        // Half of one and more between any two of a row: none is near a jump of the count.
        let mut logits = draw.fractions([b, classes]);
        for row in logits.values.chunks_exact_mut(classes) {
            for (i, x) in row.iter_mut().enumerate() {
                *x = i as f64 + *x / 2.0;
            }
            (1..classes).for_each(|i| row.swap(i, draw.whole(0, i)));
        }
        let label = format!("logits ({b}, {classes})");
        case!(label, vec![logits, draw.labels(b, classes)], |tape, x| tape.correct(x[0], x[1]))
    },
};

#[cfg(test)]
mod tests {
    use crate::{Clock, Compile, Init, Params, Tape, Team};

    #[test]
    fn the_first_of_equal_ones_counts_and_what_leads_there_gets_zeros() {
        let (mut params, mut tape) = (Params::<f32>::new(), Tape::new());
        let w = params.declare("w", [4, 3], Init::Normal);
        params.value_mut(&w).copy_from_slice(&[1.0, 3.0, 3.0, 2.0, 2.0, 2.0, 0.0, -1.0, 5.0, 7.0, 7.5, 7.0]);
        let (logits, labels) = (tape.param(&w), tape.input("labels", [4]));
        let right = tape.correct(logits, labels).unwrap();
        let sum = tape.sum(logits).unwrap();
        let loss = tape.add(right, sum).unwrap();
        let options = Compile { loss: Some(loss), keep: &[right], ..Compile::default() };
        let mut plan = tape.compile(options);
        for (given, expected) in [([1.0, 0.0, 2.0, 1.0], 4.0), ([2.0, 1.0, 0.0, 1.0], 1.0)] {
            plan.input(labels).copy_from_slice(&given);
            plan.forward(&params, &Team::solo(), Clock::default());
            assert_eq!(plan.value(right), [expected]);
            plan.backward(&mut params, &Team::solo());
            assert_eq!(params.grads(), [1.0; 12], "those of the sum alone");
            params.discard_gradients();
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_named() {
        let mut tape = Tape::<f32>::new();
        let (logits, labels) = (tape.input("x", [4, 3]), tape.input("labels", [5]));
        let refused = tape.correct(logits, labels).unwrap_err().to_string();
        assert_eq!(refused, "correct: logits are (4, 3), labels (5), expected (batch, classes) and (batch)");
    }
}
