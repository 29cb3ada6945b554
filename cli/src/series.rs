//! Runs of a series, one after the other. One that was interrupted goes on where it stopped, and one that is done is not trained
//! again, so that the same command finishes what it began.

use std::path::{Path, PathBuf};

use inkgrad_models::run::config::{Config, Overrides};
use inkgrad_models::run::folder::RunFolder;
use inkgrad_models::run::records::{Record, Split};
use inkgrad_models::trainer::{Outcome, Trainer};
use inkgrad_models::{Error, Models, Result};
use serde::Serialize;

use crate::output;
use crate::progress::{self, Reporter};
use crate::study::sets_training;

/// A run of a series that has ended.
pub struct Ended {
    /// The run.
    pub trainer: Trainer,
    /// How it ended.
    pub outcome: Outcome,
    /// Drawings trained on a second in this sitting.
    pub images_per_second: f64,
}

/// Checks, before any work, that nothing is in the way of the run that `config` describes: in the folder `path` is none yet, or it has
/// these settings.
///
/// # Errors
/// If it has others, or cannot be read.
pub fn check(models: &Models, config: &Config, path: &Path) -> Result<()> {
    match path.join(CONFIG).exists() {
        true => check_settings(config, &RunFolder::open(models, path)?.1, path),
        false => Ok(()),
    }
}

/// Trains the run that `config` describes in the folder `path`, or goes on with it; says so with the line `title` once it begins.
///
/// # Errors
/// Those of [`Trainer::start`], [`Trainer::resume`] and [`Trainer::run`]; if the folder holds a run with other settings.
pub fn train(models: &Models, config: Config, path: &Path, title: &str) -> Result<Ended> {
    check(models, &config, path)?;
    let mut watch = progress::hashing();
    let mut trainer = match path.join(CONFIG).exists() {
        true => {
            let threads = Overrides { threads: Some(config.threads), ..Overrides::default() };
            Trainer::resume_watched(models, path, &threads, &mut watch)?
        }
        false => Trainer::start_watched(models, config, path, false, &mut watch)?.0,
    };
    output::note(title);
    if trainer.has_converged() {
        return Ok(Ended { trainer, outcome: Outcome::Converged, images_per_second: 0.0 });
    }
    let mut reporter = Reporter::new(trainer.steps_done(), trainer.total_steps());
    let outcome = trainer.run(&mut reporter);
    reporter.finish();
    trainer.network().trained_remarks().iter().for_each(output::note);
    Ok(Ended { outcome: outcome?, images_per_second: reporter.images_per_second(), trainer })
}

/// Refuses a run whose settings are others than those that are asked for.
fn check_settings(asked: &Config, found: &Config, path: &Path) -> Result<()> {
    let (asked, found) = (asked.settings(), found.settings());
    let unset = || "unset".to_owned();
    let mut keys = asked.keys().chain(found.keys()).filter(|key| sets_training(key));
    match keys.find(|key| asked.get(*key) != found.get(*key)) {
        Some(key) => {
            let value = |settings: &std::collections::BTreeMap<String, String>| {
                settings.get(key).cloned().unwrap_or_else(unset)
            };
            let problem = format!(
                "holds a run with {key} {}, expected {}: another folder begins anew",
                value(&found),
                value(&asked)
            );
            Err(Error::input(path.display(), problem))
        }
        None => Ok(()),
    }
}

/// The smallest loss of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Best {
    /// On the drawings held out for validation, else on those for test, else on those trained on.
    pub split: Split,
    pub loss: f64,
    pub step: u64,
}

impl Best {
    /// That of these records; `None` where none is finite.
    pub fn of(records: &[Record]) -> Option<Self> {
        [Split::Val, Split::Test, Split::Train].into_iter().find_map(|split| {
            let of_split = records.iter().filter(|record| record.split == split && record.loss.is_finite());
            let best = of_split.min_by(|a, b| a.loss.total_cmp(&b.loss))?;
            Some(Best { split, loss: best.loss, step: best.step })
        })
    }
}

