//! An operation of your own: y = x·σ(x), the "swish", with its gradient, checked against differences.
//!
//!     cargo run --release -p inkgrad-engine --example 04_own_operation

use inkgrad_engine::gradcheck::{TOLERANCE, check_op};
use inkgrad_engine::ops::elementwise::{for_pieces, piece};
use inkgrad_engine::ops::{Case, Draw, Spec};
use inkgrad_engine::prelude::*;

#[derive(Debug)]
struct Swish;

fn sigmoid<T: Float>(x: T) -> T {
    T::from_f64(1.0 / (1.0 + (-x.to_f64()).exp()))
}

impl<T: Float> Op<T> for Swish {
    fn name(&self) -> &'static str {
        "swish"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0])
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0]) // the backward reads x
    }

    fn forward(&self, run: Forward<'_, T>) {
        for_pieces(run.team, run.y, |i, y| {
            y.iter_mut().zip(piece(run.x[0], i)).for_each(|(y, &x)| *y = x * sigmoid(x))
        });
    }

    /// dx = dy·(s + x·s(1 − s)), with s = σ(x)
    fn backward(&self, mut run: Backward<'_, T>) {
        let Some(dx) = run.dx.take(0) else { return }; // nobody needs it
        for_pieces(run.team, dx.values, |i, d| {
            for ((d, &x), &dy) in d.iter_mut().zip(piece(run.x[0], i)).zip(piece(run.dy, i)) {
                let s = sigmoid(x);
                put(d, dy * (s + x * s * (T::ONE - s)), dx.add); // written by the first, added to by later ones
            }
        });
    }
}

/// Cases for the check: shapes and values at random, the same for the same seed.
fn draw(draw: &mut Draw) -> Case {
    let shape = [draw.batch(), draw.extent()];
    inkgrad_engine::case!(format!("{shape:?}"), vec![draw.values(shape)], |tape, x| tape.record(Swish, x))
}

fn main() {
    let spec = Spec { name: "swish", formula: "y = x·σ(x)", draw };
    let outcome = check_op(&spec, &Team::solo(), 20);
    println!("{}: {} derivatives compared", spec.formula, outcome.compared);
    println!("largest error {:.1e} at {} {}, allowed {TOLERANCE:e}", outcome.error, outcome.label, outcome.place);
    assert!(outcome.passes() && outcome.compared > 100);
}
