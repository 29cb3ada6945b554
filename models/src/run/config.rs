//! `config.toml`: every setting of a run, resolved, and the partial forms that lead to one.
//!
//! Later layers win: a model's [defaults](Config::defaults), a `--config` file, the command line.

mod choice;
mod overrides;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(crate) use self::choice::choice;
pub use self::choice::{Device, Optimizer, Precision, Schedule};
pub use self::overrides::Overrides;
use self::overrides::line_in;
use super::atomic;
use crate::data::Extents;
use crate::error::{Error, Result};
use crate::model::{Models, Spec, Value};

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
    /// What is trained: a name in the table of [`Models`].
    pub model: String,
    /// The model's own settings, see [`Model::OPTIONS`](crate::model::Model::OPTIONS); all of them, once resolved.
    #[serde(flatten)]
    pub options: BTreeMap<String, Value>,
    /// `builtin` or a folder.
    pub data: String,
    /// Where the folder was when the run began, so that it is found from anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_path: Option<String>,
    /// What was in it, see [`Dataset::fingerprint`](crate::data::Dataset::fingerprint).
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
    /// What SGD keeps of its last move; Adam has no use for it.
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
    /// What computes.
    pub device: Device,
    /// What its products compute with.
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

/// What runs from before there was a choice computed with.
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

    /// Makes these the settings of a short run.
    fn shorten(&mut self, spec: &Spec) {
        self.quick = true;
        self.log_every = 10;
        (spec.quick)(self);
    }

    /// A model's defaults under a `--config` file under the command line's `options`, all checked. `model` may be left to
    /// the file.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::Input`] naming the file's line or key, or the option.
    pub fn resolve(models: &Models, model: Option<&str>, file: Option<&Path>, options: &Overrides) -> Result<Self> {
        let file = file.map(|path| Overrides::read(path).map(|overrides| (path, overrides))).transpose()?;
        let in_file = file.as_ref().and_then(|(path, overrides)| Some((path, overrides.model.as_deref()?)));
        let spec = match (model, in_file) {
            (Some(model), Some((path, other))) if other != model => {
                return Err(Error::input(path.display(), format_args!("model is {other}, expected {model}")));
            }
            (Some(model), _) => models.get(model)?,
            (None, Some((path, model))) => models.get(model).map_err(|error| Error::input(path.display(), error))?,
            (None, None) => {
                return Err(Error::input("MODEL", "missing, expected a model or a --config that names one"));
            }
        };
        let mut config = Self::defaults(&spec);
        if options.quick.or(file.as_ref().and_then(|(_, overrides)| overrides.quick)).unwrap_or(false) {
            config.shorten(&spec);
        }
        if let Some((path, overrides)) = file {
            config.apply(&overrides);
            config.settle(models, Layer::File(path))?;
            config.check(Layer::File(path))?;
        }
        config.apply(options);
        config.validate(models)?;
        if let (Some(momentum), Optimizer::Adam) = (options.momentum, config.optimizer) {
            return Err(Error::input("--momentum", format_args!("{momentum} with adam, expected --optimizer sgd")));
        }
        Ok(config)
    }

    /// Reads a run's `config.toml`.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::Input`] naming the file and the line or key that is
    /// wrong, or saying that a newer inkgrad wrote it.
    pub fn load(models: &Models, path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = read_toml(path)?;
        if format > FORMAT {
            let problem = format_args!("format {format}, written by a newer inkgrad; this one reads {FORMAT}");
            return Err(Error::input(path.display(), problem));
        }
        let mut config: Self = read_toml(path)?;
        config.settle(models, Layer::File(path))?;
        config.check(Layer::File(path))?;
        Ok(config)
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

    /// What to call the model: its name, and in brackets the options that are names, as in `cvae (latent)`.
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

    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Input`] for the first one that is wrong, with its option (`--lr`), what it is and what it should be.
    pub fn validate(&mut self, models: &Models) -> Result<()> {
        self.settle(models, Layer::Options)?;
        self.check(Layer::Options)?;
        match self.patience {
            Some(patience) if self.val_fraction == 0.0 => Err(Error::input(
                "--patience",
                format_args!("{patience} without validation, expected a --val-fraction"),
            )),
            _ => Ok(()),
        }
    }

    /// Checks the model's own settings, and adds the defaults of those that are not given.
    fn settle(&mut self, models: &Models, layer: Layer) -> Result<()> {
        let spec = models.get(&self.model).map_err(|error| Error::input(layer.place("model"), error))?;
        // Runs from before options were models' own have one of every model.
        if spec.option("beta").is_none()
            && matches!(self.options.get("beta"), Some(Value::Number(1.0) | Value::Whole(1)))
        {
            self.options.remove("beta");
        }
        for (name, value) in &mut self.options {
            let Some(option) = spec.option(name) else {
                let owners = models.with_option(name);
                return Err(match owners.is_empty() {
                    true => layer.unknown(name, &spec),
                    false => {
                        let problem = format!("{value} for {}, expected only for {}", spec.name, owners.join(", "));
                        Error::input(layer.place(name), problem)
                    }
                });
            };
            *value = option.kind.check(value).map_err(|problem| Error::input(layer.place(name), problem))?;
        }
        for option in spec.options {
            self.options.entry(option.name.to_owned()).or_insert_with(|| option.kind.default());
        }
        Ok(())
    }

    /// Checks each setting by itself, so that a layer that others may complete can be checked too.
    fn check(&self, layer: Layer) -> Result<()> {
        let fail = |key: &str, problem: String| match layer {
            // The value may come from a default below.
            Layer::File(path) => Err(Error::input(format_args!("{}: {key}", path.display()), problem)),
            Layer::Options => Err(Error::input(layer.place(key), problem)),
        };
        let number = |key: &str, value: f64, good: bool, expected: &str| match good && value.is_finite() {
            true => Ok(()),
            false => fail(key, format!("{value}, expected {expected}")),
        };
        let at_least_1 = |key: &str, value: u64| match value {
            0 => fail(key, "0, expected at least 1".into()),
            _ => Ok(()),
        };

        if self.data.is_empty() {
            return fail("data", "empty, expected `builtin` or a folder".into());
        }
        number("test_fraction", self.test_fraction, 0.0 < self.test_fraction && self.test_fraction < 1.0, "0 < F < 1")?;
        match (self.epochs, self.steps) {
            (Some(_), Some(_)) => return fail("steps", "given with epochs, expected only one of them".into()),
            (None, None) => return fail("steps", "neither epochs nor steps given, expected one of them".into()),
            (Some(epochs), None) => at_least_1("epochs", epochs)?,
            (None, Some(steps)) => at_least_1("steps", steps)?,
        }
        at_least_1("batch_size", self.batch_size as u64)?;
        number("momentum", self.momentum, (0.0..1.0).contains(&self.momentum), "0 ≤ F < 1")?;
        number("lr", self.lr, self.lr > 0.0, "a number above 0")?;
        if let Some(norm) = self.clip_norm {
            number("clip_norm", norm, norm > 0.0, "a number above 0")?;
        }
        if self.seed > i64::MAX as u64 {
            return fail("seed", format!("{}, expected at most {} (TOML's largest integer)", self.seed, i64::MAX));
        }
        if self.precision != Precision::Fp32 && self.device == Device::Cpu {
            return fail("precision", format!("{} on the processor, expected fp32", self.precision));
        }
        at_least_1("threads", self.threads as u64)?;
        if self.threads > MOST_THREADS {
            return fail("threads", format!("{}, expected at most {MOST_THREADS}", self.threads));
        }
        number("val_fraction", self.val_fraction, (0.0..1.0).contains(&self.val_fraction), "0 ≤ F < 1")?;
        at_least_1("log_every", self.log_every)?;
        if let Some(patience) = self.patience {
            at_least_1("patience", patience)?;
        }
        number("checkpoint_minutes", self.checkpoint_minutes, self.checkpoint_minutes > 0.0, "a number above 0")
    }
}

/// Where settings were given.
#[derive(Clone, Copy)]
enum Layer<'a> {
    /// A file.
    File(&'a Path),
    /// The command line.
    Options,
}

impl Layer<'_> {
    /// Where `key` was set: the file's line, or the option.
    fn place(self, key: &str) -> String {
        match self {
            Layer::File(path) => format!("{}: {key}", line_in(path, key)),
            Layer::Options => format!("--{}", key.replace('_', "-")),
        }
    }

    /// Refuses a setting that no model has.
    fn unknown(self, key: &str, spec: &Spec) -> Error {
        let settings = toml::Table::try_from(Config::defaults(spec)).unwrap_or_default();
        let unset = ["epochs", "steps", "clip_norm", "patience"].map(str::to_owned);
        let mut known: Vec<String> = settings.keys().cloned().chain(unset).collect();
        known.sort_unstable();
        known.dedup();
        let place = match self {
            Layer::File(path) => line_in(path, key),
            Layer::Options => "--set".to_owned(),
        };
        Error::input(place, format_args!("unknown field `{key}`, expected one of {}", known.join(", ")))
    }
}

/// Reads a TOML file; an error names its line and, where there is one, the key.
fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    let text = str::from_utf8(&bytes).map_err(|error| Error::input(path.display(), error))?;
    toml::from_str(text).map_err(|error| {
        let Some(span) = error.span() else { return Error::input(path.display(), error.message()) };
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        // The span of a value of the wrong type starts after its key.
        let key = before[start..].trim().strip_suffix('=').map(|key| format!("{}: ", key.trim_end()));
        let message = error.message().trim_end().replace('\n', ", ");
        Error::input(format_args!("{}:{line}", path.display()), format_args!("{}{message}", key.unwrap_or_default()))
    })
}

#[cfg(test)]
mod tests;
