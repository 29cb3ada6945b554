//! Eigenvalues, singular values and Cholesky factors against Jacobi's rotations and known spectra.

use inkgrad_kernels::cpu::Pool;
use inkgrad_kernels::cpu::Team;
use inkgrad_kernels::cpu::eigen::*;

/// Values in [−1, 1].
fn numbers(len: usize, seed: u64) -> Vec<f64> {
    let step = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some((*state >> 11) as f64 / (1u64 << 52) as f64 - 1.0)
    };
    std::iter::repeat_n((), len).scan(seed, |state, ()| step(state)).collect()
}

/// Q·diag·Qᵀ by reflections of random vectors, so that the eigenvalues are known.
fn with_spectrum(values: &[f64], seed: u64) -> Vec<f64> {
    let n = values.len();
    let mut a = vec![0.0; n * n];
    values.iter().enumerate().for_each(|(i, value)| a[i * n + i] = *value);
    for round in 0..3 {
        let v = numbers(n, seed + round);
        let tau = 2.0 / dot(&v, &v);
        for _ in 0..2 {
            // From the left, then the transpose again: from both sides.
            let mut sums = vec![0.0; n];
            for (row, &v) in a.chunks_exact(n).zip(&v) {
                add_scaled(&mut sums, row, v);
            }
            a.chunks_exact_mut(n).zip(&v).for_each(|(row, &v)| add_scaled(row, &sums, -tau * v));
            a = (0..n * n).map(|at| a[at % n * n + at / n]).collect();
        }
    }
    a
}

#[track_caller]
fn close(found: &[f64], expected: &[f64], error: f64) {
    let norm = expected.iter().fold(f64::MIN_POSITIVE, |norm, x| norm.max(x.abs()));
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= error * norm, "{found}, expected {expected} of {norm}");
    }
}

#[test]
fn eigenvalues_are_jacobis() {
    let pool = Pool::new(3);
    for (n, seed) in [(0, 1), (1, 2), (2, 3), (3, 4), (5, 5), (31, 6), (33, 7), (64, 8), (70, 9), (131, 10)] {
        let a = numbers(n * n, seed);
        let expected = naive::eigenvalues(&a, n);
        let found = pool.enter(|team| eigenvalues(team, &mut a.clone(), n)).unwrap();
        close(&found, &expected, 1e-14 * (n.max(4) as f64).sqrt());
    }
}

#[test]
fn known_spectra_are_found() {
    let n = 150;
    type Spectrum = Box<dyn Fn(usize) -> f64>;
    let spectra: [(&str, Spectrum); 7] = [
        ("apart", Box::new(|i| i as f64 - 40.0)),
        ("low rank", Box::new(|i| if i < 7 { 1.0 + i as f64 } else { 0.0 })),
        ("two clusters", Box::new(|i| if i % 2 == 0 { 1.0 } else { 1.0 + 1e-13 * i as f64 })),
        ("one value", Box::new(|_| 3.0)),
        ("graded", Box::new(|i| 0.8f64.powi(i as i32))),
        ("large", Box::new(|i| 1e200 * (i as f64 - 30.0))),
        ("small", Box::new(|i| 1e-200 * (i as f64 + 1.0))),
    ];
    for (name, spectrum) in spectra {
        let mut expected: Vec<f64> = (0..n).map(spectrum).collect();
        let mut a = with_spectrum(&expected, 77);
        expected.sort_unstable_by(f64::total_cmp);
        let found = eigenvalues(&Team::solo(), &mut a, n).unwrap_or_else(|| panic!("{name} does not converge"));
        close(&found, &expected, 2e-14);
    }
}

#[test]
fn zeros_and_diagonals_are_exact_and_nan_is_refused() {
    assert_eq!(eigenvalues(&Team::solo(), &mut [0.0; 2500], 50).unwrap(), [0.0; 50]);
    let mut a = vec![0.0; 100];
    (0..10).for_each(|i| a[i * 11] = 10.0 - i as f64);
    assert_eq!(eigenvalues(&Team::solo(), &mut a, 10).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]);
    let mut a = numbers(400, 5);
    a[47] = f64::NAN;
    a[140] = f64::NAN;
    assert_eq!(eigenvalues(&Team::solo(), &mut a, 20), None);
}

