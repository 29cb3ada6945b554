//! The smallest training loop: a line through noisy points, y = a·x + b.
//!
//!     cargo run --release -p inkgrad-engine --example 01_line_fit

use inkgrad_engine::prelude::*;

const POINTS: usize = 200;

fn main() -> Result<()> {
    // Points around y = 3x − 1.
    let x: Vec<f32> = (0..POINTS).map(|i| i as f32 / POINTS as f32 * 4.0 - 2.0).collect();
    let noise = |i: usize| 0.3 * (i as f32 * 12.9).sin();
    let y: Vec<f32> = x.iter().enumerate().map(|(i, x)| 3.0 * x - 1.0 + noise(i)).collect();

    // Parameters are declared once, in an order that stays.
    let mut params = Params::<f32>::new();
    let line = nn::Linear::new(&mut params, "line", 1, 1);
    params.initialise(42);

    // Ordinary Rust records the loss of all points on a tape ...
    let mut tape = Tape::new();
    let (at_x, at_y) = (tape.input("x", [POINTS, 1]), tape.input("y", [POINTS, 1]));
    let predicted = line.forward(&mut tape, at_x)?;
    let loss = tape.mse(predicted, at_y)?;

    // ... which is compiled once and replayed every step, without allocating.
    let mut plan = tape.compile(Compile { loss: Some(loss), ..Compile::default() });
    plan.fill(at_x, &x)?;
    plan.fill(at_y, &y)?;
    let mut optimizer = Optimizer::adam(&params);
    let team = Team::solo();
    for step in 0..400 {
        plan.forward(&params, &team, Clock { seed: 1, step });
        plan.backward(&mut params, &team);
        optimizer.update(&mut params, &team, 0.05);
        if step % 50 == 0 {
            println!("step {step:3}: loss {:.4}", plan.value(loss)[0]);
        }
    }

    let found: Vec<f32> = params.iter().map(|param| params.value(param)[0]).collect();
    println!("y = {:.3}·x + {:.3}, drawn from y = 3·x - 1 with noise", found[0], found[1]);
    assert!((found[0] - 3.0).abs() < 0.05 && (found[1] + 1.0).abs() < 0.05);
    Ok(())
}
