//! A run for each of several seeds.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use inkgrad_models::run::config::Config;
use inkgrad_models::trainer::Outcome;
use inkgrad_models::{Error, Models, text};
use serde::Serialize;

use super::Summary;
use crate::output::{self, Report};
use crate::progress::number;
use crate::series::{self, Spread};
use crate::{args, interrupt};

/// Seeds, no two of them the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeds(pub Vec<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut seeds = Vec::new();
        for word in text.split(',') {
            let seed = word.trim().parse::<u64>().ok().filter(|&seed| seed <= i64::MAX as u64);
            let seed = seed.ok_or("expected whole numbers from 0 to 9223372036854775807, a comma between them")?;
            if seeds.contains(&seed) {
                return Err(format!("{seed} is there twice, expected each seed once"));
            }
            seeds.push(seed);
        }
        Ok(Seeds(seeds))
    }
}

/// Runs that differ in their seeds alone.
#[derive(Debug, Serialize)]
struct Summaries {
    out: PathBuf,
    seeds: Vec<u64>,
    runs: Vec<Summary>,
    /// Of the last records, over runs.
    scores: Vec<Spread>,
}

/// Trains them one after the other in folders of their own below `out`; the same again goes on where it stopped.
pub fn run(models: &Models, config: &Config, seeds: &[u64], out: &Path, json: bool) -> anyhow::Result<ExitCode> {
    args::require_device(config.device)?;
    if out.join("config.toml").exists() {
        let problem = "holds a run, expected a folder for the runs of --seeds";
        return Err(Error::input(out.display(), problem).into());
    }
    interrupt::listen()?;
    let planned = |&seed: &u64| (Config { seed, ..config.clone() }, out.join(series::seed_folder(seed)));
    for (config, path) in seeds.iter().map(planned) {
        series::check(models, &config, &path)?;
    }
    let (mut runs, mut records) = (Vec::new(), Vec::new());
    for (i, (config, path)) in seeds.iter().map(planned).enumerate() {
        let title = format!("seed {}, run {} of {}: {}", config.seed, i + 1, seeds.len(), path.display());
        let ended = series::train(models, config, &path, &title)?;
        if ended.outcome == Outcome::Stopped {
            let program = text::program();
            output::note(format_args!("stopped; the same command goes on: {program} train … --out {}", out.display()));
            return Ok(interrupt::STATUS.into());
        }
        records.push(ended.trainer.records()?);
        runs.push(Summary::new(&ended.trainer, ended.outcome, ended.images_per_second, None)?);
    }
    let summaries = Summaries { out: out.to_owned(), seeds: seeds.to_vec(), runs, scores: series::spread(&records) };
    output::report(&summaries, json)?;
    Ok(ExitCode::SUCCESS)
}

impl Report for Summaries {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        let Some(Summary { model, data, .. }) = self.runs.first() else { return Ok(()) };
        writeln!(out, "{model} on {data}, seeds {}: mean ± standard deviation", seeds.join(", "))?;
        for Spread { split, name, mean, std, n } in &self.scores {
            let std = std.map_or(String::new(), |std| format!(" ± {}", number(std)));
            writeln!(out, "  {:5}  {name:8} {}{std} (N {n})", split.name(), number(*mean))?;
        }
        for run in &self.runs {
            let last = run.val.as_ref().or(run.test.as_ref()).or(run.train.as_ref());
            let loss = last.map_or(String::new(), |r| format!("{} loss {}", r.split.name(), number(r.loss)));
            writeln!(out, "{}: {}, {loss}", run.run, run.outcome)?;
        }
        Ok(())
    }
}
