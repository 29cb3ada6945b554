//! Scores against torch-fidelity's and prdc's, on tables that both programs make by the same integers.

use std::ops::Range;

use inkgrad_models::metrics::numpy_random::RandomState;
use inkgrad_models::metrics::{Table, frechet, inception_score, kid, neighbours};
use inkgrad_tests::fixture;
use serde::Deserialize;

/// `metrics/scores.json`; `metrics/generate.py` wrote it.
#[derive(Deserialize)]
struct Fixture {
    features: Vec<Features>,
    logits: Vec<Logits>,
    random: Vec<Random>,
}

/// Scores of two tables of `width`, each of a (seed, rows).
#[derive(Deserialize)]
struct Features {
    name: String,
    width: usize,
    real: (u64, usize),
    generated: (u64, usize),
    subset: usize,
    fid: f64,
    kid_mean: f64,
    kid_std: f64,
    /// Precise rows.
    precision: usize,
    /// Recalled rows.
    recall: usize,
    density: f64,
    coverage: f64,
}

#[derive(Deserialize)]
struct Logits {
    seed: u64,
    rows: usize,
    width: usize,
    is_mean: f64,
    is_std: f64,
}

/// A permutation, a choice and a permutation again.
#[derive(Deserialize)]
struct Random {
    seed: u32,
    n: usize,
    size: usize,
    draws: [Vec<usize>; 3],
}

/// The generator's table.
fn table(seed: u64, rows: usize, width: usize, shift: usize) -> Vec<f32> {
    let elements: Range<usize> = 0..rows * width;
    let value = |i: usize| {
        let mut z =
            seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add((i as u64 + 1).wrapping_mul(0xBF58_476D_1CE4_E5B9));
        z ^= z >> 30;
        z = z.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z ^= z >> 27;
        z = z.wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (((z >> 40) & 255) as f32 + (i % width % shift) as f32) / 16.0
    };
    elements.map(value).collect()
}

#[track_caller]
fn close(name: &str, found: f64, expected: f64, relative: f64) {
    let error = (found - expected).abs() / expected.abs();
    assert!(error <= relative, "{name}: {found}, expected {expected}: off by {error:e}");
}

#[test]
fn feature_scores_are_torch_fidelitys_and_prdcs() {
    for case in fixture::load::<Fixture>("metrics/scores").features {
        let name = &case.name;
        let real = table(case.real.0, case.real.1, case.width, 7);
        let generated = table(case.generated.0, case.generated.1, case.width, 11);
        let real = Table::new("real", &real, case.width).unwrap();
        let generated = Table::new("generated", &generated, case.width).unwrap();
        close(name, frechet::fid(real, generated).unwrap(), case.fid, 1e-6);
        let kid = kid::kid(real, generated, case.subset).unwrap();
        close(name, kid.mean, case.kid_mean, 1e-6);
        close(name, kid.std, case.kid_std, 1e-6);
        let found = neighbours::coverage(real, generated, 3).unwrap();
        assert_eq!(found.precision, case.precision as f64 / generated.rows() as f64, "{name}");
        assert_eq!(found.recall, case.recall as f64 / real.rows() as f64, "{name}");
        close(name, found.density, case.density, 1e-14);
        close(name, found.coverage, case.coverage, 1e-14);
    }
}

#[test]
fn inception_scores_are_torch_fidelitys() {
    for case in fixture::load::<Fixture>("metrics/scores").logits {
        let logits = table(case.seed, case.rows, case.width, 5);
        let logits = Table::new("logits", &logits, case.width).unwrap();
        let found = inception_score::inception_score(logits).unwrap();
        close("mean", found.mean, case.is_mean, 1e-9);
        close("std", found.std, case.is_std, 1e-9);
    }
}

#[test]
fn orders_are_numpys() {
    for case in fixture::load::<Fixture>("metrics/scores").random {
        let mut random = RandomState::new(case.seed);
        assert_eq!(random.permutation(case.n), case.draws[0]);
        assert_eq!(random.choice(case.n, case.size), case.draws[1]);
        assert_eq!(random.permutation(case.n), case.draws[2]);
    }
}
