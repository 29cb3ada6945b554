//! y = (x − m) / √(v + eps) · weight + bias with a mean m and a variance v for each channel, the last axis (Ioffe and Szegedy,
//! "Batch normalization", 2015).
//!
//! An operation is a pure function, so batch normalisation is two: `batch_norm_statistics` computes m and v of a batch, and
//! `batch_norm` normalises by the ones that it is given. While training those are the batch's own, and gradients pass through
//! them; for inference they are running statistics, which are inputs or parameters like others.
//! [`nn::BatchNorm`](crate::nn::BatchNorm) keeps these in [`Params`](crate::Params), frozen, so that they travel with the
//! weights under PyTorch's names.
//!
//! - CPU: `kernels/src/cpu/norm.rs`, `kernels/src/cpu/reduce.rs`
//! - GPU: none, no kernel finds variances
//! - PyTorch: `batch_norm` in `ops.json`; `batch_norm_statistics`: none, the same cases record it

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::{Team, norm, reduce};

use super::case::{Spec, case};
use super::elementwise::PIECE;
use super::layer_norm::check_eps;
use super::put;
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Error, Result, Shape, Tape, Tensor};

/// Mean and variance of each channel of a batch.
#[derive(Debug)]
struct BatchStatistics;

#[derive(Debug)]
struct BatchNorm {
    eps: f64,
}

/// Elements of whole rows that are a thread's work at a time.
fn piece_of_rows(channels: usize) -> usize {
    PIECE.div_ceil(channels) * channels
}

/// Fills `to` with pieces of whole rows: `f(range of elements, piece)`.
fn for_rows<T: Float>(team: &Team, channels: usize, to: &mut [T], f: impl Fn(std::ops::Range<usize>, &mut [T]) + Sync) {
    let len = piece_of_rows(channels);
    team.pieces([(to, len)], |i, [to]| f(i * len..i * len + to.len(), to));
}

impl<T: Float> Op<T> for BatchStatistics {
    fn name(&self) -> &'static str {
        STATISTICS.name
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        if inputs[0].rank() < 2 {
            return Err(Error::shape(STATISTICS.name, format!("x is {}, expected (…, channels)", inputs[0])));
        }
        Ok([2, inputs[0].last()].into())
    }

    fn memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        Memory { forward_scratch: inputs[0].len(), ..Memory::NONE }
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0]).and_output()
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> u64 {
        4 * inputs[0].len() as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        let channels = run.y_shape.last();
        let x = run.x[0];
        let share = T::from_f64(1.0 / (x.len() / channels) as f64);
        let (mean, variance) = run.y.split_at_mut(channels);
        reduce::column_sums(run.team, x, mean, false);
        mean.iter_mut().for_each(|m| *m *= share);
        let mean = &*mean;
        for_rows(run.team, channels, run.scratch, |at, squares| norm::centred_squares(&x[at], mean, squares));
        reduce::column_sums(run.team, run.scratch, variance, false);
        variance.iter_mut().for_each(|v| *v *= share);
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // With n rows: dx = dm/n + dv · 2(x − m)/n. The part of v's gradient by way of m is 0, since Σ (x − m) is.
        let Some(dx) = run.dx.take(0) else { return };
        let channels = run.y_shape.last();
        let share = T::from_f64(1.0 / (run.x[0].len() / channels) as f64);
        let (mean, _) = run.y.split_at(channels);
        let (dmean, dvariance) = run.dy.split_at(channels);
        for_rows(run.team, channels, dx.values, |at, d| {
            for (d, x) in d.chunks_exact_mut(channels).zip(run.x[0][at].chunks_exact(channels)) {
                for (c, (d, &x)) in d.iter_mut().zip(x).enumerate() {
                    let centred = x - mean[c];
                    put(d, (dmean[c] + dvariance[c] * (centred + centred)) * share, dx.add);
                }
            }
        });
    }
}

/// weight / √(v + eps) of each channel, in the first numbers of the scratch; and the rest.
fn scales<'a, T: Float>(eps: f64, variance: &[T], weight: &[T], scratch: &'a mut [T]) -> (&'a mut [T], &'a mut [T]) {
    let (scale, rest) = scratch.split_at_mut(weight.len());
    for ((scale, &v), &weight) in scale.iter_mut().zip(variance).zip(weight) {
        *scale = weight / (v + T::from_f64(eps)).sqrt();
    }
    (scale, rest)
}

