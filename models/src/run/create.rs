//! Making a run's folder without losing an earlier run, and whole: there is none without its settings, whenever a process is
//! killed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::atomic::{self, Staging};
use super::disk;
use super::folder::{MARKS, RunFolder};
use super::owner::Owner;
use crate::error::{Error, Result};

/// A folder made by [`RunFolder::create`].
#[derive(Debug)]
pub struct Created {
    /// The new folder, with what was to be in it.
    pub folder: RunFolder,
    /// Where the run that stood there before was moved.
    pub moved: Option<PathBuf>,
}

impl RunFolder {
    /// Makes the folder for a new run, with what `fill` writes into it, the settings above all. It is filled under another
    /// name beside its place and renamed, so that it is there as a whole or not at all; only an empty folder that is there
    /// already is filled where it is. With `force`, a run that is there already is renamed to `<name>.bak-N`.
    ///
    /// # Errors
    /// [`Error::Input`] where `path` is a file, holds a run (without `force`), or holds anything that is not a run;
    /// [`Error::Io`] where the folder cannot be made or moved; those of `fill`.
    pub fn create(path: impl AsRef<Path>, force: bool, fill: impl FnOnce(&RunFolder) -> Result<()>) -> Result<Created> {
        let path = path.as_ref();
        if path.to_string_lossy().contains(char::is_control) {
            return Err(Error::input(path.display(), "holds a control character, expected a name without any"));
        }
        let found = occupant(path).map_err(Error::io(path))?;
        let earlier = match found {
            Occupant::Nothing => None,
            Occupant::Run if force => Some(Earlier::at(path)?),
            other => return Err(refusal(path, &other)),
        };
        // A relative path, `.` above all, would lead to where the earlier run has gone.
        let place = earlier.as_ref().map_or(path, |earlier| &earlier.place).to_owned();
        // Some systems rename no folder in which a file is open, as the lock is.
        if !cfg!(unix) || (earlier.is_none() && path.is_dir()) {
            let moved = earlier.map(Earlier::move_aside).transpose()?;
            disk::create_dir_all(&place).and_then(|()| disk::sync_folder(parent(&place))).map_err(Error::io(path))?;
            let owner = Some(Arc::new(Owner::take(&place)?));
            let folder = Self { path: place, owner };
            fill(&folder)?;
            return Ok(Created { folder, moved });
        }

        disk::check_links(&place).and_then(|()| disk::create_dir_all(parent(&place))).map_err(Error::io(path))?;
        let (staging, owner) = stage(parent(&place)).map_err(|error| at_its_place(error, path))?;
        let mut folder = Self { path: staging.path().to_owned(), owner: Some(Arc::new(owner)) };
        fill(&folder).map_err(|error| match error {
            Error::Io { path, source } => {
                let inner = path.strip_prefix(staging.path()).map(|inner| place.join(inner));
                Error::Io { path: inner.unwrap_or(path), source }
            }
            other => other,
        })?;
        let moved = earlier.map(Earlier::move_aside).transpose()?;
        if let Err(error) = staging.become_folder(&place) {
            if let Some(moved) = moved {
                let _ = disk::rename(&moved, &place);
            }
            // Another process may have been faster.
            return Err(match occupant(&place) {
                Ok(Occupant::Nothing) | Err(_) => Error::io(path)(error),
                Ok(other) => refusal(path, &other),
            });
        }
        disk::sync_folder(parent(&place)).map_err(Error::io(path))?;
        folder.path = place;
        Ok(Created { folder, moved })
    }
}

