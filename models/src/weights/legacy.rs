//! The format of `torch.save` before PyTorch 1.6, and with `_use_new_zipfile_serialization=False`.
//!
//! Five pickles one after another: a magic number, the format's version, facts about the machine, the object, the keys
//! of its storages. Then for each key, in order: the count of values as 8 bytes, the values; all little-endian.

use std::collections::HashMap;

use super::pickle::{Pickle, Value};
use super::tensor::Storage;
use super::{Found, plain};

/// The magic number as its pickle stores it: LONG1, 10 bytes.
pub(super) const MAGIC: &[u8] = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
const VERSION: i128 = 1001;

/// The pickled object, and the bytes of each storage by its key.
pub(super) fn read(bytes: &[u8]) -> Found<(Pickle<'_>, HashMap<&str, &[u8]>)> {
    let (_magic, rest) = Pickle::read(bytes)?;
    let (version, rest) = Pickle::read(rest)?;
    if !matches!(version.root, Value::Int(VERSION)) {
        let found = match version.root {
            Value::Int(version) => version.to_string(),
            other => version.kind(other).to_owned(),
        };
        return Err(format!("the version of its format is {found}, expected {VERSION}"));
    }
    let (_machine, rest) = Pickle::read(rest)?;
    let (object, rest) = Pickle::read(rest)?;
    let (keys, mut rest) = Pickle::read(rest)?;

    let declared: HashMap<&str, &Storage<'_>> = object.storages().map(|storage| (storage.key, storage)).collect();
    let mut storages = HashMap::new();
    for &key in keys.list(keys.root).ok_or("the keys of the storages are no list")? {
        let Value::Text(key) = key else { return Err("the key of a storage is no string".to_owned()) };
        let storage = declared.get(key).ok_or_else(|| format!("no tensor has the storage {}", plain(key)))?;
        let truncated = || format!("truncated: the storage {} is incomplete", plain(key));
        let (count, data) = rest.split_first_chunk().ok_or_else(truncated)?;
        let count = u64::from_le_bytes(*count);
        if count != storage.len as u64 {
            return Err(format!("the storage {} has {count} values, expected {}", plain(key), storage.len));
        }
        let (data, after) = data.split_at_checked(storage.bytes).ok_or_else(truncated)?;
        rest = after;
        storages.insert(key, data);
    }
    Ok((object, storages))
}
