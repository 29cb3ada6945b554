//! Who trained a run where several processes did so together: `ranks.jsonl`, a line for each time that they began or went on.
//!
//! ```
//! use inkgrad_models::run::sitting::Sitting;
//!
//! let path = std::env::temp_dir().join(format!("ranks-{}.jsonl", std::process::id()));
//! let first = Sitting { step: 0, ranks: 2, hosts: vec!["a".into(), "b".into()], threads: vec![8, 4], version: "1".into() };
//! first.append(&path)?;
//! assert_eq!(Sitting::read(&path)?, [first]);
//! # std::fs::remove_file(path).unwrap();
//! # Ok::<(), inkgrad_models::Error>(())
//! ```

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::lines;
use crate::{Error, Result};

/// The processes that trained from a step on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sitting {
    /// The step that the run had reached.
    pub step: u64,
    /// How many they were.
    pub ranks: usize,
    /// The machine of each.
    pub hosts: Vec<String>,
    /// The threads of each.
    pub threads: Vec<usize>,
    /// The version of their program.
    pub version: String,
}

impl Sitting {
    /// Writes it behind those that stand in a file, which is made where there is none. A line that was not written to its end is
    /// cut off.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be written.
    pub fn append(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let file = lines::open(path)?;
        let append = || {
            (&file).write_all(&lines::line(self)?)?;
            file.sync()
        };
        append().map_err(Error::io(path))
    }

    /// All of a file's, none where there is no file. A last line without its end is left out.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::Input`] with the number of a line that is none.
    pub fn read(path: impl AsRef<Path>) -> Result<Vec<Self>> {
        let path = path.as_ref();
        let text = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text.map_err(Error::io(path))?,
        };
        let all = lines::whole(&text).split_inclusive(|&byte| byte == b'\n').enumerate();
        all.map(|(index, line)| lines::parse(line, (path, index), "a line of who trained")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sitting(step: u64) -> Sitting {
        Sitting { step, ranks: 1, hosts: vec!["a".into()], threads: vec![2], version: "1".into() }
    }

    #[test]
    fn a_torn_last_line_is_left_out_and_cut_before_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ranks.jsonl");
        assert_eq!(Sitting::read(&path).unwrap(), []);
        sitting(0).append(&path).unwrap();
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"step\":5,\"ra").unwrap();
        assert_eq!(Sitting::read(&path).unwrap(), [sitting(0)]);
        sitting(7).append(&path).unwrap();
        assert_eq!(Sitting::read(&path).unwrap(), [sitting(0), sitting(7)]);
    }

    #[test]
    fn a_broken_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ranks.jsonl");
        sitting(0).append(&path).unwrap();
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"step\":5}\n").unwrap();
        let error = Sitting::read(&path).unwrap_err().to_string();
        assert!(error.contains("ranks.jsonl:2: not a line of who trained: missing field `ranks`"), "{error}");
    }
}
