//! `inkgrad train`: a new run, or one that goes on; one for each of several seeds, or none, to find a learning rate.

mod lr_find;
mod seeds;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use inkgrad_models::data::Origin;
use inkgrad_models::ranks::{Ranks, agree};
use inkgrad_models::run::config::{Change, Config, Overrides, Schedule};
use inkgrad_models::run::folder::RunFolder;
use inkgrad_models::run::records::{self, Record, Split};
use inkgrad_models::trainer::{Drawn, Outcome, Trainer, Which, find_weights, start_from};
use inkgrad_models::{Error, Models, Result, text};
use serde::Serialize;

use crate::args;
use crate::distributed::{self, Distributed};
use crate::inline::{Drawings, ShowArgs};
use crate::interrupt;
use crate::output::{self, Report, duration, thousands};
use crate::progress::{self, Reporter};
use crate::settings::{ModelOptions, RunSettings};
use crate::tui::{self, Live};

use self::seeds::Seeds;

/// Settings that are not given are the model's defaults, or those of `--config`.
#[derive(Debug, Args)]
pub struct Train {
    /// The model
    #[arg(required_unless_present_any = ["resume", "config", "init"])]
    model: Option<String>,
    /// The run's folder, to be made
    #[arg(long, value_name = "RUN", required_unless_present_any = ["resume", "lr_find"])]
    out: Option<PathBuf>,
    /// Go on with this run where it stopped
    #[arg(long, value_name = "RUN", conflicts_with_all = FRESH)]
    resume: Option<PathBuf>,
    #[command(flatten)]
    settings: RunSettings,
    #[command(flatten)]
    options: ModelOptions,
    /// Settings from a file, options coming first; of a run's own config.toml nothing else is needed to train it again
    #[arg(long, value_name = "F.toml")]
    config: Option<PathBuf>,
    /// Start from the weights of this run or file, with a fresh optimizer
    #[arg(long, value_name = "RUN|FILE")]
    init: Option<PathBuf>,
    /// Which of that run's weights: last, best or ema [default: best where a share was kept for validation]
    #[arg(long, value_name = "WHICH", requires = "init")]
    weights: Option<Which>,
    /// Whether all of those weights have to fit: yes, or no to leave out what does not [default: yes]
    #[arg(long, value_name = "YES|NO", requires = "init")]
    strict: Option<Strict>,
    /// A run for each of these seeds, in RUN/seed-N, and their means; the same command goes on
    #[arg(long, value_name = "N,N,…", conflicts_with_all = ["seed", "resume", "force", "data_changed", "show"])]
    seeds: Option<Seeds>,
    /// Train no run, but try learning rates that rise from step to step: a plot (lr-find.png), and a proposal
    #[arg(
        long,
        value_name = "P.png",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "lr-find.png",
        value_parser = args::ends_in("png"),
        conflicts_with_all = ["resume", "out", "seeds", "force", "show"]
    )]
    lr_find: Option<PathBuf>,
    /// Steps of that [default: 100]
    #[arg(long, value_name = "N")]
    lr_find_steps: Option<usize>,
    /// Other drawings in the run's data folder than it began with are meant
    #[arg(long)]
    data_changed: bool,
    /// Move a run that is in the way aside
    #[arg(long)]
    force: bool,
    /// Take the whole terminal to show losses, samples, KL and speed; q stops, ? helps, and the usual lines come at the end
    #[arg(long, conflicts_with_all = ["seeds", "lr_find"])]
    tui: bool,
    /// Train together with the other processes that mpirun has started, over MPI: each computes some of the --accumulate parts of a
    /// step [default for those: one a process]
    #[arg(long, value_name = "mpi", hide_possible_values = true, conflicts_with_all = ["seeds", "lr_find"])]
    distributed: Option<Distributed>,
    #[command(flatten)]
    show: ShowArgs,
}

/// Whether weights have to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Strict {
    Yes,
    No,
}

/// Options of a new run alone, beside the settings that a run keeps from its start to its end.
const FRESH: [&str; 7] = ["model", "out", "config", "force", "init", "weights", "strict"];

