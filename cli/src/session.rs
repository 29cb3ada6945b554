//! A trained run in use: its network, and the drawings and labels that go in.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use inkgrad_models::data::{self, Dataset, Images};
use inkgrad_models::features::Cache;
use inkgrad_models::infer::Inference;
use inkgrad_models::model::Network;
use inkgrad_models::run::config::Config;
use inkgrad_models::run::folder::RunFolder;
use inkgrad_models::trainer::{Opened, load_data, load_run_data};
use inkgrad_models::{Error, Models, Result};

use crate::args::{Compute, WeightsArgs};
use crate::output;
use crate::output::{Report, one_of};

/// Says why features are not kept, where their folder cannot be made and they were made all the same.
pub fn say_cache(cache: &Cache) {
    if let Err(error) = cache.make() {
        output::note(format_args!("{error}: features are not kept"));
    }
}

/// The options of every command that uses a run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The run's folder
    #[arg(long, value_name = "RUN")]
    pub run: PathBuf,
    #[command(flatten)]
    weights: WeightsArgs,
    #[command(flatten)]
    compute: Compute,
}

/// A run, loaded.
pub struct Session {
    /// Its settings.
    pub config: Config,
    /// Its network, ready for use.
    pub inference: Inference,
    /// Its folder.
    pub folder: RunFolder,
    /// Which weights these are, where there was a choice.
    note: Option<String>,
}

impl RunArgs {
    /// Loads an autoencoder of any kind.
    ///
    /// # Errors
    /// If the folder holds no run or another model, or the device cannot be used.
    pub fn open_autoencoder(&self, models: &Models) -> Result<Session> {
        let session = self.open(models)?;
        match session.inference.network().is_autoencoder() {
            true => Ok(session),
            false => Err(self.unexpected(&session, "an autoencoder")),
        }
    }

    /// Loads a classifier.
    ///
    /// # Errors
    /// As [`RunArgs::open_autoencoder`].
    pub fn open_classifier(&self, models: &Models) -> Result<Session> {
        let session = self.open(models)?;
        match session.inference.network().is_classifier() {
            true => Ok(session),
            false => Err(self.unexpected(&session, "a classifier")),
        }
    }

    /// Loads a model that has a prior to draw from.
    ///
    /// # Errors
    /// As [`RunArgs::open_autoencoder`].
    pub fn open_vae(&self, models: &Models) -> Result<Session> {
        let session = self.open(models)?;
        if session.inference.network().has_prior() {
            return Ok(session);
        }
        if session.inference.network().code_width().is_some() {
            let problem = "holds codes of a codebook, which have no prior, expected --sampler codes";
            return Err(Error::input(self.run.display(), problem));
        }
        let mut known = Vec::new();
        for spec in models.iter() {
            // Which models have a prior their graphs tell; two classes will do for any.
            let config = Config { classes: vec![String::new(); 2], ..Config::defaults(spec) };
            if Network::<f32>::new(*spec, &config).is_ok_and(|network| network.has_prior()) {
                known.push(spec.name);
            }
        }
        let fits = match session.inference.network().is_autoencoder() {
            true => "; --sampler gmm:K or aggregate draws from latents of the others",
            false => "",
        };
        let expected = format!("{}: only these have a prior to draw from{fits}", one_of(&known));
        Err(self.unexpected(&session, &expected))
    }

    fn open(&self, models: &Models) -> Result<Session> {
        let (device, threads) = self.compute.device()?;
        let opened = self.weights.open(models, &self.run)?;
        let note = opened.note();
        let Opened { config, network, folder, .. } = opened;
        Ok(Session { folder, config, inference: Inference::new(network, threads).on(device)?, note })
    }

    fn unexpected(&self, session: &Session, expected: &str) -> Error {
        Error::input(self.run.display(), format!("holds {}, expected {expected}", session.config.model))
    }
}

impl Session {
    /// Says which weights were used, where there was a choice, and prints the result.
    ///
    /// # Errors
    /// If standard output cannot be written.
    pub fn report(&self, report: &impl Report, json: bool) -> io::Result<()> {
        self.note.iter().for_each(output::note);
        output::report(report, json)
    }

