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
mod explain;
mod interrupt;
mod limits;
mod output;
mod progress;
mod report;
mod session;
mod study;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser};
use inkgrad_kernels::cpu::simd;
use inkgrad_models::{Models, text};

use crate::commands::Command;
pub use crate::limits::Allocator;

/// Trains autoencoders of drawings on an engine written from scratch, and examines them.
#[derive(Debug, Parser)]
#[command(version, name = "inkgrad", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print the result as one JSON object
    #[arg(long, global = true, display_order = 1000)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  inkgrad train cnn-vae --quick --out runs/first       a short run on drawings that the program makes itself
  inkgrad sample --run runs/first --n 64 --out s.npy --png s.png
  inkgrad train cnn-vae --data FOLDER --epochs 10 --out runs/vae
  inkgrad train --resume runs/vae --epochs 20          ten epochs more
  inkgrad explain --run runs/first --out page.html     the network in one page: draw, move its latents, see its graph
  inkgrad gradcheck                                    analytic against numeric gradients";

/// Runs the command that the program was started with; `models` are those that it knows.
pub fn main(models: &Models) -> ExitCode {
    limits::heed();
    let parsed = command(models).try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    if let Err(problem) = check_isa() {
        return fail(&problem);
    }
    match cli.command.run(models, cli.json) {
        Ok(status) => status,
        // Nobody reads the rest.
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

/// Refuses an `INKGRAD_ISA` that would not be heeded.
fn check_isa() -> Result<(), String> {
    let Some(asked) = std::env::var_os("INKGRAD_ISA").filter(|asked| !asked.is_empty()) else { return Ok(()) };
    let used = simd::isa().name();
    match asked == used {
        true => Ok(()),
        false => {
            let known = "expected generic, avx2 or avx512, as far as this processor has them";
            Err(format!("INKGRAD_ISA: {}, {known}; the widest here is {used}", asked.display()))
        }
    }
}

/// The command line, with the models in its help.
fn command(models: &Models) -> clap::Command {
    let widest = models.iter().map(|spec| spec.name.len()).max().unwrap_or(0);
    let table: String = models.iter().map(|spec| format!("  {:widest$}  {}\n", spec.name, spec.summary)).collect();
    let names: Vec<&str> = models.iter().map(|spec| spec.name).collect();
    let one_of = output::one_of(&names);
    // A negative number after an option is a value that is out of range, not another option.
    let names: Vec<String> = Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let with_values = |command: clap::Command| {
        command.mut_args(|arg| if arg.get_action().takes_values() { arg.allow_negative_numbers(true) } else { arg })
    };
    let cli = names.into_iter().fold(Cli::command(), |cli, name| cli.mut_subcommand(name, with_values));
    cli.after_help(format!("Models:\n{table}\n{EXAMPLES}"))
        .mut_subcommand("train", |train| train.mut_arg("model", |model| model.help(one_of.clone())))
        .mut_subcommand("graph", |graph| graph.mut_arg("model", |model| model.help(one_of.clone())))
        .mut_subcommand("import", |import| {
            import.mut_arg("model", |model| model.help(format!("Whose weights they are: {one_of}")))
        })
}

/// Help, version, or what is wrong with the command line. A wrong value is one line; the rest has clap's hints.
fn usage(error: &clap::Error) -> ExitCode {
    if error.kind() == ErrorKind::ValueValidation {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        return fail(line.strip_prefix("error: ").unwrap_or(line));
    }
    let text = error.to_string();
    if error.use_stderr() && text::message(&text) != text {
        // Somebody's control characters, or more than anybody reads.
        output::note(&text);
        return ExitCode::from(2);
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
