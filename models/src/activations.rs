//! Layers of a network for drawings, before its answer: what scores are computed of.
//!
//! ```
//! use inkgrad_models::activations::Features;
//!
//! // One drawing, two features, two classes.
//! let features = Features { width: 2, values: vec![0.0, 1.0], unbiased: vec![1.0, -1.0], bias: vec![0.5, 0.25] };
//! assert_eq!((features.len(), features.classes()), (1, 2));
//! assert_eq!(features.logits(), [1.5, -0.75]);
//! ```

/// A classifier's last two layers for drawings.
#[derive(Debug, Clone, PartialEq)]
pub struct Activations {
    /// Elements of its last hidden layer.
    pub width: usize,
    /// `(N, width)`: that layer.
    pub values: Vec<f32>,
    /// `(N, classes)`.
    pub logits: Vec<f32>,
}

/// Features and logits of drawings.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// Elements of one drawing's features.
    pub width: usize,
    /// `(N, width)`.
    pub values: Vec<f32>,
    /// The last layer's products without its bias, `(N, classes)`: what torch-fidelity's Inception Score takes.
    pub unbiased: Vec<f32>,
    /// The last layer's bias, `(classes)`.
    pub bias: Vec<f32>,
}

impl Features {
    /// How many drawings.
    pub fn len(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// Whether there is no drawing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements of one drawing's logits.
    pub fn classes(&self) -> usize {
        self.bias.len()
    }

    /// The logits as the network gives them, `(N, classes)`.
    pub fn logits(&self) -> Vec<f32> {
        let rows = self.unbiased.chunks_exact(self.classes().max(1));
        rows.flat_map(|row| row.iter().zip(&self.bias).map(|(product, bias)| product + bias)).collect()
    }
}
