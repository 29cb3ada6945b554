//! Products of matrices against the triple loop, and how they are split.

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::Pool;
use inkgrad_kernels::cpu::Team;
use inkgrad_kernels::cpu::gemm::*;
use inkgrad_kernels::cpu::matrix::Matrix;
use inkgrad_kernels::cpu::matrix::MatrixMut;
use proptest::prelude::*;

/// Whole numbers from −4 to 4, whose products are exact in any order of adding, so that results can be compared
/// for equality.
fn numbers<T: Float>(len: usize, seed: usize) -> Vec<T> {
    (0..len).map(|i| T::from_f64(((i * 7919 + seed * 104_729 + i * i % 31) % 9) as f64 - 4.0)).collect()
}

/// `gemm` equals the triple loop on whole numbers, at 1 and 3 threads and with C stored by columns.
fn check<T: Float>(pool: &Pool, (m, k, n): (usize, usize, usize), ta: bool, tb: bool, alpha: f64, beta: f64) {
    let (alpha, beta) = (T::from_f64(alpha), T::from_f64(beta));
    let (a, b) = (numbers::<T>(m * k, 1), numbers::<T>(k * n, 2));
    let a = if ta { Matrix::new(&a, k, m).transposed() } else { Matrix::new(&a, m, k) };
    let b = if tb { Matrix::new(&b, n, k).transposed() } else { Matrix::new(&b, k, n) };
    let before = if beta == T::ZERO { vec![T::from_f64(f64::NAN); m * n] } else { numbers(m * n, 3) };
    let scratch = || vec![T::from_f64(f64::NAN); gemm_scratch_len(m, k, n)];

    let mut expected = before.clone();
    gemm_naive(alpha, a, b, beta, MatrixMut::new(&mut expected, m, n));
    let mut c = before.clone();
    gemm(&Team::solo(), alpha, a, b, beta, MatrixMut::new(&mut c, m, n), &mut scratch());
    assert_eq!(c, expected, "{m}×{k}×{n}");
    c.copy_from_slice(&before);
    pool.enter(|team| gemm(team, alpha, a, b, beta, MatrixMut::new(&mut c, m, n), &mut scratch()));
    assert_eq!(c, expected, "{m}×{k}×{n} on three threads");

    let by_columns = |c: &[T]| -> Vec<T> { (0..m * n).map(|i| c[i % m * n + i / m]).collect() };
    let mut c = by_columns(&before);
    let by_column = MatrixMut::new(&mut c, n, m).transposed();
    gemm(&Team::solo(), alpha, a, b, beta, by_column, &mut scratch());
    assert_eq!(c, by_columns(&expected), "{m}×{k}×{n} by columns");
}

proptest! {
    #![proptest_config(crate::cases(256))]

    #[test]
    fn equals_the_triple_loop(
        size in (1usize..70, 1usize..70, 1usize..70),
        (ta, tb) in any::<(bool, bool)>(),
        alpha in prop::sample::select(vec![1.0, -1.0, 0.5]),
        beta in prop::sample::select(vec![0.0, 1.0, -2.0]),
    ) {
        let pool = Pool::new(3);
        check::<f32>(&pool, size, ta, tb, alpha, beta);
        check::<f64>(&pool, size, ta, tb, alpha, beta);
    }
}

#[test]
fn every_split_equals_the_triple_loop() {
    let pool = Pool::new(3);
    for (size, split) in [
        ((600, 70, 65), Partition::Rows(128)),
        ((37, 70, 900), Partition::Cols(240)),
        ((33, 3001, 40), Partition::Terms(432)),
    ] {
        assert_eq!(Partition::of(size.0, size.1, size.2), split);
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            check::<f32>(&pool, size, ta, tb, 1.0, 1.0);
            check::<f64>(&pool, size, ta, tb, -1.0, 0.0);
        }
    }
}

/// More rows, terms and columns than any kernel takes at a time, and few of each.
#[test]
fn long_and_short_sides_equal_the_triple_loop() {
    let pool = Pool::new(3);
    for size in [(101, 300, 280), (60, 530, 17), (8, 16, 16), (7, 300, 20), (513, 16, 16), (12, 15, 300)] {
        for (ta, tb) in [(false, false), (true, false), (false, true), (true, true)] {
            for beta in [0.0, 1.0] {
                check::<f32>(&pool, size, ta, tb, 1.0, beta);
            }
        }
    }
}

