//! Layers that normalise, and dropout: those that differ between training and inference.

use crate::{Error, Float, Init, Param, Params, Plan, Result, Tape, Tensor};

/// Rows along the last axis with mean 0 and variance 1, scaled and shifted by what is learnt.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    weight: Param,
    bias: Param,
}

/// PyTorch's default, of both normalisations.
const EPS: f64 = 1e-5;

impl LayerNorm {
    /// Rows of `features` numbers; weights start at 1 and biases at 0.
    ///
    /// # Panics
    /// If `params` have a parameter of such a name already.
    #[track_caller]
    pub fn new<T: Float>(params: &mut Params<T>, name: &str, features: usize) -> Self {
        let weight = params.declare(format!("{name}.weight"), [features], Init::Constant(1.0));
        let bias = params.declare(format!("{name}.bias"), [features], Init::Constant(0.0));
        LayerNorm { weight, bias }
    }

    /// `x: (…, features)`; the shape stays.
    ///
    /// # Errors
    /// If the last axis is another, or `x` is of another tape.
    ///
    /// # Panics
    /// If the tape has parameters of other [`Params`].
    #[track_caller]
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        let (weight, bias) = (tape.param(&self.weight), tape.param(&self.bias));
        tape.layer_norm(x, weight, bias, EPS)
    }
}

/// Channels, the last axis, with mean 0 and variance 1 over a batch, scaled and shifted by what is learnt.
///
/// The running statistics are parameters under PyTorch's names, `running_mean` and `running_var`, and frozen: checkpoints and
/// other tools' weights have them, and no backward or update moves them. [`BatchNorm::track`] does, once after each forward
/// that trains; a plan only reads parameters, so that it cannot happen unseen.
///
/// ```
/// use inkgrad_engine::prelude::*;
///
/// let (mut params, team) = (Params::<f64>::new(), Team::solo());
/// let norm = nn::BatchNorm::new(&mut params, "1", 2);
/// params.initialise(0);
///
/// let mut tape = Tape::new();
/// let x = tape.input("x", [4, 2]);
/// let (y, statistics) = norm.forward_training(&mut tape, x)?;
/// let mut plan = tape.compile(Compile { keep: &[y, statistics.tensor()], ..Compile::default() });
/// plan.fill(x, &[1.0, 0.0, 3.0, 0.0, 1.0, 8.0, 3.0, 8.0])?;
/// plan.forward(&params, &team, Clock::default());
/// norm.track(&statistics, &plan, &mut params); // here backward and update would follow
///
/// let mut tape = Tape::new();
/// let x = tape.input("x", [1, 2]);
/// let y = norm.forward(&mut tape, x)?; // with the running statistics
/// let mut plan = tape.compile(Compile { keep: &[y], ..Compile::default() });
/// plan.fill(x, &[0.2, 0.4])?;
/// plan.forward(&params, &team, Clock::default());
/// assert!(plan.value(y).iter().all(|y| y.abs() < 1e-12)); // a tenth of the means 2 and 4
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BatchNorm {
    weight: Param,
    bias: Param,
    running_mean: Param,
    running_var: Param,
    /// The share that a batch has of the new running statistics.
    momentum: f64,
}

/// The statistics of a batch on a tape that trains: what [`BatchNorm::track`] reads after its forward.
#[derive(Debug, Clone, Copy)]
pub struct Statistics {
    tensor: Tensor,
    /// Elements of each channel.
    count: usize,
}

impl Statistics {
    /// Mean and variance, `(2, channels)`: to be kept ([`Compile::keep`](crate::Compile::keep)).
    pub fn tensor(&self) -> Tensor {
        self.tensor
    }
}

impl BatchNorm {
    /// `channels` channels; weights start at 1, biases at 0, running means at 0 and variances at 1.
    ///
    /// # Panics
    /// If `params` have a parameter of such a name already.
    #[track_caller]
    pub fn new<T: Float>(params: &mut Params<T>, name: &str, channels: usize) -> Self {
        let mut declare =
            |part: &str, start: f64| params.declare(format!("{name}.{part}"), [channels], Init::Constant(start));
        let norm = BatchNorm {
            weight: declare("weight", 1.0),
            bias: declare("bias", 0.0),
            running_mean: declare("running_mean", 0.0),
            running_var: declare("running_var", 1.0),
            momentum: 0.1,
        };
        params.freeze(&format!("{name}.running_")).expect("declared above");
        norm
    }

