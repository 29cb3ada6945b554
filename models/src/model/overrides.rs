//! Settings of one layer laid over those of another.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::config::{Change, Config, Overrides};
use super::resolve::read_toml;
use crate::error::Result;

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
        if overrides.epochs.is_some() || overrides.steps.is_some() {
            (self.epochs, self.steps) = (None, None);
        }
        if overrides.data.is_some() {
            // Of the folder that this one takes the place of.
            self.data_path = None;
        }
        self.take(overrides);
        self.options.extend(overrides.options.iter().map(|(name, value)| (name.clone(), value.clone())));
    }

    /// Every setting that is set, by its name in `config.toml`.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let text = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.known().iter().map(|(name, value)| (name.clone(), text(value))).collect()
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
