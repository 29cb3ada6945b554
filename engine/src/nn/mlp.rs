//! Dense layers in a row.

use super::Linear;
use crate::{Float, Params, Result, Tape, Tensor};

/// Dense layers with a ReLU between each and the next: a multilayer perceptron.
///
/// ```
/// use inkgrad_engine::prelude::*;
///
/// let (mut tape, mut params) = (Tape::<f32>::new(), Params::<f32>::new());
/// let mlp = nn::Mlp::new(&mut params, "decoder", &[8, 64, 784]);
/// let z = tape.input("z", [32, 8]);
/// let logits = mlp.forward(&mut tape, z)?;
/// assert_eq!(tape.shape(logits).dims(), [32, 784]);
/// let names: Vec<&str> = params.iter().map(|param| param.name.as_str()).collect();
/// assert_eq!(names, ["decoder.0.weight", "decoder.0.bias", "decoder.2.weight", "decoder.2.bias"]);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    /// A layer from each width to the next, under the names that they have in PyTorch's `Sequential`, where a ReLU takes a number
    /// too.
    ///
    /// # Panics
    /// With fewer than two widths, which make no layer, or if `params` have a parameter of such a name already.
    #[track_caller]
    pub fn new<T: Float>(params: &mut Params<T>, name: &str, widths: &[usize]) -> Self {
        assert!(widths.len() > 1, "`{name}`: the widths {widths:?} make no layer, expected at least two");
        let layers = widths.windows(2).enumerate();
        let layers = layers.map(|(i, pair)| Linear::new(params, &format!("{name}.{}", 2 * i), pair[0], pair[1]));
        Mlp { layers: layers.collect() }
    }

    /// `x: (B, …)`, the axes behind the first laid out as one of the first width, to `(B, last width)`.
    ///
    /// # Errors
    /// If `x` has another shape or is of another tape.
    ///
    /// # Panics
    /// If the tape has parameters of other [`Params`].
    #[track_caller]
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        let (last, hidden) = self.layers.split_last().expect("at least one layer");
        tape.require_own("mlp", &[x])?;
        let mut x = if tape.shape(x).rank() > 2 { tape.flatten(x) } else { x };
        for layer in hidden {
            x = layer.forward_relu(tape, x)?;
        }
        last.forward(tape, x)
    }
}
