//! Runs that are examined together: opened, judged, and evaluated once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use inkgrad_models::data::Dataset;
use inkgrad_models::features::{Cache, Extractor};
use inkgrad_models::inception::Resize;
use inkgrad_models::infer::Inference;
use inkgrad_models::metrics as scores;
use inkgrad_models::model::Network;
use inkgrad_models::ranks::{Ranks, agree, any};
use inkgrad_models::run::atomic;
use inkgrad_models::run::config::{Config, DeviceKind};
use inkgrad_models::run::folder::RunFolder;
use inkgrad_models::run::records::{self, Record};
use inkgrad_models::run::sitting::Sitting;
use inkgrad_models::sampler::{Fitted, Sampler};
use inkgrad_models::study::{self, Evaluation, Inception, Judge, Options, Subject, fingerprint};
use inkgrad_models::trainer::{Opened, Which, load_data, load_run_data};
use inkgrad_models::{Error, Models, Result};
use serde::{Deserialize, Serialize};

use crate::sampler::{Kept as KeptSampler, READ_ONLY};
use crate::session::say_cache;
use crate::{output, progress};

/// One run under study.
pub struct Subjected {
    /// Its folder.
    pub path: PathBuf,
    /// Its settings.
    pub config: Config,
    /// Its losses.
    pub records: Vec<Record>,
    /// The processes that trained it together, where they were several.
    pub sittings: Vec<Sitting>,
    /// Its network.
    pub inference: Inference,
    name: String,
    /// Which of its weights these are.
    pub weights: String,
    /// The same as a line, where there was a choice.
    note: Option<String>,
    folder: RunFolder,
}

impl Subjected {
    /// Opens a run with the weights asked for, its network on a device.
    ///
    /// # Errors
    /// Those of [`Opened::open`] and [`Inference::on`].
    pub fn open(
        models: &Models,
        path: &Path,
        weights: Option<Which>,
        (device, threads): (DeviceKind, usize),
    ) -> Result<Self> {
        let opened = Opened::open(models, path, weights)?;
        let (weights, note) = (opened.describe(), opened.note());
        let Opened { folder, config, network, .. } = opened;
        // Imported weights have no losses.
        let records = if folder.metrics().exists() { records::read(folder.metrics())? } else { Vec::new() };
        let (inference, name) = (Inference::new(network, threads).on(device)?, config.label());
        let sittings = Sitting::read(folder.ranks())?;
        Ok(Subjected { name, path: path.to_owned(), config, records, sittings, inference, weights, note, folder })
    }

    /// The sampler of latents that is asked for, fitted on the training drawings of `dataset`; `None` for the prior, which a study
    /// finds itself. Each rank reads it or fits it, all of them the same, and the first keeps it.
    ///
    /// # Errors
    /// If the model has no latents, and those of [`KeptSampler`].
    pub fn sampler(&mut self, sampler: Sampler, dataset: &Dataset, ranks: &dyn Ranks) -> Result<Option<Fitted>> {
        self.check_sampler(sampler)?;
        if sampler == Sampler::Prior {
            return Ok(None);
        }
        let inference = &mut self.inference;
        if sampler == Sampler::Vamp {
            return Fitted::learnt(inference).map(Some);
        }
        let kept = KeptSampler::new(sampler, inference, &self.folder, dataset.fingerprint(), self.config.seed);
        let found = agree(ranks, kept.read(inference))?;
        // One that does not see it, on a disk of its own, fits it; so do all then.
        if any(ranks, [found.is_none()]) == [true] {
            return agree(ranks, kept.fit(inference, dataset, ranks.is_root())).map(Some);
        }
        Ok(found)
    }

    /// Refuses a sampler of latents for a network that has none.
    ///
    /// # Errors
    /// If it has none.
    pub fn check_sampler(&self, sampler: Sampler) -> Result<()> {
        if sampler == Sampler::Prior || self.inference.network().is_autoencoder() {
            return Ok(());
        }
        let problem = format!("{sampler} for {}, expected an autoencoder's run", self.config.model);
        Err(Error::input("--sampler", problem))
    }

