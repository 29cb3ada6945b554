//! The data of a run: loading it, and knowing it again.

use std::path::Path;

use crate::data::{self, Dataset, LoadOptions};
use crate::run::config::Config;
use crate::{Error, Result};

/// Built-in drawings of a `--quick` run.
const QUICK_DRAWINGS: usize = 5_000;

/// Loads the data that a configuration names.
///
/// # Errors
/// Those of [`data::load`].
pub fn load_data(config: &Config) -> Result<Dataset> {
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
    data::load(&config.data, &options)
}

/// Refuses a share for validation beside data that holds back drawings itself. The model's default `val_fraction` gives way.
///
/// # Errors
/// [`Error::Input`] for `--val-fraction`.
pub(super) fn check_validation(config: &Config, default: f64, dataset: &Dataset) -> Result<()> {
    let (fraction, own) = (config.val_fraction, dataset.validation);
    if own > 0 && fraction > 0.0 && fraction != default {
        let problem = format!("{fraction}, expected none: {} has {own} drawings to validate on", config.data);
        return Err(Error::input("--val-fraction", problem));
    }
    Ok(())
}

/// Writes down what a configuration's data is, so that it is found and known again. Drawings that it holds back for validation take
/// the place of a share.
pub fn note_data(config: &mut Config, dataset: &Dataset) {
    config.data_sha256 = Some(dataset.fingerprint());
    config.own_validation = dataset.validation;
    if dataset.validation > 0 {
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
    let moved = config.data_path.as_ref().filter(|path| Path::new(path).exists());
    let found = Config { data: moved.unwrap_or(&config.data).clone(), ..config.clone() };
    let dataset = load_data(&found)?;
    let Some(expected) = config.data_sha256.as_ref().filter(|_| !changed) else { return Ok(dataset) };
    if dataset.classes != config.classes {
        let (found_classes, expected) = (dataset.classes.join(", "), config.classes.join(", "));
        return Err(Error::input(&found.data, format!("holds the classes {found_classes}, expected {expected}")));
    }
    let fingerprint = dataset.fingerprint();
    if fingerprint == *expected {
        return Ok(dataset);
    }
    let (train, test) = (dataset.train.len(), dataset.test.len());
    let problem = format!(
        "holds other drawings than this run began with ({train} to train on and {test} to test on, SHA-256 {:.12}…), expected \
         those of SHA-256 {expected:.12}…; --data-changed if they are meant",
        fingerprint
    );
    Err(Error::input(&found.data, problem))
}