#[test]
fn results_are_the_same_to_the_bit_at_any_number_of_threads() {
    for (m, k, n) in [(600, 70, 65), (37, 70, 900), (33, 3001, 40)] {
        let fractions = |len, seed| numbers::<f32>(len, seed).into_iter().map(|x| x / 7.0).collect::<Vec<f32>>();
        let (a, b) = (fractions(m * k, 1), fractions(k * n, 2));
        let results = [1, 2, 3, 8].map(|threads| {
            let mut c = vec![0.0; m * n];
            let mut scratch = vec![0.0; gemm_scratch_len(m, k, n)];
            Pool::new(threads).enter(|team| {
                let (a, b) = (Matrix::new(&a, m, k), Matrix::new(&b, k, n));
                gemm(team, 1.0, a, b, 0.0, MatrixMut::new(&mut c, m, n), &mut scratch);
            });
            c
        });
        assert!(results.iter().all(|c| c == &results[0]));
    }
}

#[test]
fn a_bias_and_a_relu_change_no_bit_of_a_product() {
    // Not split, and split by rows, columns and terms.
    for (m, k, n) in [(3, 4, 5), (1, 7, 1), (512, 64, 64), (64, 64, 1600), (128, 6272, 32), (48, 4096, 16)] {
        let (a, b, bias) = (numbers::<f32>(m * k, 1), numbers::<f32>(k * n, 2), numbers::<f32>(n, 3));
        let (a, b) = (Matrix::new(&a, m, k), Matrix::new(&b, k, n));
        let mut scratch = vec![f32::NAN; gemm_scratch_len(m, k, n)];
        let mut plain: Vec<f32> = bias.iter().copied().cycle().take(m * n).collect();
        gemm(&Team::solo(), 1.0, a, b, 1.0, MatrixMut::new(&mut plain, m, n), &mut scratch);
        let mut without = vec![f32::NAN; m * n];
        gemm(&Team::solo(), 1.0, a, b, 0.0, MatrixMut::new(&mut without, m, n), &mut scratch);
        for threads in [1, 3] {
            for (bias, relu) in [(Some(&*bias), false), (Some(&*bias), true), (None, true)] {
                let mut found = vec![f32::NAN; m * n];
                Pool::new(threads).enter(|team| {
                    affine(team, a, b, bias, relu, MatrixMut::new(&mut found, m, n), &mut scratch);
                });
                let sums = if bias.is_some() { &plain } else { &without };
                let bits = |x: f32| x.to_bits();
                let expected = sums.iter().map(|&x| if relu { x.max(0.0) } else { x });
                assert!(found.iter().copied().map(bits).eq(expected.map(bits)), "({m}, {k}, {n}), {threads}, {relu}");
            }
        }
    }
}

#[test]
fn blocks_and_strides_take_the_elements_they_name() {
    let data = numbers::<f64>(8 * 10, 4);
    let whole = Matrix::new(&data, 8, 10);
    let (a, b) = (whole.rows(2..5).cols(1..7), whole.transposed().rows(4..10).cols(3..5));
    let mut c = vec![1.0; 100];
    gemm(&Team::solo(), 1.0, a, b, 1.0, MatrixMut::new(&mut c, 10, 10).rows(4..7).cols(8..10), &mut []);
    let mut expected = vec![1.0; 6];
    gemm_naive(1.0, a, b, 1.0, MatrixMut::new(&mut expected, 3, 2));
    for (i, &x) in c.iter().enumerate() {
        let (row, col) = (i / 10, i % 10);
        let inside = (4..7).contains(&row) && col >= 8;
        assert_eq!(x, if inside { expected[(row - 4) * 2 + col - 8] } else { 1.0 });
    }
}

#[test]
fn empty_matrices() {
    let mut c = [3.0f32, 4.0];
    let c_matrix = MatrixMut::new(&mut c, 1, 2);
    gemm(&Team::solo(), 1.0, Matrix::new(&[], 1, 0), Matrix::new(&[], 0, 2), 2.0, c_matrix, &mut []);
    assert_eq!(c, [6.0, 8.0]);
    gemm(
        &Team::solo(),
        1.0,
        Matrix::new(&[], 0, 2),
        Matrix::new(&[0.0; 6], 2, 3),
        0.0,
        MatrixMut::new(&mut [], 0, 3),
        &mut [],
    );
}
