//! Matrix products, all behind one function that decides by the shape alone how to split the work.
//!
//! The arithmetic is matrixmultiply's, or, with AVX-512 and few rows, our own (`blocked.rs`). Both pack operands in a buffer that is
//! allocated each call, so the split also decides what is packed more than once.

use std::cell::Cell;
use std::ops::Range;
use std::slice;

use super::activation::relu_in_place;
use super::matrix::{Layout, Matrix, MatrixMut};
use super::team::Team;
use crate::Float;

/// Elements of C that are worth a task where partial products are added up.
const SUMS: usize = 1 << 14;

/// How a product is split into tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partition {
    /// Not at all.
    Serial,
    /// Into blocks of this many rows of C; each task packs all of B.
    Rows(usize),
    /// Into blocks of this many columns of C; each task packs all of A.
    Cols(usize),
    /// Into chunks of this many terms of each sum; the partial products are added in order.
    Terms(usize),
}

impl Partition {
    /// Multiplications below which a product is not split: some 20 µs of one core.
    const SERIAL_BELOW: usize = 1 << 20;
    /// Multiplications that are worth a task of their own.
    const TASK: usize = 1 << 19;
    const MAX_TASKS: usize = 8;
    /// Rows or columns of a task: below the first, packing costs as much as multiplying; the second is nearly free of it.
    const MIN_BLOCK: usize = 64;
    const GOOD_BLOCK: usize = 128;
    /// Terms of a task: matrixmultiply's own chunk.
    const MIN_TERMS: usize = 256;

    /// The split for C (m, n) = A (m, k) · B (k, n), from the shape alone, so that results do not depend on the number
    /// of threads.
    ///
    /// Rows pack B again for each task, columns A, terms write and read C again: what touches the fewest elements
    /// wins, if that dimension is long enough to be cut.
    pub fn of(m: usize, k: usize, n: usize) -> Self {
        let work = m * k * n;
        if work < Self::SERIAL_BELOW {
            return Partition::Serial;
        }
        let tasks = (work / Self::TASK).min(Self::MAX_TASKS);
        let block = |len: usize, least: usize| len.div_ceil(tasks).max(least).next_multiple_of(16);
        let narrow = |len: usize| (len / 2).clamp(Self::MIN_BLOCK, Self::GOOD_BLOCK);
        let cut = |len: usize, block: usize| len.div_ceil(block);
        // As many chunks of terms as are that long, and all alike: 784 terms are four of 208 at most, not three of 256 and one of 16.
        let alike = |block: usize| k.div_ceil(cut(k, block)).next_multiple_of(16);
        let (rows, cols, terms) = (block(m, narrow(m)), block(n, narrow(n)), alike(block(k, Self::MIN_TERMS)));
        // Sorted by cost, ties in this order. A cut into fewer than four is taken only where nothing else can be cut.
        let mut choices = [
            (cut(m, rows), k * n, Partition::Rows(rows)),
            (cut(n, cols), m * k, Partition::Cols(cols)),
            (cut(k, terms), 2 * m * n, Partition::Terms(terms)),
        ];
        choices.sort_by_key(|&(tasks, cost, _)| (std::cmp::Reverse(tasks.min(4)), cost));
        match choices[0] {
            (0 | 1, ..) => Partition::Serial,
            (_, _, split) => split,
        }
    }
}

/// Elements of `scratch` that [`gemm`] needs for A (m, k) and B (k, n): partial products, where a small C has long sums.
pub fn gemm_scratch_len(m: usize, k: usize, n: usize) -> usize {
    match Partition::of(m, k, n) {
        Partition::Terms(chunk) => (k.div_ceil(chunk) - 1) * m * n,
        Partition::Serial | Partition::Rows(_) | Partition::Cols(_) => 0,
    }
}

/// C ← alpha · A·B + beta · C, with A (m, k), B (k, n), C (m, n); where beta is 0, C is not read.
///
/// Split over the team by the shape alone: the result is the same to the bit for any number of threads. A caller that
/// is itself one of several tasks passes [`Team::alone`]. A team of [`Pool::with_bf16`](super::Pool::with_bf16) rounds factors of
/// `f32` to bf16, where alpha is 1, beta 0 or 1, and C's rows or columns lie together. `scratch` has arbitrary content, and at least
/// [`gemm_scratch_len`] elements. Allocates for [packing], which is freed on return.
///
/// # Panics
/// If the shapes do not fit together, or `scratch` is too short.
pub fn gemm<T: Float>(team: &Team, alpha: T, a: Matrix<T>, b: Matrix<T>, beta: T, c: MatrixMut<T>, scratch: &mut [T]) {
    product(team, alpha, a, b, beta, c, scratch, Around { bias: None, relu: false });
}

