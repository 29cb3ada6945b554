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
mod recurrent;

pub use mlp::Mlp;
pub use norm::{BatchNorm, Dropout, LayerNorm, Statistics};
pub use recurrent::{Cell, Gru, GruCell, Lstm, LstmCell, Recurrent};

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
    ///
    /// # Panics
    /// If `params` have a parameter of such a name already.
    #[track_caller]
    pub fn new<T: Float>(params: &mut Params<T>, name: &str, inputs: usize, out: usize) -> Self {
        let (weight, bias) = weight_and_bias(params, name, [out, inputs], out, inputs);
        Linear { weight, bias: Some(bias) }
    }

    /// `(out, inputs)` weights alone.
    ///
    /// # Panics
    /// If `params` have a parameter of such a name already.
    #[track_caller]
    pub fn without_bias<T: Float>(params: &mut Params<T>, name: &str, inputs: usize, out: usize) -> Self {
        Linear { weight: params.declare(format!("{name}.weight"), [out, inputs], uniform(inputs)), bias: None }
    }

    /// `x: (B, inputs)` to `(B, out)`.
    ///
    /// # Errors
    /// If `x` has another shape or is of another tape.
    ///
    /// # Panics
    /// If the tape has parameters of other [`Params`].
    #[track_caller]
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
    /// If `x` has another shape or is of another tape.
    ///
    /// # Panics
    /// If the tape has parameters of other [`Params`].
    #[track_caller]
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
    ///
    /// # Panics
    /// If `params` have a parameter of such a name already.
    #[track_caller]
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
    /// If `x` has another shape or is of another tape, or the kernel or stride is 0.
    ///
    /// # Panics
    /// If the tape has parameters of other [`Params`].
    #[track_caller]
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        let (weight, bias) = (tape.param(&self.weight), tape.param(&self.bias));
        tape.conv2d(x, weight, bias, self.attributes)
    }

    /// The same, followed by a ReLU.
    ///
    /// # Errors
    /// If `x` has another shape or is of another tape, or the kernel or stride is 0.
    ///
    /// # Panics
    /// If the tape has parameters of other [`Params`].
    #[track_caller]
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
    ///
    /// # Panics
    /// If `params` have a parameter of such a name already.
    #[track_caller]
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
    /// If `x` has another shape or is of another tape, or the kernel or stride is 0.
    ///
    /// # Panics
    /// If the tape has parameters of other [`Params`].
    #[track_caller]
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        let (weight, bias) = (tape.param(&self.weight), tape.param(&self.bias));
        tape.conv_transpose2d(x, weight, bias, self.attributes)
    }

    /// The same, followed by a ReLU.
    ///
    /// # Errors
    /// If `x` has another shape or is of another tape, or the kernel or stride is 0.
    ///
    /// # Panics
    /// If the tape has parameters of other [`Params`].
    #[track_caller]
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
    ///
    /// # Panics
    /// If `params` have a parameter of such a name already.
    #[track_caller]
    pub fn new<T: Float>(params: &mut Params<T>, name: &str, classes: usize, features: usize) -> Self {
        Embedding { weight: params.declare(format!("{name}.weight"), [classes, features], Init::Normal) }
    }

    /// `labels: (B)` to `(B, features)`.
    ///
    /// # Errors
    /// If the labels have another shape or are of another tape.
    ///
    /// # Panics
    /// If the tape has parameters of other [`Params`].
    #[track_caller]
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, labels: Tensor) -> Result<Tensor> {
        let weight = tape.param(&self.weight);
        tape.embedding(weight, labels)
    }
}
