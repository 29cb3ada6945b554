//! Weights from files: safetensors, and what PyTorch's `torch.save` writes, new and old.
//!
//! ```
//! use inkgrad_models::{prelude::*, trainer::save_weights, weights};
//!
//! let models = Models::builtin();
//! let config = models.defaults("cnn-ae")?;
//! let network = models.build(&config)?;
//! let folder = tempfile::tempdir().expect("a folder");
//! let path = folder.path().join("model.safetensors");
//! save_weights(&path, &config, &network)?;
//! let loaded = weights::load(&path, None)?;
//! assert_eq!(loaded.tensors.iter().count(), network.layout().len());
//! # Ok::<(), Error>(())
//! ```

mod container;
mod legacy;
mod machine;
mod pickle;
mod tensor;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use self::container::Archive;
use self::pickle::{Pickle, Value};
use self::tensor::{Storage, View};
use crate::error::{Error, Result};
use crate::run::checkpoint::{Tensor, Tensors, load_tensors};
use crate::{file, memory, text};

/// The finding in a file, or its fault in one line.
type Found<T> = std::result::Result<T, String>;

/// Where training scripts put the state_dict in a dictionary, in the order in which they are tried.
const CONTAINERS: [&str; 6] = ["state_dict", "model_state_dict", "model", "net", "network", "params"];

/// Prefixes that `DataParallel` and `torch.compile` put before all names.
const PREFIXES: [&str; 2] = ["module.", "_orig_mod."];

/// How much of a file's start tells what it is.
const START: u64 = 32;

/// Tensors that share values, or repeat them, may have this many times as many values as the file has bytes.
const MAX_SHARING: usize = 4;

/// So many values are read from any file, however short: 4 MiB as f32.
const FREE_VALUES: usize = 1 << 20;

/// So many objects that are passed over are named.
const MOST_SHOWN: usize = 10;

/// A longer name of a tensor is refused.
const MAX_NAME: usize = 256;

/// The tensors of a file, and what a person should know of how they were found, one line each.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The tensors, their names without the prefixes of wrappers.
    pub tensors: Tensors,
    /// Which prefix was cut, and what was passed over.
    pub notes: Vec<String>,
}

/// Reads the tensors of a `.safetensors` or PyTorch `.pth` file, told apart by their contents, not their names.
///
/// A `.pth` holds a `state_dict`, by itself or in a dictionary under one of the usual names, or under `key`. Anything
/// else is passed over, and so is what wrappers put before all names. It is a pickle,
/// a program that could do anything; here it can only place tensors in dictionaries, and is refused, with the name of
/// what it wants to call, otherwise. All types of float and of integer become f32.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::Input`] where it is not there or no such file, truncated, damaged,
/// larger than the memory that is free, has no dictionary called `key`, or holds anything but tensors where tensors have to be.
pub fn load(path: impl AsRef<Path>, key: Option<&str>) -> Result<Loaded> {
    let path = path.as_ref();
    file::check(path, "weights")?;
    let mut start = Vec::new();
    let file = File::open(path).map_err(Error::io(path))?;
    let size = file.metadata().map_err(Error::io(path))?.len();
    file.take(START).read_to_end(&mut start).map_err(Error::io(path))?;
    let bad = |problem: String| Error::input(path.display(), problem);

    let read: fn(&[u8], Option<&str>) -> Found<Collected> = if start.starts_with(container::MAGIC) {
        read_zip
    } else if start.windows(legacy::MAGIC.len()).any(|window| window == legacy::MAGIC) {
        read_legacy
    } else if text::is_lfs_pointer(&start) {
        return Err(bad(text::LFS_POINTER.to_owned()));
    } else if start.get(8) == Some(&b'{') {
        return match key {
            Some(key) => {
                Err(bad(format!("a safetensors file, without dictionaries, expected one with `{}`", plain(key))))
            }
            None => load_tensors(path).map(|tensors| without_prefix(tensors, Vec::new())),
        };
    } else {
        return Err(bad("neither a safetensors file nor one of PyTorch's torch.save".to_owned()));
    };
    // The file, and its values.
    memory::check(size.saturating_mul(2), path.display())?;
    let bytes = file::read(path, u64::MAX, "weights")?;
    let Collected { tensors, notes } = read(&bytes, key).map_err(bad)?;
    Ok(without_prefix(Tensors::new(path.display().to_string(), tensors), notes))
}

