//! `inkgrad runs`: the runs below a folder, side by side.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use inkgrad_models::run::atomic;
use inkgrad_models::run::config::Config;
use inkgrad_models::run::folder::RunFolder;
use inkgrad_models::run::records::{self, Record};
use inkgrad_models::{Error, Models, Result, text};
use serde::Serialize;

use crate::args::ends_in;
use crate::output::{self, Report};
use crate::progress::number;
use crate::report::csv;
use crate::series::Best;
use crate::study::differences;
use crate::target::CSV_HEAD;

#[derive(Debug, Args)]
pub struct Runs {
    /// The folder, in which runs may lie at any depth
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// A table of all records of these runs, a line each, for a spreadsheet
    #[arg(long, value_name = "F.csv", value_parser = ends_in("csv"))]
    csv: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Found {
    folder: PathBuf,
    runs: Vec<Row>,
    /// Folders and runs that could not be read.
    unreadable: Vec<Unreadable>,
    /// The table of all records.
    #[serde(skip_serializing_if = "Option::is_none")]
    csv: Option<PathBuf>,
}

/// A run.
#[derive(Debug, Serialize)]
struct Row {
    run: PathBuf,
    /// Its model with the options that are names: `cvae (both)`.
    model: String,
    /// The settings in which it differs from runs of the same model, those that change no result left out.
    differs: Vec<Difference>,
    best: Option<Best>,
    /// Steps and passes that are done; 0 where it has none recorded, as of imported weights.
    step: u64,
    epoch: f64,
    /// As many as there should be: one of them is set, but of imported weights.
    epochs: Option<u64>,
    steps: Option<u64>,
    /// When it was last written to, in seconds since 1970 and as a date.
    changed: u64,
    changed_utc: String,
}

#[derive(Debug, Serialize)]
struct Difference {
    setting: String,
    /// Empty where the run has no such setting.
    value: String,
}

#[derive(Debug, Serialize)]
struct Unreadable {
    path: PathBuf,
    problem: String,
}

impl Runs {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        self.csv.as_ref().map_or(Ok(()), |path| output::check_target(path))?;
        if !self.folder.is_dir() {
            let found = if self.folder.exists() { "is a file" } else { "no such folder" };
            return Err(Error::input(self.folder.display(), format!("{found}, expected a folder with runs")).into());
        }
        let mut search = Search::default();
        search.look_in(&self.folder);
        let Search { runs, mut unreadable, .. } = search;
        let mut read = Vec::new();
        for path in runs {
            match Read::new(models, &path) {
                Ok(run) => read.push(run),
                Err(error) => unreadable.push(Unreadable { path, problem: error.to_string() }),
            }
        }
        if let Some(path) = &self.csv {
            atomic::write(path, |out| out.write_all(table(&self.folder, &read).as_bytes()))?;
        }
        let configs: Vec<Config> = read.iter().map(|run| run.config.clone()).collect();
        let differing = differences(&configs, |config| config.model.clone());
        let rows = read.into_iter().zip(differing).map(|(run, differs)| run.row(differs)).collect();
        output::report(&Found { folder: self.folder, runs: rows, unreadable, csv: self.csv }, json)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A walk through folders.
#[derive(Default)]
struct Search {
    runs: Vec<PathBuf>,
    unreadable: Vec<Unreadable>,
    /// Folders that were looked into: links may lead back.
    seen: BTreeSet<PathBuf>,
}

impl Search {
    fn look_in(&mut self, folder: &Path) {
        if let Err(error) = self.try_look_in(folder) {
            self.unreadable.push(Unreadable { path: folder.to_owned(), problem: error.to_string() });
        }
    }

    fn try_look_in(&mut self, folder: &Path) -> Result<()> {
        let fail = || Error::io(folder);
        if !self.seen.insert(folder.canonicalize().map_err(fail())?) {
            return Ok(());
        }
        if folder.join("config.toml").exists() {
            self.runs.push(folder.to_owned());
            return Ok(());
        }
        let mut below = Vec::new();
        for entry in fs::read_dir(folder).map_err(fail())? {
            let path = entry.map_err(fail())?.path();
            // Names that begin with a dot are other programs' business.
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !hidden && path.is_dir() {
                below.push(path);
            }
        }
        below.sort_unstable();
        below.iter().for_each(|path| self.look_in(path));
        Ok(())
    }
}

/// A run as its folder has it.
struct Read {
    path: PathBuf,
    config: Config,
    records: Vec<Record>,
    changed: u64,
}

impl Read {
    fn new(models: &Models, path: &Path) -> Result<Self> {
        let (folder, config) = RunFolder::open(models, path)?;
        let metrics = folder.metrics();
        // Imported weights have no losses.
        let (records, last) = match metrics.exists() {
            true => (records::read(&metrics)?, metrics),
            false => (Vec::new(), folder.config()),
        };
        let changed = fs::metadata(&last).and_then(|data| data.modified()).map_err(Error::io(&last))?;
        let changed = changed.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(Read { path: path.to_owned(), config, records, changed })
    }