impl Train {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        if self.tui {
            tui::check()?;
        }
        let mut options = self.overrides()?;
        if let Some(png) = &self.lr_find {
            let config = self.new_run(models, options, 1)?;
            return lr_find::run(models, config, png, self.lr_find_steps.unwrap_or(LR_FIND_STEPS), json);
        }
        if let (Some(Seeds(seeds)), Some(out)) = (&self.seeds, &self.out) {
            let config = self.new_run(models, options, 1)?;
            return seeds::run(models, &config, seeds, out, json);
        }
        let ranks = distributed::start(self.distributed)?;
        if self.distributed.is_some() && options.threads.is_none() {
            options.threads = Some(distributed::threads());
        }
        let (mut trainer, moved) = match (&self.resume, &self.out) {
            (Some(run), _) => (resume(models, run, &options, ranks)?, None),
            (None, Some(out)) => {
                let config = agree(&*ranks, self.new_run_among(models, options, &*ranks))?;
                Trainer::start_among(models, config, out, self.force, ranks, &mut progress::hashing())?
            }
            (None, None) => unreachable!("clap asks for a folder where nothing is resumed"),
        };
        interrupt::listen()?;
        if let Some(moved) = &moved {
            output::note(format_args!("the run that was there is now {}", moved.display()));
        }
        trainer.notes().iter().for_each(output::note);
        trainer.dataset().left_out.iter().for_each(output::note);
        output::note(introduction(&trainer));
        let network = trainer.network();
        (network.spec().remarks)(trainer.config()).iter().for_each(output::note);

