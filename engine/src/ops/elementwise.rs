//! The pieces that element-wise operations are made of, for those of this crate and for your own.
//!
//! Work over a long slice is cut into pieces whose number depends on its length alone, so that results do not depend on the
//! number of threads.
//!
//! ```
//! use inkgrad_engine::Team;
//! use inkgrad_engine::ops::elementwise::{for_pieces, piece, pieces, put, sum_pieces};
//!
//! let (team, x) = (Team::solo(), vec![1.0f64; 50_000]);
//! let mut y = vec![0.0; x.len()];
//! for_pieces(&team, &mut y, |i, y| y.iter_mut().zip(piece(&x, i)).for_each(|(y, x)| put(y, 2.0 * x, false)));
//! let mut partial = vec![0.0; pieces(x.len())];
//! assert_eq!(sum_pieces(&team, &mut partial, |i| piece(&y, i).iter().sum()), 100_000.0);
//! ```

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::Team;

use crate::{Error, Result, Shape};

/// Elements of a piece of element-wise work: enough to be worth handing to a thread, and never a matter of their number.
pub const PIECE: usize = 1 << 14;

/// Pieces of `len` elements.
pub fn pieces(len: usize) -> usize {
    len.div_ceil(PIECE)
}

/// The piece of `x` with number `i`.
pub fn piece<T>(x: &[T], i: usize) -> &[T] {
    let start = (i * PIECE).min(x.len());
    &x[start..x.len().min(start + PIECE)]
}

/// Calls `f(i, piece of y)` for every piece of `y`.
pub fn for_pieces<T: Float>(team: &Team, y: &mut [T], f: impl Fn(usize, &mut [T]) + Sync) {
    team.pieces([(y, PIECE)], |i, [y]| f(i, y));
}

/// The sum over all pieces of `f(i)`, added in order; `partial` has room for [`pieces`] numbers.
pub fn sum_pieces<T: Float>(team: &Team, partial: &mut [T], f: impl Fn(usize) -> T + Sync) -> T {
    team.pieces([(&mut *partial, 1)], |i, [sum]| sum[0] = f(i));
    partial.iter().fold(T::ZERO, |sum, &part| sum + part)
}

/// The shape that all inputs have; `names` is what messages call them.
///
/// # Errors
/// If one has another.
pub fn equal_shapes(op: &str, names: &str, inputs: &[Shape]) -> Result<Shape> {
    match inputs.iter().find(|&&shape| shape != inputs[0]) {
        None => Ok(inputs[0]),
        Some(other) => Err(Error::shape(op, format!("{names} are {} and {other}, expected equal shapes", inputs[0]))),
    }
}

/// `dx ← value` or `dx ← dx + value`.
#[inline(always)]
pub fn put<T: Float>(dx: &mut T, value: T, add: bool) {
    *dx = if add { *dx + value } else { value };
}