impl<T: Float> Op<T> for BatchNorm {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![("eps", Attribute::Number(self.eps))]
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let channels = inputs[0].last();
        let own = Shape::from([channels]);
        if inputs[0].rank() < 2 || inputs[1] != [2, channels].into() || inputs[2] != own || inputs[3] != own {
            let [x, statistics, weight, bias] = [inputs[0], inputs[1], inputs[2], inputs[3]];
            let problem = format!(
                "x is {x}, statistics {statistics}, weight {weight}, bias {bias}, expected (…, C), (2, C), (C), (C)"
            );
            return Err(Error::shape(SPEC.name, problem));
        }
        Ok(inputs[0])
    }

    fn memory(&self, inputs: &[Shape], output: Shape) -> Memory {
        let channels = inputs[2].len();
        Memory { saved: 0, forward_scratch: channels, backward_scratch: 2 * channels + output.len() }
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0, 1, 2])
    }

    fn flops(&self, _: &[Shape], output: Shape) -> u64 {
        3 * output.len() as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        let (x, weight, bias) = (run.x[0], run.x[2], run.x[3]);
        let channels = weight.len();
        let (mean, variance) = run.x[1].split_at(channels);
        let (scale, _) = scales(self.eps, variance, weight, run.scratch);
        let scale = &*scale;
        for_rows(run.team, channels, run.y, |at, y| norm::scale_columns(&x[at], mean, scale, bias, y));
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // With r = 1 / √(v + eps), sums over rows: dx = dy·weight·r, dm = −weight·r·Σ dy,
        // dv = −½·weight·r³·Σ dy·(x − m), dweight = r·Σ dy·(x − m), dbias = Σ dy
        let (x, weight, dy) = (run.x[0], run.x[2], run.dy);
        let channels = weight.len();
        let (mean, variance) = run.x[1].split_at(channels);
        let (scale, rest) = scales(self.eps, variance, weight, run.scratch);
        let (sums, products) = rest.split_at_mut(channels);
        let scale = &*scale;
        if let Some(dx) = run.dx.take(0) {
            for_rows(run.team, channels, dx.values, |at, d| {
                for (d, dy) in d.chunks_exact_mut(channels).zip(dy[at].chunks_exact(channels)) {
                    d.iter_mut().zip(dy).zip(scale).for_each(|((d, &dy), &scale)| put(d, dy * scale, dx.add));
                }
            });
        }
        let (dstatistics, dweight) = (run.dx.take(1), run.dx.take(2));
        let r = |v: T| T::ONE / (v + T::from_f64(self.eps)).sqrt();
        let of_products = dstatistics.is_some() || dweight.is_some();
        if of_products {
            for_rows(run.team, channels, products, |at, to| norm::centred_products(&x[at.clone()], mean, &dy[at], to));
            reduce::column_sums(run.team, products, sums, false);
        }
        if let Some(dweight) = dweight {
            let terms = sums.iter().zip(variance);
            dweight.values.iter_mut().zip(terms).for_each(|(d, (&sum, &v))| put(d, r(v) * sum, dweight.add));
        }
        if let Some(dstatistics) = dstatistics {
            let (dmean, dvariance) = dstatistics.values.split_at_mut(channels);
            let half = T::from_f64(0.5);
            for (((d, &sum), &v), &scale) in dvariance.iter_mut().zip(&*sums).zip(variance).zip(scale) {
                put(d, -half * scale * r(v) * r(v) * sum, dstatistics.add);
            }
            reduce::column_sums(run.team, dy, sums, false);
            for ((d, &sum), &scale) in dmean.iter_mut().zip(&*sums).zip(scale) {
                put(d, -scale * sum, dstatistics.add);
            }
        }
        if let Some(dbias) = run.dx.take(3) {
            reduce::column_sums(run.team, dy, dbias.values, dbias.add);
        }
    }
}

impl<T: Float> Tape<T> {
    /// Mean and variance (biased) of each channel of `x: (…, C)` over all other axes: `(2, C)`.
    ///
    /// # Errors
    /// If `x` has fewer than two axes.
    pub fn batch_norm_statistics(&mut self, x: Tensor) -> Result<Tensor> {
        self.record(BatchStatistics, &[x])
    }

    /// `x: (…, C)` less the mean and divided by √(variance + eps) of `statistics: (2, C)`, times `weight: (C)`, plus
    /// `bias: (C)`; the shape stays. With [`Tape::batch_norm_statistics`] of `x` this is PyTorch's batch normalisation in training,
    /// with running ones that in inference. Its eps is 1e-5. See [`nn::BatchNorm`](crate::nn::BatchNorm).
    ///
    /// # Errors
    /// If the shapes do not fit, or eps is not positive.
    pub fn batch_norm(
        &mut self,
        x: Tensor,
        statistics: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: f64,
    ) -> Result<Tensor> {
        check_eps(SPEC.name, eps)?;
        self.record(BatchNorm { eps }, &[x, statistics, weight, bias])
    }
}

pub(super) const STATISTICS: Spec = Spec {
    name: "batch_norm_statistics",
    formula: "y = mean and variance of each channel",
    draw: |draw| {
        let shape = draw.shape(2);
        case!(format!("{shape}"), vec![draw.values(shape)], |tape, x| tape.batch_norm_statistics(x[0]))
    },
};

pub(super) const SPEC: Spec = Spec {
    name: "batch_norm",
    formula: "y = (x − m) / √(v + eps) · weight + bias",
    draw: |draw| {
        let (shape, eps, given) = (draw.shape(2), if draw.coin() { 1e-2 } else { 0.3 }, draw.coin());
        let channels = shape.last();
        let mut inputs = vec![draw.values(shape), draw.values([channels]), draw.biases(channels)];
        if given {
            let mut statistics = draw.values([2, channels]);
            // A variance is no less than 0.
            statistics.values[channels..].iter_mut().for_each(|v| *v = v.abs());
            inputs.push(statistics);
        }
        let label = format!("{shape} eps {eps}, statistics {}", if given { "given" } else { "of the batch" });
        case!(label, inputs, |tape, x| {
            let statistics = match x.get(3) {
                Some(&given) => given,
                None => tape.batch_norm_statistics(x[0])?,
            };
            tape.batch_norm(x[0], statistics, x[1], x[2], eps)
        })
    },
};
