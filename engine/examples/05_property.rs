//! The operation of `04_own_operation`, y = x·σ(x), as a property that proptest holds it to, and a mistake that it finds.
//!
//!     cargo run --release -p inkgrad-engine --features proptest --example 05_property

use inkgrad_engine::gradient_property;
use inkgrad_engine::ops::elementwise::{for_pieces, piece};
use inkgrad_engine::prelude::*;
use inkgrad_engine::property::{CASES, alike, check};

/// The swish; with the mistake, its gradient lacks the term of dσ/dx where x > 1.
#[derive(Debug, Clone, Copy)]
struct Swish {
    mistaken: bool,
}

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
        Reads::inputs(&[0])
    }

    fn forward(&self, run: Forward<'_, T>) {
        for_pieces(run.team, run.y, |i, y| {
            y.iter_mut().zip(piece(run.x[0], i)).for_each(|(y, &x)| *y = x * sigmoid(x))
        });
    }

    /// dx = dy·(s + x·s(1 − s)), with s = σ(x)
    fn backward(&self, mut run: Backward<'_, T>) {
        let Some(dx) = run.dx.take(0) else { return };
        for_pieces(run.team, dx.values, |i, d| {
            for ((d, &x), &dy) in d.iter_mut().zip(piece(run.x[0], i)).zip(piece(run.dy, i)) {
                let s = sigmoid(x);
                let curve = if self.mistaken && x > T::ONE { T::ZERO } else { x * s * (T::ONE - s) };
                put(d, dy * (s + curve), dx.add);
            }
        });
    }
}

// On one tensor of random shape, of rank 0 to 6. With `#[test]` above `fn`, `cargo test` runs it.
gradient_property! {
    fn swish_has_its_gradient(alike(1)) => |tape, x| tape.record(Swish { mistaken: false }, x)
}

fn main() {
    swish_has_its_gradient();
    println!("y = x·σ(x) has its gradient in {CASES} cases");

    // Inside other operations, and said how often.
    let held = check("gate", 50, alike(2), |inputs| {
        inkgrad_engine::case!("swish(a·b) + a", inputs, |tape, x| {
            let product = tape.mul(x[0], x[1])?;
            let gated = tape.record(Swish { mistaken: false }, &[product])?;
            tape.add(gated, x[0])
        })
    });
    println!("swish(a·b) + a: {:?}", held.expect("its gradient"));

    // Proptest finds the mistake and shrinks the case to a single number just above 1.
    let mistaken = |x| inkgrad_engine::case!("", x, |tape, x| tape.record(Swish { mistaken: true }, x));
    let problem = check("mistaken", CASES, alike(1), mistaken).unwrap_err();
    println!("\n{problem}");
    assert!(problem.contains("shape: (), values: [1.00000"), "{problem}");
}
