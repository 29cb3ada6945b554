//! Checkpoints: everything that the next step depends on, written so that a failure at any moment leaves a whole one.

use std::collections::BTreeMap;
use std::path::Path;

use inkgrad_engine::Param;
use inkgrad_engine::optim::{Optimizer, Rule};

use super::Trainer;
use super::losses::{Losses, Sums};
use super::opened::{Opened, Which};
use super::own_weights;
use crate::model::{MAX_TERMS, Models, Network};
use crate::ranks::{agree, shares};
use crate::run::checkpoint::{self, Tensors};
use crate::run::config::{Config, FORMAT};
use crate::run::folder::RunFolder;
use crate::{Error, Result, text};

/// The settings that a run keeps, in its state: its `config.toml` may have been edited since.
const KEPT: &str = "kept";

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

/// An optimiser's moments, one number a parameter each; the second are none in descent.
#[derive(Debug, Clone, Default)]
pub(super) struct Moments {
    pub first: Vec<f32>,
    pub second: Vec<f32>,
}

/// The state of a run; `None` where it was ended before its first checkpoint, and is to start again.
pub(super) fn load_state(folder: &RunFolder, config: &Config) -> Result<Option<Tensors>> {
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
            if let Some(kept) = state.metadata(KEPT) {
                config.check_kept(kept, folder.path())?;
            }
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
        let (first, second) = match self.ranks.size() {
            1 => (&self.optimizer.first, &self.optimizer.second),
            _ => (&self.gathered.first, &self.gathered.second),
        };
        [("param", &self.network.params.values), ("first", first), ("second", second), ("average", average)]
    }

    /// The same to be filled, with all moments.
    fn parts_mut<'a>(&'a mut self, moments: &'a mut Moments) -> [(&'static str, &'a mut [f32]); 4] {
        let average = self.average.as_mut().map_or(&mut [][..], |average| &mut average.values);
        [
            ("param", &mut self.network.params.values),
            ("first", &mut moments.first),
            ("second", &mut moments.second),
            ("average", average),
        ]
    }

    /// Gathers the moments of all ranks where they are kept.
    pub(super) fn gather_moments(&mut self) {
        if self.ranks.size() > 1 {
            let counts = |used: bool| -> Vec<usize> {
                let shares = shares(self.network.params.count(), self.ranks.size());
                shares.iter().map(|share| if used { share.len() } else { 0 }).collect()
            };
            let Optimizer { first, second, .. } = &self.optimizer;
            let (first, second) =
                (self.ranks.gather(first, &counts(true)), self.ranks.gather(second, &counts(self.has_second())));
            self.gathered = Moments { first, second };
        }
    }

    /// Whether the optimiser keeps mean squares.
    fn has_second(&self) -> bool {
        !matches!(self.optimizer.settings().0, Rule::Sgd(_))
    }

    pub(super) fn restore(&mut self, state: Tensors) -> Result<()> {
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
        self.best_sha256 = state.metadata(own_weights::BEST_SHA256).map(str::to_owned);
        let mut terms = [0.0; MAX_TERMS];
        for (sum, name) in terms.iter_mut().zip(self.network.terms()) {
            // There is none where no step was taken since the last record.
            let key = format!("sum_{name}");
            *sum = state.metadata(&key).map(|_| state.parse(&key)).transpose()?.unwrap_or(0.0);
        }
        let (loss, drawings) = (state.parse("sum_loss")?, state.parse("sum_drawings")?);
        self.sums = Sums { total: Losses { loss, terms, drawings } };
        let list = self.network.list();
        let (count, share) = (self.network.params.count(), self.optimizer.share());
        let second = if self.has_second() { vec![0.0; count] } else { Vec::new() };
        let mut moments = Moments { first: vec![0.0; count], second };
        let parts =
            self.parts_mut(&mut moments).into_iter().filter(|(_, buffer)| !buffer.is_empty()).collect::<Vec<_>>();
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
        for (own, all) in [(&mut self.optimizer.first, moments.first), (&mut self.optimizer.second, moments.second)] {
            if !own.is_empty() {
                own.copy_from_slice(&all[share.clone()]);
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
        self.gather_moments();
        // Of the others, which have the same parameters, to fail as the first does.
        let saved = if self.ranks.is_root() { self.save_here(seconds) } else { self.check_finite() };
        agree(&*self.ranks, saved)
    }

    fn save_here(&mut self, seconds: f64) -> Result<()> {
        self.folder.check_in_place()?;
        let best = self.best_digest();
        self.save_in(&self.folder, seconds, best.as_deref())?;
        if self.is_best() && self.best_kept != self.best_step {
            self.save_best(&self.folder)?;
            (self.best_kept, self.best_sha256) = (self.best_step, best);
        }
        self.saved = Some(self.step);
        self.pending.clear();
        Ok(())
    }

    /// The digest of the best weights: of the present ones, or of those that an earlier state tells of.
    pub(super) fn best_digest(&self) -> Option<String> {
        if self.is_best() { Some(own_weights::digest(&self.network)) } else { self.best_sha256.clone() }
    }

    /// Writes the state, with the [digest](Self::best_digest) of the best weights, and the weights, without the best, in any folder.
    pub(super) fn save_in(&self, folder: &RunFolder, seconds: f64, best: Option<&str>) -> Result<()> {
        self.check_finite()?;
        let mut metadata = BTreeMap::from(
            [
                ("format", FORMAT.to_string()),
                ("model", self.config.model.to_string()),
                ("step", self.step.to_string()),
                ("epoch", self.batches.epoch(self.step).to_string()),
                ("seconds", seconds.to_string()),
                ("drawings", self.dataset.train.len().to_string()),
                (KEPT, self.config.kept()),
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
        if let Some(sha256) = best {
            metadata.insert(own_weights::BEST_SHA256.to_owned(), sha256.to_owned());
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
        folder.check_in_place()?;
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
    pub(super) fn restore_best(&mut self) -> Result<()> {
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
        (self.best_kept, self.best_sha256) = (self.best_step, Some(own_weights::digest(&self.network)));
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
