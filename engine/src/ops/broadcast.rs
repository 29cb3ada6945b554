//! y = x stretched to a larger shape by NumPy's rules: shapes are laid side by side from the right, and an axis of 1, or one
//! that is not there, is repeated. Its gradient is the sum over all copies.
//!
//! Operations of two operands record this where the shapes differ, so that of equal shapes nothing is looked up in a loop.
//!
//! Axes that are repeated, or kept, side by side count as one. Each run of repeated ones is a pass, from the left: (1, K, 1) to
//! (R, K, C) goes by way of (R, K, 1).
//!
//! - CPU: `kernels/src/cpu/axis.rs`
//! - GPU: `kernels/ptx/elementwise.ptx`, `kernels/ptx/layout.ptx`
//! - PyTorch: `broadcast` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::axis::{self, Along};
use inkgrad_kernels::gpu::{
    Launches, Span, Target,
    layout::{self, Rest, Rows},
    reduce,
};

use super::case::{Draw, Spec, case};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::shape::MAX_RANK;
use crate::{Error, Result, Shape, Tape, Tensor};

#[derive(Debug)]
struct Broadcast {
    to: Shape,
}

/// Passes at most: of six axes every other one is repeated.
const MAX_PASSES: usize = MAX_RANK.div_ceil(2);

/// The passes from `x` to `y`, the first ones of the list: each repeats elements along one axis of its result.
fn passes(x: Shape, y: Shape) -> ([Along; MAX_PASSES], usize) {
    let mut list = [Along { outer: 1, count: 1, inner: 1 }; MAX_PASSES];
    let mut n = 0;
    let missing = y.rank() - x.rank();
    let own = |axis: usize| if axis < missing { 1 } else { x.dims()[axis - missing] };
    // From the left: what lies before an axis has y's extents already, what lies behind it x's.
    let (mut outer, mut inner) = (1, x.len());
    let mut repeats = false;
    for (axis, &extent) in y.dims().iter().enumerate() {
        if extent == 1 {
            continue;
        }
        if own(axis) == extent {
            (inner, repeats) = (inner / extent, false);
        } else if repeats {
            list[n - 1].count *= extent;
        } else {
            (list[n], n, repeats) = (Along { outer, count: extent, inner }, n + 1, true);
        }
        outer *= extent;
    }
    (list, n)
}

/// Elements between the passes.
fn between(passes: &[Along]) -> usize {
    passes.split_last().map_or(0, |(_, first)| first.iter().map(|pass| pass.len()).sum())
}

/// The smallest shape to which both can be stretched; `None` where an axis differs and is 1 in neither.
fn common(a: Shape, b: Shape) -> Option<Shape> {
    let rank = a.rank().max(b.rank());
    let extent = |shape: &Shape, axis: usize| (axis + shape.rank()).checked_sub(rank).map_or(1, |i| shape.dims()[i]);
    let mut dims = [1; MAX_RANK];
    for (axis, to) in dims[..rank].iter_mut().enumerate() {
        *to = match (extent(&a, axis), extent(&b, axis)) {
            (a, b) if a == b || b == 1 => a,
            (1, b) => b,
            _ => return None,
        };
    }
    Shape::try_from(&dims[..rank]).ok()
}

/// The operands of `op` in one shape: those that have another are stretched.
///
/// # Errors
/// If no shape holds both.
pub(super) fn two_operands<T: Float>(tape: &mut Tape<T>, op: &str, a: Tensor, b: Tensor) -> Result<[Tensor; 2]> {
    tape.require_own(op, &[a, b])?;
    let shapes = [tape.shape(a), tape.shape(b)];
    if shapes[0] == shapes[1] {
        return Ok([a, b]);
    }
    let Some(to) = common(shapes[0], shapes[1]) else {
        let problem = format!(
            "a and b are {} and {}, expected axes, counted from the right, that are equal or 1",
            shapes[0], shapes[1]
        );
        return Err(Error::shape(op, problem));
    };
    Ok([tape.broadcast(a, to)?, tape.broadcast(b, to)?])
}

/// Shapes of two operands: equal ones half of the time, and else with axes of 1 or left out, in either or both.
pub(super) fn two_draws(draw: &mut Draw) -> (String, [Shape; 2]) {
    if draw.coin() {
        let shape = Shape::from([draw.batch(), draw.extent(), draw.extent()]);
        return (format!("{shape}"), [shape; 2]);
    }
    let to = draw.shape(1);
    let [mut a, mut b] = [0; 2].map(|_| stretchable(draw, to));
    if draw.coin() {
        a = to;
    }
    if draw.coin() {
        std::mem::swap(&mut a, &mut b);
    }
    (format!("{a} and {b}"), [a, b])
}

