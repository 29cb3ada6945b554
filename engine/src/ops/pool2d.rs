//! y[p] = mean or maximum of x over the window of p: channels-last pictures.
//!
//! - CPU: `kernels/src/cpu/pool.rs`
//! - GPU: `kernels/ptx/pool.ptx`
//! - PyTorch: `avg_pool2d` in `graphs.json`; `max_pool2d`: none, InceptionV3 is compared whole (`tests/tests/inception.rs`)

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::conv::Grid;
use inkgrad_kernels::cpu::pool::{self, Pooling, Window};
use inkgrad_kernels::gpu::{self, Launches};

use super::case::{CaseInput, Draw, Spec, case};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Op, Reads};
use crate::{Error, Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Pool2d {
    window: Window,
    pooling: Pooling,
}

/// The extents of one picture of `x: (B, H, W, C)`.
fn picture(x: Shape) -> Grid {
    let x = x.dims();
    Grid { height: x[1], width: x[2], channels: x[3] }
}

impl<T: Float> Op<T> for Pool2d {
    fn name(&self) -> &'static str {
        match self.pooling {
            Pooling::Mean { .. } => AVERAGE.name,
            Pooling::Max => MAX.name,
        }
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        let Window { kernel, stride, padding } = self.window;
        let pair = |(vertical, horizontal)| Attribute::Pair(vertical, horizontal);
        let mut attributes = vec![("kernel", pair(kernel)), ("stride", pair(stride)), ("padding", pair(padding))];
        if let Pooling::Mean { count_padding } = self.pooling {
            attributes.push(("count_padding", Attribute::Flag(count_padding)));
        }
        attributes
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let name = Op::<T>::name(self);
        let &[b, h, w, c] = inputs[0].dims() else {
            return Err(Error::shape(name, format!("x is {}, expected (batch, height, width, channels)", inputs[0])));
        };
        match self.window.output((h, w)) {
            Some((height, width)) => Ok([b, height, width, c].into()),
            None => Err(Error::shape(name, format!("x is {}, which {:?} does not fit", inputs[0], self.window))),
        }
    }

    fn reads(&self) -> Reads {
        match self.pooling {
            Pooling::Mean { .. } => Reads::NOTHING,
            Pooling::Max => Reads::inputs(&[0]),
        }
    }

    fn flops(&self, _: &[Shape], output: Shape) -> u64 {
        (output.len() * self.window.kernel.0 * self.window.kernel.1) as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        pool::pool(run.team, &self.window, self.pooling, picture(run.shapes[0]), run.x[0], run.y);
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // mean: dx over the window += dy / count; maximum: dx at its place += dy
        let Some(dx) = run.dx.take(0) else { return };
        let picture = picture(run.shapes[0]);
        pool::pool_backward(run.team, &self.window, self.pooling, picture, run.x[0], run.dy, dx.values, dx.add);
    }
}

impl DeviceOp for Pool2d {
    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        gpu::pool::pool(launches, &self.window, self.pooling, picture(run.shapes[0]), run.x[0], run.y);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        let Some(dx) = run.dx[0] else { return };
        let picture = picture(run.shapes[0]);
        gpu::pool::pool_backward(launches, &self.window, self.pooling, picture, [run.x[0], run.dy], dx);
    }
}

impl<T: Float> Tape<T> {
    /// The mean over windows of `x: (B, H, W, C)`: `(B, H', W', C)`. Pixels in the padding count as zeros if
    /// `count_padding` (PyTorch's `count_include_pad`), else not at all.
    ///
    /// # Errors
    /// If the window does not fit the picture.
    pub fn avg_pool2d(&mut self, x: Tensor, window: Window, count_padding: bool) -> Result<Tensor> {
        self.record(Pool2d { window, pooling: Pooling::Mean { count_padding } }, &[x])
    }

    /// The maximum over windows of `x: (B, H, W, C)`: `(B, H', W', C)`.
    ///
    /// # Errors
    /// If the window does not fit the picture.
    pub fn max_pool2d(&mut self, x: Tensor, window: Window) -> Result<Tensor> {
        self.record(Pool2d { window, pooling: Pooling::Max }, &[x])
    }
}

/// A window and a picture that it fits.
fn draw_window(draw: &mut Draw) -> (Window, [usize; 4]) {
    let kernel = (draw.whole(1, 4), draw.whole(1, 4));
    let window = Window {
        kernel,
        stride: (draw.whole(1, 3), draw.whole(1, 3)),
        padding: (draw.whole(0, kernel.0 / 2), draw.whole(0, kernel.1 / 2)),
    };
    (window, [draw.batch().div_ceil(4), kernel.0 + draw.extent() / 2, kernel.1 + draw.extent() / 2, draw.extent()])
}

/// Values of which no two are near each other: at a tie, a maximum has no derivative.
fn apart(draw: &mut Draw, shape: [usize; 4]) -> CaseInput {
    let mut input = draw.values(shape);
    let n = input.values.len();
    let (start, step) = (draw.whole(0, n - 1), (n / 2 + 1..).find(|&step| gcd(step, n) == 1).unwrap_or(1));
    for (i, value) in input.values.iter_mut().enumerate() {
        *value = 4.0 * ((start + i * step) % n) as f64 / n as f64 - 2.0;
    }
    input
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

pub(super) const AVERAGE: Spec = Spec {
    name: "avg_pool2d",
    formula: "y[p] = mean of x over p's window, with or without its padding",
    draw: |draw| {
        let ((window, x), count) = (draw_window(draw), draw.coin());
        case!(format!("x {x:?}, {window:?}, count_padding {count}"), vec![draw.values(x)], |tape, x| {
            tape.avg_pool2d(x[0], window, count)
        })
    },
};

pub(super) const MAX: Spec = Spec {
    name: "max_pool2d",
    formula: "y[p] = max of x over p's window",
    draw: |draw| {
        let (window, x) = draw_window(draw);
        case!(format!("x {x:?}, {window:?}"), vec![apart(draw, x)], |tape, x| tape.max_pool2d(x[0], window))
    },
};
