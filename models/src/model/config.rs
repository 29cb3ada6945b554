//! `config.toml`: every setting of a run, resolved.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub(crate) use super::choice::choice;
pub use super::choice::{Device, Optimizer, Precision, Schedule};
pub use super::overrides::Overrides;
use super::{Spec, Value};
use crate::data::Extents;
use crate::error::{Error, Result};
use crate::run::atomic;

/// The newest layout of a run folder that this version reads, and the one that it writes.
pub const FORMAT: u32 = 1;

/// More threads than this are taken for a mistake.
pub const MOST_THREADS: usize = 1024;

/// Every setting of a run. [`Config::resolve`] gives one that is valid; [`Config::validate`] says what that means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Layout of the run folder, [`FORMAT`].
    pub format: u32,
    /// The version of inkgrad that wrote it.
    pub inkgrad: String,
    /// The model: a name in the table of [`Models`](super::Models).
    pub model: String,
    /// The model's own settings, see [`Model::OPTIONS`](crate::model::Model::OPTIONS); all of them, once resolved.
    #[serde(flatten)]
    pub options: BTreeMap<String, Value>,
    /// `builtin` or a folder.
    pub data: String,
    /// Where the folder was when the run began, so that it is found from anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_path: Option<String>,
    /// Its contents' hash, see [`Dataset::fingerprint`](crate::data::Dataset::fingerprint).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_sha256: Option<String>,
    /// The file of weights that the run began with, where it began with any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<String>,
    /// The SHA-256 of that file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_sha256: Option<String>,
    /// Whether those of its tensors that do not fit are left out.
    #[serde(default, skip_serializing_if = "is_false")]
    pub init_partial: bool,
    /// Whether drawings that Google's game did not recognise are left out, of lines of strokes that say so.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recognized_only: bool,
    /// The names of the classes, in the order of their labels; known once the data is read.
    pub classes: Vec<String>,
    /// The extents of a picture; known once the data is read.
    #[serde(default, skip_serializing_if = "Extents::is_drawing")]
    pub image: Extents,
    /// The share of drawings tested on, where the data has no split of its own.
    pub test_fraction: f64,
    /// Passes over the training set, shuffled each time. Either this or `steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Batches, each drawn without replacement from the whole training set. Either this or `epochs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Drawings a step.
    pub batch_size: usize,
    /// The rule that moves the parameters.
    pub optimizer: Optimizer,
    /// The share of its last move that SGD keeps; Adam has no use for it.
    pub momentum: f64,
    /// The learning rate, at its highest.
    pub lr: f64,
    /// How the learning rate goes over the run.
    pub schedule: Schedule,
    /// Steps over which the learning rate rises from 0 at the start.
    pub warmup_steps: u64,
    /// The gradient's largest norm; longer ones are scaled down to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Where all randomness of the run starts.
    pub seed: u64,
    /// CPU threads. Results do not depend on it.
    pub threads: usize,
    /// The processor or device that computes.
    pub device: Device,
    /// The numbers that its products compute with.
    #[serde(default = "fp32")]
    pub precision: Precision,
    /// The share of the training set held back for validation.
    pub val_fraction: f64,
    /// Steps from one record of the training loss to the next.
    pub log_every: u64,
    /// Validations without a better loss after which training stops; `None` to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
    /// Minutes from one checkpoint to the next.
    pub checkpoint_minutes: f64,
    /// A short run that shows that everything works.
    pub quick: bool,
    /// Settings that were changed when the run was resumed, in the order of the changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The precision of runs from before there was a choice.
fn fp32() -> Precision {
    Precision::Fp32
}

/// A setting that was changed when a run was resumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Steps taken before.
    pub step: u64,
    /// The setting's key.
    pub setting: String,
    /// As it was; empty where it was not set.
    pub from: String,
    /// As it is from then on.
    pub to: String,
}

impl Config {
    /// The settings that a model is trained with where nothing else is asked for.
    pub fn defaults(spec: &Spec) -> Self {
        let mut config = Self {
            format: FORMAT,
            inkgrad: env!("CARGO_PKG_VERSION").to_owned(),
            model: spec.name.to_owned(),
            options: spec.options.iter().map(|option| (option.name.to_owned(), option.kind.default())).collect(),
            data: "builtin".to_owned(),
            data_path: None,
            data_sha256: None,
            init: None,
            init_sha256: None,
            init_partial: false,
            recognized_only: false,
            classes: Vec::new(),
            image: Extents::default(),
            test_fraction: 0.2,
            epochs: Some(50),
            steps: None,
            batch_size: 128,
            optimizer: Optimizer::Adam,
            momentum: 0.9,
            lr: 1e-3,
            schedule: Schedule::Constant,
            warmup_steps: 0,
            clip_norm: None,
            seed: 42,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            device: Device::Cpu,
            precision: Precision::Fp32,
            val_fraction: 0.0,
            log_every: 100,
            patience: None,
            checkpoint_minutes: 5.0,
            quick: false,
            changes: Vec::new(),
        };
        (spec.defaults)(&mut config);
        config
    }

    /// An option that is a name.
    ///
    /// # Panics
    /// If the model has no option `name`, or it is something else.
    pub fn text(&self, name: &str) -> &str {
        match self.options.get(name) {
            Some(Value::Text(text)) => text,
            found => panic!("option `{name}` of {} is {found:?}, not a name in `Model::OPTIONS`", self.model),
        }
    }

    /// An option that is a number.
    ///
    /// # Panics
    /// As [`Config::text`].
    pub fn number(&self, name: &str) -> f64 {
        match self.options.get(name) {
            Some(&Value::Number(number)) => number,
            found => panic!("option `{name}` of {} is {found:?}, not a number in `Model::OPTIONS`", self.model),
        }
    }

    /// An option that is a whole number.
    ///
    /// # Panics
    /// As [`Config::text`].
    pub fn whole(&self, name: &str) -> usize {
        match self.options.get(name) {
            Some(&Value::Whole(number)) => number as usize,
            found => panic!("option `{name}` of {} is {found:?}, not a whole number in `Model::OPTIONS`", self.model),
        }
    }

    /// The same with an option that is a name.
    pub fn with_text(mut self, name: &str, value: &str) -> Self {
        self.options.insert(name.to_owned(), Value::Text(value.to_owned()));
        self
    }

    /// The same with an option that is a number.
    pub fn with_number(mut self, name: &str, value: f64) -> Self {
        self.options.insert(name.to_owned(), Value::Number(value));
        self
    }

    /// The model's label: its name, and in brackets the options that are names, as in `cvae (latent)`.
    pub fn label(&self) -> String {
        self.label_with(&[])
    }

    /// The same in one word, as in `cvae-latent`.
    pub fn slug(&self) -> String {
        [self.model.as_str()].into_iter().chain(self.variant()).collect::<Vec<_>>().join("-")
    }

    /// The same with more in the brackets.
    pub fn label_with(&self, more: &[String]) -> String {
        let all: Vec<&str> = self.variant().into_iter().chain(more.iter().map(String::as_str)).collect();
        if all.is_empty() { self.model.clone() } else { format!("{} ({})", self.model, all.join(", ")) }
    }

    /// The options that are names.
    fn variant(&self) -> Vec<&str> {
        let values = self.options.values();
        values.filter_map(|value| if let Value::Text(name) = value { Some(name.as_str()) } else { None }).collect()
    }

    /// Writes a run's `config.toml`, atomically.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(self).map_err(|error| Error::input(path.display(), error))?;
        atomic::write(path, |file| file.write_all(text.as_bytes()))
    }
}
