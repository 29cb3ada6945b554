//! The commands of `inkgrad`: it trains autoencoders of drawings on an engine written from scratch, and examines them.
//!
//! A program with models of its own is this one with a longer table:
//!
//! ```no_run
//! use inkgrad_models::Models;
//!
//! fn main() -> std::process::ExitCode {
//!     inkgrad::main(&Models::builtin()) // .with::<YourModel>()
//! }
//! ```
//!
//! Exit status: 0 done, 1 a check failed, 2 bad usage or bad input, 130 interrupted.

mod args;
mod commands;
mod distributed;
mod explain;
mod heartbeat;
mod help;
mod inline;
mod interrupt;
mod judge;
mod limits;
mod output;
mod page;
mod progress;
mod report;
mod sampler;
mod series;
mod session;
mod settings;
mod stepper;
mod study;
mod target;
mod terminal;
mod tui;

use std::env;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::error::ErrorKind as Usage;
use clap::{ArgMatches, FromArgMatches, Parser};
use inkgrad_kernels::cpu::simd;
use inkgrad_models::{Error, Models, text};

use crate::commands::Command;
pub use crate::limits::Allocator;

/// Trains autoencoders of drawings on an engine written from scratch, and examines them.
#[derive(Debug, Parser)]
#[command(version, name = "inkgrad")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print the result as one JSON object
    #[arg(long, global = true, display_order = 1000)]
    json: bool,
}

/// Runs the command that the program was started with; `models` are those that it knows.
pub fn main(models: &Models) -> ExitCode {
    limits::heed();
    limits::on_enough_stack(|| begin(models))
}

fn begin(models: &Models) -> ExitCode {
    let words: Vec<OsString> = env::args_os().collect();
    if words.len() <= 1 {
        return printed(help::greet());
    }
    distributed::hush_before_start(words.iter());
    let mut command = help::command(models, help::focus(models, &words).as_ref());
    let parsed = command.try_get_matches_from_mut(words).and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches)?;
        Ok((cli, matches))
    });
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return usage(&error),
    };
    if let Err(problem) = check_isa() {
        return fail(&problem);
    }
    heartbeat::start(matches.subcommand_name().unwrap_or_default());
    match cli.command.run(models, cli.json) {
        Ok(status) => status,
        // Nobody reads the rest.
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => fail(&as_typed(error, &command, &matches)),
    }
}

/// An error's line, with its place as it was typed.
fn as_typed(error: anyhow::Error, command: &clap::Command, matches: &ArgMatches) -> String {
    let (mut command, mut matches) = (command, matches);
    while let Some((name, below)) = matches.subcommand()
        && let Some(found) = command.find_subcommand(name)
    {
        (command, matches) = (found, below);
    }
    match error.downcast::<Error>() {
        Ok(error) => settings::as_typed(error, command, matches).to_string(),
        Err(error) => error.to_string(),
    }
}

/// Refuses an `INKGRAD_ISA` that would not be heeded.
fn check_isa() -> Result<(), String> {
    let Some(asked) = env::var_os("INKGRAD_ISA").filter(|asked| !asked.is_empty()) else { return Ok(()) };
    let used = simd::isa().name();
    match asked == used {
        true => Ok(()),
        false => {
            let known = "expected generic, avx2 or avx512, as far as this processor has them";
            Err(format!("INKGRAD_ISA: {}, {known}; the widest here is {used}", asked.display()))
        }
    }
}

/// Help, version, or what is wrong with the command line. A wrong value is one line; the rest has clap's hints.
fn usage(error: &clap::Error) -> ExitCode {
    if error.kind() == Usage::ValueValidation {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        return fail(line.strip_prefix("error: ").unwrap_or(line));
    }
    let text = error.to_string();
    if error.use_stderr() && text::message(&text) != text {
        // Somebody's control characters, or more than anybody reads.
        output::note(&text);
        return failed();
    }
    let shown = if output::is_hushed() { Ok(()) } else { error.print().and_then(|()| io::stdout().flush()) };
    let shown = shown.map_err(output::stdout_error);
    match error.use_stderr() {
        // Where standard error is closed, there is nowhere to say so.
        true => failed(),
        false => printed(shown),
    }
}

/// The exit status of a text that was asked for. Where its reader has gone, nobody misses the rest.
fn printed(shown: io::Result<()>) -> ExitCode {
    match shown {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => fail(&error.to_string()),
        _ => ExitCode::SUCCESS,
    }
}

fn fail(message: &str) -> ExitCode {
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    output::note(format_args!("error: {}", lines.join("; ")));
    failed()
}

/// The exit status of what was refused. A process that leaves it to the first to say why waits: `mpirun` ends all of them as soon as
/// one has failed, and the line would be lost.
fn failed() -> ExitCode {
    if output::is_hushed() {
        thread::sleep(Duration::from_millis(500));
    }
    ExitCode::from(2)
}
