//! y = A·B for matrices in the last two axes, one product for each index of the axes before them, which are equal. Either
//! operand may be stored transposed.
//!
//! - CPU: `kernels/src/cpu/gemm.rs`
//! - GPU: `kernels/ptx/gemm.ptx`, `kernels/ptx/gemm_tensor.ptx`
//! - PyTorch: `matmul` in `ops.json`

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::Team;
use inkgrad_kernels::cpu::gemm::{gemm, gemm_scratch_len};
use inkgrad_kernels::cpu::matrix::{Matrix, MatrixMut};
use inkgrad_kernels::gpu::{self, Launches, Span, Target, gemm::Epilogue};

use super::case::{Spec, case};
use crate::device::op::{DeviceBackward, DeviceForward, DeviceOp};
use crate::inspect::Attribute;
use crate::op::{Backward, Forward, Memory, Op, Reads};
use crate::{Error, MAX_RANK, Result, Shape, Tape, Tensor};

/// Which operands of a product lie transposed in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Transposed {
    /// `a: (…, K, M)` instead of `(…, M, K)`.
    pub a: bool,
    /// `b: (…, N, K)` instead of `(…, K, N)`.
    pub b: bool,
}

#[derive(Debug)]
struct MatMul(Transposed);

/// Products of (M, K) and (K, N).
#[derive(Debug, Clone, Copy)]
struct Extents {
    batch: usize,
    m: usize,
    k: usize,
    n: usize,
}

/// The last two extents.
fn matrix(shape: Shape) -> Option<[usize; 2]> {
    shape.dims().last_chunk().copied()
}

impl MatMul {
    fn extents(&self, shapes: &[Shape]) -> Extents {
        let ([a0, a1], [b0, b1]) = matrix(shapes[0]).zip(matrix(shapes[1])).expect("the shape rule has seen two axes");
        let ((m, k), n) = (if self.0.a { (a1, a0) } else { (a0, a1) }, if self.0.b { b0 } else { b1 });
        Extents { batch: shapes[0].len() / (a0 * a1), m, k, n }
    }
}

impl Extents {
    /// Multiplications below which a product is one thread's work, if there are several.
    const SMALL: usize = 1 << 20;

    /// Products that are a thread's work at a time; `None` where each is shared by all threads.
    fn group(self) -> Option<usize> {
        let work = self.m * self.k * self.n;
        (self.batch > 1 && work < Self::SMALL).then(|| (Self::SMALL / 8).div_ceil(work))
    }

    /// Elements of scratch for products of (m, k) and (k, n).
    fn scratch_len(self, m: usize, k: usize, n: usize) -> usize {
        if self.group().is_some() { 0 } else { gemm_scratch_len(m, k, n) }
    }

    /// Numbers of scratch on a GPU, for y, da and db: its products come one after the other.
    fn device_scratch_len(self) -> [usize; 3] {
        use gpu::gemm::gemm_scratch_len;
        let Extents { m, k, n, .. } = self;
        [gemm_scratch_len(m, k, n), gemm_scratch_len(m, n, k), gemm_scratch_len(k, m, n)]
    }
}

/// A batch of matrices, `rows` × `cols` as they lie in memory, and whether each is read transposed.
struct Batch<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    transposed: bool,
}

impl<'a, T> Batch<'a, T> {
    fn new(data: &'a [T], (rows, cols): (usize, usize), transposed: bool) -> Self {
        // As it lies: the other way round where it is transposed.
        let (rows, cols) = if transposed { (cols, rows) } else { (rows, cols) };
        Batch { data, rows, cols, transposed }
    }

    fn transposed(self) -> Self {
        Batch { transposed: !self.transposed, ..self }
    }

    fn at(&self, i: usize) -> Matrix<'a, T> {
        let len = self.rows * self.cols;
        let matrix = Matrix::new(&self.data[i * len..], self.rows, self.cols);
        if self.transposed { matrix.transposed() } else { matrix }
    }
}

