//! A run's weights in use: the last, those that validated best, or their moving average.

use std::path::{Path, PathBuf};

use super::own_weights::Kept;
use super::state::{check_model, fill};
use crate::model::{Models, Network};
use crate::run::checkpoint;
use crate::run::config::{Config, choice};
use crate::run::folder::RunFolder;
use crate::{Error, Result};

choice! {
    /// Which of a run's weights.
    Which("weights") {
        /// Those after its last step so far.
        Last = "last",
        /// Those with the smallest loss on the drawings held back for validation.
        Best = "best",
        /// The moving average of those after each step.
        Ema = "ema",
    }
}

/// A run, opened to be used.
#[derive(Debug)]
pub struct Opened {
    /// Its folder.
    pub folder: RunFolder,
    /// Its settings.
    pub config: Config,
    /// Its network with the weights.
    pub network: Network<f32>,
    /// Which weights these are.
    pub kept: Which,
    /// The step after which they were kept, where the file says so.
    pub step: Option<u64>,
    /// The file that they are of.
    pub file: PathBuf,
    /// Whether there were others to choose from.
    chosen: bool,
    /// These others.
    others: Vec<Which>,
}

impl Opened {
    /// Opens a run with the weights asked for; by default the best where validation has kept some, else the last.
    ///
    /// # Errors
    /// If the folder holds no run, its weights do not fit its model, or the best are asked for and none are kept.
    pub fn open(models: &Models, path: &Path, asked: Option<Which>) -> Result<Self> {
        let (folder, config) = RunFolder::open(models, path)?;
        let (best, validated) = (folder.best(), config.validates());
        let own = Kept::of(&folder, &config)?;
        let (has_best, averaged) = (own.best() && best.exists(), own.average() && folder.ema().exists());
        let (file, kept) = match asked {
            Some(Which::Last) => (folder.model(), Which::Last),
            Some(Which::Best) if !has_best => {
                let why = match (folder.state().exists(), validated) {
                    (_, false) if best.exists() => {
                        "it held nothing back for validation, and the file there is none of its own"
                    }
                    (false, _) => "its weights were imported or it has just begun",
                    (true, false) => "it held nothing back for validation",
                    (true, true) => "it has not validated yet",
                };
                let expected = if averaged { "last or ema" } else { "last" };
                let problem = format!("best, but {} keeps none: {why}; expected {expected}", path.display());
                return Err(Error::input("--weights", problem));
            }
            Some(Which::Ema) if !averaged => {
                let why = match config.ema {
                    None if folder.ema().exists() => {
                        "it was trained without --ema, and the file there is none of its own"
                    }
                    None => "it was trained without --ema",
                    Some(_) => "it has just begun",
                };
                let expected = if has_best { "last or best" } else { "last" };
                let problem = format!("ema, but {} keeps none: {why}; expected {expected}", path.display());
                return Err(Error::input("--weights", problem));
            }
            Some(Which::Ema) => (folder.ema(), Which::Ema),
            Some(Which::Best) => (best, Which::Best),
            None if has_best => (best, Which::Best),
            None => (folder.model(), Which::Last),
        };
        let mut network = models.build(&config)?;
        let tensors = checkpoint::load_tensors(&file)?;
        check_model(&tensors, &config, &file)?;
        let tensors = own.check(kept, tensors, &file, &network)?;
        let step = tensors.metadata("step").map(|_| tensors.parse("step")).transpose()?;
        fill(&mut network, tensors)?;
        let chosen = asked.is_some() || kept == Which::Best || averaged;
        let others = [(Which::Last, true), (Which::Best, has_best), (Which::Ema, averaged)]
            .into_iter()
            .filter_map(|(which, there)| (there && which != kept).then_some(which))
            .collect();
        Ok(Opened { folder, config, network, kept, step, file, chosen, others })
    }

    /// Which weights these are, in a few words.
    pub fn describe(&self) -> String {
        match (self.kept, self.step) {
            (Which::Last, _) => "the last".to_owned(),
            (Which::Best, Some(step)) => format!("the best by validation, of step {step}"),
            (Which::Best, None) => "the best by validation".to_owned(),
            (Which::Ema, Some(step)) => format!("the average up to step {step}"),
            (Which::Ema, None) => "the average".to_owned(),
        }
    }

    /// The line that tells a person which weights are used, and how to have others; `None` where there was nothing to choose.
    pub fn note(&self) -> Option<String> {
        let words = |which: &Which| match which {
            Which::Last => "the last",
            Which::Best => "the best by validation",
            Which::Ema => "the average",
        };
        let others = self.others.iter().map(|which| format!("--weights {which} for {}", words(which)));
        let others: Vec<String> = others.collect();
        let others = if others.is_empty() { String::new() } else { format!(" ({})", others.join(", ")) };
        self.chosen.then(|| format!("{}: weights: {}{others}", self.folder.path().display(), self.describe()))
    }
}
