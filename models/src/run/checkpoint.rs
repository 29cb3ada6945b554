//! Named f32 tensors with their shapes, in safetensors files: weights, and everything a resumed run needs.
//!
//! Format: an 8-byte little-endian length, a JSON header of that length (`__metadata__` of strings; per tensor
//! `dtype`, `shape`, `data_offsets`), then the tensors' bytes. <https://github.com/huggingface/safetensors>

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

use inkgrad_kernels::cpu::bytes::{from_little_endian, little_endian};
use safetensors::{Dtype, SafeTensors};
use serde::Serialize;

use super::atomic;
use crate::error::{Error, Result};
use crate::{digest, memory};

/// So many tensors that differ from what was expected are named, and as many unknown ones, the last among these.
const MOST_OF_A_KIND: usize = 8;

/// A longer header than this is taken for garbage, as the safetensors library does.
const MAX_HEADER: u64 = 100_000_000;

/// Writes tensors and metadata to `path`, atomically. The bytes depend on the contents alone: names are in order.
///
/// # Errors
/// [`Error::Io`] where the file cannot be written; the earlier one is then as it was.
///
/// # Panics
/// Where a shape does not describe its values, or a name comes twice: mistakes of the caller, not of its input.
pub fn save_tensors(
    path: impl AsRef<Path>,
    tensors: &[(&str, &[usize], &[f32])],
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    atomic::write(path, |file| write_tensors(file, tensors, metadata))
}

/// The metadata in which files that this program alone reads again have the checksum of their tensors.
const SHA256: &str = "sha256";

/// Writes the same with a checksum, for [`Tensors::check_sum`].
///
/// # Errors
/// As [`save_tensors`].
pub(crate) fn save_with_sum(
    path: impl AsRef<Path>,
    tensors: &[(&str, &[usize], &[f32])],
    mut metadata: BTreeMap<String, String>,
) -> Result<()> {
    metadata.insert(SHA256.to_owned(), digest::of_tensors(tensors.iter().copied()));
    save_tensors(path, tensors, &metadata)
}

#[derive(Serialize)]
struct Entry<'a> {
    dtype: &'static str,
    shape: &'a [usize],
    data_offsets: (usize, usize),
}

fn write_tensors(
    sink: &mut impl Write,
    tensors: &[(&str, &[usize], &[f32])],
    metadata: &BTreeMap<String, String>,
) -> io::Result<()> {
    let by_name: BTreeMap<&str, (&[usize], &[f32])> =
        tensors.iter().map(|&(name, shape, values)| (name, (shape, values))).collect();
    assert_eq!(by_name.len(), tensors.len(), "a tensor's name comes twice");

    let mut header = BTreeMap::new();
    if !metadata.is_empty() {
        header.insert("__metadata__", serde_json::to_value(metadata)?);
    }
    let mut end = 0;
    for (&name, &(shape, values)) in &by_name {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "{name}: shape {shape:?}");
        let start = end;
        end += size_of_val(values);
        let entry = Entry { dtype: "F32", shape, data_offsets: (start, end) };
        header.insert(name, serde_json::to_value(entry)?);
    }
    let mut header = serde_json::to_vec(&header)?;
    header.resize(header.len().next_multiple_of(8), b' ');

    sink.write_all(&(header.len() as u64).to_le_bytes())?;
    sink.write_all(&header)?;
    by_name.values().flat_map(|(_, values)| little_endian(values)).try_for_each(|bytes| sink.write_all(&bytes))
}

/// One tensor in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its extents; empty for a scalar.
    pub shape: Vec<usize>,
    /// As many values as the extents' product.
    pub values: Vec<f32>,
}

/// The contents of a file of tensors.
#[derive(Clone, Debug)]
pub struct Tensors {
    place: String,
    tensors: BTreeMap<String, Tensor>,
    metadata: BTreeMap<String, String>,
}

/// Reads a safetensors file; f16, bf16, f64, i64 and i32 become f32.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::Input`] where it is truncated, no safetensors file, or
/// holds a tensor of another type.
pub fn load_tensors(path: impl AsRef<Path>) -> Result<Tensors> {
    let path = path.as_ref();
    let bytes = read_checked(path)?;
    parse(&bytes, path.display().to_string())
}

