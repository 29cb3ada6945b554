//! Runs that start from weights that exist: another run's, or a file's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use inkgrad_engine::device::plan::DevicePlan;
use inkgrad_engine::device::state::State;
use inkgrad_engine::inspect::Role;
use inkgrad_engine::optim::Accumulator;
use inkgrad_engine::{Compile, Tape};
use inkgrad_kernels::launch;

use super::import::hint;
use super::opened::{Opened, Which};
use super::state::fill;
use crate::features::sha256;
use crate::model::{Models, Network};
use crate::ranks::Ranks;
use crate::run::config::{Config, DeviceKind};
use crate::weights::{self, Loaded};
use crate::{Error, Result, memory};

/// The file of weights at `place`, a run or a file, and the configuration of a run.
///
/// # Errors
/// Those of [`Opened::open`]; if a run's weights are chosen among and `place` is a file.
pub fn find(models: &Models, place: &Path, which: Option<Which>) -> Result<(PathBuf, Option<Config>)> {
    if place.is_dir() {
        let Opened { file, config, .. } = Opened::open(models, place, which)?;
        return Ok((file, Some(config)));
    }
    match which {
        Some(which) => {
            let problem = format!("{which} of {}, which is a file; expected a run", place.display());
            Err(Error::input("--weights", problem))
        }
        None => Ok((place.to_owned(), None)),
    }
}

/// Freezes the parameters that a configuration wants left as they are.
///
/// # Errors
/// If a beginning fits no parameter's name, or nothing is left that the loss depends on.
pub(super) fn freeze(config: &Config, network: &mut Network<f32>) -> Result<()> {
    for prefix in &config.freeze.0 {
        if network.params.freeze(prefix).is_err() {
            let names: Vec<&str> = network.params.iter().map(|param| param.name.as_str()).collect();
            let problem = format!("no parameter's name begins with `{prefix}`, expected one of {}", names.join(", "));
            return Err(Error::input("--freeze", problem));
        }
    }
    if !config.freeze.is_empty() {
        let mut tape = Tape::new();
        network.step(&mut tape, 1)?;
        let trained = |role: &Role| matches!(role, Role::Param(param) if !network.params.is_frozen(param));
        if !tape.tensors().any(|x| trained(&tape.node(x).role)) {
            let problem = format!("{} leaves no parameter to train, expected at least one", config.freeze);
            return Err(Error::input("--freeze", problem));
        }
    }
    Ok(())
}

/// Checks that a training step can be had on this machine: the optimiser's moments beside the parameters that there are, sums of
/// gradients, an average, and the values and gradients of a batch, or of the part that is computed at a time.
///
/// # Errors
/// One line with the need and what is free.
pub(super) fn check_memory(config: &Config, network: &Network<f32>) -> Result<()> {
    if config.device == DeviceKind::Cuda {
        // It says itself what it lacks.
        return Ok(());
    }
    let mut tape = Tape::new();
    let graph = network.step(&mut tape, config.batch_size.div_ceil(config.accumulate))?;
    let options = Compile { loss: Some(graph.loss.tensor), keep: &graph.kept(), ..Compile::default() };
    let parameters = network.params.count();
    let buffers = 2 + Accumulator::<f32>::buffers(config.accumulate) + usize::from(config.ema.is_some());
    let bytes = (buffers * size_of::<f32>() * parameters).saturating_add(tape.compile(options).arena_bytes());
    let step = format_args!("{} ({parameters} parameters) in batches of {}", config.model, config.batch_size);
    memory::check(bytes as u64, step)
}

