//! `inkgrad`: trains autoencoders of drawings on an engine written from scratch, and examines them.
//!
//! Exit status: 0 done, 1 a check failed, 2 bad usage or bad input, 130 interrupted.

mod args;
mod commands;
mod interrupt;
mod output;
mod progress;
mod report;
mod session;
mod study;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::commands::Command;

/// Trains autoencoders of 28×28 drawings on an engine written from scratch, and examines them.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print the result as one JSON object
    #[arg(long, global = true, display_order = 1000)]
    json: bool,
}

const EXAMPLES: &str = "\
Models:
  lstm-ae     autoencoder of two LSTMs over the rows of a drawing
  cnn-ae      convolutional autoencoder
  rnn-vae     variational autoencoder with a bidirectional GRU as its encoder
  cnn-vae     convolutional variational autoencoder
  cvae        cnn-vae that is told the class
  classifier  tells the classes apart

Examples:
  inkgrad train cnn-vae --quick --out runs/first       a short run on drawings that the program makes itself
  inkgrad sample --run runs/first --n 64 --out s.npy --png s.png
  inkgrad train cnn-vae --data FOLDER --epochs 10 --out runs/vae
  inkgrad train --resume runs/vae --epochs 20          ten epochs more
  inkgrad gradcheck                                    analytic against numeric gradients";

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match cli.command.run(cli.json) {
        Ok(status) => status,
        // Nobody reads the rest.
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

/// Help, version, or what is wrong with the command line. A wrong value is one line; the rest has clap's hints.
fn usage(error: &clap::Error) -> ExitCode {
    if error.kind() == ErrorKind::ValueValidation {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        return fail(line.strip_prefix("error: ").unwrap_or(line));
    }
    // Where standard output or error is closed, there is nowhere to say so.
    let _ = error.print();
    if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

fn fail(message: &str) -> ExitCode {
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    output::note(format_args!("error: {}", lines.join("; ")));
    ExitCode::from(2)
}
