//! Weights from files: safetensors, and what PyTorch's `torch.save` writes, new and old.

mod container;
mod legacy;
mod machine;
mod pickle;
mod tensor;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use self::container::Archive;
use self::pickle::{Pickle, Value};
use self::tensor::{Storage, View};
use crate::error::{Error, Result};
use crate::run::checkpoint::{Tensor, Tensors, load_tensors};
use crate::text;

/// What is found in a file, or what is wrong with it, in one line.
type Found<T> = std::result::Result<T, String>;

/// Where training scripts put the state_dict in a dictionary, in the order in which they are tried.
const CONTAINERS: [&str; 6] = ["state_dict", "model_state_dict", "model", "net", "network", "params"];

/// What `DataParallel` and `torch.compile` put before all names.
const PREFIXES: [&str; 2] = ["module.", "_orig_mod."];

/// How much of a file's start tells what it is.
const START: u64 = 32;

/// Tensors that share values, or repeat them, may have this many times as many values as the file has bytes.
const MAX_SHARING: usize = 4;

/// So many values are read from any file, however short: 4 MiB as f32.
const FREE_VALUES: usize = 1 << 20;

/// A longer name of a tensor is refused.
const MAX_NAME: usize = 256;

/// Reads the tensors of a `.safetensors` or PyTorch `.pth` file, told apart by their contents, not their names.
///
/// A `.pth` holds a `state_dict`, by itself or in a dictionary under one of the usual names. What else is
/// there is passed over, and so is what wrappers put before all names. It is a pickle,
/// a program that could do anything; here it can only place tensors in dictionaries, and is refused, with the name of
/// what it wants to call, otherwise. All types of float and of integer become f32.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::Input`] where it is no such file, truncated, damaged, or holds
/// anything but tensors where tensors have to be.
pub fn load(path: impl AsRef<Path>) -> Result<Tensors> {
    let path = path.as_ref();
    let mut start = Vec::new();
    let file = File::open(path).map_err(Error::io(path))?;
    file.take(START).read_to_end(&mut start).map_err(Error::io(path))?;

    let read: fn(&[u8]) -> Found<BTreeMap<String, Tensor>> = if start.starts_with(container::MAGIC) {
        read_zip
    } else if start.windows(legacy::MAGIC.len()).any(|window| window == legacy::MAGIC) {
        read_legacy
    } else if text::is_lfs_pointer(&start) {
        return Err(Error::input(path.display(), text::LFS_POINTER));
    } else if start.get(8) == Some(&b'{') {
        return load_tensors(path).map(|tensors| tensors.rename(without_prefixes));
    } else {
        return Err(Error::input(path.display(), "neither a safetensors file nor one of PyTorch's torch.save"));
    };
    let bytes = fs::read(path).map_err(Error::io(path))?;
    let tensors = read(&bytes).map_err(|problem| Error::input(path.display(), problem))?;
    Ok(Tensors::new(path.display().to_string(), tensors).rename(without_prefixes))
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

fn read_zip(bytes: &[u8]) -> Found<BTreeMap<String, Tensor>> {
    let archive = Archive::open(bytes)?;
    if let Some(order) = archive.get("byteorder")?.filter(|&order| order != b"little") {
        let order = plain(&String::from_utf8_lossy(order));
        return Err(format!("the order of its bytes is {order}, expected little"));
    }
    let pickle = archive.get("data.pkl")?.unwrap_or_default();
    let (pickle, _) = Pickle::read(pickle)?;
    collect(&pickle, bytes.len(), |key| archive.get(&format!("data/{key}")))
}

fn read_legacy(bytes: &[u8]) -> Found<BTreeMap<String, Tensor>> {
    let (pickle, storages) = legacy::read(bytes)?;
    collect(&pickle, bytes.len(), |key| Ok(storages.get(key).copied()))
}

/// The tensors of the pickled state_dict; `find` has the bytes of the storage with a key, in a file of `size` bytes.
fn collect<'a>(
    pickle: &Pickle<'a>,
    size: usize,
    find: impl Fn(&str) -> Found<Option<&'a [u8]>>,
) -> Found<BTreeMap<String, Tensor>> {
    let views = state_dict(pickle)?;
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
    Ok(tensors)
}

/// The tensors, by name, of the dictionary that the pickle made, or of the state_dict in it.
fn state_dict<'p, 'a>(pickle: &'p Pickle<'a>) -> Found<BTreeMap<&'a str, &'p View<'a>>> {
    let root = pickle
        .dictionary(pickle.root)
        .ok_or_else(|| format!("holds {}, expected a dictionary of tensors", pickle.kind(pickle.root)))?;
    let has_tensors =
        |entries: &&[(Value<'a>, Value<'a>)]| entries.iter().any(|&(_, value)| pickle.tensor(value).is_some());
    let named = |wanted: &str| {
        let entry = root.iter().find(|(key, _)| matches!(key, Value::Text(key) if *key == wanted));
        pickle.dictionary(entry?.1)
    };
    let nested = CONTAINERS.into_iter().filter_map(named).find(has_tensors);
    // Beside tensors stand step counts, scores, settings: only where there is no tensor at all they are a mistake.
    let entries = nested.or_else(|| named("state_dict")).unwrap_or(root);
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
        let view = view.ok_or_else(|| format!("{name} is {}, expected a tensor", pickle.kind(value)))?;
        Ok((name, view))
    };
    entries.iter().filter(|&&(_, value)| !skips || pickle.tensor(value).is_some()).map(entry).collect()
}

/// `text` fit for a message, whatever it holds: cut after 80 characters, and those that do not print escaped.
fn plain(text: &str) -> String {
    let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() { shown + "…" } else { shown }
}