/// Cuts the prefixes of wrappers, and says so.
fn without_prefix(tensors: Tensors, mut notes: Vec<String>) -> Loaded {
    let names: Vec<&str> = tensors.iter().map(|(name, _)| name).collect();
    let length = without_prefixes(&names);
    if length > 0 {
        notes.push(format!("all names begin with `{}`, which is cut", &names[0][..length]));
    }
    Loaded { tensors: tensors.rename(|_| length), notes }
}

/// How much of all `names` is a prefix of [`PREFIXES`], or several.
fn without_prefixes(names: &[&str]) -> usize {
    let mut length = 0;
    while let Some(prefix) = PREFIXES
        .iter()
        .find(|prefix| !names.is_empty() && names.iter().all(|name| name[length..].starts_with(**prefix)))
    {
        length += prefix.len();
    }
    length
}

fn read_zip(bytes: &[u8], key: Option<&str>) -> Found<Collected> {
    let archive = Archive::open(bytes)?;
    if let Some(order) = archive.get("byteorder")?.filter(|&order| order != b"little") {
        let order = plain(&String::from_utf8_lossy(order));
        return Err(format!("the order of its bytes is {order}, expected little"));
    }
    let pickle = archive.get("data.pkl")?.unwrap_or_default();
    let (pickle, _) = Pickle::read(pickle)?;
    collect(&pickle, key, bytes.len(), |key| archive.get(&format!("data/{key}")))
}

fn read_legacy(bytes: &[u8], key: Option<&str>) -> Found<Collected> {
    let (pickle, storages) = legacy::read(bytes)?;
    collect(&pickle, key, bytes.len(), |key| Ok(storages.get(key).copied()))
}

/// The tensors of a pickle, and notes on what else it holds.
struct Collected {
    tensors: BTreeMap<String, Tensor>,
    notes: Vec<String>,
}

/// The tensors of the pickled state_dict, the one called `key` where that is given; `find` has the bytes of the storage
/// with a key, in a file of `size` bytes.
fn collect<'a>(
    pickle: &Pickle<'a>,
    key: Option<&str>,
    size: usize,
    find: impl Fn(&str) -> Found<Option<&'a [u8]>>,
) -> Found<Collected> {
    let (views, notes) = state_dict(pickle, key)?;
    let limit = size.saturating_mul(MAX_SHARING).max(FREE_VALUES);
    let total = views.values().try_fold(0usize, |total, view| total.checked_add(view.len));
    if total.is_none_or(|total| total > limit) {
        return Err(format!("its tensors repeat values too often: a file of {size} bytes may have {limit} of them"));
    }

    let mut storages = HashMap::new();
    let mut tensors = BTreeMap::new();
    for (name, view) in views {
        let Storage { key, bytes: expected, .. } = view.storage;
        let bytes = match storages.get(key) {
            Some(&bytes) => bytes,
            None => {
                let bytes =
                    find(key)?.ok_or_else(|| format!("the values of {name} (storage {}) are missing", plain(key)))?;
                storages.insert(key, bytes);
                bytes
            }
        };
        if bytes.len() != expected {
            let found = bytes.len();
            return Err(format!(
                "the values of {name} (storage {}) are {found} bytes, expected {expected}",
                plain(key)
            ));
        }
        tensors.insert(name.to_owned(), Tensor { shape: view.shape(), values: view.values(bytes) });
    }
    Ok(Collected { tensors, notes })
}

