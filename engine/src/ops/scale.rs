//! y = c · x with a constant c, and y = −x.
//!
//! - CPU: the loops below
//! - GPU: `kernels/ptx/elementwise.ptx`
//! - PyTorch: `neg` in `ops.json`; `scale` in `graphs.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::gpu::{Launches, Target, elementwise};

use super::case::{Spec, case};
use super::{for_pieces, piece, put};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Op, Reads};
use crate::{Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Scale {
    name: &'static str,
    c: f64,
}

impl<T: Float> Op<T> for Scale {
    fn name(&self) -> &'static str {
        self.name
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![("c", Attribute::Number(self.c))]
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0])
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn forward(&self, run: Forward<'_, T>) {
        let (c, x) = (T::from_f64(self.c), run.x[0]);
        for_pieces(run.team, run.y, |i, y| y.iter_mut().zip(piece(x, i)).for_each(|(y, &x)| *y = c * x));
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx = c · dy
        let c = T::from_f64(self.c);
        let Some(dx) = run.dx.take(0) else { return };
        for_pieces(run.team, dx.values, |i, dx_piece| {
            dx_piece.iter_mut().zip(piece(run.dy, i)).for_each(|(d, &dy)| put(d, c * dy, dx.add));
        });
    }
}

impl DeviceOp for Scale {
    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        elementwise::scale(launches, run.x[0], self.c as f32, Target::write(run.y));
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        if let Some(dx) = run.dx[0] {
            elementwise::scale(launches, run.dy, self.c as f32, dx);
        }
    }
}

impl<T: Float> Tape<T> {
    /// c · x.
    ///
    /// # Errors
    /// None; the result is there for the chain of `?`.
    pub fn scale(&mut self, x: Tensor, c: f64) -> Result<Tensor> {
        self.record(Scale { name: SPEC.name, c }, &[x])
    }

    /// −x.
    ///
    /// # Errors
    /// None; the result is there for the chain of `?`.
    pub fn neg(&mut self, x: Tensor) -> Result<Tensor> {
        self.record(Scale { name: NEG.name, c: -1.0 }, &[x])
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "scale",
    formula: "y = c · x",
    draw: |draw| {
        let (shape, c) = ([draw.batch(), draw.extent(), draw.extent()], draw.number(-2.0, 2.0));
        case!(format!("{shape:?} c = {c:.2}"), vec![draw.values(shape)], |tape, x| tape.scale(x[0], c))
    },
};

pub(super) const NEG: Spec = Spec {
    name: "neg",
    formula: "y = −x",
    draw: |draw| {
        let shape = [draw.batch(), draw.extent(), draw.extent()];
        case!(format!("{shape:?}"), vec![draw.values(shape)], |tape, x| tape.neg(x[0]))
    },
};