/// A number of several runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    pub split: Split,
    /// `loss`, or a term.
    pub name: String,
    pub mean: f64,
    /// The standard deviation over runs, divisor N − 1; none of a single run.
    pub std: Option<f64>,
    /// Runs that have it.
    pub n: usize,
}

/// The means and standard deviations of the last records of several runs, each of which has those of one split after the other.
pub fn spread<R: AsRef<[Record]>>(runs: &[R]) -> Vec<Spread> {
    let mut spreads = Vec::new();
    for split in [Split::Train, Split::Val, Split::Test] {
        let last: Vec<&Record> =
            runs.iter().filter_map(|run| run.as_ref().iter().rfind(|record| record.split == split)).collect();
        let Some(first) = last.first() else { continue };
        let terms = first.terms.0.iter().map(|(name, _)| name.clone());
        for name in ["loss".to_owned()].into_iter().chain(terms) {
            let value = |record: &&Record| if name == "loss" { Some(record.loss) } else { record.term(&name) };
            let values: Vec<f64> = last.iter().filter_map(value).collect();
            let (mean, std) = mean_std(&values);
            spreads.push(Spread { split, name, mean, std, n: values.len() });
        }
    }
    spreads
}

/// Mean and standard deviation, divisor N − 1, of which a single value has none.
pub fn mean_std(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (mean, (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt()))
}

/// Name of the folder of a seed's run below that of `--seeds`.
pub fn seed_folder(seed: u64) -> String {
    format!("{SEED}{seed}")
}

const SEED: &str = "seed-";

/// The runs at `path`: one, or those of `--seeds`, in the order of their seeds.
pub fn runs_at(path: &Path) -> Vec<PathBuf> {
    let of_seed = |path: &Path| -> Option<u64> {
        let seed = path.file_name()?.to_str()?.strip_prefix(SEED)?.parse().ok()?;
        path.join(CONFIG).exists().then_some(seed)
    };
    let mut runs: Vec<(u64, PathBuf)> = Vec::new();
    if !path.join(CONFIG).exists() {
        let entries = path.read_dir().into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        runs = entries.filter_map(|path| Some((of_seed(&path)?, path))).collect();
        runs.sort_unstable();
    }
    // Of anything else, opening it says what it is.
    if runs.is_empty() { vec![path.to_owned()] } else { runs.into_iter().map(|(_, path)| path).collect() }
}

/// The file that makes a folder a run.
const CONFIG: &str = "config.toml";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_the_last_records() {
        let run = |first: f64, last: f64| {
            vec![
                Record::new(1, 1.0, Split::Test, first),
                Record::new(2, 2.0, Split::Test, last),
                Record::new(2, 2.0, Split::Train, 5.0),
            ]
        };
        let found = spread(&[run(9.0, 1.0), run(9.0, 2.0), run(9.0, 6.0)]);
        let expected = |split, mean, std| Spread { split, name: "loss".into(), mean, std: Some(std), n: 3 };
        assert_eq!(found, [expected(Split::Train, 5.0, 0.0), expected(Split::Test, 3.0, 7f64.sqrt())]);
        assert_eq!(spread(&[run(9.0, 1.0)])[0].std, None);
        assert_eq!(Best::of(&run(0.5, 1.0)), Some(Best { split: Split::Test, loss: 0.5, step: 1 }));
        assert_eq!(Best::of(&[Record::new(1, 1.0, Split::Train, f64::NAN)]), None);
    }

    #[test]
    fn a_folder_of_seeds_is_its_runs() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join(CONFIG), "").unwrap();
        };
        ["seed-10", "seed-9", "seed-x", "other"].into_iter().for_each(make);
        std::fs::create_dir(folder.path().join("seed-3")).unwrap();
        assert_eq!(runs_at(folder.path()), ["seed-9", "seed-10"].map(|name| folder.path().join(name)));
        let one = folder.path().join("seed-9");
        assert_eq!(runs_at(&one), std::slice::from_ref(&one));
        let gone = folder.path().join("gone");
        assert_eq!(runs_at(&gone), std::slice::from_ref(&gone));
    }
}
