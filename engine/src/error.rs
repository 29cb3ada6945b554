//! What can go wrong while recording or running a graph.

/// What went wrong, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An operation was given tensors whose shapes do not fit it.
    #[error("{op}: {problem}")]
    Shape {
        /// The operation's name.
        op: &'static str,
        /// What was found and what was expected.
        problem: String,
    },
    /// A value turned NaN or infinite while the graph ran.
    #[error("the output of `{op}` (node {node}) is the first that is not finite")]
    NotFinite {
        /// The operation's name.
        op: String,
        /// Its index on the tape.
        node: usize,
    },
    /// A device could not be used, or failed while it ran.
    #[error("{0}")]
    Device(String),
}

impl From<crate::DeviceError> for Error {
    fn from(error: crate::DeviceError) -> Self {
        Error::Device(error.to_string())
    }
}

impl Error {
    pub(crate) fn shape(op: &'static str, problem: impl Into<String>) -> Self {
        Error::Shape { op, problem: problem.into() }
    }
}

/// A result whose error is [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
