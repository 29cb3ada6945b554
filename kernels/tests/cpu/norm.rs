//! Normalisation of rows against the plain formulas.

use proptest::prelude::*;

use crate::cases;
use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::norm::*;
use inkgrad_kernels::cpu::{Team, rng};

fn normal(seed: u64, len: usize) -> Vec<f64> {
    let mut x = vec![0.0f64; len];
    rng::fill_normal(&Team::solo(), seed, 0, 0, &mut x);
    x.iter_mut().for_each(|x| *x = f64::from(*x as f32));
    x
}

fn cast<T: Float>(x: &[f64]) -> Vec<T> {
    x.iter().map(|&x| T::from_f64(x)).collect()
}

fn compare<T: Float>(rows: usize, width: usize, seed: u64, tolerance: f64) -> Result<(), TestCaseError> {
    const EPS: f64 = 1e-3;
    let (x, dy) = (normal(seed, rows * width), normal(seed ^ 1, rows * width));
    let (weight, bias) = (normal(seed ^ 2, width), normal(seed ^ 3, width));
    let (tx, tdy, tweight, tbias): (Vec<T>, Vec<T>, Vec<T>, Vec<T>) = (cast(&x), cast(&dy), cast(&weight), cast(&bias));
    let (mut y, mut moments) = (tx.clone(), vec![T::ZERO; 2 * rows]);
    layer_norm(EPS, &tx, &tweight, &tbias, &mut y, &mut moments);
    let (mut dx, mut products) = (vec![T::ONE; x.len()], tx.clone());
    layer_norm_backward(&tx, &tweight, &moments, &tdy, &mut dx, true);
    layer_norm_products(width, &tx, &moments, &tdy, &mut products);
    let close = |found: T, expected: f64| (found.to_f64() - expected).abs() <= tolerance * expected.abs().max(1.0);
    for r in 0..rows {
        let here = r * width..(r + 1) * width;
        let n = naive::normalise(EPS, &x[here.clone()]);
        let g: Vec<f64> = dy[here.clone()].iter().zip(&weight).map(|(d, w)| d * w).collect();
        let expected = naive::normalise_backward(EPS, &x[here.clone()], &g);
        for (c, i) in here.enumerate() {
            prop_assert!(close(y[i], n[c] * weight[c] + bias[c]));
            prop_assert!(close(dx[i], 1.0 + expected[c]), "{} {}", dx[i], 1.0 + expected[c]);
            prop_assert!(close(products[i], n[c] * dy[i]));
        }
    }
    let (mut scaled, mut of_dy, mut squares) = (tx.clone(), tx.clone(), tx.clone());
    scale_columns(&tx, &tbias, &tweight, &tweight, &mut scaled);
    centred_products(&tx, &tbias, &tdy, &mut of_dy);
    centred_squares(&tx, &tbias, &mut squares);
    for i in 0..x.len() {
        let (centred, weight) = (x[i] - bias[i % width], weight[i % width]);
        prop_assert!(close(scaled[i], centred * weight + weight));
        prop_assert!(close(of_dy[i], centred * dy[i]) && close(squares[i], centred * centred));
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn they_agree_with_the_plain_formulas(rows in 1usize..9, width in 1usize..70, seed in any::<u64>()) {
        compare::<f64>(rows, width, seed, 1e-11)?;
        compare::<f32>(rows, width, seed, 2e-4)?;
    }
}
