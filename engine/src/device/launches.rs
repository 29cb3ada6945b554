//! Lists of launches: what a step on a GPU is made of. The list is data; whoever runs it knows no operation.

use inkgrad_kernels::launch::{Arg, Buffer, Launch};

/// Numbers in device memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Where the first one lies.
    pub address: u64,
    /// How many `f32`.
    pub len: usize,
}

impl Span {
    /// The `len` numbers from `first` on.
    ///
    /// # Panics
    /// If they are not all within the span.
    pub fn part(self, first: usize, len: usize) -> Span {
        assert!(first + len <= self.len, "{first} and {len} more of {} numbers", self.len);
        Span { address: self.address + 4 * first as u64, len }
    }

    /// Cuts the span in two.
    pub fn split(self, first: usize) -> (Span, Span) {
        (self.part(0, first), self.part(first, self.len - first))
    }

    /// As an argument that is read.
    pub fn read(self) -> Arg {
        Arg::Buffer(Buffer::read(self.address, 4 * self.len as u64))
    }

    /// As an argument that is written without having been read.
    pub fn write(self) -> Arg {
        Arg::Buffer(Buffer::write(self.address, 4 * self.len as u64))
    }

    /// As an argument of which a part is written, or that is read and written.
    pub fn update(self) -> Arg {
        Arg::Buffer(Buffer::read_write(self.address, 4 * self.len as u64))
    }
}

/// The argument for a pointer that is not given.
pub const NONE: Arg = Arg::U64(0);

/// A span that may not be given, as an argument that is read.
pub fn read_or_none(span: Option<Span>) -> Arg {
    span.map_or(NONE, Span::read)
}

/// Where a gradient goes on the device, as [`Gradient`](crate::op::Gradient) on the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The memory.
    pub span: Span,
    /// Whether an earlier writer has been there, so that the gradient is added.
    pub add: bool,
}

impl Target {
    /// A target that is written.
    pub fn write(span: Span) -> Target {
        Target { span, add: false }
    }

    /// As an argument.
    pub fn arg(self) -> Arg {
        if self.add { self.span.update() } else { self.span.write() }
    }

    /// The argument that says whether to add.
    pub fn flag(self) -> Arg {
        Arg::U32(u32::from(self.add))
    }
}

/// A number as a kernel's argument.
pub fn int(n: usize) -> Arg {
    Arg::U32(u32::try_from(n).expect("extents of a tensor fit 32 bits"))
}

/// A matrix in device memory, elements `row` and `column` apart.
#[derive(Debug, Clone, Copy)]
pub struct Strided {
    /// From its first element on.
    pub span: Span,
    /// Elements from one row to the next.
    pub row: usize,
    /// Elements from one column to the next.
    pub column: usize,
}

impl Strided {
    /// A matrix without gaps, `columns` wide.
    pub fn new(span: Span, columns: usize) -> Strided {
        Strided { span, row: columns, column: 1 }
    }

    /// Rows and columns in each other's place.
    pub fn transposed(self) -> Strided {
        Strided { row: self.column, column: self.row, ..self }
    }
}

/// What happens to a product's or convolution's sums before they are stored.
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

    pub(super) fn flags(self, add: bool) -> Arg {
        Arg::U32(u32::from(add) | u32::from(self.relu) << 1)
    }
}

/// Which term [`Launches::sum`] sums; the numbers of the kernel.
#[derive(Debug, Clone, Copy)]
pub enum Term {
    /// x
    Value = 0,
    /// (x − t)²
    SquaredError = 1,
    /// max(x, 0) − x·t + ln(1 + e^−|x|)
    CrossEntropy = 2,
    /// 1 + t − x² − eᵗ
    Divergence = 3,
    /// x²
    Square = 4,
}

/// What [`Launches::loss_backward`] computes; the numbers of the kernel.
#[derive(Debug, Clone, Copy)]
pub enum LossGradient {
    /// x − t
    Difference = 0,
    /// σ(x) − t
    Probability = 1,
    /// x
    Value = 2,
    /// eˣ − 1
    Exponential = 3,
}

/// Threads of a block, but for recurrent layers' and single numbers'.
pub(super) const THREADS: usize = 256;
/// Elements of a block's piece of a long sum.
const PIECE: usize = 4096;
/// Rows of a block's piece of a column sum.
const ROWS: usize = 256;
/// Rows and columns of a product that a block owns.
const TILE: usize = 64;
/// A product with fewer tiles than this is cut along its sums, if they are long.
const FEW_TILES: usize = 64;
/// The shortest part of a sum that is worth a block.
const SLICE: usize = 256;

/// Numbers of scratch for [`Launches::sum`].
pub fn sum_scratch(n: usize) -> usize {
    n.div_ceil(PIECE)
}

/// Numbers of scratch for [`Launches::hits`].
pub fn hits_scratch(rows: usize) -> usize {
    rows + sum_scratch(rows)
}