/// C = A·B for each of the batch, or added; C (rows, cols) lies transposed where `turned` says so.
#[allow(clippy::too_many_arguments)]
fn products<T: Float>(
    team: &Team,
    group: Option<usize>,
    a: &Batch<'_, T>,
    b: &Batch<'_, T>,
    (rows, cols): (usize, usize),
    turned: bool,
    (c, add): (&mut [T], bool),
    scratch: &mut [T],
) {
    let (beta, len) = (if add { T::ONE } else { T::ZERO }, rows * cols);
    let one = |team: &Team, i: usize, c: &mut [T], scratch: &mut [T]| {
        let c = if turned { MatrixMut::new(c, cols, rows).transposed() } else { MatrixMut::new(c, rows, cols) };
        gemm(team, T::ONE, a.at(i), b.at(i), beta, c, scratch);
    };
    match group {
        None => c.chunks_exact_mut(len).enumerate().for_each(|(i, c)| one(team, i, c, scratch)),
        Some(group) => team.pieces([(c, group * len)], |piece, [c]| {
            let all = c.chunks_exact_mut(len).enumerate();
            all.for_each(|(i, c)| one(&team.alone(), piece * group + i, c, &mut []));
        }),
    }
}

impl<T: Float> Op<T> for MatMul {
    fn name(&self) -> &'static str {
        SPEC.name
    }

    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![("transposed_a", Attribute::Flag(self.0.a)), ("transposed_b", Attribute::Flag(self.0.b))]
    }

    fn on_device(&self) -> Option<&dyn DeviceOp> {
        Some(self)
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let (a, b) = (inputs[0], inputs[1]);
        let refuse = |expected: &str| {
            let lies = |transposed: bool| if transposed { ", transposed" } else { "" };
            let problem = format!("a is {a}{}, b {b}{}, expected {expected}", lies(self.0.a), lies(self.0.b));
            Err(Error::shape(SPEC.name, problem))
        };
        if a.rank() < 2 || a.rank() != b.rank() {
            return refuse("as many axes of each, at least two");
        }
        let outer = a.rank() - 2;
        if a.dims()[..outer] != b.dims()[..outer] {
            return refuse("equal axes but for the last two");
        }
        let Extents { m, k, n, .. } = self.extents(inputs);
        let [b0, b1] = matrix(b).expect("two axes");
        if k != if self.0.b { b1 } else { b0 } {
            return refuse("(…, M, K) and (…, K, N)");
        }
        let mut dims = [0; MAX_RANK];
        dims[..outer].copy_from_slice(&a.dims()[..outer]);
        dims[outer..outer + 2].copy_from_slice(&[m, n]);
        Shape::try_from(&dims[..a.rank()])
    }

    fn memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        let extents @ Extents { m, k, n, .. } = self.extents(inputs);
        Memory {
            saved: 0,
            forward_scratch: extents.scratch_len(m, k, n),
            backward_scratch: extents.scratch_len(m, n, k).max(extents.scratch_len(k, m, n)),
        }
    }

    fn reads(&self) -> Reads {
        Reads::inputs(&[0, 1])
    }

    fn flops(&self, inputs: &[Shape], _: Shape) -> u64 {
        let Extents { batch, m, k, n } = self.extents(inputs);
        2 * (batch * m * k * n) as u64
    }

    fn forward(&self, run: Forward<'_, T>) {
        let extents @ Extents { m, k, n, .. } = self.extents(run.shapes);
        let a = Batch::new(run.x[0], (m, k), self.0.a);
        let b = Batch::new(run.x[1], (k, n), self.0.b);
        products(run.team, extents.group(), &a, &b, (m, n), false, (run.y, false), run.scratch);
    }

    fn backward(&self, mut run: Backward<'_, T>) {
        let extents @ Extents { m, k, n, .. } = self.extents(run.shapes);
        let dy = || Batch::new(run.dy, (m, n), false);
        if let Some(da) = run.dx.take(0) {
            // dA = dy · Bᵀ
            let b = Batch::new(run.x[1], (k, n), self.0.b).transposed();
            products(run.team, extents.group(), &dy(), &b, (m, k), self.0.a, (da.values, da.add), run.scratch);
        }
        if let Some(db) = run.dx.take(1) {
            // dB = Aᵀ · dy
            let a = Batch::new(run.x[0], (m, k), self.0.a).transposed();
            products(run.team, extents.group(), &a, &dy(), (k, n), self.0.b, (db.values, db.add), run.scratch);
        }
    }
}

