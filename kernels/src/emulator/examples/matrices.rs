//! Products of matrices, sums along them, and moving their numbers.

use super::{Example, Output, Result, Workshop};
use crate::cpu::conv::Grid;
use crate::cpu::pool::{Pooling, Window};
use crate::gpu::gemm::{self, Epilogue, Matrix, MatrixMut};
use crate::gpu::layout::{self, Rest, Rows, Table};
use crate::gpu::{Precision, Span, Target};
use crate::gpu::{nearest, pool, reduce};
use crate::launch::Buffer;

/// Numbers of a row, where rows are what is counted.
const WIDTH: usize = 8;
/// Rows of a table that is looked up in.
const TABLE: usize = 20;
const CLASSES: usize = 5;

pub(super) const EXAMPLES: &[Example] = &[
    Example {
        entry: "gemm",
        about: "C = A*B by tiles in shared memory, square",
        size: "rows",
        n: 128,
        prepare: |workshop, n| product(workshop, Precision::Fp32, n),
    },
    Example {
        entry: "gemm_tensor",
        about: "C = A*B on tensor cores in fp32, square",
        size: "rows",
        n: 64,
        prepare: |workshop, n| product(workshop.with_tensor_cores(), Precision::Fp32, n),
    },
    Example {
        entry: "gemm_slices",
        about: "three slices of a product put together, with a bias and a ReLU",
        size: "rows",
        n: 40,
        prepare: slices,
    },
    Example {
        entry: "transpose",
        about: "a square matrix turned through shared memory",
        size: "rows",
        n: 64,
        prepare: transpose,
    },
    Example {
        entry: "copy_rows",
        about: "rows of 8 numbers into every second place of rows of 16",
        size: "rows",
        n: 40,
        prepare: copy_rows,
    },
    Example { entry: "embedding", about: "rows of 8 numbers by their class", size: "rows", n: 40, prepare: embedding },
    Example {
        entry: "embedding_backward",
        about: "a class's sum over the rows with it",
        size: "rows",
        n: 40,
        prepare: embedding_backward,
    },
    Example {
        entry: "gather",
        about: "a batch's rows of 8 numbers out of a data set of bytes",
        size: "rows",
        n: 40,
        prepare: gather,
    },
    Example {
        entry: "column_sums",
        about: "sums over the 300 rows of a matrix, by pieces",
        size: "columns",
        n: 40,
        prepare: column_sums,
    },
    Example {
        entry: "relu_backward_sums",
        about: "the gradient before a ReLU of 300 rows, and the sums of its columns, by pieces",
        size: "columns",
        n: 40,
        prepare: relu_backward_sums,
    },
    Example {
        entry: "sum_axis",
        about: "four arrays added one after the other",
        size: "elements",
        n: 300,
        prepare: sum_axis,
    },
    Example {
        entry: "nearest",
        about: "a third of all points, those nearest to each of four, by their distances' bits",
        size: "points",
        n: 300,
        prepare: nearest,
    },
    Example {
        entry: "pool",
        about: "the largest of 3x3 pixels of 8 channels, at every second row and column",
        size: "pixels a side",
        n: 10,
        prepare: pool,
    },
    Example {
        entry: "pool_backward",
        about: "a gradient for each first largest pixel of windows that overlap",
        size: "pixels a side",
        n: 10,
        prepare: pool_backward,
    },
];

/// Windows that overlap and reach into padding.
const WINDOW: Window = Window { kernel: (3, 3), stride: (2, 2), padding: (1, 1) };

fn product(workshop: &mut Workshop, precision: Precision, n: usize) -> Result<Output> {
    let (a, b, c) = (workshop.normal(n * n)?, workshop.normal(n * n)?, workshop.empty(n * n)?);
    let scratch = workshop.empty(gemm::gemm_scratch_len(n, n, n))?;
    workshop.launches.precision = precision;
    let (a, b, to) = (Matrix::new(a, n, n), Matrix::new(b, n, n), MatrixMut::new(Target::write(c), n, n));
    gemm::gemm(&mut workshop.launches, a, b, to, Epilogue::NONE, scratch);
    // A long sum is cut into parts, of which the first stands there.
    Ok(Output::Singles(if scratch.len > 0 { scratch.part(0, n * n) } else { c }))
}

fn slices(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (x, bias, y) = (workshop.normal(3 * n * WIDTH)?, workshop.normal(WIDTH)?, workshop.empty(n * WIDTH)?);
    let (c, epilogue) = (MatrixMut::new(Target::write(y), n, WIDTH), Epilogue { bias: Some(bias), relu: true });
    gemm::add_slices(&mut workshop.launches, x, c, epilogue);
    Ok(Output::Singles(y))
}

