//! The zip container of `torch.save` since PyTorch 1.6: stored entries `<folder>/data.pkl`, `<folder>/data/<key>`.

use std::collections::HashMap;

use rawzip::{CompressionMethod, ZipArchive, crc32};

use super::{Found, plain};

/// How a zip file starts.
pub(super) const MAGIC: &[u8] = b"PK\x03\x04";

/// The entries of one zip file by name.
pub(super) struct Archive<'a> {
    entries: HashMap<String, Entry<'a>>,
    /// The one folder that holds everything, without a slash at its end.
    folder: String,
}

struct Entry<'a> {
    data: &'a [u8],
    crc: u32,
    stored: bool,
}

impl<'a> Archive<'a> {
    /// Finds all entries of the zip file `bytes`, none of which may reach into another.
    pub(super) fn open(bytes: &'a [u8]) -> Found<Self> {
        let broken = |error: rawzip::Error| format!("a truncated or damaged zip file: {error}");
        let zip = ZipArchive::from_slice(bytes).map_err(broken)?;
        let mut entries = HashMap::new();
        let mut folders = Vec::new();
        let mut total = 0;
        for entry in zip.entries() {
            let entry = entry.map_err(broken)?;
            let name = String::from_utf8_lossy(entry.file_path().as_bytes()).into_owned();
            let (start, end) = zip.get_entry(entry.wayfinder()).map_err(broken)?.compressed_data_range();
            let data = &bytes[start as usize..end as usize];
            total += data.len();
            if total > bytes.len() {
                return Err("a damaged zip file: its entries lie over one another".to_owned());
            }
            if let Some(folder) = name.strip_suffix("/data.pkl").filter(|folder| !folder.contains('/')) {
                folders.push(folder.to_owned());
            }
            let stored = entry.compression_method() == CompressionMethod::STORE && !entry.flags().is_encrypted();
            entries.insert(name, Entry { data, crc: entry.crc32(), stored });
        }
        match <[_; 1]>::try_from(folders) {
            Ok([folder]) => Ok(Self { entries, folder }),
            Err(folders) => {
                Err(format!("a zip file with {} entries called data.pkl, expected one of torch.save", folders.len()))
            }
        }
    }

    /// The contents of `name` in the archive's folder, checked against their checksum; `None` where there is none.
    pub(super) fn get(&self, name: &str) -> Found<Option<&'a [u8]>> {
        let Some(entry) = self.entries.get(&format!("{}/{name}", self.folder)) else { return Ok(None) };
        let name = plain(name);
        if !entry.stored {
            return Err(format!(
                "{name} in the zip file is compressed or encrypted, expected it as torch.save stores it"
            ));
        }
        if crc32(entry.data) != entry.crc {
            return Err(format!("{name} in the zip file is damaged: its checksum is not {:08x}", entry.crc));
        }
        Ok(Some(entry.data))
    }
}
