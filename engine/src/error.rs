//! Errors of recording or running a graph.
//!
//! Whatever sizes and data can bring about is an [`enum@Error`]: shapes that do not fit, a value that is not finite, a
//! device that fails. Mistakes that only the program's own text can contain, such as reading a value before it is computed,
//! panic, with a message that says what to do instead; each function's `# Panics` lists them. So does a label that is no class:
//! whoever reads labels from a file has to check them.

/// One line that names the place, what was found, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An operation was given inputs or attributes that do not fit it.
    #[error("{op}: {problem}")]
    Shape {
        /// The operation's name.
        op: String,
        /// Found and expected.
        problem: String,
    },
    /// No parameter is called so.
    #[error("parameter `{name}`: {problem}")]
    Param {
        /// The name that was asked for.
        name: String,
        /// Found and expected.
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
    /// The error of an operation `op` whose inputs or attributes do not fit: what was found, and what was expected.
    ///
    /// ```
    /// use inkgrad_engine::{Error, Shape};
    ///
    /// let x = Shape::from([4, 3]);
    /// let error = Error::shape("softmax", format!("x is {x}, expected one axis"));
    /// assert_eq!(error.to_string(), "softmax: x is (4, 3), expected one axis");
    /// ```
    pub fn shape(op: impl Into<String>, problem: impl Into<String>) -> Self {
        Error::Shape { op: op.into(), problem: problem.into() }
    }
}

/// A result whose error is [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
