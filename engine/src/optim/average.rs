//! A moving average of the weights.

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::{Team, optimizer};

use crate::Params;

/// An exponential moving average of the weights: after each update, mean ← decay·mean + (1 − decay)·weights. It is often a better
/// model than the last weights are. Frozen parameters are averaged like others.
///
/// ```
/// use inkgrad_engine::optim::Average;
/// use inkgrad_engine::prelude::*;
///
/// let mut params = Params::<f64>::new();
/// let w = params.declare("w", [1], Init::Constant(1.0));
/// params.initialise(0);
/// let mut average = Average::new(&params, 0.75); // starts at the weights
/// params.value_mut(&w)[0] = 3.0; // an update
/// average.update(&params, &Team::solo());
/// average.swap(&mut params); // to evaluate with the average
/// assert_eq!(params.value(&w), [1.5]);
/// average.swap(&mut params); // and back to train
/// assert_eq!(params.value(&w), [3.0]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Average<T> {
    decay: f64,
    /// The mean, laid out as [`Params::values`] is; while swapped, the weights.
    pub values: Vec<T>,
}

impl<T: Float> Average<T> {
    /// An average that starts at the weights.
    ///
    /// # Panics
    /// If `decay` is not from 0 to 1.
    #[track_caller]
    pub fn new(params: &Params<T>, decay: f64) -> Self {
        assert!((0.0..=1.0).contains(&decay), "an average with a decay of {decay}, expected a number from 0 to 1");
        Average { decay, values: params.values.clone() }
    }

    /// Takes the weights in, after an update.
    ///
    /// # Panics
    /// If the parameters are not as many as they were.
    #[track_caller]
    pub fn update(&mut self, params: &Params<T>, team: &Team) {
        self.check(params);
        optimizer::average(team, self.decay, &params.values, &mut self.values);
    }

    /// Exchanges the weights and the average.
    ///
    /// # Panics
    /// If the parameters are not as many as they were.
    #[track_caller]
    pub fn swap(&mut self, params: &mut Params<T>) {
        self.check(params);
        self.values.swap_with_slice(&mut params.values);
    }

    #[track_caller]
    fn check(&self, params: &Params<T>) {
        params.expect_count("an average", self.values.len());
    }
}
