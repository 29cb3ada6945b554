//! The one door through which files are written: whatever changes a disk goes through here, and nowhere else.
//!
//! A test stands in the door ([`with_faults`]) and lets operations fail, one after another, as a disk does that is full, broken,
//! or gone. Without one, an operation costs a look at a variable of its thread.

use std::cell::RefCell;
use std::fs::{self, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A change that a file system is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// To make a folder.
    Folder,
    /// To make a file, or to open one for writing.
    Open,
    /// To write so many bytes.
    Write(usize),
    /// To change a file's length.
    Cut,
    /// To put what was written, or renamed, onto the disk.
    Sync,
    /// To rename a file or a folder.
    Rename,
    /// To remove a file, or a folder with all that is in it.
    Remove,
}

/// The fate of an operation: it is done, or of a write only so many bytes of it, or it fails.
pub type Verdict = io::Result<usize>;

/// Who stands in the door.
type Fault = Box<dyn FnMut(Operation, &Path) -> Verdict>;

thread_local! {
    static FAULT: RefCell<Option<Fault>> = const { RefCell::new(None) };
}

/// Calls `work`, each of whose operations on this thread `fault` lets pass, shortens or refuses.
///
/// # Panics
/// Where `fault` writes files itself.
pub fn with_faults<R>(fault: impl FnMut(Operation, &Path) -> Verdict + 'static, work: impl FnOnce() -> R) -> R {
    /// Takes the fault out of the door, whatever `work` ends with.
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            FAULT.take();
        }
    }
    FAULT.set(Some(Box::new(fault)));
    let _leave = Leave;
    work()
}

/// Asks for an operation. Gives the bytes that may be written of those asked for.
fn ask(operation: Operation, path: &Path) -> Verdict {
    let asked = match operation {
        Operation::Write(bytes) => bytes,
        _ => 0,
    };
    FAULT.with_borrow_mut(|fault| match fault {
        Some(fault) => fault(operation, path).map(|bytes| bytes.min(asked)),
        None => Ok(asked),
    })
}

/// A file that is open for writing.
#[derive(Debug)]
pub struct File {
    file: fs::File,
    path: PathBuf,
}

impl File {
    /// Opens or makes a file, as the options say.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: impl AsRef<Path>, options: &fs::OpenOptions) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        ask(Operation::Open, &path)?;
        Ok(Self { file: options.open(&path)?, path })
    }

    /// The length in bytes.
    ///
    /// # Errors
    /// The system's.
    pub fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Cuts the file, or lengthens it by zeros.
    ///
    /// # Errors
    /// The system's.
    pub fn set_len(&self, bytes: u64) -> io::Result<()> {
        ask(Operation::Cut, &self.path)?;
        self.file.set_len(bytes)
    }

    /// Sets who may read and write.
    ///
    /// # Errors
    /// The system's.
    pub fn set_permissions(&self, permissions: fs::Permissions) -> io::Result<()> {
        self.file.set_permissions(permissions)
    }

    /// Returns once all that was written is on the disk.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&self) -> io::Result<()> {
        ask(Operation::Sync, &self.path)?;
        self.file.sync_all()
    }

    /// Whether this very file is what stands at `path` now. Where the system has no numbers of files, whether something does.
    pub fn is_at(&self, path: &Path) -> bool {
        let (Ok(own), Ok(found)) = (self.file.metadata(), fs::metadata(path)) else { return false };
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            (own.dev(), own.ino()) == (found.dev(), found.ino())
        }
        #[cfg(not(unix))]
        {
            let _ = own;
            found.is_file()
        }
    }

    /// Locks the file, until its handle is closed.
    ///
    /// # Errors
    /// Where somebody else has locked it, or it cannot be locked.
    pub fn try_lock(&self) -> Result<(), TryLockError> {
        self.file.try_lock()
    }
}

impl Write for &File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let granted = ask(Operation::Write(bytes.len()), &self.path)?;
        (&self.file).write(&bytes[..granted])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for &File {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        (&self.file).read(bytes)
    }
}

impl Seek for &File {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        (&self.file).seek(place)
    }
}

/// A file under a name of its own that is to take another's place, and is removed where it does not.
#[derive(Debug)]
pub struct Temporary {
    file: File,
    /// None once the file is in place.
    name: Option<tempfile::TempPath>,
}

