//! A run's folder: making one without losing an earlier run, and the names of what is in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::config::Config;
use super::disk;
use super::owner::Owner;
use crate::error::{Error, Result};
use crate::model::Models;

/// Any of these makes a folder a run.
const MARKS: [&str; 4] = ["config.toml", "metrics.jsonl", "model.safetensors", "state.safetensors"];

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
    path: PathBuf,
    /// Held by those who write.
    owner: Option<Arc<Owner>>,
}

/// A folder made by [`RunFolder::create`].
#[derive(Debug)]
pub struct Created {
    /// The new, empty folder.
    pub folder: RunFolder,
    /// Where the run that stood there before was moved.
    pub moved: Option<PathBuf>,
}

impl RunFolder {
    /// Makes the folder for a new run. With `force`, a run that is there already is renamed to `<name>.bak-N`.
    ///
    /// # Errors
    /// [`Error::Input`] where `path` is a file, holds a run (without `force`), or holds anything that is not a run;
    /// [`Error::Io`] where the folder cannot be made or moved.
    pub fn create(path: impl AsRef<Path>, force: bool) -> Result<Created> {
        let path = path.as_ref();
        let mut place = path.to_owned();
        let moved = match occupant(path).map_err(Error::io(path))? {
            Occupant::Nothing => None,
            Occupant::Run if force => {
                let (from, to) = move_aside(path)?;
                // A relative path, `.` above all, may lead to where the earlier run has gone.
                place = from;
                Some(to)
            }
            Occupant::Run => {
                return Err(Error::input(path.display(), "holds a run already, expected a new folder (or --force)"));
            }
            Occupant::File => return Err(Error::input(path.display(), "is a file, expected a folder or a new name")),
            Occupant::Other(name) => {
                let problem = format_args!("holds `{name}` and is no run, expected an empty folder or a new name");
                return Err(Error::input(path.display(), problem));
            }
        };
        let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        disk::create_dir_all(&place).and_then(|()| disk::sync_folder(parent)).map_err(Error::io(path))?;
        let owner = Some(Arc::new(Owner::take(&place)?));
        Ok(Created { folder: Self { path: place, owner }, moved })
    }

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
        self.owner.as_ref().is_none_or(|owner| owner.is_in_place())
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

    /// `best.safetensors`: the weights that validated best, where something is held back for validation.
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

enum Occupant {
    /// No such path, or an empty folder.
    Nothing,
    Run,
    File,
    /// A folder with something else in it.
    Other(String),
}

fn occupant(path: &Path) -> io::Result<Occupant> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Occupant::Nothing),
        Err(error) => return Err(error),
        Ok(found) if !found.is_dir() => return Ok(Occupant::File),
        Ok(_) => {}
    }
    if MARKS.iter().any(|name| path.join(name).exists()) {
        return Ok(Occupant::Run);
    }
    if Owner::is_all_there_is(path)? {
        return Ok(Occupant::Nothing);
    }
    Ok(match fs::read_dir(path)?.next().transpose()? {
        Some(entry) => Occupant::Other(entry.file_name().to_string_lossy().into_owned()),
        None => Occupant::Nothing,
    })
}

/// Renames the folder to the first `<name>.bak-N` that is free, and makes an empty one in its place; gives both. A run that
/// another process is working in stays.
fn move_aside(path: &Path) -> Result<(PathBuf, PathBuf)> {
    let _owner = Owner::take(path)?;
    // `.`, `run/` and links have a name only once they are resolved.
    let from = fs::canonicalize(path).map_err(Error::io(path))?;
    let Some(name) = from.file_name() else {
        return Err(Error::input(path.display(), "cannot be moved aside, expected a folder with a name"));
    };
    for n in 1.. {
        let mut backup = name.to_owned();
        backup.push(format!(".bak-{n}"));
        let to = from.with_file_name(backup);
        if to.symlink_metadata().is_err() {
            disk::rename(&from, &to).map_err(Error::io(path))?;
            // Here, where a link to the folder still leads.
            disk::create_dir(&from).map_err(Error::io(path))?;
            return Ok((from, to));
        }
    }
    unreachable!("one of all numbers is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(result: Result<impl Sized>) -> String {
        result.err().expect("an error").to_string()
    }

    #[test]
    fn makes_nested_and_takes_empty_folders() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("runs/a");
        for _ in 0..2 {
            let created = RunFolder::create(&path, false).unwrap();
            assert_eq!((created.folder.path(), created.moved), (path.as_path(), None));
            assert!(path.is_dir());
        }
    }

    #[test]
    fn an_earlier_run_is_refused_or_moved_aside_whole() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("run");
        for n in 1..=2 {
            RunFolder::create(&path, false).unwrap();
            fs::write(path.join("model.safetensors"), format!("weights {n}")).unwrap();
            assert!(
                error(RunFolder::create(&path, false))
                    .ends_with("holds a run already, expected a new folder (or --force)")
            );
            let moved = RunFolder::create(path.join(""), true).unwrap().moved.unwrap();
            assert!(moved.ends_with(format!("run.bak-{n}")), "{moved:?}");
            assert_eq!(fs::read_to_string(moved.join("model.safetensors")).unwrap(), format!("weights {n}"));
            assert!(Owner::is_all_there_is(&path).unwrap(), "the new folder holds its lock alone");
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_folder_that_another_has_taken_the_place_of_is_noticed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("run");
        let first = RunFolder::create(&path, false).unwrap().folder;
        first.check_in_place().unwrap();
        fs::rename(&path, root.path().join("moved")).unwrap();
        assert!(error(first.check_in_place()).contains("run"), "gone");
        let second = RunFolder::create(&path, false).unwrap().folder;
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
    #[cfg(unix)]
    fn a_link_to_a_run_leads_to_the_new_one() {
        let root = tempfile::tempdir().unwrap();
        let (path, link) = (root.path().join("run"), root.path().join("link"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("metrics.jsonl"), "").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(RunFolder::create(&link, true).unwrap().moved.unwrap().ends_with("run.bak-1"));
        assert!(Owner::is_all_there_is(&link).unwrap() && Owner::is_all_there_is(&path).unwrap());
    }

    #[test]
    fn what_is_no_run_is_never_touched() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("photos");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("a.jpg"), "x").unwrap();
        for force in [false, true] {
            assert!(error(RunFolder::create(&path, force)).contains("holds `a.jpg` and is no run"));
            assert!(error(RunFolder::create(path.join("a.jpg"), force)).contains("is a file"));
        }
        assert!(path.join("a.jpg").exists());
    }

    #[test]
    fn opens_a_run_and_says_why_not() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("run");
        assert!(error(RunFolder::open(&Models::builtin(), &path)).ends_with("run: no such folder, expected a run"));
        let created = RunFolder::create(&path, false).unwrap().folder;
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
