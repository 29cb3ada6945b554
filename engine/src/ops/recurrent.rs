//! Shared by the LSTM and the GRU: their attributes, the rule for their shapes, and the draw of their cases.

use inkgrad_kernels::cpu::recurrent::{Gradient, Gradients, Inputs, RecurrentShape};
use inkgrad_kernels::gpu::lstm::{Gradients as DeviceGradients, Inputs as DeviceInputs};
use inkgrad_kernels::gpu::{Span, Target};

use super::case::{CaseInput, Draw};
use crate::inspect::Attribute;
use crate::op::{self, MAX_INPUTS};
use crate::{Error, Result, Shape};

/// How a layer goes through its input.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk {
    /// Whether the last step comes first.
    pub(super) reverse: bool,
    /// The steps that all have the same input, `x: (B, I)`; none where x has one for each step.
    pub(super) steps: Option<usize>,
}

impl Walk {
    pub(super) fn attributes(self) -> Vec<(&'static str, Attribute)> {
        let steps = self.steps.map(|steps| ("steps", Attribute::Whole(steps)));
        [("reverse", Attribute::Flag(self.reverse))].into_iter().chain(steps).collect()
    }

    /// (B, T, I) of `x`, if it has the axes.
    fn of_x(self, x: Shape) -> Option<[usize; 3]> {
        match (x.dims(), self.steps) {
            (&[batch, time, input], None) => Some([batch, time, input]),
            (&[batch, input], Some(steps)) => Some([batch, steps, input]),
            _ => None,
        }
    }

    /// The shape of a call on `x: (B, T, I)` or (B, I) and `weight_hh: (gates·H, H)`, its inputs in the order x, weight_ih,
    /// weight_hh, bias_ih, bias_hh, initial states.
    pub(super) fn extents(self, shapes: &[Shape]) -> RecurrentShape {
        let [batch, time, input] = self.of_x(shapes[0]).expect("x has been looked at");
        let (hidden, repeated) = (shapes[2].last(), self.steps.is_some());
        RecurrentShape { batch, time, input, hidden, reverse: self.reverse, repeated }
    }

    /// The output's shape (B, T, H), once the inputs of a layer with `gates` blocks of weights fit.
    pub(super) fn output_shape(self, op: &'static str, gates: usize, inputs: &[Shape]) -> Result<Shape> {
        let meaning = if self.steps.is_some() { "(batch, in)" } else { "(batch, time, in)" };
        let Some([batch, time, input]) = self.of_x(inputs[0]) else {
            return Err(Error::shape(op, format!("x is {}, expected {meaning}", inputs[0])));
        };
        if self.steps == Some(0) {
            return Err(Error::shape(op, "0 steps, expected at least one"));
        }
        let hidden = inputs[2].last();
        let rows = gates * hidden;
        let expected = [
            ("x", inputs[0], meaning.to_owned()),
            ("weight_ih", [rows, input].into(), format!("({gates}·hidden, in)")),
            ("weight_hh", [rows, hidden].into(), format!("({gates}·hidden, hidden)")),
            ("bias_ih", [rows].into(), format!("({gates}·hidden)")),
            ("bias_hh", [rows].into(), format!("({gates}·hidden)")),
            ("h0", [batch, hidden].into(), "(batch, hidden)".to_owned()),
            ("c0", [batch, hidden].into(), "(batch, hidden)".to_owned()),
        ];
        for (&found, (name, expected, meaning)) in inputs.iter().zip(&expected) {
            if found != *expected {
                return Err(Error::shape(op, format!("{name} is {found}, expected {expected} = {meaning}")));
            }
            if found.is_empty() {
                return Err(Error::shape(op, format!("{name} is {found}, expected no axis of 0")));
            }
        }
        Ok([batch, time, hidden].into())
    }
}

/// The inputs of a layer, as the kernels name them.
pub(super) fn inputs<'a, T>(x: &[&'a [T]]) -> Inputs<'a, T> {
    Inputs { x: x[0], w_ih: x[1], w_hh: x[2], b_ih: x[3], b_hh: x[4], h0: x.get(5).copied(), c0: x.get(6).copied() }
}

/// Where their gradients go.
pub(super) fn gradients<'a, T>(dx: &mut op::Gradients<'a, T>) -> Gradients<'a, T> {
    let [x, w_ih, w_hh, b_ih, b_hh, h0, c0] = std::array::from_fn(|i| gradient(dx, i));
    Gradients { x, w_ih, w_hh, b_ih, b_hh, h0, c0 }
}

