//! The backward of y = x·tanh x.

use super::{Exercise, Verdict, close, differentiate};

pub const EXERCISE: Exercise = Exercise {
    lesson: 1,
    file: "lesson1.rs",
    asks: "the backward of y = x·tanh x",
    starter: || property(yours),
    solution: || property(engine),
};

/// dx from x and dy. Yours: as it stands, the slope of y is taken for 1.
fn yours(_x: f64, dy: f64) -> f64 {
    dy
}

/// The engine's two operations, tanh and mul; x leads to y along two paths.
fn engine(x: f64, dy: f64) -> f64 {
    let (_, dx) = differentiate(&[x], |tape, x| {
        let tanh = tape.tanh(x[0])?;
        let y = tape.mul(x[0], tanh)?;
        tape.scale(y, dy)
    });
    dx[0]
}

/// Agrees with central differences, for several x and dy.
fn property(backward: fn(f64, f64) -> f64) -> Verdict {
    let y = |x: f64| x * x.tanh();
    let h = 1e-5;
    for x in [-2.5, -1.0, -0.3, 0.0, 0.7, 1.8] {
        for dy in [1.0, -2.0] {
            let (found, numeric) = (backward(x, dy), dy * (y(x + h) - y(x - h)) / (2.0 * h));
            if !close(found, numeric, 1e-8) {
                return Err(format!(
                    "at x = {x}, dy = {dy}: dx is {found:.6}, differences say {numeric:.6}. \
                     x stands in both factors: each path adds its part, and dy multiplies both"
                ));
            }
        }
    }
    Ok("dx agrees with differences at 12 points".to_owned())
}