/// The tensors, by name, of the dictionary that the pickle made, or of the state_dict in it; and what else is there.
fn state_dict<'p, 'a>(
    pickle: &'p Pickle<'a>,
    key: Option<&str>,
) -> Found<(BTreeMap<&'a str, &'p View<'a>>, Vec<String>)> {
    let root = pickle.dictionary(pickle.root).ok_or_else(|| {
        format!("holds {}, expected a dictionary of tensors, as state_dict() gives it", pickle.kind(pickle.root))
    })?;
    let has_tensors =
        |entries: &&[(Value<'a>, Value<'a>)]| entries.iter().any(|&(_, value)| pickle.tensor(value).is_some());
    let named = |wanted: &str| dictionary_at(pickle, root, wanted);
    let chosen = match key {
        Some(key) => Some((key, named(key).ok_or_else(|| no_dictionary(pickle, root, key))?)),
        None => {
            let mut usual = CONTAINERS.into_iter().filter_map(|name| Some((name, named(name)?)));
            usual.find(|(_, entries)| has_tensors(entries)).or_else(|| Some(("state_dict", named("state_dict")?)))
        }
    };
    // Beside tensors stand step counts, scores, settings: only where there is no tensor at all they are a mistake.
    let entries = chosen.map_or(root, |(_, entries)| entries);
    let skips = has_tensors(&entries);
    let entry = |&(key, value): &(Value<'a>, Value<'a>)| {
        let Value::Text(name) = key else {
            return Err(format!("the name of a tensor is {}, expected a string", pickle.kind(key)));
        };
        if name.len() > MAX_NAME || name.contains(char::is_control) {
            let name = plain(name);
            return Err(format!(
                "a tensor is called {name}, expected up to {MAX_NAME} bytes and no control characters"
            ));
        }
        let view = pickle.tensor(value);
        let view = view.ok_or_else(|| {
            let hint = if pickle.dictionary(value).is_some() { " (or --key for what is in a dictionary)" } else { "" };
            format!("{name} is {}, expected a tensor{hint}", pickle.kind(value))
        })?;
        Ok((name, view))
    };
    let views = entries.iter().filter(|&&(_, value)| !skips || pickle.tensor(value).is_some()).map(entry);
    let views = views.collect::<Found<_>>()?;
    let beside =
        root.iter().filter(|(key, _)| chosen.is_some_and(|(name, _)| !matches!(key, Value::Text(key) if *key == name)));
    let within = entries.iter().filter(|&&(_, value)| pickle.tensor(value).is_none());
    Ok((views, passed_over(pickle, beside.chain(within)).into_iter().collect()))
}

/// The dictionary called `path`, or with the names of those around it, `a.b.c`.
fn dictionary_at<'p, 'a>(
    pickle: &'p Pickle<'a>,
    entries: &'p [(Value<'a>, Value<'a>)],
    path: &str,
) -> Option<&'p [(Value<'a>, Value<'a>)]> {
    entries.iter().find_map(|&(key, value)| {
        let Value::Text(key) = key else { return None };
        let rest = path.strip_prefix(key)?;
        let inner = pickle.dictionary(value)?;
        if rest.is_empty() { Some(inner) } else { dictionary_at(pickle, inner, rest.strip_prefix('.')?) }
    })
}

/// One line about objects that are passed over, where there are any.
fn passed_over<'p, 'a: 'p>(
    pickle: &Pickle<'a>,
    entries: impl Iterator<Item = &'p (Value<'a>, Value<'a>)>,
) -> Option<String> {
    let shown: Vec<String> =
        entries.map(|&(key, value)| format!("{} ({})", key_of(pickle, key), pickle.kind(value))).collect();
    let more = if shown.len() > MOST_SHOWN { format!(" and {} more", shown.len() - MOST_SHOWN) } else { String::new() };
    let listed = shown.iter().take(MOST_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    (!shown.is_empty()).then(|| format!("passed over beside the tensors: {listed}{more}"))
}

/// That there is no dictionary called `key`, and which there are.
fn no_dictionary<'a>(pickle: &Pickle<'a>, root: &[(Value<'a>, Value<'a>)], key: &str) -> String {
    let there = root.iter().filter(|&&(_, value)| pickle.dictionary(value).is_some());
    let there: Vec<String> = there.take(MOST_SHOWN).map(|&(key, _)| key_of(pickle, key)).collect();
    if there.is_empty() {
        return format!("no dictionary `{}` nor any other, expected no --key", plain(key));
    }
    format!("no dictionary `{}`, expected one of {}", plain(key), there.join(", "))
}

/// The key of an entry, for messages.
fn key_of(pickle: &Pickle<'_>, key: Value<'_>) -> String {
    match key {
        Value::Text(key) => plain(key),
        other => pickle.kind(other).to_owned(),
    }
}

/// `text` fit for a message, whatever it holds: cut after 80 characters, and those that do not print escaped.
fn plain(text: &str) -> String {
    let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() { shown + "…" } else { shown }
}