fn transpose(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (x, y) = (workshop.normal(n * n)?, workshop.empty(n * n)?);
    layout::transpose(&mut workshop.launches, x, [1, n, n], Target::write(y));
    Ok(Output::Singles(y))
}

fn copy_rows(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (x, y) = (workshop.normal(n * WIDTH)?, workshop.empty(2 * n * WIDTH)?);
    let rows = Rows { rows: n, width: WIDTH, repeat: 1 };
    layout::copy_rows(&mut workshop.launches, rows, (x, WIDTH), (Target::write(y), 2 * WIDTH), Rest::Goes);
    Ok(Output::Singles(y.part(0, WIDTH)))
}

fn embedding(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (w, labels, y) = (workshop.normal(CLASSES * WIDTH)?, workshop.labels(n, CLASSES)?, workshop.empty(n * WIDTH)?);
    layout::embedding(&mut workshop.launches, w, labels, y);
    Ok(Output::Singles(y))
}

fn embedding_backward(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (labels, dy, dw) =
        (workshop.labels(n, CLASSES)?, workshop.normal(n * WIDTH)?, workshop.empty(CLASSES * WIDTH)?);
    layout::embedding_backward(&mut workshop.launches, labels, dy, Target::write(dw));
    Ok(Output::Singles(dw))
}

fn gather(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let bytes: Vec<u8> = (0..TABLE * WIDTH).map(|i| (i * 89 % 256) as u8).collect();
    let index: Vec<u32> = (0..2 * n as u32).map(|i| i * 7 % TABLE as u32).collect();
    let table = Table { data: Buffer::read(workshop.upload(&bytes)?, bytes.len() as u64), bytes: true };
    let index = Buffer::read(workshop.upload(&index)?, 4 * index.len() as u64);
    let (record, y) = (workshop.record(1)?, workshop.empty(n * WIDTH)?);
    layout::gather(&mut workshop.launches, table, index, record, y, WIDTH);
    Ok(Output::Singles(y))
}

fn column_sums(workshop: &mut Workshop, n: usize) -> Result<Output> {
    const ROWS: usize = 300;
    let (x, out) = (workshop.normal(ROWS * n)?, workshop.empty(n)?);
    let scratch = workshop.empty(reduce::column_sums_scratch_len(ROWS, n))?;
    reduce::column_sums(&mut workshop.launches, x, Target::write(out), scratch);
    // The sums of the first piece stand there.
    Ok(Output::Singles(scratch.part(0, n)))
}

fn relu_backward_sums(workshop: &mut Workshop, n: usize) -> Result<Output> {
    const ROWS: usize = 300;
    let (y, dy, dx) = (workshop.normal(ROWS * n)?, workshop.normal(ROWS * n)?, workshop.empty(ROWS * n)?);
    let (sums, scratch) = (workshop.empty(n)?, workshop.empty(reduce::column_sums_scratch_len(ROWS, n))?);
    reduce::relu_backward_sums(&mut workshop.launches, y, dy, dx, Target::write(sums), scratch);
    Ok(Output::Singles(dx))
}

fn nearest(workshop: &mut Workshop, n: usize) -> Result<Output> {
    // One point has no other: two at least.
    let (rows, n) = (4, n.max(2));
    let count = n.div_ceil(3).min(n - 1);
    let (products, norms) = (workshop.normal(rows * n)?, workshop.normal(n)?);
    let (found, limits) = (workshop.empty(rows * count)?, workshop.empty(rows)?);
    nearest::nearest(&mut workshop.launches, products, norms, 0, found, limits);
    Ok(Output::Singles(limits))
}

fn pool(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let picture = Grid { height: n, width: n, channels: WIDTH };
    let (x, y) = (workshop.normal(picture.len())?, workshop.empty(n.div_ceil(2).pow(2) * WIDTH)?);
    pool::pool(&mut workshop.launches, &WINDOW, Pooling::Max, picture, x, y);
    Ok(Output::Singles(y))
}

fn pool_backward(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let picture = Grid { height: n, width: n, channels: WIDTH };
    let (x, dy) = (workshop.normal(picture.len())?, workshop.normal(n.div_ceil(2).pow(2) * WIDTH)?);
    let dx = workshop.empty(picture.len())?;
    pool::pool_backward(&mut workshop.launches, &WINDOW, Pooling::Max, picture, [x, dy], Target::write(dx));
    Ok(Output::Singles(dx))
}

fn sum_axis(workshop: &mut Workshop, n: usize) -> Result<Output> {
    let (x, y) = (workshop.normal(4 * n)?, workshop.empty(n)?);
    reduce::column_sums(&mut workshop.launches, x, Target::write(y), Span::default());
    Ok(Output::Singles(y))
}
