//! Exclusive or: what no line can divide, two layers can.
//!
//!     cargo run --release -p inkgrad-engine --example 02_xor

use inkgrad_engine::prelude::*;

fn main() -> Result<()> {
    let mut params = Params::<f32>::new();
    let hidden = nn::Linear::new(&mut params, "hidden", 2, 8);
    let last = nn::Linear::new(&mut params, "last", 8, 2);
    params.initialise(7);

    // Four questions at once: (B, 2) to hidden units to a logit for "no" and one for "yes".
    let mut tape = Tape::new();
    let (x, labels) = (tape.input("x", [4, 2]), tape.input("labels", [4]));
    let h = hidden.forward(&mut tape, x)?;
    let h = tape.tanh(h)?;
    let logits = last.forward(&mut tape, h)?;
    let loss = tape.softmax_cross_entropy(logits, labels)?;
    let right = tape.correct(logits, labels)?;
    println!("{tape}");

    let mut plan = tape.compile(Compile { loss: Some(loss), keep: &[logits, right], ..Compile::default() });
    plan.fill(x, &[0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0])?;
    plan.fill(labels, &[0.0, 1.0, 1.0, 0.0])?;
    let (team, mut optimizer) = (Team::solo(), Optimizer::adam(&params));
    for step in 0..300 {
        plan.forward(&params, &team, Clock { seed: 1, step });
        plan.backward(&mut params, &team);
        optimizer.update(&mut params, &team, 0.05);
        if step % 50 == 0 {
            println!("step {step:3}: loss {:.4}, {} of 4 right", plan.value(loss)[0], plan.value(right)[0]);
        }
    }
    plan.forward(&params, &team, Clock::default());
    for (question, answer) in ["0 xor 0", "0 xor 1", "1 xor 0", "1 xor 1"].iter().zip(plan.value(logits).chunks(2)) {
        println!("{question} = {}", u8::from(answer[1] > answer[0]));
    }
    assert_eq!(plan.value(right), [4.0]);
    Ok(())
}
