//! Products with packed columns against the general product.

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::Team;
use inkgrad_kernels::cpu::gemm::{gemm, gemm_scratch_len};
use inkgrad_kernels::cpu::matrix::Matrix;
use inkgrad_kernels::cpu::matrix::MatrixMut;
use inkgrad_kernels::cpu::packed::*;

fn check<T: Float>(rows: usize, k: usize, n: usize) {
    // Small whole numbers: sums are exact in any order.
    let numbers = |len: usize, seed: usize| -> Vec<T> {
        (0..len).map(|i| T::from_f64(((i * 7919 + seed) % 9) as f64 - 4.0)).collect()
    };
    let (a, b) = (numbers(rows * (k + 3), 1), numbers(k * n, 2));
    let mut space = vec![T::ZERO; packed_len(k, n)];
    let whole = Matrix::new(&b, n, k).transposed();
    let (top, bottom) = (whole.rows(0..k / 3), whole.rows(k / 3..k));
    let packed = Packed::new(&Team::solo(), &[top, bottom], &mut space);
    let before = numbers(rows * (n + 2), 3);
    for add in [false, true] {
        let mut found = before.clone();
        multiply(rows, Rows { data: &a, stride: k + 3 }, packed, &mut found, n + 2, add);
        let mut expected = before.clone();
        let a = Matrix::with_strides(&a, rows, k, k + 3, 1);
        let beta = if add { T::ONE } else { T::ZERO };
        let c = MatrixMut::with_strides(&mut expected, rows, n, n + 2, 1);
        let mut scratch = vec![T::ZERO; gemm_scratch_len(rows, k, n)];
        gemm(&Team::solo(), T::ONE, a, Matrix::new(&b, n, k).transposed(), beta, c, &mut scratch);
        assert_eq!(found, expected, "({rows}, {k}) · ({k}, {n})");
    }
}

#[test]
fn equals_the_general_product() {
    for (rows, k, n) in [(1, 1, 1), (4, 3, 16), (7, 28, 112), (33, 300, 17), (70, 513, 40), (32, 256, 31)] {
        check::<f32>(rows, k, n);
        check::<f64>(rows, k, n);
    }
}
