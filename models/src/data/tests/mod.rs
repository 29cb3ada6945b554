//! Good and bad files of every layout.

use std::fs;
use std::path::PathBuf;

use super::*;

mod arrays;
mod cifar;
mod damaged;
mod folders;
mod idx;
mod masks;
mod ndjson;
mod pictures;
mod stored;

/// A folder for one test, with helpers to fill it and to load it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A good course folder of `train` and `test` drawings in two classes.
    fn course(train: usize, test: usize) -> Self {
        let folder = Self::new();
        for (part, count) in [("train", train), ("test", test)] {
            save_npy(folder.path(&format!("{part}_images.npy")), &[count, 28, 28], &bytes(count)).unwrap();
            let labels: Vec<i64> = (0..count as i64).map(|i| i % 2).collect();
            save_npy(folder.path(&format!("{part}_labels.npy")), &[count], &labels).unwrap();
        }
        folder.write("classes.txt", "cat\ndog\n");
        folder
    }

    fn load(&self) -> Result<Dataset> {
        load(self.0.path().to_str().unwrap(), &LoadOptions::default())
    }
}

/// `count` images, each of them different.
fn bytes(count: usize) -> Vec<u8> {
    (0..count * PIXELS).map(|i| (i % 251) as u8).collect()
}

/// Asserts that `result` is an error of one line with all of `parts` in it.
#[track_caller]
fn assert_error<T>(result: Result<T>, parts: &[&str]) {
    let error = result.err().expect("expected an error").to_string();
    assert!(!error.contains('\n'), "{error}");
    for part in parts {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}
