//! The operations, one file each: formula, shape rule, forward and right under it backward, and a recipe for random
//! valid cases ([`Spec`]) that every property test draws from.
//!
//! ```
//! use inkgrad_engine::ops::{Draw, OPS};
//!
//! let spec = OPS.iter().find(|spec| spec.name == "softmax").expect("an operation");
//! assert_eq!(spec.formula, "y = eˣ / Σ eˣ over the last axis");
//! let case = (spec.draw)(&mut Draw::small(7)); // the same for the same seed
//! assert!(case.inputs[0].differentiable);
//! ```

mod add;
mod axis;
mod batch_norm;
mod bce_with_logits;
mod broadcast;
mod concat;
mod conv2d;
mod conv_transpose2d;
mod copy;
mod correct;
mod div;
mod dropout;
pub mod elementwise;
mod embedding;
mod frozen_conv2d;
mod gaussian_kl;
mod gru;
mod layer_norm;
mod leaky_relu;
mod linear;
mod lstm;
mod matmul;
mod max_axis;
mod mse;
mod mul;
mod permute;
mod pool2d;
mod pow;
mod recurrent;
mod reduction;
mod reparameterize;
mod repeat;
mod scale;
mod select;
mod slice;
mod softmax;
mod softmax_cross_entropy;
mod sub;
mod sum;
mod transpose;
mod unary;

pub(crate) mod case;

pub use crate::copy::Copy;
pub use case::{Case, CaseInput, Draw, Recorder, Spec};
pub use conv_transpose2d::ConvTranspose;
pub use conv2d::Conv;
pub use inkgrad_kernels::cpu::frozen::{Filter, Frozen};
pub use inkgrad_kernels::cpu::pool::Window;
pub use matmul::Transposed;
pub use reduction::Reduction;

/// Every operation. Property tests walk this table: an operation that is not in it does not exist for them.
pub const OPS: &[Spec] = &[
    add::SPEC,
    sub::SPEC,
    mul::SPEC,
    div::SPEC,
    scale::SPEC,
    scale::NEG,
    pow::SPEC,
    copy::SPEC,
    broadcast::SPEC,
    sum::SPEC,
    axis::SUM,
    axis::MEAN,
    max_axis::SPEC,
    transpose::SPEC,
    permute::SPEC,
    slice::SPEC,
    concat::SPEC,
    repeat::SPEC,
    select::SPEC,
    embedding::SPEC,
    unary::RELU,
    unary::SIGMOID,
    unary::TANH,
    unary::SOFTPLUS,
    unary::EXP,
    unary::LN,
    unary::SQRT,
    unary::ABS,
    unary::GELU,
    unary::GELU_TANH,
    leaky_relu::SPEC,
    softmax::SOFTMAX,
    softmax::LOG_SOFTMAX,
    softmax::LOGSUMEXP,
    layer_norm::SPEC,
    batch_norm::STATISTICS,
    batch_norm::SPEC,
    dropout::SPEC,
    matmul::SPEC,
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
use inkgrad_kernels::cpu::{Team, activation, reduce};

use self::elementwise::{equal_shapes, for_pieces, piece, pieces, put, sum_pieces};
use crate::Shape;
use crate::op::Gradient;

/// Elements of scratch for [`through_relu`].
pub(crate) fn relu_scratch(relu: bool, output: Shape) -> usize {
    if relu { output.len() } else { 0 }
}

/// The gradient before a fused ReLU: dy where y > 0, written to the first [`relu_scratch`] elements of `scratch`, or `dy`
/// itself where there is no ReLU; `db`, where it is asked for, becomes the sums of its columns. Returns it with the rest of the scratch.
fn through_relu<'a, T: Float>(
    team: &Team,
    relu: bool,
    [y, dy]: [&'a [T]; 2],
    db: Option<Gradient<'_, T>>,
    scratch: &'a mut [T],
) -> (&'a [T], &'a mut [T]) {
    if !relu {
        if let Some(db) = db {
            // db = Σ dy
            reduce::column_sums(team, dy, db.values, db.add);
        }
        return (dy, scratch);
    }
    let (masked, scratch) = scratch.split_at_mut(dy.len());
    match db {
        Some(db) => reduce::relu_backward_sums(team, y, dy, masked, db.values, db.add),
        None => for_pieces(team, masked, |i, d| activation::relu_backward(piece(y, i), piece(dy, i), d, false)),
    }
    (masked, scratch)
}