/// A shape that can be stretched to `to`: some axes are 1, and of the first ones some are left out.
fn stretchable(draw: &mut Draw, to: Shape) -> Shape {
    let first = if draw.coin() { draw.whole(0, to.rank()) } else { 0 };
    let dims: Vec<usize> = to.dims()[first..].iter().map(|&extent| if draw.coin() { extent } else { 1 }).collect();
    Shape::try_from(&dims[..]).expect("no more axes than before")
}

impl<T: Float> Op<T> for Broadcast {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        match common(inputs[0], self.to) {
            Some(common) if common == self.to => Ok(self.to),
            _ => {
                let problem = format!(
                    "x is {}, expected axes, counted from the right, that are 1 or those of {}",
                    inputs[0], self.to
                );
                Err(Error::shape(SPEC.name, problem))
            }
        }
    }

    fn memory(&self, inputs: &[Shape], output: Shape) -> Memory {
        let (list, n) = passes(inputs[0], output);
        let len = between(&list[..n]);
        Memory { saved: 0, forward_scratch: len, backward_scratch: len }
    }

    fn reads(&self) -> Reads {
        Reads::NOTHING
    }

    fn flops(&self, _: &[Shape], _: Shape) -> u64 {
        0
    }

    fn forward(&self, run: Forward<'_, T>) {
        let (list, n) = passes(run.shapes[0], run.y_shape);
        let Some((last, first)) = list[..n].split_last() else { return run.y.copy_from_slice(run.x[0]) };
        let (mut from, mut scratch): (&[T], _) = (run.x[0], run.scratch);
        for &pass in first {
            let (to, rest) = std::mem::take(&mut scratch).split_at_mut(pass.len());
            axis::copy_along(run.team, pass, T::ONE, from, to, false);
            (from, scratch) = (to, rest);
        }
        axis::copy_along(run.team, *last, T::ONE, from, run.y, false);
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        // dx = Σ dy over the copies, the last pass first
        let Some(dx) = run.dx.take(0) else { return };
        let (list, n) = passes(run.shapes[0], run.y_shape);
        let Some((first, later)) = list[..n].split_first() else {
            return dx.values.iter_mut().zip(run.dy).for_each(|(d, &dy)| super::put(d, dy, dx.add));
        };
        let (mut from, mut scratch): (&[T], _) = (run.dy, run.scratch);
        for &pass in later.iter().rev() {
            let (to, rest) = std::mem::take(&mut scratch).split_at_mut(pass.rest());
            axis::sum_along(run.team, pass, from, to, false);
            (from, scratch) = (to, rest);
        }
        axis::sum_along(run.team, *first, from, dx.values, dx.add);
    }
}

/// y\[o, s, i\] = x\[o, i\] on a GPU, or added.
pub(super) fn device_copy_along(launches: &mut Launches, along: Along, x: Span, y: Target) {
    // Each run of `inner` numbers of x is one row, or each number.
    let rows = Rows { rows: along.outer * along.count, width: along.inner, repeat: along.count };
    layout::copy_rows(launches, rows, (x, along.inner), (y, along.inner), Rest::Goes);
}

/// Numbers of scratch for [`device_sum_along`].
pub(super) fn device_sum_scratch_len(along: Along) -> usize {
    reduce::sum_axis_scratch_len(along.rest(), along.count)
}

/// y\[o, i\] = Σₛ x\[o, s, i\] on a GPU, or added. `scratch`: [`device_sum_scratch_len`].
pub(super) fn device_sum_along(launches: &mut Launches, along: Along, x: Span, y: Target, scratch: Span) {
    let Along { count, inner, .. } = along;
    reduce::sum_axis(launches, x, y, reduce::Axis { inner, outer: count * inner, step: inner, count }, scratch);
}

impl DeviceOp for Broadcast {
    fn device_memory(&self, inputs: &[Shape], output: Shape) -> Memory {
        let (list, n) = passes(inputs[0], output);
        let sums = list[..n].iter().map(|&pass| device_sum_scratch_len(pass)).max().unwrap_or(0);
        let len = between(&list[..n]);
        Memory { saved: 0, forward_scratch: len, backward_scratch: len + sums }
    }

    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        let (list, n) = passes(run.shapes[0], run.y_shape);
        let Some((last, first)) = list[..n].split_last() else {
            return inkgrad_kernels::gpu::elementwise::copy(launches, run.x[0], Target::write(run.y));
        };
        let (mut from, mut scratch) = (run.x[0], run.scratch);
        for &pass in first {
            let (to, rest) = scratch.split(pass.len());
            device_copy_along(launches, pass, from, Target::write(to));
            (from, scratch) = (to, rest);
        }
        device_copy_along(launches, *last, from, Target::write(run.y));
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        let Some(dx) = run.dx[0] else { return };
        let (list, n) = passes(run.shapes[0], run.y_shape);
        let Some((first, later)) = list[..n].split_first() else {
            return inkgrad_kernels::gpu::elementwise::copy(launches, run.dy, dx);
        };
        let (mut between, sums) = run.scratch.split(between(&list[..n]));
        let mut from = run.dy;
        for &pass in later.iter().rev() {
            let (to, rest) = between.split(pass.rest());
            device_sum_along(launches, pass, from, Target::write(to), sums);
            (from, between) = (to, rest);
        }
        device_sum_along(launches, *first, from, dx, sums);
    }
}

