//! One error type for everything a person can get wrong: a line that names the place, what was found, what was expected.

use std::path::{Path, PathBuf};

use crate::text;

/// An error, in one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input (a file, a folder, an option) is not what it has to be.
    #[error("{}: {}", text::place(place), text::message(problem))]
    Input {
        /// The file, folder or option.
        place: String,
        /// Found and expected.
        problem: String,
    },
    /// The operating system refused to read or write.
    #[error("{}: {source}", text::place(&path.display().to_string()))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A graph could not be built or run.
    #[error(transparent)]
    Engine(#[from] inkgrad_engine::Error),
}

/// A result whose error is [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An input error at `place` (anything that can be shown: a path's `display()`, an option's name).
    pub fn input(place: impl std::fmt::Display, problem: impl std::fmt::Display) -> Self {
        Self::Input { place: place.to_string(), problem: problem.to_string() }
    }

    /// An operating-system error at `path`; made for `map_err(Error::io(path))`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }
}