impl DeviceOp for MatMul {
    fn device_memory(&self, inputs: &[Shape], _: Shape) -> Memory {
        let [y, da, db] = self.extents(inputs).device_scratch_len();
        Memory { saved: 0, forward_scratch: y, backward_scratch: da.max(db) }
    }

    // One launch for each matrix of the batch.
    fn device_forward(&self, run: &DeviceForward<'_>, launches: &mut Launches) {
        use gpu::gemm::{MatrixMut, gemm};
        let Extents { batch, m, k, n } = self.extents(run.shapes);
        for i in 0..batch {
            let (a, b) = (on_device(run.x[0], i, (m, k), self.0.a), on_device(run.x[1], i, (k, n), self.0.b));
            let y = Target::write(run.y.part(i * m * n, m * n));
            gemm(launches, a, b, MatrixMut::new(y, m, n), Epilogue::NONE, run.scratch);
        }
    }

    fn device_backward(&self, run: &DeviceBackward<'_>, launches: &mut Launches) {
        use gpu::gemm::{MatrixMut, gemm};
        let Extents { batch, m, k, n } = self.extents(run.shapes);
        for i in 0..batch {
            let (a, b) = (on_device(run.x[0], i, (m, k), self.0.a), on_device(run.x[1], i, (k, n), self.0.b));
            let dy = on_device(run.dy, i, (m, n), false);
            let part = |to: Target, len: usize| Target { span: to.span.part(i * len, len), ..to };
            if let Some(da) = run.dx[0].map(|da| part(da, m * k)) {
                // dA = dy · Bᵀ, or dAᵀ = B · dyᵀ
                let (left, right, rows, cols) =
                    if self.0.a { (b, dy.transposed(), k, m) } else { (dy, b.transposed(), m, k) };
                gemm(launches, left, right, MatrixMut::new(da, rows, cols), Epilogue::NONE, run.scratch);
            }
            if let Some(db) = run.dx[1].map(|db| part(db, k * n)) {
                // dB = Aᵀ · dy, or dBᵀ = dyᵀ · A
                let (left, right, rows, cols) =
                    if self.0.b { (dy.transposed(), a, n, k) } else { (a.transposed(), dy, k, n) };
                gemm(launches, left, right, MatrixMut::new(db, rows, cols), Epilogue::NONE, run.scratch);
            }
        }
    }
}

/// Matrix `i` of a batch of `rows` × `cols`, which lie transposed or not.
fn on_device(data: Span, i: usize, (rows, cols): (usize, usize), transposed: bool) -> gpu::gemm::Matrix {
    let len = rows * cols;
    let data = data.part(i * len, len);
    if transposed {
        gpu::gemm::Matrix::new(data, cols, rows).transposed()
    } else {
        gpu::gemm::Matrix::new(data, rows, cols)
    }
}

impl<T: Float> Tape<T> {
    /// A·B: `a: (…, M, K)` and `b: (…, K, N)` to `(…, M, N)`, two to six axes, those before the last two equal.
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn matmul(&mut self, a: Tensor, b: Tensor) -> Result<Tensor> {
        self.matmul_with(a, b, Transposed::default())
    }

    /// [`Tape::matmul`] of operands that lie transposed in memory.
    ///
    /// ```
    /// use inkgrad_engine::ops::Transposed;
    /// use inkgrad_engine::prelude::*;
    ///
    /// // Scores of attention: every query with every key, for 8 sequences and 4 heads.
    /// let mut tape = Tape::<f32>::new();
    /// let (queries, keys) = (tape.input("q", [8, 4, 10, 16]), tape.input("k", [8, 4, 12, 16]));
    /// let scores = tape.matmul_with(queries, keys, Transposed { a: false, b: true })?;
    /// assert_eq!(tape.shape(scores), Shape::from([8, 4, 10, 12]));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes do not fit.
    pub fn matmul_with(&mut self, a: Tensor, b: Tensor, transposed: Transposed) -> Result<Tensor> {
        self.record(MatMul(transposed), &[a, b])
    }
}

