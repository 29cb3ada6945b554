//! y = max x along one axis. Of equal maxima the first one has the whole gradient, as in PyTorch's `x.max(dim)` on the
//! processor (its `x.amax(dim)` shares it out). NaN is larger than any number.
//!
//! - CPU: `kernels/src/cpu/axis.rs`
//! - GPU: none, no kernel finds maxima
//! - PyTorch: `max_axis` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::axis::{Along, max_along, max_along_backward};

use super::axis::{with_one, without};
use super::case::{Spec, case};
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Error, Result, Shape, Tape, Tensor};

/// Places are kept as numbers of the tensor's type, of which `f32` has whole ones up to this.
const MOST: usize = 1 << 24;

#[derive(Debug)]
struct MaxAxis {
    axis: usize,
}

impl<T: Float> Op<T> for MaxAxis {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![("axis", Attribute::Whole(self.axis))]
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let shape = without(SPEC.name, inputs[0], self.axis)?;
        let count = inputs[0].dims()[self.axis];
        if count > MOST {
            let problem = format!("axis {} of {} has {count} elements, expected at most {MOST}", self.axis, inputs[0]);
            return Err(Error::shape(SPEC.name, problem));
        }
        Ok(shape)
    }

    fn memory(&self, _: &[Shape], output: Shape) -> Memory {
        // The places of the maxima.
        Memory { saved: output.len(), ..Memory::NONE }
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> u64 {
        inputs[0].len() as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        max_along(run.team, Along::new(run.shapes[0].dims(), self.axis), run.x[0], run.y, run.saved);
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx = dy at the place of the maximum, else 0
        let Some(dx) = run.dx.take(0) else { return };
        let along = Along::new(run.shapes[0].dims(), self.axis);
        max_along_backward(run.team, along, run.saved, run.dy, dx.values, dx.add);
    }
}

impl<T: Float> Tape<T> {
    /// The largest element along axis `axis`, which the result has no more. Of equal ones the first has the gradient.
    ///
    /// # Errors
    /// If `x` has no such axis.
    pub fn max_axis(&mut self, x: Tensor, axis: usize) -> Result<Tensor> {
        self.record(MaxAxis { axis }, &[x])
    }

    /// The same with the axis kept as one of 1.
    ///
    /// # Errors
    /// If `x` has no such axis.
    pub fn max_axis_keepdim(&mut self, x: Tensor, axis: usize) -> Result<Tensor> {
        let y = self.max_axis(x, axis)?;
        self.reshape(y, with_one(self.shape(x), axis)?)
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "max_axis",
    formula: "y = max x along an axis",
    draw: |draw| {
        let shape = draw.shape(1);
        let (axis, keep) = (draw.whole(0, shape.rank() - 1), draw.coin());
        let x = draw.apart(shape, axis);
        case!(format!("{shape} axis {axis}"), vec![x], |tape, x| if keep {
            tape.max_axis_keepdim(x[0], axis)
        } else {
            tape.max_axis(x[0], axis)
        })
    },
};

#[cfg(test)]
mod tests {
    use crate::{Clock, Compile, Init, Params, Tape, Team};

    #[test]
    fn the_first_of_equal_maxima_has_the_gradient() {
        let mut tape = Tape::<f32>::new();
        let long = tape.input("x", [1 << 25, 1]);
        let refused = tape.max_axis(long, 0).unwrap_err().to_string();
        assert_eq!(refused, "max_axis: axis 0 of (33554432, 1) has 33554432 elements, expected at most 16777216");

        let (mut params, mut tape) = (Params::<f32>::new(), Tape::new());
        let x = params.declare("x", [2, 3], Init::Normal);
        params.value_mut(&x).copy_from_slice(&[1.0, 4.0, 4.0, 7.0, 7.0, -1.0]);
        let at_x = tape.param(&x);
        let y = tape.max_axis(at_x, 1).unwrap();
        let loss = tape.sum(y).unwrap();
        let mut plan = tape.compile(Compile { loss: Some(loss), keep: &[y], ..Compile::default() });
        plan.forward(&params, &Team::solo(), Clock::default());
        plan.backward(&mut params, &Team::solo());
        assert_eq!(plan.value(y), [4.0, 7.0]);
        assert_eq!(params.grad(&x), [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    }
}
