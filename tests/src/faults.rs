//! Disks that fail: at one operation, at one write half-way, from one operation on as for a process that is killed, or as at
//! a power cut, which takes along what was not synced. And the comparison of what is left behind in the end.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use inkgrad_models::run::checkpoint::load_tensors;
use inkgrad_models::run::disk::{self, Operation, Verdict};
use serde_json::Value;

/// How a disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// One operation fails, the ones after it are done.
    Once,
    /// One write is done in half, the rest of it fails.
    Torn,
    /// One operation and all after it fail, a write after half of it: what a process leaves that is killed there.
    Killed,
    /// The same, and all that was not synced is gone: bytes, names, folders.
    PowerCut,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Once, Self::Torn, Self::Killed, Self::PowerCut];
}

/// How work on a failing disk ended.
#[derive(Debug)]
pub struct Ended<R> {
    /// Its outcome.
    pub result: R,
    /// The operation that failed, unless there were fewer.
    pub failed: Option<(Operation, PathBuf)>,
}

/// Does `work` on a disk whose `n`-th operation fails, counted from 0; with [`Failure::Torn`] its `n`-th write.
pub fn failing<R>(failure: Failure, n: usize, work: impl FnOnce() -> R) -> Ended<R> {
    let state =
        Rc::new(RefCell::new(Disk { failure, left: n, failed: None, torn: false, volatile: Volatile::default() }));
    let door = Rc::clone(&state);
    let result = disk::with_faults(move |operation, path| door.borrow_mut().answer(operation, path), work);
    let mut disk = state.borrow_mut();
    if failure == Failure::PowerCut && disk.failed.is_some() {
        disk.volatile.lose();
    }
    Ended { result, failed: disk.failed.take() }
}

/// Does `work` on a disk that takes a few bytes at a time, and now and then none because a signal came in between.
pub fn dribbling<R>(work: impl FnOnce() -> R) -> R {
    let mut turn = 0;
    let fault = move |operation, _: &Path| {
        turn += 1;
        match operation {
            Operation::Write(_) if turn % 3 == 0 => Err(io::ErrorKind::Interrupted.into()),
            Operation::Write(bytes) => Ok(bytes.min(1 + turn % 977)),
            _ => Ok(0),
        }
    };
    disk::with_faults(fault, work)
}

struct Disk {
    failure: Failure,
    /// Operations that are still done.
    left: usize,
    failed: Option<(Operation, PathBuf)>,
    /// Whether the rest of a write is to fail.
    torn: bool,
    volatile: Volatile,
}

impl Disk {
    fn answer(&mut self, operation: Operation, path: &Path) -> Verdict {
        let bytes = match operation {
            Operation::Write(bytes) => bytes,
            _ => 0,
        };
        let dead = matches!(self.failure, Failure::Killed | Failure::PowerCut);
        if self.torn || self.failed.is_some() && dead {
            self.torn = false;
            return Err(error(operation));
        }
        let counts = self.failure != Failure::Torn || bytes > 1;
        if self.failed.is_some() || !counts || self.left > 0 {
            self.left -= usize::from(counts && self.failed.is_none());
            if self.failure == Failure::PowerCut {
                self.volatile.note(operation, path);
            }
            return Ok(bytes);
        }
        self.failed = Some((operation, path.to_owned()));
        if self.failure != Failure::Once && bytes > 1 {
            self.torn = true;
            if dead {
                self.volatile.note(operation, path);
            }
            return Ok(bytes / 2);
        }
        Err(error(operation))
    }
}

/// Linux's error for each operation on a disk that is full, read-only or broken.
fn error(operation: Operation) -> io::Error {
    const EIO: i32 = 5;
    const ENOSPC: i32 = 28;
    const EROFS: i32 = 30;
    io::Error::from_raw_os_error(match operation {
        Operation::Folder | Operation::Open | Operation::Write(_) => ENOSPC,
        Operation::Cut | Operation::Sync => EIO,
        Operation::Rename | Operation::Remove => EROFS,
    })
}

/// The writes that a disk has not yet been told to keep.
#[derive(Default)]
struct Volatile {
    /// Files that were written to, with what of them was synced.
    files: BTreeMap<PathBuf, u64>,
    /// Names that were made or changed since their folder was synced, and what stood there; none for a new name.
    names: BTreeMap<PathBuf, Option<Vec<u8>>>,
    /// Folders that were made since theirs was synced.
    folders: Vec<PathBuf>,
}

