//! `inkgrad reproduce`: the whole study on one command.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::data::Dataset;
use inkgrad_models::model::Value;
use inkgrad_models::ranks::Solo;
use inkgrad_models::run::config::{Config, DeviceKind, Overrides};
use inkgrad_models::run::folder::RunFolder;
use inkgrad_models::run::{atomic, disk};
use inkgrad_models::study::{Inception, Judge, Options};
use inkgrad_models::trainer::{Outcome, Trainer, load_data};
use inkgrad_models::{Error, Models, Result};

use super::evaluate::{SAMPLES, SEED};
use super::report::{Reported, command_line};
use crate::args::Compute;
use crate::judge::judge;
use crate::progress::Reporter;
use crate::report::{self, Composed, Examined, Files, Material};
use crate::study::{InceptionArgs, Subjected};
use crate::{interrupt, output};

#[derive(Debug, Args)]
pub struct Reproduce {
    /// A short study: fewer drawings and steps
    #[arg(long)]
    quick: bool,
    /// `builtin` (drawn by the program) or a folder of drawings
    #[arg(long, value_name = "D", default_value = "builtin")]
    data: String,
    /// Where everything goes; the same command goes on where an earlier one stopped
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    inception: InceptionArgs,
    #[command(flatten)]
    compute: Compute,
}

/// The report's page.
const PAGE: &str = "report.html";

/// An option of a model that is a name, and which.
type Variant = Option<(&'static str, &'static str)>;

/// The runs of the study: folder, model, variant.
const RUNS: [(&str, &str, Variant); 8] = [
    ("lstm-ae", "lstm-ae", None),
    ("cnn-ae", "cnn-ae", None),
    ("rnn-vae", "rnn-vae", None),
    ("cnn-vae", "cnn-vae", None),
    ("cvae", "cvae", Some(("condition", "latent"))),
    ("cvae-both", "cvae", Some(("condition", "both"))),
    ("classifier", "classifier", Some(("arch", "mlp"))),
    ("classifier-cnn", "classifier", Some(("arch", "cnn"))),
];

impl Reproduce {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        let threads = self.compute.threads()?;
        output::check_folder(&self.out)?;
        let configs = RUNS
            .iter()
            .map(|&(name, model, variant)| {
                Ok((self.out.join("runs").join(name), self.config(models, model, variant, threads)?))
            })
            .collect::<Result<Vec<_>>>()?;
        // Everything that can be wrong is found before the first step.
        let dataset = load_data(&configs[0].1)?;
        check_data(&self.data, &dataset, configs.iter().map(|(_, config)| config))?;
        for (path, config) in &configs {
            check(models, path, config)?;
        }
        if self.out.exists() {
            Files::of(&self.out.join(PAGE)).check(false, "a new --out")?;
        }
        let inception = self.inception.load(threads)?;
        interrupt::listen()?;
        let options = self.options(threads);
        let study = Study { models, out: &self.out, configs: &configs, dataset: &dataset, options };
        let Some(reported) = study.run(inception)? else {
            output::note(format_args!("stopped; the same command goes on: {}", command_line()));
            return Ok(interrupt::STATUS.into());
        };
        output::report(&reported, json)?;
        Ok(ExitCode::SUCCESS)
    }

    fn config(&self, models: &Models, model: &str, variant: Option<(&str, &str)>, threads: usize) -> Result<Config> {
        // A whole study takes eight runs: each sees fewer drawings than a quick run by itself, in smaller batches.
        let by_epoch = Config::defaults(&models.get(model)?).epochs.is_some();
        let (epochs, steps, batch_size) = if by_epoch { (Some(3), None, 32) } else { (None, Some(300), 64) };
        let options = Overrides {
            data: Some(self.data.clone()),
            threads: Some(threads),
            quick: self.quick.then_some(true),
            epochs: epochs.filter(|_| self.quick),
            steps: steps.filter(|_| self.quick),
            batch_size: self.quick.then_some(batch_size),
            options: variant
                .into_iter()
                .map(|(name, value)| (name.to_owned(), Value::Text(value.to_owned())))
                .collect(),
            ..Overrides::default()
        };
        Config::resolve(models, Some(model), None, &options)
    }

    fn options(&self, threads: usize) -> Options {
        let (mapped, likelihood) = if self.quick { (500, (10, 100)) } else { (5_000, (500, 5_000)) };
        Options { samples: SAMPLES, mapped, likelihood, seed: SEED, threads }
    }
}

/// Runs that are trained, scored and reported on, all in one folder.
#[derive(Clone, Copy)]
struct Study<'a> {
    models: &'a Models,
    out: &'a Path,
    /// Each run's folder and settings.
    configs: &'a [(PathBuf, Config)],
    dataset: &'a Dataset,
    options: Options,
}

