//! `inkgrad train`: a new run, or one that goes on.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use inkgrad_models::data::Origin;
use inkgrad_models::run::config::{Config, Device, Optimizer, Overrides, Precision, Schedule};
use inkgrad_models::run::folder::RunFolder;
use inkgrad_models::run::records::{self, Record, Split};
use inkgrad_models::trainer::{Outcome, Trainer, Which, find_weights, start_from};
use inkgrad_models::{Error, Models, Result};
use serde::Serialize;

use crate::args::{self, ModelOptions};
use crate::interrupt;
use crate::output::{self, Report, duration, thousands};
use crate::progress::{self, Reporter};

/// Settings that are not given are the model's defaults, or those of `--config`.
#[derive(Debug, Args)]
pub struct Train {
    /// The model
    #[arg(required_unless_present_any = ["resume", "config", "init"])]
    model: Option<String>,
    /// The run's folder, to be made
    #[arg(long, value_name = "RUN", required_unless_present = "resume")]
    out: Option<PathBuf>,
    /// Go on with this run where it stopped
    #[arg(long, value_name = "RUN", conflicts_with_all = FIXED)]
    resume: Option<PathBuf>,
    /// `builtin` (drawn by the program) or a folder of drawings [default: builtin]
    #[arg(long, value_name = "D")]
    data: Option<String>,
    /// Train for this many passes over the drawings, shuffled each time
    #[arg(long, value_name = "N", allow_negative_numbers = true, conflicts_with = "steps")]
    epochs: Option<u64>,
    /// Train for this many batches, each drawn from all drawings
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    steps: Option<u64>,
    /// Drawings a step [default: 256 for autoencoders, else 128]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    batch_size: Option<usize>,
    /// The learning rate [default: 0.001]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    lr: Option<f64>,
    /// How the learning rate goes: constant, or cosine (down to 0 along half a cosine) [default: constant]
    #[arg(long, value_name = "NAME")]
    schedule: Option<Schedule>,
    /// Steps over which the learning rate rises at the start [default: 0]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    warmup_steps: Option<u64>,
    /// adam or sgd [default: adam]
    #[arg(long, value_name = "NAME")]
    optimizer: Option<Optimizer>,
    /// The share of its last move that sgd keeps [default: 0.9]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    momentum: Option<f64>,
    /// Scale gradients down to this norm [default: do not]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    clip_norm: Option<f64>,
    /// Where all randomness starts [default: 42]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seed: Option<u64>,
    /// The share of the training set held back for validation [default: 0.1 for autoencoders, else 0]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    val_fraction: Option<f64>,
    /// The share of drawings tested on, for data without a split of its own [default: 0.2]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    test_fraction: Option<f64>,
    /// Stop after this many validations without a better loss [default: never]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    patience: Option<u64>,
    /// Steps from one record of the loss to the next, for runs counted in steps [default: 100]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    log_every: Option<u64>,
    /// Minutes from one checkpoint to the next; there is one at each record too [default: 5]
    #[arg(long, value_name = "F", allow_negative_numbers = true)]
    checkpoint_minutes: Option<f64>,
    #[command(flatten)]
    options: ModelOptions,
    /// CPU threads; they change the speed, never the result [default: all]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    threads: Option<usize>,
    /// The device: cpu, cuda or emulated [default: cpu]
    #[arg(long, value_name = "DEVICE")]
    device: Option<Device>,
    /// The numbers of a GPU's products: fp32, or tf32 on tensor cores [default: fp32]
    #[arg(long, value_name = "NAME")]
    precision: Option<Precision>,
    /// Settings from a file like a run's config.toml; options on the command line come first
    #[arg(long, value_name = "F.toml")]
    config: Option<PathBuf>,
    /// Leave out drawings that Google's game did not recognise (.ndjson)
    #[arg(long)]
    recognized_only: bool,
    /// Start from the weights of this run or file, with a fresh optimizer
    #[arg(long, value_name = "RUN|FILE")]
    init: Option<PathBuf>,
    /// Which of that run's weights: last or best [default: best where a share was kept for validation]
    #[arg(long, value_name = "WHICH", requires = "init")]
    weights: Option<Which>,
    /// Whether all of those weights have to fit: yes, or no to leave out what does not [default: yes]
    #[arg(long, value_name = "YES|NO", requires = "init")]
    strict: Option<Strict>,
    /// Other drawings in the run's data folder than it began with are meant
    #[arg(long, requires = "resume")]
    data_changed: bool,
    /// A short run: fewer drawings and steps
    #[arg(long)]
    quick: bool,
    /// Move a run that is in the way aside
    #[arg(long)]
    force: bool,
}

