//! The extents of a tensor.

use std::fmt;

use crate::{Error, Result};

/// The most axes that a tensor has.
pub const MAX_RANK: usize = 6;

/// The most elements that a tensor has: their bytes, eight each, can be counted.
const MAX_LEN: usize = isize::MAX as usize / 8;

/// Up to [`MAX_RANK`] extents, outermost first; a scalar has none. Tensors are row-major without gaps.
///
/// Arrays turn into shapes by themselves, and one of too many axes does not compile. A list whose length is known only at
/// run time may fail:
///
/// ```
/// use inkgrad_engine::Shape;
///
/// let shape = Shape::from([128, 28, 28, 1]);
/// assert_eq!((shape.rank(), shape.first(), shape.last(), shape.len()), (4, 128, 1, 100_352));
///
/// let axes = vec![1; 7];
/// let refused = Shape::try_from(&axes[..]).unwrap_err();
/// assert_eq!(refused.to_string(), "shape: 7 axes, expected at most 6");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Shape {
    rank: u8,
    extents: [usize; MAX_RANK],
}

impl Shape {
    /// The shape of a single number.
    pub const SCALAR: Shape = Shape { rank: 0, extents: [0; MAX_RANK] };

    /// The extents, outermost first.
    pub fn dims(&self) -> &[usize] {
        &self.extents[..usize::from(self.rank)]
    }

    /// How many axes.
    pub fn rank(&self) -> usize {
        usize::from(self.rank)
    }

    /// How many elements.
    pub fn len(&self) -> usize {
        self.dims().iter().product()
    }

    /// Whether some extent is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The extent of the outermost axis: the batch, for most tensors. 1 for a scalar.
    pub fn first(&self) -> usize {
        self.dims().first().copied().unwrap_or(1)
    }

    /// The extent of the innermost axis. 1 for a scalar.
    pub fn last(&self) -> usize {
        self.dims().last().copied().unwrap_or(1)
    }

    /// # Panics
    /// With more than [`MAX_RANK`] extents.
    fn new(dims: &[usize]) -> Result<Shape> {
        let mut extents = [0; MAX_RANK];
        extents[..dims.len()].copy_from_slice(dims);
        let shape = Shape { rank: dims.len() as u8, extents };
        // Without the empty axes, so that every product of some extents can be counted too.
        let mut within = dims.iter().filter(|&&extent| extent > 0);
        match within.try_fold(1usize, |len, extent| len.checked_mul(*extent).filter(|&len| len <= MAX_LEN)) {
            Some(_) => Ok(shape),
            None => Err(Error::shape("shape", format!("{shape} has more than {MAX_LEN} elements"))),
        }
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    /// More than [`MAX_RANK`] extents do not compile.
    ///
    /// # Panics
    /// With more elements of eight bytes than can be addressed: 2⁶⁰ on a machine of 64 bits.
    fn from(dims: [usize; N]) -> Self {
        const { assert!(N <= MAX_RANK, "a tensor has at most 6 axes") };
        Shape::new(&dims).unwrap_or_else(|problem| panic!("{problem}"))
    }
}

impl TryFrom<&[usize]> for Shape {
    type Error = Error;

    /// # Errors
    /// With more than [`MAX_RANK`] extents, or more elements of eight bytes than can be addressed.
    fn try_from(dims: &[usize]) -> Result<Self> {
        if dims.len() > MAX_RANK {
            return Err(Error::shape("shape", format!("{} axes, expected at most {MAX_RANK}", dims.len())));
        }
        Shape::new(dims)
    }
}

impl fmt::Display for Shape {
    /// As mathematics writes it: `(128, 7, 7, 64)`; `()` for a scalar.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self.dims().iter().map(usize::to_string).collect();
        f.pad(&format!("({})", dims.join(", ")))
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
