//! The element-wise functions of one input and their gradients (`elementwise.ptx`).

use super::launches::{Launches, Span, Target, int};
use super::reduce::{column_sums, relu_backward_sums};

/// Which function; the numbers of the kernels.
#[derive(Debug, Clone, Copy)]
enum Function {
    Relu = 0,
    Sigmoid = 1,
    Tanh = 2,
    Softplus = 3,
    Exp = 4,
}

fn forward(launches: &mut Launches, f: Function, x: Span, y: Span) {
    launches.each("activation", y.len, [x.read(), y.write(), int(y.len), int(f as usize)]);
}

fn backward(launches: &mut Launches, f: Function, v: Span, dy: Span, dx: Target) {
    let n = dx.span.len;
    launches.each("activation_backward", n, [v.read(), dy.read(), dx.arg(), int(n), int(f as usize), dx.flag()]);
}

/// Defines a function and its backward, which reads `v`: the output, or the input.
macro_rules! activation {
    ($name:ident, $backward:ident, $function:ident, $v:ident, $formula:literal, $derivative:literal) => {
        #[doc = concat!("y = ", $formula, ".")]
        pub fn $name(launches: &mut Launches, x: Span, y: Span) {
            forward(launches, Function::$function, x, y);
        }

        #[doc = concat!("dx = ", $derivative, ", or added.")]
        pub fn $backward(launches: &mut Launches, $v: Span, dy: Span, dx: Target) {
            backward(launches, Function::$function, $v, dy, dx);
        }
    };
}

activation!(relu, relu_backward, Relu, y, "max(x, 0)", "dy where y > 0");
activation!(sigmoid, sigmoid_backward, Sigmoid, y, "1 / (1 + e⁻ˣ)", "dy·y·(1 − y)");
activation!(tanh, tanh_backward, Tanh, y, "tanh x", "dy·(1 − y²)");
activation!(softplus, softplus_backward, Softplus, x, "ln(1 + eˣ)", "dy·σ(x)");
activation!(exp, exp_backward, Exp, y, "eˣ", "dy·y");

/// Numbers of scratch that [`through_relu`] takes of what it is given; beside them it needs those for the sums of columns.
pub fn relu_scratch_len(relu: bool, output: usize) -> usize {
    if relu { output } else { 0 }
}

/// The first steps of the backward of a layer with a bias and, if `relu`, a fused ReLU: returns the gradient before the ReLU, dy where
/// y > 0, in the first [`relu_scratch_len`] numbers of `scratch`, or `dy` itself where there is none; and the rest of the scratch.
/// `db`, where it is asked for, becomes the sums of its columns; these need [`column_sums_scratch_len`](super::reduce::column_sums_scratch_len) of the rest.
pub fn through_relu(
    launches: &mut Launches,
    relu: bool,
    [y, dy]: [Span; 2],
    db: Option<Target>,
    scratch: Span,
) -> (Span, Span) {
    let (before, scratch) = if relu { scratch.split(dy.len) } else { (dy, scratch) };
    match (relu, db) {
        (true, Some(db)) => relu_backward_sums(launches, y, dy, before, db, scratch),
        (true, None) => relu_backward(launches, y, dy, Target::write(before)),
        (false, Some(db)) => column_sums(launches, dy, db, scratch),
        (false, None) => {}
    }
    (before, scratch)
}