impl Volatile {
    /// Takes note of an operation that is about to be done.
    fn note(&mut self, operation: Operation, path: &Path) {
        let length = || fs::metadata(path).map_or(0, |found| found.len());
        match operation {
            Operation::Folder if !path.exists() => self.folders.push(path.to_owned()),
            Operation::Open if !path.exists() => {
                self.names.entry(path.to_owned()).or_insert(None);
            }
            Operation::Write(_) => {
                self.files.entry(path.to_owned()).or_insert_with(length);
            }
            Operation::Rename => {
                self.names.entry(path.to_owned()).or_insert_with(|| fs::read(path).ok());
                self.files.remove(path);
            }
            Operation::Sync if path.is_dir() => {
                self.names.retain(|name, _| name.parent() != Some(path));
                self.folders.retain(|folder| folder.parent() != Some(path));
            }
            Operation::Sync => {
                self.files.remove(path);
            }
            Operation::Folder | Operation::Open | Operation::Cut | Operation::Remove => {}
        }
    }

    /// Takes away what was not kept.
    fn lose(&mut self) {
        for (path, length) in &self.files {
            if let Ok(file) = fs::File::options().write(true).open(path)
                && file.metadata().unwrap().len() > *length
            {
                file.set_len(*length).unwrap();
            }
        }
        for (path, before) in &self.names {
            match before {
                Some(bytes) => fs::write(path, bytes).unwrap(),
                // It may not have come to the rename.
                None => drop(fs::remove_file(path)),
            }
        }
        for folder in &self.folders {
            drop(fs::remove_dir_all(folder));
        }
    }
}

/// A folder of runs in a form in which two that were trained alike are equal: every file by its path in it, without times,
/// and without locks and TensorBoard's events, of which there is a file a sitting.
///
/// # Panics
/// If a temporary file is among them, or a file is not what it has to be.
pub fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    gather(folder, Path::new(""), &mut found);
    found
}

fn gather(root: &Path, below: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let (file, name) = (entry.path(), entry.file_name().into_string().unwrap());
        assert!(!name.ends_with(".tmp"), "{} left behind", file.display());
        let place = below.join(&name);
        match name.as_str() {
            _ if file.is_dir() => gather(root, &place, found),
            ".lock" => {}
            events if events.starts_with("events.out.tfevents.") => {}
            "metrics.jsonl" => {
                let text = fs::read_to_string(&file).unwrap();
                assert!(text.is_empty() || text.ends_with('\n'), "{} is torn", file.display());
                let lines = text.lines().map(|line| {
                    let mut record: Value = serde_json::from_str(line).unwrap();
                    record.as_object_mut().unwrap().remove("seconds");
                    format!("{record}\n")
                });
                found.insert(place, lines.collect::<String>().into_bytes());
            }
            "state.safetensors" => {
                let state = load_tensors(&file).unwrap();
                let mut bytes = Vec::new();
                for (name, tensor) in state.iter() {
                    bytes.extend(format!("{name} {:?}\n", tensor.shape).into_bytes());
                    bytes.extend(tensor.values.iter().flat_map(|value| value.to_le_bytes()));
                }
                for key in ["format", "model", "step", "epoch", "drawings", "since_best", "sum_loss", "best", "missed"]
                {
                    bytes.extend(format!("{key} {:?}\n", state.metadata(key)).into_bytes());
                }
                found.insert(place, bytes);
            }
            _ => {
                found.insert(place, fs::read(&file).unwrap());
            }
        }
    }
}

/// Compares two folders by their [`contents`].
///
/// # Panics
/// If they differ, naming the files that do.
pub fn assert_same(found: &BTreeMap<PathBuf, Vec<u8>>, expected: &BTreeMap<PathBuf, Vec<u8>>, when: &str) {
    let differing: Vec<String> = expected
        .keys()
        .chain(found.keys().filter(|path| !expected.contains_key(*path)))
        .filter(|path| found.get(*path) != expected.get(*path))
        .map(|path| path.display().to_string())
        .collect();
    assert!(differing.is_empty(), "{when}: {} differ from an undisturbed run", differing.join(", "));
}
