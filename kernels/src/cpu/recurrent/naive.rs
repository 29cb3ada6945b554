//! The LSTM and the GRU as their formulas stand, one number after the other in f64: what the fast ones are tested against, and
//! a first reading of backpropagation through time (BPTT).

use super::{Inputs, RecurrentShape};

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// The slope of σ where its value is `s`, and that of tanh where its value is `t`.
fn sigmoid_slope(s: f64) -> f64 {
    s * (1.0 - s)
}

fn tanh_slope(t: f64) -> f64 {
    1.0 - t * t
}

/// Row `k` of a matrix whose rows are as long as `x`, times `x`.
fn dot(matrix: &[f64], k: usize, x: &[f64]) -> f64 {
    matrix[k * x.len()..][..x.len()].iter().zip(x).map(|(w, x)| w * x).sum()
}

/// For y = W·x + b: adds dW = dy·xᵀ, db = dy and dx = Wᵀ·dy to what is there.
fn affine_backward(w: &[f64], x: &[f64], dy: &[f64], dw: &mut [f64], db: &mut [f64], dx: &mut [f64]) {
    for (k, &dy) in dy.iter().enumerate() {
        db[k] += dy;
        for j in 0..x.len() {
            dw[k * x.len() + j] += dy * x[j];
            dx[j] += dy * w[k * x.len() + j];
        }
    }
}

/// A sequence's initial state: its row of `initial: (B, H)`, or zeros.
fn state(initial: Option<&[f64]>, b: usize, hidden: usize) -> Vec<f64> {
    initial.map_or_else(|| vec![0.0; hidden], |initial| initial[b * hidden..][..hidden].to_vec())
}

/// One step of one sequence of an LSTM, all of H elements.
struct LstmStep {
    h_before: Vec<f64>,
    c_before: Vec<f64>,
    i: Vec<f64>,
    f: Vec<f64>,
    g: Vec<f64>,
    o: Vec<f64>,
    c: Vec<f64>,
    h: Vec<f64>,
}

/// The steps of sequence `b` in order of time.
fn lstm_steps(shape: &RecurrentShape, inputs: &Inputs<f64>, b: usize) -> Vec<LstmStep> {
    let &RecurrentShape { time, input, hidden, .. } = shape;
    let (mut h, mut c) = (state(inputs.h0, b, hidden), state(inputs.c0, b, hidden));
    let mut steps = Vec::with_capacity(time);
    for step in 0..time {
        let x = &inputs.x[shape.input_row(b, step) * input..][..input];
        let z = |gate: usize, unit: usize| {
            let k = gate * hidden + unit;
            dot(inputs.w_ih, k, x) + inputs.b_ih[k] + dot(inputs.w_hh, k, &h) + inputs.b_hh[k]
        };
        let units = || 0..hidden;
        let i: Vec<f64> = units().map(|unit| sigmoid(z(0, unit))).collect();
        let f: Vec<f64> = units().map(|unit| sigmoid(z(1, unit))).collect();
        let g: Vec<f64> = units().map(|unit| z(2, unit).tanh()).collect();
        let o: Vec<f64> = units().map(|unit| sigmoid(z(3, unit))).collect();
        let new_c: Vec<f64> = units().map(|unit| f[unit] * c[unit] + i[unit] * g[unit]).collect();
        let new_h: Vec<f64> = units().map(|unit| o[unit] * new_c[unit].tanh()).collect();
        let (h_before, c_before) = (std::mem::replace(&mut h, new_h), std::mem::replace(&mut c, new_c));
        steps.push(LstmStep { h_before, c_before, i, f, g, o, c: c.clone(), h: h.clone() });
    }
    steps
}

/// An LSTM's outputs h: (B, T, H).
pub fn lstm_forward(shape: &RecurrentShape, inputs: &Inputs<f64>) -> Vec<f64> {
    let mut out = vec![0.0; shape.rows() * shape.hidden];
    for b in 0..shape.batch {
        for (step, now) in lstm_steps(shape, inputs, b).iter().enumerate() {
            out[(b * shape.time + shape.place(step)) * shape.hidden..][..shape.hidden].copy_from_slice(&now.h);
        }
    }
    out
}

/// An LSTM's gradients from that of its outputs, `dout: (B, T, H)`: of x, w_ih, w_hh, b_ih, b_hh, h0, c0.
pub fn lstm_backward(shape: &RecurrentShape, inputs: &Inputs<f64>, dout: &[f64]) -> [Vec<f64>; 7] {
    let &RecurrentShape { batch, time, input, hidden, .. } = shape;
    let zeros = |len| vec![0.0; len];
    let (mut dx, mut dw_ih, mut dw_hh) = (zeros(inputs.x.len()), zeros(inputs.w_ih.len()), zeros(inputs.w_hh.len()));
    let (mut db_ih, mut db_hh) = (zeros(4 * hidden), zeros(4 * hidden));
    let (mut dh0, mut dc0) = (zeros(batch * hidden), zeros(batch * hidden));
    for b in 0..batch {
        // The gradients that reach h and c of a step from the one after it.
        let (mut dh, mut dc) = (zeros(hidden), zeros(hidden));
        for (step, now) in lstm_steps(shape, inputs, b).iter().enumerate().rev() {
            let row = b * time + shape.place(step);
            let mut dz = zeros(4 * hidden);
            for unit in 0..hidden {
                let LstmStep { c_before, i, f, g, o, c, .. } = now;
                let tanh_c = c[unit].tanh();
                let dh = dh[unit] + dout[row * hidden + unit];
                let d_c = dc[unit] + dh * o[unit] * tanh_slope(tanh_c);
                dz[unit] = d_c * g[unit] * sigmoid_slope(i[unit]);
                dz[hidden + unit] = d_c * c_before[unit] * sigmoid_slope(f[unit]);
                dz[2 * hidden + unit] = d_c * i[unit] * tanh_slope(g[unit]);
                dz[3 * hidden + unit] = dh * tanh_c * sigmoid_slope(o[unit]);
                dc[unit] = d_c * f[unit];
            }
            let x = shape.input_row(b, step) * input;
            let x = x..x + input;
            affine_backward(inputs.w_ih, &inputs.x[x.clone()], &dz, &mut dw_ih, &mut db_ih, &mut dx[x]);
            dh.fill(0.0);
            affine_backward(inputs.w_hh, &now.h_before, &dz, &mut dw_hh, &mut db_hh, &mut dh);
        }
        dh0[b * hidden..][..hidden].copy_from_slice(&dh);
        dc0[b * hidden..][..hidden].copy_from_slice(&dc);
    }
    [dx, dw_ih, dw_hh, db_ih, db_hh, dh0, dc0]
}

