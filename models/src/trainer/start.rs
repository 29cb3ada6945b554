//! Starting and resuming a run, alone or among ranks: all of them load and check the same, then the first alone makes the folder
//! and writes.

use std::path::{Path, PathBuf};

use super::batches::Batches;
use super::state::load_state;
use super::{Trainer, init, loading, open_run_data};
use crate::model::Models;
use crate::ranks::{Ranks, agree, check_same, program};
use crate::run::config::{Config, Overrides};
use crate::run::folder::RunFolder;
use crate::run::records::{self, RecordLog};
use crate::run::sitting::Sitting;
use crate::{Error, Result};

impl Trainer {
    /// Starts a run as one of several ranks, each of which calls this with the same settings. They are compared before the first
    /// writes anything: the program, the settings, and the data by its fingerprint. `path` is where rank 0 makes the folder.
    ///
    /// # Errors
    /// As [`Trainer::start`], of whichever rank; if one differs from the first; if there are more ranks than parts of a step
    /// (`accumulate`), or a device is to compute.
    pub fn start_among(
        models: &Models,
        mut config: Config,
        path: &Path,
        force: bool,
        ranks: Box<dyn Ranks>,
        watch: &mut dyn FnMut(usize, usize),
    ) -> Result<(Self, Option<PathBuf>)> {
        let mut load = || {
            check_ranks(&config, &*ranks)?;
            config.precision.check(config.device)?;
            check_apart(&config, path)?;
            let (dataset, fingerprint) = open_run_data(&config, false, watch)?;
            let usual = models.defaults(&config.model)?;
            loading::check_validation(&config, usual.val_fraction, &dataset)?;
            let gives_way = loading::gives_way(&config, usual.test_fraction, &dataset);
            config.classes = dataset.classes.clone();
            config.image = dataset.train.images.extents();
            loading::note(&mut config, fingerprint, dataset.validation);
            config.validate(models)?;
            let batches = Batches::new(&config, dataset.train.len())?;
            let mut network = models.build(&config)?;
            init::check_memory(&config, &network)?;
            let without = loading::check_classes(&config, &network, &dataset, batches.validation())?;
            network.initialise(config.seed);
            let notes = init::apply(models, &config, &mut network)?;
            let mut notes: Vec<String> = notes.iter().map(|note| format!("--init: {note}")).collect();
            notes.extend(without);
            notes.extend(gives_way);
            init::freeze(&config, &mut network)?;
            let device = init::check_device(&config, &network, &*ranks)?;
            Ok((dataset, batches, network, notes, device))
        };
        let loaded = load();
        let (dataset, batches, network, notes, device) = agree(&*ranks, loaded)?;
        check_alike(&config, &*ranks)?;
        let made = match ranks.is_root() {
            true => RunFolder::create(path, force, |folder| config.save(&folder.config()))
                .map(|created| (created.folder, created.moved)),
            false => Ok((RunFolder::of_another(path), None)),
        };
        let (folder, moved) = agree(&*ranks, made)?;
        let mut trainer = Self::assemble(config, folder, dataset, network, batches, ranks);
        (trainer.notes, trainer.device) = (notes, device);
        let opened = trainer.open_records();
        agree(&*trainer.ranks, opened)?;
        Ok((trainer, moved))
    }

    /// Goes on with an interrupted or finished run, with some settings changed.
    ///
    /// # Errors
    /// If the folder holds no run, its checkpoint does not fit, or the data has changed.
    pub fn resume(models: &Models, path: &Path, options: &Overrides) -> Result<Self> {
        Self::resume_watched(models, path, options, &mut |_, _| {})
    }

    /// The same; `watch` is told of the data's fingerprint as by [`Trainer::start_watched`].
    ///
    /// # Errors
    /// As [`Trainer::resume`].
    pub fn resume_watched(
        models: &Models,
        path: &Path,
        options: &Overrides,
        watch: &mut dyn FnMut(usize, usize),
    ) -> Result<Self> {
        Self::resume_among(models, path, options, Box::new(crate::ranks::Solo), watch)
    }

