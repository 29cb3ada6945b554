//! Softmax, its logarithm, and the logarithm of a sum of exponentials, over the last axis:
//!
//! - softmax: y = eˣ / Σ eˣ
//! - log_softmax: y = x − ln Σ eˣ
//! - logsumexp: y = ln Σ eˣ
//!
//! Each takes the largest element off first, so that none overflows. The GPU's kernel is the one of
//! the cross-entropy, which leaves the probabilities and −ln p of one label.
//!
//! - CPU: `kernels/src/cpu/softmax.rs`
//! - GPU: `kernels/ptx/elementwise.ptx`, `kernels/ptx/layout.ptx`, `kernels/ptx/loss.ptx`
//! - PyTorch: `softmax`, `log_softmax`, `logsumexp` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::axis::Along;
use inkgrad_kernels::cpu::softmax;
use inkgrad_kernels::gpu::{
    self, Launches, Span, Target, elementwise,
    layout::{self, Rest, Rows},
};

use super::broadcast::{device_copy_along, device_sum_along, device_sum_scratch_len};
use super::case::{CaseInput, Draw, Spec, case};
use super::elementwise::PIECE;
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Error, Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Softmax;
#[derive(Debug)]
struct LogSoftmax;
#[derive(Debug)]
struct LogSumExp;

/// x, which has a last axis.
fn with_last(op: &str, x: Shape) -> Result<Shape> {
    if x.rank() == 0 {
        return Err(Error::shape(op, format!("x is {x}, expected at least one axis")));
    }
    Ok(x)
}

/// Elements of whole rows that are a thread's work at a time.
fn rows_of_a_piece(width: usize) -> usize {
    PIECE.div_ceil(width) * width
}

/// Calls `f(range of elements, piece of y)` for pieces of whole rows.
fn for_rows<T: Float>(
    team: &inkgrad_kernels::cpu::Team,
    width: usize,
    y: &mut [T],
    f: impl Fn(std::ops::Range<usize>, &mut [T]) + Sync,
) {
    let len = rows_of_a_piece(width);
    team.pieces([(y, len)], |i, [y]| f(i * len..i * len + y.len(), y));
}

impl<T: Float> Op<T> for Softmax {
    fn name(&self) -> &'static str {
        SOFTMAX.name
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        with_last(SOFTMAX.name, inputs[0])
    }

    fn reads(&self) -> Reads {
        Reads::OUTPUT
    }

    fn flops(&self, _: &[Shape], output: Shape) -> u64 {
        4 * output.len() as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        let width = run.y_shape.last();
        for_rows(run.team, width, run.y, |at, y| softmax::softmax(width, &run.x[0][at], y));
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx = y · (dy − Σ dy·y)
        let Some(dx) = run.dx.take(0) else { return };
        let width = run.y_shape.last();
        for_rows(run.team, width, dx.values, |at, d| {
            softmax::softmax_backward(width, &run.y[at.clone()], &run.dy[at], d, dx.add);
        });
    }
}

impl<T: Float> Op<T> for LogSoftmax {
    fn name(&self) -> &'static str {
        LOG_SOFTMAX.name
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        with_last(LOG_SOFTMAX.name, inputs[0])
    }

    fn reads(&self) -> Reads {
        Reads::OUTPUT
    }

    fn flops(&self, _: &[Shape], output: Shape) -> u64 {
        4 * output.len() as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        let width = run.y_shape.last();
        for_rows(run.team, width, run.y, |at, y| softmax::log_softmax(width, &run.x[0][at], y));
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx = dy − eʸ · Σ dy
        let Some(dx) = run.dx.take(0) else { return };
        let width = run.y_shape.last();
        for_rows(run.team, width, dx.values, |at, d| {
            softmax::log_softmax_backward(width, &run.y[at.clone()], &run.dy[at], d, dx.add);
        });
    }
}