impl Study<'_> {
    /// Does all that is not done yet. `None` if it was interrupted.
    fn run(&self, inception: Option<Inception>) -> Result<Option<Reported>> {
        if self.train()? { self.examine(inception) } else { Ok(None) }
    }

    /// In how many parts it is done: each run is trained and scored, then comes the report.
    fn parts(&self) -> usize {
        2 * self.configs.len() + 1
    }

    /// Trains what is not trained yet. False if it was interrupted.
    fn train(&self) -> Result<bool> {
        disk::create_dir_all(self.out).map_err(Error::io(self.out))?;
        for (i, (path, config)) in self.configs.iter().enumerate() {
            let part = format!("[{}/{}]", i + 1, self.parts());
            if train(self.models, path, config, &part)? == Outcome::Stopped {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Scores trained runs and writes the report. `None` if it was interrupted.
    fn examine(&self, inception: Option<Inception>) -> Result<Option<Reported>> {
        let Some((examined, judge)) = self.scored(inception)? else { return Ok(None) };
        self.composed(examined, judge)?.write()?;
        Ok(Some(Reported::new(self.configs.len(), self.files())))
    }

    /// Where the report goes.
    fn files(&self) -> Files {
        Files::of(&self.out.join(PAGE))
    }

    /// Removes what an earlier command was writing when it was killed.
    fn sweep(&self) {
        let figures = self.files().figures;
        self.configs.iter().map(|(path, _)| path.as_path()).chain([self.out, &figures]).for_each(atomic::sweep);
    }

    /// Scores trained runs. `None` if it was interrupted.
    fn scored(&self, inception: Option<Inception>) -> Result<Option<(Vec<Examined>, Judge)>> {
        let (Study { models, configs, options, .. }, parts) = (*self, self.parts());
        self.sweep();
        let open =
            |(path, _): &(PathBuf, Config)| Subjected::open(models, path, None, (DeviceKind::Cpu, options.threads));
        let runs = configs.iter().map(open).collect::<Result<Vec<_>>>()?;
        let mut judge = judge(models, None, &runs, self.dataset, (options.seed, options.threads), &Solo)?;
        judge.inception = inception;
        let mut examined = Vec::with_capacity(runs.len());
        for (i, mut run) in runs.into_iter().enumerate() {
            output::note(format_args!("[{}/{parts}] scores of {}", configs.len() + i + 1, run.label()));
            run.say_weights();
            let evaluation = run.evaluate(self.dataset, &mut judge, options)?;
            if interrupt::requested() {
                return Ok(None);
            }
            examined.push(Examined::gather(run, evaluation, self.dataset, &mut judge)?);
        }
        Ok(Some((examined, judge)))
    }

    /// The report on scored runs, in memory.
    fn composed(&self, examined: Vec<Examined>, mut judge: Judge) -> Result<Composed> {
        let parts = self.parts();
        output::note(format_args!("[{parts}/{parts}] the report"));
        let Study { models, dataset, options, .. } = *self;
        let material = Material::new(models, dataset, examined, &mut judge, options, command_line())?;
        report::compose(&material, &self.files())
    }
}

/// Refuses data that some run of the study could not be trained on.
fn check_data<'a>(name: &str, dataset: &Dataset, configs: impl Iterator<Item = &'a Config>) -> Result<()> {
    let classes = dataset.classes.len();
    if classes < 2 {
        return Err(Error::input(name, format!("{classes} class, expected at least 2 to tell apart")));
    }
    // A batch and what is held back for validation.
    let least = configs.map(|config| (config.batch_size as f64 / (1.0 - config.val_fraction)).ceil() as usize + 1);
    let (found, least) = (dataset.train.len(), least.max().unwrap_or(0));
    if found < least {
        return Err(Error::input(name, format!("{found} training drawings, expected at least {least}")));
    }
    Ok(())
}

/// Refuses a folder whose run has other settings than the study's.
fn check(models: &Models, path: &Path, expected: &Config) -> Result<()> {
    if !path.join("config.toml").exists() {
        return Ok(());
    }
    let (_, found) = RunFolder::open(models, path)?;
    let same = Config {
        threads: found.threads,
        classes: found.classes.clone(),
        image: found.image,
        data_path: found.data_path.clone(),
        data_sha256: found.data_sha256.clone(),
        inkgrad: found.inkgrad.clone(),
        ..expected.clone()
    };
    if same == found {
        return Ok(());
    }
    let problem = "holds a run with other settings, expected a new --out, or those that it was begun with";
    Err(Error::input(path.display(), problem))
}

/// Trains a run, goes on with it, or finds it finished.
fn train(models: &Models, path: &Path, config: &Config, part: &str) -> Result<Outcome> {
    let mut trainer = if path.join("config.toml").exists() {
        Trainer::resume(models, path, &Overrides { threads: Some(config.threads), ..Overrides::default() })?
    } else {
        Trainer::start(models, config.clone(), path, false)?.0
    };
    if trainer.is_complete() {
        output::note(format_args!("{part} {}: trained already", config.label()));
        return Ok(Outcome::Finished);
    }
    let (done, total) = (trainer.steps_done(), trainer.total_steps());
    let from = if done > 0 { format!(" from step {done} on") } else { String::new() };
    output::note(format_args!("{part} training {}{from}, {total} steps", config.label()));
    let mut reporter = Reporter::new(done, total);
    let outcome = trainer.run(&mut reporter);
    reporter.finish();
    outcome
}

#[cfg(test)]
mod tests;