/// Opens the device of a configuration, where it has one, and checks that a training step, or the part of it that is computed at a
/// time, can be computed there: that every layer fits its blocks, and that memory is enough.
///
/// # Errors
/// If the device cannot be used, or a step does not fit it.
pub(super) fn check_device(
    config: &Config,
    network: &Network<f32>,
    ranks: &dyn Ranks,
) -> Result<Option<Box<dyn launch::Device>>> {
    let unusable = |error: inkgrad_engine::Error| Error::input("--device", format!("{}: {error}", config.device));
    let precision = config.precision.kind();
    let opened = config.device.kind().open_one_of(ranks.local(), precision);
    let Some(mut device) = opened.map_err(|error| unusable(error.into()))? else { return Ok(None) };
    let mut tape = Tape::new();
    let graph = network.step(&mut tape, config.batch_size.div_ceil(config.accumulate))?;
    let (optimizer, _) = super::optimizer(config, 1, network.params.count(), 0..network.params.count());
    let fits = || -> inkgrad_engine::Result<()> {
        let state = State::new(&mut *device, &network.params, &optimizer)?.with_precision(precision);
        let options = Compile { loss: Some(graph.loss.tensor), keep: &graph.kept(), ..Compile::default() };
        DevicePlan::new(tape, options, &network.params, &state, &mut *device)?.free(&mut *device)?;
        Ok(state.free(&mut *device)?)
    };
    fits().map_err(unusable)?;
    Ok(Some(device))
}

/// Writes into `config` that its run starts from the weights in `file`; those that don't fit are refused, or left out where
/// `partial` says so.
///
/// # Errors
/// If the file cannot be read.
pub fn start_from(config: &mut Config, file: &Path, partial: bool) -> Result<()> {
    let absolute = file.canonicalize().map_err(Error::io(file))?;
    config.init = Some(absolute.to_string_lossy().into_owned());
    config.init_sha256 = Some(sha256(file)?);
    config.init_partial = partial;
    Ok(())
}

/// Gives a network that has been initialised the weights that its run starts from, where there are some. Gives what a
/// person should know: which weights did not fit and were left out.
///
/// # Errors
/// If the file is no longer the one that the run began with, or names and shapes do not fit; with `init_partial`, if none do.
pub(super) fn apply(models: &Models, config: &Config, network: &mut Network<f32>) -> Result<Vec<String>> {
    let Some(file) = config.init.as_ref().map(Path::new) else { return Ok(Vec::new()) };
    let found = sha256(file)?;
    if let Some(expected) = config.init_sha256.as_ref().filter(|&expected| *expected != found) {
        let problem = format!("other weights (SHA-256 {found:.12}…) than the run began with, expected {expected:.12}…");
        return Err(Error::input(file.display(), problem));
    }
    let Loaded { tensors, mut notes } = weights::load(file, None)?;
    let layout = network.layout();
    if !config.init_partial {
        let hint = hint(models, config, &layout, &tensors);
        fill(network, tensors).map_err(|error| match error {
            Error::Input { place, problem } => {
                let hint = hint.map_or(String::new(), |hint| format!(" ({hint})"));
                Error::Input { place, problem: format!("{problem}{hint}; --strict no takes those that fit") }
            }
            error => error,
        })?;
        return Ok(notes);
    }
    let mut left_out = Vec::new();
    for (param, (name, shape)) in network.list().iter().zip(&layout) {
        match tensors.get(name) {
            Ok(found) if found.shape != *shape => left_out.push(format!("{name} is {:?}, not {shape:?}", found.shape)),
            Ok(found) if found.values.iter().any(|value| !value.is_finite()) => {
                left_out.push(format!("{name} is not finite"));
            }
            Ok(found) => network.params.value_mut(param).copy_from_slice(&found.values),
            Err(_) => left_out.push(format!("{name} is not there")),
        }
    }
    if left_out.len() == layout.len() {
        let problem = format!("none of its tensors fits {}, expected at least one", config.model);
        return Err(Error::input(file.display(), problem));
    }
    let known: BTreeSet<&str> = layout.iter().map(|(name, _)| name.as_str()).collect();
    let unknown = tensors.iter().filter(|(name, _)| !known.contains(name));
    left_out.extend(unknown.map(|(name, _)| format!("{name} has no place in {}", config.model)));
    if !left_out.is_empty() {
        notes.push(format!("left out what does not fit: {}", left_out.join(", ")));
    }
    Ok(notes)
}