/// The folder that `place` is to be in.
fn parent(place: &Path) -> &Path {
    place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// An error of a folder that nobody asked for, as one of the folder that was asked for.
fn at_its_place(error: Error, path: &Path) -> Error {
    match error {
        Error::Io { source, .. } => Error::io(path)(source),
        other => other,
    }
}

/// One thread at a time: between a folder and its lock, another one would take it for abandoned.
static STAGING: Mutex<()> = Mutex::new(());

/// Makes a folder beside the place where a run is to be, and takes it; removes those of processes that have died.
fn stage(parent: &Path) -> Result<(Staging, Owner)> {
    let _alone = STAGING.lock().unwrap_or_else(PoisonError::into_inner);
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        // The lock tells of processes that this one cannot see, in another container.
        if atomic::is_abandoned_run(&entry.file_name()) && Owner::take(&entry.path()).is_ok() {
            let _ = disk::remove_dir_all(&entry.path());
        }
    }
    let staging = Staging::of_run(parent).map_err(Error::io(parent))?;
    let owner = Owner::take(staging.path())?;
    Ok((staging, owner))
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

/// Says why no run can be made where something is.
fn refusal(path: &Path, found: &Occupant) -> Error {
    let problem = match found {
        Occupant::Nothing => "holds nothing, expected a run".to_owned(),
        Occupant::Run => "holds a run already, expected a new folder (or --force)".to_owned(),
        Occupant::File => "is a file, expected a folder or a new name".to_owned(),
        Occupant::Other(name) => format!("holds `{name}` and is no run, expected an empty folder or a new name"),
    };
    Error::input(path.display(), problem)
}

/// A run that is to make room.
struct Earlier {
    /// Its folder's name once `.`, `run/` and links are resolved.
    place: PathBuf,
    /// A run that another process is working in stays.
    _owner: Owner,
}

impl Earlier {
    fn at(path: &Path) -> Result<Self> {
        let owner = Owner::take(path)?;
        let place = fs::canonicalize(path).map_err(Error::io(path))?;
        match place.file_name() {
            Some(_) => Ok(Self { place, _owner: owner }),
            None => Err(Error::input(path.display(), "cannot be moved aside, expected a folder with a name")),
        }
    }

    /// Renames it to the first `<name>.bak-N` that is free; gives that.
    fn move_aside(self) -> Result<PathBuf> {
        let name = self.place.file_name().unwrap_or_default();
        for n in 1.. {
            let mut backup = name.to_owned();
            backup.push(format!(".bak-{n}"));
            let to = self.place.with_file_name(backup);
            if to.symlink_metadata().is_err() {
                disk::rename(&self.place, &to).map_err(Error::io(&self.place))?;
                return Ok(to);
            }
        }
        unreachable!("one of all numbers is free")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::disk::{Operation, with_faults};

    fn error(result: Result<impl Sized>) -> String {
        result.err().expect("an error").to_string()
    }

    /// Makes the folder with settings in it.
    fn create(path: impl AsRef<Path>, force: bool) -> Result<Created> {
        RunFolder::create(path, force, |folder| {
            atomic::write(folder.config(), |file| io::Write::write_all(file, b"settings"))
        })
    }

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn makes_nested_and_takes_empty_folders() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("runs/a");
        for _ in 0..2 {
            let created = create(&path, false).unwrap();
            assert_eq!((created.folder.path(), created.moved), (path.as_path(), None));
            assert_eq!(
                (names(&path), names(&root.path().join("runs"))),
                (vec![".lock".into(), "config.toml".into()], vec!["a".into()])
            );
            created.folder.check_in_place().unwrap();
            fs::remove_file(path.join("config.toml")).unwrap();
        }
    }

    #[test]
    fn an_earlier_run_is_refused_or_moved_aside_whole() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("run");
        create(&path, false).unwrap();
        for n in 1..=2 {
            fs::write(path.join("model.safetensors"), format!("weights {n}")).unwrap();
            assert!(error(create(&path, false)).ends_with("holds a run already, expected a new folder (or --force)"));
            let moved = create(path.join(""), true).unwrap().moved.unwrap();
            assert!(moved.ends_with(format!("run.bak-{n}")), "{moved:?}");
            assert_eq!(fs::read_to_string(moved.join("model.safetensors")).unwrap(), format!("weights {n}"));
            assert_eq!(names(&path), [".lock", "config.toml"]);
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_folder_is_there_with_its_settings_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("run");
        let mut failed = 0;
        for n in 0.. {
            // From one operation on nothing works, as for a process that is killed.
            let mut left = n;
            let fault = move |operation, _: &Path| match left {
                0 => Err(io::ErrorKind::StorageFull.into()),
                _ => {
                    left -= 1;
                    Ok(if let Operation::Write(bytes) = operation { bytes } else { 0 })
                }
            };
            let made = with_faults(fault, || create(&path, false).map(|_| ()));
            assert_eq!(path.exists(), path.join("config.toml").exists(), "operation {n}");
            if made.is_ok() {
                break;
            }
            failed += 1;
            if path.exists() {
                fs::remove_dir_all(&path).unwrap();
            }
        }
        assert!(failed > 5, "{failed}");
        create(&path, true).unwrap();
        assert_eq!(names(root.path()), ["run", "run.bak-1"], "the unfinished are swept");
    }

    #[test]
    #[cfg(unix)]
    fn an_earlier_run_stays_where_a_new_one_cannot_be_filled() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("run");
        create(&path, false).unwrap();
        let full = |folder: &RunFolder| Err(Error::io(folder.config())(io::ErrorKind::StorageFull.into()));
        let said = error(RunFolder::create(&path, true, full));
        let expected =
            format!("{}: {}", path.join("config.toml").display(), io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!((said, names(root.path())), (expected, vec!["run".to_owned()]));
    }

    #[test]
    #[cfg(unix)]
    fn one_that_is_being_filled_is_not_swept() {
        let root = tempfile::tempdir().unwrap();
        let other = root.path().join("other");
        let within = |_: &RunFolder| create(&other, false).map(|_| ());
        RunFolder::create(root.path().join("run"), false, within).unwrap();
        assert_eq!(names(root.path()), ["other", "run"]);
    }

    #[test]
    #[cfg(unix)]
    fn a_link_to_a_run_leads_to_the_new_one() {
        let root = tempfile::tempdir().unwrap();
        let (path, link) = (root.path().join("run"), root.path().join("link"));
        fs::create_dir(&path).unwrap();
        fs::write(path.join("metrics.jsonl"), "").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(create(&link, true).unwrap().moved.unwrap().ends_with("run.bak-1"));
        assert_eq!(
            (names(&link), names(&path)),
            (vec![".lock".into(), "config.toml".into()], vec![".lock".to_owned(), "config.toml".into()])
        );
    }

    #[test]
    fn what_is_no_run_is_never_touched() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("photos");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("a.jpg"), "x").unwrap();
        for force in [false, true] {
            assert!(error(create(&path, force)).contains("holds `a.jpg` and is no run"));
            assert!(error(create(path.join("a.jpg"), force)).contains("is a file"));
        }
        assert!(path.join("a.jpg").exists());
    }
}
