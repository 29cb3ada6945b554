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
use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};
use crate::memory;

/// The most bytes of a text that people write: settings, names, a kernel.
pub const MOST_OF_A_TEXT: u64 = 1 << 26;

/// Reads a file of at most `most` bytes; a pipe may stand for it. `what` it should be.
///
/// # Errors
/// [`Error::Io`] where it cannot be read; [`Error::Input`] where it is a device or a folder, has more bytes, or does not fit memory.
pub fn read(path: &Path, most: u64, what: &str) -> Result<Vec<u8>> {
    let refused = |problem: String| Error::input(path.display(), problem);
    // Before it is opened: opening some devices waits, or has effects.
    let found = path.metadata().map_err(Error::io(path))?;
    let is_pipe = {
        #[cfg(unix)]
        {
            use std::os::unix::fs::FileTypeExt;
            found.file_type().is_fifo()
        }
        #[cfg(not(unix))]
        false
    };
    if !found.is_file() && !is_pipe {
        return Err(refused(format!("not a file, expected {what}")));
    }
    if found.len() > most {
        return Err(refused(format!("{} bytes, expected {what}, of at most {most}", found.len())));
    }
    memory::check(found.len(), path.display())?;
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(Error::io(path))?;
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(Error::io(path))?;
    if bytes.len() as u64 > most {
        return Err(refused(format!("more than {most} bytes, expected {what}")));
    }
    Ok(bytes)
}

/// The same of text.
///
/// # Errors
/// As [`read`], and [`Error::Input`] where it is not UTF-8.
pub fn read_text(path: &Path, what: &str) -> Result<String> {
    let bytes = read(path, MOST_OF_A_TEXT, what)?;
    String::from_utf8(bytes).map_err(|error| Error::input(path.display(), error.utf8_error()))
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
