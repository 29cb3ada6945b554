//! The reduction of a loss's terms.

use inkgrad_kernels::Float;

use crate::{Result, Tape, Tensor};

/// Whether a loss is the sum of its terms or their mean: PyTorch's `reduction`.
///
/// Each loss has a method with the reduction that its literature has ([`Tape::mse`] and [`Tape::softmax_cross_entropy`] the
/// mean, [`Tape::bce_with_logits`] and [`Tape::gaussian_kl`] the sum), and one, `…_reduced`, that is told which.
///
/// ```
/// use inkgrad_engine::ops::Reduction;
/// use inkgrad_engine::prelude::*;
///
/// let mut tape = Tape::<f32>::new();
/// let (x, t) = (tape.input("x", [3]), tape.input("t", [3]));
/// let loss = tape.mse_reduced(x, t, Reduction::Sum)?;
/// let mut plan = tape.compile(Compile { keep: &[loss], ..Compile::default() });
/// plan.fill(x, &[1.0, 2.0, 3.0])?;
/// plan.fill(t, &[1.0, 1.0, 1.0])?;
/// plan.forward(&Params::new(), &Team::solo(), Clock::default());
/// assert_eq!(plan.value(loss), [5.0]);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reduction {
    /// The sum over all terms.
    Sum,
    /// The sum divided by the number of terms: of elements, or for a classifier's loss of rows.
    Mean,
}

impl<T: Float> Tape<T> {
    /// A loss of `terms` terms that has one reduction, in another.
    pub(super) fn reduce(&mut self, loss: Tensor, has: Reduction, wanted: Reduction, terms: usize) -> Result<Tensor> {
        match (has, wanted) {
            (Reduction::Sum, Reduction::Mean) => self.scale(loss, 1.0 / terms as f64),
            (Reduction::Mean, Reduction::Sum) => self.scale(loss, terms as f64),
            _ => Ok(loss),
        }
    }
}
