//! Products with factors in bf16 against a triple loop over rounded factors.

use inkgrad_kernels::cpu::bf16::{naive, nearest};
use inkgrad_kernels::cpu::gemm::{gemm, gemm_scratch_len};
use inkgrad_kernels::cpu::matrix::{Matrix, MatrixMut};
use inkgrad_kernels::cpu::packed::{Packed, Rows, multiply, packed_len};
use inkgrad_kernels::cpu::{Pool, rng};
use proptest::prelude::*;

#[test]
fn numbers_are_rounded_to_the_nearest_and_ties_to_even() {
    // Eight bits of mantissa with the first: neighbours of 1 are 1/128 apart.
    let step = 1.0 / 128.0;
    for (x, expected) in [
        (1.0, 1.0),
        (1.0 + 0.49 * step, 1.0),
        (1.0 + 0.5 * step, 1.0),
        (1.0 + 0.51 * step, 1.0 + step),
        (1.0 + 1.5 * step, 1.0 + 2.0 * step),
        (-1.0 - 1.5 * step, -1.0 - 2.0 * step),
        (0.0, 0.0),
        (f32::MAX, f32::INFINITY),
        (f32::NEG_INFINITY, f32::NEG_INFINITY),
    ] {
        assert_eq!(nearest(x), expected, "{x}");
    }
    for bits in [0x7f80_0001, 0xffff_ffff, 0x7fc0_0000] {
        assert!(nearest(f32::from_bits(bits)).is_nan(), "{bits:x}");
    }
}

#[test]
fn a_sum_of_nothing_is_nothing() {
    let mut c = [f32::NAN; 6];
    let (a, b) = (Matrix::new(&[], 2, 0), Matrix::new(&[], 0, 3));
    Pool::new(1).with_bf16(true).enter(|team| gemm(team, 1.0, a, b, 0.0, MatrixMut::new(&mut c, 2, 3), &mut []));
    assert_eq!(c, [0.0; 6]);
}

fn normals(len: usize, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0; len];
    rng::fill_normal(&inkgrad_kernels::cpu::Team::solo(), seed, 1, 0, &mut values);
    values
}

/// Sums of `k` products round in f32, and nothing else rounds.
fn assert_close(found: &[f32], expected: &[f64], k: usize, what: &str) {
    let bound = 1e-6 * (k as f64).sqrt().max(4.0) * 4.0;
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(found) - expected).abs() <= bound, "{what}, place {i}: {found}, expected {expected}");
    }
}

proptest! {
    #![proptest_config(crate::cases(96))]

    #[test]
    fn agrees_with_rounded_factors(
        (m, k, n) in (1usize..60, 1usize..1100, 1usize..300),
        (ta, tb, by_columns, add) in any::<(bool, bool, bool, bool)>(),
        seed: u64,
    ) {
        let (a, b, before) = (normals(m * k, seed), normals(k * n, seed ^ 1), normals(m * n, seed ^ 2));
        let a = if ta { Matrix::new(&a, k, m).transposed() } else { Matrix::new(&a, m, k) };
        let b = if tb { Matrix::new(&b, n, k).transposed() } else { Matrix::new(&b, k, n) };
        let mut expected = naive(a, b);
        if add {
            expected.iter_mut().zip(&before).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        let turned = |c: &[f32]| -> Vec<f32> { (0..m * n).map(|i| c[i % n * m + i / n]).collect() };
        let results: Vec<Vec<f32>> = [1, 3].iter().map(|&threads| {
            let mut c = if by_columns { (0..m * n).map(|i| before[i % m * n + i / m]).collect() } else { before.clone() };
            let mut scratch = vec![f32::NAN; gemm_scratch_len(m, k, n)];
            let to = if by_columns { MatrixMut::new(&mut c, n, m).transposed() } else { MatrixMut::new(&mut c, m, n) };
            let beta = if add { 1.0 } else { 0.0 };
            Pool::new(threads).with_bf16(true).enter(|team| gemm(team, 1.0, a, b, beta, to, &mut scratch));
            if by_columns { turned(&c) } else { c }
        }).collect();
        prop_assert_eq!(&results[0], &results[1]);
        assert_close(&results[0], &expected, k, &format!("{m}×{k}×{n}"));
    }

    #[test]
    fn so_do_packed_parts(
        (rows, upper, lower, n) in (1usize..80, 1usize..300, 1usize..400, 1usize..70),
        (transposed, add) in any::<(bool, bool)>(),
        seed: u64,
    ) {
        let k = upper + lower;
        let (a, b, before) = (normals(rows * (k + 3), seed), normals(k * n, seed ^ 1), normals(rows * (n + 2), seed ^ 2));
        let whole = if transposed { Matrix::new(&b, n, k).transposed() } else { Matrix::new(&b, k, n) };
        let parts = [whole.rows(0..upper), whole.rows(upper..k)];
        let expected = naive(Matrix::with_strides(&a, rows, k, k + 3, 1), whole);
        let mut c = before.clone();
        let mut space = vec![f32::NAN; packed_len(k, n)];
        Pool::new(2).with_bf16(true).enter(|team| {
            let packed = Packed::new(team, &parts, &mut space);
            multiply(rows, Rows { data: &a, stride: k + 3 }, packed, &mut c, n + 2, add);
        });
        for (r, (found, before)) in c.chunks_exact(n + 2).zip(before.chunks_exact(n + 2)).enumerate() {
            prop_assert_eq!(&found[n..], &before[n..], "beside the columns");
            let sums = before.iter().zip(&expected[r * n..][..n]);
            let expected: Vec<f64> = sums.map(|(&x, sum)| sum + if add { f64::from(x) } else { 0.0 }).collect();
            assert_close(&found[..n], &expected, k, &format!("row {r}"));
        }
    }
}
