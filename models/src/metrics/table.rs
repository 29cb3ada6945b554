//! Rows of numbers, checked once.

use crate::{Error, Result};

/// `(N, width)` finite numbers, row after row, and what to call them in an error: a file's name.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    name: &'a str,
    values: &'a [f32],
    width: usize,
}

impl<'a> Table<'a> {
    /// Takes rows of `width` values.
    ///
    /// # Errors
    /// If there is no row, a row is not full, or a value is not finite.
    pub fn new(name: &'a str, values: &'a [f32], width: usize) -> Result<Self> {
        if width == 0 || values.is_empty() || !values.len().is_multiple_of(width) {
            let problem = format!("{} values in rows of {width}, expected at least one full row", values.len());
            return Err(Error::input(name, problem));
        }
        match values.iter().position(|x| !x.is_finite()) {
            Some(at) => {
                let problem = format!("row {} holds {}, expected finite numbers", at / width, values[at]);
                Err(Error::input(name, problem))
            }
            None => Ok(Table { name, values, width }),
        }
    }

    /// The name of the rows.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Number of rows, at least one.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// Values of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Row `i`.
    pub(super) fn row(&self, i: usize) -> &'a [f32] {
        &self.values[i * self.width..][..self.width]
    }

    /// Whether all rows are equal.
    pub(super) fn is_constant(&self) -> bool {
        self.values.chunks_exact(self.width).all(|row| row == self.row(0))
    }

    /// All values.
    pub(super) fn to_f64(self) -> Vec<f64> {
        self.values.iter().map(|&x| x.into()).collect()
    }

    /// Some rows, in the order of `indices`.
    pub(super) fn gather(&self, indices: &[usize]) -> Vec<f64> {
        indices.iter().flat_map(|&i| self.row(i)).map(|&x| x.into()).collect()
    }

    /// Checks that there is a row for each of `other`'s.
    pub(super) fn check_pairs(&self, other: &Table) -> Result<()> {
        if self.rows() == other.rows() {
            return Ok(());
        }
        let problem = format!("{} rows, expected {}, one for each of {}", self.rows(), other.rows(), other.name);
        Err(Error::input(self.name, problem))
    }

    /// Checks that there are at least `least` rows, which `what` needs.
    pub(crate) fn check_rows(&self, least: usize, what: &str) -> Result<()> {
        let rows = self.rows();
        if rows >= least {
            return Ok(());
        }
        let plural = if rows == 1 { "" } else { "s" };
        Err(Error::input(self.name, format!("{rows} row{plural}, expected at least {least} for {what}")))
    }

    /// Checks that both have rows of the same width.
    pub(super) fn check_width(&self, other: &Table) -> Result<()> {
        if self.width == other.width {
            return Ok(());
        }
        let problem = format!("rows of {}, expected {}, the width of {}", other.width, self.width, self.name);
        Err(Error::input(other.name, problem))
    }
}
