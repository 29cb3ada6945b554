//! The decisions of compiling, on five nodes: values, gradients, and the memory that they share.
//!
//!     cargo run --release -p inkgrad-engine --example 03_reading_a_plan

use inkgrad_engine::prelude::*;

/// loss = Σ tanh(x·w), with x and w of four numbers.
fn record(params: &mut Params<f64>) -> Result<(Tape<f64>, [Tensor; 4], Param)> {
    let w = params.declare("w", [4], Init::Normal);
    params.value_mut(&w).copy_from_slice(&[0.5, -1.0, 2.0, 0.0]);
    let mut tape = Tape::new();
    let (x, at_w) = (tape.input("x", [4]), tape.param(&w));
    let a = tape.mul(x, at_w)?;
    let y = tape.tanh(a)?;
    let loss = tape.sum(y)?;
    Ok((tape, [x, a, y, loss], w))
}

fn main() -> Result<()> {
    let team = Team::solo();

    // `debug` keeps every value and gradient in a place of its own, so that all can be read.
    let mut params = Params::new();
    let (tape, [x, a, y, loss], w) = record(&mut params)?;
    println!("The tape, in the order of recording:\n{tape}");
    let mut plan = tape.compile(Compile { loss: Some(loss), debug: true, ..Compile::default() });
    let apart = plan.arena_bytes();
    plan.fill(x, &[1.0, 1.0, 1.0, 1.0])?;
    plan.forward(&params, &team, Clock::default());
    plan.backward(&mut params, &team);

    println!("a  = x·w      {:6.3?}", plan.value(a));
    println!("y  = tanh a   {:6.3?}", plan.value(y));
    println!("loss = Σ y    {:6.3?}", plan.value(loss));
    println!("dy = 1        {:6.3?}", plan.gradient(y).expect("leads to the loss"));
    println!("da = dy(1-y²) {:6.3?}", plan.gradient(a).expect("leads to the loss"));
    println!("dw = da·x     {:6.3?}", params.grad(&w));
    println!("dx: {:?}, since x is no parameter\n", plan.gradient(x));
    for (da, y) in plan.gradient(a).into_iter().flatten().zip(plan.value(y)) {
        assert!((da - (1.0 - y * y)).abs() < 1e-15);
    }

    // Without it, buffers that never matter at the same moment share their place.
    let (tape, [.., loss], _) = record(&mut Params::new())?;
    let plan = tape.compile(Compile { loss: Some(loss), ..Compile::default() });
    println!("The plan: where each value and gradient lies, and from which moment to which it matters.\n{plan}");
    println!("{apart} bytes with a place for each buffer, {} shared", plan.arena_bytes());
    assert!(plan.arena_bytes() < apart);
    Ok(())
}
