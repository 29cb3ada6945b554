//! Why a run cannot go on, and what is kept of it.

use super::Trainer;
use crate::{Error, Result, text};

impl Trainer {
    /// An update may overflow after a loss that was finite.
    pub(super) fn check_finite(&self) -> Result<()> {
        let params = &self.network.params;
        match params.iter().find(|param| params.value(param).iter().any(|v| !v.is_finite())) {
            Some(param) => Err(self.stopped(self.step, format!("`{}` is not finite after the update", param.name))),
            None => Ok(()),
        }
    }

    /// Why a run cannot go on after `step`, by what a step failed with.
    pub(super) fn failed(&self, step: u64, error: inkgrad_engine::Error) -> Error {
        match error {
            inkgrad_engine::Error::Device(problem) => {
                let run = self.folder.path().display();
                let resume = match self.folder.state().exists() {
                    true => format!("; the last checkpoint is kept: {} train --resume {run}", text::program()),
                    false => String::new(),
                };
                Error::input(run, format!("step {step}: {}: {problem}{resume}", self.config.device))
            }
            error => self.stopped(step, format!("the loss is not finite: {error}")),
        }
    }

    /// Why a run cannot go on whose next drawings cannot be read. The state is that of the steps before, and is kept.
    pub(super) fn unread(&mut self, error: Error, seconds: f64) -> Error {
        let (next, run) = (self.step + 1, self.folder.path().display().to_string());
        let kept = match self.step > 0 && self.save(seconds).is_ok() {
            true => format!("; step {} is kept: {} train --resume {run}", self.step, text::program()),
            false if self.folder.state().exists() => "; the last checkpoint is kept".to_owned(),
            false => String::new(),
        };
        Error::input(run, format!("step {next}: {error}{kept}"))
    }

    /// Why a run cannot go on after `step`.
    pub(super) fn stopped(&self, step: u64, problem: String) -> Error {
        let kept = if self.folder.state().exists() { "; the last checkpoint is kept" } else { "" };
        Error::input(self.folder.path().display(), format!("step {step}: {problem}{kept}; a smaller --lr may help"))
    }
}
