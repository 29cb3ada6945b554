//! Softmax, its logarithm and their gradients against the plain formulas.

use inkgrad_kernels::Float;
use proptest::prelude::*;

use crate::cases;
use inkgrad_kernels::cpu::softmax::*;
use inkgrad_kernels::cpu::{Team, rng};

fn normal<T: Float>(seed: u64, len: usize, scale: f64) -> Vec<T> {
    let mut x = vec![0.0f64; len];
    rng::fill_normal(&Team::solo(), seed, 0, 0, &mut x);
    x.iter().map(|x| T::from_f64(f64::from((x * scale) as f32))).collect()
}

fn compare<T: Float>(rows: usize, width: usize, scale: f64, seed: u64, tolerance: f64) -> Result<(), TestCaseError> {
    let (x, dy) = (normal::<T>(seed, rows * width, scale), normal::<T>(seed ^ 1, rows * width, 1.0));
    let wide = |x: &[T]| x.iter().map(|x| x.to_f64()).collect::<Vec<f64>>();
    let close = |found: &[T], expected: &[f64]| {
        let largest = expected.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
        found.iter().zip(expected).all(|(f, e)| (f.to_f64() - e).abs() <= tolerance * largest)
    };
    let (mut y, mut log, mut sums) = (x.clone(), x.clone(), x[..rows].to_vec());
    softmax(width, &x, &mut y);
    log_softmax(width, &x, &mut log);
    logsumexp(width, &x, &mut sums);
    let [mut dx, mut of_log, mut of_sum] = [(); 3].map(|()| vec![T::ONE; x.len()]);
    softmax_backward(width, &y, &dy, &mut dx, true);
    log_softmax_backward(width, &log, &dy, &mut of_log, true);
    logsumexp_backward(width, &x, &sums, &dy[..rows], &mut of_sum, true);
    for r in 0..rows {
        let here = r * width..(r + 1) * width;
        let (row, dy_row) = (wide(&x[here.clone()]), wide(&dy[here.clone()]));
        let (p, log_sum) = (naive::softmax(&row), naive::logsumexp(&row));
        prop_assert!(close(&y[here.clone()], &p));
        prop_assert!(close(&sums[r..=r], &[log_sum]));
        prop_assert!(close(&log[here.clone()], &row.iter().map(|x| x - log_sum).collect::<Vec<_>>()));
        let plus_one = |dx: Vec<f64>| dx.iter().map(|d| 1.0 + d).collect::<Vec<_>>();
        prop_assert!(close(&dx[here.clone()], &plus_one(naive::softmax_backward(&row, &dy_row))));
        let total: f64 = dy_row.iter().sum();
        let expected = plus_one(dy_row.iter().zip(&p).map(|(d, p)| d - p * total).collect());
        prop_assert!(close(&of_log[here.clone()], &expected));
        let expected = plus_one(p.iter().map(|p| p * dy[r].to_f64()).collect());
        prop_assert!(close(&of_sum[here], &expected));
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn they_agree_with_the_plain_formulas(
        rows in 1usize..9, width in 1usize..70, scale in 0.1f64..60.0, seed in any::<u64>(),
    ) {
        compare::<f64>(rows, width, scale, seed, 1e-13)?;
        // ln Σ eˣ is about as large as x, and what it is rounded by is an error of e^{x − y} relative to it.
        compare::<f32>(rows, width, scale, seed, 1e-6 * (1.0 + scale))?;
    }
}

#[test]
fn large_and_masked_logits_stay_finite() {
    let x = [1e4f32, 1e4, f32::NEG_INFINITY, -1e4];
    let mut y = [0.0; 4];
    softmax(4, &x, &mut y);
    assert_eq!(y, [0.5, 0.5, 0.0, 0.0]);
    let mut sum = [0.0];
    logsumexp(4, &x, &mut sum);
    assert_eq!(sum, [1e4 + std::f32::consts::LN_2]);
}
