//! Stacks of LSTM and GRU layers, in one direction or both.

use std::marker::PhantomData;

use super::uniform;
use crate::{Float, Param, Params, Result, Shape, Tape, Tensor};

/// Layers of long short-term memory over whole sequences, from zero states.
pub type Lstm = Recurrent<LstmCell>;

/// Layers of gated recurrent units over whole sequences, from zero states.
pub type Gru = Recurrent<GruCell>;

/// An operation that takes a recurrent layer through whole sequences.
pub trait Cell {
    /// Blocks of `hidden` rows in its weights.
    const GATES: usize;

    /// Records it for one direction: over `x: (B, T, inputs)`, or over `steps` steps that all have the input `x: (B, inputs)`.
    ///
    /// # Errors
    /// If `x` has another shape or is of another tape, or `steps` is zero.
    fn record<T: Float>(
        tape: &mut Tape<T>,
        x: Tensor,
        steps: Option<usize>,
        weights: [Tensor; 4],
        reverse: bool,
    ) -> Result<Tensor>;
}

/// The cell of [`Lstm`].
#[derive(Debug, Clone, Copy)]
pub struct LstmCell;

impl Cell for LstmCell {
    const GATES: usize = 4;

    fn record<T: Float>(
        tape: &mut Tape<T>,
        x: Tensor,
        steps: Option<usize>,
        weights: [Tensor; 4],
        reverse: bool,
    ) -> Result<Tensor> {
        match steps {
            None => tape.lstm(x, weights, None, reverse),
            Some(steps) => tape.lstm_repeated(x, steps, weights, None, reverse),
        }
    }
}

/// The cell of [`Gru`].
#[derive(Debug, Clone, Copy)]
pub struct GruCell;

impl Cell for GruCell {
    const GATES: usize = 3;

    fn record<T: Float>(
        tape: &mut Tape<T>,
        x: Tensor,
        steps: Option<usize>,
        weights: [Tensor; 4],
        reverse: bool,
    ) -> Result<Tensor> {
        match steps {
            None => tape.gru(x, weights, None, reverse),
            Some(steps) => tape.gru_repeated(x, steps, weights, None, reverse),
        }
    }
}

/// A stack of recurrent layers, in one direction or both: [`Lstm`] or [`Gru`].
#[derive(Debug, Clone)]
pub struct Recurrent<C> {
    layers: Vec<RecurrentLayer>,
    cell: PhantomData<C>,
}

/// PyTorch's four parameters of a layer: weight_ih, weight_hh, bias_ih, bias_hh; a second time for the way back.
#[derive(Debug, Clone)]
struct RecurrentLayer {
    forward: [Param; 4],
    reverse: Option<[Param; 4]>,
}

impl<C: Cell> Recurrent<C> {
    /// `depth` layers from `inputs` features to `hidden` units, twice as many for both directions together; U(±1/√hidden), PyTorch's
    /// default.
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
        let rows = C::GATES * hidden;
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
        Recurrent { layers: layers.collect(), cell: PhantomData }
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

    fn run<T: Float>(&self, tape: &mut Tape<T>, mut x: Tensor, mut steps: Option<usize>) -> Result<Tensor> {
        for layer in &self.layers {
            let weights = layer.forward.each_ref().map(|param| tape.param(param));
            let ahead = C::record(tape, x, steps, weights, false)?;
            x = match &layer.reverse {
                None => ahead,
                Some(reverse) => {
                    let weights = reverse.each_ref().map(|param| tape.param(param));
                    let back = C::record(tape, x, steps, weights, true)?;
                    tape.concat(ahead, back)?
                }
            };
            // A layer's output differs from step to step.
            steps = None;
        }
        Ok(x)
    }
}
