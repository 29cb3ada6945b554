//! The rows that have come so far.

use std::fs::{self, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::ROW;
use super::remote::Remote;
use crate::error::{Error, Result};
use crate::run::disk::{self, File};

/// More than the longest first line.
const MOST_LINE: u64 = 1 << 16;

/// A `.part` file: a line of JSON that says what the rows belong to, and the rows.
///
/// It is made with the first row, so a class that is not there leaves nothing behind.
pub(super) struct Part {
    path: PathBuf,
    open: Option<Open>,
}

struct Open {
    file: File,
    remote: Remote,
    /// Where the rows begin.
    rows_start: u64,
    /// Bytes of rows, the last one perhaps a fragment.
    bytes: u64,
}

impl Part {
    /// Takes up the file of an earlier run, if there is one.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let mut part = Self { path, open: None };
        if part.path.exists() {
            let file = part.lock(File::open(&part.path, fs::File::options().read(true).write(true)))?;
            let length = file.size().map_err(Error::io(&part.path))?;
            let mut line = Vec::new();
            BufReader::new(&file).take(MOST_LINE).read_until(b'\n', &mut line).map_err(Error::io(&part.path))?;
            // An empty file is all that remains of a run that ended when it made it.
            if length > 0 {
                let remote = serde_json::from_slice(&line).map_err(|_| {
                    Error::input(part.path.display(), "not a download that was cut off, expected no such file")
                })?;
                let rows_start = line.len() as u64;
                part.open = Some(Open { file, remote, rows_start, bytes: length - rows_start });
            }
        }
        Ok(part)
    }

    /// The origin of the rows.
    pub(super) fn remote(&self) -> Option<&Remote> {
        self.open.as_ref().map(|open| &open.remote)
    }

    /// Number of whole rows.
    pub(super) fn rows(&self) -> usize {
        self.open.as_ref().map_or(0, |open| (open.bytes / ROW as u64) as usize)
    }

    /// Begins again, without rows, for the file `remote`.
    pub(super) fn restart(&mut self, remote: &Remote) -> Result<()> {
        if let Some(folder) = self.path.parent() {
            disk::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        let file = match self.open.take() {
            Some(open) => open.file,
            None => {
                let options = &mut fs::File::options();
                self.lock(File::open(&self.path, options.read(true).write(true).create(true).truncate(false)))?
            }
        };
        let line = format!("{}\n", serde_json::json!(remote));
        file.set_len(0)
            .and_then(|()| (&file).rewind())
            .and_then(|()| (&file).write_all(line.as_bytes()))
            .map_err(Error::io(&self.path))?;
        self.open = Some(Open { file, remote: remote.clone(), rows_start: line.len() as u64, bytes: 0 });
        Ok(())
    }

    /// Drops a fragment of a row at the end; returns the last whole row, empty if there is none.
    pub(super) fn drop_fragment(&mut self) -> Result<Vec<u8>> {
        let rows = self.rows();
        let Some(open) = &mut self.open else { return Ok(Vec::new()) };
        open.bytes = (rows * ROW) as u64;
        let mut last = vec![0; ROW.min(rows * ROW)];
        let end = open.rows_start + open.bytes;
        open.file
            .set_len(end)
            .and_then(|()| (&open.file).seek(SeekFrom::Start(end - last.len() as u64)))
            .and_then(|_| (&open.file).read_exact(&mut last))
            .map_err(Error::io(&self.path))?;
        Ok(last)
    }

    /// Adds bytes of rows.
    ///
    /// # Panics
    /// Before [`Part::restart`], in a new file.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let open = self.open.as_mut().expect("rows follow the line that says whose they are");
        (&open.file)
            .seek(SeekFrom::Start(open.rows_start + open.bytes))
            .and_then(|_| (&open.file).write_all(bytes))
            .map_err(Error::io(&self.path))?;
        open.bytes += bytes.len() as u64;
        Ok(())
    }

    /// The first rows.
    pub(super) fn read_rows(&mut self, rows: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; rows * ROW];
        if let Some(open) = &mut self.open {
            (&open.file)
                .seek(SeekFrom::Start(open.rows_start))
                .and_then(|_| (&open.file).read_exact(&mut bytes))
                .map_err(Error::io(&self.path))?;
        }
        Ok(bytes)
    }

    /// Deletes the file.
    pub(super) fn remove(self) -> Result<()> {
        if self.open.is_some() { disk::remove_file(&self.path).map_err(Error::io(&self.path)) } else { Ok(()) }
    }

    /// Keeps other processes from writing between our rows.
    fn lock(&self, file: std::io::Result<File>) -> Result<File> {
        let file = file.map_err(Error::io(&self.path))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                Err(Error::input(self.path.display(), "in use by another download, expected to be the only one"))
            }
            // Some file systems have no locks.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
        }
    }
}