    /// Says which of its weights are examined, where there was a choice.
    pub fn say_weights(&self) {
        self.note.iter().for_each(output::note);
    }

    /// Its label: its model, and in brackets the variant and what tells it from others of its kind.
    pub fn label(&self) -> String {
        self.name.clone()
    }

    /// Its scores: those that the folder keeps where they are of these weights, judge, data and options; else measured
    /// and kept there.
    ///
    /// # Errors
    /// If model, judge and data do not fit together, or the file cannot be written.
    pub fn evaluate(&mut self, dataset: &Dataset, judge: &mut Judge, options: Options) -> Result<Evaluation> {
        let path = self.folder.file("evaluation.json");
        let key = Key {
            inkgrad: env!("CARGO_PKG_VERSION").to_owned(),
            weights_sha256: fingerprint(self.inference.network()),
            judge_sha256: judge.sha256.clone(),
            inception: judge.inception.as_ref().map(Inception::source),
            data_sha256: dataset.fingerprint(),
            samples: options.samples,
            mapped: options.mapped,
            likelihood: options.likelihood,
            seed: options.seed,
            device: Some(self.inference.device()).filter(|&device| device != DeviceKind::Cpu),
        };
        let kept = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
        if let Some(kept) = kept.filter(|kept| kept.key == key) {
            return Ok(kept.evaluation);
        }
        let subject = Subject { config: &self.config, inference: &mut self.inference, sampler: None };
        let evaluation = study::evaluate(subject, dataset, judge, options, &mut progress::parts())?;
        let kept = Kept { key, evaluation };
        let written = atomic::write(&path, |file| {
            serde_json::to_writer_pretty(&mut *file, &kept)?;
            writeln!(file)
        });
        match written {
            // A run that is somebody else's, or an archive, can be looked at all the same.
            Err(Error::Io { source, .. }) if READ_ONLY.contains(&source.kind()) => {
                output::note(format_args!("{}: {source}: the scores are not kept there", path.display()));
            }
            written => written?,
        }
        Ok(kept.evaluation)
    }
}

/// Everything that scores depend on.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Key {
    inkgrad: String,
    weights_sha256: String,
    judge_sha256: String,
    inception: Option<scores::FeatureSource>,
    data_sha256: String,
    samples: usize,
    mapped: usize,
    likelihood: (usize, usize),
    seed: u64,
    /// Where the network computed, if not on the processor: rounding is another there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<DeviceKind>,
}

/// Scores in a run's folder.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    key: Key,
    evaluation: Evaluation,
}

/// Settings that tell two runs apart no better than their folders do, or that change no result.
pub const NO_NAMES: [&str; 16] = [
    "format",
    "inkgrad",
    "model",
    "data_path",
    "data_sha256",
    "data_memory",
    "init_sha256",
    "imported",
    "classes",
    "image",
    "threads",
    "log_every",
    "log_gradients",
    "checkpoint_minutes",
    "quick",
    "changes",
];

/// Whether runs of which this setting differs were trained in another way.
pub fn sets_training(key: &str) -> bool {
    key == "model" || !NO_NAMES.contains(&key)
}

/// Settings that a name has room for.
const MOST_IN_NAME: usize = 3;

/// Names runs of one model by the settings that they differ in, or, where these are many or none, by their folders.
///
/// # Errors
/// If a run is given twice.
pub fn tell_apart(runs: &mut [Subjected]) -> Result<()> {
    let places: Vec<PathBuf> = runs.iter().map(|r| r.path.canonicalize().unwrap_or_else(|_| r.path.clone())).collect();
    if let Some(twice) = (1..places.len()).find(|&i| places[..i].contains(&places[i])) {
        return Err(Error::input(runs[twice].path.display(), "given twice, expected each run once"));
    }
    let configs: Vec<Config> = runs.iter().map(|run| run.config.clone()).collect();
    let paths: Vec<PathBuf> = runs.iter().map(|run| run.path.clone()).collect();
    for (run, name) in runs.iter_mut().zip(names(&configs, &paths)) {
        run.name = name;
    }
    Ok(())
}

