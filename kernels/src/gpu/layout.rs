//! Moving numbers (`layout.ptx`): rows between matrices, transposition, embeddings, gathering a batch.

use super::launches::{Launches, Span, Target, flag, int};
use crate::launch::{Arg, Buffer};

/// Rows and columns of the square that a block of `transpose` owns, and the extents of its block of threads.
const SQUARE: usize = 32;
const SQUARE_BLOCK: [usize; 3] = [SQUARE, 8, 1];
/// Matrices that a launch of `transpose` takes: along z a grid has no more blocks.
const MOST_MATRICES: usize = 65_535;

/// The fate of what [`copy_rows`] does not write of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// It keeps its values.
    Stays,
    /// It counts as never written.
    Goes,
}

/// Rows to copy: `rows` of `width` numbers, each row of x `repeat` times.
#[derive(Debug, Clone, Copy)]
pub struct Rows {
    /// Rows that are written.
    pub rows: usize,
    /// Numbers of each.
    pub width: usize,
    /// How many rows in turn are copies of one row of x.
    pub repeat: usize,
}

/// y\[r·y_row + c\] = x\[(r / repeat)·x_row + c\] for `rows` rows of `width`, or added.
pub fn copy_rows(
    launches: &mut Launches,
    Rows { rows, width, repeat }: Rows,
    (x, x_row): (Span, usize),
    (y, y_row): (Target, usize),
    rest: Rest,
) {
    let to = if rest == Rest::Goes { y.arg() } else { y.span.update() };
    let n = rows * width;
    let args = [x.read(), to, int(n), int(width), int(x_row), int(y_row), int(repeat), y.flag()];
    launches.each("copy_rows", n, args);
}

/// y\[b\]\[j\]\[i\] = x\[b\]\[i\]\[j\] for `batch` matrices of `rows` × `columns`, or added.
pub fn transpose(launches: &mut Launches, x: Span, [batch, rows, columns]: [usize; 3], y: Target) {
    let len = rows * columns;
    for first in (0..batch).step_by(MOST_MATRICES) {
        let batch = MOST_MATRICES.min(batch - first);
        let part = |span: Span| span.part(first * len, batch * len);
        let (x, y) = (part(x), Target { span: part(y.span), ..y });
        let args = [x.read(), y.arg(), int(rows), int(columns), y.flag()];
        let grid = [columns.div_ceil(SQUARE), rows.div_ceil(SQUARE), batch];
        launches.grid("transpose", grid, SQUARE_BLOCK, 0, args);
    }
}

/// y\[b\] = w\[label\[b\]\] for `w: (classes, width)`.
pub fn embedding(launches: &mut Launches, w: Span, labels: Span, y: Span) {
    let width = y.len / labels.len;
    launches.each("embedding", y.len, [w.read(), labels.read(), y.write(), int(y.len), int(width)]);
}

/// dw\[class\] = Σ dy\[b\] over the b with that label, or added.
pub fn embedding_backward(launches: &mut Launches, labels: Span, dy: Span, dw: Target) {
    let (n, rows) = (dw.span.len, labels.len);
    let args = [dy.read(), labels.read(), dw.arg(), int(n), int(dy.len / rows), int(rows), dw.flag()];
    launches.each("embedding_backward", n, args);
}

/// A data set in device memory.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its rows.
    pub data: Buffer,
    /// Whether they are bytes, which become v / 255, or `f32`.
    pub bytes: bool,
}

/// y\[b\] = the row of a data set, `width` numbers, that `index: (batches, rows)` of `u32` names; the step's `record` says
/// which batch.
pub fn gather(launches: &mut Launches, table: Table, index: Buffer, record: Span, y: Span, width: usize) {
    let (data, index) = (Arg::Buffer(table.data), Arg::Buffer(index));
    let (n, rows) = (int(y.len), int(y.len / width));
    let args = [data, index, record.read(), y.write(), n, int(width), rows, flag(table.bytes)];
    launches.each("gather", y.len, args);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_matrices_than_a_grid_has_are_several_launches() {
        let span = |first: u64| Span { address: first << 40, len: 6 * 65_536 };
        let mut launches = Launches::default();
        transpose(&mut launches, span(1), [65_536, 2, 3], Target::write(span(2)));
        let of = |arg: &Arg| if let Arg::Buffer(buffer) = arg { buffer.address } else { 0 };
        let found: Vec<_> = launches.list.iter().map(|l| (l.grid[2], of(&l.args[0]), of(&l.args[1]))).collect();
        assert_eq!(found, [(65_535, 1 << 40, 2 << 40), (1, (1 << 40) + 24 * 65_535, (2 << 40) + 24 * 65_535)]);
    }
}
