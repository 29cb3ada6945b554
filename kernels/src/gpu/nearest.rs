//! Nearest neighbours out of products (`nearest.ptx`).

use super::launches::{Launches, Span, int};

/// Threads of a block, which owns a row.
const THREADS: usize = 256;

/// The columns of the `count` smallest of norms\[j\] + products\[r\]\[j\] for each row r, but of `first` + r, in no order, and
/// the largest of these sums. `found`: whole numbers (rows, count); `limits`: (rows). Of equal sums any are taken.
///
/// # Panics
/// If there are not more than `count` columns, or the lengths do not fit.
pub fn nearest(launches: &mut Launches, products: Span, norms: Span, first: usize, found: Span, limits: Span) {
    let (rows, n) = (limits.len, norms.len);
    let count = found.len / rows.max(1);
    assert!(0 < count && count < n, "{count} neighbours of {n} points");
    assert_eq!((products.len, found.len), (rows * n, rows * count), "numbers of products and of neighbours");
    let pointers = [products.read(), norms.read(), found.write(), limits.write()];
    let args = [&pointers[..], &[n, first, count].map(int)].concat();
    launches.grid("nearest", [rows, 1, 1], [THREADS, 1, 1], 0, args);
}
