//! Philox against its published answers; values do not depend on threads.

use inkgrad_kernels::cpu::Pool;
use inkgrad_kernels::cpu::Team;
use inkgrad_kernels::cpu::rng::*;

#[test]
fn known_answers() {
    // kat_vectors of Random123 1.09, philox4x32 10.
    let ones = u32::MAX;
    for (counter, key, expected) in [
        ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
        ([ones; 4], [ones; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
        (
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
            [0xa409_3822, 0x299f_31d0],
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        ),
    ] {
        assert_eq!(rounds(counter, key), expected);
    }
    let philox = Philox::new(0x299f_31d0_a409_3822, 0x0370_7344_1319_8a2e);
    assert_eq!(philox.block(0x85a3_08d3_243f_6a88)[0], 0xd16c_fe09);
}

#[test]
fn values_do_not_depend_on_chunking_or_threads() {
    let mut whole = vec![0.0f32; 5000];
    fill_normal(&Team::solo(), 7, 3, 0, &mut whole);
    for first in [0, 1, 2, 3, 4, 1021, 4099] {
        let mut part = vec![0.0f32; 5000 - first];
        Pool::new(3).enter(|team| fill_normal(team, 7, 3, first as u64, &mut part));
        assert_eq!(part, whole[first..]);
    }
    let mut uniform = vec![0.0f64; 11];
    fill_uniform(&Team::solo(), 7, 3, 0, &mut uniform);
    let mut part = vec![0.0f64; 6];
    fill_uniform(&Team::solo(), 7, 3, 5, &mut part);
    assert_eq!(part, uniform[5..]);
}

#[test]
fn streams_and_seeds_differ() {
    let draw = |seed, stream| Philox::new(seed, stream).block(0);
    assert_ne!(draw(1, 0), draw(2, 0));
    assert_ne!(draw(1, 0), draw(1, 1));
    assert_ne!(draw(1, 0), draw(1 << 32, 0));
}

#[test]
fn moments_are_those_of_the_distributions() {
    let n = 400_000;
    let mut x = vec![0.0f64; n];
    let moment = |x: &[f64], p: i32| x.iter().map(|x| x.powi(p)).sum::<f64>() / n as f64;
    fill_normal(&Team::solo(), 42, 0, 0, &mut x);
    // Five standard errors each: √(1/n), √(2/n), √(15/n), √(96/n).
    for (p, expected, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
        let error = moment(&x, p) - expected;
        assert!(error.abs() < 5.0 * f64::sqrt(variance / n as f64), "moment {p} off by {error}");
    }
    let neighbours: f64 = x.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / n as f64;
    assert!(neighbours.abs() < 5.0 / (n as f64).sqrt());
    fill_uniform(&Team::solo(), 42, 0, 0, &mut x);
    assert!(x.iter().all(|x| (0.0..1.0).contains(x)));
    assert!((moment(&x, 1) - 0.5).abs() < 5.0 * f64::sqrt(1.0 / 12.0 / n as f64));
}
