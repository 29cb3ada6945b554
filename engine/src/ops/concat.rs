//! y = [a, b, …]: rows of matrices joined end to end.
//!
//! - CPU: the loops below
//! - GPU: `kernels/ptx/layout.ptx`
//! - PyTorch: `concat` in `graphs.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::gpu::{
    Launches, Target,
    layout::{self, Rest, Rows},
};

use super::case::{Spec, case};
use super::elementwise::{PIECE, put};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::op::{Backward, Forward, MAX_INPUTS, Op, Reads};
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

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let first = inputs[0].dims();
        let outer = |shape: &Shape| shape.dims().split_last().map(|(_, outer)| outer.to_vec());
        for other in inputs {
            if first.is_empty() || outer(other) != outer(&inputs[0]) {
                let problem = format!("inputs are {} and {other}, expected equal axes but for the last", inputs[0]);
                return Err(Error::shape(SPEC.name, problem));
            }
        }
        let mut dims = first.to_vec();
        dims[first.len() - 1] = inputs.iter().map(Shape::last).sum();
        dims.as_slice().try_into()
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn flops(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn forward(&self, run: Forward<'_, T>) {
        let (width, rows) = (run.y_shape.last(), rows_of_a_piece(run.y_shape));
        let (inputs, shapes) = (run.x, run.shapes);
        run.team.pieces([(run.y, rows * width)], |i, [y]| {
            let mut first = 0;
            for (x, shape) in inputs.iter().zip(shapes) {
                let own = shape.last();
                for (y, x) in y.chunks_exact_mut(width).zip(x[i * rows * own..].chunks_exact(own)) {
                    y[first..first + own].copy_from_slice(x);
                }
                first += own;
            }
        });
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // da = the first columns of dy, db = the next, …
        let (width, rows) = (run.y_shape.last(), rows_of_a_piece(run.y_shape));
        let mut first = 0;
        for (input, shape) in run.shapes.iter().enumerate() {
            let own = shape.last();
            if let Some(dx) = run.dx.take(input) {
                run.team.pieces([(dx.values, rows * own)], |i, [d]| {
                    for (d, dy) in d.chunks_exact_mut(own).zip(run.dy[i * rows * width..].chunks_exact(width)) {
                        d.iter_mut().zip(&dy[first..]).for_each(|(d, &dy)| put(d, dy, dx.add));
                    }
                });
            }
            first += own;
        }
    }
}

impl DeviceOp for Concat {
    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        let (width, mut first) = (run.y_shape.last(), 0);
        for (&x, shape) in run.x.iter().zip(run.shapes) {
            let (own, y) = (shape.last(), Target::write(run.y.part(first, run.y.len - first)));
            let rest = if first == 0 { Rest::Goes } else { Rest::Stays };
            layout::copy_rows(
                launches,
                Rows { rows: run.y.len / width, width: own, repeat: 1 },
                (x, own),
                (y, width),
                rest,
            );
            first += own;
        }
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        let (width, mut first) = (run.y_shape.last(), 0);
        for (shape, dx) in run.shapes.iter().zip(run.dx) {
            let (own, dy) = (shape.last(), run.dy.part(first, run.dy.len - first));
            if let Some(dx) = dx {
                let rows = Rows { rows: run.dy.len / width, width: own, repeat: 1 };
                layout::copy_rows(launches, rows, (dy, width), (dx, own), Rest::Goes);
            }
            first += own;
        }
    }
}

impl<T: Float> Tape<T> {
    /// Joins `a` and `b` along the last axis.
    ///
    /// # Errors
    /// If another axis differs.
    pub fn concat(&mut self, a: Tensor, b: Tensor) -> Result<Tensor> {
        self.concat_all(&[a, b])
    }

    /// Joins up to eight tensors along the last axis.
    ///
    /// # Errors
    /// If another axis differs.
    pub fn concat_all(&mut self, parts: &[Tensor]) -> Result<Tensor> {
        self.record(Concat, parts)
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "concat",
    formula: "y = [a, b, …] along the last axis",
    draw: |draw| {
        let (n, parts) = (draw.batch(), draw.whole(1, MAX_INPUTS));
        let widths: Vec<usize> = (0..parts).map(|_| draw.extent()).collect();
        let inputs = widths.iter().map(|&width| draw.values([n, width])).collect();
        case!(format!("{n} rows of {widths:?}"), inputs, |tape, x| tape.concat_all(x))
    },
};
