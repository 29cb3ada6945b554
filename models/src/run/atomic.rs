//! Files that are either the old version or the new one, never a part of either.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::disk::{self, File, Temporary};
use crate::error::{Error, Result};

/// The writer of a file's contents: buffered, and seekable before the file is put in place.
pub type Sink<'a> = BufWriter<&'a File>;

/// Replaces the file at `path` by what `fill` writes.
///
/// The contents go to a temporary file in the same folder, are flushed and synced, and the file is renamed over
/// `path`. If anything fails, `path` is as it was and the temporary file is removed. A symbolic link is followed;
/// a device or a pipe, which no rename may replace, is written directly.
///
/// # Errors
/// [`Error::Io`] with `path`, whatever failed: `fill`, the disk, the rename; also where `path` is a folder.
pub fn write(path: impl AsRef<Path>, fill: impl FnOnce(&mut Sink) -> io::Result<()>) -> Result<()> {
    let path = path.as_ref();
    replace(path, fill).map_err(Error::io(path))
}

/// The names of temporary files.
const PREFIX: &str = ".inkgrad-";
const SUFFIX: &str = ".tmp";

/// Whether a file of this name is one that was to take another's place.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX))
}

/// Removes the temporary files of processes that have died from a folder in which this process alone writes; those that
/// cannot be removed stay.
pub fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_abandoned(&entry.file_name()) {
            let path = entry.path();
            let _ = if path.is_dir() { disk::remove_dir_all(&path) } else { disk::remove_file(&path) };
        }
    }
}

/// Whether a name is that of a temporary file whose process has died.
pub(crate) fn is_abandoned(name: &OsStr) -> bool {
    is_temporary(name) && !is_of_the_living(name)
}

/// Whether a name is that of a folder that was to become a run, and whose process has died.
pub(super) fn is_abandoned_run(name: &OsStr) -> bool {
    is_abandoned(name) && name.to_str().is_some_and(|name| name.contains(RUN))
}

/// Tells folders that are to become runs from other temporary ones.
const RUN: &str = "-run-";

/// A folder in which several files are made that are to appear together, or not at all; it goes with its value.
pub(crate) struct Staging(PathBuf);

impl Staging {
    /// Makes one in `folder`.
    pub(crate) fn within(folder: &Path) -> io::Result<Self> {
        let place = folder.join(format!("{PREFIX}{}-files{SUFFIX}", std::process::id()));
        disk::create_dir(&place)?;
        Ok(Staging(place))
    }

    /// Makes one in `parent` that is to become a run's folder there.
    pub(super) fn of_run(parent: &Path) -> io::Result<Self> {
        let mut n = 0;
        loop {
            let place = parent.join(format!("{PREFIX}{}{RUN}{n}{SUFFIX}", std::process::id()));
            match disk::create_dir(&place) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => n += 1,
                made => return made.map(|()| Staging(place)),
            }
        }
    }

    /// Where to make them.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Puts files in their places, the last of them last.
    pub(crate) fn place(self, names: &[&str]) -> io::Result<()> {
        let Some(folder) = self.0.parent() else { return Ok(()) };
        for (i, name) in names.iter().enumerate() {
            if let Err(error) = disk::rename(&self.0.join(name), &folder.join(name)) {
                names[..i].iter().for_each(|placed| drop(disk::remove_file(&folder.join(placed))));
                return Err(error);
            }
        }
        disk::sync_folder(folder)
    }

    /// Becomes the folder `place` with all that is in it, where nothing is or an empty folder.
    pub(super) fn become_folder(mut self, place: &Path) -> io::Result<()> {
        disk::rename(&self.0, place)?;
        self.0 = PathBuf::new();
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            let _ = disk::remove_dir_all(&self.0);
        }
    }
}

/// Whether another process that made a temporary file still runs. Where that cannot be told, it does not: only the owner of a
/// folder sweeps it. A file with the number of this very process is of an earlier one: in a container all have the same.
fn is_of_the_living(name: &OsStr) -> bool {
    let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-')?.0.parse::<u32>().ok());
    number.is_some_and(|number| number != std::process::id() && Path::new("/proc").join(number.to_string()).exists())
}

fn replace(path: &Path, fill: impl FnOnce(&mut Sink) -> io::Result<()>) -> io::Result<()> {
    let target = resolve_links(path)?;
    let permissions = match fs::metadata(&target) {
        Ok(found) if found.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if !found.is_file() => {
            return fill_and_flush(&File::open(&target, fs::File::options().write(true))?, fill);
        }
        Ok(found) => Some(found.permissions()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };

    let mut builder = tempfile::Builder::new();
    // With the process's number, by which others see that it has died.
    let prefix = format!("{PREFIX}{}-", std::process::id());
    builder.prefix(&prefix).suffix(SUFFIX);
    #[cfg(unix)]
    builder.permissions(new_file_permissions());
    // The error's own text would name the temporary file.
    let temporary = Temporary::new(folder, &builder).map_err(|error| io::Error::from(error.kind()))?;
    fill_and_flush(temporary.file(), fill)?;
    if let Some(permissions) = permissions {
        temporary.file().set_permissions(permissions)?;
    }
    temporary.file().sync()?;
    temporary.persist(&target)?;
    disk::sync_folder(folder)
}

/// The file that `path` stands for: a link's target, even one that does not exist yet.
fn resolve_links(path: &Path) -> io::Result<PathBuf> {
    if !path.is_symlink() {
        return Ok(path.to_owned());
    }
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let target = fs::read_link(path)?;
            Ok(path.parent().unwrap_or(Path::new("")).join(target))
        }
        resolved => resolved,
    }
}

fn fill_and_flush(file: &File, fill: impl FnOnce(&mut Sink) -> io::Result<()>) -> io::Result<()> {
    let mut sink = BufWriter::with_capacity(1 << 16, file);
    let filled = fill(&mut sink).and_then(|()| sink.flush());
    // The rest in the buffer of a failed file must not be tried again on drop.
    let _ = sink.into_parts();
    filled
}

/// The permissions of any other program's new file; temporary files are private by default.
#[cfg(unix)]
fn new_file_permissions() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(0o666) // less the umask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn replaces_a_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write(&path, |file| file.write_all(b"the first, longer text")).unwrap();
        write(&path, |file| file.write_all(b"second")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn a_failure_midway_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write(&path, |file| file.write_all(b"old")).unwrap();
        let error = write(&path, |file| {
            file.write_all(&[0; 1 << 20])?;
            Err(io::ErrorKind::StorageFull.into())
        })
        .unwrap_err();
        assert!(matches!(&error, Error::Io { path: at, source }
            if *at == path && source.kind() == io::ErrorKind::StorageFull));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_device_is_an_error_and_a_device_is_not_replaced() {
        use std::os::unix::fs::FileTypeExt;
        let error = write("/dev/full", |file| file.write_all(b"x")).unwrap_err();
        assert_eq!(error.to_string(), "/dev/full: No space left on device (os error 28)");
        write("/dev/null", |file| file.write_all(b"x")).unwrap();
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }

    #[test]
    #[cfg(unix)]
    fn keeps_the_mode_and_follows_links() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("a"), folder.path().join("link"));
        symlink("a", &link).unwrap();
        write(&link, |file| file.write_all(b"through a dangling link")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write(&link, |file| file.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(link.is_symlink());
    }

    #[test]
    fn a_missing_folder_is_named_by_the_file_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none/a.txt");
        let error = write(&path, |_| Ok(())).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: ", path.display())), "{error}");
    }
}
