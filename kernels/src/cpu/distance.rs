//! Squared Euclidean distances from one row to some rows of a table.

use super::lanes::{LANES, sum_of_lanes};
use crate::{Float, multiversion};

multiversion! {
    /// `out[i] = ‖from − rows[which[i]]‖²`, for `rows: (n, from.len())`.
    ///
    /// [`naive`] is the same in one loop.
    ///
    /// # Panics
    /// If a row is not in `rows`, or `out` and `which` differ in length.
    pub fn squared_distances<T: Float, A: Arithmetic>(from: &[T], rows: &[T], which: &[u32], out: &mut [T]) {
        assert_eq!(which.len(), out.len(), "a distance for each row");
        let (from, rest) = from.as_chunks::<LANES>();
        let width = from.len() * LANES + rest.len();
        for (out, &row) in out.iter_mut().zip(which) {
            let (row, row_rest) = rows[row as usize * width..][..width].as_chunks::<LANES>();
            let mut sums = [T::ZERO; LANES];
            for (a, b) in from.iter().zip(row) {
                for l in 0..LANES {
                    let d = a[l] - b[l];
                    sums[l] = A::mul_add(d, d, sums[l]);
                }
            }
            let mut sum = sum_of_lanes(sums);
            for (&a, &b) in rest.iter().zip(row_rest) {
                sum = A::mul_add(a - b, a - b, sum);
            }
            *out = sum;
        }
    }
}

/// [`squared_distances`] as one plain sum a row.
pub fn naive<T: Float>(from: &[T], rows: &[T], which: &[u32], out: &mut [T]) {
    for (out, &row) in out.iter_mut().zip(which) {
        let row = &rows[row as usize * from.len()..][..from.len()];
        *out = from.iter().zip(row).fold(T::ZERO, |sum, (&a, &b)| sum + (a - b) * (a - b));
    }
}
