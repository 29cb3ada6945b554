//! `inkgrad man`: the help of all commands as pages of the manual.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use inkgrad_models::run::{atomic, disk};
use inkgrad_models::{Error, Models};
use serde::Serialize;

use crate::help;
use crate::output::{self, Report};

#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder for a page of each command, made where it is missing [default: the program's page to standard output]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace files in the way that are no such pages
    #[arg(long, requires = "out")]
    force: bool,
}

/// A page's words about itself, by which an earlier one is known.
const MADE_BY: &str = "made by inkgrad man";

#[derive(Debug, Serialize)]
struct Written {
    out: PathBuf,
    pages: Vec<String>,
}

impl ManArgs {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        let mut cli = help::command(models, None).disable_help_subcommand(true);
        cli.build();
        let Some(out) = self.out else {
            let page = page(&cli)?;
            match json {
                true => output::raw(format!("{}\n", serde_json::json!({ "page": page })).as_bytes())?,
                false => output::raw(page.as_bytes())?,
            }
            return Ok(ExitCode::SUCCESS);
        };
        let mut pages = Vec::new();
        gather(&cli, &mut pages)?;
        for (name, _) in &pages {
            let path = out.join(name);
            if path.is_dir() || !self.force && !output::may_replace(&path, MADE_BY) {
                let problem = "is no page of this program's, expected another folder (or --force)";
                return Err(Error::input(path.display(), problem).into());
            }
        }
        disk::create_dir_all(&out).map_err(Error::io(&out))?;
        for (name, page) in &pages {
            atomic::write(out.join(name), |file| file.write_all(page.as_bytes()))?;
        }
        output::report(&Written { out, pages: pages.into_iter().map(|(name, _)| name).collect() }, json)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The pages of a command and of those below it, with their files' names.
fn gather(command: &Command, pages: &mut Vec<(String, String)>) -> io::Result<()> {
    pages.push((Man::new(command.clone()).get_filename(), page(command)?));
    command.get_subcommands().filter(|sub| !sub.is_hide_set()).try_for_each(|sub| gather(sub, pages))
}

/// A command's page: its help, and each paragraph behind the options under a heading of its own.
fn page(command: &Command) -> io::Result<String> {
    let mut page = format!(".\\\" {MADE_BY}\n").into_bytes();
    let man = Man::new(command.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().next().is_some() {
        man.render_subcommands_section(&mut page)?;
    }
    let end = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut roff = Roff::new();
    for paragraph in end.split("\n\n") {
        let Some((heading, lines)) = paragraph.split_once('\n') else { continue };
        roff.control("SH", [heading.trim_end_matches(':').to_uppercase().as_str()]);
        // Without filling: these lines are as long as they should be.
        roff.control("nf", []);
        for line in lines.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    roff.to_writer(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

impl Report for Written {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: {}", self.out.display(), self.pages.join(", "))
    }
}
