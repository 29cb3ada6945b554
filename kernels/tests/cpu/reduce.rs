//! Sums against f64, the same at any number of threads.

use inkgrad_kernels::cpu::Pool;
use inkgrad_kernels::cpu::Team;
use inkgrad_kernels::cpu::reduce::*;

fn wavy(len: usize) -> Vec<f32> {
    (0..len).map(|i| 1.0 + (i as f32 * 0.7).sin()).collect()
}

/// `found` within 1e-6 of the sum of `terms` in f64.
fn close(found: f32, terms: impl Iterator<Item = f64>) {
    let expected: f64 = terms.sum();
    assert!((f64::from(found) - expected).abs() <= 1e-6 * expected.abs(), "{found}, expected {expected}");
}

#[test]
fn sums_keep_six_digits() {
    for len in [0, 1, 15, 16, 17, 511, 512, 513, 100_000] {
        let (a, b) = (wavy(len), wavy(len + 3)[3..].to_vec());
        close(sum(&a), a.iter().map(|&x| f64::from(x)));
        close(dot(&a, &b), a.iter().zip(&b).map(|(&a, &b)| f64::from(a) * f64::from(b)));
        close(squared_norm(&Team::solo(), &a), a.iter().map(|&x| f64::from(x).powi(2)));
    }
    assert_eq!(sum(&[0.1f64, 0.2, 0.3]), 0.1 + 0.3 + 0.2);
}

#[test]
fn columns_are_summed_and_added() {
    for (rows, cols) in [(0, 3), (1, 1), (130, 32), (201, 71), (5000, 2), (5003, 16), (70_001, 1), (999, 31)] {
        let x = wavy(rows * cols);
        let mut out = vec![f32::NAN; cols];
        column_sums(&Team::solo(), &x, &mut out, false);
        for (j, &found) in out.iter().enumerate() {
            close(found, (0..rows).map(|i| f64::from(x[i * cols + j])));
        }
        let once = out.clone();
        Pool::new(3).enter(|team| column_sums(team, &x, &mut out, true));
        assert!(out.iter().zip(once).all(|(&twice, once)| twice == once + once));
    }
}

#[test]
fn gradients_before_a_relu_are_masked_and_summed() {
    for (rows, cols) in [(1, 1), (130, 32), (201, 71), (5003, 16), (70_001, 1), (999, 31), (77, 512), (300, 513)] {
        let (dy, y) = (wavy(rows * cols), wavy(rows * cols + 7)[7..].iter().map(|y| y - 0.5).collect::<Vec<_>>());
        let expected: Vec<f32> = y.iter().zip(&dy).map(|(&y, &dy)| if y > 0.0 { dy } else { 0.0 }).collect();
        let run = |threads, add| {
            let (mut masked, mut out) = (vec![f32::NAN; rows * cols], vec![if add { 2.0 } else { f32::NAN }; cols]);
            Pool::new(threads).enter(|team| relu_backward_sums(team, &y, &dy, &mut masked, &mut out, add));
            assert_eq!(masked, expected);
            out
        };
        let out = run(1, false);
        assert_eq!(out, run(3, false), "({rows}, {cols}): the same at any number of threads");
        assert!(out.iter().zip(run(2, true)).all(|(sum, more)| more == 2.0 + sum));
        for (j, &found) in out.iter().enumerate() {
            close(found, (0..rows).map(|i| f64::from(expected[i * cols + j])));
        }
    }
}

#[test]
fn a_norm_is_the_same_at_any_number_of_threads() {
    let x = wavy(70_001);
    let norms = [1, 2, 3, 8].map(|threads| Pool::new(threads).enter(|team| squared_norm(team, &x)));
    assert!(norms.iter().all(|norm| norm.to_bits() == norms[0].to_bits()));
}

#[test]
fn the_first_value_that_is_not_finite_is_found() {
    let mut x = vec![1e38f32; 2000];
    assert_eq!(first_non_finite(&x), None);
    x[1999] = f32::NAN;
    assert_eq!(first_non_finite(&x), Some(1999));
    x[700] = f32::NEG_INFINITY;
    assert_eq!(first_non_finite(&x), Some(700));
    assert_eq!(first_non_finite::<f64>(&[]), None);
}