#[test]
fn only_the_lower_triangle_counts() {
    let n = 90;
    let a = numbers(n * n, 11);
    let mut lower = a.clone();
    (0..n * n).filter(|at| at % n > at / n).for_each(|at| lower[at] = 1e3);
    let find = |a: &[f64]| eigenvalues(&Team::solo(), &mut a.to_vec(), n).unwrap();
    assert_eq!(find(&a), find(&lower));
}

#[test]
fn bits_are_the_same_at_any_number_of_threads() {
    let n = 400;
    let a = numbers(n * n, 12);
    let squares = with_spectrum(&(1..=n).map(|i| i as f64).collect::<Vec<_>>(), 3);
    let runs = [1, 2, 3, 8].map(|threads| {
        Pool::new(threads).enter(|team| {
            let mut l = squares.clone();
            assert!(cholesky::factor(team, &mut l, n, 1e-12));
            (eigenvalues(team, &mut a.clone(), n).unwrap(), l)
        })
    });
    assert!(runs.iter().all(|run| run == &runs[0]));
}

#[test]
fn factors_are_the_plain_ones() {
    let pool = Pool::new(3);
    for n in [1, 2, 63, 64, 65, 200] {
        let a = with_spectrum(&(0..n).map(|i| 1.0 + i as f64 / 9.0).collect::<Vec<_>>(), n as u64);
        let mut found = a.clone();
        assert!(pool.enter(|team| cholesky::factor(team, &mut found, n, 1e-12)));
        close(&found, &naive::factor(&a, n), 1e-13);
    }
}

#[test]
fn singular_matrices_have_no_factor() {
    let n = 80;
    let values: Vec<f64> = (0..n).map(|i| if i < 60 { 1.0 } else { 0.0 }).collect();
    assert!(!cholesky::factor(&Team::solo(), &mut with_spectrum(&values, 5), n, 1e-12));
    assert!(!cholesky::factor(&Team::solo(), &mut vec![0.0; n * n], n, 1e-12));
    assert!(!cholesky::factor(&Team::solo(), &mut vec![f64::NAN; n * n], n, 1e-12));
}

#[test]
fn singular_values_are_jacobis() {
    let pool = Pool::new(3);
    for (m, n) in [(1, 1), (2, 1), (1, 3), (7, 7), (40, 13), (13, 40), (90, 90), (151, 70)] {
        let a = numbers(m * n, 21);
        let find = |team: &Team| singular::singular_values(team, &mut a.clone(), m, n).unwrap();
        let found = pool.enter(find);
        close(&found, &naive::singular_values(&a, m, n), 1e-14 * (m.max(n).max(4) as f64).sqrt());
        assert_eq!(found, find(&Team::solo()), "bits at one thread and three");
    }
}

#[test]
fn small_singular_values_are_not_squared_away() {
    let n = 120;
    let mut expected: Vec<f64> = (0..n).map(|i| if i < 50 { 10f64.powf(-0.25 * i as f64) } else { 0.0 }).collect();
    let mut a = with_spectrum(&expected, 31);
    expected.sort_unstable_by(f64::total_cmp);
    close(&singular::singular_values(&Team::solo(), &mut a, n, n).unwrap(), &expected, 4e-15);
}

#[test]
fn a_triangle_has_the_products_of_its_columns() {
    let pool = Pool::new(3);
    for (m, n) in [(1, 1), (5, 5), (40, 17), (300, 50)] {
        let columns = numbers(m * n, 41);
        let r = pool.enter(|team| singular::triangular(team, &mut columns.clone(), n));
        assert_eq!(r, singular::triangular(&Team::solo(), &mut columns.clone(), n), "bits at one thread and three");
        for (i, x) in columns.chunks_exact(m).enumerate() {
            assert!(r[i * n..][..i].iter().all(|&below| below == 0.0));
            for (j, y) in columns.chunks_exact(m).enumerate() {
                let found: f64 = (0..n).map(|k| r[k * n + i] * r[k * n + j]).sum();
                assert!((found - dot(x, y)).abs() <= 1e-13 * m as f64, "({m}, {n}) at ({i}, {j})");
            }
        }
    }
}
