//! Stacks of LSTM and GRU layers, in one direction or both.

use super::uniform;
use crate::{Float, Param, Params, Result, Shape, Tape, Tensor};

/// A stack of recurrent layers.
#[derive(Debug, Clone)]
struct Recurrent {
    layers: Vec<RecurrentLayer>,
}

/// PyTorch's four parameters of a layer: weight_ih, weight_hh, bias_ih, bias_hh; a second time for the way back.
#[derive(Debug, Clone)]
struct RecurrentLayer {
    forward: [Param; 4],
    reverse: Option<[Param; 4]>,
}

impl Recurrent {
    /// `depth` layers of `hidden` units with `gates` blocks of weights each; U(±1/√hidden), PyTorch's default.
    fn new<T: Float>(
        params: &mut Params<T>,
        name: &str,
        gates: usize,
        (inputs, hidden): (usize, usize),
        depth: usize,
        bidirectional: bool,
    ) -> Self {
        let rows = gates * hidden;
        let mut direction = |layer: usize, inputs: usize, suffix: &str| {
            let mut declare = |part: &str, shape: Shape| {
                params.declare(format!("{name}.{part}_l{layer}{suffix}"), shape, uniform(hidden))
            };
            [
                declare("weight_ih", [rows, inputs].into()),
                declare("weight_hh", [rows, hidden].into()),
                declare("bias_ih", [rows].into()),
                declare("bias_hh", [rows].into()),
            ]
        };
        let below = if bidirectional { 2 * hidden } else { hidden };
        let layers = (0..depth).map(|layer| {
            let inputs = if layer == 0 { inputs } else { below };
            RecurrentLayer {
                forward: direction(layer, inputs, ""),
                reverse: bidirectional.then(|| direction(layer, inputs, "_reverse")),
            }
        });
        Recurrent { layers: layers.collect() }
    }

    /// Takes `x: (B, T, inputs)`, or (B, inputs) that all of some `steps` have, through all layers, each direction by
    /// `run(tape, x, steps, weights, reverse)`.
    fn forward<T: Float>(
        &self,
        tape: &mut Tape<T>,
        mut x: Tensor,
        mut steps: Option<usize>,
        run: impl Fn(&mut Tape<T>, Tensor, Option<usize>, [Tensor; 4], bool) -> Result<Tensor>,
    ) -> Result<Tensor> {
        for layer in &self.layers {
            let weights = layer.forward.each_ref().map(|param| tape.param(param));
            let ahead = run(tape, x, steps, weights, false)?;
            x = match &layer.reverse {
                None => ahead,
                Some(reverse) => {
                    let weights = reverse.each_ref().map(|param| tape.param(param));
                    let back = run(tape, x, steps, weights, true)?;
                    tape.concat(ahead, back)?
                }
            };
            // A layer's output differs from step to step.
            steps = None;
        }
        Ok(x)
    }
}

/// Layers of long short-term memory over whole sequences, from zero states.
#[derive(Debug, Clone)]
pub struct Lstm(Recurrent);

impl Lstm {
    /// `depth` layers from `inputs` features to `hidden` units, twice as many for both directions together.
    ///
    /// # Panics
    /// If `params` have a parameter of such a name already.
    #[track_caller]
    pub fn new<T: Float>(
        params: &mut Params<T>,
        name: &str,
        (inputs, hidden): (usize, usize),
        depth: usize,
        bidirectional: bool,
    ) -> Self {
        Lstm(Recurrent::new(params, name, 4, (inputs, hidden), depth, bidirectional))
    }

    /// `x: (B, T, inputs)` to the last layer's hidden states `(B, T, hidden)`, or `(B, T, 2·hidden)` with those of the
    /// way back behind.
    ///
    /// # Errors
    /// If `x` has another shape or is of another tape.
    ///
    /// # Panics
    /// If the tape has parameters of other [`Params`].
    #[track_caller]
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        self.run(tape, x, None)
    }

    /// The same of `steps` steps that all have the input `x: (B, inputs)`.
    ///
    /// # Errors
    /// If `x` has another shape or is of another tape, or `steps` is zero.
    ///
    /// # Panics
    /// If the tape has parameters of other [`Params`].
    #[track_caller]
    pub fn forward_repeated<T: Float>(&self, tape: &mut Tape<T>, x: Tensor, steps: usize) -> Result<Tensor> {
        self.run(tape, x, Some(steps))
    }

    fn run<T: Float>(&self, tape: &mut Tape<T>, x: Tensor, steps: Option<usize>) -> Result<Tensor> {
        self.0.forward(tape, x, steps, |tape, x, steps, weights, reverse| match steps {
            None => tape.lstm(x, weights, None, reverse),
            Some(steps) => tape.lstm_repeated(x, steps, weights, None, reverse),
        })
    }
}

/// Layers of gated recurrent units over whole sequences, from zero states.
#[derive(Debug, Clone)]
pub struct Gru(Recurrent);

impl Gru {
    /// `depth` layers from `inputs` features to `hidden` units, twice as many for both directions together.
    ///
    /// # Panics
    /// If `params` have a parameter of such a name already.
    #[track_caller]
    pub fn new<T: Float>(
        params: &mut Params<T>,
        name: &str,
        (inputs, hidden): (usize, usize),
        depth: usize,
        bidirectional: bool,
    ) -> Self {
        Gru(Recurrent::new(params, name, 3, (inputs, hidden), depth, bidirectional))
    }

    /// `x: (B, T, inputs)` to the last layer's hidden states `(B, T, hidden)`, or `(B, T, 2·hidden)` with those of the
    /// way back behind.
    ///
    /// # Errors
    /// If `x` has another shape or is of another tape.
    ///
    /// # Panics
    /// If the tape has parameters of other [`Params`].
    #[track_caller]
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        self.run(tape, x, None)
    }

    /// The same of `steps` steps that all have the input `x: (B, inputs)`.
    ///
    /// # Errors
    /// If `x` has another shape or is of another tape, or `steps` is zero.
    ///
    /// # Panics
    /// If the tape has parameters of other [`Params`].
    #[track_caller]
    pub fn forward_repeated<T: Float>(&self, tape: &mut Tape<T>, x: Tensor, steps: usize) -> Result<Tensor> {
        self.run(tape, x, Some(steps))
    }

    fn run<T: Float>(&self, tape: &mut Tape<T>, x: Tensor, steps: Option<usize>) -> Result<Tensor> {
        self.0.forward(tape, x, steps, |tape, x, steps, weights, reverse| match steps {
            None => tape.gru(x, weights, None, reverse),
            Some(steps) => tape.gru_repeated(x, steps, weights, None, reverse),
        })
    }
}
