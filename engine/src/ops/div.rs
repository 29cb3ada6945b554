//! y = a / b, element by element.
//!
//! - CPU: the loops below
//! - GPU: none, no kernel divides
//! - PyTorch: `div` in `ops.json`

use inkgrad_kernels::Float;

use super::broadcast::{two_draws, two_operands};
use super::case::{Spec, case};
use super::{equal_shapes, for_pieces, piece, put};
use crate::op::{Backward, Forward, Op, Reads};
use crate::{Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Div;

impl<T: Float> Op<T> for Div {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        equal_shapes(SPEC.name, "a and b", inputs)
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[1]).and_output()
    }

    fn forward(&self, run: Forward<'_, T>) {
        let (a, b) = (run.x[0], run.x[1]);
        for_pieces(run.team, run.y, |i, y| {
            for ((y, &a), &b) in y.iter_mut().zip(piece(a, i)).zip(piece(b, i)) {
                *y = a / b;
            }
        });
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        let (b, y, dy) = (run.x[1], run.y, run.dy);
        if let Some(da) = run.dx.take(0) {
            // da = dy / b
            for_pieces(run.team, da.values, |i, d| {
                let terms = piece(dy, i).iter().zip(piece(b, i));
                d.iter_mut().zip(terms).for_each(|(d, (&dy, &b))| put(d, dy / b, da.add));
            });
        }
        if let Some(db) = run.dx.take(1) {
            // db = −dy · a / b² = −dy · y / b
            for_pieces(run.team, db.values, |i, d| {
                let terms = piece(dy, i).iter().zip(piece(b, i)).zip(piece(y, i));
                d.iter_mut().zip(terms).for_each(|(d, ((&dy, &b), &y))| put(d, -dy * y / b, db.add));
            });
        }
    }
}

impl<T: Float> Tape<T> {
    /// a / b, element by element, after [`Tape::broadcast`] of the smaller one to the larger one's shape. A division by 0 is
    /// infinite or NaN.
    ///
    /// # Errors
    /// If no shape holds both.
    pub fn div(&mut self, a: Tensor, b: Tensor) -> Result<Tensor> {
        let inputs = two_operands(self, SPEC.name, a, b)?;
        self.record(Div, &inputs)
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "div",
    formula: "y = a / b",
    draw: |draw| {
        let (label, [a, b]) = two_draws(draw);
        let mut inputs = vec![draw.values(a), draw.values(b)];
        // Of both signs, and far enough from 0 for y to have a slope.
        inputs[1].values.iter_mut().for_each(|b| *b += 0.3 * b.signum());
        case!(label, inputs, |tape, x| tape.div(x[0], x[1]))
    },
};