/// Of each run the settings, with their values, in which it differs from others of the same `kind`; the model's own come first. A
/// setting that it has not is empty.
pub fn differences(configs: &[Config], kind: impl Fn(&Config) -> String) -> Vec<Vec<(String, String)>> {
    let settings: Vec<BTreeMap<String, String>> = configs.iter().map(Config::settings).collect();
    let kinds: Vec<String> = configs.iter().map(kind).collect();
    let differing = |i: usize| {
        let alike: Vec<usize> = (0..configs.len()).filter(|&j| kinds[j] == kinds[i]).collect();
        let keys: BTreeSet<&String> = alike.iter().flat_map(|&j| settings[j].keys()).collect();
        let own = |key: &&String| configs[i].options.contains_key(*key);
        let (own, others): (Vec<&String>, Vec<&String>) = keys.into_iter().partition(own);
        // Of imported weights, what is not known differs from nothing.
        let known = |j: usize, key: &str| configs[j].imported.is_none() || settings[j].contains_key(key);
        let counts = |key: &&String| !NO_NAMES.contains(&key.as_str()) && known(i, key);
        let differs =
            |key: &&String| alike.iter().any(|&j| known(j, key) && settings[j].get(*key) != settings[i].get(*key));
        let found = own.into_iter().chain(others).filter(counts).filter(differs);
        found.map(|key| (key.clone(), settings[i].get(key).cloned().unwrap_or_default())).collect()
    };
    (0..configs.len()).map(differing).collect()
}

/// A name for each run, no two the same where no two paths are.
fn names(configs: &[Config], paths: &[PathBuf]) -> Vec<String> {
    let name = |(config, differing): (&Config, Vec<(String, String)>)| -> String {
        if differing.len() > MOST_IN_NAME {
            return config.label();
        }
        let word = |(key, value): (String, String)| match (value.as_str(), key.replace('_', " ")) {
            ("", key) => format!("no {key}"),
            (value, key) => format!("{key} {value}"),
        };
        config.label_with(&differing.into_iter().map(word).collect::<Vec<_>>())
    };
    let mut found: Vec<String> = configs.iter().zip(differences(configs, Config::label)).map(name).collect();
    // Then by the last part of the path, then by all of it.
    let last =
        |path: &PathBuf| path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into());
    for folder in [&last as &dyn Fn(&PathBuf) -> String, &|path| path.display().to_string()] {
        let bases = found.clone();
        let is_shared = |i: &usize| bases.iter().filter(|name| **name == bases[*i]).count() > 1;
        for i in (0..found.len()).filter(is_shared) {
            found[i] = configs[i].label_with(&[folder(&paths[i])]);
        }
    }
    found
}

/// The data that runs were trained on; they have to tell the same classes apart.
///
/// # Errors
/// If it cannot be loaded, or a run knows other classes.
pub fn shared_data(runs: &mut [Subjected], data: Option<&str>, changed: bool) -> Result<Dataset> {
    // Imported weights don't know their data.
    let trained = |run: &&Subjected| run.config.data_sha256.is_some() || run.folder.state().exists();
    let Some(first) = runs.iter().find(trained).or(runs.first()) else {
        return Err(Error::input("RUN", "none given, expected at least one run"));
    };
    let dataset = match data {
        Some(data) => load_data(&Config { data: data.to_owned(), ..first.config.clone() })?,
        None if !trained(&first) => {
            let problem = "holds imported weights, whose drawings are not known, expected --data";
            return Err(Error::input(first.path.display(), problem));
        }
        None => load_run_data(&first.config, changed)?,
    };
    for run in runs {
        take_names(&mut run.config, run.inference.network(), &dataset);
        if run.config.classes != dataset.classes {
            let (found, expected) = (run.config.classes.join(", "), dataset.classes.join(", "));
            let problem = format!("knows the classes {found}, expected {expected} as in {}", dataset.name);
            return Err(Error::input(run.path.display(), problem));
        }
    }
    Ok(dataset)
}

