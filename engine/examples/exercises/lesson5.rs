//! The backward of one LSTM cell, inside backpropagation through time.

use inkgrad_engine::prelude::*;

use super::{Exercise, Verdict, close, differentiate};

pub const EXERCISE: Exercise = Exercise {
    lesson: 5,
    file: "lesson5.rs",
    asks: "the backward of one LSTM cell",
    starter: || property(yours),
    solution: || property(engine),
};

/// A step of one unit: z before the gates i, f, g, o, their values, and the state c before and after.
#[allow(dead_code, reason = "some fields are read only once the exercise is done")]
struct Cell {
    z: [f64; 4],
    i: f64,
    f: f64,
    g: f64,
    o: f64,
    c_before: f64,
    c: f64,
}

/// From the gradients of h = o·tanh c and of c = f·c' + i·g to those of z (i, f, g, o) and of c'.
type Backward = fn(&Cell, dh: f64, dc: f64) -> ([f64; 4], f64);

/// Yours: as it stands, only the output gate learns.
fn yours(cell: &Cell, dh: f64, _dc: f64) -> ([f64; 4], f64) {
    let Cell { i: _, f: _, g: _, o, c_before: _, c, .. } = *cell;
    let dz_o = dh * c.tanh() * o * (1.0 - o);
    ([0.0, 0.0, 0.0, dz_o], 0.0)
}

/// The engine's elementary operations.
fn engine(cell: &Cell, dh: f64, dc: f64) -> ([f64; 4], f64) {
    let Cell { z: [i, f, g, o], c_before, .. } = *cell;
    let (_, d) = differentiate(&[i, f, g, o, c_before], |tape, x| {
        let (i, f, o) = (tape.sigmoid(x[0])?, tape.sigmoid(x[1])?, tape.sigmoid(x[3])?);
        let g = tape.tanh(x[2])?;
        let (kept, new) = (tape.mul(f, x[4])?, tape.mul(i, g)?);
        let c = tape.add(kept, new)?;
        let tanh_c = tape.tanh(c)?;
        let h = tape.mul(o, tanh_c)?;
        let (h, c) = (tape.scale(h, dh)?, tape.scale(c, dc)?);
        tape.add(h, c)
    });
    ([d[0], d[1], d[2], d[3]], d[4])
}

const STEPS: usize = 6;
const X: [f64; STEPS] = [0.9, -0.4, 0.2, -1.3, 0.7, 0.1];
/// The gradients of h that the loss gives at each step.
const DOUT: [f64; STEPS] = [0.3, -1.0, 0.5, 0.8, -0.2, 1.1];
const W_IH: [f64; 4] = [0.8, -0.5, 1.1, 0.4];
const W_HH: [f64; 4] = [-0.6, 0.9, 0.7, -0.3];
const BIAS: [f64; 4] = [0.1, 1.0, -0.2, 0.3];
const H0: f64 = 0.2;
const C0: f64 = -0.5;

/// All steps forward.
fn cells() -> Vec<Cell> {
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
    let (mut h, mut c_before) = (H0, C0);
    let step = |&x: &f64| {
        let z: [f64; 4] = std::array::from_fn(|k| x * W_IH[k] + h * W_HH[k] + BIAS[k]);
        let (i, f, g, o) = (sigmoid(z[0]), sigmoid(z[1]), z[2].tanh(), sigmoid(z[3]));
        let c = f * c_before + i * g;
        let cell = Cell { z, i, f, g, o, c_before, c };
        (h, c_before) = (o * c.tanh(), c);
        cell
    };
    X.iter().map(step).collect()
}

/// The gradients of the four biases, of h0 and of c0: backpropagation through time around the cell.
fn through_time(backward: Backward) -> [f64; 6] {
    let (mut db, mut dh, mut dc) = ([0.0; 4], 0.0, 0.0);
    for (cell, dout) in cells().iter().zip(DOUT).rev() {
        let (dz, dc_before) = backward(cell, dh + dout, dc);
        db.iter_mut().zip(dz).for_each(|(db, dz)| *db += dz);
        dh = dz.iter().zip(W_HH).map(|(dz, w)| dz * w).sum();
        dc = dc_before;
    }
    [db[0], db[1], db[2], db[3], dh, dc]
}

/// The same gradients by the operation `lstm`, which takes all steps at once.
fn by_operation() -> [f64; 6] {
    let (mut tape, mut params, team) = (Tape::<f64>::new(), Params::new(), Team::solo());
    let mut declare = |name: &str, shape: &[usize], values: &[f64]| {
        let param = params.declare(name, Shape::try_from(shape).expect("few axes"), Init::Normal);
        params.value_mut(&param).copy_from_slice(values);
        param
    };
    let weights = [declare("w_ih", &[4, 1], &W_IH), declare("w_hh", &[4, 1], &W_HH), declare("b_ih", &[4], &BIAS)];
    let states = [declare("h0", &[1, 1], &[H0]), declare("c0", &[1, 1], &[C0])];
    let (x, u, b_hh) = (tape.input("x", [1, STEPS, 1]), tape.input("u", [1, STEPS, 1]), tape.input("b_hh", [4]));
    let mut record = || {
        let [w_ih, w_hh, b_ih] = weights.each_ref().map(|param| tape.param(param));
        let initial = states.each_ref().map(|param| tape.param(param));
        let h = tape.lstm(x, [w_ih, w_hh, b_ih, b_hh], Some(initial), false)?;
        let weighted = tape.mul(h, u)?;
        tape.sum(weighted)
    };
    let loss = record().expect("shapes of one unit");
    let mut plan = tape.compile(Compile { loss: Some(loss), ..Compile::default() });
    for (tensor, values) in [(x, &X[..]), (u, &DOUT), (b_hh, &[0.0; 4])] {
        plan.fill(tensor, values).expect("as many values as the shape has");
    }
    plan.forward(&params, &team, Clock::default());
    plan.backward(&mut params, &team);
    let db = params.grad(&weights[2]);
    [db[0], db[1], db[2], db[3], params.grad(&states[0])[0], params.grad(&states[1])[0]]
}

/// Through six steps, all gradients are those of the engine's whole-sequence operation.
fn property(backward: Backward) -> Verdict {
    let names = ["the bias of i", "the bias of f", "the bias of g", "the bias of o", "h0", "c0"];
    let mut wrong = Vec::new();
    for ((name, found), expected) in names.iter().zip(through_time(backward)).zip(by_operation()) {
        if !close(found, expected, 1e-12) {
            wrong.push(format!("{name} {found:.6} for {expected:.6}"));
        }
    }
    if !wrong.is_empty() {
        return Err(format!(
            "after {STEPS} steps these gradients differ from the operation's: {}. c gets dc from the next step and a part \
             through h; from there go i, f, g and c'",
            wrong.join(", ")
        ));
    }
    Ok(format!("gradients through {STEPS} steps are the operation's"))
}
