//! y = [a, b]: rows of two matrices joined end to end.

use inkgrad_kernels::Float;

use super::case::{Spec, case};
use super::put;
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Error, Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Concat;

/// All axes but the last, and the last.
fn rows_and_width(shape: Shape) -> (usize, usize) {
    (shape.len().checked_div(shape.last()).unwrap_or(0), shape.last())
}

impl<T: Float> Op<T> for Concat {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let (a, b) = (inputs[0].dims(), inputs[1].dims());
        if a.is_empty() || a.len() != b.len() || a[..a.len() - 1] != b[..b.len() - 1] {
            let problem = format!("a is {}, b is {}, expected equal axes but for the last", inputs[0], inputs[1]);
            return Err(Error::shape(SPEC.name, problem));
        }
        let mut dims = a.to_vec();
        dims[a.len() - 1] += b[b.len() - 1];
        Ok(dims.as_slice().into())
    }

    fn memory(&self, _: &[Shape], _: Shape) -> Memory {
        Memory::NONE
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn flops(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn forward(&self, run: Forward<'_, T>) {
        let (_, width) = rows_and_width(run.y_shape);
        let mut start = 0;
        for (x, &shape) in run.x.iter().zip(run.shapes) {
            let (_, own) = rows_and_width(shape);
            for (y, x) in run.y.chunks_exact_mut(width).zip(x.chunks_exact(own)) {
                y[start..start + own].copy_from_slice(x);
            }
            start += own;
        }
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // da = the first columns of dy, db = the others
        let (_, width) = rows_and_width(run.y_shape);
        let mut start = 0;
        for (input, &shape) in run.shapes.iter().enumerate() {
            let (_, own) = rows_and_width(shape);
            if let Some(dx) = run.dx.take(input) {
                for (d, dy) in dx.values.chunks_exact_mut(own).zip(run.dy.chunks_exact(width)) {
                    d.iter_mut().zip(&dy[start..]).for_each(|(d, &dy)| put(d, dy, dx.add));
                }
            }
            start += own;
        }
    }
}

impl<T: Float> Tape<T> {
    /// Joins `a` and `b` along the last axis.
    ///
    /// # Errors
    /// If another axis differs.
    pub fn concat(&mut self, a: Tensor, b: Tensor) -> Result<Tensor> {
        self.record(Concat, &[a, b])
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "concat",
    formula: "y = [a, b] along the last axis",
    draw: |draw| {
        let (n, a, b) = (draw.batch(), draw.extent(), draw.extent());
        case!(format!("({n}, {a}) and ({n}, {b})"), vec![draw.values([n, a]), draw.values([n, b])], |tape, x| {
            tape.concat(x[0], x[1])
        })
    },
};
