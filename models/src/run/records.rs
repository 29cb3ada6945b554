//! `metrics.jsonl`: one JSON object a line, appended as training goes.
//!
//! ```
//! use inkgrad_models::run::records::{RecordLog, Record, Split, read};
//!
//! let folder = tempfile::tempdir().expect("a folder");
//! let path = folder.path().join("metrics.jsonl");
//! RecordLog::open(&path)?.append(&Record::new(100, 1.0, Split::Train, 184.2))?;
//! assert_eq!(read(&path)?[0].loss, 184.2);
//! # Ok::<(), inkgrad_models::Error>(())
//! ```

use std::fmt;
use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::disk::File;
use super::lines;
use crate::error::{Error, Result};
use crate::file;

/// Which part of the data a record was measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// The drawings trained on.
    Train,
    /// The held-out part of the training set.
    Val,
    /// The test set.
    Test,
}

impl Split {
    /// `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

/// One line: losses per image, averaged over the epoch or the logging interval that ends at `step`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Optimiser steps taken so far.
    pub step: u64,
    /// Passes over the training set so far; a fraction between two epochs' ends.
    pub epoch: f64,
    /// The part of the data that was measured.
    pub split: Split,
    /// The whole loss; written as `null` where it is not finite, and read as NaN.
    #[serde(deserialize_with = "nan_for_null")]
    pub loss: f64,
    /// The terms that the model reports beside the loss, by name: of a VAE `bce` and `kl`, before β.
    #[serde(flatten)]
    pub terms: Terms,
    /// The learning rate at `step`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Seconds of training so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

impl Record {
    /// A record of `loss` alone; the rest is filled in by struct update.
    pub fn new(step: u64, epoch: f64, split: Split, loss: f64) -> Self {
        Self { step, epoch, split, loss, terms: Terms::default(), lr: None, seconds: None }
    }

    /// The term of this name, if there is one.
    pub fn term(&self, name: &str) -> Option<f64> {
        self.terms.0.iter().find(|(term, _)| term == name).map(|&(_, value)| value)
    }
}

/// Numbers with names, in the model's order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms(pub Vec<(String, f64)>);

impl Serialize for Terms {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Terms {
    /// All that is a number; what is not is no term, but of a later version of inkgrad.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;

        impl<'de> Visitor<'de> for Numbers {
            type Value = Terms;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("numbers by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Terms, A::Error> {
                let mut terms = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, serde_json::Value>()? {
                    match value {
                        serde_json::Value::Number(number) => terms.push((name, number.as_f64().unwrap_or(f64::NAN))),
                        // As a loss that is not finite.
                        serde_json::Value::Null => terms.push((name, f64::NAN)),
                        _ => {}
                    }
                }
                Ok(Terms(terms))
            }
        }

        deserializer.deserialize_map(Numbers)
    }
}

fn nan_for_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// The file, open for appending.
#[derive(Debug)]
pub struct RecordLog {
    path: PathBuf,
    file: File,
}

impl RecordLog {
    /// Opens the file, making it where there is none. A torn last line, left by a process that was killed, is cut.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read or written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Ok(Self { path: path.to_owned(), file: lines::open(path)? })
    }

    /// Appends one line, by one write.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn append(&mut self, record: &Record) -> Result<()> {
        let append = |mut file: &File| file.write_all(&lines::line(record)?);
        append(&self.file).map_err(Error::io(&self.path))
    }

    /// Returns once all lines are on the disk: a checkpoint that counts on them must not outlive them.
    ///
    /// # Errors
    /// [`Error::Io`] where the disk fails.
    pub fn sync(&self) -> Result<()> {
        self.file.sync().map_err(Error::io(&self.path))
    }

    /// The file as it is with these records at its end, each once, whether or not they have been appended; also where the
    /// file has been removed since it was opened.
    pub(crate) fn before(&self, last: &[Record]) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut file = &self.file;
        let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut text));
        read.map_err(Error::io(&self.path))?;
        if let Some(first) = last.first() {
            text.truncate(end_of(&text, first.step - 1, &self.path)?.0);
        }
        for record in last {
            text.extend(lines::line(record).map_err(Error::io(&self.path))?);
        }
        Ok(text)
    }
}

/// Reads every record. A last line without its end is left out: its writer was stopped midway.
///
/// # Errors
/// [`Error::Io`] where the file cannot be read; [`Error::Input`] with the line's number where it is no record.
pub fn read(path: impl AsRef<Path>) -> Result<Vec<Record>> {
    let path = path.as_ref();
    parse(&file::read(path, u64::MAX, "a run's records")?, path)
}

