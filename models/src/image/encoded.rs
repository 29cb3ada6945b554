//! Pictures as PNG files have them.

use std::io::Write;
use std::path::Path;

use super::Channels;
use crate::Result;
use crate::run::atomic;

/// A picture as a PNG file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Png {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes a pixel.
    pub channels: Channels,
    /// The file.
    pub bytes: Vec<u8>,
}

impl Png {
    /// Writes the file, atomically.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        atomic::write(path, |file| file.write_all(&self.bytes))
    }
}
