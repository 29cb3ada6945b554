//! Whether best and averaged weights are those that the run kept: its state tells. Files of these names from elsewhere are not
//! believed; the last weights are whatever `model.safetensors` holds.

use std::path::Path;

use inkgrad_kernels::cpu::bytes::little_endian;
use sha2::{Digest, Sha256};

use super::opened::Which;
use crate::digest::hexadecimal;
use crate::model::Network;
use crate::run::checkpoint::{self, Tensors};
use crate::run::config::Config;
use crate::run::folder::RunFolder;
use crate::{Error, Result};

/// The key of the best weights' digest in a state.
pub(super) const BEST_SHA256: &str = "best_sha256";

/// The digest of a network's parameters, in their order.
pub(super) fn digest(network: &Network<f32>) -> String {
    digest_of(network.list().iter().map(|param| network.params.value(param)))
}

fn digest_of<'a>(parameters: impl Iterator<Item = &'a [f32]>) -> String {
    let mut digest = Sha256::new();
    parameters.flat_map(little_endian).for_each(|bytes| digest.update(bytes));
    hexadecimal(digest)
}

/// The weights that a run keeps beside its last ones, as its settings and its state say.
pub(super) struct Kept {
    state: Option<Tensors>,
    validated: bool,
    averaged: bool,
}

impl Kept {
    /// Reads the state; weights without one are those of a run that has just begun, was imported, or was passed on without it.
    pub(super) fn of(folder: &RunFolder, config: &Config) -> Result<Self> {
        let looked_at = folder.best().exists() || folder.ema().exists();
        let state = match looked_at && folder.state().exists() {
            true => Some(checkpoint::load_tensors(folder.state())?),
            false => None,
        };
        Ok(Kept { state, validated: config.validates(), averaged: config.ema.is_some() })
    }

    /// Whether the run has kept its best weights.
    pub(super) fn best(&self) -> bool {
        let kept = self.state.as_ref().is_none_or(|state| state.metadata("best_step").is_some());
        self.validated && kept
    }

    /// Whether the run has kept the average of its weights.
    pub(super) fn average(&self) -> bool {
        self.averaged
    }

    /// Gives the weights that the run kept under this name, which are in `found`, the tensors of `path`, or, where the run was
    /// stopped between its state and them, in the state alone.
    ///
    /// # Errors
    /// If those in the file are others.
    pub(super) fn check(&self, which: Which, found: Tensors, path: &Path, network: &Network<f32>) -> Result<Tensors> {
        let Some(state) = self.state.as_ref().filter(|_| which != Which::Last) else { return Ok(found) };
        let now: u64 = state.parse("step")?;
        let (kept_at, prefix) = match which {
            Which::Ema => (now, "average."),
            _ => (state.parse("best_step")?, "param."),
        };
        let of_step: Option<u64> = found.metadata("step").map(|_| found.parse("step")).transpose()?;
        let list = network.list();
        let same = match kept_at == now {
            true => list.iter().all(|param| {
                let kept = state.get(&format!("{prefix}{}", param.name));
                kept.is_ok_and(|kept| found.get(&param.name).is_ok_and(|found| found.values == kept.values))
            }),
            false => {
                let values = list.iter().filter_map(|param| Some(&found.get(&param.name).ok()?.values[..]));
                // Runs of earlier versions tell the step alone.
                state.metadata(BEST_SHA256).is_none_or(|expected| expected == digest_of(values))
            }
        };
        match of_step {
            Some(step) if step == kept_at && same => Ok(found),
            Some(step) if step < kept_at && kept_at == now => Ok(state.part(prefix, &["model", "step"])),
            _ => {
                let step = of_step.map_or("of no step".to_owned(), |step| format!("of step {step}"));
                let problem = format!(
                    "holds weights {step} that are none of this run's, expected those that it kept at step {kept_at}"
                );
                Err(Error::input(path.display(), problem))
            }
        }
    }
}
