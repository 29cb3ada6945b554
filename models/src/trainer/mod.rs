//! Training: batches, steps, records, checkpoints, and going on after an interruption.
//!
//! ```
//! use inkgrad_models::data::builtin;
//! use inkgrad_models::prelude::*;
//!
//! let folder = tempfile::tempdir().expect("a folder");
//! let (data, run) = (folder.path().join("data"), folder.path().join("run"));
//! write_course(&builtin(40, 1)?, &data)?;
//!
//! let models = Models::builtin();
//! let data = data.display().to_string();
//! let defaults = models.defaults("classifier")?;
//! let config = Config { data, epochs: None, steps: Some(2), batch_size: 8, ..defaults };
//! let (mut trainer, _) = Trainer::start(&models, config, &run, false)?;
//! trainer.run(&mut ())?; // leaves weights, records, a checkpoint and figures in `run`
//! drop(trainer); // the folder has one owner at a time
//!
//! let longer = Overrides { steps: Some(3), ..Overrides::default() };
//! let mut resumed = Trainer::resume(&models, &run, &longer)?;
//! assert_eq!(resumed.steps_done(), 2);
//! resumed.run(&mut ())?;
//! assert_eq!(resumed.steps_done(), 3);
//! # Ok::<(), Error>(())
//! ```

mod batch;
mod batches;
mod compute;
mod events;
mod exchange;
mod failure;
mod figures;
mod fit;
mod import;
mod init;
mod loading;
mod losses;
mod lr_find;
mod measure;
mod observer;
mod on_device;
mod opened;
mod own_weights;
mod projector;
mod record;
mod rescue;
mod start;
mod state;
mod step;
#[cfg(test)]
mod tests;
mod together;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use inkgrad_engine::Team;
use inkgrad_engine::optim::{Adam, Average, Optimizer, Rule, Schedule};
use inkgrad_kernels::launch::Device;

use self::batches::Batches;
use self::compute::Compute;
pub use self::figures::Drawn;
pub use self::fit::fit;
pub use self::import::{Imported, import};
pub use self::init::{find as find_weights, start_from};
use self::loading::open_run_data;
pub use self::loading::{load_data, load_run_data, note_data};
pub use self::losses::{Losses, Sums};
pub use self::lr_find::{RangeTest, Tried, range_test};
pub use self::observer::{Observer, Outcome, Progress};
pub use self::on_device::{DeviceStepper, Part, Upcoming};
pub use self::opened::{Opened, Which};
use self::state::Moments;
pub(crate) use self::state::fill;
pub use self::state::{load_network, save_weights};
pub use self::step::Stepper;
use crate::Result;
use crate::data::{Dataset, Drawings};
use crate::image::Png;
use crate::model::{Models, Network};
use crate::ranks::{Ranks, Solo, agree, any, shares};
use crate::run::config::{self, Config};
use crate::run::folder::RunFolder;
use crate::run::records::{self, Record, RecordLog};
use crate::run::tensorboard::EventFile;