pub(super) const SPEC: Spec = Spec {
    name: "matmul",
    formula: "y = A·B, either transposed on request",
    draw: |draw| {
        let outer = draw.whole(0, 4);
        let mut dims: Vec<usize> = (0..outer).map(|_| draw.whole(1, 3)).collect();
        let [m, k, n] = [0; 3].map(|_| draw.extent());
        let transposed = Transposed { a: draw.coin(), b: draw.coin() };
        let mut shape = |rows: usize, cols: usize, transposed: bool| {
            dims.truncate(outer);
            dims.extend(if transposed { [cols, rows] } else { [rows, cols] });
            Shape::try_from(&dims[..]).expect("at most six axes")
        };
        let (a, b) = (shape(m, k, transposed.a), shape(k, n, transposed.b));
        let label = format!("a {a}, b {b}, {transposed:?}");
        case!(label, vec![draw.values(a), draw.weights(b, k)], |tape, x| tape.matmul_with(x[0], x[1], transposed))
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, Compile, Params, Pool};

    /// Large products, which all threads share, and many small ones, against the sum over k; at 1 and 3 threads.
    #[test]
    fn products_of_any_size_are_the_sums() {
        for (batch, [m, k, n]) in [(1, [130, 90, 120]), (2, [110, 100, 130]), (2, [40, 4000, 30]), (300, [5, 7, 3])] {
            for transposed in [Transposed::default(), Transposed { a: true, b: true }] {
                let mut tape = Tape::<f64>::new();
                let a = tape.input("a", if transposed.a { [batch, k, m] } else { [batch, m, k] });
                let b = tape.input("b", if transposed.b { [batch, n, k] } else { [batch, k, n] });
                let y = tape.matmul_with(a, b, transposed).unwrap();
                let mut plan = tape.compile(Compile { keep: &[y], ..Compile::default() });
                // Whole numbers, so that sums are exact.
                let at = |seed: usize, i: usize| ((i * 7919 + seed) % 11) as f64 - 5.0;
                plan.input(a).iter_mut().enumerate().for_each(|(i, x)| *x = at(1, i));
                plan.input(b).iter_mut().enumerate().for_each(|(i, x)| *x = at(2, i));
                for threads in [1, 3] {
                    Pool::new(threads).enter(|team| plan.forward(&Params::new(), team, Clock::default()));
                    for (at_y, &found) in plan.value(y).iter().enumerate().step_by(17) {
                        let (i, r, c) = (at_y / (m * n), at_y / n % m, at_y % n);
                        let a_at = |s: usize| i * m * k + if transposed.a { s * m + r } else { r * k + s };
                        let b_at = |s: usize| i * k * n + if transposed.b { c * k + s } else { s * n + c };
                        let expected: f64 = (0..k).map(|s| at(1, a_at(s)) * at(2, b_at(s))).sum();
                        assert_eq!(found, expected, "{batch} products of ({m}, {k}) and ({k}, {n})");
                    }
                }
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_named() {
        let mut tape = Tape::<f32>::new();
        let mut refused = |a: &[usize], b: &[usize], transposed| {
            let [a, b] = [a, b].map(|dims| tape.input("x", Shape::try_from(dims).unwrap()));
            tape.matmul_with(a, b, transposed).unwrap_err().to_string()
        };
        let plain = Transposed::default();
        assert_eq!(refused(&[2, 3], &[2, 3], plain), "matmul: a is (2, 3), b (2, 3), expected (…, M, K) and (…, K, N)");
        assert_eq!(
            refused(&[2, 3], &[2, 3], Transposed { a: true, b: true }),
            "matmul: a is (2, 3), transposed, b (2, 3), transposed, expected (…, M, K) and (…, K, N)"
        );
        assert_eq!(
            refused(&[4, 2, 3], &[5, 3, 2], plain),
            "matmul: a is (4, 2, 3), b (5, 3, 2), expected equal axes but for the last two"
        );
        assert_eq!(refused(&[3], &[3], plain), "matmul: a is (3), b (3), expected as many axes of each, at least two");
    }
}
