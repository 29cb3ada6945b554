//! Pictures that are taken one by one, from memory or from files.

use super::{Extents, Images};
use crate::Result;

/// Pictures one after the other, of one size or of many.
pub trait Source {
    /// How many there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Picture `index`, with values in [0, 1].
    ///
    /// # Errors
    /// If it cannot be read.
    fn picture(&self, index: usize) -> Result<(Extents, Vec<f32>)>;
}

impl Source for Images {
    fn len(&self) -> usize {
        Images::len(self)
    }

    fn picture(&self, index: usize) -> Result<(Extents, Vec<f32>)> {
        Ok((self.extents(), self.image(index)))
    }
}