/// C ← A·B + bias, one for each column, and max(C, 0) where `relu` says so; C's columns lie together. In the cache both cost little where a
/// task's block of C is, and each a pass over memory elsewhere. The numbers are those of C filled with the bias, [`gemm`] with beta 1,
/// and the ReLU, to the bit.
///
/// # Panics
/// As [`gemm`], or if the bias has another length than C's rows, or C's columns do not lie together.
#[allow(clippy::too_many_arguments)]
pub fn affine<T: Float>(
    team: &Team,
    a: Matrix<T>,
    b: Matrix<T>,
    bias: Option<&[T]>,
    relu: bool,
    c: MatrixMut<T>,
    scratch: &mut [T],
) {
    let (n, Layout { row_stride, col_stride, .. }) = (c.layout.cols, c.layout);
    assert!(bias.is_none_or(|bias| bias.len() == n), "affine: a bias of another length than {n}");
    assert!(col_stride == 1 && row_stride == n, "affine: the columns of C do not lie together");
    let beta = if bias.is_some() { T::ONE } else { T::ZERO };
    product(team, T::ONE, a, b, beta, c, scratch, Around { bias, relu });
}

/// A block of C before its product, and after.
#[derive(Clone, Copy)]
struct Around<'a, T> {
    bias: Option<&'a [T]>,
    relu: bool,
}

#[allow(clippy::too_many_arguments)]
fn product<T: Float>(
    team: &Team,
    alpha: T,
    a: Matrix<T>,
    b: Matrix<T>,
    beta: T,
    c: MatrixMut<T>,
    scratch: &mut [T],
    around: Around<'_, T>,
) {
    let (m, k, n) = check_shapes(&a, &b, &c);
    let target = Target { start: c.data.as_mut_ptr(), layout: c.layout };
    let bf16 = team.bf16();
    match Partition::of(m, k, n) {
        Partition::Serial => {
            // SAFETY: `c` is borrowed mutably here and used by this call alone.
            unsafe { target.between(around, 0..n, |target| target.multiply(bf16, alpha, a, b, beta)) }
        }
        Partition::Rows(block) => team.run(m.div_ceil(block), |i| {
            let rows = i * block..m.min((i + 1) * block);
            // SAFETY: blocks of different tasks share no rows.
            unsafe {
                let block = target.block(rows.clone(), 0..n);
                block.between(around, 0..n, |block| block.multiply(bf16, alpha, a.rows(rows), b, beta));
            }
        }),
        Partition::Cols(block) => team.run(n.div_ceil(block), |i| {
            let cols = i * block..n.min((i + 1) * block);
            // SAFETY: blocks of different tasks share no columns.
            unsafe {
                let block = target.block(0..m, cols.clone());
                block.between(around, cols.clone(), |block| block.multiply(bf16, alpha, a, b.cols(cols), beta));
            }
        }),
        Partition::Terms(chunk) => {
            // The first chunk goes to C itself, the others to products of their own.
            let needed = gemm_scratch_len(m, k, n);
            assert!(needed <= scratch.len(), "gemm: scratch of {} elements, expected {needed}", scratch.len());
            let partial = &mut scratch[..needed];
            let products = Target::new(partial, k.div_ceil(chunk) - 1, m * n);
            team.run(k.div_ceil(chunk), |i| {
                let terms = i * chunk..k.min((i + 1) * chunk);
                let (a, b) = (a.cols(terms.clone()), b.rows(terms));
                let Some(row) = i.checked_sub(1) else {
                    let first = Around { relu: false, ..around };
                    // SAFETY: only the first task writes C.
                    return unsafe { target.between(first, 0..n, |target| target.multiply(bf16, alpha, a, b, beta)) };
                };
                let start = products.block(row..row + 1, 0..m * n).start;
                let product = Target { start, layout: Layout { rows: m, cols: n, row_stride: n, col_stride: 1 } };
                // SAFETY: each task has m·n elements of `partial` for itself.
                unsafe { product.multiply(bf16, alpha, a, b, T::ZERO) }
            });
            let partial = &*partial;
            if c.layout.col_stride == 1 && c.layout.row_stride == n {
                team.pieces([(&mut c.data[..m * n], SUMS)], |i, [c]| {
                    for product in partial.chunks_exact(m * n) {
                        c.iter_mut().zip(&product[i * SUMS..]).for_each(|(c, &x)| *c += x);
                    }
                    if around.relu {
                        relu_in_place(c);
                    }
                });
                return;
            }
            for product in partial.chunks_exact(m * n) {
                for (i, row) in product.chunks_exact(n).enumerate() {
                    for (j, &x) in row.iter().enumerate() {
                        c.data[i * c.layout.row_stride + j * c.layout.col_stride] += x;
                    }
                }
            }
        }
    }
}