        let (ended, images_per_second) = if self.tui && trainer.ranks().is_root() {
            let mut live = Live::open(&trainer)?;
            let ended = trainer.run(&mut live);
            live.close();
            (ended, live.images_per_second())
        } else {
            let mut reporter = Reporter::new(trainer.steps_done(), trainer.total_steps());
            let ended = trainer.run(&mut reporter);
            reporter.finish();
            (ended, reporter.images_per_second())
        };
        let outcome = ended?;
        if !trainer.ranks().is_root() {
            return Ok(if outcome == Outcome::Stopped { interrupt::STATUS.into() } else { ExitCode::SUCCESS });
        }
        output::report(&Summary::new(&trainer, outcome, images_per_second, moved)?, json)?;
        self.draw(&trainer)?;
        trainer.network().trained_remarks().iter().for_each(output::note);
        if outcome != Outcome::Stopped {
            say_next(&trainer);
            return Ok(ExitCode::SUCCESS);
        }
        let (step, run) = (trainer.steps_done(), trainer.folder().path().display());
        output::note(format_args!("stopped after step {step}; resume with: {} train --resume {run}", text::program()));
        Ok(interrupt::STATUS.into())
    }

    /// Draws on the terminal, where that is asked for, what the run's pictures show; of a classifier there is nothing.
    fn draw(&self, trainer: &Trainer) -> anyhow::Result<()> {
        if !self.show.asked() {
            return Ok(());
        }
        let Some(Drawn { picture, values, columns, together }) = trainer.drawn()? else {
            output::note(format_args!("--show: {} draws nothing", trainer.config().model));
            return Ok(());
        };
        let extents = trainer.config().image;
        self.show.show(&Drawings { picture: &picture, values: &values, extents, columns, together })
    }

    /// The configuration of a new run. One that starts from a run's weights is that model, with its settings, where no
    /// other is asked for.
    pub fn new_run(&self, models: &Models, mut options: Overrides, ranks: usize) -> Result<Config> {
        let mut model = self.model.clone();
        let file = self.config.as_deref().map(Overrides::read).transpose()?.unwrap_or_default();
        if ranks > 1 && options.accumulate.or(file.accumulate).is_none() {
            options.accumulate = Some(ranks);
        }
        let found = self.init.as_deref().map(|place| find_weights(models, place, self.weights)).transpose()?;
        if let Some((_, Some(earlier))) = &found {
            let named = model.as_ref().or(file.model.as_ref());
            if named.is_none_or(|name| *name == earlier.model) {
                model = Some(earlier.model.clone());
                let settings = earlier.options.iter().filter(|(name, _)| !file.options.contains_key(*name));
                for (name, value) in settings {
                    options.options.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
        }
        if let Some(path) = &self.config {
            say_changes(path, &file);
        }
        let mut config = Config::resolve(models, model.as_deref(), self.config.as_deref(), &options)?;
        if let Some((file, _)) = found {
            start_from(&mut config, &file, self.strict == Some(Strict::No))?;
        }
        Ok(config)
    }

    /// The same, on a device that is here.
    fn new_run_among(&self, models: &Models, options: Overrides, ranks: &dyn Ranks) -> Result<Config> {
        let config = self.new_run(models, options, ranks.size())?;
        args::require_device(config.device)?;
        Ok(config)
    }

    /// The settings that are given.
    ///
    /// # Errors
    /// If one of them would not be heeded.
    pub fn overrides(&self) -> Result<Overrides> {
        if self.seeds.is_some() && self.settings.given.seed.is_some() {
            return Err(Error::input("--seeds", "given with a seed, expected one of them"));
        }
        // Clap does not ask for what other options are in conflict with.
        if self.lr_find_steps.is_some() && self.lr_find.is_none() {
            return Err(Error::input("--lr-find-steps", "given without --lr-find, expected both"));
        }
        if self.data_changed && self.resume.is_none() && self.config.is_none() {
            return Err(Error::input("--data-changed", "given for a new run, expected --resume or a run's --config"));
        }
        let options = self.options.given();
        Ok(Overrides { options, data_changed: self.data_changed, ..self.settings.given.clone() })
    }
}

/// Steps that learning rates are tried for where none are given.
const LR_FIND_STEPS: usize = 100;

/// Says what to look at after a run, and what to do with it.
fn say_next(trainer: &Trainer) {
    let (run, program) = (trainer.folder().path(), text::program());
    let pictures = ["samples.png", "reconstructions.png", "accuracy.png", "loss.png"].map(|name| run.join(name));
    if let Some(picture) = pictures.iter().find(|picture| picture.exists()) {
        output::note(format_args!("look at {}", picture.display()));
    }
    let run = run.display();
    output::note(format_args!("next: {program} explain --run {run} --out page.html    # the network, to draw on"));
    output::note(format_args!("      {program} evaluate --run {run} --out scores.json  # how good it is"));
}

/// Says where a run of which this is the file was resumed with other settings: one that is trained again has the last ones
/// throughout, and so is another.
fn say_changes(path: &Path, file: &Overrides) {
    for Change { step, setting, from, to } in file.changes.iter().flatten() {
        let from = if from.is_empty() { "unset" } else { from };
        output::note(format_args!(
            "{}: {setting} was {from} up to step {step} and {to} from there on; here it is {to} from the start",
            path.display()
        ));
    }
}

fn resume(models: &Models, run: &Path, options: &Overrides, ranks: Box<dyn Ranks>) -> Result<Trainer> {
    let opened = RunFolder::open(models, run).and_then(|(_, config)| {
        args::require_device(options.device.unwrap_or(config.device))?;
        Ok(config)
    });
    let config = agree(&*ranks, opened)?;
    let trainer = Trainer::resume_among(models, run, options, ranks, &mut progress::hashing())?;
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
    let validation = match data.validation {
        0 => String::new(),
        n => format!(", {} to validate on", thousands(n as u64)),
    };
    let place = match data.is_stored() {
        true => " (left in their files)",
        false => "",
    };
    let ranks = match trainer.ranks().size() {
        1 => String::new(),
        size => format!("{size} ranks with "),
    };
    format!(
        "{} ({} parameters) on {}: {} drawings to train on{validation}, {} to test on{place}; {} steps of {}{done}; \
         {ranks}{} threads",
        config.model,
        thousands(trainer.network().params.count() as u64),
        data.name,
        thousands((data.train.len() - data.validation) as u64),
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
        write!(out, "  {steps} steps, {:.2} epochs, {}", self.epoch, duration(self.seconds))?;
        // None were trained on where a finished run is resumed.
        match self.images_per_s {
            0.0 => writeln!(out)?,
            speed => writeln!(out, ", {speed:.0} images/s")?,
        }
        for record in [&self.train, &self.val, &self.test].into_iter().flatten() {
            writeln!(out, "  {:5}  {}", record.split.name(), progress::losses(record))?;
        }
        writeln!(out, "{}: {}", self.run, self.files.join(", "))
    }
}
