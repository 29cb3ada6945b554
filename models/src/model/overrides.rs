//! Settings of one layer laid over those of another.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::config::{Change, Config, Overrides};
use super::resolve::read_toml;
use crate::error::{Error, Result};

impl Overrides {
    /// Reads a `--config` file.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::Input`] with the line
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

    /// The settings that a run keeps from its start to its end, those of its model too, a line each: `name = value`.
    pub fn kept(&self) -> String {
        let kept = |name: &str| {
            self.options.contains_key(name) || Self::SETTINGS.iter().any(|s| s.name == name && s.rule.kept)
        };
        let lines = self.settings().into_iter().filter(|(name, _)| kept(name));
        lines.map(|(name, value)| format!("{name} = {value}\n")).collect()
    }

    /// Refuses settings that differ from those that the run, whose [`kept`](Self::kept) settings are given, began with: where a
    /// share for validation or the seed changed, drawings that were trained on would be validated on.
    ///
    /// # Errors
    /// [`Error::Input`] with the first of them, and `place`.
    pub fn check_kept(&self, began_with: &str, place: &Path) -> Result<()> {
        let pairs = |text: &str| -> BTreeMap<String, String> {
            let pairs = text.lines().filter_map(|line| line.split_once(" = "));
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let (before, now) = (pairs(began_with), pairs(&self.kept()));
        let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        let Some(name) = names.into_iter().find(|name| before.get(*name) != now.get(*name)) else { return Ok(()) };
        let show = |value: Option<&String>| value.cloned().unwrap_or_else(|| "unset".to_owned());
        let problem = format_args!(
            "{name} is {}, expected {}: a run keeps it from its start to its end",
            show(now.get(name)),
            show(before.get(name))
        );
        Err(Error::input(place.display(), problem))
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