/// [`gemm`] as the triple loop that it is, on one thread: the reference that it is tested against.
///
/// # Panics
/// If the shapes do not fit together.
pub fn gemm_naive<T: Float>(alpha: T, a: Matrix<T>, b: Matrix<T>, beta: T, c: MatrixMut<T>) {
    let (m, k, n) = check_shapes(&a, &b, &c);
    for i in 0..m {
        for j in 0..n {
            let sum: T = (0..k).map(|p| a.at(i, p) * b.at(p, j)).sum();
            let place = &mut c.data[i * c.layout.row_stride + j * c.layout.col_stride];
            *place = alpha * sum + if beta == T::ZERO { T::ZERO } else { beta * *place };
        }
    }
}

/// The sizes (m, k, n) of A (m, k) · B (k, n) into C (m, n).
#[track_caller]
fn check_shapes<T>(a: &Matrix<T>, b: &Matrix<T>, c: &MatrixMut<T>) -> (usize, usize, usize) {
    let (m, k, n) = (a.layout.rows, a.layout.cols, b.layout.cols);
    assert!(
        b.layout.rows == k && c.layout.rows == m && c.layout.cols == n,
        "gemm: A ({m}, {k}) · B ({}, {n}) into C ({}, {})",
        b.layout.rows,
        c.layout.rows,
        c.layout.cols,
    );
    (m, k, n)
}

thread_local! {
    static PACKING: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread is inside a product, whose buffer for packing is all that a training step allocates.
/// For a counting allocator to ask.
pub fn packing() -> bool {
    PACKING.get()
}

/// The matrix that tasks write, each a block of its own.
#[derive(Clone, Copy)]
struct Target<T> {
    start: *mut T,
    layout: Layout,
}

// SAFETY: the pointer is written through `multiply` only, whose callers give each element to one thread.
unsafe impl<T: Send> Sync for Target<T> {}

impl<T: Float> Target<T> {
    fn new(data: &mut [T], rows: usize, cols: usize) -> Self {
        let c = MatrixMut::new(data, rows, cols);
        Self { start: c.data.as_mut_ptr(), layout: c.layout }
    }

    fn block(&self, rows: Range<usize>, cols: Range<usize>) -> Self {
        let (offset, layout) = self.layout.block(&rows, &cols);
        // `wrapping_add`, since an empty matrix has no element to point to.
        Self { start: self.start.wrapping_add(offset), layout }
    }

    /// Fills this matrix with its columns' bias, if there is one, calls `f`, and takes the ReLU where it is asked for.
    ///
    /// # Safety
    /// As of [`Target::multiply`]; where there is a bias or a ReLU, the matrix' columns lie together.
    unsafe fn between(&self, Around { bias, relu }: Around<'_, T>, cols: Range<usize>, f: impl FnOnce(&Self)) {
        let rows = || {
            (0..self.layout.rows).map(|row| {
                // SAFETY: a row of a block of the matrix, whose columns lie together; no other slice of it is alive.
                unsafe { slice::from_raw_parts_mut(self.start.add(row * self.layout.row_stride), self.layout.cols) }
            })
        };
        if let Some(bias) = bias {
            rows().for_each(|row| row.copy_from_slice(&bias[cols.clone()]));
        }
        f(self);
        if relu {
            rows().for_each(relu_in_place);
        }
    }

    /// This matrix ← alpha · A·B + beta · this matrix, on the calling thread.
    ///
    /// # Safety
    /// The data is still borrowed mutably by whoever made this, and no other thread touches these elements.
    unsafe fn multiply(&self, bf16: bool, alpha: T, a: Matrix<T>, b: Matrix<T>, beta: T) {
        debug_assert!(a.layout.rows == self.layout.rows && b.layout.cols == self.layout.cols);
        debug_assert!(a.layout.cols == b.layout.rows);
        let size = (a.layout.rows, a.layout.cols, b.layout.cols);
        let strides = |layout: Layout| (layout.row_stride as isize, layout.col_stride as isize);
        let ((ar, ac), (br, bc), (cr, cc)) = (strides(a.layout), strides(b.layout), strides(self.layout));
        PACKING.set(true);
        let plain = alpha == T::ONE && (beta == T::ZERO || beta == T::ONE) && a.layout.cols > 0;
        if bf16 && T::IN_BF16 && plain {
            let (c, add) = (self.layout, beta == T::ONE);
            // Cᵀ = Bᵀ·Aᵀ
            let (a, b, row, by_rows) = match c.col_stride {
                1 => (a, b, c.row_stride, true),
                _ => (b.transposed(), a.transposed(), c.col_stride, c.row_stride == 1),
            };
            if by_rows {
                // SAFETY: C's elements are distinct, and this call's alone.
                unsafe { T::multiply_in_bf16(a, b, self.start, row, add) }
                PACKING.set(false);
                return;
            }
        }
        // SAFETY: each layout was checked against its slice when the matrix was made, and blocks lie within; C's
        // elements are distinct; the slices of A and B cannot overlap C's, which is borrowed mutably.
        unsafe {
            T::gemm(size, alpha, (a.data.as_ptr(), ar, ac), (b.data.as_ptr(), br, bc), beta, (self.start, cr, cc))
        }
        PACKING.set(false);
    }
}
