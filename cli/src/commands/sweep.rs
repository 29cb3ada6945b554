//! `inkgrad sweep`: many runs that differ in a few settings.

mod table;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::run::disk;
use inkgrad_models::sweep::{self, Method};
use inkgrad_models::trainer::Outcome;
use inkgrad_models::{Error, Models, Result, text};

use self::table::{Ending, MADE_BY, Row, Table};
use crate::output::{self, Report, quoted};
use crate::series::{self, Best};
use crate::{args, interrupt};

/// The same command goes on where it stopped. docs/training.md has the file.
#[derive(Debug, Args)]
pub struct Sweep {
    /// The file: settings of all runs, then [values] with lists of those that they differ in: lr = [0.001, 0.003]
    #[arg(value_name = "FILE.toml")]
    file: PathBuf,
    /// The folder of the runs, the tables and the picture [default: the file's name without its end]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Sweep {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        let sweep = sweep::Sweep::read(models, &self.file)?;
        for planned in &sweep.runs {
            args::require_device(planned.config.device)?;
        }
        let out = match &self.out {
            Some(out) => out.clone(),
            None if self.file.extension().is_some() => self.file.with_extension(""),
            None => return Err(Error::input("--out", "missing, expected a folder: the file's name has no end").into()),
        };
        let rows = sweep.runs.iter().enumerate().map(|(i, planned)| Row {
            run: out.join(sweep::folder(i, sweep.runs.len())),
            values: planned.values.clone(),
            ending: Ending::Waiting,
            best: None,
            seconds: 0.0,
            problem: None,
        });
        let runs: Vec<Row> = rows.collect();
        for (row, planned) in runs.iter().zip(&sweep.runs) {
            series::check(models, &planned.config, &row.run)?;
        }
        let method = if sweep.method == Method::Grid { "grid" } else { "random" };
        let mut table = Table { made_by: MADE_BY, method, out, varied: sweep.varied.clone(), runs };
        claim(&table.out)?;
        table.save()?;
        interrupt::listen()?;
        for (i, planned) in sweep.runs.into_iter().enumerate() {
            let n = i + 1;
            let title = format!("run {n} of {}: {}", table.runs.len(), table.runs[i].describe(&table.varied));
            let row = &mut table.runs[i];
            match series::train(models, planned.config, &row.run, &title) {
                Ok(ended) => {
                    row.best = Best::of(&ended.trainer.records()?);
                    row.seconds = ended.trainer.seconds();
                    row.ending = match ended.outcome {
                        Outcome::Finished => Ending::Finished,
                        Outcome::Converged => Ending::Converged,
                        Outcome::Stopped => Ending::Stopped,
                    };
                }
                // A run whose loss explodes is a result; all else is a mistake, or the disk's.
                Err(Error::Input { place, problem }) if failed(&place, &problem, &row.run) => {
                    output::note(format_args!("{place}: {problem}"));
                    (row.ending, row.problem) = (Ending::Failed, Some(problem));
                }
                Err(error) => return Err(error.into()),
            }
            let stopped = row.ending == Ending::Stopped;
            table.save()?;
            if stopped {
                let (program, file) = (text::program(), quoted(&self.file.display().to_string()));
                let out = quoted(&table.out.display().to_string());
                output::note(format_args!("stopped in run {n}; go on with: {program} sweep {file} --out {out}"));
                return Ok(interrupt::STATUS.into());
            }
        }
        output::report(&table, json)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Whether an error is a run's own: its loss or its weights are not finite.
fn failed(place: &str, problem: &str, run: &Path) -> bool {
    place == run.display().to_string() && problem.contains("not finite")
}

/// Makes the folder, or takes the one of the same sweep.
fn claim(out: &Path) -> Result<()> {
    let refused = |problem: &str| Err(Error::input(out.display(), problem));
    if out.exists() && !out.is_dir() {
        return refused("is a file, expected a folder or a new name");
    }
    let table = out.join(table::JSON);
    let is_empty = !out.exists() || out.read_dir().map_err(Error::io(out))?.next().is_none();
    if !is_empty && (!table.exists() || !output::may_replace(&table, MADE_BY)) {
        return refused("holds something else than a sweep, expected an empty folder or a new name");
    }
    disk::create_dir_all(out).map_err(Error::io(out))
}

impl Report for Table {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let (header, rows) = self.cells();
        let all = || std::iter::once(&header).chain(&rows);
        let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..header.len()).map(width).collect();
        for row in all() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        writeln!(out, "{}: {}", self.out.display(), table::FILES.join(", "))
    }
}
