//! `config.toml`: every setting of a run, resolved.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub(crate) use super::choice::choice;
pub use super::choice::{DeviceKind, Optimizer, Precision, Prefixes, Schedule};
use super::settings::{Field, Rule, SWITCH, Setting, settings, value};
use super::{ModelOption, Spec, Value};
use crate::data::augment::Augment;
use crate::data::{Extents, SIDES};
use crate::error::{Error, Result};
use crate::run::atomic;

/// The newest layout of a run folder that this version reads, and the one that it writes.
pub const FORMAT: u32 = 1;

macro_rules! most_threads {
    () => {
        1024
    };
}

/// More threads than this are taken for a mistake.
pub const MOST_THREADS: usize = most_threads!();

/// The share of its last move that SGD keeps where nothing else is asked for.
pub(super) const MOMENTUM: f64 = 0.9;

/// AdamW's weight decay where nothing else is asked for, which is PyTorch's.
pub const WEIGHT_DECAY: f64 = 0.01;

settings! {
    /// `builtin` (drawn by the program) or a folder of drawings
    data: String = "builtin".to_owned() => value("D").good(&[(|c| !c.data.is_empty(), "`builtin` or a folder")]);
    /// Where the folder was when the run began, so that it is found from anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_path: Option<String> = None;
    /// Its contents' hash, see [`Dataset::fingerprint`](crate::data::Dataset::fingerprint).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_sha256: Option<String> = None;
    /// The file of weights that the run was made of, where they were imported: how they were trained is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    imported: Option<String> = None;
    /// The file of weights that the run began with, where it began with any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    init: Option<String> = None;
    /// The SHA-256 of that file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    init_sha256: Option<String> = None;
    /// Whether those of its tensors that do not fit are left out.
    #[serde(default, skip_serializing_if = "is_false")]
    init_partial: bool = false;
    /// Leave out drawings that Google's game did not recognise (.ndjson)
    #[serde(default, skip_serializing_if = "is_false")]
    recognized_only: bool = false => SWITCH.kept();
    /// The middle square of every picture at so many pixels a side, instead of pictures as they are
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resize: Option<usize> = None => value("N").kept().default("do not")
        .good(&[(|c| c.resize.is_none_or(|side| SIDES.contains(&side)), "16 to 128")]);
    /// The names of the classes, in the order of their labels; known once the data is read.
    classes: Vec<String> = Vec::new();
    /// The extents of a picture; known once the data is read.
    #[serde(default, skip_serializing_if = "Extents::is_drawing")]
    image: Extents = Extents::default();
    /// Drawings that the data holds back for validation itself; known once the data is read.
    #[serde(default, skip_serializing_if = "is_zero")]
    own_validation: usize = 0;
    /// The share of drawings tested on, for data without a split of its own
    test_fraction: f64 = 0.2
        => value("F").kept().good(&[(|c| 0.0 < c.test_fraction && c.test_fraction < 1.0, "0 < F < 1")]);
    /// The share of free memory that drawings may take; more than that stay in .npy or IDX files, and batches are read there
    #[serde(default = "half", skip_serializing_if = "is_half")]
    data_memory: f64 = 0.5
        => value("F").good(&[(|c| (0.0..=1.0).contains(&c.data_memory), "0 ≤ F ≤ 1")]);
    /// Train for this many passes over the drawings, shuffled each time
    #[serde(skip_serializing_if = "Option::is_none")]
    epochs: Option<u64> = Some(50) => value("N").good(&[(|c| c.epochs != Some(0), "at least 1")]);
    /// Train for this many batches, each drawn from all drawings
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<u64> = None => value("N").good(&[(|c| c.steps != Some(0), "at least 1")]);
    /// Drawings a step: the minibatch
    batch_size: usize = 128 => value("N").kept().good(&[(|c| c.batch_size > 0, "at least 1")]);
    /// Parts of a step's drawings whose gradients are computed one after the other and summed: less memory
    #[serde(default = "one", skip_serializing_if = "is_one")]
    accumulate: usize = 1 => value("N").kept().good(&[(|c| c.accumulate > 0, "at least 1")]);
    /// Change training pictures by some of shift, flip, rotate and elastic, each with an amount (shift:4) or not
    #[serde(default, skip_serializing_if = "Augment::is_none")]
    augment: Augment = Augment::default() => value("NAME[:F],…");
    /// The rule that moves the parameters: adam, adamw or sgd
    optimizer: Optimizer = Optimizer::Adam => value("NAME").kept();
    /// The share of each parameter that adamw takes off a step, times the learning rate
    #[serde(skip_serializing_if = "Option::is_none")]
    weight_decay: Option<f64> = None => value("F").default("0.01 with adamw").good(&[
        (|c| c.weight_decay.is_none_or(|decay| decay >= 0.0 && decay.is_finite()), "a number of at least 0"),
    ]);
    /// The share of its last move that sgd keeps; adam has no use for it
    momentum: f64 = MOMENTUM => value("F").kept().good(&[(|c| (0.0..1.0).contains(&c.momentum), "0 ≤ F < 1")]);
    /// The learning rate, at its highest
    lr: f64 = 1e-3 => value("F").good(&[(|c| c.lr > 0.0 && c.lr.is_finite(), "a number above 0")]);
    /// How the learning rate goes: constant, or cosine (down to 0 along half a cosine)
    schedule: Schedule = Schedule::Constant => value("NAME");
    /// Steps over which the learning rate rises from 0 at the start
    warmup_steps: u64 = 0 => value("N");
    /// Scale gradients down to this norm
    #[serde(skip_serializing_if = "Option::is_none")]
    clip_norm: Option<f64> = None
        => value("F").default("do not").good(&[(|c| c.clip_norm.is_none_or(|n| n > 0.0 && n.is_finite()), "a number above 0")]);
    /// Leave parameters as they are whose names begin so, a comma between beginnings
    #[serde(default, skip_serializing_if = "Prefixes::is_empty")]
    freeze: Prefixes = Prefixes::default() => value("PREFIX,…").kept().default("none").good(&[
        (|c| c.freeze.0.iter().all(|prefix| !prefix.is_empty()), "beginnings of parameters' names, a comma between them"),
    ]);
    /// Keep an average of the weights too, with this share of it a step: 0.999 is over some 1000 steps
    #[serde(skip_serializing_if = "Option::is_none")]
    ema: Option<f64> = None => value("F").kept().default("no average")
        .good(&[(|c| c.ema.is_none_or(|ema| 0.0 < ema && ema < 1.0), "0 < F < 1")]);
    /// Where all randomness of the run starts
    seed: u64 = 42
        => value("N").kept().good(&[(|c| c.seed <= i64::MAX as u64, "at most 9223372036854775807 (TOML's largest integer)")]);
    /// CPU threads; they change the speed, never the result
    threads: usize = std::thread::available_parallelism().map_or(1, usize::from)
        => value("N").default("as many as the machine has cores").good(&[
            (|c| c.threads > 0, "at least 1"),
            (|c| c.threads <= MOST_THREADS, concat!("at most ", most_threads!())),
        ]);
    /// The device: cpu, cuda or emulated
    device: DeviceKind = DeviceKind::Cpu => value("DEVICE");
    /// The numbers of products: fp32, bf16 on a processor, tf32 on a GPU
    #[serde(default = "fp32")]
    precision: Precision = Precision::Fp32 => value("NAME");
    /// The held-out share of the training set, for validation
    val_fraction: f64 = 0.0 => value("F").kept().good(&[(|c| (0.0..1.0).contains(&c.val_fraction), "0 ≤ F < 1")]);
    /// Steps from one record of the training loss to the next, for runs counted in steps
    log_every: u64 = 100 => value("N").good(&[(|c| c.log_every > 0, "at least 1")]);
    /// Show TensorBoard how gradients are distributed, beside weights
    #[serde(default, skip_serializing_if = "is_false")]
    log_gradients: bool = false => SWITCH.good(&[(|c| !c.log_gradients || c.device == DeviceKind::Cpu, "only on --device cpu")]);
    /// Stop after this many validations without a better loss
    #[serde(skip_serializing_if = "Option::is_none")]
    patience: Option<u64> = None => value("N").default("never").good(&[(|c| c.patience != Some(0), "at least 1")]);
    /// Minutes from one checkpoint to the next; there is one at each record too
    checkpoint_minutes: f64 = 5.0 => value("F")
        .good(&[(|c| c.checkpoint_minutes > 0.0 && c.checkpoint_minutes.is_finite(), "a number above 0")]);
    /// A short run: fewer drawings and steps
    quick: bool = false => SWITCH.kept();
    /// Settings that were changed when the run was resumed, in the order of the changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Change> = Vec::new();
}