    /// The data that the run was trained on, or `data` in its place, which has to have the same classes and extents.
    ///
    /// # Errors
    /// If it cannot be loaded, is another than the run began with, or does not fit; if the run does not know its data.
    pub fn dataset(&self, data: Option<&str>) -> Result<Dataset> {
        let config = &self.config;
        let Some(data) = data else {
            if config.data_sha256.is_none() {
                let problem = "holds weights whose drawings are not known, expected --data";
                return Err(Error::input(self.folder.path().display(), problem));
            }
            return load_run_data(config, false);
        };
        let dataset = load_data(&Config { data: data.to_owned(), ..config.clone() })?;
        if dataset.classes != config.classes {
            let (found, expected) = (dataset.classes.join(", "), config.classes.join(", "));
            return Err(Error::input(
                "--data",
                format!("holds the classes {found}, expected {expected} as in training"),
            ));
        }
        let (found, expected) = (dataset.train.images.extents(), self.inference.network().image());
        match found == expected {
            true => Ok(dataset),
            false => Err(Error::input("--data", format!("pictures of {found}, expected {expected} as in training"))),
        }
    }

    /// Refuses results within the folder of drawings that [`Session::dataset`] reads.
    ///
    /// # Errors
    /// If one lies there.
    pub fn check_outside(&self, data: Option<&str>, results: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<()> {
        let kept = || self.config.data_path.as_ref().unwrap_or(&self.config.data);
        let folder = Path::new(data.unwrap_or_else(|| kept()));
        results.into_iter().try_for_each(|result| output::check_outside(result.as_ref(), folder))
    }

    /// Loads pictures of the extents that the network is for, at least one.
    ///
    /// # Errors
    /// If the file is not what it has to be, or holds none, or others.
    pub fn load_images(&self, path: &Path) -> Result<Images> {
        let (images, expected) = (load_images(path)?, self.inference.network().image());
        match images.extents() == expected {
            true => Ok(images),
            false => {
                let problem = format!("pictures of {}, expected {expected} as in training", images.extents());
                Err(Error::input(path.display(), problem))
            }
        }
    }

    /// Loads the labels for `count` images or latents of the file `of`; `None` where they are not `needed`.
    ///
    /// # Errors
    /// If they are needed and not given, do not match in number, or name no class.
    pub fn labels(&self, needed: bool, path: Option<&Path>, count: usize, of: &Path) -> Result<Option<Vec<usize>>> {
        let (model, classes) = (&self.config.model, self.config.classes.len());
        let Some(path) = path else {
            let problem = format!("missing, expected a file of labels: {model} is told the class of each drawing");
            return if needed { Err(Error::input("--labels", problem)) } else { Ok(None) };
        };
        let labels = data::load_labels(path)?;
        if labels.len() != count {
            let problem = format!("{} labels, expected {count}: one for each row of {}", labels.len(), of.display());
            return Err(Error::input(path.display(), problem));
        }
        if !needed {
            output::note(format_args!("{} is not used: {model} does not see classes here", path.display()));
            return Ok(None);
        }
        match labels.iter().position(|&label| label >= classes) {
            Some(at) => {
                let problem = format!("label {} at {at}, expected 0 to {}", labels[at], classes.saturating_sub(1));
                Err(Error::input(path.display(), problem))
            }
            None => Ok(Some(labels)),
        }
    }

    /// The class of this name or number.
    ///
    /// # Errors
    /// If there is none, with those that there are.
    pub fn class(&self, name: &str) -> Result<usize> {
        let classes = &self.config.classes;
        let by_name = classes.iter().position(|class| class == name);
        by_name.or_else(|| name.parse().ok().filter(|&index| index < classes.len())).ok_or_else(|| {
            let problem = format!("no class `{name}`, expected one of {}, its index, or all", classes.join(", "));
            Error::input("--class", problem)
        })
    }
}

/// Loads drawings, at least one.
///
/// # Errors
/// If the file is not what it has to be, or holds none.
pub fn load_images(path: &Path) -> Result<Images> {
    let images = data::load_images(path)?;
    match images.is_empty() {
        true => Err(Error::input(path.display(), "no images, expected at least one")),
        false => Ok(images),
    }
}
