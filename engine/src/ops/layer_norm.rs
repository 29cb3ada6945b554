//! y = (x − m) / √(v + eps) · weight + bias, with mean m and (biased) variance v of each row along the last axis (Ba, Kiros and
//! Hinton, "Layer normalization", 2016).
//!
//! - CPU: `kernels/src/cpu/norm.rs`, `kernels/src/cpu/reduce.rs`
//! - GPU: none, no kernel finds a row's variance
//! - PyTorch: `layer_norm` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::{norm, reduce};

use super::case::{Spec, case};
use super::elementwise::PIECE;
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Error, Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct LayerNorm {
    eps: f64,
}

/// Refuses an eps that is no small number: 0 would divide by nothing where a row is constant.
pub(super) fn check_eps(op: &str, eps: f64) -> Result<()> {
    if eps > 0.0 && eps.is_finite() {
        return Ok(());
    }
    Err(Error::shape(op, format!("eps is {eps}, expected a positive number")))
}

impl<T: Float> Op<T> for LayerNorm {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![("eps", Attribute::Number(self.eps))]
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let own = Shape::from([inputs[0].last()]);
        if inputs[0].rank() == 0 || inputs[1] != own || inputs[2] != own {
            let [x, weight, bias] = [inputs[0], inputs[1], inputs[2]];
            let problem = format!("x is {x}, weight {weight}, bias {bias}, expected (…, D), (D), (D)");
            return Err(Error::shape(SPEC.name, problem));
        }
        Ok(inputs[0])
    }

    fn memory(&self, inputs: &[Shape], output: Shape) -> Memory {
        // Mean and 1 / √(v + eps) of each row; the terms of the weight's gradient.
        Memory { saved: 2 * output.len() / inputs[1].len(), forward_scratch: 0, backward_scratch: output.len() }
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0, 1])
    }

    fn flops(&self, _: &[Shape], output: Shape) -> u64 {
        8 * output.len() as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        let (x, weight, bias) = (run.x[0], run.x[1], run.x[2]);
        let rows = PIECE.div_ceil(weight.len());
        let len = rows * weight.len();
        run.team.pieces([(run.y, len), (run.saved, 2 * rows)], |i, [y, moments]| {
            norm::layer_norm(self.eps, &x[i * len..][..y.len()], weight, bias, y, moments);
        });
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // With g = dy·weight and n = (x − m)·r: dx = r·(g − mean g − n·mean(g·n)), dweight = Σ n·dy, dbias = Σ dy over rows
        let (x, weight, moments, dy) = (run.x[0], run.x[1], run.saved, run.dy);
        let width = weight.len();
        let rows = PIECE.div_ceil(width);
        let len = rows * width;
        let own = |i: usize, elements: usize| {
            let rows = i * rows..i * rows + elements / width;
            (i * len..i * len + elements, 2 * rows.start..2 * rows.end)
        };
        if let Some(dx) = run.dx.take(0) {
            run.team.pieces([(dx.values, len)], |i, [d]| {
                let (at, rows) = own(i, d.len());
                norm::layer_norm_backward(&x[at.clone()], weight, &moments[rows], &dy[at], d, dx.add);
            });
        }
        if let Some(dweight) = run.dx.take(1) {
            run.team.pieces([(&mut *run.scratch, len)], |i, [products]| {
                let (at, rows) = own(i, products.len());
                norm::layer_norm_products(width, &x[at.clone()], &moments[rows], &dy[at], products);
            });
            reduce::column_sums(run.team, run.scratch, dweight.values, dweight.add);
        }
        if let Some(dbias) = run.dx.take(2) {
            reduce::column_sums(run.team, dy, dbias.values, dbias.add);
        }
    }
}

impl<T: Float> Tape<T> {
    /// Each row of `x: (…, D)` with mean 0 and variance 1, times `weight: (D)`, plus `bias: (D)`; the shape stays. PyTorch's
    /// eps is 1e-5. See [`nn::LayerNorm`](crate::nn::LayerNorm).
    ///
    /// # Errors
    /// If the shapes do not fit, or eps is not positive.
    pub fn layer_norm(&mut self, x: Tensor, weight: Tensor, bias: Tensor, eps: f64) -> Result<Tensor> {
        check_eps(SPEC.name, eps)?;
        self.record(LayerNorm { eps }, &[x, weight, bias])
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "layer_norm",
    formula: "y = (x − m) / √(v + eps) · weight + bias",
    draw: |draw| {
        let (shape, eps) = (draw.shape(1), if draw.coin() { 1e-2 } else { 0.3 });
        let width = shape.last();
        let inputs = vec![draw.values(shape), draw.values([width]), draw.biases(width)];
        case!(format!("{shape} eps {eps}"), inputs, |tape, x| tape.layer_norm(x[0], x[1], x[2], eps))
    },
};
