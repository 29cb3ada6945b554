//! The measurements of trained models in a study, and the drawings that it shows.
//!
//! [`evaluate()`] gives every score of one run with its passport; [`Gallery`] gathers the drawings of its figures. Both
//! are functions of the weights, the data and a seed.
//!
//! ```
//! use inkgrad_models::data::builtin;
//! use inkgrad_models::infer::Inference;
//! use inkgrad_models::prelude::*;
//! use inkgrad_models::study::{Judge, Options, Subject, evaluate};
//!
//! let (data, models) = (builtin(80, 1)?, Models::builtin());
//! let (mut judge, _) = Judge::train(&data, 1, 42, 1, None, &mut |_, _, _| {})?;
//!
//! let config = Config { classes: data.classes.clone(), ..models.defaults("cnn-ae")? };
//! let mut network = models.build(&config)?;
//! network.initialise(42); // or the weights of a run, see `trainer::Opened`
//! let subject = Subject { config: &config, inference: &mut Inference::new(network, 1), sampler: None };
//! let options = Options { samples: 30, mapped: 0, likelihood: (0, 0), seed: 1, threads: 1 };
//! let evaluation = evaluate(subject, &data, &mut judge, options, &mut |_, _, _| {})?;
//! let mse = evaluation.scores.iter().find(|score| score.name == "reconstruction_mse").expect("a score");
//! assert!(mse.value.expect("test drawings") > 0.01); // nothing was learnt yet
//! assert_eq!(mse.passport.n_real, data.test.len());
//! # Ok::<(), Error>(())
//! ```

mod evaluate;
mod gallery;
mod judge;
mod map;
mod path;
mod recognition;
mod scores;
#[cfg(test)]
mod tests;

/// Is told now and then what is under way, how much of it is done, and of how much.
pub type Watch<'a> = dyn FnMut(&'static str, usize, usize) + 'a;

pub use self::evaluate::{Evaluation, Nearest, Options, Subject, evaluate, evaluate_among};
pub use self::gallery::{Gallery, Graded, Neighbour};
pub use self::judge::{Inception, Judge, Source, fingerprint};
pub use self::map::Map;
pub use self::recognition::{ClassScore, Recognition, Transfer};
pub use self::scores::{Passport, Score};