/// The file's bytes, read only once its first 8 say that it can be a safetensors file.
fn read_checked(path: &Path) -> Result<Vec<u8>> {
    let mut file = File::open(path).map_err(Error::io(path))?;
    let length = file.metadata().map_err(Error::io(path))?.len();
    let mut start = [0; 8];
    if length >= 8 {
        file.read_exact(&mut start).map_err(Error::io(path))?;
    }
    let header = u64::from_le_bytes(start);
    let problem = if length < 8 {
        format!("not a safetensors file: {length} bytes, expected at least 8")
    } else if header > MAX_HEADER {
        format!("not a safetensors file: a header of {header} bytes, expected at most {MAX_HEADER}")
    } else if header > length - 8 {
        format!("truncated or not a safetensors file: a header of {header} bytes in a file of {length}")
    } else {
        // The file, and its values.
        memory::check(length.saturating_mul(2), path.display())?;
        let mut bytes = start.to_vec();
        file.read_to_end(&mut bytes).map_err(Error::io(path))?;
        return Ok(bytes);
    };
    Err(Error::input(path.display(), problem))
}

fn parse(bytes: &[u8], place: String) -> Result<Tensors> {
    let fail = |problem: &dyn Display| Error::input(&place, format_args!("not a whole safetensors file: {problem}"));
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| fail(&error))?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| fail(&error))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        let values = to_f32(view.dtype(), view.data()).ok_or_else(|| {
            Error::input(&place, format_args!("{name} is {}, expected F32, F16, BF16, F64, I64 or I32", view.dtype()))
        })?;
        tensors.insert(name.to_owned(), Tensor { shape: view.shape().to_vec(), values });
    }
    let metadata = header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
    Ok(Tensors { place, tensors, metadata })
}

fn to_f32(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let values = match dtype {
        Dtype::F32 => from_little_endian(bytes),
        Dtype::F64 => bytes.as_chunks().0.iter().map(|&value| f64::from_le_bytes(value) as f32).collect(),
        Dtype::F16 => bytes.as_chunks().0.iter().map(|&value| f16_to_f32(u16::from_le_bytes(value))).collect(),
        Dtype::BF16 => {
            let widen = |&value: &[u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(value)) << 16);
            bytes.as_chunks().0.iter().map(widen).collect()
        }
        Dtype::I64 => bytes.as_chunks().0.iter().map(|&value| i64::from_le_bytes(value) as f32).collect(),
        Dtype::I32 => bytes.as_chunks().0.iter().map(|&value| i32::from_le_bytes(value) as f32).collect(),
        _ => return None,
    };
    Some(values)
}

/// IEEE 754 half precision: 1 sign bit, 5 exponent bits with bias 15, 10 fraction bits.
pub(crate) fn f16_to_f32(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let fraction = f32::from(bits & 0x3ff);
    match bits >> 10 & 0x1f {
        0 => sign * fraction * 2f32.powi(-24),
        0x1f if fraction == 0.0 => sign * f32::INFINITY,
        0x1f => f32::NAN,
        exponent => sign * (1024.0 + fraction) * 2f32.powi(i32::from(exponent) - 25),
    }
}

impl Tensors {
    /// Tensors without metadata; `place` is the file that messages name.
    pub(crate) fn new(place: String, tensors: BTreeMap<String, Tensor>) -> Self {
        Self { place, tensors, metadata: BTreeMap::new() }
    }

