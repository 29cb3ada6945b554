//! y[b, t] = x[b] for each of T steps: a vector made a sequence.
//!
//! - CPU: the loops below
//! - GPU: `kernels/ptx/layout.ptx`, `kernels/ptx/reduce.ptx`
//! - PyTorch: `repeat` in `graphs.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::gpu::{
    Launches, Target,
    layout::{self, Rest, Rows},
    reduce::{self, Axis},
};

use super::case::{Spec, case};
use super::put;
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Error, Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Repeat {
    steps: usize,
}

impl<T: Float> Op<T> for Repeat {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![("steps", Attribute::Whole(self.steps))]
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        match *inputs[0].dims() {
            [b, d] => Ok([b, self.steps, d].into()),
            _ => Err(Error::shape(SPEC.name, format!("x is {}, expected (batch, features)", inputs[0]))),
        }
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn flops(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn forward(&self, run: Forward<'_, T>) {
        let d = run.shapes[0].last();
        run.team.pieces([(run.y, self.steps * d)], |b, [y]| {
            y.chunks_exact_mut(d).for_each(|step| step.copy_from_slice(&run.x[0][b * d..][..d]));
        });
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx[b] = Σₜ dy[b, t]
        let d = run.shapes[0].last();
        let Some(dx) = run.dx.take(0) else { return };
        run.team.pieces([(dx.values, d)], |b, [sum]| {
            for (t, dy) in run.dy[b * self.steps * d..][..self.steps * d].chunks_exact(d).enumerate() {
                sum.iter_mut().zip(dy).for_each(|(sum, &dy)| put(sum, dy, dx.add || t > 0));
            }
        });
    }
}

impl DeviceOp for Repeat {
    fn device_memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        let backward_scratch = reduce::sum_axis_scratch_len(inputs[0].len(), self.steps);
        Memory { backward_scratch, ..Memory::NONE }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        let (rows, d) = (run.y.len / run.y_shape.last(), run.y_shape.last());
        let rows = Rows { rows, width: d, repeat: self.steps };
        layout::copy_rows(launches, rows, (run.x[0], d), (Target::write(run.y), d), Rest::Goes);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        let d = run.y_shape.last();
        if let Some(dx) = run.dx[0] {
            let axis = Axis { inner: d, outer: self.steps * d, step: d, count: self.steps };
            reduce::sum_axis(launches, run.dy, dx, axis, run.scratch);
        }
    }
}

impl<T: Float> Tape<T> {
    /// `(B, D)` to `(B, steps, D)`, every step a copy.
    ///
    /// # Errors
    /// If `x` is not a matrix or `steps` is zero.
    pub fn repeat(&mut self, x: Tensor, steps: usize) -> Result<Tensor> {
        if steps == 0 {
            return Err(Error::shape(SPEC.name, "0 steps, expected at least one"));
        }
        self.record(Repeat { steps }, &[x])
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "repeat",
    formula: "y[b, t] = x[b]",
    draw: |draw| {
        let (shape, steps) = ([draw.batch(), draw.extent()], draw.extent());
        case!(format!("{shape:?} × {steps}"), vec![draw.values(shape)], |tape, x| tape.repeat(x[0], steps))
    },
};
