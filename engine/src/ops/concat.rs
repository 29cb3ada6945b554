//! y = [a, b]: rows of two matrices joined end to end.

use inkgrad_kernels::Float;

use super::case::{Spec, case};
use super::{PIECE, put};
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Error, Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Concat;

/// Rows of `y` that are one thread's work at a time.
fn rows_of_a_piece(y: Shape) -> usize {
    PIECE.div_ceil(y.last())
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
        let ([a, b], [own_a, own_b]) = ([run.x[0], run.x[1]], [run.shapes[0].last(), run.shapes[1].last()]);
        let rows = rows_of_a_piece(run.y_shape);
        run.team.pieces([(run.y, rows * run.y_shape.last())], |i, [y]| {
            let (a, b) = (&a[i * rows * own_a..], &b[i * rows * own_b..]);
            for ((y, a), b) in y.chunks_exact_mut(own_a + own_b).zip(a.chunks_exact(own_a)).zip(b.chunks_exact(own_b)) {
                y[..own_a].copy_from_slice(a);
                y[own_a..].copy_from_slice(b);
            }
        });
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // da = the first columns of dy, db = the others
        let (width, rows) = (run.y_shape.last(), rows_of_a_piece(run.y_shape));
        for (input, first) in [(0, 0), (1, run.shapes[0].last())] {
            let Some(dx) = run.dx.take(input) else { continue };
            let own = run.shapes[input].last();
            run.team.pieces([(dx.values, rows * own)], |i, [d]| {
                for (d, dy) in d.chunks_exact_mut(own).zip(run.dy[i * rows * width..].chunks_exact(width)) {
                    d.iter_mut().zip(&dy[first..]).for_each(|(d, &dy)| put(d, dy, dx.add));
                }
            });
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
