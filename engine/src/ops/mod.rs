//! The operations, one file each: formula, shape rule, forward and right under it backward, and a recipe for random
//! valid cases ([`Spec`]) that every property test draws from.

mod add;
mod bce_with_logits;
mod concat;
mod conv2d;
mod conv_transpose2d;
mod copy;
mod correct;
mod embedding;
mod frozen_conv2d;
mod gaussian_kl;
mod gru;
mod linear;
mod lstm;
mod mse;
mod mul;
mod pool2d;
mod recurrent;
mod reparameterize;
mod repeat;
mod scale;
mod select;
mod softmax_cross_entropy;
mod sum;
mod transpose;
mod unary;

pub(crate) mod case;

pub use case::{Case, CaseInput, Draw, Record, Spec};
pub use conv_transpose2d::ConvTranspose;
pub use conv2d::Conv;
pub use copy::Copy;
pub use inkgrad_kernels::cpu::frozen::{Filter, Frozen};
pub use inkgrad_kernels::cpu::pool::Window;

/// Every operation. Property tests walk this table: an operation that is not in it does not exist for them.
pub const OPS: &[Spec] = &[
    add::SPEC,
    mul::SPEC,
    scale::SPEC,
    copy::SPEC,
    sum::SPEC,
    transpose::SPEC,
    concat::SPEC,
    repeat::SPEC,
    select::SPEC,
    embedding::SPEC,
    unary::RELU,
    unary::SIGMOID,
    unary::TANH,
    unary::SOFTPLUS,
    unary::EXP,
    linear::SPEC,
    conv2d::SPEC,
    conv_transpose2d::SPEC,
    frozen_conv2d::SPEC,
    pool2d::AVERAGE,
    pool2d::MAX,
    lstm::SPEC,
    gru::SPEC,
    reparameterize::SPEC,
    bce_with_logits::SPEC,
    mse::SPEC,
    gaussian_kl::SPEC,
    softmax_cross_entropy::SPEC,
    correct::SPEC,
];

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::{Team, activation};

use crate::{Error, Result, Shape};

/// Elements of a piece of element-wise work: enough to be worth handing to a thread, and never a matter of their number.
const PIECE: usize = 1 << 14;

/// Pieces of `len` elements.
fn pieces(len: usize) -> usize {
    len.div_ceil(PIECE)
}

/// The piece of `x` with number `i`.
fn piece<T>(x: &[T], i: usize) -> &[T] {
    let start = (i * PIECE).min(x.len());
    &x[start..x.len().min(start + PIECE)]
}

/// Calls `f(i, piece of y)` for every piece of `y`.
fn for_pieces<T: Float>(team: &Team, y: &mut [T], f: impl Fn(usize, &mut [T]) + Sync) {
    team.pieces([(y, PIECE)], |i, [y]| f(i, y));
}

/// The sum over all pieces of `f(i)`, added in order; `partial` has room for [`pieces`] numbers.
fn sum_pieces<T: Float>(team: &Team, partial: &mut [T], f: impl Fn(usize) -> T + Sync) -> T {
    team.pieces([(&mut *partial, 1)], |i, [sum]| sum[0] = f(i));
    partial.iter().fold(T::ZERO, |sum, &part| sum + part)
}

/// Elements of scratch for [`through_relu`].
pub(crate) fn relu_scratch(relu: bool, output: Shape) -> usize {
    if relu { output.len() } else { 0 }
}

/// The gradient before a fused ReLU: dy where y > 0, written to the first [`relu_scratch`] elements of `scratch`, or `dy`
/// itself where there is no ReLU. Returns it with the rest of the scratch.
fn through_relu<'a, T: Float>(
    team: &Team,
    relu: bool,
    y: &[T],
    dy: &'a [T],
    scratch: &'a mut [T],
) -> (&'a [T], &'a mut [T]) {
    if !relu {
        return (dy, scratch);
    }
    let (masked, scratch) = scratch.split_at_mut(dy.len());
    for_pieces(team, masked, |i, d| activation::relu_backward(piece(y, i), piece(dy, i), d, false));
    (masked, scratch)
}

/// The shape that all inputs have.
fn equal_shapes(op: &'static str, names: &str, inputs: &[Shape]) -> Result<Shape> {
    match inputs.iter().find(|&&shape| shape != inputs[0]) {
        None => Ok(inputs[0]),
        Some(other) => Err(Error::shape(op, format!("{names} are {} and {other}, expected equal shapes", inputs[0]))),
    }
}

/// `dx ← value` or `dx ← dx + value`.
#[inline(always)]
fn put<T: Float>(dx: &mut T, value: T, add: bool) {
    *dx = if add { *dx + value } else { value };
}
