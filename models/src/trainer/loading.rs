//! The data of a run: loading it, and knowing it again.

use std::path::Path;

use crate::data::{self, Dataset, Drawings, LoadOptions};
use crate::model::Network;
use crate::run::config::Config;
use crate::{Error, Result};

/// Built-in drawings of a `--quick` run.
const QUICK_DRAWINGS: usize = 5_000;

/// Loads the data that a configuration names.
///
/// # Errors
/// Those of [`data::load`].
pub fn load_data(config: &Config) -> Result<Dataset> {
    data::load(&config.data, &options(config))
}

fn options(config: &Config) -> LoadOptions {
    let mut options = LoadOptions {
        test_fraction: config.test_fraction,
        seed: config.seed,
        recognized_only: config.recognized_only,
        resize: config.resize,
        ..LoadOptions::default()
    };
    if config.quick {
        options.builtin_drawings = QUICK_DRAWINGS;
    }
    options
}

/// Refuses a share for validation beside data that holds back drawings itself, or one that is no drawing. The model's default
/// `val_fraction` gives way.
///
/// # Errors
/// [`Error::Input`] for `--val-fraction`.
pub(super) fn check_validation(config: &Config, default: f64, dataset: &Dataset<Drawings>) -> Result<()> {
    let (fraction, own) = (config.val_fraction, dataset.validation);
    if own > 0 && fraction > 0.0 && fraction != default {
        let problem = format!("{fraction}, expected none: {} has {own} drawings to validate on", config.data);
        return Err(Error::input("--val-fraction", problem));
    }
    let count = dataset.train.len();
    if own == 0 && fraction > 0.0 && fraction != default && (count as f64 * fraction).round() == 0.0 {
        let problem = format!("{fraction} of {count} drawings is none, expected one at least");
        return Err(Error::input("--val-fraction", problem));
    }
    Ok(())
}

/// Refuses to teach a network classes of which it is shown no drawing: `held_back` are those that it is not trained on. Of a network
/// that sees no classes a line says so.
///
/// # Errors
/// [`Error::Input`] for the data.
pub(super) fn check_classes(
    config: &Config,
    network: &Network<f32>,
    dataset: &Dataset<Drawings>,
    held_back: &[usize],
) -> Result<Option<String>> {
    let mut counts = vec![0usize; dataset.classes.len()];
    dataset.train.labels.iter().for_each(|label| counts[label] += 1);
    held_back.iter().for_each(|&drawing| counts[dataset.train.labels.at(drawing)] -= 1);
    let names: Vec<String> =
        counts.iter().zip(&dataset.classes).filter(|(n, _)| **n == 0).map(|(_, name)| format!("{name:?}")).collect();
    if names.is_empty() {
        return Ok(None);
    }
    let of = if names.len() == 1 { "of the class" } else { "of the classes" };
    let problem = format!("no drawing {of} {} to train on", names.join(", "));
    if network.sees_classes() || network.encoder_sees_classes() || network.is_classifier() {
        let expected = "expected one at least of each class that is to be learnt";
        return Err(Error::input(&config.data, format!("{problem}, {expected}")));
    }
    Ok(Some(format!("{}: {problem}", config.data)))
}

/// The lines that say that a share for validation or testing is not held back, where the data has drawings of its own for that.
pub(super) fn gives_way(config: &Config, usual_test: f64, dataset: &Dataset<Drawings>) -> Vec<String> {
    let (fraction, own) = (config.val_fraction, dataset.validation);
    let validation = (own > 0 && fraction > 0.0).then(|| {
        format!("--val-fraction {fraction} gives way to the {own} drawings that {} has to validate on", config.data)
    });
    let (fraction, own) = (config.test_fraction, dataset.test.len());
    let test = (dataset.origin.has_own_test() && fraction != usual_test).then(|| {
        format!("--test-fraction {fraction} gives way to the {own} drawings that {} has to test on", config.data)
    });
    validation.into_iter().chain(test).collect()
}

/// Writes down what a configuration's data is, so that it is found and known again. Drawings that it holds back for validation take
/// the place of a share.
pub fn note_data(config: &mut Config, dataset: &Dataset) {
    note(config, dataset.fingerprint(), dataset.validation);
}

/// The same of the data's fingerprint and the number of drawings that it holds back.
pub(super) fn note(config: &mut Config, fingerprint: String, validation: usize) {
    config.data_sha256 = Some(fingerprint);
    config.own_validation = validation;
    if validation > 0 {
        config.val_fraction = 0.0;
    }
    // Of a run that is trained again, the folder that it knew.
    if config.data != "builtin" && !config.data_path.as_ref().is_some_and(|path| Path::new(path).exists()) {
        config.data_path = Path::new(&config.data).canonicalize().ok().and_then(|path| Some(path.to_str()?.to_owned()));
    }
}

/// Loads the data that a run was trained on, wherever it is called from. With `changed` other contents are meant.
///
/// # Errors
/// Those of [`data::load`]; if the contents are not those that the run began with, unless that is meant.
pub fn load_run_data(config: &Config, changed: bool) -> Result<Dataset> {
    open(config, changed, None, false, &mut |_, _| {})?.0.into_memory()
}

/// The same to train on: pictures that memory has no room for stay in their files. Gives the data's fingerprint too; `watch` is told
/// how many drawings it has seen, and of how many.
///
/// # Errors
/// As [`load_run_data`].
pub(super) fn open_run_data(
    config: &Config,
    changed: bool,
    watch: &mut dyn FnMut(usize, usize),
) -> Result<(Dataset<Drawings>, String)> {
    open(config, changed, Some(config.data_memory), true, watch)
        .map(|(dataset, found)| (dataset, found.unwrap_or_default()))
}

/// Opens a run's data where `memory` has room for it, with its fingerprint where that is `wanted` or compared.
pub(super) fn open(
    config: &Config,
    changed: bool,
    memory: Option<f64>,
    wanted: bool,
    watch: &mut dyn FnMut(usize, usize),
) -> Result<(Dataset<Drawings>, Option<String>)> {
    let data = match &config.data_path {
        Some(path) if Path::new(path).exists() => path,
        Some(path) if !Path::new(&config.data).exists() => {
            let problem =
                "no such folder: the run's drawings were there, expected them, or --data with their new place";
            return Err(Error::input(path, problem));
        }
        _ => &config.data,
    };
    let dataset = data::open(data, &LoadOptions { memory, ..options(config) })?;
    let expected = config.data_sha256.as_ref().filter(|_| !changed);
    if expected.is_some() && !config.classes.is_empty() && dataset.classes != config.classes {
        let (found_classes, expected) = (dataset.classes.join(", "), config.classes.join(", "));
        return Err(Error::input(data, format!("holds the classes {found_classes}, expected {expected}")));
    }
    let found = (wanted || expected.is_some()).then(|| dataset.fingerprint_watched(watch)).transpose()?;
    match (expected, &found) {
        (Some(expected), Some(found)) if expected != found => {
            let (train, test) = (dataset.train.len(), dataset.test.len());
            let problem = format!(
                "holds other drawings than this run began with ({train} to train on and {test} to test on, SHA-256 \
                 {found:.12}…), expected those of SHA-256 {expected:.12}…; train, evaluate and report take \
                 --data-changed where they are meant"
            );
            Err(Error::input(data, problem))
        }
        _ => Ok((dataset, found)),
    }
}
