//! A run's folder: opening one, and the names of what is in it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::Config;
pub use super::create::Created;
use super::owner::Owner;
use crate::error::{Error, Result};
use crate::model::Models;

/// Any of these makes a folder a run.
pub(super) const MARKS: [&str; 4] = ["config.toml", "metrics.jsonl", "model.safetensors", "state.safetensors"];

/// Files that training makes in a run's folder, beside those whose names begin with [`OWN_BEGINNINGS`].
const OWN: [&str; 17] = [
    "config.toml",
    "metrics.jsonl",
    "ranks.jsonl",
    "model.safetensors",
    "best.safetensors",
    "ema.safetensors",
    "state.safetensors",
    "loss.png",
    "accuracy.png",
    "components.png",
    "samples.png",
    "reconstructions.png",
    "latents.tsv",
    "latents-classes.tsv",
    "latents-sprite.png",
    "projector_config.pbtxt",
    super::owner::FILE,
];
const OWN_BEGINNINGS: [&str; 2] = ["sampler-", "events.out.tfevents."];

/// Whether a file at `path`, there already or not, would be one of a run's own: by its name, in the folder of a run.
pub fn is_own_file(path: &Path) -> bool {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let Some(name) = real.file_name().and_then(|name| name.to_str()) else { return false };
    let own = OWN.contains(&name) || OWN_BEGINNINGS.iter().any(|beginning| name.starts_with(beginning));
    own && real.with_file_name(OWN[0]).exists()
}

/// The folder of one run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    pub(super) path: PathBuf,
    /// Held by those who write.
    pub(super) owner: Option<Arc<Owner>>,
}

impl RunFolder {
    /// The folder of a run that another process makes and writes.
    pub(crate) fn of_another(path: &Path) -> Self {
        Self { path: path.to_owned(), owner: None }
    }

    /// Opens the folder of a run and reads its configuration.
    ///
    /// # Errors
    /// [`Error::Input`] where `path` is no folder or holds no `config.toml`, and the errors of [`Config::load`].
    pub fn open(models: &Models, path: impl AsRef<Path>) -> Result<(Self, Config)> {
        let folder = Self { path: path.as_ref().to_owned(), owner: None };
        let place = folder.path.display();
        if !folder.path.exists() {
            return Err(Error::input(place, "no such folder, expected a run"));
        }
        if !folder.path.is_dir() {
            return Err(Error::input(place, "is a file, expected a run's folder"));
        }
        if !folder.config().exists() {
            return Err(Error::input(place, "holds no config.toml, expected a run's folder"));
        }
        let config = Config::load(models, &folder.config())?;
        Ok((folder, config))
    }

    /// The same, to be written to by this process alone.
    ///
    /// # Errors
    /// Those of [`Owner::take`]: above all, if another process has it.
    pub fn own(self) -> Result<Self> {
        Ok(Self { owner: Some(Arc::new(Owner::take(&self.path)?)), ..self })
    }

    /// Whether the folder's path still leads to the one that this process took; of folders that it did not take, always.
    pub fn is_in_place(&self) -> bool {
        self.owner.as_ref().is_none_or(|owner| owner.is_of(&self.path))
    }

    /// Checks, before something is written, that it goes into the run that it is of.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder was moved or removed, and above all where another run has its path.
    pub fn check_in_place(&self) -> Result<()> {
        if self.is_in_place() {
            return Ok(());
        }
        let problem = match self.path.exists() {
            true => io::Error::other("is another folder by now, that of this run was moved or removed"),
            false => io::ErrorKind::NotFound.into(),
        };
        Err(Error::io(&self.path)(problem))
    }

    /// Whether this process has the folder to itself.
    pub fn is_owned(&self) -> bool {
        self.owner.is_some()
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `config.toml`: every setting.
    pub fn config(&self) -> PathBuf {
        self.file("config.toml")
    }

    /// `metrics.jsonl`: losses as training went.
    pub fn metrics(&self) -> PathBuf {
        self.file("metrics.jsonl")
    }

    /// `ranks.jsonl`: who trained, where several processes did so together.
    pub fn ranks(&self) -> PathBuf {
        self.file("ranks.jsonl")
    }

    /// `model.safetensors`: the weights.
    pub fn model(&self) -> PathBuf {
        self.file("model.safetensors")
    }

    /// `best.safetensors`: the weights that validated best, where something is held out for validation.
    pub fn best(&self) -> PathBuf {
        self.file("best.safetensors")
    }

    /// `ema.safetensors`: the moving average of the weights, where one is asked for.
    pub fn ema(&self) -> PathBuf {
        self.file("ema.safetensors")
    }

    /// `state.safetensors`: what a resumed run goes on from.
    pub fn state(&self) -> PathBuf {
        self.file("state.safetensors")
    }

    /// Any other file in the folder, such as a figure.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn error(result: Result<impl Sized>) -> String {
        result.err().expect("an error").to_string()
    }

    #[test]
    #[cfg(unix)]
    fn a_folder_that_another_has_taken_the_place_of_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("run");
        let first = RunFolder::create(&path, false, |_| Ok(())).unwrap().folder;
        first.check_in_place().unwrap();
        fs::rename(&path, root.path().join("moved")).unwrap();
        assert!(error(first.check_in_place()).contains("run"), "gone");
        let second = RunFolder::create(&path, false, |_| Ok(())).unwrap().folder;
        assert!(error(first.check_in_place()).contains("is another folder by now"));
        second.check_in_place().unwrap();
    }

    #[test]
    fn own_files_are_known_by_their_names_and_their_folder() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        assert!(!is_own_file(&at("best.safetensors")), "in no run's folder");
        fs::write(at("config.toml"), "").unwrap();
        for name in ["best.safetensors", "samples.png", "config.toml", "sampler-gmm-2-00.safetensors"] {
            assert!(is_own_file(&at(name)), "{name}");
        }
        assert!(!is_own_file(&at("more.png")) && !is_own_file(&at("z.npy")));
    }

    #[test]
    fn opens_a_run_and_says_why_not() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("run");
        assert!(error(RunFolder::open(&Models::builtin(), &path)).ends_with("run: no such folder, expected a run"));
        let created = RunFolder::create(&path, false, |_| Ok(())).unwrap().folder;
        assert!(
            error(RunFolder::open(&Models::builtin(), &path))
                .ends_with("run: holds no config.toml, expected a run's folder")
        );
        let config = Models::builtin().defaults("cnn-vae").unwrap();
        config.save(&created.config()).unwrap();
        let (opened, found) = RunFolder::open(&Models::builtin(), &path).unwrap();
        assert_eq!((opened.path(), found), (created.path(), config));
        assert!(
            error(RunFolder::open(&Models::builtin(), created.config()))
                .ends_with("config.toml: is a file, expected a run's folder")
        );
    }
}