/// One step of one sequence of a GRU, all of H elements.
struct GruStep {
    h_before: Vec<f64>,
    r: Vec<f64>,
    z: Vec<f64>,
    n: Vec<f64>,
    q_n: Vec<f64>,
    h: Vec<f64>,
}

/// The steps of sequence `b` in order of time.
fn gru_steps(shape: &RecurrentShape, inputs: &Inputs<f64>, b: usize) -> Vec<GruStep> {
    let &RecurrentShape { time, input, hidden, .. } = shape;
    let mut h = state(inputs.h0, b, hidden);
    let mut steps = Vec::with_capacity(time);
    for step in 0..time {
        let x = &inputs.x[shape.input_row(b, step) * input..][..input];
        let a =
            |gate: usize, unit: usize| dot(inputs.w_ih, gate * hidden + unit, x) + inputs.b_ih[gate * hidden + unit];
        let q =
            |gate: usize, unit: usize| dot(inputs.w_hh, gate * hidden + unit, &h) + inputs.b_hh[gate * hidden + unit];
        let units = || 0..hidden;
        let r: Vec<f64> = units().map(|unit| sigmoid(a(0, unit) + q(0, unit))).collect();
        let z: Vec<f64> = units().map(|unit| sigmoid(a(1, unit) + q(1, unit))).collect();
        let q_n: Vec<f64> = units().map(|unit| q(2, unit)).collect();
        let n: Vec<f64> = units().map(|unit| (a(2, unit) + r[unit] * q_n[unit]).tanh()).collect();
        let new_h: Vec<f64> = units().map(|unit| (1.0 - z[unit]) * n[unit] + z[unit] * h[unit]).collect();
        let h_before = std::mem::replace(&mut h, new_h);
        steps.push(GruStep { h_before, r, z, n, q_n, h: h.clone() });
    }
    steps
}

/// A GRU's outputs h: (B, T, H).
pub fn gru_forward(shape: &RecurrentShape, inputs: &Inputs<f64>) -> Vec<f64> {
    let mut out = vec![0.0; shape.rows() * shape.hidden];
    for b in 0..shape.batch {
        for (step, now) in gru_steps(shape, inputs, b).iter().enumerate() {
            out[(b * shape.time + shape.place(step)) * shape.hidden..][..shape.hidden].copy_from_slice(&now.h);
        }
    }
    out
}

/// A GRU's gradients from that of its outputs, `dout: (B, T, H)`: of x, w_ih, w_hh, b_ih, b_hh, h0.
pub fn gru_backward(shape: &RecurrentShape, inputs: &Inputs<f64>, dout: &[f64]) -> [Vec<f64>; 6] {
    let &RecurrentShape { batch, time, input, hidden, .. } = shape;
    let zeros = |len| vec![0.0; len];
    let (mut dx, mut dw_ih, mut dw_hh) = (zeros(inputs.x.len()), zeros(inputs.w_ih.len()), zeros(inputs.w_hh.len()));
    let (mut db_ih, mut db_hh, mut dh0) = (zeros(3 * hidden), zeros(3 * hidden), zeros(batch * hidden));
    for b in 0..batch {
        // The gradient that reaches h of a step from the one after it.
        let mut dh = zeros(hidden);
        for (step, now) in gru_steps(shape, inputs, b).iter().enumerate().rev() {
            let row = b * time + shape.place(step);
            let (mut da, mut dq, mut dh_before) = (zeros(3 * hidden), zeros(3 * hidden), zeros(hidden));
            for unit in 0..hidden {
                let (h_before, r, z, n) = (now.h_before[unit], now.r[unit], now.z[unit], now.n[unit]);
                let dh = dh[unit] + dout[row * hidden + unit];
                let da_n = dh * (1.0 - z) * tanh_slope(n);
                let da_r = da_n * now.q_n[unit] * sigmoid_slope(r);
                let da_z = dh * (h_before - n) * sigmoid_slope(z);
                (da[unit], da[hidden + unit], da[2 * hidden + unit]) = (da_r, da_z, da_n);
                (dq[unit], dq[hidden + unit], dq[2 * hidden + unit]) = (da_r, da_z, da_n * r);
                dh_before[unit] = dh * z;
            }
            let x = shape.input_row(b, step) * input;
            let x = x..x + input;
            affine_backward(inputs.w_ih, &inputs.x[x.clone()], &da, &mut dw_ih, &mut db_ih, &mut dx[x]);
            affine_backward(inputs.w_hh, &now.h_before, &dq, &mut dw_hh, &mut db_hh, &mut dh_before);
            dh = dh_before;
        }
        dh0[b * hidden..][..hidden].copy_from_slice(&dh);
    }
    [dx, dw_ih, dw_hh, db_ih, db_hh, dh0]
}
