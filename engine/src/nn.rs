//! Layers: parameters with PyTorch's names, layouts and initialisation, and the operations that use them.
//!
//! ```
//! use inkgrad_engine::prelude::*;
//!
//! // Two layers from 784 pixels to 10 logits, for 32 pictures at a time.
//! let (mut tape, mut params) = (Tape::<f32>::new(), Params::<f32>::new());
//! let (hidden, last) = (nn::Linear::new(&mut params, "0", 784, 64), nn::Linear::new(&mut params, "2", 64, 10));
//! let x = tape.input("x", [32, 784]);
//! let h = hidden.forward_relu(&mut tape, x)?;
//! let logits = last.forward(&mut tape, h)?;
//! assert_eq!(tape.shape(logits), Shape::from([32, 10]));
//! let names: Vec<&str> = params.iter().map(|param| param.name.as_str()).collect();
//! assert_eq!(names, ["0.weight", "0.bias", "2.weight", "2.bias"]);
//! # Ok::<(), Error>(())
//! ```

mod mlp;
mod norm;

pub use mlp::Mlp;
pub use norm::{BatchNorm, Dropout, LayerNorm, Statistics};

use crate::ops::{Conv, ConvTranspose};
use crate::{Float, Init, Param, Params, Result, Shape, Tape, Tensor};

/// U(±1/√fan_in), PyTorch's default for weights (Kaiming-uniform with a = √5) and biases alike.
fn uniform(fan_in: usize) -> Init {
    Init::Uniform(1.0 / (fan_in as f64).sqrt())
}

/// A weight and a bias under `name`.
fn weight_and_bias<T: Float>(
    params: &mut Params<T>,
    name: &str,
    weight: impl Into<Shape>,
    bias: usize,
    fan_in: usize,
) -> (Param, Param) {
    let weight = params.declare(format!("{name}.weight"), weight, uniform(fan_in));
    let bias = params.declare(format!("{name}.bias"), [bias], uniform(fan_in));
    (weight, bias)
}

/// y = x·Wᵀ + b, or without b.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Param,
    bias: Option<Param>,
}

impl Linear {
    /// `(out, inputs)` weights and `(out)` biases.
    pub fn new<T: Float>(params: &mut Params<T>, name: &str, inputs: usize, out: usize) -> Self {
        let (weight, bias) = weight_and_bias(params, name, [out, inputs], out, inputs);
        Linear { weight, bias: Some(bias) }
    }

    /// `(out, inputs)` weights alone.
    pub fn without_bias<T: Float>(params: &mut Params<T>, name: &str, inputs: usize, out: usize) -> Self {
        Linear { weight: params.declare(format!("{name}.weight"), [out, inputs], uniform(inputs)), bias: None }
    }

    /// `x: (B, inputs)` to `(B, out)`.
    ///
    /// # Errors
    /// If `x` has another shape.
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        let weight = tape.param(&self.weight);
        match &self.bias {
            Some(bias) => {
                let bias = tape.param(bias);
                tape.linear(x, weight, bias)
            }
            None => tape.linear_without_bias(x, weight),
        }
    }

    /// The same, followed by a ReLU.
    ///
    /// # Errors
    /// If `x` has another shape.
    pub fn forward_relu<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        match &self.bias {
            Some(bias) => {
                let (weight, bias) = (tape.param(&self.weight), tape.param(bias));
                tape.linear_relu(x, weight, bias)
            }
            None => {
                let y = self.forward(tape, x)?;
                tape.relu(y)
            }
        }
    }
}

/// A convolution of channels-last pictures.
#[derive(Debug, Clone)]
pub struct Conv2d {
    weight: Param,
    bias: Param,
    attributes: Conv,
}

