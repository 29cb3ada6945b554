//! y[b, j, i] = x[b, i, j]: the last two axes change places. Turns channels-first pictures into channels-last ones and back.
//!
//! - CPU: the loops below
//! - GPU: `kernels/ptx/layout.ptx`
//! - PyTorch: `transpose` in `graphs.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::gpu::{Launches, Target, layout};

use super::case::{Spec, case};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::op::{Backward, Forward, Op, Reads};
use crate::{Error, Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Transpose;

/// `y: (columns, rows)` from `x: (rows, columns)`, by squares of 8 × 8, which fit in registers.
fn transpose<T: Float>(x: &[T], rows: usize, columns: usize, y: &mut [T], add: bool) {
    const SIDE: usize = 8;
    for i in (0..rows).step_by(SIDE) {
        for j in (0..columns).step_by(SIDE) {
            if rows - i < SIDE || columns - j < SIDE {
                for (i, j) in (i..rows.min(i + SIDE)).flat_map(|i| (j..columns.min(j + SIDE)).map(move |j| (i, j))) {
                    super::put(&mut y[j * rows + i], x[i * columns + j], add);
                }
                continue;
            }
            let row = |r: usize| *x[(i + r) * columns + j..].first_chunk::<SIDE>().expect("a row of the square");
            let square: [[T; SIDE]; SIDE] = std::array::from_fn(row);
            let turned: [[T; SIDE]; SIDE] = std::array::from_fn(|c| std::array::from_fn(|r| square[r][c]));
            for (c, column) in turned.into_iter().enumerate() {
                let y = y[(j + c) * rows + i..].first_chunk_mut::<SIDE>().expect("a column of the square");
                match add {
                    true => y.iter_mut().zip(column).for_each(|(y, x)| *y += x),
                    false => *y = column,
                }
            }
        }
    }
}

impl<T: Float> Op<T> for Transpose {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        match *inputs[0].dims() {
            [b, m, n] => Ok([b, n, m].into()),
            _ => Err(Error::shape(SPEC.name, format!("x is {}, expected three axes", inputs[0]))),
        }
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn flops(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn forward(&self, run: Forward<'_, T>) {
        let [_, rows, columns] = *run.shapes[0].dims() else { unreachable!("three axes") };
        let len = rows * columns;
        run.team.pieces([(run.y, len)], |b, [y]| transpose(&run.x[0][b * len..][..len], rows, columns, y, false));
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx[b, i, j] = dy[b, j, i]
        let [_, rows, columns] = *run.shapes[0].dims() else { unreachable!("three axes") };
        let len = rows * columns;
        let Some(dx) = run.dx.take(0) else { return };
        run.team.pieces([(dx.values, len)], |b, [d]| transpose(&run.dy[b * len..][..len], columns, rows, d, dx.add));
    }
}

impl DeviceOp for Transpose {
    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        let [batch, rows, columns] = *run.shapes[0].dims() else { unreachable!("three axes") };
        layout::transpose(launches, run.x[0], [batch, rows, columns], Target::write(run.y));
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        let [batch, rows, columns] = *run.shapes[0].dims() else { unreachable!("three axes") };
        if let Some(dx) = run.dx[0] {
            layout::transpose(launches, run.dy, [batch, columns, rows], dx);
        }
    }
}

impl<T: Float> Tape<T> {
    /// The last two of three axes in each other's place: `(B, M, N)` to `(B, N, M)`.
    ///
    /// # Errors
    /// If `x` has not three axes.
    pub fn transpose(&mut self, x: Tensor) -> Result<Tensor> {
        self.record(Transpose, &[x])
    }

    /// `(B, C, H, W)` to `(B, H, W, C)`, the layout of convolutions. Free for one channel.
    ///
    /// # Errors
    /// If `x` has not four axes.
    pub fn channels_last(&mut self, x: Tensor) -> Result<Tensor> {
        let [b, c, h, w] = self.four_axes(x)?;
        if c == 1 {
            return self.reshape(x, [b, h, w, c]);
        }
        let flat = self.reshape(x, [b, c, h * w])?;
        let turned = self.transpose(flat)?;
        self.reshape(turned, [b, h, w, c])
    }

    /// `(B, H, W, C)` to `(B, C, H, W)`, PyTorch's layout. Free for one channel.
    ///
    /// # Errors
    /// If `x` has not four axes.
    pub fn channels_first(&mut self, x: Tensor) -> Result<Tensor> {
        let [b, h, w, c] = self.four_axes(x)?;
        if c == 1 {
            return self.reshape(x, [b, c, h, w]);
        }
        let flat = self.reshape(x, [b, h * w, c])?;
        let turned = self.transpose(flat)?;
        self.reshape(turned, [b, c, h, w])
    }

    fn four_axes(&self, x: Tensor) -> Result<[usize; 4]> {
        let shape = self.shape(x);
        shape.dims().try_into().map_err(|_| Error::shape(SPEC.name, format!("x is {shape}, expected four axes")))
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "transpose",
    formula: "y[b, j, i] = x[b, i, j]",
    draw: |draw| {
        let shape = [draw.batch(), draw.extent(), draw.extent() * 3];
        case!(format!("{shape:?}"), vec![draw.values(shape)], |tape, x| tape.transpose(x[0]))
    },
};
