//! Files read whole, but none that never ends or takes all memory.
//!
//! ```
//! use std::path::Path;
//!
//! use inkgrad_models::file;
//!
//! let error = file::read_text(Path::new("."), "settings").expect_err("a folder");
//! assert_eq!(error.to_string(), ".: not a file, expected settings");
//! ```

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, Result};
use crate::memory;

/// The most bytes of a text that people write: settings, names, a kernel.
pub const MOST_OF_A_TEXT: u64 = 1 << 26;

/// Checks that a path leads to a file, and tells its length: reading a folder is an error of the system's, and a device may never end.
///
/// # Errors
/// [`Error::Input`] where nothing is there or it is no file, [`Error::Io`] where the system does not say.
pub fn check(path: &Path, expected: &str) -> Result<u64> {
    let refused = |found: &str| Err(Error::input(path.display(), format_args!("{found}, expected {expected}")));
    match path.metadata() {
        Ok(found) if found.is_file() => Ok(found.len()),
        Ok(_) => refused("not a file"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => refused("No such file"),
        Err(error) => Err(Error::io(path)(error)),
    }
}

/// Reads a file of at most `most` bytes, which should be what is `expected`.
///
/// # Errors
/// [`Error::Io`] where it cannot be read; [`Error::Input`] where it is not there or no file, has more bytes, or does not fit memory.
pub fn read(path: &Path, most: u64, expected: &str) -> Result<Vec<u8>> {
    check(path, expected)?;
    read_some(path, most, expected)
}

/// Reads a text of at most [`MOST_OF_A_TEXT`] bytes from a file or from a pipe, such as a shell makes of a command.
///
/// # Errors
/// As [`read`], and [`Error::Input`] where it is not UTF-8.
pub fn read_text(path: &Path, expected: &str) -> Result<String> {
    if !is_pipe(path) {
        check(path, expected)?;
    }
    let bytes = read_some(path, MOST_OF_A_TEXT, expected)?;
    String::from_utf8(bytes).map_err(|error| Error::input(path.display(), error.utf8_error()))
}

/// Reads what ends, but not more than `most` bytes.
fn read_some(path: &Path, most: u64, expected: &str) -> Result<Vec<u8>> {
    let refused = |problem: String| Error::input(path.display(), problem);
    let size = path.metadata().map_err(Error::io(path))?.len();
    if size > most {
        return Err(refused(format!("{size} bytes, expected {expected}, of at most {most}")));
    }
    memory::check(size, path.display())?;
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Error::io(path))?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(Error::io(path))?;
    if bytes.len() as u64 > most {
        return Err(refused(format!("more than {most} bytes, expected {expected}")));
    }
    Ok(bytes)
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata().is_ok_and(|found| found.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ends_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        std::fs::write(&path, "epochs = 1").unwrap();
        assert_eq!(read_text(&path, "settings").unwrap(), "epochs = 1");
        let error = |path: &Path, most| read(path, most, "settings").unwrap_err().to_string();
        assert!(error(&path, 9).ends_with("a.toml: 10 bytes, expected settings, of at most 9"));
        assert!(error(folder.path(), 9).ends_with("not a file, expected settings"));
        assert!(error(&folder.path().join("b.toml"), 9).ends_with("b.toml: No such file, expected settings"));
        let sparse = std::fs::File::create(folder.path().join("sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        assert!(error(&folder.path().join("sparse"), MOST_OF_A_TEXT).contains("1099511627776 bytes"));
        assert!(error(&folder.path().join("sparse"), u64::MAX).contains("MiB of memory"));
        #[cfg(unix)]
        assert!(error(Path::new("/dev/zero"), 9).ends_with("not a file, expected settings"));
        std::fs::write(&path, b"\xff").unwrap();
        assert!(read_text(&path, "settings").unwrap_err().to_string().contains("utf-8"));
    }
}
