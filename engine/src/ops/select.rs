//! y[b] = x[b, t]: one step of a sequence.
//!
//! - CPU: the loops below
//! - GPU: `kernels/ptx/elementwise.ptx`, `kernels/ptx/layout.ptx`
//! - PyTorch: `select` in `graphs.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::gpu::{
    Launches, Target, elementwise,
    layout::{self, Rest, Rows},
};

use super::case::{Spec, case};
use super::put;
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Op, Reads};
use crate::{Error, Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Select {
    step: usize,
}

impl<T: Float> Op<T> for Select {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![("step", Attribute::Whole(self.step))]
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        match *inputs[0].dims() {
            [b, t, d] if self.step < t => Ok([b, d].into()),
            _ => {
                let problem = format!("x is {}, expected (batch, more than {} steps, features)", inputs[0], self.step);
                Err(Error::shape(SPEC.name, problem))
            }
        }
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn flops(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn forward(&self, run: Forward<'_, T>) {
        let [_, t, d] = *run.shapes[0].dims() else { unreachable!("three axes") };
        for (y, x) in run.y.chunks_exact_mut(d).zip(run.x[0].chunks_exact(t * d)) {
            y.copy_from_slice(&x[self.step * d..][..d]);
        }
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx[b, step] = dy[b], other steps 0
        let [_, t, d] = *run.shapes[0].dims() else { unreachable!("three axes") };
        let Some(dx) = run.dx.take(0) else { return };
        run.team.pieces([(dx.values, t * d)], |b, [dx_row]| {
            if !dx.add {
                dx_row.fill(T::ZERO);
            }
            let dy = &run.dy[b * d..][..d];
            dx_row[self.step * d..][..d].iter_mut().zip(dy).for_each(|(d, &dy)| put(d, dy, true));
        });
    }
}

impl DeviceOp for Select {
    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        let [b, t, d] = *run.shapes[0].dims() else { unreachable!("three axes") };
        let x = run.x[0].part(self.step * d, run.x[0].len - self.step * d);
        let rows = Rows { rows: b, width: d, repeat: 1 };
        layout::copy_rows(launches, rows, (x, t * d), (Target::write(run.y), d), Rest::Goes);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        let [b, t, d] = *run.shapes[0].dims() else { unreachable!("three axes") };
        let Some(dx) = run.dx[0] else { return };
        if !dx.add {
            elementwise::fill(launches, 0.0, dx);
        }
        let step = Target { span: dx.span.part(self.step * d, dx.span.len - self.step * d), add: true };
        let rows = Rows { rows: b, width: d, repeat: 1 };
        layout::copy_rows(launches, rows, (run.dy, d), (step, t * d), Rest::Stays);
    }
}

impl<T: Float> Tape<T> {
    /// Step `step` of a sequence: `(B, T, D)` to `(B, D)`.
    ///
    /// # Errors
    /// If `x` has not three axes or no such step.
    pub fn select(&mut self, x: Tensor, step: usize) -> Result<Tensor> {
        self.record(Select { step }, &[x])
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "select",
    formula: "y[b] = x[b, t]",
    draw: |draw| {
        let shape = [draw.batch(), draw.extent(), draw.extent()];
        let step = draw.whole(0, shape[1] - 1);
        case!(format!("{shape:?} step {step}"), vec![draw.values(shape)], |tape, x| tape.select(x[0], step))
    },
};
