//! Checkpoints: everything that the next step depends on, written so that a failure at any moment leaves a whole one.

use std::collections::BTreeMap;
use std::path::Path;

use super::Trainer;
use super::batches::Batches;
use super::opened::{Opened, Which};
use super::step::{Losses, Sums};
use inkgrad_engine::Param;

use crate::model::{MAX_TERMS, Models, Network};
use crate::run::checkpoint::{self, Tensors};
use crate::run::config::{Config, FORMAT, Overrides};
use crate::run::folder::RunFolder;
use crate::run::records;
use crate::{Error, Result, text};

/// Loads the last weights of a finished or interrupted run.
///
/// # Errors
/// If the folder holds no run, or its weights do not fit its model.
pub fn load_network(models: &Models, path: &Path) -> Result<(RunFolder, Config, Network<f32>)> {
    let Opened { folder, config, network, .. } = Opened::open(models, path, Some(Which::Last))?;
    Ok((folder, config, network))
}

/// Gives every parameter its values.
pub(crate) fn fill(network: &mut Network<f32>, tensors: Tensors) -> Result<()> {
    let values = tensors.take_all(&network.layout())?;
    for (param, values) in network.list().iter().zip(values) {
        network.params.value_mut(param).copy_from_slice(&values);
    }
    Ok(())
}

/// The state of a run; `None` where it was ended before its first checkpoint, and is to start again.
fn load_state(folder: &RunFolder, config: &Config) -> Result<Option<Tensors>> {
    match (folder.state().exists(), folder.model().exists()) {
        (false, false) => Ok(None),
        // Imported weights, which starting again would replace.
        (false, true) => {
            let (run, program) = (folder.path().display(), text::program());
            let problem = format!(
                "holds weights but no state.safetensors to go on from; a new run starts from them: \
                 {program} train --init {run} --data D --out RUN"
            );
            Err(Error::input(run, problem))
        }
        (true, _) => {
            let state = checkpoint::load_tensors(folder.state())?;
            state.check_format(FORMAT)?;
            check_model(&state, config, &folder.state())?;
            Ok(Some(state))
        }
    }
}

/// Refuses the tensors of another model, where they say whose they are.
pub(super) fn check_model(tensors: &Tensors, config: &Config, path: &Path) -> Result<()> {
    match tensors.metadata("model") {
        Some(found) if found != config.model => {
            Err(Error::input(path.display(), format!("holds a {found}, expected a {}", config.model)))
        }
        _ => Ok(()),
    }
}

/// How many steps did not reach each of the first parameters, of `count` in all.
fn missed(state: &Tensors, count: usize) -> Result<Vec<u64>> {
    let Some(text) = state.metadata("missed") else { return Ok(Vec::new()) };
    let numbers: Option<Vec<u64>> = text.split(',').map(|number| number.parse().ok()).collect();
    numbers.filter(|numbers| numbers.len() <= count).ok_or_else(|| {
        Error::input("state.safetensors", format!("missed is `{text:.40}`, expected at most {count} whole numbers"))
    })
}

