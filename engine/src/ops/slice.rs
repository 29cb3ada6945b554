//! y = x[…, start..end, …]: a range of one axis.
//!
//! - CPU: the loops below
//! - GPU: `kernels/ptx/elementwise.ptx`, `kernels/ptx/layout.ptx`
//! - PyTorch: `slice` in `ops.json`

use std::ops::Range;

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::axis::Along;
use inkgrad_kernels::gpu::{
    Launches, Target, elementwise,
    layout::{self, Rest, Rows},
};

use super::case::{Spec, case};
use super::put;
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Op, Reads};
use crate::{Error, MAX_RANK, Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Slice {
    axis: usize,
    start: usize,
    end: usize,
}

impl Slice {
    /// Runs of elements that lie side by side in x and y: how many, from one to the next in x, the first one's place in x,
    /// and their length.
    fn runs(&self, x: Shape) -> (usize, usize, usize, usize) {
        let Along { outer, count, inner } = Along::new(x.dims(), self.axis);
        (outer, count * inner, self.start * inner, (self.end - self.start) * inner)
    }
}

impl<T: Float> Op<T> for Slice {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![
            ("axis", Attribute::Whole(self.axis)),
            ("start", Attribute::Whole(self.start)),
            ("end", Attribute::Whole(self.end)),
        ]
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let &Slice { axis, start, end } = self;
        match inputs[0].dims().get(axis) {
            Some(&extent) if start < end && end <= extent => {
                let mut dims = [0; MAX_RANK];
                dims[..inputs[0].rank()].copy_from_slice(inputs[0].dims());
                dims[axis] = end - start;
                Shape::try_from(&dims[..inputs[0].rank()])
            }
            _ => {
                let problem =
                    format!("{start}..{end} of axis {axis}, but x is {}, expected a part of an axis", inputs[0]);
                Err(Error::shape(SPEC.name, problem))
            }
        }
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn flops(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn forward(&self, run: Forward<'_, T>) {
        let (_, from_next, first, len) = self.runs(run.shapes[0]);
        for (y, x) in run.y.chunks_exact_mut(len).zip(run.x[0].chunks_exact(from_next)) {
            y.copy_from_slice(&x[first..][..len]);
        }
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx[…, start..end, …] = dy, elsewhere 0
        let (_, from_next, first, len) = self.runs(run.shapes[0]);
        let Some(dx) = run.dx.take(0) else { return };
        for (d, dy) in dx.values.chunks_exact_mut(from_next).zip(run.dy.chunks_exact(len)) {
            if !dx.add {
                d[..first].fill(T::ZERO);
                d[first + len..].fill(T::ZERO);
            }
            d[first..][..len].iter_mut().zip(dy).for_each(|(d, &dy)| put(d, dy, dx.add));
        }
    }
}

impl DeviceOp for Slice {
    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        let (rows, from_next, first, width) = self.runs(run.shapes[0]);
        let x = run.x[0].part(first, run.x[0].len - first);
        layout::copy_rows(
            launches,
            Rows { rows, width, repeat: 1 },
            (x, from_next),
            (Target::write(run.y), width),
            Rest::Goes,
        );
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        let (rows, from_next, first, width) = self.runs(run.shapes[0]);
        let Some(dx) = run.dx[0] else { return };
        if !dx.add {
            elementwise::fill(launches, 0.0, dx);
        }
        let part = Target { span: dx.span.part(first, dx.span.len - first), add: true };
        layout::copy_rows(launches, Rows { rows, width, repeat: 1 }, (run.dy, width), (part, from_next), Rest::Stays);
    }
}

impl<T: Float> Tape<T> {
    /// Elements `range` of axis `axis`: `(2, 5, 3)`, axis 1, range 1..3 to `(2, 2, 3)`. See [`Tape::select`] for one step of a
    /// sequence without its axis.
    ///
    /// # Errors
    /// If `x` has no such axis, or the range is empty or goes beyond it.
    pub fn slice(&mut self, x: Tensor, axis: usize, range: Range<usize>) -> Result<Tensor> {
        self.record(Slice { axis, start: range.start, end: range.end }, &[x])
    }

    /// `N` equal parts of `x` along axis `axis`, in order, as `torch.chunk`: the gates of a cell, or a mean beside its variance.
    ///
    /// ```
    /// # let mut tape = inkgrad_engine::Tape::<f32>::new();
    /// let gates = tape.input("gates", [2, 12]);
    /// let [i, f, o, g] = tape.chunk(gates, 1)?;
    /// assert_eq!(tape.shape(g).dims(), [2, 3]);
    /// # Ok::<(), inkgrad_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// If `x` has no such axis, or it is no multiple of `N`.
    pub fn chunk<const N: usize>(&mut self, x: Tensor, axis: usize) -> Result<[Tensor; N]> {
        let shape = self.shape(x);
        let len = shape.dims().get(axis).copied().unwrap_or_default();
        if N == 0 || len == 0 || len % N != 0 {
            return Err(Error::shape(
                SPEC.name,
                format!("axis {axis} of {shape} in {N} parts, expected a multiple of {N}"),
            ));
        }
        let mut parts = [x; N];
        for (i, part) in parts.iter_mut().enumerate() {
            *part = self.slice(x, axis, i * len / N..(i + 1) * len / N)?;
        }
        Ok(parts)
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "slice",
    formula: "y = x[…, start..end, …]",
    draw: |draw| {
        let shape = draw.shape(1);
        let axis = draw.whole(0, shape.rank() - 1);
        let start = draw.whole(0, shape.dims()[axis] - 1);
        let end = draw.whole(start + 1, shape.dims()[axis]);
        let label = format!("{shape} axis {axis} {start}..{end}");
        case!(label, vec![draw.values(shape)], |tape, x| tape.slice(x[0], axis, start..end))
    },
};

#[cfg(test)]
mod tests {
    use crate::Tape;

    #[test]
    fn ranges_that_do_not_fit_are_named() {
        let mut tape = Tape::<f32>::new();
        let x = tape.input("x", [2, 5]);
        for (axis, range, found) in
            [(2, 0..1, "0..1 of axis 2"), (1, 2..6, "2..6 of axis 1"), (1, 3..3, "3..3 of axis 1")]
        {
            let refused = tape.slice(x, axis, range).unwrap_err().to_string();
            assert_eq!(refused, format!("slice: {found}, but x is (2, 5), expected a part of an axis"));
        }
    }
}
