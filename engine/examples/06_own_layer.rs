//! A layer of your own, the layer-normalised LSTM (Ba et al. 2016, equations 20 to 22): its gradients checked, then trained.
//!
//!     cargo run --release -p inkgrad-engine --example 06_own_layer

use inkgrad_engine::gradcheck::Problem;
use inkgrad_engine::nn::{LayerNorm, Linear};
use inkgrad_engine::prelude::*;

const HIDDEN: usize = 16;
const LENGTH: usize = 6;
const BATCH: usize = 1 << LENGTH; // all sequences of six signs: does one end as it began?

/// (i, f, o, g) = LN(W_x·x_t) + LN(W_h·h_{t−1}),  c_t = σ(f)·c_{t−1} + σ(i)·tanh(g),  h_t = σ(o)·tanh(LN(c_t))
struct NormalisedLstm {
    weights: [Linear; 2],
    norms: [LayerNorm; 3],
}

impl NormalisedLstm {
    fn new<T: Float>(params: &mut Params<T>, inputs: usize) -> Self {
        let gates = 4 * HIDDEN;
        let weights = [("x", inputs), ("h", HIDDEN)].map(|(name, n)| Linear::without_bias(params, name, n, gates));
        let norms = [("x.norm", gates), ("h.norm", gates), ("c.norm", HIDDEN)];
        NormalisedLstm { weights, norms: norms.map(|(name, n)| LayerNorm::new(params, name, n)) }
    }

    /// `x: (B, T, inputs)` and the state to begin with, `(B, HIDDEN)`, to the last state `(B, HIDDEN)`.
    fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor, start: Tensor) -> Result<Tensor> {
        let (mut h, mut c) = (start, start);
        for t in 0..tape.shape(x).dims()[1] {
            let x = tape.select(x, t)?; // (B, inputs)
            let (from_x, from_h) = (self.weights[0].forward(tape, x)?, self.weights[1].forward(tape, h)?);
            let (from_x, from_h) = (self.norms[0].forward(tape, from_x)?, self.norms[1].forward(tape, from_h)?);
            let all = tape.add(from_x, from_h)?; // (B, 4·HIDDEN)
            let [i, f, o, g] = tape.chunk(all, 1)?;
            let (i, f, o, g) = (tape.sigmoid(i)?, tape.sigmoid(f)?, tape.sigmoid(o)?, tape.tanh(g)?);
            let (kept, new) = (tape.mul(f, c)?, tape.mul(i, g)?);
            c = tape.add(kept, new)?;
            let normal = self.norms[2].forward(tape, c)?;
            let out = tape.tanh(normal)?;
            h = tape.mul(o, out)?;
        }
        Ok(h)
    }
}

/// The network, compiled and filled in: its parameters, plan, loss, and how many answers are right.
fn network<T: Float>() -> Result<(Params<T>, Plan<T>, Tensor, Tensor)> {
    let (mut params, mut tape) = (Params::new(), Tape::new());
    let (layer, last) = (NormalisedLstm::new(&mut params, 1), Linear::new(&mut params, "last", HIDDEN, 2));
    params.initialise(1);
    let (x, start) = (tape.input("x", [BATCH, LENGTH, 1]), tape.input("start", [BATCH, HIDDEN]));
    let state = layer.forward(&mut tape, x, start)?;
    let logits = last.forward(&mut tape, state)?;
    let labels = tape.input("labels", [BATCH]);
    let (loss, right) = (tape.softmax_cross_entropy(logits, labels)?, tape.correct(logits, labels)?);
    let mut plan = tape.compile(Compile { loss: Some(loss), keep: &[right], ..Compile::default() });
    plan.fill_with(x, |at| if ((at / LENGTH) >> (at % LENGTH)) & 1 == 1 { -1.0 } else { 1.0 });
    plan.fill_with(labels, |i| ((i & 1) ^ (i >> (LENGTH - 1))) as f64);
    plan.fill_with(start, |_| 0.0);
    Ok((params, plan, loss, right))
}

fn main() -> Result<()> {
    let team = &Team::solo();
    let (params, plan, loss, _) = network::<f64>()?;
    let checked = Problem { label: "normalised LSTM".into(), plan, loss, params, team }.check(1);
    assert!(checked.passes(), "{checked}");
    let (mut params, mut plan, loss, right) = network::<f32>()?;
    let mut optimizer = Optimizer::adam(&params);
    for step in 0..=100 {
        plan.forward(&params, team, Clock { seed: 1, step });
        plan.backward(&mut params, team);
        optimizer.update(&mut params, team, 0.02);
    }
    println!("{checked}; after 100 steps: loss {:.4}, {} of {BATCH} right", plan.value(loss)[0], plan.value(right)[0]);
    assert_eq!(plan.value(right), [BATCH as f32]);
    Ok(())
}