impl Trainer {
    /// The parts of the state that hold one number a parameter; some are empty in some runs.
    fn parts(&self) -> [(&'static str, &[f32]); 4] {
        let average = self.average.as_ref().map_or(&[][..], |average| &average.values);
        [
            ("param", &self.network.params.values),
            ("first", &self.optimizer.first),
            ("second", &self.optimizer.second),
            ("average", average),
        ]
    }

    fn parts_mut(&mut self) -> [(&'static str, &mut [f32]); 4] {
        let average = self.average.as_mut().map_or(&mut [][..], |average| &mut average.values);
        [
            ("param", &mut self.network.params.values),
            ("first", &mut self.optimizer.first),
            ("second", &mut self.optimizer.second),
            ("average", average),
        ]
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
        let folder = RunFolder::open(models, path)?.0.own()?;
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
        let state = load_state(&folder, &config)?;
        let (dataset, fingerprint) = super::open_run_data(&config, options.data_changed, watch)?;
        if dataset.classes != config.classes {
            return Err(Error::input(
                &config.data,
                format!("holds the classes {}, expected {}", dataset.classes.join(", "), config.classes.join(", ")),
            ));
        }
        if options.data_changed || options.data.is_some() {
            config.data_sha256 = Some(fingerprint);
            config.own_validation = dataset.validation;
            config.data_path =
                Path::new(&config.data).canonicalize().ok().and_then(|path| Some(path.to_str()?.to_owned()));
        }
        let batches = Batches::new(&config, dataset.train.len())?;
        let mut network = models.build(&config)?;
        super::init::check_memory(&config, &network)?;
        network.initialise(config.seed);
        if state.is_none() {
            super::init::apply(models, &config, &mut network)?;
        }
        super::init::freeze(&config, &mut network)?;
        let recorded = folder.metrics().exists();
        let mut trainer = Self::assemble(config, folder, dataset, network, batches)?;
        if let Some(state) = state {
            trainer.restore(state)?;
        }
        if before.data_sha256.is_some() && before.data_sha256 != trainer.config.data_sha256 {
            // Losses on other drawings do not compare with these.
            (trainer.best, trainer.best_step, trainer.since_best) = (None, None, 0);
        }
        if trainer.step > trainer.total_steps() {
            let option = if by_epoch { "--epochs" } else { "--steps" };
            let (asked, done) = (trainer.total_steps(), trainer.step);
            return Err(Error::input(
                option,
                format!("{asked} steps in all, expected at least the {done} that are done"),
            ));
        }
        trainer.restore_best()?;
        if !recorded && trainer.step > 0 {
            let (path, step) = (trainer.folder.metrics(), trainer.step);
            let gone = format!("{}: missing; curves and report begin behind step {step}", path.display());
            trainer.notes.push(gone);
        }
        records::truncate_after(trainer.folder.metrics(), trainer.step)?;
        trainer.log = records::MetricsLog::open(trainer.folder.metrics())?;
        trainer.config.record_changes(&before, trainer.step);
        trainer.config.save(&trainer.folder.config())?;
        Ok(trainer)
    }

    fn restore(&mut self, state: Tensors) -> Result<()> {
        let (drawings, found): (usize, _) = (state.parse("drawings")?, self.dataset.train.len());
        if drawings != found {
            let problem = format!("{found} training drawings, expected {drawings} as before");
            return Err(Error::input(&self.config.data, problem));
        }
        self.step = state.parse("step")?;
        self.saved = Some(self.step);
        self.optimizer.step = self.step;
        self.optimizer.missed = missed(&state, self.network.list().len())?;
        self.earlier = state.parse("seconds")?;
        self.since_best = state.parse("since_best")?;
        let optional = |key: &str| state.metadata(key).is_some();
        self.best = optional("best").then(|| state.parse("best")).transpose()?;
        self.best_step = optional("best_step").then(|| state.parse("best_step")).transpose()?;
        let mut terms = [0.0; MAX_TERMS];
        for (sum, name) in terms.iter_mut().zip(self.network.terms()) {
            // There is none where no step was taken since the last record.
            let key = format!("sum_{name}");
            *sum = state.metadata(&key).map(|_| state.parse(&key)).transpose()?.unwrap_or(0.0);
        }
        let (loss, drawings) = (state.parse("sum_loss")?, state.parse("sum_drawings")?);
        self.sums = Sums { total: Losses { loss, terms, drawings } };
        let list = self.network.list();
        let parts = self.parts_mut().into_iter().filter(|(_, buffer)| !buffer.is_empty()).collect::<Vec<_>>();
        let layout: Vec<(String, Vec<usize>)> = parts
            .iter()
            .flat_map(|(part, _)| list.iter().map(move |p| (format!("{part}.{}", p.name), p.shape.dims().to_vec())))
            .collect();
        let values = state.take_all(&layout)?;
        for ((_, buffer), values) in parts.into_iter().zip(values.chunks(list.len())) {
            for (param, values) in list.iter().zip(values) {
                buffer[param.range()].copy_from_slice(values);
            }
        }
        Ok(())
    }

    /// Writes the state, then the weights and their average, then the best where these are the best. A resumed run reads the state
    /// alone and makes the best anew that were lost between the two, so that the files need not be of one moment.
    ///
    /// # Errors
    /// If a parameter is not finite, and nothing is written then; if a file cannot be written.
    pub(super) fn save(&mut self, seconds: f64) -> Result<()> {
        self.save_in(&self.folder, seconds)?;
        if self.is_best() && self.best_kept != self.best_step {
            self.save_best(&self.folder)?;
            self.best_kept = self.best_step;
        }
        self.saved = Some(self.step);
        self.pending.clear();
        Ok(())
    }

    /// Writes the state and the weights, without the best, in any folder.
    pub(super) fn save_in(&self, folder: &RunFolder, seconds: f64) -> Result<()> {
        self.check_finite()?;
        let mut metadata = BTreeMap::from(
            [
                ("format", FORMAT.to_string()),
                ("model", self.config.model.to_string()),
                ("step", self.step.to_string()),
                ("epoch", self.batches.epoch(self.step).to_string()),
                ("seconds", seconds.to_string()),
                ("drawings", self.dataset.train.len().to_string()),
                ("since_best", self.since_best.to_string()),
                ("sum_loss", self.sums.total.loss.to_string()),
                ("sum_drawings", self.sums.total.drawings.to_string()),
            ]
            .map(|(key, value)| (key.to_owned(), value)),
        );
        // Parameters that some steps did not reach; none in most models.
        if !self.optimizer.missed.is_empty() {
            let missed: Vec<String> = self.optimizer.missed.iter().map(u64::to_string).collect();
            metadata.insert("missed".to_owned(), missed.join(","));
        }
        if let Some(best) = self.best {
            metadata.insert("best".to_owned(), best.to_string());
        }
        if let Some(step) = self.best_step {
            metadata.insert("best_step".to_owned(), step.to_string());
        }
        for (name, sum) in self.network.terms().iter().zip(self.sums.total.terms) {
            metadata.insert(format!("sum_{name}"), sum.to_string());
        }
        let list = self.network.list();
        let named: Vec<(String, &[usize], &[f32])> = self
            .parts()
            .into_iter()
            .filter(|(_, buffer)| !buffer.is_empty())
            .flat_map(|(part, buffer)| {
                list.iter().map(move |p| (format!("{part}.{}", p.name), p.shape.dims(), &buffer[p.range()]))
            })
            .collect();
        let tensors: Vec<(&str, &[usize], &[f32])> = named.iter().map(|(n, s, v)| (n.as_str(), *s, *v)).collect();
        checkpoint::save_tensors(folder.state(), &tensors, &metadata)?;
        save_weights(&folder.model(), &self.config, &self.network)?;
        match &self.average {
            Some(average) => {
                let metadata = [("step".to_owned(), self.step.to_string())];
                write_weights(&folder.ema(), &self.config, &self.network, &average.values, metadata)
            }
            None => Ok(()),
        }
    }

    /// Whether the present weights are those that validated best.
    pub(super) fn is_best(&self) -> bool {
        self.best_step == Some(self.step)
    }

    /// Writes the present weights as the best.
    pub(super) fn save_best(&self, folder: &RunFolder) -> Result<()> {
        let metadata = [("step".to_owned(), self.step.to_string())];
        write_weights(&folder.best(), &self.config, &self.network, &self.network.params.values, metadata)
    }

    /// Makes the best weights anew where they are those of the checkpoint and were lost after it.
    fn restore_best(&mut self) -> Result<()> {
        if !self.is_best() {
            return Ok(());
        }
        let step = self.step.to_string();
        let kept = checkpoint::load_tensors(self.folder.best()).is_ok_and(|found| {
            let list = self.network.list();
            let is_param = |p: &Param| found.get(&p.name).is_ok_and(|t| t.values == self.network.params.value(p));
            found.metadata("step") == Some(&step) && list.iter().all(is_param)
        });
        if !kept {
            self.save_best(&self.folder)?;
        }
        self.best_kept = self.best_step;
        Ok(())
    }
}

/// Writes weights under PyTorch's names.
///
/// # Errors
/// If the file cannot be written.
pub fn save_weights(path: &Path, config: &Config, network: &Network<f32>) -> Result<()> {
    write_weights(path, config, network, &network.params.values, [])
}

/// The same of other `values` for the network's parameters, with more metadata.
fn write_weights(
    path: &Path,
    config: &Config,
    network: &Network<f32>,
    values: &[f32],
    more: impl IntoIterator<Item = (String, String)>,
) -> Result<()> {
    let named = [("format".to_owned(), "pt".to_owned()), ("model".to_owned(), config.model.to_string())];
    let metadata: BTreeMap<String, String> = named.into_iter().chain(more).collect();
    let list = network.list();
    let tensors: Vec<(&str, &[usize], &[f32])> =
        list.iter().map(|p| (p.name.as_str(), p.shape.dims(), &values[p.range()])).collect();
    checkpoint::save_tensors(path, &tensors, &metadata)
}
