//! Whole-program runs: what the command line promises, seen from outside.

mod bad_input;
mod coding;
mod data;
mod distributed;
mod emulate;
mod examine;
mod explain;
mod features;
mod going_on;
mod limits;
mod many;
mod objectives;
mod on_device;
mod outside;
mod precision;
mod prompt;
mod report_files;
mod reports;
mod rules;
mod samplers;
mod scores;
mod show;
mod sizes;
mod study;
mod targets;
mod tensorboard;
mod threads;
mod training;
mod tsne;
mod tui;
mod weights;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// A folder of its own for one test, in which the program runs.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    /// With a copy of 60 synthetic drawings in `d`, and of a short cnn-vae run in `vae`.
    fn with_run() -> Self {
        static MADE: OnceLock<Place> = OnceLock::new();
        let made = MADE.get_or_init(|| {
            let place = Place::new();
            place.ok(&["data", "synth", "--n", "60", "--out", "d"]);
            place.ok(&["train", "cnn-vae", "--data", "d", "--steps", "2", "--batch-size", "8", "--out", "vae"]);
            place
        });
        made.copy(&["d", "vae"])
    }

    /// Another place, with copies of these folders.
    fn copy(&self, folders: &[&str]) -> Self {
        let place = Place::new();
        for folder in folders {
            fs::create_dir(place.path(folder)).unwrap();
            for file in self.files(folder) {
                fs::copy(self.path(folder).join(&file), place.path(folder).join(&file)).unwrap();
            }
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The names of what is in a folder, in order.
    fn files(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    fn command(&self, args: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_inkgrad"));
        let caches = self.path("caches");
        command.args(args).current_dir(self.0.path()).env("XDG_CACHE_HOME", caches).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        Ended::new(self.command(args).output().unwrap())
    }

    /// Runs in a folder of the place.
    fn run_in(&self, folder: &str, args: &[&str]) -> Ended {
        Ended::new(self.command(args).current_dir(self.path(folder)).output().unwrap())
    }

    /// Runs what has to end well, and gives its standard output.
    fn ok(&self, args: &[&str]) -> String {
        let ended = self.run(args);
        assert_eq!(ended.status, 0, "{args:?}: {}", ended.stderr);
        ended.stdout
    }

    /// Runs what has to end well with one JSON object.
    fn json(&self, args: &[&str]) -> Value {
        let stdout = self.ok(&[args, &["--json"]].concat());
        assert_eq!(stdout.lines().count(), 1, "{stdout}");
        let value: Value = serde_json::from_str(&stdout).unwrap();
        assert!(value.is_object(), "{stdout}");
        value
    }

    /// Runs options that go against each other, which is said with the command's usage.
    fn in_conflict(&self, args: &[&str], parts: [&str; 2]) {
        let ended = self.run(args);
        assert!(ended.status == 2 && ended.stderr.contains("cannot be used with"), "{args:?}: {}", ended.stderr);
        assert!(parts.iter().all(|part| ended.stderr.contains(part)), "{args:?}: {}", ended.stderr);
    }

    /// Runs what has to be refused with one line that holds each of `parts`, and without a trace on the disk.
    fn refused(&self, args: &[&str], parts: &[&str]) {
        let before = everything(self.0.path());
        let ended = self.run(args);
        assert_eq!(ended.status, 2, "{args:?}: {}{}", ended.stdout, ended.stderr);
        assert_eq!(ended.stdout, "", "{args:?}");
        assert!(ended.stderr.starts_with("error: "), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{args:?}: {}", ended.stderr);
        for part in parts {
            assert!(ended.stderr.contains(part), "{args:?}: no `{part}` in: {}", ended.stderr);
        }
        assert!(everything(self.0.path()) == before, "{args:?} left a trace");
    }
}

/// An `evaluate` or a `report` that measures little, for tests that look at other things than what was measured.
fn few<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [args, &["--samples", "20", "--nll", "2:20"]].concat()
}

/// How a run of the program ended.
struct Ended {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn new(output: Output) -> Self {
        Ended {
            status: output.status.code().expect("an exit status, not a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            // On a busy machine a command may say that it is still at work, at times.
            stderr: String::from_utf8(output.stderr)
                .unwrap()
                .split_inclusive('\n')
                .filter(|line| !line.contains(": at work for "))
                .collect(),
        }
    }
}

/// Every file below a folder with its contents, and every folder.
fn everything(folder: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything(&path));
            found.push((path, None));
        } else {
            // Of a link its target, there or not.
            let link = fs::read_link(&path).map(|target| target.into_os_string().into_encoded_bytes());
            let bytes = link.unwrap_or_else(|_| fs::read(&path).unwrap());
            found.push((path, Some(bytes)));
        }
    }
    found.sort_unstable();
    found
}
