//! The commands, one file each: parse, validate once, run.

mod bench;
mod train;

use std::process::ExitCode;

use clap::Subcommand;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model, or go on with a run
    Train(train::Train),
    /// Measure the time of training steps
    Bench(bench::Bench),
}

impl Command {
    /// Runs the command; `json` asks for the result as a JSON object.
    ///
    /// # Errors
    /// Bad input, and whatever the system refuses.
    pub fn run(self, json: bool) -> anyhow::Result<ExitCode> {
        match self {
            Self::Train(command) => command.run(json),
            Self::Bench(command) => command.run(json),
        }
    }
}
