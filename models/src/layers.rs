//! Layers: parameters with PyTorch's names, layouts and initialisation, and the operations that use them.

use inkgrad_engine::ops::{Conv, ConvTranspose};
use inkgrad_engine::{Float, Init, Param, Params, Result, Tape, Tensor};

/// U(±1/√fan_in), PyTorch's default for weights (Kaiming-uniform with a = √5) and biases alike.
fn uniform(fan_in: usize) -> Init {
    Init::Uniform(1.0 / (fan_in as f64).sqrt())
}

/// A weight and a bias under `name`.
fn weight_and_bias<T: Float>(
    params: &mut Params<T>,
    name: &str,
    weight: &[usize],
    bias: usize,
    fan_in: usize,
) -> (Param, Param) {
    let weight = params.declare(format!("{name}.weight"), weight, uniform(fan_in));
    let bias = params.declare(format!("{name}.bias"), [bias], uniform(fan_in));
    (weight, bias)
}

/// y = x·Wᵀ + b.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Param,
    bias: Param,
}

impl Linear {
    /// `(out, inputs)` weights and `(out)` biases.
    pub fn new<T: Float>(params: &mut Params<T>, name: &str, inputs: usize, out: usize) -> Self {
        let (weight, bias) = weight_and_bias(params, name, &[out, inputs], out, inputs);
        Linear { weight, bias }
    }

    /// `x: (B, inputs)` to `(B, out)`.
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        let (weight, bias) = (tape.param(&self.weight), tape.param(&self.bias));
        tape.linear(x, weight, bias)
    }

    /// The same, followed by a ReLU.
    pub fn forward_relu<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        let (weight, bias) = (tape.param(&self.weight), tape.param(&self.bias));
        tape.linear_relu(x, weight, bias)
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
        relu: bool,
    ) -> Self {
        let fan_in = inputs * kernel * kernel;
        let (weight, bias) = weight_and_bias(params, name, &[out, inputs, kernel, kernel], out, fan_in);
        Conv2d { weight, bias, attributes: Conv { stride: (stride, stride), padding: (padding, padding), relu } }
    }

    /// `x: (B, H, W, inputs)` to `(B, H', W', out)`.
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        let (weight, bias) = (tape.param(&self.weight), tape.param(&self.bias));
        tape.conv2d(x, weight, bias, self.attributes)
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
        relu: bool,
    ) -> Self {
        // PyTorch takes fan_in from the second axis, which here is `out`.
        let fan_in = out * kernel * kernel;
        let (weight, bias) = weight_and_bias(params, name, &[inputs, out, kernel, kernel], out, fan_in);
        let attributes = ConvTranspose {
            stride: (stride, stride),
            padding: (padding, padding),
            output_padding: (output_padding, output_padding),
            relu,
        };
        ConvTranspose2d { weight, bias, attributes }
    }

    /// `x: (B, H, W, inputs)` to `(B, H', W', out)`.
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        let (weight, bias) = (tape.param(&self.weight), tape.param(&self.bias));
        tape.conv_transpose2d(x, weight, bias, self.attributes)
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
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, labels: Tensor) -> Result<Tensor> {
        let weight = tape.param(&self.weight);
        tape.embedding(weight, labels)
    }
}
