//! Products of matrices (`gemm.ptx`; on tensor cores `gemm_tensor.ptx`; sums that were cut, `gemm_slices.ptx`).

use super::launches::{Launches, Precision, Span, THREADS, Target, int, read_or_none};
use crate::launch::Arg;
use crate::ptx::TENSOR_FROM;

/// Threads of a block of the kernels for tensor cores.
pub(super) const TENSOR_THREADS: usize = 128;
/// Rows and columns of a product that a block owns.
const TILE: usize = 64;
/// Terms of a sum that a block multiplies at a time.
const DEPTH: usize = 16;
/// The multiprocessors of an H100. A product with fewer tiles is cut along its sums (split-K), so that tiles times slices are at most
/// as many.
pub(super) const ENOUGH_TILES: usize = 132;
/// The fewest turns of loading and multiplying that are worth a block.
const TURNS: usize = 4;
/// Rows of one launch's product: along y a grid has no more blocks.
const MOST_ROWS: usize = 65_535 * TILE;
/// Numbers that one launch's offsets reach.
const MOST_NUMBERS: usize = u32::MAX as usize;

/// A matrix in device memory.
#[derive(Debug, Clone, Copy)]
pub struct Matrix {
    span: Span,
    rows: usize,
    cols: usize,
    /// Elements from one row to the next, and from one column to the next.
    row_stride: usize,
    col_stride: usize,
}

