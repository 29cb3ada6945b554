//! y = Σ x along one axis, and the mean.
//!
//! - CPU: `kernels/src/cpu/axis.rs`
//! - GPU: `kernels/ptx/elementwise.ptx`, `kernels/ptx/reduce.ptx`
//! - PyTorch: `sum_axis`, `mean_axis` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::axis::{Along, copy_along, sum_along};
use inkgrad_kernels::gpu::{Launches, Target, elementwise};

use super::broadcast::{device_copy_along, device_sum_along, device_sum_scratch_len};
use super::case::{Spec, case};
use super::for_pieces;
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Error, Result, Shape, Tape, Tensor};

/// The sum along an axis, divided by its extent or not.
#[derive(Debug)]
struct AxisSum {
    axis: usize,
    mean: bool,
}

/// The shape without an axis, for an operation `op` on x.
///
/// # Errors
/// If there is no such axis.
pub(super) fn without(op: &str, x: Shape, axis: usize) -> Result<Shape> {
    if axis >= x.rank() {
        return Err(Error::shape(op, format!("axis {axis}, but x is {x}, expected one from 0 to below {}", x.rank())));
    }
    let mut dims = [0; crate::MAX_RANK];
    let rest = x.dims().iter().enumerate().filter(|&(i, _)| i != axis).map(|(_, &extent)| extent);
    dims.iter_mut().zip(rest).for_each(|(to, extent)| *to = extent);
    Shape::try_from(&dims[..x.rank() - 1])
}

/// The shape with the axis that [`without`] left out as one of 1.
pub(super) fn with_one(x: Shape, axis: usize) -> Result<Shape> {
    let mut dims = [0; crate::MAX_RANK];
    dims[..x.rank()].copy_from_slice(x.dims());
    dims[axis] = 1;
    Shape::try_from(&dims[..x.rank()])
}

impl AxisSum {
    fn spec(&self) -> &'static Spec {
        if self.mean { &MEAN } else { &SUM }
    }

    fn scale(&self, x: Shape) -> f64 {
        if self.mean { 1.0 / x.dims()[self.axis] as f64 } else { 1.0 }
    }

    fn along(&self, shapes: &[Shape]) -> Along {
        Along::new(shapes[0].dims(), self.axis)
    }
}

impl<T: Float> Op<T> for AxisSum {
    fn name(&self) -> &'static str {
        self.spec().name
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![("axis", Attribute::Whole(self.axis))]
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        without(self.spec().name, inputs[0], self.axis)
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> u64 {
        inputs[0].len() as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        sum_along(run.team, self.along(run.shapes), run.x[0], run.y, false);
        if self.mean {
            let scale = T::from_f64(self.scale(run.shapes[0]));
            for_pieces(run.team, run.y, |_, y| y.iter_mut().for_each(|y| *y *= scale));
        }
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx = dy at each place of the axis; of a mean, over its extent
        let Some(dx) = run.dx.take(0) else { return };
        let scale = T::from_f64(self.scale(run.shapes[0]));
        copy_along(run.team, self.along(run.shapes), scale, run.dy, dx.values, dx.add);
    }
}

impl DeviceOp for AxisSum {
    fn device_memory(&self, inputs: &[Shape], output: Shape) -> Memory {
        let scaled = if self.mean { output.len() } else { 0 };
        let sums = device_sum_scratch_len(self.along(inputs));
        Memory { saved: 0, forward_scratch: scaled + sums, backward_scratch: scaled }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        let along = self.along(run.shapes);
        if !self.mean {
            return device_sum_along(launches, along, run.x[0], Target::write(run.y), run.scratch);
        }
        let (sums, scratch) = run.scratch.split(run.y.len);
        device_sum_along(launches, along, run.x[0], Target::write(sums), scratch);
        elementwise::scale(launches, sums, self.scale(run.shapes[0]) as f32, Target::write(run.y));
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        let (Some(dx), along) = (run.dx[0], self.along(run.shapes)) else { return };
        if !self.mean {
            return device_copy_along(launches, along, run.dy, dx);
        }
        let scaled = run.scratch.part(0, run.dy.len);
        elementwise::scale(launches, run.dy, self.scale(run.shapes[0]) as f32, Target::write(scaled));
        device_copy_along(launches, along, scaled, dx);
    }
}