fn parse(text: &[u8], path: &Path) -> Result<Vec<Record>> {
    lines::whole(text)
        .split(|&byte| byte == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(index, line)| lines::parse(line, (path, index), "a record"))
        .collect()
}

/// The names of the terms in records, in order, but for one that is the loss under another name.
pub fn terms(records: &[Record]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in records.iter().flat_map(|record| &record.terms.0) {
        let other = || records.iter().any(|record| record.term(name).is_some_and(|value| value != record.loss));
        if !names.contains(&name.as_str()) && other() {
            names.push(name);
        }
    }
    names
}

/// Cuts off the records after `step`, so that a resumed run writes them anew. Lines that stay are not touched. Gives the
/// step of the last of them, 0 where there is none.
///
/// # Errors
/// Those of [`read`]; [`Error::Input`] if a record of an earlier step stands behind them; [`Error::Io`] where the file cannot
/// be cut.
pub fn truncate_after(path: impl AsRef<Path>, step: u64) -> Result<u64> {
    let path = path.as_ref();
    let text = fs::read(path).map_err(Error::io(path))?;
    let (end, last) = end_of(&text, step, path)?;
    if end < text.len() {
        let cut = || File::open(path, fs::File::options().write(true))?.set_len(end as u64);
        cut().map_err(Error::io(path))?;
    }
    Ok(last)
}

/// Where the records up to `step` end, and the step of the last of them, 0 where there is none.
fn end_of(text: &[u8], step: u64, path: &Path) -> Result<(usize, u64)> {
    let records = parse(text, path)?;
    let kept = records.iter().take_while(|record| record.step <= step).count();
    if let Some(stray) = records[kept..].iter().find(|record| record.step <= step) {
        let problem = format_args!("a record of step {} behind later ones, expected them in order", stray.step);
        return Err(Error::input(path.display(), problem));
    }
    let all = lines::whole(text).split_inclusive(|&byte| byte == b'\n').scan(0, |end, line| {
        *end += line.len();
        Some((*end, !line.trim_ascii().is_empty()))
    });
    let ends: Vec<usize> = all.filter(|&(_, record)| record).map(|(end, _)| end).collect();
    Ok(kept.checked_sub(1).map_or((0, 0), |last| (ends[last], records[last].step)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(step: u64) -> Record {
        Record {
            terms: Terms(vec![("kl".to_owned(), 0.1)]),
            lr: Some(1e-3),
            ..Record::new(step, step as f64 / 10.0, Split::Train, 184.16)
        }
    }

    fn temporary() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.jsonl");
        (folder, path)
    }

    #[test]
    fn writes_the_documented_keys_and_skips_what_does_not_exist() {
        let line = String::from_utf8(lines::line(&record(5)).unwrap()).unwrap();
        assert_eq!(line, "{\"step\":5,\"epoch\":0.5,\"split\":\"train\",\"loss\":184.16,\"kl\":0.1,\"lr\":0.001}\n");
    }

    #[test]
    fn reads_back_what_was_appended_over_two_openings() {
        let (_folder, path) = temporary();
        for step in [1, 2] {
            RecordLog::open(&path).unwrap().append(&record(step)).unwrap();
        }
        assert_eq!(read(&path).unwrap(), [record(1), record(2)]);
    }

    #[test]
    fn a_torn_last_line_is_left_out_and_cut_before_the_next() {
        let (_folder, path) = temporary();
        RecordLog::open(&path).unwrap().append(&record(1)).unwrap();
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"step\":2,\"ep").unwrap();
        assert_eq!(read(&path).unwrap(), [record(1)]);
        RecordLog::open(&path).unwrap().append(&record(3)).unwrap();
        assert_eq!(read(&path).unwrap(), [record(1), record(3)]);
    }

    #[test]
    fn a_broken_line_is_named() {
        let (_folder, path) = temporary();
        fs::write(&path, "{\"step\":1,\"epoch\":1,\"split\":\"train\",\"loss\":1}\n{\"step\":2}\n").unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("metrics.jsonl:2: not a record: missing field `epoch`"), "{error}");
    }

    #[test]
    fn a_loss_that_is_not_finite_survives() {
        let (_folder, path) = temporary();
        RecordLog::open(&path).unwrap().append(&Record::new(1, 0.0, Split::Val, f64::INFINITY)).unwrap();
        assert!(read(&path).unwrap()[0].loss.is_nan());
    }

    #[test]
    fn truncates_after_a_step() {
        let (_folder, path) = temporary();
        let mut log = RecordLog::open(&path).unwrap();
        (1..=4).for_each(|step| log.append(&record(step)).unwrap());
        truncate_after(&path, 2).unwrap();
        assert_eq!(read(&path).unwrap(), [record(1), record(2)]);
    }
}
