//! The extents of a picture.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Height, width and channels of a picture, whose values lie row after row, the channels of a pixel side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "[usize; 3]", into = "[usize; 3]")]
pub struct Extents {
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Numbers a pixel: 1 for grey, 3 for red, green and blue.
    pub channels: usize,
}

impl Extents {
    /// Those of a drawing of Quick, Draw!: 28×28, grey.
    pub const DRAWING: Extents = Extents { height: 28, width: 28, channels: 1 };

    /// Whether these are a drawing's.
    pub fn is_drawing(&self) -> bool {
        *self == Self::DRAWING
    }

    /// Values of a picture.
    pub fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether a picture has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Values of a row.
    pub fn row(&self) -> usize {
        self.width * self.channels
    }

    /// The shape of `n` pictures in a network: (n, height, width, channels).
    pub fn batch(&self, n: usize) -> [usize; 4] {
        [n, self.height, self.width, self.channels]
    }

    /// The shape of `n` pictures in a file: (n, height, width), and channels where there are several.
    pub fn array(&self, n: usize) -> Vec<usize> {
        match self.channels {
            1 => vec![n, self.height, self.width],
            _ => self.batch(n).to_vec(),
        }
    }
}

impl Default for Extents {
    fn default() -> Self {
        Self::DRAWING
    }
}

impl From<[usize; 3]> for Extents {
    fn from([height, width, channels]: [usize; 3]) -> Self {
        Self { height, width, channels }
    }
}

impl From<Extents> for [usize; 3] {
    fn from(Extents { height, width, channels }: Extents) -> Self {
        [height, width, channels]
    }
}

impl fmt::Display for Extents {
    /// `28×28`, or `32×32×3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}", self.height, self.width)?;
        if self.channels == 1 { Ok(()) } else { write!(f, "×{}", self.channels) }
    }
}
