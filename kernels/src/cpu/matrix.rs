//! Matrices as views: slices with strides, so that a transposed matrix or a block of one costs nothing.

use std::ops::Range;

/// A matrix to read: element (i, j) is `data[i·row_stride + j·col_stride]`.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, T> {
    pub(super) data: &'a [T],
    pub(super) layout: Layout,
}

/// A matrix to write: element (i, j) is `data[i·row_stride + j·col_stride]`, each element at a place of its own.
#[derive(Debug)]
pub struct MatrixMut<'a, T> {
    pub(super) data: &'a mut [T],
    pub(super) layout: Layout,
}

/// Where the elements of a matrix are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) row_stride: usize,
    pub(super) col_stride: usize,
}

impl Layout {
    /// Elements from the first to the last, both included: what the data has to hold. `None` where that many cannot be
    /// counted; strides of a matrix that passed [`Layout::check`] never come to that.
    fn span(&self) -> Option<usize> {
        if self.rows == 0 || self.cols == 0 {
            return Some(0);
        }
        let down = (self.rows - 1).checked_mul(self.row_stride)?;
        let across = (self.cols - 1).checked_mul(self.col_stride)?;
        down.checked_add(across)?.checked_add(1)
    }

    fn check(self, len: usize) -> Self {
        assert!(
            self.span().is_some_and(|span| span <= len),
            "matrix ({}, {}) with strides ({}, {}) needs {} elements, the slice has {len}",
            self.rows,
            self.cols,
            self.row_stride,
            self.col_stride,
            self.span().map_or_else(|| "more than usize::MAX".to_owned(), |span| span.to_string()),
        );
        self
    }

    /// Whether no two elements share a place.
    fn is_distinct(&self) -> bool {
        let apart = |inner: usize, stride: usize, outer: usize, outer_stride: usize| {
            (inner <= 1 || stride > 0) && (outer <= 1 || outer_stride > inner.saturating_sub(1).saturating_mul(stride))
        };
        apart(self.cols, self.col_stride, self.rows, self.row_stride)
            || apart(self.rows, self.row_stride, self.cols, self.col_stride)
    }

    fn transposed(self) -> Self {
        Self { rows: self.cols, cols: self.rows, row_stride: self.col_stride, col_stride: self.row_stride }
    }

    /// The layout of a block and the offset of its first element.
    pub(super) fn block(self, rows: &Range<usize>, cols: &Range<usize>) -> (usize, Self) {
        assert!(
            rows.start <= rows.end && rows.end <= self.rows && cols.start <= cols.end && cols.end <= self.cols,
            "block {rows:?} × {cols:?} of a matrix ({}, {})",
            self.rows,
            self.cols,
        );
        let block = Self { rows: rows.len(), cols: cols.len(), ..self };
        // An empty block may begin behind the last element, where its offset need not be countable.
        let offset = if rows.is_empty() || cols.is_empty() {
            0
        } else {
            rows.start * self.row_stride + cols.start * self.col_stride
        };
        (offset, block)
    }
}

impl<'a, T> Matrix<'a, T> {
    /// The first `rows · cols` elements of `data`, row by row.
    ///
    /// # Panics
    /// If `data` has fewer.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self::with_strides(data, rows, cols, cols, 1)
    }

    /// Elements at any strides, which may repeat elements (a stride of 0).
    ///
    /// # Panics
    /// If the last element lies beyond `data`.
    pub fn with_strides(data: &'a [T], rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Self {
        Self { data, layout: Layout { rows, cols, row_stride, col_stride }.check(data.len()) }
    }

    /// Rows and columns.
    pub fn shape(&self) -> (usize, usize) {
        (self.layout.rows, self.layout.cols)
    }

    /// Element (i, j).
    #[inline]
    pub fn at(&self, i: usize, j: usize) -> T
    where
        T: Copy,
    {
        self.data[i * self.layout.row_stride + j * self.layout.col_stride]
    }

    /// `N` columns from `first` on, if the elements of each lie side by side.
    pub(crate) fn columns<const N: usize>(&self, first: usize) -> Option<[&'a [T]; N]> {
        let Layout { rows, row_stride, col_stride, .. } = self.layout;
        (row_stride == 1).then(|| std::array::from_fn(|j| &self.data[(first + j) * col_stride..][..rows]))
    }

    /// Row `i`, if its elements lie side by side.
    #[inline(always)]
    pub(crate) fn whole_row(&self, i: usize) -> Option<&'a [T]> {
        let Layout { cols, row_stride, col_stride, .. } = self.layout;
        (col_stride == 1).then(|| &self.data[i * row_stride..][..cols])
    }

    /// Row `i`, if it is `N` elements that lie side by side.
    #[inline(always)]
    pub(crate) fn row<const N: usize>(&self, i: usize) -> Option<&'a [T; N]> {
        self.whole_row(i)?.try_into().ok()
    }

    /// The same elements with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self { layout: self.layout.transposed(), ..self }
    }

    /// Some of the rows.
    pub fn rows(self, range: Range<usize>) -> Self {
        let cols = 0..self.layout.cols;
        self.block(range, cols)
    }

    /// Some of the columns.
    pub fn cols(self, range: Range<usize>) -> Self {
        let rows = 0..self.layout.rows;
        self.block(rows, range)
    }

    fn block(self, rows: Range<usize>, cols: Range<usize>) -> Self {
        let (offset, layout) = self.layout.block(&rows, &cols);
        Self { data: &self.data[offset..], layout }
    }
}

impl<'a, T> MatrixMut<'a, T> {
    /// The first `rows · cols` elements of `data`, row by row.
    ///
    /// # Panics
    /// If `data` has fewer.
    pub fn new(data: &'a mut [T], rows: usize, cols: usize) -> Self {
        Self::with_strides(data, rows, cols, cols, 1)
    }

    /// Elements at strides that give each a place of its own.
    ///
    /// # Panics
    /// If the last element lies beyond `data`, or the strides may put two elements in one place.
    pub fn with_strides(data: &'a mut [T], rows: usize, cols: usize, row_stride: usize, col_stride: usize) -> Self {
        let layout = Layout { rows, cols, row_stride, col_stride }.check(data.len());
        assert!(
            layout.is_distinct(),
            "matrix ({rows}, {cols}) with strides ({row_stride}, {col_stride}) has two elements in one place"
        );
        Self { data, layout }
    }

    /// The same elements with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        Self { layout: self.layout.transposed(), ..self }
    }

    /// Some of the rows.
    pub fn rows(self, range: Range<usize>) -> Self {
        let cols = 0..self.layout.cols;
        self.block(range, cols)
    }

    /// Some of the columns.
    pub fn cols(self, range: Range<usize>) -> Self {
        let rows = 0..self.layout.rows;
        self.block(rows, range)
    }

    fn block(self, rows: Range<usize>, cols: Range<usize>) -> Self {
        let (offset, layout) = self.layout.block(&rows, &cols);
        Self { data: &mut self.data[offset..], layout }
    }
}