fn is_false(value: &bool) -> bool {
    !value
}

fn half() -> f64 {
    0.5
}

fn is_half(value: &f64) -> bool {
    *value == 0.5
}

fn one() -> usize {
    1
}

fn is_one(value: &usize) -> bool {
    *value == 1
}

fn is_zero(value: &usize) -> bool {
    *value == 0
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

    /// The value of an option, where it was not given its default.
    pub fn value(&self, option: &ModelOption) -> Value {
        self.options.get(option.name).cloned().unwrap_or_else(|| option.kind.default())
    }

    /// The same with an option of this value.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.options.insert(name.to_owned(), value);
        self
    }

    /// The same with an option that is a name.
    pub fn with_text(self, name: &str, value: &str) -> Self {
        self.with(name, Value::Text(value.to_owned()))
    }

    /// The same with an option that is a number.
    pub fn with_number(self, name: &str, value: f64) -> Self {
        self.with(name, Value::Number(value))
    }

    /// Whether some drawings are held out for validation.
    pub fn validates(&self) -> bool {
        self.val_fraction > 0.0 || self.own_validation > 0
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
        let texts = self.options.values().filter_map(|value| match value {
            Value::Text(name) => Some(name.as_str()),
            _ => None,
        });
        // `10:linear` is no name.
        texts.filter(|text| text.starts_with(|c: char| c.is_alphabetic())).collect()
    }

    /// Its settings as a table: of imported weights those that they tell or somebody gave, none of how they were trained.
    pub(super) fn known(&self) -> toml::Table {
        let mut table = toml::Table::try_from(self).unwrap_or_default();
        if self.imported.is_some() {
            let data = if self.data_sha256.is_some() { "data" } else { "" };
            let of_training = Self::SETTINGS.iter().map(|setting| setting.name).filter(|name| *name != data);
            // Sizes and names of a model's options are what its weights are; the weight of a term is how they came about.
            let weights = self.options.iter().filter(|(_, value)| matches!(value, Value::Number(_)));
            let all: Vec<&str> = of_training.chain(weights.map(|(name, _)| name.as_str())).collect();
            all.into_iter().for_each(|name| drop(table.remove(name)));
        }
        table
    }

    /// Whether its classes have names that are theirs: imported weights tell at most how many there are.
    pub fn names_classes(&self) -> bool {
        let numbered = self.classes.iter().enumerate().all(|(i, name)| *name == i.to_string());
        self.imported.is_none() || self.data_sha256.is_some() || !numbered
    }

    /// Writes a run's `config.toml`, atomically.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        // A table has its keys in another order.
        let text = if self.imported.is_some() { toml::to_string(&self.known()) } else { toml::to_string(self) };
        let text = text.map_err(|error| Error::input(path.display(), error))?;
        atomic::write(path, |file| file.write_all(text.as_bytes()))
    }
}
