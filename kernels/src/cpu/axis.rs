//! Along one axis of a tensor, seen as `x: (outer, count, inner)`: sums, copies, maxima.

use super::activation::put;
use super::reduce::{block_column_sums, column_sums, sum};
use super::team::Team;
use crate::Float;

/// Elements of a task.
const PIECE: usize = 1 << 14;

/// A tensor seen along one of its axes: (outer, count, inner).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Along {
    /// Elements of all axes before it.
    pub outer: usize,
    /// Its extent.
    pub count: usize,
    /// Elements of all axes behind it.
    pub inner: usize,
}

impl Along {
    /// Axis `axis` of a tensor with these extents.
    ///
    /// # Panics
    /// If there is no such axis.
    pub fn new(dims: &[usize], axis: usize) -> Along {
        Along { outer: dims[..axis].iter().product(), count: dims[axis], inner: dims[axis + 1..].iter().product() }
    }

    /// Elements of the tensor.
    pub fn len(self) -> usize {
        self.outer * self.count * self.inner
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Elements without the axis.
    pub fn rest(self) -> usize {
        self.outer * self.inner
    }

    #[track_caller]
    fn check(self, name: &str, whole: usize, rest: usize) {
        assert!(
            (whole, rest) == (self.len(), self.rest()),
            "{name}: {whole} and {rest} elements along {self:?}, expected {} and {}",
            self.len(),
            self.rest()
        );
    }
}

/// y\[o, i\] = Σₛ x\[o, s, i\], or added. Long sums go on in f64.
///
/// # Panics
/// If the lengths do not fit.
pub fn sum_along<T: Float>(team: &Team, along: Along, x: &[T], y: &mut [T], add: bool) {
    along.check("sum_along", x.len(), y.len());
    let Along { outer, count, inner } = along;
    if along.is_empty() {
        return;
    }
    if inner == 1 {
        let rows = PIECE.div_ceil(count);
        return team.pieces([(y, rows)], |i, [y]| {
            for (y, row) in y.iter_mut().zip(x[i * rows * count..].chunks_exact(count)) {
                put(y, sum(row), add);
            }
        });
    }
    if outer == 1 {
        return column_sums(team, x, y, add);
    }
    /// Columns taken at a time.
    const BLOCK: usize = 32;
    team.pieces([(y, inner)], |o, [y]| {
        let x = &x[o * count * inner..][..count * inner];
        for (block, y) in y.chunks_mut(BLOCK).enumerate() {
            block_column_sums::<T, BLOCK>(x, inner, block * BLOCK, y, add);
        }
    });
}

/// y\[o, s, i\] = scale·x\[o, i\], or added: each element of x `count` times.
///
/// # Panics
/// If the lengths do not fit.
pub fn copy_along<T: Float>(team: &Team, along: Along, scale: T, x: &[T], y: &mut [T], add: bool) {
    along.check("copy_along", y.len(), x.len());
    let Along { count, inner, .. } = along;
    if inner == 1 {
        let rows = PIECE.div_ceil(count.max(1));
        return team.pieces([(y, rows * count)], |i, [y]| {
            for (y, &x) in y.chunks_exact_mut(count).zip(&x[i * rows..]) {
                y.iter_mut().for_each(|y| put(y, scale * x, add));
            }
        });
    }
    let rows = PIECE.div_ceil(inner.max(1));
    team.pieces([(y, rows * inner)], |i, [y]| {
        for (r, y) in y.chunks_exact_mut(inner).enumerate() {
            let x = &x[(i * rows + r) / count * inner..][..inner];
            y.iter_mut().zip(x).for_each(|(y, &x)| put(y, scale * x, add));
        }
    });
}

/// y\[o, i\] = maxₛ x\[o, s, i\], and `place` the first s that has it; NaN is larger than any number.
///
/// # Panics
/// If the lengths do not fit or the axis has no elements.
pub fn max_along<T: Float>(team: &Team, along: Along, x: &[T], y: &mut [T], place: &mut [T]) {
    along.check("max_along", x.len(), y.len());
    along.check("max_along", x.len(), place.len());
    let Along { count, inner, .. } = along;
    assert!(count > 0, "max_along: no element along {along:?}");
    let rows = PIECE.div_ceil(count * inner);
    team.pieces([(y, rows * inner), (place, rows * inner)], |i, [y, place]| {
        let places = place.chunks_exact_mut(inner);
        for ((r, y), place) in y.chunks_exact_mut(inner).enumerate().zip(places) {
            let x = &x[(i * rows + r) * count * inner..][..count * inner];
            y.copy_from_slice(&x[..inner]);
            place.fill(T::ZERO);
            for (s, x) in x.chunks_exact(inner).enumerate().skip(1) {
                let s = T::from_f64(s as f64);
                for ((y, place), &x) in y.iter_mut().zip(&mut *place).zip(x) {
                    #[allow(clippy::eq_op, reason = "NaN alone differs from itself")]
                    let nan = (x != x, *y != *y);
                    if x > *y || nan == (true, false) {
                        (*y, *place) = (x, s);
                    }
                }
            }
        }
    });
}

/// dx\[o, s, i\] = dy\[o, i\] where s is the place of the maximum, else 0, or added.
///
/// # Panics
/// If the lengths do not fit.
pub fn max_along_backward<T: Float>(team: &Team, along: Along, place: &[T], dy: &[T], dx: &mut [T], add: bool) {
    along.check("max_along_backward", dx.len(), dy.len());
    along.check("max_along_backward", dx.len(), place.len());
    let Along { count, inner, .. } = along;
    let rows = PIECE.div_ceil((count * inner).max(1));
    team.pieces([(dx, rows * count * inner)], |i, [dx]| {
        for (r, dx) in dx.chunks_exact_mut(count * inner).enumerate() {
            let here = (i * rows + r) * inner..(i * rows + r + 1) * inner;
            let (place, dy) = (&place[here.clone()], &dy[here]);
            for (s, dx) in dx.chunks_exact_mut(inner).enumerate() {
                let s = T::from_f64(s as f64);
                for ((dx, &place), &dy) in dx.iter_mut().zip(place).zip(dy) {
                    put(dx, if place == s { dy } else { T::ZERO }, add);
                }
            }
        }
    });
}

/// The plain formulas, for comparison.
pub mod naive {
    use super::Along;

