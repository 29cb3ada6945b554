//! `inkgrad completions`: what a shell needs to complete the command line.

use std::process::ExitCode;

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;
use inkgrad_models::{Models, text};
use serde_json::json;

use crate::{help, output, settings};

/// The script goes to standard output: put it where the shell looks for it.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Known,
}

/// The shells that are known.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Known {
    Bash,
    Zsh,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
}

/// Completes positional arguments, as MODEL, whose values clap's script for fish leaves out.
fn fish_arguments(cli: &Command) -> String {
    let program = text::program();
    let function = program.replace('-', "_");
    let mut lines = String::new();
    for command in cli.get_subcommands() {
        for value in command.get_positionals().flat_map(|arg| arg.get_possible_values()) {
            let (name, value) = (command.get_name(), value.get_name());
            let when = format!("__fish_{function}_using_subcommand {name}");
            lines += &format!("complete -c {program} -n \"{when}\" -f -a \"{value}\"\n");
        }
    }
    lines
}

impl Completions {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        let (name, shell) = match self.shell {
            Known::Bash => ("bash", Shell::Bash),
            Known::Zsh => ("zsh", Shell::Zsh),
            Known::Fish => ("fish", Shell::Fish),
            Known::PowerShell => ("powershell", Shell::PowerShell),
        };
        let mut command =
            help::each(help::command(models, None), &mut |_, command| settings::with_choices(command, models));
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, text::program(), &mut script);
        if matches!(self.shell, Known::Fish) {
            script.extend(fish_arguments(&command).into_bytes());
        }
        match json {
            true => {
                let script = String::from_utf8_lossy(&script);
                output::raw(format!("{}\n", json!({ "shell": name, "script": script })).as_bytes())?;
            }
            false => output::raw(&script)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
