//! A planted bug in a backward: y[b, d] = x[b, d]·s[d], a gain for each column.

use inkgrad_engine::gradcheck::check_op;
use inkgrad_engine::ops::{Case, CaseInput, Draw, Spec};
use inkgrad_engine::prelude::*;

use super::{Exercise, Verdict};

pub const EXERCISE: Exercise = Exercise {
    lesson: 3,
    file: "lesson3.rs",
    asks: "the bug in a backward that looks right",
    starter: || property(starter_case),
    solution: || property(engine_case),
};

#[derive(Debug)]
struct Gain;

impl<T: Float> Op<T> for Gain {
    fn name(&self) -> &'static str {
        "gain"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        Ok(inputs[0])
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0, 1])
    }

    fn forward(&self, run: Forward<'_, T>) {
        let (x, s) = (run.x[0], run.x[1]);
        for (y, x) in run.y.chunks_exact_mut(s.len()).zip(x.chunks_exact(s.len())) {
            y.iter_mut().zip(x).zip(s).for_each(|((y, &x), &s)| *y = x * s);
        }
    }

    /// dx = dy·s and ds = Σ_b dy·x. One of the two is wrong: find which, with which inputs, and mend it.
    fn backward(&self, mut run: Backward<'_, T>) {
        let (x, s) = (run.x[0], run.x[1]);
        let rows = || x.chunks_exact(s.len()).zip(run.dy.chunks_exact(s.len()));
        if let Some(dx) = run.dx.take(0) {
            for (row, (_, dy)) in dx.values.chunks_exact_mut(s.len()).zip(rows()) {
                row.iter_mut().zip(dy).zip(s).for_each(|((d, &dy), &s)| put(d, dy * s, dx.add));
            }
        }
        if let Some(ds) = run.dx.take(1) {
            for (x, dy) in rows() {
                ds.values.iter_mut().zip(x).zip(dy).for_each(|((d, &x), &dy)| put(d, dy * x, ds.add));
            }
        }
    }
}

/// The same of the engine's operations: s repeated for every row, then mul.
fn engine<T: Float>(tape: &mut Tape<T>, x: &[Tensor]) -> Result<Tensor> {
    let shape = tape.shape(x[0]);
    let s = tape.reshape(x[1], [1, shape.last()])?;
    let s = tape.repeat(s, shape.first())?; // (1, B, D)
    let s = tape.reshape(s, shape)?;
    tape.mul(x[0], s)
}

fn starter_case(draw: &mut Draw) -> Case {
    let (label, inputs) = inputs(draw);
    Case { label, inputs, f32: Box::new(record), f64: Box::new(record) }
}

fn record<T: Float>(tape: &mut Tape<T>, x: &[Tensor]) -> Result<Tensor> {
    tape.record(Gain, x)
}

fn engine_case(draw: &mut Draw) -> Case {
    let (label, inputs) = inputs(draw);
    Case { label, inputs, f32: Box::new(engine), f64: Box::new(engine) }
}

fn inputs(draw: &mut Draw) -> (String, Vec<CaseInput>) {
    let (b, d) = (draw.batch(), draw.extent());
    (format!("x ({b}, {d}), s ({d})"), vec![draw.values([b, d]), draw.values([d])])
}

/// The checker's own: both gradients agree with differences, written or added, in 21 random cases.
fn property(draw: fn(&mut Draw) -> Case) -> Verdict {
    let outcome = check_op(&Spec { name: "gain", formula: "y = x·s", draw }, &Team::solo(), 20);
    if !outcome.passes() {
        return Err(format!(
            "{} (relative error {:.2}), in the case {}. Cases of one row pass, and so do those whose gradient is \
             added: which row's part is left where a gradient is written?",
            outcome.place, outcome.error, outcome.label
        ));
    }
    Ok(format!("{} derivatives agree with differences", outcome.compared))
}