/// A run under way.
pub struct Trainer {
    config: Config,
    folder: RunFolder,
    dataset: Dataset<Drawings>,
    network: Network<f32>,
    optimizer: Optimizer<f32>,
    /// The weights' moving average, where one is asked for.
    average: Option<Average<f32>>,
    schedule: Schedule,
    batches: Batches,
    /// The processes that train it together.
    ranks: Box<dyn Ranks>,
    /// The optimiser's moments of all ranks, which rank 0 gathers to keep them.
    gathered: Moments,
    /// Of the rank that writes.
    log: Option<RecordLog>,
    /// TensorBoard's, one file a sitting, made with its first record.
    events: Option<EventFile>,
    /// The pictures that were drawn last, and at which step: those of the last are the run's figures too.
    drawn: Option<(u64, Vec<(&'static str, Png)>)>,
    step: u64,
    /// Sums over the steps since the last record.
    sums: Sums,
    /// Seconds of training before this process.
    earlier: f64,
    /// The smallest validation loss.
    best: Option<f64>,
    /// The step that it was found after, where that is known.
    best_step: Option<u64>,
    /// The step of the best weights that the folder is known to hold.
    best_kept: Option<u64>,
    /// The digest of the best weights that a state was written of.
    best_sha256: Option<String>,
    /// Validations since the best.
    since_best: u64,
    /// Remarks on what it began with: foreign weights, records that are missing.
    notes: Vec<String>,
    /// The device, where it was opened to see whether it will do and does not compute yet.
    device: Option<Box<dyn Device>>,
    /// The step of the checkpoint in the folder.
    saved: Option<u64>,
    /// Records since then.
    pending: Vec<Record>,
}

/// The optimizer of the share `own` of `params` parameters and the schedule of `total` steps that a configuration asks for.
fn optimizer(config: &Config, total: u64, params: usize, own: Range<usize>) -> (Optimizer<f32>, Schedule) {
    let rule = match config.optimizer {
        config::Optimizer::Adam => Rule::Adam,
        config::Optimizer::AdamW => {
            Rule::AdamW(Adam { weight_decay: config.weight_decay.unwrap_or(config::WEIGHT_DECAY), ..Adam::DEFAULT })
        }
        config::Optimizer::Sgd => Rule::Sgd(config.momentum),
    };
    let schedule = match config.schedule {
        config::Schedule::Constant if config.warmup_steps == 0 => Schedule::Constant,
        config::Schedule::Constant => Schedule::WarmUp { warmup: config.warmup_steps },
        config::Schedule::Cosine => Schedule::Cosine { warmup: config.warmup_steps, total },
    };
    (Optimizer::of_share(rule, config.clip_norm, params, own), schedule)
}

impl Trainer {
    /// Starts a run: loads the data, makes the folder and writes the configuration.
    ///
    /// # Errors
    /// If the configuration does not fit the data, the model is not known, or the folder cannot be made. Nothing is
    /// written in the first two cases. The path is where an earlier run was moved to.
    pub fn start(models: &Models, config: Config, path: &Path, force: bool) -> Result<(Self, Option<PathBuf>)> {
        Self::start_watched(models, config, path, force, &mut |_, _| {})
    }

    /// The same; `watch` is told how many drawings the data's fingerprint is of already, and how many there are: of data that stays
    /// in its files, it has to read them all.
    ///
    /// # Errors
    /// As [`Trainer::start`].
    pub fn start_watched(
        models: &Models,
        config: Config,
        path: &Path,
        force: bool,
        watch: &mut dyn FnMut(usize, usize),
    ) -> Result<(Self, Option<PathBuf>)> {
        Self::start_among(models, config, path, force, Box::new(Solo), watch)
    }

    fn assemble(
        config: Config,
        folder: RunFolder,
        dataset: Dataset<Drawings>,
        network: Network<f32>,
        batches: Batches,
        ranks: Box<dyn Ranks>,
    ) -> Self {
        let count = network.params.count();
        let own = shares(count, ranks.size())[ranks.rank()].clone();
        let (optimizer, schedule) = optimizer(&config, batches.total(), count, own);
        let average = config.ema.map(|decay| Average::new(&network.params, decay));
        Trainer {
            config,
            folder,
            dataset,
            network,
            optimizer,
            average,
            schedule,
            batches,
            ranks,
            gathered: Moments::default(),
            log: None,
            events: None,
            drawn: None,
            step: 0,
            sums: Sums::default(),
            earlier: 0.0,
            best: None,
            best_step: None,
            best_kept: None,
            best_sha256: None,
            since_best: 0,
            notes: Vec::new(),
            device: None,
            saved: None,
            pending: Vec::new(),
        }
    }

    /// The configuration, resolved.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The processes that train it together, as this one sees them.
    pub fn ranks(&self) -> &dyn Ranks {
        &*self.ranks
    }

    /// Remarks on what it began with, a line each: foreign weights, records that are missing.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Whether its validation loss has stopped improving for as long as the configuration allows: it ended there.
    pub fn has_converged(&self) -> bool {
        self.config.patience.is_some_and(|patience| self.since_best >= patience)
    }

    /// The data, in memory or in its files.
    pub fn dataset(&self) -> &Dataset<Drawings> {
        &self.dataset
    }

    /// Steps taken so far.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// Steps of the whole run.
    pub fn total_steps(&self) -> u64 {
        self.batches.total()
    }

    /// Passes over the training set so far.
    pub fn epoch(&self) -> f64 {
        self.batches.epoch(self.step)
    }

    /// Seconds of training so far, those before an interruption included.
    pub fn seconds(&self) -> f64 {
        self.earlier
    }

    /// The network in its present state.
    pub fn network(&self) -> &Network<f32> {
        &self.network
    }

    /// Trains until all steps are taken or the observer stops the run, and leaves checkpoint, records and figures.
    ///
    /// # Errors
    /// If a file cannot be written, or the loss is not finite; the last checkpoint stays as it was.
    pub fn run(&mut self, observer: &mut dyn Observer) -> Result<Outcome> {
        let compute = match self.device.take() {
            Some(device) => self.compute_on(device),
            None => self.compute(),
        };
        self.sitting(agree(&*self.ranks, compute)?, observer)
    }

    /// The same on a device that is given, with the kernels of the configuration's precision loaded.
    ///
    /// # Errors
    /// As [`Trainer::run`].
    pub fn run_on(&mut self, device: Box<dyn Device>, observer: &mut dyn Observer) -> Result<Outcome> {
        self.device = None;
        let compute = self.compute_on(device);
        self.sitting(agree(&*self.ranks, compute)?, observer)
    }

    fn sitting(&mut self, mut compute: Compute, observer: &mut dyn Observer) -> Result<Outcome> {
        let (earlier, started) = (self.earlier, Instant::now());
        if let Some(how) = compute.link(&*self.ranks) {
            observer.link(&how);
        }
        // One call for all steps: waking threads for each would cost small models a tenth of their time.
        let trained = self.config.precision.pool(self.config.threads).enter(|team| self.train(compute, team, observer));
        let finished = trained.and_then(|outcome| {
            // A scheduler or mpirun that stops several ranks leaves them seconds; the figures come when the run goes on.
            let is_hurried = outcome == Outcome::Stopped && self.ranks.size() > 1;
            let drawn = if self.ranks.is_root() && !is_hurried { self.figures() } else { Ok(()) };
            agree(&*self.ranks, drawn).map(|()| outcome)
        });
        finished.map_err(|error| {
            self.gather_moments();
            self.rescued(error, earlier + started.elapsed().as_secs_f64())
        })
    }

    fn train(&mut self, mut compute: Compute, team: &Team, observer: &mut dyn Observer) -> Result<Outcome> {
        let started = Instant::now();
        let every = Duration::from_secs_f64((self.config.checkpoint_minutes * 60.0).clamp(0.0, 1e9));
        let (mut saved, mut read, mut drawings) = (started, started, 0);
        let mut outcome = Outcome::Finished;
        while self.step < self.batches.total() {
            let read_ahead = self.read_ahead(&mut compute);
            if let Err(error) = agree(&*self.ranks, read_ahead) {
                return Err(self.unread(error, self.earlier + started.elapsed().as_secs_f64()));
            }
            drawings += self.advance(&mut compute, team)?;
            if compute.read_due(read) {
                self.read(&mut compute)?;
                read = Instant::now();
                observer.step(&Progress {
                    step: self.step,
                    total: self.batches.total(),
                    epoch: self.batches.epoch(self.step),
                    loss: self.sums.mean().loss,
                    drawings: std::mem::take(&mut drawings),
                });
            }
            let record_due = self.batches.record_due(self.step, self.config.log_every);
            if record_due {
                let seconds = self.earlier + started.elapsed().as_secs_f64();
                self.fetch(&mut compute)?;
                let converged = self.record(&mut compute, team, seconds, observer)?;
                self.save(seconds)?;
                saved = Instant::now();
                if converged {
                    outcome = Outcome::Converged;
                    break;
                }
            }
            if record_due || matches!(compute, Compute::ByStep(_)) {
                observer.look(self);
            }
            let [stop, save] = any(&*self.ranks, [observer.stop(), saved.elapsed() >= every]);
            if stop {
                outcome = Outcome::Stopped;
                break;
            }
            if save {
                self.fetch(&mut compute)?;
                self.save(self.earlier + started.elapsed().as_secs_f64())?;
                saved = Instant::now();
            }
        }
        self.earlier += started.elapsed().as_secs_f64();
        self.fetch(&mut compute)?;
        self.save(self.earlier)?;
        Ok(outcome)
    }

    /// All records of the run so far, as `metrics.jsonl` has them.
    ///
    /// # Errors
    /// If the file cannot be read, or somebody else has written to it.
    pub fn records(&self) -> Result<Vec<Record>> {
        records::read(self.folder.metrics())
    }

    /// Where the run is kept.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }
}