    /// The same with another share of a batch in the running statistics than PyTorch's 0.1.
    ///
    /// # Errors
    /// If it is not from 0 to 1.
    pub fn with_momentum(self, momentum: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&momentum) {
            return Err(Error::shape("batch_norm", format!("momentum {momentum}, expected a number from 0 to 1")));
        }
        Ok(BatchNorm { momentum, ..self })
    }

    /// `x: (…, channels)` by its own statistics, which come with it; the shape stays.
    ///
    /// # Errors
    /// If the last axis is another, `x` is of another tape, or each channel has one element alone.
    ///
    /// # Panics
    /// If the tape has parameters of other [`Params`].
    #[track_caller]
    pub fn forward_training<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<(Tensor, Statistics)> {
        let tensor = tape.batch_norm_statistics(x)?;
        let shape = tape.shape(x);
        let count = shape.len() / shape.last();
        if count < 2 {
            let problem = format!("x is {shape}, expected more than one element of each channel while training");
            return Err(Error::shape("batch_norm", problem));
        }
        let (weight, bias) = (tape.param(&self.weight), tape.param(&self.bias));
        Ok((tape.batch_norm(x, tensor, weight, bias, EPS)?, Statistics { tensor, count }))
    }

    /// `x: (…, channels)` by the running statistics; the shape stays.
    ///
    /// # Errors
    /// If the last axis is another, or `x` is of another tape.
    ///
    /// # Panics
    /// If the tape has parameters of other [`Params`].
    #[track_caller]
    pub fn forward<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        let (mean, variance) = (tape.param(&self.running_mean), tape.param(&self.running_var));
        let channels = tape.shape(mean).len();
        let joined = tape.concat(mean, variance)?;
        let statistics = tape.reshape(joined, [2, channels])?;
        let (weight, bias) = (tape.param(&self.weight), tape.param(&self.bias));
        tape.batch_norm(x, statistics, weight, bias, EPS)
    }

    /// Takes a batch's statistics into the running ones, after a forward of `plan`, whose tape they are on:
    /// running ← (1 − momentum)·running + momentum·batch, with the unbiased variance, as PyTorch has it.
    ///
    /// # Panics
    /// If the plan does not keep [`Statistics::tensor`], or has not run.
    #[track_caller]
    pub fn track<T: Float>(&self, statistics: &Statistics, plan: &Plan<T>, params: &mut Params<T>) {
        let n = statistics.count as f64;
        let (mean, variance) = plan.value(statistics.tensor).split_at(self.weight.shape.len());
        let share = T::from_f64(self.momentum);
        let keep = T::from_f64(1.0 - self.momentum);
        for (running, batch, factor) in [(&self.running_mean, mean, 1.0), (&self.running_var, variance, n / (n - 1.0))]
        {
            let factor = T::from_f64(factor);
            for (running, &batch) in params.value_mut(running).iter_mut().zip(batch) {
                *running = keep * *running + share * (batch * factor);
            }
        }
    }
}

/// Elements left out at random while training.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    p: f64,
}

impl Dropout {
    /// Each element with probability `p`, from 0 up to below 1, which is checked where it is used.
    pub fn new(p: f64) -> Self {
        Dropout { p }
    }

    /// `x` with some elements 0 and the others larger by 1 / (1 − p); the shape stays.
    ///
    /// # Errors
    /// If `p` is not from 0 up to below 1.
    pub fn forward_training<T: Float>(&self, tape: &mut Tape<T>, x: Tensor) -> Result<Tensor> {
        tape.dropout(x, self.p)
    }

    /// `x` itself: nothing is left out.
    pub fn forward<T: Float>(&self, _: &mut Tape<T>, x: Tensor) -> Tensor {
        x
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::Optimizer;
    use crate::{Clock, Compile, Team};

    #[test]
    fn training_moves_weights_and_leaves_running_statistics_to_track() {
        let (mut params, team) = (Params::<f64>::new(), Team::solo());
        let norm = BatchNorm::new(&mut params, "bn", 2).with_momentum(0.5).unwrap();
        params.initialise(0);
        let mut tape = Tape::new();
        let x = tape.input("x", [2, 2]);
        let (y, statistics) = norm.forward_training(&mut tape, x).unwrap();
        let square = tape.pow(y, 3.0).unwrap();
        let loss = tape.sum(square).unwrap();
        let keep = [statistics.tensor()];
        let mut plan = tape.compile(Compile { loss: Some(loss), keep: &keep, ..Compile::default() });
        plan.fill(x, &[1.0, 2.0, 3.0, 8.0]).unwrap();
        plan.forward(&params, &team, Clock::default());
        norm.track(&statistics, &plan, &mut params);
        let running = (params.value(&norm.running_mean).to_vec(), params.value(&norm.running_var).to_vec());
        // Means 2 and 5, unbiased variances 2 and 18.
        assert_eq!(running, (vec![1.0, 2.5], vec![1.5, 9.5]));
        plan.backward(&mut params, &team);
        Optimizer::sgd(&params, 0.0).update(&mut params, &team, 0.1);
        assert_eq!(params.value(&norm.running_mean), running.0);
        assert_ne!(params.value(&norm.bias), [0.0; 2]);

        let names: Vec<&str> = params.iter().map(|param| param.name.as_str()).collect();
        assert_eq!(names, ["bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"]);
        let mut tape = Tape::<f64>::new();
        let x = tape.input("x", [1, 2]);
        let refused = norm.forward_training(&mut tape, x).unwrap_err().to_string();
        assert_eq!(refused, "batch_norm: x is (1, 2), expected more than one element of each channel while training");
    }
}