impl Conv2d {
    /// `inputs` to `out` channels with a square kernel.
    pub fn new<T: Float>(
        params: &mut Params<T>,
        name: &str,
        (inputs, out): (usize, usize),
        kernel: usize,
        stride: usize,
        padding: usize,
    ) -> Self {
        let fan_in = inputs * kernel * kernel;
        let (weight, bias) = weight_and_bias(params, name, [out, inputs, kernel, kernel], out, fan_in);
        let attributes = Conv { stride: (stride, stride), padding: (padding, padding), relu: false };
        Conv2d { weight, bias, attributes }
    }

    /// `x: (B, H, W, inputs)` to `(B, H', W', out)`.
    ///
    /// # Errors
    /// If `x` has another shape.
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        let (weight, bias) = (tape.param(&self.weight), tape.param(&self.bias));
        tape.conv2d(x, weight, bias, self.attributes)
    }

    /// The same, followed by a ReLU.
    ///
    /// # Errors
    /// If `x` has another shape.
    pub fn forward_relu<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        let (weight, bias) = (tape.param(&self.weight), tape.param(&self.bias));
        tape.conv2d(x, weight, bias, Conv { relu: true, ..self.attributes })
    }
}

/// A transposed convolution of channels-last pictures.
#[derive(Debug, Clone)]
pub struct ConvTranspose2d {
    weight: Param,
    bias: Param,
    attributes: ConvTranspose,
}

impl ConvTranspose2d {
    /// `inputs` to `out` channels with a square kernel.
    pub fn new<T: Float>(
        params: &mut Params<T>,
        name: &str,
        (inputs, out): (usize, usize),
        kernel: usize,
        stride: usize,
        padding: usize,
        output_padding: usize,
    ) -> Self {
        // PyTorch takes fan_in from the second axis, which here is `out`.
        let fan_in = out * kernel * kernel;
        let (weight, bias) = weight_and_bias(params, name, [inputs, out, kernel, kernel], out, fan_in);
        let attributes = ConvTranspose {
            stride: (stride, stride),
            padding: (padding, padding),
            output_padding: (output_padding, output_padding),
            relu: false,
        };
        ConvTranspose2d { weight, bias, attributes }
    }

    /// `x: (B, H, W, inputs)` to `(B, H', W', out)`.
    ///
    /// # Errors
    /// If `x` has another shape.
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        let (weight, bias) = (tape.param(&self.weight), tape.param(&self.bias));
        tape.conv_transpose2d(x, weight, bias, self.attributes)
    }

    /// The same, followed by a ReLU.
    ///
    /// # Errors
    /// If `x` has another shape.
    pub fn forward_relu<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        let (weight, bias) = (tape.param(&self.weight), tape.param(&self.bias));
        tape.conv_transpose2d(x, weight, bias, ConvTranspose { relu: true, ..self.attributes })
    }
}

/// A table of one row a class.
#[derive(Debug, Clone)]
pub struct Embedding {
    weight: Param,
}

impl Embedding {
    /// `classes` rows of `features` numbers, drawn from N(0, 1).
    pub fn new<T: Float>(params: &mut Params<T>, name: &str, classes: usize, features: usize) -> Self {
        Embedding { weight: params.declare(format!("{name}.weight"), [classes, features], Init::Normal) }
    }

    /// `labels: (B)` to `(B, features)`.
    ///
    /// # Errors
    /// If `x` or the labels have another shape.
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, labels: Tensor) -> Result<Tensor> {
        let weight = tape.param(&self.weight);
        tape.embedding(weight, labels)
    }
}

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
    /// If `x` has another shape.
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        self.run(tape, x, None)
    }

    /// The same of `steps` steps that all have the input `x: (B, inputs)`.
    ///
    /// # Errors
    /// If `x` has another shape, or `steps` is zero.
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
    /// If `x` has another shape.
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        self.run(tape, x, None)
    }

    /// The same of `steps` steps that all have the input `x: (B, inputs)`.
    ///
    /// # Errors
    /// If `x` has another shape, or `steps` is zero.
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
