//! y = x with its axes in another order: axis i of y is axis `axes[i]` of x.
//!
//! On the processor each run along y's last axis is gathered from x at one stride. On a GPU a permutation is a row of
//! transpositions of (batch, rows, columns): the i-th brings y's axis i to its place, by exchanging all axes before it that are
//! still to come with itself and those behind it. [`Tape::transpose`] is the case of the last two of three axes, in blocks.
//!
//! - CPU: the loops below
//! - GPU: `kernels/ptx/elementwise.ptx`, `kernels/ptx/layout.ptx`
//! - PyTorch: `permute` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::gpu::{Launches, Span, Target, elementwise, layout};

use super::case::{Spec, case};
use super::elementwise::PIECE;
use super::put;
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Error, MAX_RANK, Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Permute {
    axes: [usize; MAX_RANK],
    rank: usize,
}

/// Extents, strides or axes of a tensor, as many as it has.
type PerAxis = [usize; MAX_RANK];

impl Permute {
    fn axes(&self) -> &[usize] {
        &self.axes[..self.rank]
    }

    /// The permutation that undoes this one.
    fn inverse(&self) -> PerAxis {
        let mut inverse = [0; MAX_RANK];
        self.axes().iter().enumerate().for_each(|(to, &from)| inverse[from] = to);
        inverse
    }

    /// Calls `f(batch, rows, columns)` for each transposition of (batch, rows, columns) that leads from x to y.
    fn transpositions(&self, x: &[usize], mut f: impl FnMut([usize; 3])) {
        let mut order: PerAxis = std::array::from_fn(|i| i);
        for (i, &axis) in self.axes().iter().enumerate() {
            let order = &mut order[i..self.rank];
            let at = order.iter().position(|&a| a == axis).expect("each axis once");
            let extents = |axes: &[usize]| axes.iter().map(|&a| x[a]).product::<usize>();
            let (rows, columns) = (extents(&order[..at]), extents(&order[at..]));
            if rows > 1 && columns > 1 {
                f([self.axes()[..i].iter().map(|&a| x[a]).product(), rows, columns]);
            }
            order.rotate_left(at);
        }
    }
}

/// y = x permuted, or added: `axes` by y's axes, `from` the extents of x.
fn permute<T: Float>(
    team: &inkgrad_kernels::cpu::Team,
    axes: &[usize],
    from: &[usize],
    x: &[T],
    y: &mut [T],
    add: bool,
) {
    let rank = axes.len();
    let mut strides = [1; MAX_RANK];
    (0..rank.saturating_sub(1)).rev().for_each(|i| strides[i] = strides[i + 1] * from[i + 1]);
    let (mut extent, mut step) = ([1; MAX_RANK], [0; MAX_RANK]);
    for (i, &axis) in axes.iter().enumerate() {
        (extent[i], step[i]) = (from[axis], strides[axis]);
    }
    let last = rank.saturating_sub(1);
    let (run, stride) = (extent[last], step[last]);
    let runs = PIECE.div_ceil(run);
    team.pieces([(y, runs * run)], |piece, [y]| {
        // The index of the piece's first run, and its place in x.
        let (mut index, mut place, mut rest) = ([0; MAX_RANK], 0, piece * runs);
        for i in (0..last).rev() {
            index[i] = rest % extent[i];
            rest /= extent[i];
            place += index[i] * step[i];
        }
        for y in y.chunks_exact_mut(run) {
            y.iter_mut().zip(x[place..].iter().step_by(stride.max(1))).for_each(|(y, &x)| put(y, x, add));
            // The next run: as an odometer counts.
            for i in (0..last).rev() {
                (index[i], place) = (index[i] + 1, place + step[i]);
                if index[i] < extent[i] {
                    break;
                }
                (index[i], place) = (0, place - extent[i] * step[i]);
            }
        }
    });
}