/// Where the gradient of input `i` goes, as the kernels take it.
fn gradient<'a, T>(dx: &mut op::Gradients<'a, T>, i: usize) -> Gradient<'a, T> {
    dx.take(i).map(|gradient| (gradient.values, gradient.add))
}

/// The inputs on a device, as the kernels take them.
pub(super) fn device_inputs(x: &[Span]) -> DeviceInputs {
    let state = |i: usize| x.get(i).copied();
    DeviceInputs { x: x[0], w_ih: x[1], w_hh: x[2], b_ih: x[3], b_hh: x[4], h0: state(5), c0: state(6) }
}

/// Where the gradients of the inputs go on a device, as the kernels take them.
pub(super) fn device_gradients(dx: &[Option<Target>; MAX_INPUTS]) -> DeviceGradients {
    let [x, w_ih, w_hh, b_ih, b_hh, h0, c0, ..] = *dx;
    DeviceGradients { x, w_ih, w_hh, b_ih, b_hh, h0, c0 }
}

/// Draws the inputs of a layer with `gates` blocks of weights and, in half of the cases, its `states` initial ones; in half of
/// the cases x is the same at all steps. Returns a label, the inputs, and how it goes through them.
pub(super) fn draw(draw: &mut Draw, gates: usize, states: usize) -> (String, Vec<CaseInput>, Walk) {
    let (batch, time, input, hidden) = (draw.batch(), draw.extent(), draw.extent(), draw.extent());
    let (initial, reverse, repeated) = (draw.coin(), draw.coin(), draw.coin());
    let rows = gates * hidden;
    let mut inputs = vec![
        if repeated { draw.values([batch, input]) } else { draw.values([batch, time, input]) },
        draw.weights([rows, input], input),
        draw.weights([rows, hidden], hidden),
        draw.weights([rows], hidden),
        draw.weights([rows], hidden),
    ];
    if initial {
        inputs.extend((0..states).map(|_| draw.weights([batch, hidden], 2)));
    }
    let label = format!(
        "x {}, hidden {hidden}{}{}",
        if repeated { format!("({batch}, {input}) × {time}") } else { format!("({batch}, {time}, {input})") },
        if initial { ", initial state" } else { "" },
        if reverse { ", reverse" } else { "" }
    );
    (label, inputs, Walk { reverse, steps: repeated.then_some(time) })
}

/// Floating-point operations of a backward with `gates` blocks of weights: the products from step to step, those into x if
/// `x` is asked for, those into both weights if `weights` are.
pub(super) fn backward_flops(shape: &RecurrentShape, gates: usize, x: bool, weights: bool) -> u64 {
    let &RecurrentShape { input, hidden, .. } = shape;
    let into_x = if x { input } else { 0 };
    let into_weights = if weights { (input, hidden) } else { (0, 0) };
    shape.products(gates, into_x + into_weights.0, hidden + into_weights.1)
}

#[cfg(test)]
mod tests {
    use crate::{Compile, Init, Params, Tape, Tensor};

    /// Bytes of a training step of a layer with `gates` blocks of weights, its output kept or not.
    fn bytes(gates: usize, keep: bool) -> usize {
        let (mut params, mut tape) = (Params::<f32>::new(), Tape::<f32>::new());
        let mut next = 0..;
        let mut name = || format!("p{}", next.next().unwrap_or_default());
        let mut param = |shape: &[usize]| params.declare(name(), crate::Shape::try_from(shape).unwrap(), Init::Normal);
        let x = param(&[4, 6, 5]);
        let weights = [&[gates * 16, 5][..], &[gates * 16, 16], &[gates * 16], &[gates * 16]].map(&mut param);
        let (x, weights) = (tape.param(&x), weights.map(|weight| tape.param(&weight)));
        let y: Tensor = match gates {
            4 => tape.lstm(x, weights, None, false).unwrap(),
            _ => tape.gru(x, weights, None, false).unwrap(),
        };
        let loss = tape.sum(y).unwrap();
        let kept = [y];
        let keep = if keep { &kept[..] } else { &[] };
        tape.compile(Compile { loss: Some(loss), keep, ..Compile::default() }).arena_bytes()
    }

    /// The sum's backward does not read it either, so its place is free by then.
    #[test]
    fn the_output_does_not_wait_for_the_backward_on_the_cpu() {
        for gates in [4, 3] {
            assert!(bytes(gates, false) < bytes(gates, true), "{gates} gates");
        }
    }
}