    /// The same as one of several ranks, which need not be as many as before, and all of which see the run's folder.
    ///
    /// # Errors
    /// As [`Trainer::resume`] and [`Trainer::start_among`].
    pub fn resume_among(
        models: &Models,
        path: &Path,
        options: &Overrides,
        ranks: Box<dyn Ranks>,
        watch: &mut dyn FnMut(usize, usize),
    ) -> Result<Self> {
        let root = ranks.is_root();
        // Rank 0 has the folder to itself before any of them reads what is in it.
        let opened = RunFolder::open(models, path).and_then(|(folder, _)| if root { folder.own() } else { Ok(folder) });
        let folder = agree(&*ranks, opened)?;
        let mut load = || {
            // As its owner left it.
            let before = Config::load(models, &folder.config())?;
            let by_epoch = before.epochs.is_some();
            let mut config = before.clone();
            config.apply(options);
            if config.epochs.is_some() != by_epoch {
                let (found, expected) = if by_epoch { ("--steps", "epochs") } else { ("--epochs", "steps") };
                let problem = format_args!("given for a run that is counted in {expected}, expected --{expected}");
                return Err(Error::input(found, problem));
            }
            config.validate(models)?;
            config.check_kept(&before.kept(), path)?;
            config.check_interval(options)?;
            check_ranks(&config, &*ranks)?;
            config.precision.check(config.device)?;
            let state = load_state(&folder, &config)?;
            let (dataset, fingerprint) = open_run_data(&config, options.data_changed, watch)?;
            if dataset.classes != config.classes {
                let (found, expected) = (dataset.classes.join(", "), config.classes.join(", "));
                return Err(Error::input(&config.data, format!("holds the classes {found}, expected {expected}")));
            }
            if options.data_changed || options.data.is_some() {
                config.data_sha256 = Some(fingerprint);
                config.own_validation = dataset.validation;
                config.data_path =
                    Path::new(&config.data).canonicalize().ok().and_then(|path| Some(path.to_str()?.to_owned()));
            }
            let batches = Batches::new(&config, dataset.train.len())?;
            let mut network = models.build(&config)?;
            init::check_memory(&config, &network)?;
            if options.data_changed || options.data.is_some() {
                loading::check_classes(&config, &network, &dataset, batches.validation())?;
            }
            network.initialise(config.seed);
            if state.is_none() {
                init::apply(models, &config, &mut network)?;
            }
            init::freeze(&config, &mut network)?;
            Ok((before, by_epoch, config, state, dataset, batches, network))
        };
        let loaded = load();
        let (before, by_epoch, config, state, dataset, batches, network) = agree(&*ranks, loaded)?;
        check_alike(&config, &*ranks)?;
        let mut trainer = Self::assemble(config, folder, dataset, network, batches, ranks);
        let restore = || {
            if let Some(state) = state {
                trainer.restore(state)?;
            }
            if before.data_sha256.is_some() && before.data_sha256 != trainer.config.data_sha256 {
                // Losses on other drawings do not compare with these.
                (trainer.best, trainer.best_step, trainer.since_best) = (None, None, 0);
                trainer.best_sha256 = None;
            }
            if trainer.step > trainer.total_steps() {
                let option = if by_epoch { "--epochs" } else { "--steps" };
                let (asked, done) = (trainer.total_steps(), trainer.step);
                return Err(Error::input(
                    option,
                    format!("{asked} steps in all, expected at least the {done} that are done"),
                ));
            }
            Ok(())
        };
        let restored = restore();
        agree(&*trainer.ranks, restored)?;
        let written = trainer.go_on(&before);
        agree(&*trainer.ranks, written)?;
        Ok(trainer)
    }

