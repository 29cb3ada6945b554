//! Where the state of a run goes whose folder fails it: full, read-only, or gone.

use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::Trainer;
use crate::run::folder::RunFolder;
use crate::run::{atomic, disk};
use crate::{Error, Result, text};

/// Places with a name of their own that are tried in one folder.
const TRIES: u32 = 100;

impl Trainer {
    /// An error of the run's files, with word of what became of the steps since the last checkpoint: they are in a run of
    /// their own, beside this one or in the system's folder for temporary files, or lost. Other errors stay as they are.
    pub(super) fn rescued(&self, error: Error, seconds: f64) -> Error {
        let Error::Io { path, source } = error else { return error };
        if !self.ranks.is_root() {
            return Error::Io { path, source };
        }
        let run = self.folder.path();
        let saved = self.saved.filter(|_| self.folder.is_in_place() && self.folder.state().exists());
        let resume = format!("{} train --resume", text::program());
        let fate = match saved {
            _ if self.step == 0 => return Error::Io { path, source },
            Some(saved) if saved == self.step => {
                format!("the checkpoint of step {saved} is whole: {resume} {}", run.display())
            }
            _ => match self.rescue(seconds) {
                Some(place) => {
                    let place = place.display();
                    format!("the state of step {} is kept elsewhere: {resume} {place}", self.step)
                }
                None => match saved {
                    Some(saved) => format!(
                        "nothing else could be written either, so that steps {} to {} are lost; the last checkpoint is kept: \
                         {resume} {}",
                        saved + 1,
                        self.step,
                        run.display()
                    ),
                    None => format!("nothing else could be written either: the {} steps so far are lost", self.step),
                },
            },
        };
        Error::input(path.display(), format_args!("{source}; {fate}"))
    }

    /// Writes a run that goes on from the state in memory; gives its folder.
    fn rescue(&self, seconds: f64) -> Option<PathBuf> {
        let run = std::path::absolute(self.folder.path()).ok()?;
        let name = run.file_name()?.to_string_lossy().into_owned();
        let beside = run.parent()?.to_owned();
        [beside, env::temp_dir()].iter().filter(|folder| folder.is_dir()).find_map(|folder| {
            let place = (1..=TRIES).map(|n| folder.join(format!("{name}.rescued-{n}")));
            let place = place.into_iter().find(|place| place.symlink_metadata().is_err())?;
            match self.write_rescue(&place, seconds) {
                Ok(()) => Some(place),
                Err(_) => {
                    // A part of a run is none; nothing that was there before is in it.
                    let _ = disk::remove_dir_all(&place);
                    None
                }
            }
        })
    }

    fn write_rescue(&self, place: &Path, seconds: f64) -> Result<()> {
        RunFolder::create(place, false, |folder| self.fill_rescue(folder, seconds)).map(|_| ())
    }

    fn fill_rescue(&self, folder: &RunFolder, seconds: f64) -> Result<()> {
        self.config.save(&folder.config())?;
        if let Some(log) = &self.log {
            let records = log.before(&self.pending)?;
            atomic::write(folder.metrics(), |file| file.write_all(&records))?;
        }
        // The best weights are those in memory, or those that were kept before.
        if !self.is_best()
            && self.folder.is_in_place()
            && let Ok(bytes) = std::fs::read(self.folder.best())
        {
            atomic::write(folder.best(), |file| file.write_all(&bytes))?;
        }
        self.save_in(folder, seconds, self.best_digest().as_deref())?;
        if self.is_best() { self.save_best(folder) } else { Ok(()) }
    }
}