impl Matrix {
    /// A row-major matrix without gaps.
    pub fn new(span: Span, rows: usize, cols: usize) -> Matrix {
        Matrix { span, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// Rows and columns in each other's place.
    pub fn transposed(self) -> Matrix {
        let Matrix { span, rows, cols, row_stride, col_stride } = self;
        Matrix { span, rows: cols, cols: rows, row_stride: col_stride, col_stride: row_stride }
    }

    /// Numbers from the first to the last.
    fn reach(&self) -> usize {
        match self.rows * self.cols {
            0 => 0,
            _ => (self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride + 1,
        }
    }

    /// `rows` of its rows.
    fn some(self, first: usize, rows: usize) -> Matrix {
        let part = Matrix { rows, ..self };
        Matrix { span: self.span.part(first * self.row_stride, part.reach()), ..part }
    }
}

/// A row-major matrix in device memory that a product goes to.
#[derive(Debug, Clone, Copy)]
pub struct MatrixMut {
    target: Target,
    rows: usize,
    cols: usize,
    row_stride: usize,
}

impl MatrixMut {
    /// A matrix without gaps.
    pub fn new(target: Target, rows: usize, cols: usize) -> MatrixMut {
        MatrixMut { target, rows, cols, row_stride: cols }
    }

    /// A matrix whose rows are `row_stride` elements apart.
    pub fn with_stride(target: Target, rows: usize, cols: usize, row_stride: usize) -> MatrixMut {
        MatrixMut { target, rows, cols, row_stride }
    }

    /// `rows` of its rows.
    fn some(self, first: usize, rows: usize) -> MatrixMut {
        let from = first * self.row_stride;
        let len = (rows * self.row_stride).min(self.target.span.len - from);
        MatrixMut { target: Target { span: self.target.span.part(from, len), ..self.target }, rows, ..self }
    }
}

/// The last steps on a product's or convolution's sums before they are stored.
#[derive(Debug, Clone, Copy)]
pub struct Epilogue {
    /// Added to every row.
    pub bias: Option<Span>,
    /// Whether negative sums are stored as zero.
    pub relu: bool,
}

impl Epilogue {
    /// Sums are stored as they are.
    pub const NONE: Epilogue = Epilogue { bias: None, relu: false };

    /// The kernels' bits: whether sums are added to what is there, whether a ReLU follows, and whether factors are rounded to tf32,
    /// which tensor cores alone do.
    pub(super) fn flags(self, add: bool, precision: Precision) -> Arg {
        const ADD: u32 = 1;
        const RELU: u32 = 2;
        const ROUNDED: u32 = 4;
        let rounded = precision == Precision::Tf32;
        Arg::U32(if add { ADD } else { 0 } | if self.relu { RELU } else { 0 } | if rounded { ROUNDED } else { 0 })
    }
}

/// Into how many parts the sums of a product of (m, k) and (k, n), here or in a convolution's weight gradient, are cut to have up to
/// `enough` blocks: a matter of its shape alone. A turn multiplies `depth` terms.
pub(super) fn slices([m, k, n]: [usize; 3], depth: usize, enough: usize) -> usize {
    let tiles = m.div_ceil(TILE) * n.div_ceil(TILE);
    if tiles >= enough { 1 } else { (enough / tiles).min(k.div_ceil(TURNS * depth)) }
}

/// Numbers of scratch for [`gemm`] of (m, k) and (k, n).
pub fn gemm_scratch_len(m: usize, k: usize, n: usize) -> usize {
    match slices([m, k, n], DEPTH, ENOUGH_TILES) {
        1 => 0,
        slices => slices * m * n,
    }
}

/// C = A·B for `a: (m, k)` and `b: (k, n)`, or added, through the epilogue. `scratch`: [`gemm_scratch_len`]; with less of it the sums
/// are cut into fewer parts, with none not at all.
///
/// A product of more rows than a launch can have is several launches.
///
/// # Panics
/// If the shapes do not fit, or A or B has more numbers than 32 bits count where rows of A are no way to cut it.
pub fn gemm(launches: &mut Launches, a: Matrix, b: Matrix, c: MatrixMut, epilogue: Epilogue, scratch: Span) {
    assert_eq!((a.cols, c.rows, c.cols), (b.rows, a.rows, b.cols), "gemm: columns of A and B, shape of C");
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let most = MOST_ROWS.min(MOST_NUMBERS / a.row_stride.max(c.row_stride).max(1)).max(1);
    if m > most {
        for first in (0..m).step_by(most) {
            let rows = most.min(m - first);
            gemm(launches, a.some(first, rows), b, c.some(first, rows), epilogue, Span::default());
        }
        return;
    }
    let reach = a.reach().max(b.reach());
    assert!(reach <= MOST_NUMBERS, "a product's factor of {reach} numbers, expected as many as 32 bits count");
    let parts = slices([m, k, n], DEPTH, ENOUGH_TILES).min(scratch.len / (m * n).max(1));
    if parts <= 1 {
        product(launches, a, b, c, epilogue, 1);
        return;
    }
    let partial = scratch.part(0, parts * m * n);
    let parts = product(launches, a, b, MatrixMut::new(Target::write(partial), m, n), Epilogue::NONE, parts);
    add_slices(launches, partial.part(0, parts * m * n), c, epilogue);
}

/// C = Σ of the arrays of C's size that lie one behind the other in `slices`, or added, through the epilogue.
pub fn add_slices(launches: &mut Launches, slices: Span, c: MatrixMut, epilogue: Epilogue) {
    let elements = c.rows * c.cols;
    let args = vec![
        slices.read(),
        c.target.arg(),
        read_or_none(epilogue.bias),
        int(elements),
        int(c.cols),
        int(c.row_stride),
        int(slices.len / elements),
        epilogue.flags(c.target.add, launches.precision),
    ];
    launches.each("gemm_slices", elements, args);
}

/// One launch of the product, its sums cut into about `slices` parts, which lie one behind the other. Returns how many.
fn product(launches: &mut Launches, a: Matrix, b: Matrix, c: MatrixMut, epilogue: Epilogue, slices: usize) -> usize {
    let (entry, threads) = match launches.architecture {
        TENSOR_FROM.. => ("gemm_tensor", TENSOR_THREADS),
        _ => ("gemm", THREADS),
    };
    let (m, k, n) = (a.rows, a.cols, b.cols);
    let slice = k.div_ceil(slices).next_multiple_of(DEPTH);
    let slices = k.div_ceil(slice);
    let args = vec![
        a.span.read(),
        b.span.read(),
        c.target.arg(),
        read_or_none(epilogue.bias),
        int(m),
        int(n),
        int(k),
        int(a.row_stride),
        int(a.col_stride),
        int(b.row_stride),
        int(b.col_stride),
        int(c.row_stride),
        int(slice),
        int(m * n),
        epilogue.flags(c.target.add, launches.precision),
    ];
    launches.grid(entry, [n.div_ceil(TILE), m.div_ceil(TILE), slices], [threads, 1, 1], 0, args);
    slices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::Arg;

    /// The launches' rows, and where they read A and write C.
    fn launched(m: usize, k: usize, n: usize, transposed: bool) -> Vec<(u32, u64, u64)> {
        let span = |first: u64, len: usize| Span { address: first << 40, len };
        let a =
            if transposed { Matrix::new(span(1, k * m), k, m).transposed() } else { Matrix::new(span(1, m * k), m, k) };
        let (b, c) = (Matrix::new(span(2, k * n), k, n), MatrixMut::new(Target::write(span(3, m * n)), m, n));
        let mut launches = Launches::default();
        gemm(&mut launches, a, b, c, Epilogue::NONE, Span::default());
        let of = |launch: &crate::launch::Launch| match (&launch.args[0], &launch.args[2], &launch.args[4]) {
            (Arg::Buffer(a), Arg::Buffer(c), &Arg::U32(m)) => {
                assert!(launch.grid[1] <= 65_535 && launch.grid[1] == m.div_ceil(64), "{:?}", launch.grid);
                (m, a.address - (1 << 40), c.address - (3 << 40))
            }
            args => panic!("{args:?}"),
        };
        launches.list.iter().map(of).collect()
    }

    #[test]
    fn more_rows_than_a_grid_has_are_several_launches() {
        assert_eq!(launched(4_194_240, 3, 5, false), [(4_194_240, 0, 0)]);
        assert_eq!(launched(4_194_241, 3, 5, false), [(4_194_240, 0, 0), (1, 4 * 3 * 4_194_240, 4 * 5 * 4_194_240)]);
        assert_eq!(launched(4_194_241, 3, 5, true), [(4_194_240, 0, 0), (1, 4 * 4_194_240, 4 * 5 * 4_194_240)]);
    }

    #[test]
    fn more_numbers_than_32_bits_count_are_several_launches() {
        let rows = u32::MAX / 2048;
        let expected = [(rows, 0, 0), (3, 4 * 2048 * u64::from(rows), 4 * 5 * u64::from(rows))];
        assert_eq!(launched(rows as usize + 3, 2048, 5, false), expected);
    }

    #[test]
    #[should_panic(expected = "4294967296 numbers, expected as many as 32 bits count")]
    fn so_many_along_a_sum_are_refused() {
        launched(64, 1 << 26, 5, true);
    }
}
