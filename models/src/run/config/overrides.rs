use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::{Change, Config, Device, Optimizer, Precision, Schedule, read_toml};
use crate::data::Extents;
use crate::error::Result;
use crate::model::Value;

/// Settings to change: a `--config` file's or the command line's; `None` leaves a setting as it is.
/// The fields are those of [`Config`]. A run's own `config.toml` can be read as one.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "each is documented in `Config`")]
pub struct Overrides {
    /// Read past; a run keeps the format it is written in.
    pub format: Option<u32>,
    /// Read past, as `format`.
    pub inkgrad: Option<String>,
    /// Compared by [`Config::resolve`], never changed.
    pub model: Option<String>,
    /// Read past; the data has its own.
    pub classes: Option<Vec<String>>,
    /// Read past; a new run has none.
    pub changes: Option<Vec<Change>>,
    /// Read past, as `classes`.
    pub image: Option<Extents>,
    #[serde(flatten)]
    pub options: BTreeMap<String, Value>,
    pub data: Option<String>,
    /// Read past, as `classes`.
    pub data_path: Option<String>,
    /// Read past, as `classes`.
    pub data_sha256: Option<String>,
    /// Read past; a new run is told by its own options.
    pub init: Option<String>,
    /// Read past, as `init`.
    pub init_sha256: Option<String>,
    /// Read past, as `init`.
    pub init_partial: Option<bool>,
    pub recognized_only: Option<bool>,
    /// Whether other contents of the data are meant; never in a file.
    #[serde(skip)]
    pub data_changed: bool,
    pub test_fraction: Option<f64>,
    pub epochs: Option<u64>,
    pub steps: Option<u64>,
    pub batch_size: Option<usize>,
    pub optimizer: Option<Optimizer>,
    pub momentum: Option<f64>,
    pub lr: Option<f64>,
    pub schedule: Option<Schedule>,
    pub warmup_steps: Option<u64>,
    pub clip_norm: Option<f64>,
    pub seed: Option<u64>,
    pub threads: Option<usize>,
    pub device: Option<Device>,
    pub precision: Option<Precision>,
    pub val_fraction: Option<f64>,
    pub log_every: Option<u64>,
    pub patience: Option<u64>,
    pub checkpoint_minutes: Option<f64>,
    pub quick: Option<bool>,
}

impl Overrides {
    /// Reads a `--config` file.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where it cannot be read; [`Error::Input`](crate::Error::Input) with the line
    /// of a key that is unknown or whose value has the wrong type.
    pub fn read(path: &Path) -> Result<Self> {
        read_toml(path)
    }
}

/// The line on which the file at `path` sets `key`, as a place for errors.
pub(super) fn line_in(path: &Path, key: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let sets = |line: &str| line.split_once('=').is_some_and(|(name, _)| name.trim().trim_matches('"') == key);
    match text.lines().position(sets) {
        Some(index) => format!("{}:{}", path.display(), index + 1),
        None => path.display().to_string(),
    }
}

impl Config {
    /// Whether `name` is a setting that every run has, whatever its model.
    pub fn has_setting(name: &str) -> bool {
        let table = toml::Table::from_iter([(name.to_owned(), toml::Value::Integer(0))]);
        // A setting of a model's own ends among the options; one of another type is refused.
        !table.try_into::<Overrides>().is_ok_and(|read| read.options.contains_key(name))
    }

    /// Changes the settings that `overrides` gives. One of `epochs` and `steps` takes the place of the other.
    pub fn apply(&mut self, overrides: &Overrides) {
        let Overrides {
            format: _,
            inkgrad: _,
            model: _,
            classes: _,
            changes: _,
            image: _,
            data_path: _,
            data_sha256: _,
            init: _,
            init_sha256: _,
            init_partial: _,
            data_changed: _,
            options,
            epochs,
            steps,
            ..
        } = overrides;
        if epochs.is_some() || steps.is_some() {
            (self.epochs, self.steps) = (*epochs, *steps);
        }

        if overrides.data.is_some() {
            // Of the folder that this one takes the place of.
            self.data_path = None;
        }
        macro_rules! set {
            ($($field:ident),*) => { $(if let Some(value) = &overrides.$field { self.$field = value.clone(); })* };
        }
        macro_rules! set_optional {
            ($($field:ident),*) => { $(if overrides.$field.is_some() { self.$field = overrides.$field; })* };
        }
        set!(data, test_fraction, batch_size, optimizer, momentum, lr, schedule, warmup_steps, seed, threads);
        set!(device, precision, val_fraction, log_every, checkpoint_minutes, quick, recognized_only);
        set_optional!(clip_norm, patience);
        self.options.extend(options.iter().map(|(name, value)| (name.clone(), value.clone())));
    }

    /// Every setting that is set, by its name in `config.toml`.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let text = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let table = toml::Table::try_from(self).unwrap_or_default();
        table.iter().map(|(name, value)| (name.clone(), text(value))).collect()
    }

    /// Adds to `changes` the settings that differ from those that the run had `before`, up to `step`.
    pub fn record_changes(&mut self, before: &Self, step: u64) {
        let [old, new] = [before, &*self].map(|config| toml::Table::try_from(config).unwrap_or_default());
        let keys: BTreeSet<&String> = old.keys().chain(new.keys()).filter(|key| *key != "changes").collect();
        let show = |value: Option<&toml::Value>| value.map(toml::Value::to_string).unwrap_or_default();
        let changed = keys.into_iter().filter(|key| old.get(*key) != new.get(*key));
        self.changes.extend(changed.map(|key| Change {
            step,
            setting: key.clone(),
            from: show(old.get(key)),
            to: show(new.get(key)),
        }));
    }
}