    /// The tensors by name, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The tensor called `name`.
    ///
    /// # Errors
    /// [`Error::Input`] where there is none.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        self.tensors.get(name).ok_or_else(|| self.error(format_args!("missing {name}")))
    }

    /// Checks that they are those that [`save_with_sum`] wrote.
    ///
    /// # Errors
    /// [`Error::Input`] where they are others, or there is no checksum.
    pub(crate) fn check_sum(&self) -> Result<()> {
        let all = self.iter().map(|(name, Tensor { shape, values })| (name, &shape[..], &values[..]));
        let (found, expected) = (digest::of_tensors(all), self.parse::<String>(SHA256)?);
        match found == expected {
            true => Ok(()),
            false => {
                Err(self.error(format_args!("damaged: tensors of SHA-256 {found:.12}…, expected {expected:.12}…")))
            }
        }
    }

    /// Moves out the values of all `expected` tensors, in that order.
    ///
    /// # Errors
    /// [`Error::Input`], one line that names every key that is missing, extra, of another shape than expected,
    /// or holds a value that is not finite.
    pub fn take_all<N: AsRef<str>, S: AsRef<[usize]>>(mut self, expected: &[(N, S)]) -> Result<Vec<Vec<f32>>> {
        let mut differing = Vec::new();
        let mut taken = Vec::with_capacity(expected.len());
        for (name, shape) in expected {
            let (name, shape) = (name.as_ref(), shape.as_ref());
            let Some(tensor) = self.tensors.remove(name) else {
                differing.push(format!("missing {name} {}", show(shape)));
                continue;
            };
            if tensor.shape != shape {
                differing.push(format!("{name} is {}, expected {}", show(&tensor.shape), show(shape)));
            } else if let Some(value) = tensor.values.iter().find(|value| !value.is_finite()) {
                differing.push(format!("{name} holds {value}, expected finite values"));
            }
            taken.push(tensor.values);
        }
        let unknown = self.tensors.iter().map(|(name, tensor)| format!("unknown {name} {}", show(&tensor.shape)));
        let problems = [shortened(differing), shortened(unknown.collect())].concat();
        if problems.is_empty() { Ok(taken) } else { Err(self.error(problems.join("; "))) }
    }

    /// The tensors without the first bytes of their names, as many as `cut` finds in all of them.
    pub(crate) fn rename(mut self, cut: impl Fn(&[&str]) -> usize) -> Self {
        let length = cut(&self.tensors.keys().map(String::as_str).collect::<Vec<_>>());
        if length > 0 {
            self.tensors = self.tensors.into_iter().map(|(name, tensor)| (name[length..].to_owned(), tensor)).collect();
        }
        self
    }

    /// The tensors but for those whose names `ignored` picks.
    pub(crate) fn without(mut self, ignored: impl Fn(&str) -> bool) -> Self {
        self.tensors.retain(|name, _| !ignored(name));
        self
    }

    /// The tensors whose names begin with `prefix`, without it, and some of the metadata.
    pub(crate) fn part(&self, prefix: &str, metadata: &[&str]) -> Self {
        let named = self.tensors.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?, tensor)));
        let told = metadata.iter().filter_map(|&key| Some((key.to_owned(), self.metadata.get(key)?.clone())));
        Tensors {
            place: self.place.clone(),
            tensors: named.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect(),
            metadata: told.collect(),
        }
    }

    /// The metadata string called `key`, if there is one.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The metadata string called `key` as a `T`.
    ///
    /// # Errors
    /// [`Error::Input`] where it is missing or no `T`.
    pub fn parse<T: FromStr<Err: Display>>(&self, key: &str) -> Result<T> {
        let text = self.metadata(key).ok_or_else(|| self.error(format_args!("missing metadata `{key}`")))?;
        text.parse().map_err(|error| self.error(format_args!("metadata `{key}` is `{text}`: {error}")))
    }

    /// Checks the metadata's `format` against the newest one known.
    ///
    /// # Errors
    /// [`Error::Input`] where it is missing, no number, or newer.
    pub fn check_format(&self, newest: u32) -> Result<()> {
        match self.parse::<u32>("format")? {
            found if found > newest => {
                Err(self.error(format_args!("format {found}, written by a newer inkgrad; this one reads {newest}")))
            }
            _ => Ok(()),
        }
    }

    fn error(&self, problem: impl Display) -> Error {
        Error::input(&self.place, problem)
    }
}

/// The first and the last of differences of one kind, and how many lie between.
fn shortened(mut problems: Vec<String>) -> Vec<String> {
    if problems.len() > MOST_OF_A_KIND + 1 {
        let more = format!("{} more", problems.len() - MOST_OF_A_KIND);
        problems.splice(MOST_OF_A_KIND - 1..problems.len() - 1, [more]);
    }
    problems
}

/// A shape as it is written in messages: `(32, 1, 3, 3)`.
fn show(shape: &[usize]) -> String {
    let extents: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("({})", extents.join(", "))
}

#[cfg(test)]
mod tests;