impl Temporary {
    /// Makes one in `folder`.
    ///
    /// # Errors
    /// The system's.
    pub fn new(folder: &Path, builder: &tempfile::Builder) -> io::Result<Self> {
        ask(Operation::Open, folder)?;
        let (file, name) = builder.tempfile_in(folder)?.into_parts();
        Ok(Self { file: File { file, path: name.to_path_buf() }, name: Some(name) })
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Renames the file to `target`, over what stands there.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Panics
    /// The second time.
    pub fn persist(mut self, target: &Path) -> io::Result<()> {
        ask(Operation::Rename, target)?;
        let name = self.name.take().expect("not in place yet");
        name.persist(target).map_err(|error| error.error)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(mut name) = self.name.take()
            && ask(Operation::Remove, &name).is_err()
        {
            name.disable_cleanup(true);
        }
    }
}

/// Makes a folder.
///
/// # Errors
/// The system's; also where there is one.
pub fn create_dir(path: &Path) -> io::Result<()> {
    ask(Operation::Folder, path)?;
    fs::create_dir(path)
}

/// Makes a folder and those above it, as far as they are missing.
///
/// # Errors
/// The system's.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    check_links(path)?;
    if let Some(file) = path.ancestors().find(|above| above.is_file()) {
        let place = if path == file { String::new() } else { format!("{} ", file.display()) };
        return Err(io::Error::new(io::ErrorKind::NotADirectory, format!("{place}is a file, expected a folder")));
    }
    ask(Operation::Folder, path)?;
    fs::create_dir_all(path)
}

/// Refuses a path where a link on the way to it, or at its end, leads to nothing: the system would say that there is something
/// already, or that it is no folder.
///
/// # Errors
/// With the link's name and its target.
pub fn check_links(path: &Path) -> io::Result<()> {
    let Some(link) = path.ancestors().find(|above| above.is_symlink() && !above.exists()) else { return Ok(()) };
    let target = fs::read_link(link).unwrap_or_default();
    let place = if path == link { String::new() } else { format!("{} ", link.display()) };
    let problem = format!("{place}is a link to {}, which is not there", target.display());
    Err(io::Error::new(io::ErrorKind::NotFound, problem))
}

/// Renames a file or a folder.
///
/// # Errors
/// The system's.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    ask(Operation::Rename, to)?;
    fs::rename(from, to)
}

/// Removes a folder in which nothing is.
///
/// # Errors
/// The system's.
pub fn remove_dir(path: &Path) -> io::Result<()> {
    ask(Operation::Remove, path)?;
    fs::remove_dir(path)
}

/// Removes a file.
///
/// # Errors
/// The system's.
pub fn remove_file(path: &Path) -> io::Result<()> {
    ask(Operation::Remove, path)?;
    fs::remove_file(path)
}

/// Removes a folder with all that is in it.
///
/// # Errors
/// The system's.
pub fn remove_dir_all(path: &Path) -> io::Result<()> {
    ask(Operation::Remove, path)?;
    fs::remove_dir_all(path)
}

/// Makes durable what was made, renamed or removed in a folder. A file system that cannot is no reason to fail.
///
/// # Errors
/// The system's.
#[cfg(unix)]
pub fn sync_folder(path: &Path) -> io::Result<()> {
    ask(Operation::Sync, path)?;
    match fs::File::open(path)?.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

/// Folders need no syncing here.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_may_fail_or_be_done_in_part_until_the_door_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let options = &mut fs::File::options();
        let file = File::open(&path, options.write(true).create(true)).unwrap();
        let fault = |operation, _: &Path| match operation {
            Operation::Write(bytes) => Ok(bytes / 2),
            _ => Err(io::ErrorKind::StorageFull.into()),
        };
        with_faults(fault, || {
            assert_eq!((&file).write(b"four").unwrap(), 2);
            assert_eq!(file.sync().unwrap_err().kind(), io::ErrorKind::StorageFull);
            assert!(create_dir(&folder.path().join("b")).is_err() && remove_file(&path).is_err());
            // Halves of halves, down to nothing.
            assert_eq!((&file).write_all(b"ab").unwrap_err().kind(), io::ErrorKind::WriteZero);
        });
        (&file).write_all(b"ur").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"foaur");
    }

    #[test]
    fn a_file_in_a_folder_s_place_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, "").unwrap();
        let problem = |path: &Path| create_dir_all(path).unwrap_err().to_string();
        assert_eq!(problem(&file), "is a file, expected a folder");
        assert_eq!(problem(&file.join("b/c")), format!("{} is a file, expected a folder", file.display()));
        create_dir_all(&folder.path().join("d/e")).unwrap();
        assert!(folder.path().join("d/e").is_dir());
    }
}
