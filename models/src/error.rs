//! One error type for everything a person can get wrong: a line that names the place, what was found, what was expected.
//!
//! ```
//! use inkgrad_models::Error;
//!
//! let error = Error::input("images.npy", "shape (10, 785), expected (N, 784)");
//! assert_eq!(error.to_string(), "images.npy: shape (10, 785), expected (N, 784)");
//! assert_eq!(error.at("--data").to_string(), "--data: shape (10, 785), expected (N, 784)");
//! ```

use std::path::{Path, PathBuf};

use crate::text;

/// An error, in one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input (a file, a folder, an option) is not what it has to be.
    #[error("{}: {}", text::place(place), text::line(problem))]
    Input {
        /// The file, folder or option.
        place: String,
        /// Found and expected.
        problem: String,
    },
    /// The operating system refused to read or write.
    #[error("{}: {}", text::place(&path.display().to_string()), text::line(&source.to_string()))]
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
    ///
    /// A problem that begins with the same place, or its last part, has been said by somebody below: it is said once.
    pub fn input(place: impl std::fmt::Display, problem: impl std::fmt::Display) -> Self {
        let (place, mut problem) = (place.to_string(), problem.to_string());
        let last = place.rsplit(": ").next().unwrap_or_default();
        for said in [place.as_str(), last].into_iter().filter(|said| !said.is_empty()) {
            if let Some(rest) = problem.strip_prefix(said).and_then(|rest| rest.strip_prefix(": ")) {
                problem = rest.to_owned();
            }
        }
        Self::Input { place, problem }
    }

    /// The same problem at a place that its finder could not know: the option or the line of a file that the value came from.
    #[must_use]
    pub fn at(self, place: impl std::fmt::Display) -> Self {
        match self {
            Self::Input { problem, .. } => Self::input(place, problem),
            error => error,
        }
    }

    /// An operating-system error at `path`; made for `map_err(Error::io(path))`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name within a file that somebody else made may hold anything.
    #[test]
    fn a_message_is_one_line_whatever_it_quotes() {
        let error = Error::input("a.npz", "tr\nain\u{1b}[2J.npy is packed in an unusual way");
        assert_eq!(error.to_string(), "a.npz: tr\\nain\\u{1b}[2J.npy is packed in an unusual way");
        let error = Error::io("a.npz")(std::io::Error::other("tr\nain.npy is damaged"));
        assert_eq!(error.to_string(), "a.npz: tr\\nain.npy is damaged");
    }

    #[test]
    fn a_place_is_said_once() {
        let inner = || Error::input("model", "unknown model `x`");
        assert_eq!(Error::input("model", inner()).to_string(), "model: unknown model `x`");
        assert_eq!(Error::input("F.toml:3: model", inner()).to_string(), "F.toml:3: model: unknown model `x`");
        assert_eq!(Error::input("F.toml", inner()).to_string(), "F.toml: model: unknown model `x`");
        assert_eq!(inner().at("--model").to_string(), "--model: unknown model `x`");
        assert_eq!(Error::input("model", "modelling: a word").to_string(), "model: modelling: a word");
    }
}
