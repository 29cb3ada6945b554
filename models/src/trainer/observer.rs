//! How a run tells of itself.

use super::Trainer;
use crate::run::records::Record;

/// Who watches a run and may stop it; `()` does neither.
pub trait Observer {
    /// Called before the first step where several ranks have devices that can send each other memory, or should: how gradients go from
    /// one to the other.
    fn link(&mut self, _how: &str) {}
    /// Called after every step on the processor; on a device, whenever its steps were waited for.
    fn step(&mut self, _progress: &Progress) {}
    /// Called for every record that goes into `metrics.jsonl`.
    fn record(&mut self, _record: &Record) {}
    /// Called between two steps with the run, whenever its network is here as the last step left it, with that step's gradients: after
    /// every step on the processor; on a device after records, without gradients.
    fn look(&mut self, _trainer: &Trainer) {}
    /// Asked after every step: whether to stop there.
    fn stop(&self) -> bool {
        false
    }
}

impl Observer for () {}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Steps taken.
    pub step: u64,
    /// Steps of the whole run.
    pub total: u64,
    /// Passes over the training set, with the fraction of the one under way.
    pub epoch: f64,
    /// Mean loss since the epoch (or the logging interval) began.
    pub loss: f64,
    /// Drawings of the steps since the last time.
    pub drawings: usize,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All steps were taken.
    Finished,
    /// The observer stopped it; it can be resumed.
    Stopped,
    /// The validation loss did not improve for as long as the configuration allows.
    Converged,
}