impl<T: Float> Op<T> for LogSumExp {
    fn name(&self) -> &'static str {
        LOGSUMEXP.name
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let x = with_last(LOGSUMEXP.name, inputs[0])?;
        super::axis::without(LOGSUMEXP.name, x, x.rank() - 1)
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0]).and_output()
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> u64 {
        3 * inputs[0].len() as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        let width = run.shapes[0].last();
        let rows = rows_of_a_piece(width) / width;
        let x = run.x[0];
        run.team.pieces([(run.y, rows)], |i, [y]| {
            softmax::logsumexp(width, &x[i * rows * width..][..y.len() * width], y);
        });
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx = dy · e^{x − y}
        let Some(dx) = run.dx.take(0) else { return };
        let width = run.shapes[0].last();
        for_rows(run.team, width, dx.values, |at, d| {
            let rows = at.start / width..at.end / width;
            softmax::logsumexp_backward(width, &run.x[0][at], &run.y[rows.clone()], &run.dy[rows], d, dx.add);
        });
    }
}

/// The rows of x as an axis of a GPU's sums: (rows, width, 1).
fn along(x: Shape) -> Along {
    Along { outer: x.len() / x.last(), count: x.last(), inner: 1 }
}

/// Numbers of scratch for [`probabilities`].
fn probabilities_scratch_len(x: Shape) -> usize {
    let rows = x.len() / x.last();
    rows + gpu::loss::softmax_scratch_len(rows)
}

/// p = softmax(x) on a GPU. Returns ln Σ eˣ − x₀, one number a row, and the rest of the scratch.
fn probabilities(launches: &mut Launches, rows: usize, x: Span, p: Span, scratch: Span) -> (Span, Span) {
    let (minus_log_first, scratch) = scratch.split(rows);
    let (labels, rest) = scratch.split(gpu::loss::softmax_scratch_len(rows));
    gpu::loss::softmax(launches, x, p, minus_log_first, labels);
    (minus_log_first, rest)
}

/// The first element of each row of `x: (rows, width)`.
fn first_of_rows(launches: &mut Launches, x: Span, width: usize, to: Span) {
    let rows = Rows { rows: to.len, width: 1, repeat: 1 };
    layout::copy_rows(launches, rows, (x, width), (Target::write(to), 1), Rest::Goes);
}

impl DeviceOp for Softmax {
    fn device_memory(&self, inputs: &[Shape], output: Shape) -> Memory {
        let rows = output.len() / output.last();
        Memory {
            saved: 0,
            forward_scratch: probabilities_scratch_len(inputs[0]),
            backward_scratch: output.len() + 2 * rows + device_sum_scratch_len(along(output)),
        }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        probabilities(launches, along(run.y_shape).outer, run.x[0], run.y, run.scratch);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        // dx = y·dy − y·Σ dy·y
        let Some(dx) = run.dx[0] else { return };
        let along = along(run.y_shape);
        let (each, rest) = run.scratch.split(run.dy.len);
        let (sums, rest) = rest.split(along.outer);
        let (minus, scratch) = rest.split(along.outer);
        elementwise::multiply(launches, run.y, run.dy, Target::write(each));
        device_sum_along(launches, along, each, Target::write(sums), scratch);
        elementwise::copy(launches, each, dx);
        elementwise::scale(launches, sums, -1.0, Target::write(minus));
        device_copy_along(launches, along, minus, Target::write(each));
        elementwise::multiply(launches, run.y, each, Target { add: true, ..dx });
    }
}

impl DeviceOp for LogSoftmax {
    fn device_memory(&self, inputs: &[Shape], output: Shape) -> Memory {
        let rows = output.len() / output.last();
        Memory {
            saved: 0,
            forward_scratch: output.len() + probabilities_scratch_len(inputs[0]) + 2 * rows,
            backward_scratch: 2 * output.len() + 2 * rows + device_sum_scratch_len(along(output)),
        }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        // y = x − x₀ − (ln Σ eˣ − x₀)
        let along = along(run.y_shape);
        let (p, rest) = run.scratch.split(run.y.len);
        let (log, rest) = probabilities(launches, along.outer, run.x[0], p, rest);
        let (first, rest) = rest.split(along.outer);
        let minus = rest.part(0, along.outer);
        first_of_rows(launches, run.x[0], along.count, first);
        elementwise::copy(launches, run.x[0], Target::write(run.y));
        for numbers in [first, log] {
            elementwise::scale(launches, numbers, -1.0, Target::write(minus));
            device_copy_along(launches, along, minus, Target { span: run.y, add: true });
        }
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        // dx = dy − eʸ·Σ dy
        let Some(dx) = run.dx[0] else { return };
        let along = along(run.y_shape);
        let (p, rest) = run.scratch.split(run.dy.len);
        let (each, rest) = rest.split(run.dy.len);
        let (sums, rest) = rest.split(along.outer);
        let (minus, scratch) = rest.split(along.outer);
        gpu::activation::exp(launches, run.y, p);
        device_sum_along(launches, along, run.dy, Target::write(sums), scratch);
        elementwise::scale(launches, sums, -1.0, Target::write(minus));
        device_copy_along(launches, along, minus, Target::write(each));
        elementwise::copy(launches, run.dy, dx);
        elementwise::multiply(launches, p, each, Target { add: true, ..dx });
    }
}