impl<T: Float> Tape<T> {
    /// `x` stretched to `shape` by NumPy's rules: an axis of 1, or one that is not there on the left, is repeated. `x` itself
    /// where that is its shape.
    ///
    /// ```
    /// use inkgrad_engine::prelude::*;
    ///
    /// let mut tape = Tape::<f32>::new();
    /// let (pictures, bias) = (tape.input("x", [32, 28, 28, 8]), tape.input("bias", [8]));
    /// let sum = tape.add(pictures, bias)?; // add, sub, mul and div stretch the smaller operand themselves
    /// assert_eq!(tape.shape(sum), Shape::from([32, 28, 28, 8]));
    /// let refused = tape.broadcast(pictures, [8]).unwrap_err().to_string();
    /// assert_eq!(
    ///     refused,
    ///     "broadcast: x is (32, 28, 28, 8), expected axes, counted from the right, that are 1 or those of (8)"
    /// );
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If an axis of `x` is neither 1 nor that of `shape`, or `x` has more of them.
    pub fn broadcast(&mut self, x: Tensor, shape: impl Into<Shape>) -> Result<Tensor> {
        let to = shape.into();
        self.require_own(SPEC.name, &[x])?;
        if self.shape(x) == to { Ok(x) } else { self.record(Broadcast { to }, &[x]) }
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "broadcast",
    formula: "y = x, axes of 1 repeated",
    draw: |draw| {
        let to = draw.shape(1);
        let from = stretchable(draw, to);
        case!(format!("{from} to {to}"), vec![draw.values(from)], |tape, x| tape.record(Broadcast { to }, x))
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, Compile, Params, Team};

    fn stretched(from: &[usize], to: &[usize]) -> Vec<f32> {
        let mut tape = Tape::<f32>::new();
        let [from, to] = [from, to].map(|dims| Shape::try_from(dims).unwrap());
        let x = tape.input("x", from);
        let y = tape.record(Broadcast { to }, &[x]).unwrap();
        let mut plan = tape.compile(Compile { keep: &[y], ..Compile::default() });
        plan.input(x).iter_mut().enumerate().for_each(|(i, x)| *x = i as f32);
        plan.forward(&Params::new(), &Team::solo(), Clock::default());
        plan.value(y).to_vec()
    }

    /// Element by element: each index of y, its axes of 1 in x taken as 0.
    fn expected(from: &[usize], to: &[usize]) -> Vec<f32> {
        let element = |mut flat: usize| {
            let (mut place, mut stride) = (0, 1);
            for (axis, &extent) in to.iter().enumerate().rev() {
                let index = flat % extent;
                flat /= extent;
                if let Some(own) = (axis + from.len()).checked_sub(to.len()).map(|i| from[i]) {
                    place += if own == 1 { 0 } else { index * stride };
                    stride *= own;
                }
            }
            place as f32
        };
        (0..to.iter().product()).map(element).collect()
    }

    #[test]
    fn every_way_to_stretch_a_shape_of_six_axes() {
        let to = [2, 3, 2, 4, 3, 2];
        for mask in 0..64usize {
            let from: Vec<usize> =
                to.iter().enumerate().map(|(i, &n)| if mask >> i & 1 == 1 { 1 } else { n }).collect();
            assert_eq!(stretched(&from, &to), expected(&from, &to), "{from:?}");
            let (list, n) = passes(Shape::try_from(&from[..]).unwrap(), to.into());
            assert!(n <= MAX_PASSES && list[..n].iter().all(|pass| pass.count > 1));
        }
        for first in 0..=6 {
            assert_eq!(stretched(&to[first..], &to), expected(&to[first..], &to), "without {first} axes");
        }
        assert_eq!(stretched(&[2, 1, 3], &[2, 1, 3]), expected(&[2, 1, 3], &[2, 1, 3]));
    }

    #[test]
    fn operands_that_fit_no_shape_are_named() {
        let mut tape = Tape::<f32>::new();
        let (a, b) = (tape.input("a", [4, 3]), tape.input("b", [4]));
        for result in [tape.add(a, b), tape.sub(a, b), tape.mul(a, b), tape.div(a, b)] {
            let refused = result.unwrap_err().to_string();
            let expected = "a and b are (4, 3) and (4), expected axes, counted from the right, that are equal or 1";
            assert!(refused.ends_with(expected), "{refused}");
        }
        let (row, column) = (tape.input("row", [1, 3]), tape.input("column", [4, 1]));
        let sum = tape.add(row, column).unwrap();
        assert_eq!(tape.shape(sum), Shape::from([4, 3]));
    }
}