    /// Makes the folder that of a run that goes on from its checkpoint.
    fn go_on(&mut self, before: &Config) -> Result<()> {
        if self.ranks.is_root() {
            let (recorded, path) = (self.folder.metrics().exists(), self.folder.metrics());
            // Makes the file where there is none.
            drop(RecordLog::open(&path)?);
            self.restore_best()?;
            if !recorded && self.step > 0 {
                let gone = format!("{}: missing; curves and report begin behind step {}", path.display(), self.step);
                self.notes.push(gone);
            }
            let last = records::truncate_after(&path, self.step)?;
            let due = self.step - self.step % self.records_every(before);
            if recorded && last < due {
                let gone = format!(
                    "{}: ends at step {last} of {}; what was recorded behind it is gone",
                    path.display(),
                    self.step
                );
                self.notes.push(gone);
            }
        }
        if before.data_sha256.is_none() {
            let config = self.folder.config();
            self.notes.push(format!(
                "{}: has no SHA-256 of the drawings; that they are the same was not checked",
                config.display()
            ));
        }
        self.open_records()?;
        let known = before.changes.len();
        self.config.record_changes(before, self.step);
        let changed: Vec<&str> = self.config.changes[known..].iter().map(|change| change.setting.as_str()).collect();
        if self.step > 0 && self.step == self.total_steps() && !changed.is_empty() {
            self.notes.push(format!("no step is left to train with what was changed: {}", changed.join(", ")));
        }
        if self.ranks.is_root() { self.config.save(&self.folder.config()) } else { Ok(()) }
    }

    /// Steps from one record of the training loss to the next.
    fn records_every(&self, config: &Config) -> u64 {
        match config.epochs {
            Some(_) => (self.batches.steps_of_a_pass() as u64).max(1),
            None => config.log_every,
        }
    }

    /// Opens the records, of rank 0 alone, and writes down who trains, where they are several.
    fn open_records(&mut self) -> Result<()> {
        let threads = self.config.threads as u64;
        let said = (self.ranks.size() > 1).then(|| {
            let text = serde_json::to_vec(&(self.ranks.host(), threads)).unwrap_or_default();
            self.ranks.all_gather_bytes(&text)
        });
        if !self.ranks.is_root() {
            return Ok(());
        }
        self.log = Some(RecordLog::open(self.folder.metrics())?);
        let Some(said) = said else { return Ok(()) };
        let read = |bytes: &Vec<u8>| serde_json::from_slice::<(String, usize)>(bytes).unwrap_or_default();
        let (hosts, threads) = said.iter().map(read).unzip();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Sitting { step: self.step, ranks: self.ranks.size(), hosts, threads, version }.append(self.folder.ranks())
    }
}

/// Refuses ranks that would have nothing to do.
fn check_ranks(config: &Config, ranks: &dyn Ranks) -> Result<()> {
    let (size, parts) = (ranks.size(), config.accumulate);
    if size > parts {
        let problem = format!("{parts}, expected at least {size}: a step has a part for each of the {size} ranks");
        return Err(Error::input("--accumulate", problem));
    }
    Ok(())
}

/// Refuses drawings within a run that is to make room for this one: they would go with it.
fn check_apart(config: &Config, path: &Path) -> Result<()> {
    match (Path::new(&config.data).canonicalize(), path.canonicalize()) {
        (Ok(data), Ok(folder)) if data.starts_with(&folder) && folder.join("config.toml").exists() => {
            let problem =
                format_args!("lie in {}, which is to be the run's folder, expected another place", path.display());
            Err(Error::input(&config.data, problem))
        }
        _ => Ok(()),
    }
}

/// Refuses ranks of another program, other data or other settings than the first one's. Where a machine has its data, and how many
/// threads, is its own affair.
fn check_alike(config: &Config, ranks: &dyn Ranks) -> Result<()> {
    if ranks.size() == 1 {
        return Ok(());
    }
    let data = config.data_sha256.clone().unwrap_or_default();
    let own = |name: &str| ["data_sha256", "data_path", "threads", "data_memory"].contains(&name);
    let settings = config.settings().into_iter().filter(|(name, _)| !own(name));
    let settings: Vec<String> = settings.map(|(name, value)| format!("{name} = {value}")).collect();
    let facts = [program(ranks)?, ("has other data: SHA-256", data), ("has another setting:", settings.join("\n"))];
    check_same(ranks, &facts)
}
