//! y = how many rows of logits are largest at their label: a count to be reported, which nothing is trained by.

use inkgrad_kernels::Float;

use super::case::{Spec, case};
use crate::device::launches::{Launches, Precision, hits_scratch};
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
            (&[b, classes], &[labels]) if b == labels && classes > 0 => Ok(Shape::SCALAR),
            _ => {
                let problem = format!(
                    "logits are {}, labels are {}, expected (batch, classes) and (batch)",
                    inputs[0], inputs[1]
                );
                Err(Error::shape(SPEC.name, problem))
            }
        }
    }

    fn memory(&self, _: &[Shape], _: Shape) -> Memory {
        Memory::NONE
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> u64 {
        inputs[0].len() as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        let classes = run.shapes[0].last();
        // The first of equal logits counts as the largest.
        let largest = |row: &[T]| (1..classes).fold(0, |best, i| if row[i] > row[best] { i } else { best });
        let rows = run.x[0].chunks_exact(classes).zip(run.x[1]);
        let right = rows.filter(|&(row, &label)| largest(row) as f64 == label.to_f64()).count();
        run.y[0] = T::from_f64(right as f64);
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // A step function's derivative is 0 wherever it has one.
        for dx in (0..2).filter_map(|i| run.dx.take(i)).filter(|dx| !dx.add) {
            dx.values.fill(T::ZERO);
        }
    }
}

impl DeviceOp for Correct {
    fn device_memory(&self, inputs: &[Shape], _: Shape, _: Precision) -> Memory {
        Memory { forward_scratch: hits_scratch(inputs[0].first()), ..Memory::NONE }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        launches.hits(run.x[0], run.x[1], run.y, run.scratch);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        for dx in run.dx.iter().flatten().filter(|dx| !dx.add) {
            launches.fill(None, 0.0, *dx);
        }
    }
}

impl<T: Float> Tape<T> {
    /// How many rows of `logits: (B, classes)` are largest at their label, the first of equal ones: a single number.
    ///
    /// # Errors
    /// If there is not one label a row.
    pub fn correct(&mut self, logits: Tensor, labels: Tensor) -> Result<Tensor> {
        self.record(Correct, &[logits, labels])
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "correct",
    formula: "y = #{b : argmax x[b] = label[b]}",
    draw: |draw| {
        let (batch, classes) = (draw.batch(), draw.extent());
        let logits = draw.values([batch, classes]);
        let labels = draw.labels(batch, classes);
        case!(format!("[{batch}, {classes}]"), vec![logits, labels], |tape, x| tape.correct(x[0], x[1]))
    },
};
