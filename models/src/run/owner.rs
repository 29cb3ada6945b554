//! Who may write into a run's folder: one process at a time, by a lock that dies with it.

use std::fs::{self, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::atomic;
use super::disk::File;
use crate::{Error, Result};

/// The file that is locked. It stays when a run ends: taking a lock's file away is a race of its own.
pub(super) const FILE: &str = ".lock";
/// More bytes than a process's number has.
const LONGEST: u64 = 32;

/// The right to write into a run's folder, until it is dropped or its process ends in whatever way.
#[derive(Debug)]
pub struct Owner {
    file: File,
}

impl Owner {
    /// Takes the folder, and sweeps out what writers that died have left half written.
    ///
    /// # Errors
    /// [`Error::Input`] if another process has it, with its number, or the lock's file is a link or holds anything else;
    /// [`Error::Io`] if the lock's file cannot be made.
    pub fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        // Taking a folder is no reason to write into a file of somebody else's, wherever a link leads.
        if path.is_symlink() {
            return Err(Error::input(path.display(), "is a link, expected this program's own file"));
        }
        let options = &mut fs::File::options();
        let opened = File::open(&path, options.read(true).write(true).create(true).truncate(false));
        let file = opened.map_err(Error::io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The number is a courtesy; without it the refusal stands.
                let _ = (&file).read_to_string(&mut holder);
                let by = match holder.trim().parse::<u32>() {
                    Ok(number) => format!("process {number}"),
                    Err(_) => "another process".to_owned(),
                };
                let problem = format_args!("{by} is working in this run, expected it to have ended");
                return Err(Error::input(folder.display(), problem));
            }
            // A file system without locks: as before there were any.
            Err(TryLockError::Error(_)) => {}
        }
        let mut found = Vec::new();
        (&file).take(LONGEST).read_to_end(&mut found).map_err(Error::io(&path))?;
        if !found.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_whitespace())
            || found.len() as u64 == LONGEST
        {
            return Err(Error::input(path.display(), "holds no process's number, expected this program's own file"));
        }
        let owner = Owner { file };
        owner.sign().map_err(Error::io(&path))?;
        atomic::sweep(folder);
        Ok(owner)
    }

    /// Whether it is `folder` that was taken: not one that took its place.
    pub(super) fn is_of(&self, folder: &Path) -> bool {
        self.file.is_at(&folder.join(FILE))
    }

    /// Writes this process's number into the file, for others to read.
    fn sign(&self) -> io::Result<()> {
        self.file.set_len(0)?;
        (&self.file).seek(SeekFrom::Start(0))?;
        writeln!(&self.file, "{}", std::process::id())
    }

    /// Whether a folder holds nothing but what a process leaves that was killed before its run began.
    pub(super) fn is_all_there_is(folder: &Path) -> io::Result<bool> {
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name();
            if name != FILE && !atomic::is_temporary(&name) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Drop for Owner {
    /// Takes the number out again, before the lock goes with the file's handle.
    fn drop(&mut self) {
        let _ = self.file.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_refused_and_named_and_the_lock_ends_with_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let first = Owner::take(folder.path()).unwrap();
        let error = Owner::take(folder.path()).unwrap_err().to_string();
        let expected = format!("process {} is working in this run, expected it to have ended", std::process::id());
        assert!(error.ends_with(&expected), "{error}");
        drop(first);
        fs::write(folder.path().join(".inkgrad-x1y2.tmp"), "torn").unwrap();
        fs::write(folder.path().join("kept.tmp"), "somebody's").unwrap();
        assert!(!Owner::is_all_there_is(folder.path()).unwrap());
        let _second = Owner::take(folder.path()).unwrap();
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [FILE, "kept.tmp"]);
    }

    #[test]
    #[cfg(unix)]
    fn a_file_of_somebody_else_s_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let (precious, run) = (folder.path().join("p.txt"), folder.path().join("run"));
        fs::write(&precious, "precious").unwrap();
        fs::create_dir(&run).unwrap();
        let error = || Owner::take(&run).unwrap_err().to_string();
        std::os::unix::fs::symlink(&precious, run.join(FILE)).unwrap();
        assert!(error().ends_with("/.lock: is a link, expected this program's own file"), "{}", error());
        fs::remove_file(run.join(FILE)).unwrap();
        fs::hard_link(&precious, run.join(FILE)).unwrap();
        assert!(
            error().ends_with("/.lock: holds no process's number, expected this program's own file"),
            "{}",
            error()
        );
        fs::remove_file(run.join(FILE)).unwrap();
        std::os::unix::fs::symlink(folder.path().join("new"), run.join(FILE)).unwrap();
        assert!(error().contains("is a link") && !folder.path().join("new").exists());
        assert_eq!(fs::read_to_string(precious).unwrap(), "precious");
    }
}
