//! A layer of your own: an LSTM whose last state is normalised over its features (Ba et al. 2016, "Layer normalization"),
//! trained to say whether a sequence ends as it began.
//!
//!     cargo run --release -p inkgrad-engine --example 06_own_layer

use inkgrad_engine::gradcheck::check_op;
use inkgrad_engine::ops::Spec;
use inkgrad_engine::prelude::*;

/// y = (x − mean)/√(variance + ε) over the last axis.
#[derive(Debug)]
struct Normalise;

fn mean<T: Float>(values: impl ExactSizeIterator<Item = T>) -> T {
    let n = T::from_f64(values.len() as f64);
    values.fold(T::ZERO, |sum, value| sum + value) / n
}

/// The mean of a row, and 1/√(variance + ε).
fn moments<T: Float>(x: &[T]) -> (T, T) {
    let centre = mean(x.iter().copied());
    let variance = mean(x.iter().map(|&x| (x - centre) * (x - centre)));
    (centre, T::from_f64(1.0 / (variance.to_f64() + 1e-5).sqrt()))
}

impl<T: Float> Op<T> for Normalise {
    fn name(&self) -> &'static str {
        "normalise"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0])
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0]).and_output()
    }

    fn forward(&self, run: Forward<'_, T>) {
        let n = run.y_shape.last();
        for (y, x) in run.y.chunks_exact_mut(n).zip(run.x[0].chunks_exact(n)) {
            let (centre, scale) = moments(x);
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = (x - centre) * scale);
        }
    }

    /// dx = scale·(dy − mean(dy) − y·mean(dy·y))
    fn backward(&self, mut run: Backward<'_, T>) {
        let (n, Some(dx)) = (run.y_shape.last(), run.dx.take(0)) else { return };
        let rows = run.x[0].chunks_exact(n).zip(run.y.chunks_exact(n)).zip(run.dy.chunks_exact(n));
        for (d, ((x, y), dy)) in dx.values.chunks_exact_mut(n).zip(rows) {
            let (scale, all, along) =
                (moments(x).1, mean(dy.iter().copied()), mean(dy.iter().zip(y).map(|(&dy, &y)| dy * y)));
            let of = d.iter_mut().zip(dy).zip(y);
            of.for_each(|((d, &dy), &y)| put(d, scale * (dy - all - y * along), dx.add));
        }
    }
}

const CHECK: Spec = Spec {
    name: "normalise",
    formula: "y = (x − mean)/√(variance + ε)",
    draw: |draw| {
        let shape = [draw.batch(), draw.whole(3, 9)];
        inkgrad_engine::case!(format!("{shape:?}"), vec![draw.values(shape)], |tape, x| tape.record(Normalise, x))
    },
};

fn main() -> Result<()> {
    let checked = check_op(&CHECK, &Team::solo(), 10);
    println!("gradient of {}: largest error {:.1e}", CHECK.formula, checked.error);
    assert!(checked.passes());

    const LENGTH: usize = 6;
    let mut params = Params::<f32>::new();
    let (lstm, last) =
        (nn::Lstm::new(&mut params, "lstm", (1, 16), 1, false), nn::Linear::new(&mut params, "last", 16, 2));
    params.initialise(1);
    let mut tape = Tape::new();
    let (x, labels) = (tape.input("x", [64, LENGTH, 1]), tape.input("labels", [64]));
    let states = lstm.forward(&mut tape, x)?; // (B, T, 16)
    let state = tape.select(states, LENGTH - 1)?;
    let state = tape.record(Normalise, &[state])?;
    let logits = last.forward(&mut tape, state)?;
    let (loss, right) = (tape.softmax_cross_entropy(logits, labels)?, tape.correct(logits, labels)?);
    let mut plan = tape.compile(Compile { loss: Some(loss), keep: &[right], ..Compile::default() });

    // All 64 sequences of six signs.
    let signs = |i: usize| (0..LENGTH).map(move |bit| if i >> bit & 1 == 1 { -1.0 } else { 1.0 });
    plan.fill(x, &(0..64).flat_map(signs).collect::<Vec<f32>>())?;
    plan.fill(labels, &(0..64).map(|i| (i & 1 ^ i >> 5) as f32).collect::<Vec<f32>>())?;
    let (team, mut optimizer) = (Team::solo(), Optimizer::adam(&params));
    for step in 0..=300 {
        plan.forward(&params, &team, Clock { seed: 1, step });
        if step % 50 == 0 {
            println!("step {step:3}: loss {:.4}, {} of 64 right", plan.value(loss)[0], plan.value(right)[0]);
        }
        plan.backward(&mut params, &team);
        optimizer.update(&mut params, &team, 0.02);
    }
    plan.forward(&params, &team, Clock::default());
    assert_eq!(plan.value(right), [64.0]);
    Ok(())
}