/// Whether weights have to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Strict {
    Yes,
    No,
}

/// The settings that a run keeps from its start to its end.
const FIXED: [&str; 19] = [
    "model",
    "out",
    "batch_size",
    "optimizer",
    "momentum",
    "beta",
    "seed",
    "val_fraction",
    "test_fraction",
    "arch",
    "condition",
    "set",
    "config",
    "quick",
    "force",
    "recognized_only",
    "init",
    "weights",
    "strict",
];

impl Train {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        let options = self.overrides();
        let (mut trainer, moved) = match (&self.resume, &self.out) {
            (Some(run), _) => (resume(models, run, &options)?, None),
            (None, Some(out)) => {
                let config = self.new_run(models, options)?;
                args::require_device(config.device)?;
                Trainer::start(models, config, out, self.force)?
            }
            (None, None) => unreachable!("clap asks for a folder where nothing is resumed"),
        };
        interrupt::listen()?;
        if let Some(moved) = &moved {
            output::note(format_args!("the run that was there is now {}", moved.display()));
        }
        trainer.notes().iter().for_each(|note| output::note(format_args!("--init: {note}")));
        output::note(introduction(&trainer));

        let mut reporter = Reporter::new(trainer.steps_done(), trainer.total_steps());
        let ended = trainer.run(&mut reporter);
        reporter.finish();
        let outcome = ended?;
        output::report(&Summary::new(&trainer, outcome, reporter.images_per_second(), moved)?, json)?;
        if outcome != Outcome::Stopped {
            return Ok(ExitCode::SUCCESS);
        }
        let (step, run) = (trainer.steps_done(), trainer.folder().path().display());
        output::note(format_args!("stopped after step {step}; resume with: inkgrad train --resume {run}"));
        Ok(interrupt::STATUS.into())
    }

    /// The configuration of a new run. One that starts from a run's weights is that model, with its settings, where no
    /// other is asked for.
    fn new_run(&self, models: &Models, mut options: Overrides) -> Result<Config> {
        let mut model = self.model.clone();
        let found = self.init.as_deref().map(|place| find_weights(models, place, self.weights)).transpose()?;
        if let Some((_, Some(earlier))) = &found {
            let file = self.config.as_deref().map(Overrides::read).transpose()?.unwrap_or_default();
            let named = model.as_ref().or(file.model.as_ref());
            if named.is_none_or(|name| *name == earlier.model) {
                model = Some(earlier.model.clone());
                let settings = earlier.options.iter().filter(|(name, _)| !file.options.contains_key(*name));
                for (name, value) in settings {
                    options.options.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        let mut config = Config::resolve(models, model.as_deref(), self.config.as_deref(), &options)?;
        if let Some((file, _)) = found {
            start_from(&mut config, &file, self.strict == Some(Strict::No))?;
        }
        Ok(config)
    }

    fn overrides(&self) -> Overrides {
        Overrides {
            options: self.options.given(),
            data: self.data.clone(),
            test_fraction: self.test_fraction,
            epochs: self.epochs,
            steps: self.steps,
            batch_size: self.batch_size,
            optimizer: self.optimizer,
            momentum: self.momentum,
            lr: self.lr,
            schedule: self.schedule,
            warmup_steps: self.warmup_steps,
            clip_norm: self.clip_norm,
            seed: self.seed,
            threads: self.threads,
            device: self.device,
            precision: self.precision,
            val_fraction: self.val_fraction,
            log_every: self.log_every,
            patience: self.patience,
            checkpoint_minutes: self.checkpoint_minutes,
            data_changed: self.data_changed,
            quick: self.quick.then_some(true),
            recognized_only: self.recognized_only.then_some(true),
            ..Overrides::default()
        }
    }
}

fn resume(models: &Models, run: &Path, options: &Overrides) -> Result<Trainer> {
    let (_, config) = RunFolder::open(models, run)?;
    args::require_device(options.device.unwrap_or(config.device))?;
    let trainer = Trainer::resume(models, run, options)?;
    let now = trainer.config();
    if now.schedule == Schedule::Cosine && (now.epochs, now.steps) != (config.epochs, config.steps) {
        let (rate, total) = (trainer.next_rate(), trainer.total_steps());
        output::note(format_args!(
            "the cosine schedule now ends at step {total}: the learning rate goes on from {rate:.3e}"
        ));
    }
    Ok(trainer)
}

/// The model that is about to be trained, its data, and for how long.
fn introduction(trainer: &Trainer) -> String {
    let (config, data) = (trainer.config(), trainer.dataset());
    let done = match trainer.steps_done() {
        0 => String::new(),
        done => format!(", of which {} are done", thousands(done)),
    };
    format!(
        "{} ({} parameters) on {}: {} drawings to train on, {} to test on; {} steps of {}{done}; {} threads",
        config.model,
        thousands(trainer.network().params.count() as u64),
        data.name,
        thousands(data.train.len() as u64),
        thousands(data.test.len() as u64),
        thousands(trainer.total_steps()),
        config.batch_size,
        config.threads,
    )
}

/// How a run ended.
#[derive(Debug, Serialize)]
struct Summary {
    outcome: &'static str,
    run: String,
    model: String,
    data: String,
    /// Whether the program drew the data itself.
    synthetic: bool,
    step: u64,
    total_steps: u64,
    epoch: f64,
    /// The last records of each split.
    train: Option<Record>,
    val: Option<Record>,
    test: Option<Record>,
    /// Of training, in all sittings.
    seconds: f64,
    images_per_s: f64,
    files: Vec<String>,
    /// Where the run that was in the way is now.
    moved: Option<PathBuf>,
}

impl Summary {
    fn new(trainer: &Trainer, outcome: Outcome, images_per_s: f64, moved: Option<PathBuf>) -> Result<Self> {
        let (folder, data) = (trainer.folder(), trainer.dataset());
        let records = records::read(folder.metrics())?;
        let last = |split| records.iter().rfind(|record| record.split == split).cloned();
        Ok(Summary {
            outcome: match outcome {
                Outcome::Finished => "finished",
                Outcome::Stopped => "stopped",
                Outcome::Converged => "converged",
            },
            run: folder.path().display().to_string(),
            model: trainer.config().model.clone(),
            data: data.name.clone(),
            synthetic: matches!(data.origin, Origin::Builtin { .. }),
            step: trainer.steps_done(),
            total_steps: trainer.total_steps(),
            epoch: trainer.epoch(),
            train: last(Split::Train),
            val: last(Split::Val),
            test: last(Split::Test),
            seconds: trainer.seconds(),
            images_per_s,
            files: files(folder.path())?,
            moved,
        })
    }
}

/// The names of the files in a folder, in order.
fn files(folder: &Path) -> Result<Vec<String>> {
    let names = || -> io::Result<Vec<String>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    let mut names = names().map_err(Error::io(folder))?;
    // The lock, and what another program writes at this moment, are no results.
    names.retain(|name| !name.starts_with('.'));
    names.sort_unstable();
    Ok(names)
}

impl Report for Summary {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let how = match self.outcome {
            "finished" => "finished".to_owned(),
            "converged" => "converged: the validation loss no longer improves".to_owned(),
            _ => "stopped".to_owned(),
        };
        let (model, data) = (&self.model, &self.data);
        let steps = match self.step == self.total_steps {
            true => thousands(self.step),
            false => format!("{} of {}", thousands(self.step), thousands(self.total_steps)),
        };
        writeln!(out, "{model} on {data}, {how}")?;
        let (time, speed) = (duration(self.seconds), self.images_per_s);
        writeln!(out, "  {steps} steps, {:.2} epochs, {time}, {speed:.0} images/s", self.epoch)?;
        for record in [&self.train, &self.val, &self.test].into_iter().flatten() {
            writeln!(out, "  {:5}  {}", record.split.name(), progress::losses(record))?;
        }
        writeln!(out, "{}: {}", self.run, self.files.join(", "))
    }
}
