//! What can go wrong while recording, compiling or running a graph.

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
    #[error("{op} (node {node}) is the first whose {what} is not finite")]
    NotFinite {
        /// The operation's name.
        op: &'static str,
        /// Its index on the tape.
        node: usize,
        /// `output` or `gradient`.
        what: &'static str,
    },
}

/// A result whose error is [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
