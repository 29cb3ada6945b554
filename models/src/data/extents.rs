//! The extents of a picture.
//!
//! ```
//! use inkgrad_models::data::Extents;
//!
//! let colour: Extents = "32x32x3".parse().expect("extents");
//! assert_eq!((colour, colour.len()), (Extents::from([32, 32, 3]), 3072));
//! assert_eq!("32".parse::<Extents>().unwrap_err(), "32, expected HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS, as 32x32x3");
//! ```

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

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

/// The sides that a picture may have.
pub const SIDES: RangeInclusive<usize> = 16..=128;

/// How pictures lie in an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Number of pictures.
    pub(super) count: usize,
    pub(super) extents: Extents,
    /// Whether each channel is a plane of its own, (N, C, H, W), instead of (N, H, W, C).
    pub(super) planes: bool,
}

impl Layout {
    /// The shapes that [`Layout::of`] takes, for errors.
    pub(super) const EXPECTED: &str =
        "(N, 784), (N, H, W), (N, H, W, C) or (N, C, H, W) with sides of 16 to 128 and 1 or 3 channels";

    /// The pictures that an array of `shape` holds: sides of 16 and more never look like 1 or 3 channels, so no shape has two meanings.
    ///
    /// # Errors
    /// A hint that follows [`Layout::EXPECTED`], which may be empty.
    pub(super) fn of(shape: &[usize]) -> Result<Self, &'static str> {
        let drawing = |count| Self { count, extents: Extents::DRAWING, planes: false };
        let (count, height, width, channels, planes) = match *shape {
            [count, 784] | [count, 1, 784] | [count, 784, 1] => return Ok(drawing(count)),
            [count, height, width] => (count, height, width, 1, false),
            [count, height, width, channels @ (1 | 3)] => (count, height, width, channels, false),
            [count, channels @ (1 | 3), height, width] => (count, height, width, channels, channels > 1),
            [_, _, _, 4] => return Err(" (four channels: drop the last, as images[..., :3])"),
            [_, _] => return Err(" (reshape the rows to (N, H, W))"),
            [784] | [_, _, _, _] => return Err(" (reshape it)"),
            _ => return Err(""),
        };
        if SIDES.contains(&height) && SIDES.contains(&width) {
            Ok(Self { count, extents: Extents { height, width, channels }, planes })
        } else {
            Err("")
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

impl FromStr for Extents {
    type Err = String;

    /// `28x28`, or `32x32x3`: height, width and channels, which are 1 where they are not given.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("{text}, expected HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS, as 32x32x3");
        let numbers: Result<Vec<usize>, _> = text.split(['x', '×']).map(str::parse).collect();
        match *numbers.map_err(|_| bad())? {
            [height, width] => Ok(Self { height, width, channels: 1 }),
            [height, width, channels] => Ok(Self { height, width, channels }),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for Extents {
    /// `28×28`, or `32×32×3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}", self.height, self.width)?;
        if self.channels == 1 { Ok(()) } else { write!(f, "×{}", self.channels) }
    }
}
