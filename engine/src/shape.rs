//! The extents of a tensor.

use std::fmt;

/// The longest list of axes that a model here needs.
pub const MAX_RANK: usize = 4;

/// Up to four extents, outermost first; a scalar has none. Tensors are row-major without gaps.
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
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Shape::from(dims.as_slice())
    }
}

impl From<&[usize]> for Shape {
    /// # Panics
    /// With more than four extents.
    fn from(dims: &[usize]) -> Self {
        assert!(dims.len() <= MAX_RANK, "a tensor of {} axes; at most {MAX_RANK} are supported", dims.len());
        let mut extents = [0; MAX_RANK];
        extents[..dims.len()].copy_from_slice(dims);
        Shape { rank: dims.len() as u8, extents }
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
