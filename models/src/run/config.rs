//! `config.toml`: every setting of a run, resolved, and the partial forms that lead to one.
//!
//! Later layers win: a model's [defaults](Config::defaults), a `--config` file, the command line.

mod choice;
mod overrides;

use std::fs;
use std::io::Write;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(crate) use self::choice::choice;
pub use self::choice::{Arch, Condition, Device, Model, Optimizer, Precision, Schedule};
pub use self::overrides::Overrides;
use super::atomic;
use crate::error::{Error, Result};

/// The newest layout of a run folder that this version reads, and the one that it writes.
pub const FORMAT: u32 = 1;

/// More threads than this are taken for a mistake.
pub const MOST_THREADS: usize = 1024;

/// Every setting of a run. [`Config::resolve`] gives one that is valid; [`Config::validate`] says what that means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Layout of the run folder, [`FORMAT`].
    pub format: u32,
    /// The version of inkgrad that wrote it.
    pub inkgrad: String,
    /// What is trained.
    pub model: Model,
    /// The classifier's architecture; `None` for other models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<Arch>,
    /// Where the cvae's class goes in; `None` for other models.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// `builtin` or a folder.
    pub data: String,
    /// The names of the classes, in the order of their labels; known once the data is read.
    pub classes: Vec<String>,
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
    /// The weight of the KL term in a VAE's loss.
    pub beta: f64,
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
    pub fn defaults(model: Model) -> Self {
        let (epochs, steps) = match model {
            Model::LstmAe => (None, Some(10_000)),
            Model::CnnAe => (None, Some(1_000)),
            Model::RnnVae | Model::CnnVae | Model::Cvae => (Some(50), None),
            Model::Classifier => (Some(10), None),
        };
        let autoencoder = matches!(model, Model::LstmAe | Model::CnnAe);
        Self {
            format: FORMAT,
            inkgrad: env!("CARGO_PKG_VERSION").to_owned(),
            model,
            arch: (model == Model::Classifier).then_some(Arch::Mlp),
            condition: (model == Model::Cvae).then_some(Condition::Latent),
            data: "builtin".to_owned(),
            classes: Vec::new(),
            test_fraction: 0.2,
            epochs,
            steps,
            batch_size: if autoencoder { 256 } else { 128 },
            optimizer: Optimizer::Adam,
            momentum: 0.9,
            lr: 1e-3,
            schedule: Schedule::Constant,
            warmup_steps: 0,
            clip_norm: None,
            beta: 1.0,
            seed: 42,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            device: Device::Cpu,
            precision: Precision::Fp32,
            val_fraction: if autoencoder { 0.1 } else { 0.0 },
            log_every: 100,
            patience: None,
            checkpoint_minutes: 5.0,
            quick: false,
            changes: Vec::new(),
        }
    }

    /// Makes these the settings of a short run, of some ten seconds on two cores.
    fn shorten(&mut self) {
        self.quick = true;
        (self.epochs, self.steps) = match self.model {
            Model::LstmAe | Model::CnnAe => (None, Some(100)),
            Model::RnnVae | Model::CnnVae | Model::Cvae => (Some(4), None),
            Model::Classifier => (Some(5), None),
        };
        self.log_every = 10;
    }

    /// A model's defaults under a `--config` file under the command line's `options`, all checked.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::Input`] naming the file's line or key, or the option.
    pub fn resolve(model: Model, file: Option<&Path>, options: &Overrides) -> Result<Self> {
        let file = file.map(|path| Overrides::read(path).map(|overrides| (path, overrides))).transpose()?;
        let mut config = Self::defaults(model);
        if options.quick.or(file.as_ref().and_then(|(_, overrides)| overrides.quick)).unwrap_or(false) {
            config.shorten();
        }
        if let Some((path, overrides)) = file {
            if let Some(other) = overrides.model.filter(|&other| other != model) {
                return Err(Error::input(path.display(), format_args!("model is {other}, expected {model}")));
            }
            config.apply(&overrides);
            config.check(|key| format!("{}: {key}", path.display()))?;
        }
        config.apply(options);
        config.validate()?;
        Ok(config)
    }

    /// Reads a run's `config.toml`.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::Input`] naming the file and the line or key that is
    /// wrong, or saying that a newer inkgrad wrote it.
    pub fn load(path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = read_toml(path)?;
        if format > FORMAT {
            let problem = format_args!("format {format}, written by a newer inkgrad; this one reads {FORMAT}");
            return Err(Error::input(path.display(), problem));
        }
        let config: Self = read_toml(path)?;
        config.check(|key| format!("{}: {key}", path.display()))?;
        Ok(config)
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
    pub fn validate(&self) -> Result<()> {
        self.check(|key| format!("--{}", key.replace('_', "-")))?;
        match self.patience {
            Some(patience) if self.val_fraction == 0.0 => Err(Error::input(
                "--patience",
                format_args!("{patience} without validation, expected a --val-fraction"),
            )),
            _ => Ok(()),
        }
    }

    /// Checks each setting by itself, so that a layer that others may complete can be checked too; `place` says
    /// where a key was set.
    fn check(&self, place: impl Fn(&str) -> String) -> Result<()> {
        let fail = |key: &str, problem: String| Err(Error::input(place(key), problem));
        let number = |key: &str, value: f64, good: bool, expected: &str| match good && value.is_finite() {
            true => Ok(()),
            false => fail(key, format!("{value}, expected {expected}")),
        };
        let at_least_1 = |key: &str, value: u64| match value {
            0 => fail(key, "0, expected at least 1".into()),
            _ => Ok(()),
        };

        if self.arch.is_some() != (self.model == Model::Classifier) {
            return fail("arch", only_for(self.arch, self.model, Model::Classifier));
        }
        if self.condition.is_some() != (self.model == Model::Cvae) {
            return fail("condition", only_for(self.condition, self.model, Model::Cvae));
        }
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
        number("beta", self.beta, self.beta >= 0.0, "a number of at least 0")?;
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

fn only_for<T: std::fmt::Display>(value: Option<T>, model: Model, owner: Model) -> String {
    match value {
        Some(value) => format!("{value} for {model}, expected only for {owner}"),
        None => format!("missing for {owner}"),
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
