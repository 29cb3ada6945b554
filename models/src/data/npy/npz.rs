//! NumPy's `.npz`: a zip file of `.npy` arrays, stored (`savez`) or deflated (`savez_compressed`).

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;
use rawzip::{CompressionMethod, Crc32, ZipArchive};

use super::Array;
use crate::error::{Error, Result};
use crate::memory;

/// How a zip file starts.
pub(super) const MAGIC: &[u8] = b"PK\x03\x04";

/// `FILE.npz:NAME` taken apart, where there is such a file.
pub(super) fn member(path: &Path) -> Option<(PathBuf, String)> {
    let (file, name) = path.to_str()?.rsplit_once(':')?;
    let file = PathBuf::from(file);
    (!path.exists() && file.is_file()).then(|| (file, name.to_owned()))
}

/// Names of the arrays in the file at `path`, without `.npy`; none where it is no zip file.
pub(in crate::data) fn names(path: &Path) -> Vec<String> {
    let entries = fs::read(path).ok().and_then(|bytes| Some(entries(&bytes).ok()?.into_keys().collect()));
    entries.unwrap_or_default()
}

/// Where an entry lies in the file, whether it is deflated, and how many bytes it has unpacked, of which checksum.
struct Entry {
    range: std::ops::Range<usize>,
    deflated: bool,
    length: u64,
    crc: u32,
}

fn entries(bytes: &[u8]) -> Result<BTreeMap<String, Entry>, String> {
    let broken = |error: rawzip::Error| format!("not a .npy array but a truncated or damaged zip file (.npz): {error}");
    let zip = ZipArchive::from_slice(bytes).map_err(broken)?;
    let mut found = BTreeMap::new();
    for entry in zip.entries() {
        let entry = entry.map_err(broken)?;
        let name = String::from_utf8_lossy(entry.file_path().as_bytes()).into_owned();
        // Files that macOS adds, and folders.
        let Some(array) = name.strip_suffix(".npy").filter(|name| !name.starts_with("__MACOSX/")) else { continue };
        let deflated = match entry.compression_method() {
            CompressionMethod::STORE if !entry.flags().is_encrypted() => false,
            CompressionMethod::DEFLATE if !entry.flags().is_encrypted() => true,
            _ => return Err(format!("{name} is encrypted or packed in an unusual way, expected it as NumPy packs it")),
        };
        let (length, crc) = (entry.uncompressed_size_hint(), entry.crc32());
        let (start, end) = zip.get_entry(entry.wayfinder()).map_err(broken)?.compressed_data_range();
        let range = start as usize..end as usize;
        let most =
            if deflated { (range.len() as u64).saturating_mul(memory::MOST_INFLATION) } else { range.len() as u64 };
        if length > most {
            return Err(format!("{} packed bytes of {name} cannot hold its {length}", range.len()));
        }
        if found.insert(array.to_owned(), Entry { range, deflated, length, crc }).is_some() {
            return Err(format!("{name} stands in it twice, expected each array once"));
        }
    }
    Ok(found)
}

/// Opens the array `member`, or the only one.
pub(super) fn open(path: &Path, member: Option<&str>) -> Result<Array> {
    let bad = |problem: String| Error::input(path.display(), problem);
    let whole = path.metadata().map_err(Error::io(path))?.len();
    memory::check(whole, path.display())?;
    let bytes = fs::read(path).map_err(Error::io(path))?;
    let mut found = entries(&bytes).map_err(bad)?;
    let listed = found.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let (name, entry) = match member {
        Some(name) => {
            found.remove_entry(name).ok_or_else(|| bad(format!("no array {name:?}, expected one of {listed}")))
        }
        None if found.len() == 1 => found.pop_first().ok_or_else(|| bad(String::new())),
        None => Err(bad(format!(
            "{} arrays ({listed}), expected one, or {}:NAME for one of several",
            found.len(),
            path.display()
        ))),
    }?;
    let (length, deflated) = (entry.length, entry.deflated);
    let packed = Cursor::new(bytes[entry.range].to_vec());
    let source: Box<dyn Read> = if deflated { Box::new(DeflateDecoder::new(packed)) } else { Box::new(packed) };
    let source = Box::new(Checked { source, left: length, sum: Crc32::new(), expected: entry.crc, name });
    let place = member.map_or_else(|| path.to_owned(), |name| PathBuf::from(format!("{}:{name}", path.display())));
    Array::read(&place, source, length, deflated.then_some(whole))
}

/// An entry's bytes, whose last ones are given only where all of them have the checksum that the zip file states.
struct Checked {
    source: Box<dyn Read>,
    /// Bytes still to come.
    left: u64,
    sum: Crc32,
    expected: u32,
    name: String,
}

impl Read for Checked {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let damaged = |problem: String| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{}.npy in the zip file is damaged: {problem}", self.name),
            )
        };
        let read = self.source.read(out).map_err(|error| damaged(error.to_string()))?;
        if self.left == 0 {
            return Ok(read);
        }
        self.sum.update(&out[..read]);
        self.left = self.left.saturating_sub(read as u64);
        let found = self.sum.checksum();
        if self.left == 0 && found != self.expected {
            let expected = self.expected;
            return Err(damaged(format!("its checksum (CRC-32) is {found:08x}, expected {expected:08x}")));
        }
        Ok(read)
    }
}
