//! Runs that are examined together: opened, judged, and evaluated once.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use inkgrad_models::data::Dataset;
use inkgrad_models::features::{Cache, Extractor};
use inkgrad_models::inception::Resize;
use inkgrad_models::infer::Inference;
use inkgrad_models::metrics as scores;
use inkgrad_models::run::atomic;
use inkgrad_models::run::config::Config;
use inkgrad_models::run::folder::RunFolder;
use inkgrad_models::run::metrics::{self, Record};
use inkgrad_models::study::{self, Evaluation, Inception, Judge, Options, Subject, fingerprint};
use inkgrad_models::trainer::{load_data, load_network, load_run_data};
use inkgrad_models::{Error, Models, Result};
use serde::{Deserialize, Serialize};

use crate::{output, progress};

/// One run under study.
pub struct Subjected {
    /// Its folder.
    pub path: PathBuf,
    /// Its settings.
    pub config: Config,
    /// Its losses.
    pub records: Vec<Record>,
    /// Its network.
    pub inference: Inference,
    folder: RunFolder,
}

impl Subjected {
    /// Opens a run.
    ///
    /// # Errors
    /// If the folder holds none.
    pub fn open(models: &Models, path: &Path, threads: usize) -> Result<Self> {
        let (folder, config, network) = load_network(models, path)?;
        // Imported weights have no losses.
        let records = if folder.metrics().exists() { metrics::read(folder.metrics())? } else { Vec::new() };
        let inference = Inference::new(network, threads);
        Ok(Subjected { path: path.to_owned(), config, records, inference, folder })
    }

    /// What to call it: its model, and the variant where there are several.
    pub fn label(&self) -> String {
        self.config.label()
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
            inception: judge.inception.as_ref().map(Inception::extractor),
            data_sha256: dataset.fingerprint(),
            samples: options.samples,
            mapped: options.mapped,
            likelihood: options.likelihood,
            seed: options.seed,
        };
        let kept = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
        if let Some(kept) = kept.filter(|kept| kept.key == key) {
            return Ok(kept.evaluation);
        }
        let subject = Subject { config: &self.config, inference: &mut self.inference };
        let evaluation = study::evaluate(subject, dataset, judge, options, &mut progress::drawings())?;
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

/// Errors that say that a folder may be read alone.
const READ_ONLY: [ErrorKind; 2] = [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem];

/// What scores depend on.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Key {
    inkgrad: String,
    weights_sha256: String,
    judge_sha256: String,
    inception: Option<scores::Extractor>,
    data_sha256: String,
    samples: usize,
    mapped: usize,
    likelihood: (usize, usize),
    seed: u64,
}

/// Scores in a run's folder.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    key: Key,
    evaluation: Evaluation,
}

/// The data that runs were trained on; they have to tell the same classes apart.
///
/// # Errors
/// If it cannot be loaded, or a run knows other classes.
pub fn shared_data(runs: &[Subjected], data: Option<&str>, changed: bool) -> Result<Dataset> {
    let Some(first) = runs.first() else {
        return Err(Error::input("RUN", "none given, expected at least one run"));
    };
    let dataset = match data {
        Some(data) => load_data(&Config { data: data.to_owned(), ..first.config.clone() })?,
        None => load_run_data(&first.config, changed)?,
    };
    for run in runs {
        if run.config.classes != dataset.classes {
            let (found, expected) = (run.config.classes.join(", "), dataset.classes.join(", "));
            let problem = format!("knows the classes {found}, expected {expected} as in {}", dataset.name);
            return Err(Error::input(run.path.display(), problem));
        }
    }
    Ok(dataset)
}

/// Passes of a classifier that is trained on the spot.
const EPOCHS: u64 = 10;

/// InceptionV3 as a judge of samples, by the scores that most publications give.
#[derive(Debug, Args)]
pub struct InceptionArgs {
    /// InceptionV3's weights, FID's or torchvision's, for FID, KID and IS [default: these are left out]
    #[arg(long, value_name = "F.pth|F.safetensors")]
    inception: Option<PathBuf>,
    /// How drawings are enlarged for it: tf1, half-pixel or bicubic [default: tf1]
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
        Ok(Some(Inception::new(extractor, Cache::default_place())))
    }
}

/// The judge of a study: the run given, else the best classifier among `runs`, else one trained on the spot.
///
/// # Errors
/// If the run given is no classifier of the data's classes, or none can be trained.
pub fn judge(
    models: &Models,
    given: Option<&Path>,
    runs: &[Subjected],
    dataset: &Dataset,
    seed: u64,
    threads: usize,
) -> Result<Judge> {
    // Of several classifiers one with convolutions judges best.
    let mut classifiers: Vec<&Subjected> = runs.iter().filter(|run| run.inference.network().is_classifier()).collect();
    classifiers.sort_by_key(|run| run.config.slug() != "classifier-cnn");
    let among = classifiers.first().map(|run| run.path.as_path());
    let Some(path) = given.or(among) else {
        return Judge::train(dataset, EPOCHS, seed, threads);
    };
    let (_, config, network) = load_network(models, path)?;
    if !network.is_classifier() {
        return Err(Error::input(path.display(), format!("holds {}, expected a classifier", config.model)));
    }
    if config.classes != dataset.classes {
        let (found, expected) = (config.classes.join(", "), dataset.classes.join(", "));
        return Err(Error::input(path.display(), format!("knows the classes {found}, expected {expected}")));
    }
    Judge::new(network, &config, threads)
}
