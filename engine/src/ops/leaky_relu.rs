//! y = x where x > 0, else slope·x (Maas, Hannun and Ng, "Rectifier nonlinearities improve neural network acoustic models",
//! 2013).
//!
//! - CPU: the loops below
//! - GPU: `kernels/ptx/elementwise.ptx`
//! - PyTorch: `leaky_relu` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::gpu::{self, Launches, Target, elementwise};

use super::case::{Spec, case};
use super::{for_pieces, piece, put};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct LeakyRelu {
    slope: f64,
}

impl<T: Float> Op<T> for LeakyRelu {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![("slope", Attribute::Number(self.slope))]
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0])
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0])
    }

    fn forward(&self, run: Forward<'_, T>) {
        let (slope, x) = (T::from_f64(self.slope), run.x[0]);
        for_pieces(run.team, run.y, |i, y| {
            y.iter_mut().zip(piece(x, i)).for_each(|(y, &x)| *y = if x > T::ZERO { x } else { slope * x });
        });
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx = dy where x > 0, else slope · dy
        let Some(dx) = run.dx.take(0) else { return };
        let slope = T::from_f64(self.slope);
        for_pieces(run.team, dx.values, |i, d| {
            for ((d, &x), &dy) in d.iter_mut().zip(piece(run.x[0], i)).zip(piece(run.dy, i)) {
                put(d, if x > T::ZERO { dy } else { slope * dy }, dx.add);
            }
        });
    }
}

impl LeakyRelu {
    /// slope·v + (1 − slope)·w, in a form that a GPU adds up: v = x, w = max(x, 0), and the same of their gradients.
    fn mix(&self, launches: &mut Launches, v: gpu::Span, w: gpu::Span, to: Target) {
        elementwise::scale(launches, v, self.slope as f32, to);
        elementwise::scale(launches, w, (1.0 - self.slope) as f32, Target { add: true, ..to });
    }
}

impl DeviceOp for LeakyRelu {
    fn device_memory(&self, _: &[Shape], output: Shape) -> Memory {
        Memory { saved: 0, forward_scratch: output.len(), backward_scratch: output.len() }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        let positive = run.scratch.part(0, run.y.len);
        gpu::activation::relu(launches, run.x[0], positive);
        self.mix(launches, run.x[0], positive, Target::write(run.y));
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        let Some(dx) = run.dx[0] else { return };
        let positive = run.scratch.part(0, run.dy.len);
        gpu::activation::relu_backward(launches, run.x[0], run.dy, Target::write(positive));
        self.mix(launches, run.dy, positive, dx);
    }
}

impl<T: Float> Tape<T> {
    /// x where x > 0, else slope·x, element by element. PyTorch's default slope is 0.01.
    ///
    /// # Errors
    /// If `slope` is not finite.
    pub fn leaky_relu(&mut self, x: Tensor, slope: f64) -> Result<Tensor> {
        if !slope.is_finite() {
            return Err(crate::Error::shape(SPEC.name, format!("the slope is {slope}, expected a finite number")));
        }
        self.record(LeakyRelu { slope }, &[x])
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "leaky_relu",
    formula: "y = x where x > 0, else slope · x",
    draw: |draw| {
        let (shape, slope) = ([draw.batch(), draw.extent(), draw.extent()], draw.number(-0.5, 0.5));
        let label = format!("{shape:?} slope = {slope:.2}");
        case!(label, vec![draw.spread(shape)], |tape, x| tape.leaky_relu(x[0], slope))
    },
};