/// Gives the classes of imported weights, which know at most how many there are, the names that they have in `dataset`; a network
/// that sees no classes takes any.
pub fn take_names(config: &mut Config, network: &Network<f32>, dataset: &Dataset) {
    let counts = network.sees_classes() || network.encoder_sees_classes() || network.is_classifier();
    if !config.names_classes() && (!counts || config.classes.len() == dataset.classes.len()) {
        config.classes.clone_from(&dataset.classes);
    }
}

/// InceptionV3 as a judge of samples, by the scores that most publications give.
#[derive(Debug, Args)]
pub struct InceptionArgs {
    /// InceptionV3's weights, FID's or torchvision's, for FID, KID, IS and PPL [default: these are left out]
    #[arg(long, value_name = "F.pth|F.safetensors")]
    inception: Option<PathBuf>,
    /// How drawings are enlarged for it: tf1 (as torch-fidelity), half-pixel (pytorch-fid) or bicubic (clean-fid) [default: tf1]
    #[arg(long, value_name = "RULE", requires = "inception")]
    resize: Option<Resize>,
}

impl InceptionArgs {
    /// The network, if its weights are given.
    ///
    /// # Errors
    /// If they are not what either variant needs.
    pub fn load(&self, threads: usize) -> Result<Option<Inception>> {
        let Some(path) = &self.inception else { return Ok(None) };
        let extractor = Extractor::inception(path, self.resize.unwrap_or(Resize::Tf1), threads)?;
        let cache = Cache::default_place();
        say_cache(&cache);
        Ok(Some(Inception::new(extractor, cache)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_model_are_named_by_what_differs_or_by_their_folders() {
        let models = Models::builtin();
        let vae =
            |beta: f64, seed: u64| Config { seed, ..models.defaults("cnn-vae").unwrap().with_number("beta", beta) };
        let ae = models.defaults("cnn-ae").unwrap();
        let named = |configs: &[Config], paths: &[&str]| {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            names(configs, &paths)
        };
        assert_eq!(named(&[vae(1.0, 1), ae.clone()], &["a", "b"]), ["cnn-vae", "cnn-ae"]);
        assert_eq!(named(&[vae(1.0, 1), vae(4.0, 1)], &["a", "b"]), ["cnn-vae (beta 1.0)", "cnn-vae (beta 4.0)"]);
        assert_eq!(
            named(&[vae(1.0, 1), vae(1.0, 2), vae(4.0, 1), ae.clone()], &["a", "b", "c", "d"]),
            ["cnn-vae (beta 1.0, seed 1)", "cnn-vae (beta 1.0, seed 2)", "cnn-vae (beta 4.0, seed 1)", "cnn-ae"]
        );
        // Alike, or unlike in too many ways.
        assert_eq!(named(&[ae.clone(), ae.clone()], &["x/a", "x/b"]), ["cnn-ae (a)", "cnn-ae (b)"]);
        assert_eq!(named(&[ae.clone(), ae.clone()], &["x/a", "y/a"]), ["cnn-ae (x/a)", "cnn-ae (y/a)"]);
        let other = Config { batch_size: 7, lr: 0.5, clip_norm: Some(1.0), ..vae(2.0, 9) };
        assert_eq!(named(&[vae(1.0, 1), other.clone()], &["a", "b"]), ["cnn-vae (a)", "cnn-vae (b)"]);
        // A setting that one of them has not.
        let clipped = Config { clip_norm: Some(1.0), ..ae.clone() };
        assert_eq!(named(&[ae, clipped], &["a", "b"]), ["cnn-ae (no clip norm)", "cnn-ae (clip norm 1.0)"]);
    }
}