impl<T: Float> Tape<T> {
    /// The sum along axis `axis`, which the result has no more: `(2, 3, 4)` along axis 1 to `(2, 4)`.
    ///
    /// # Errors
    /// If `x` has no such axis.
    pub fn sum_axis(&mut self, x: Tensor, axis: usize) -> Result<Tensor> {
        self.record(AxisSum { axis, mean: false }, &[x])
    }

    /// The same with the axis kept as one of 1, so that the result can be stretched to `x`'s shape ([`Tape::broadcast`]).
    ///
    /// # Errors
    /// If `x` has no such axis.
    pub fn sum_axis_keepdim(&mut self, x: Tensor, axis: usize) -> Result<Tensor> {
        let y = self.sum_axis(x, axis)?;
        self.reshape(y, with_one(self.shape(x), axis)?)
    }

    /// The mean along axis `axis`, which the result has no more: `(2, 3, 4)` along axis 1 to `(2, 4)`.
    ///
    /// ```
    /// use inkgrad_engine::prelude::*;
    ///
    /// let mut tape = Tape::<f32>::new();
    /// let x = tape.input("x", [8, 100]);
    /// let mean = tape.mean_axis_keepdim(x, 1)?; // (8, 1)
    /// let centred = tape.sub(x, mean)?;
    /// assert_eq!((tape.shape(mean), tape.shape(centred)), ([8, 1].into(), [8, 100].into()));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If `x` has no such axis.
    pub fn mean_axis(&mut self, x: Tensor, axis: usize) -> Result<Tensor> {
        self.record(AxisSum { axis, mean: true }, &[x])
    }

    /// The same with the axis kept as one of 1.
    ///
    /// # Errors
    /// If `x` has no such axis.
    pub fn mean_axis_keepdim(&mut self, x: Tensor, axis: usize) -> Result<Tensor> {
        let y = self.mean_axis(x, axis)?;
        self.reshape(y, with_one(self.shape(x), axis)?)
    }

    /// The mean of all elements, a scalar.
    ///
    /// # Errors
    /// None; the result is there for the chain of `?`.
    pub fn mean(&mut self, x: Tensor) -> Result<Tensor> {
        let n = self.shape(x).len();
        let sum = self.sum(x)?;
        self.scale(sum, 1.0 / n as f64)
    }
}

pub(super) const SUM: Spec = Spec {
    name: "sum_axis",
    formula: "y = Σ x along an axis",
    draw: |draw| {
        let shape = draw.shape(1);
        let (axis, keep) = (draw.whole(0, shape.rank() - 1), draw.coin());
        case!(format!("{shape} axis {axis}"), vec![draw.values(shape)], |tape, x| if keep {
            tape.sum_axis_keepdim(x[0], axis)
        } else {
            tape.sum_axis(x[0], axis)
        })
    },
};

pub(super) const MEAN: Spec = Spec {
    name: "mean_axis",
    formula: "y = mean x along an axis",
    draw: |draw| {
        let shape = draw.shape(1);
        let (axis, keep) = (draw.whole(0, shape.rank() - 1), draw.coin());
        case!(format!("{shape} axis {axis}"), vec![draw.values(shape)], |tape, x| if keep {
            tape.mean_axis_keepdim(x[0], axis)
        } else {
            tape.mean_axis(x[0], axis)
        })
    },
};

#[cfg(test)]
mod tests {
    use crate::{Clock, Compile, Params, Tape, Team};

    #[test]
    fn an_axis_that_is_not_there_is_named_and_the_mean_is_of_all() {
        let mut tape = Tape::<f32>::new();
        let x = tape.input("x", [2, 3]);
        let refused = tape.sum_axis(x, 2).unwrap_err().to_string();
        assert_eq!(refused, "sum_axis: axis 2, but x is (2, 3), expected one from 0 to below 2");
        let mean = tape.mean(x).unwrap();
        let mut plan = tape.compile(Compile { keep: &[mean], ..Compile::default() });
        plan.fill(x, &[1.0, 2.0, 3.0, 4.0, 5.0, 9.0]).unwrap();
        plan.forward(&Params::new(), &Team::solo(), Clock::default());
        assert_eq!(plan.value(mean), [4.0]);
    }
}