impl<T: Float> Op<T> for Permute {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![("axes", Attribute::List(self.axes().to_vec()))]
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let x = inputs[0];
        if x.rank() != self.rank {
            let problem = format!("axes {:?}, but x is {x}, expected each of its axes once", self.axes());
            return Err(Error::shape(SPEC.name, problem));
        }
        let mut dims = [0; MAX_RANK];
        dims.iter_mut().zip(self.axes()).for_each(|(to, &axis)| *to = x.dims()[axis]);
        Shape::try_from(&dims[..self.rank])
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn flops(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn forward(&self, run: Forward<'_, T>) {
        permute(run.team, self.axes(), run.shapes[0].dims(), run.x[0], run.y, false);
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx = dy permuted back
        let Some(dx) = run.dx.take(0) else { return };
        permute(run.team, &self.inverse()[..self.rank], run.y_shape.dims(), run.dy, dx.values, dx.add);
    }
}

/// Lists the transpositions that lead from `x` of extents `dims` to `y`, by way of two halves of `scratch`.
fn on_device(launches: &mut Launches, permute: &Permute, dims: &[usize], x: Span, y: Target, scratch: Span) {
    let mut left = 0;
    permute.transpositions(dims, |_| left += 1);
    if left == 0 {
        return elementwise::copy(launches, x, y);
    }
    let halves = [0, 1].map(|i| scratch.part(i * x.len, x.len));
    let mut from = x;
    permute.transpositions(dims, |extents| {
        left -= 1;
        let to = if left == 0 { y } else { Target::write(halves[left % 2]) };
        layout::transpose(launches, from, extents, to);
        from = to.span;
    });
}

impl DeviceOp for Permute {
    fn device_memory(&self, _: &[Shape], output: Shape) -> Memory {
        Memory { saved: 0, forward_scratch: 2 * output.len(), backward_scratch: 2 * output.len() }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        on_device(launches, self, run.shapes[0].dims(), run.x[0], Target::write(run.y), run.scratch);
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        let Some(dx) = run.dx[0] else { return };
        let back = Permute { axes: self.inverse(), rank: self.rank };
        on_device(launches, &back, run.y_shape.dims(), run.dy, dx, run.scratch);
    }
}

impl<T: Float> Tape<T> {
    /// `x` with its axes in another order: `(2, 3, 4)` with axes `[2, 0, 1]` to `(4, 2, 3)`.
    ///
    /// # Errors
    /// If `axes` does not name each axis of `x` once.
    pub fn permute(&mut self, x: Tensor, axes: &[usize]) -> Result<Tensor> {
        let rank = axes.len();
        if rank > MAX_RANK || (0..rank).any(|axis| !axes.contains(&axis)) {
            let shape = self.require_own(SPEC.name, &[x]).map(|()| self.shape(x))?;
            return Err(Error::shape(
                SPEC.name,
                format!("axes {axes:?}, but x is {shape}, expected each of its axes once"),
            ));
        }
        let mut own = [0; MAX_RANK];
        own[..rank].copy_from_slice(axes);
        self.record(Permute { axes: own, rank }, &[x])
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "permute",
    formula: "y = x, its axes in another order",
    draw: |draw| {
        let shape = draw.shape(1);
        let (mut axes, rank): (PerAxis, usize) = (std::array::from_fn(|i| i), shape.rank());
        (1..rank).for_each(|i| axes.swap(i, draw.whole(0, i)));
        case!(format!("{shape} axes {:?}", &axes[..rank]), vec![draw.values(shape)], |tape, x| tape
            .permute(x[0], &axes[..rank]))
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, Compile, Params, Pool};

    /// Every order of four axes, and those of six that exchange two, element by element, at 1 and 3 threads.
    #[test]
    fn elements_are_where_their_indices_say() {
        let mut orders: Vec<Vec<usize>> = vec![vec![], vec![0]];
        for i in 0..256usize {
            let order = vec![i & 3, i >> 2 & 3, i >> 4 & 3, i >> 6];
            if (0..4).all(|axis| order.contains(&axis)) {
                orders.push(order);
            }
        }
        for i in 0..36 {
            let mut order: Vec<usize> = (0..6).collect();
            order.swap(i / 6, i % 6);
            orders.push(order);
        }
        for order in orders {
            let dims = &[3, 2, 5, 7, 4, 19][..order.len()];
            let mut tape = Tape::<f32>::new();
            let x = tape.input("x", Shape::try_from(dims).unwrap());
            let y = tape.permute(x, &order).unwrap();
            let to: Vec<usize> = order.iter().map(|&axis| dims[axis]).collect();
            assert_eq!(tape.shape(y).dims(), to);
            let mut plan = tape.compile(Compile { keep: &[y], ..Compile::default() });
            plan.input(x).iter_mut().enumerate().for_each(|(i, x)| *x = i as f32);
            let strides: Vec<usize> = (0..dims.len()).map(|i| dims[i + 1..].iter().product()).collect();
            for threads in [1, 3] {
                Pool::new(threads).enter(|team| plan.forward(&Params::new(), team, Clock::default()));
                for (flat, &found) in plan.value(y).iter().enumerate() {
                    let mut rest = flat;
                    let mut place = 0;
                    for (&axis, &extent) in order.iter().zip(&to).rev() {
                        place += rest % extent * strides[axis];
                        rest /= extent;
                    }
                    assert_eq!(found, place as f32, "{order:?} element {flat}");
                }
            }
        }
    }

    #[test]
    fn axes_that_are_no_order_are_named() {
        let mut tape = Tape::<f32>::new();
        let x = tape.input("x", [2, 3]);
        for axes in [&[0, 0][..], &[0, 2], &[0], &[0, 1, 2], &[0, 1, 2, 3, 4, 5, 6]] {
            let refused = tape.permute(x, axes).unwrap_err().to_string();
            assert_eq!(refused, format!("permute: axes {axes:?}, but x is (2, 3), expected each of its axes once"));
        }
    }
}