    fn row(self, differs: Vec<(String, String)>) -> Row {
        let last = self.records.iter().max_by_key(|record| record.step);
        let model = self.config.label();
        // An option that was not given has its default; the label has those that are names.
        let is_set = |(setting, value): &(String, String)| {
            !value.is_empty() || Config::SETTINGS.iter().any(|known| known.name == setting)
        };
        let is_named = |(setting, value): &(String, String)| {
            self.config.options.contains_key(setting) && model.contains(value.as_str()) && value.parse::<f64>().is_err()
        };
        let differs = differs.into_iter().filter(|found| is_set(found) && !is_named(found));
        Row {
            differs: differs.map(|(setting, value)| Difference { setting, value }).collect(),
            model,
            best: Best::of(&self.records),
            step: last.map_or(0, |record| record.step),
            epoch: last.map_or(0.0, |record| record.epoch),
            epochs: self.config.epochs.filter(|_| self.config.imported.is_none()),
            steps: self.config.steps.filter(|_| self.config.imported.is_none()),
            changed: self.changed,
            changed_utc: date(self.changed),
            run: self.path,
        }
    }
}

/// A time as `2026-11-28 09:30`, UTC; the calendar by H. Hinnant, *chrono-compatible low-level date algorithms*.
fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March, so that a leap day ends one; eras of 400 years all have 146,097 days.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", rest / 3600, rest % 3600 / 60)
}

/// A time as a person says it: `5 min ago`.
fn ago(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    match now.saturating_sub(seconds) {
        0..120 => "just now".to_owned(),
        past @ 120..7_200 => format!("{} min ago", past / 60),
        past @ 7_200..172_800 => format!("{} h ago", past / 3_600),
        _ => date(seconds),
    }
}

impl Row {
    fn done(&self) -> String {
        match (self.epochs, self.steps) {
            (Some(total), _) => format!("{}/{total} epochs", trimmed(self.epoch)),
            (None, Some(total)) => format!("{}/{total} steps", self.step),
            (None, None) => "imported".to_owned(),
        }
    }

    fn cells(&self, folder: &Path) -> [String; 6] {
        let differs = self.differs.iter().map(|Difference { setting, value }| match value.as_str() {
            "" => format!("no {setting}"),
            value => format!("{setting} {value}"),
        });
        [
            text::escape(&below(folder, &self.run).to_string_lossy(), false),
            self.model.clone(),
            differs.collect::<Vec<_>>().join(", "),
            self.best.as_ref().map_or("–".to_owned(), |best| format!("{} {}", best.split.name(), number(best.loss))),
            self.done(),
            ago(self.changed),
        ]
    }
}

/// A run's path below the folder that was looked into.
fn below<'a>(folder: &Path, run: &'a Path) -> &'a Path {
    run.strip_prefix(folder).ok().filter(|path| !path.as_os_str().is_empty()).unwrap_or(run)
}

/// All records of runs as CSV (RFC 4180): a line a record, a column for each term that some model reports. Where a record has no
/// value, or one that is not finite, the field is empty.
fn table(folder: &Path, runs: &[Read]) -> String {
    let mut terms: Vec<&str> = Vec::new();
    for (name, _) in runs.iter().flat_map(|run| &run.records).flat_map(|record| &record.terms.0) {
        if !terms.contains(&name.as_str()) {
            terms.push(name);
        }
    }
    let head: Vec<String> = terms.iter().copied().map(csv::field).collect();
    let mut text = [vec![CSV_HEAD.to_owned()], head].concat().join(",");
    text.push('\n');
    for run in runs {
        let (path, model) = (below(folder, &run.path).display().to_string(), run.config.label());
        for record in &run.records {
            let number =
                |value: Option<f64>| value.filter(|x| x.is_finite()).map_or_else(String::new, |x| x.to_string());
            let named =
                [path.as_str(), &model, &record.step.to_string(), &record.epoch.to_string(), record.split.name()];
            let numbers = [Some(record.loss), record.lr, record.seconds].into_iter();
            let numbers = numbers.chain(terms.iter().map(|term| record.term(term))).map(number);
            text += &named.into_iter().map(csv::field).chain(numbers).collect::<Vec<_>>().join(",");
            text.push('\n');
        }
    }
    text
}

/// A number of epochs with no more digits than it needs.
fn trimmed(epoch: f64) -> String {
    let text = format!("{epoch:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Report for Found {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let names = ["run", "model", "differs in", "best loss", "done", "last change"].map(str::to_owned);
        let rows: Vec<[String; 6]> = self.runs.iter().map(|row| row.cells(&self.folder)).collect();
        if rows.is_empty() {
            writeln!(out, "{}: no runs", self.folder.display())?;
        } else {
            let all = || std::iter::once(&names).chain(&rows);
            let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or(0);
            let widths: [usize; 6] = std::array::from_fn(width);
            for row in all() {
                let cells = row.iter().zip(widths).filter(|(_, width)| *width > 0);
                let line: Vec<String> = cells.map(|(cell, width)| format!("{cell:width$}")).collect();
                writeln!(out, "{}", line.join("  ").trim_end())?;
            }
        }
        if let Some(path) = &self.csv {
            writeln!(out, "{}: their records", path.display())?;
        }
        for Unreadable { path, problem } in &self.unreadable {
            writeln!(
                out,
                "not read: {}: {}",
                path.display(),
                problem.trim_start_matches(&format!("{}: ", path.display()))
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let cases = [
            (0, "1970-01-01 00:00"),
            (951_782_399, "2000-02-28 23:59"),
            (951_782_400, "2000-02-29 00:00"),
            (1_709_164_800, "2024-02-29 00:00"),
            (1_735_689_599, "2024-12-31 23:59"),
            (4_107_542_400, "2100-03-01 00:00"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(date(seconds), expected);
        }
    }
}
