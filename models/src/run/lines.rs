//! Files of one JSON object a line that grow at their end. A last line without its end was torn: its writer was stopped midway.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::atomic;
use super::disk::File;
use crate::error::{Error, Result};

/// Opens a file for appending, making it where there is none. A torn last line is cut. One that another name leads to as well, in a
/// copy of hard links, becomes a file of its own first: what is appended or cut here is not theirs.
pub(super) fn open(path: &Path) -> Result<File> {
    part(path)?;
    open_own(path).map_err(Error::io(path))
}

/// Makes a copy of its own of a file with several names.
pub(super) fn part(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if fs::metadata(path).is_ok_and(|found| found.nlink() > 1) {
            let text = fs::read(path).map_err(Error::io(path))?;
            atomic::write(path, |file| file.write_all(&text))?;
        }
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn open_own(path: &Path) -> io::Result<File> {
    let file = File::open(path, fs::File::options().read(true).append(true).create(true))?;
    let text = fs::read(path)?;
    let whole = whole(&text).len();
    if whole < text.len() {
        file.set_len(whole as u64)?;
    }
    Ok(file)
}

/// All of `text` but a torn last line.
pub(super) fn whole(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    &text[..end]
}

/// A value as a line, with its end.
pub(super) fn line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// The value of a line of `path`, the `index`-th from 0, which should be `what`.
pub(super) fn parse<T: DeserializeOwned>(line: &[u8], (path, index): (&Path, usize), what: &str) -> Result<T> {
    serde_json::from_slice(line).map_err(|error| {
        Error::input(format_args!("{}:{}", path.display(), index + 1), format_args!("not {what}: {error}"))
    })
}
