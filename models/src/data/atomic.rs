//! Files that appear whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Writes `path` through a temporary file beside it: filled, synced, renamed. A failure leaves what was there.
pub(super) fn write(path: &Path, fill: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let run = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".inkgrad-").suffix(".partial");
        #[cfg(unix)]
        {
            // A temporary file is private by default; this one becomes an ordinary file, subject to the umask.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let file = builder.tempfile_in(folder)?;
        let mut writer = BufWriter::with_capacity(1 << 16, file.as_file());
        fill(&mut writer)?;
        writer.flush()?;
        drop(writer);
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    run().map_err(Error::io(path))
}