/// Numbers of scratch for [`Launches::column_sums`].
pub fn column_sums_scratch(rows: usize, columns: usize) -> usize {
    rows.div_ceil(ROWS) * columns
}

/// Into how many parts the sums of a product, of [`Launches::gemm`] or of a convolution's weight gradient, are cut: a matter
/// of its shape alone.
pub(super) fn slices(m: usize, n: usize, k: usize) -> usize {
    let tiles = m.div_ceil(TILE) * n.div_ceil(TILE);
    if tiles >= FEW_TILES { 1 } else { (2 * FEW_TILES / tiles).min(k.div_ceil(SLICE)) }
}

/// Numbers of scratch for [`Launches::gemm`].
pub fn gemm_scratch(m: usize, n: usize, k: usize) -> usize {
    match slices(m, n, k) {
        1 => 0,
        slices => slices * m * n,
    }
}

/// What products compute with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 24 bits of mantissa.
    #[default]
    Fp32,
    /// Factors of 11 bits of mantissa on tensor cores, sums in fp32.
    Tf32,
}

/// Launches in order.
#[derive(Debug, Default)]
pub struct Launches {
    /// What products compute with.
    pub precision: Precision,
    /// The most shared memory that a block may have, in bytes.
    pub shared: usize,
    /// The list.
    pub list: Vec<Launch>,
}

impl Launches {
    /// One thread for each of `n` elements.
    pub fn each(&mut self, entry: &'static str, n: usize, args: impl Into<Vec<Arg>>) {
        self.grid(entry, [n.div_ceil(THREADS), 1, 1], [THREADS, 1, 1], 0, args);
    }

    /// A grid of blocks, each with `shared` bytes of dynamic shared memory.
    pub fn grid(
        &mut self,
        entry: &'static str,
        grid: [usize; 3],
        block: [usize; 3],
        shared: usize,
        args: impl Into<Vec<Arg>>,
    ) {
        if grid.contains(&0) {
            return;
        }
        let fit = |extent: usize| u32::try_from(extent).expect("a grid's extents fit 32 bits");
        self.list.push(Launch {
            entry,
            grid: grid.map(fit),
            block: block.map(fit),
            shared_bytes: fit(shared),
            args: args.into(),
        });
    }

    /// y = c·x, or added.
    pub fn scale(&mut self, x: Span, c: f32, y: Target) {
        self.each("scale", y.span.len, [x.read(), y.arg(), int(y.span.len), Arg::F32(c), y.flag()]);
    }

    /// y = c everywhere, times the number `from` if it is given, or added.
    pub fn fill(&mut self, from: Option<Span>, c: f32, y: Target) {
        self.each("fill", y.span.len, [read_or_none(from), y.arg(), int(y.span.len), Arg::F32(c), y.flag()]);
    }

    /// y\[r·y_row + c\] = x\[(r / repeat)·x_row + c\] for `rows` rows of `width`; `whole` says that nothing of `y` stays.
    #[allow(clippy::too_many_arguments)]
    pub fn copy_rows(
        &mut self,
        (x, x_row): (Span, usize),
        (y, y_row): (Target, usize),
        rows: usize,
        width: usize,
        repeat: usize,
        whole: bool,
    ) {
        let to = if whole { y.arg() } else { y.span.update() };
        let n = rows * width;
        let args = [x.read(), to, int(n), int(width), int(x_row), int(y_row), int(repeat), y.flag()];
        self.each("copy_rows", n, args);
    }

    /// y = scale·Σ term(x, t) over all elements, one number. `scratch`: [`sum_scratch`].
    pub fn sum(&mut self, term: Term, x: Span, t: Option<Span>, scale: f32, y: Span, scratch: Span) {
        let pieces = sum_scratch(x.len);
        let first = if pieces == 1 { y } else { scratch.part(0, pieces) };
        let mut stage = |x: Span, t: Option<Span>, y: Span, blocks: usize, piece: usize, term: Term, scale: f32| {
            let args = [x.read(), read_or_none(t), y.write(), int(x.len), int(piece), int(term as usize)];
            let args: Vec<Arg> = args.into_iter().chain([Arg::F32(scale)]).collect();
            self.grid("sum_terms", [blocks, 1, 1], [THREADS, 1, 1], 0, args);
        };
        stage(x, t, first, pieces, PIECE, term, if pieces == 1 { scale } else { 1.0 });
        if pieces > 1 {
            stage(first, None, y, 1, pieces, Term::Value, scale);
        }
    }

    /// dx = f(x, t)·scale·dy, or added; `dy` is one number.
    pub fn loss_backward(&mut self, f: LossGradient, x: Span, t: Option<Span>, dy: Span, scale: f32, dx: Target) {
        let (x, t, n) = (x.read(), read_or_none(t), dx.span.len);
        let args = [x, t, dy.read(), dx.arg(), int(n), int(f as usize), Arg::F32(scale), dx.flag()];
        self.each("loss_backward", n, args);
    }

