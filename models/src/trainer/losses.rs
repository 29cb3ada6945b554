//! The losses of drawings, and their sums.

use crate::model::MAX_TERMS;

/// The loss and the terms of some drawings, each the mean over them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Losses {
    /// The loss that is minimised.
    pub loss: f64,
    /// The terms reported beside it, in the order of [`crate::model::Network::terms`]; those that the model does not have are 0.
    pub terms: [f64; MAX_TERMS],
    /// How many drawings.
    pub drawings: usize,
}

/// Losses added up, weighted by their numbers of drawings.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sums {
    /// Every field a sum.
    pub total: Losses,
}

impl Sums {
    /// Adds the losses of one batch.
    pub fn add(&mut self, losses: &Losses) {
        let n = losses.drawings as f64;
        self.total.loss += losses.loss * n;
        self.total.terms.iter_mut().zip(losses.terms).for_each(|(sum, value)| *sum += value * n);
        self.total.drawings += losses.drawings;
    }

    /// The means over all drawings.
    pub fn mean(&self) -> Losses {
        let n = self.total.drawings.max(1) as f64;
        Losses { loss: self.total.loss / n, terms: self.total.terms.map(|sum| sum / n), drawings: self.total.drawings }
    }
}