impl DeviceOp for LogSumExp {
    fn device_reads(&self, _: Reads) -> Reads {
        Reads::inputs(&[0])
    }

    fn device_memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        let probabilities = inputs[0].len() + probabilities_scratch_len(inputs[0]);
        Memory { saved: 0, forward_scratch: probabilities, backward_scratch: probabilities + inputs[0].len() }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        // y = x₀ + (ln Σ eˣ − x₀)
        let along = along(run.shapes[0]);
        let (p, rest) = run.scratch.split(run.x[0].len);
        let (log, _) = probabilities(launches, along.outer, run.x[0], p, rest);
        first_of_rows(launches, run.x[0], along.count, run.y);
        elementwise::copy(launches, log, Target { span: run.y, add: true });
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        // dx = dy · softmax(x)
        let Some(dx) = run.dx[0] else { return };
        let along = along(run.shapes[0]);
        let (p, rest) = run.scratch.split(run.x[0].len);
        let (each, rest) = rest.split(run.x[0].len);
        probabilities(launches, along.outer, run.x[0], p, rest);
        device_copy_along(launches, along, run.dy, Target::write(each));
        elementwise::multiply(launches, p, each, dx);
    }
}

impl<T: Float> Tape<T> {
    /// eˣ / Σ eˣ over the last axis; the shape stays.
    ///
    /// # Errors
    /// If `x` is a scalar.
    pub fn softmax(&mut self, x: Tensor) -> Result<Tensor> {
        self.record(Softmax, &[x])
    }

    /// x − ln Σ eˣ over the last axis; the shape stays.
    ///
    /// # Errors
    /// If `x` is a scalar.
    pub fn log_softmax(&mut self, x: Tensor) -> Result<Tensor> {
        self.record(LogSoftmax, &[x])
    }

    /// ln Σ eˣ over the last axis, which the result has no more.
    ///
    /// # Errors
    /// If `x` is a scalar.
    pub fn logsumexp(&mut self, x: Tensor) -> Result<Tensor> {
        self.record(LogSumExp, &[x])
    }
}

/// Spread values, in whose first row the second largest comes near the largest: where one element has each row to itself, all
/// gradients are next to zero, and a numeric one shows nothing but rounding.
fn contested(draw: &mut Draw, shape: Shape) -> CaseInput {
    let mut x = draw.spread(shape);
    let row = &mut x.values[..shape.last()];
    let largest = (0..row.len()).fold(0, |largest, i| if row[i] > row[largest] { i } else { largest });
    let next = (largest + 1) % row.len();
    if next != largest {
        row[next] = f64::from((row[largest] - draw.number(0.1, 1.5)) as f32);
    }
    x
}

pub(super) const SOFTMAX: Spec = Spec {
    name: "softmax",
    formula: "y = eˣ / Σ eˣ over the last axis",
    draw: |draw| {
        let shape = draw.shape(1);
        case!(format!("{shape}"), vec![contested(draw, shape)], |tape, x| tape.softmax(x[0]))
    },
};

pub(super) const LOG_SOFTMAX: Spec = Spec {
    name: "log_softmax",
    formula: "y = x − ln Σ eˣ over the last axis",
    draw: |draw| {
        let shape = draw.shape(1);
        case!(format!("{shape}"), vec![draw.spread(shape)], |tape, x| tape.log_softmax(x[0]))
    },
};

pub(super) const LOGSUMEXP: Spec = Spec {
    name: "logsumexp",
    formula: "y = ln Σ eˣ over the last axis",
    draw: |draw| {
        let shape = draw.shape(1);
        case!(format!("{shape}"), vec![draw.spread(shape)], |tape, x| tape.logsumexp(x[0]))
    },
};