    /// y = how many rows of `x: (rows, classes)` are largest at their label. `scratch`: [`hits_scratch`].
    pub fn hits(&mut self, x: Span, labels: Span, y: Span, scratch: Span) {
        let rows = labels.len;
        let (each, scratch) = scratch.split(rows);
        let args = [x.read(), labels.read(), each.write(), int(rows), int(x.len / rows)];
        self.each("hits", rows, args);
        self.sum(Term::Value, each, None, 1.0, y, scratch);
    }

    /// y\[o·inner + c\] = Σₛ x\[o·outer + s·step + c\] over `count` terms, or added.
    pub fn sum_axis(&mut self, x: Span, y: Target, [inner, outer, step, count]: [usize; 4]) {
        let args = [x.read(), y.arg(), int(y.span.len), int(inner), int(outer), int(step), int(count), y.flag()];
        self.each("sum_axis", y.span.len, args);
    }

    /// y = Σ over the rows of `x: (rows, columns)`, or added. `scratch`: [`column_sums_scratch`].
    pub fn column_sums(&mut self, x: Span, columns: usize, y: Target, scratch: Span) {
        let rows = x.len / columns;
        let pieces = rows.div_ceil(ROWS);
        let partial = scratch.part(0, pieces * columns);
        let args = [x.read(), partial.write(), int(rows), int(columns), int(ROWS)];
        self.grid("column_sums", [columns.div_ceil(32), pieces, 1], [32, 8, 1], 0, args);
        self.sum_axis(partial, y, [columns, 0, columns, pieces]);
    }

    /// C = A·B for `a: (m, k)` and `b: (k, n)`, or added, through the epilogue; `ldc` elements from one row of C to the
    /// next. `scratch`: [`gemm_scratch`], of use where C has no gaps and there is no ReLU.
    #[allow(clippy::too_many_arguments)]
    pub fn gemm(
        &mut self,
        [m, n, k]: [usize; 3],
        a: Strided,
        b: Strided,
        c: Target,
        ldc: usize,
        epilogue: Epilogue,
        scratch: Span,
    ) {
        let entry = match self.precision {
            Precision::Fp32 => "gemm",
            Precision::Tf32 => "gemm_tf32",
        };
        let mut product = |c: Target, ldc: usize, epilogue: Epilogue, slices: usize| {
            let slice = k.div_ceil(slices).next_multiple_of(16);
            let slices = k.div_ceil(slice);
            let args = vec![
                a.span.read(),
                b.span.read(),
                c.arg(),
                read_or_none(epilogue.bias),
                int(m),
                int(n),
                int(k),
                int(a.row),
                int(a.column),
                int(b.row),
                int(b.column),
                int(ldc),
                int(slice),
                int(m * n),
                epilogue.flags(c.add),
            ];
            self.grid(entry, [n.div_ceil(TILE), m.div_ceil(TILE), slices], [THREADS, 1, 1], 0, args);
            slices
        };
        let parts = slices(m, n, k);
        if parts == 1 || ldc != n || epilogue.relu {
            product(c, ldc, epilogue, 1);
            return;
        }
        let partial = scratch.part(0, parts * m * n);
        let parts = product(Target::write(partial), n, Epilogue::NONE, parts);
        let partial = partial.part(0, parts * m * n);
        match epilogue.bias {
            None => self.sum_axis(partial, c, [m * n, 0, m * n, parts]),
            Some(bias) => {
                self.copy_rows((bias, 0), (c, n), m, n, 1, true);
                self.sum_axis(partial, Target { add: true, ..c }, [m * n, 0, m * n, parts]);
            }
        }
    }

    /// y\[b\]\[j\]\[i\] = x\[b\]\[i\]\[j\] for `batch` matrices of `rows` × `columns`, or added.
    pub fn transpose(&mut self, x: Span, [batch, rows, columns]: [usize; 3], y: Target) {
        let args = [x.read(), y.arg(), int(rows), int(columns), y.flag()];
        self.grid("transpose", [columns.div_ceil(32), rows.div_ceil(32), batch], [32, 8, 1], 0, args);
    }

    /// The gradient before a fused ReLU, as on the CPU: dy where y > 0, in the first elements of `scratch`, or `dy` itself
    /// where there is no ReLU; with the rest of the scratch.
    pub fn through_relu(&mut self, relu: bool, y: Span, dy: Span, scratch: Span) -> (Span, Span) {
        if !relu {
            return (dy, scratch);
        }
        let (masked, scratch) = scratch.split(dy.len);
        let args = [y.read(), dy.read(), masked.write(), int(dy.len), int(0), int(0)];
        self.each("activation_backward", dy.len, args);
        (masked, scratch)
    }
}