    /// The place of element (o, s, i).
    fn at(along: Along, o: usize, s: usize, i: usize) -> usize {
        (o * along.count + s) * along.inner + i
    }

    /// y\[o, i\] = Σₛ x\[o, s, i\].
    pub fn sum_along(along: Along, x: &[f64]) -> Vec<f64> {
        each(along, |o, i| (0..along.count).map(|s| x[at(along, o, s, i)]).sum())
    }

    /// y\[o, i\] = maxₛ x\[o, s, i\].
    pub fn max_along(along: Along, x: &[f64]) -> Vec<f64> {
        each(along, |o, i| (0..along.count).map(|s| x[at(along, o, s, i)]).fold(f64::NEG_INFINITY, f64::max))
    }

    /// y\[o, s, i\] = x\[o, i\].
    pub fn copy_along(along: Along, x: &[f64]) -> Vec<f64> {
        let mut y = vec![0.0; along.len()];
        for o in 0..along.outer {
            for s in 0..along.count {
                for i in 0..along.inner {
                    y[at(along, o, s, i)] = x[o * along.inner + i];
                }
            }
        }
        y
    }

    fn each(along: Along, f: impl Fn(usize, usize) -> f64) -> Vec<f64> {
        (0..along.outer).flat_map(|o| (0..along.inner).map(move |i| (o, i))).map(|(o, i)| f(o, i)).collect()
    }
}
