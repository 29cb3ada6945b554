//! Adam and SGD against PyTorch's formulas.

use inkgrad_kernels::cpu::Pool;
use inkgrad_kernels::cpu::Team;
use inkgrad_kernels::cpu::optimizer::*;

const STEP: AdamStep = AdamStep { lr: 1e-2, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0, step: 1 };

#[test]
fn adam_follows_pytorchs_formula() {
    // The formula of torch.optim.Adam's documentation evaluated in Python, for the parameters (1, −2, 0.5) and the
    // gradients (0.1, −0.2, 3e-5)·t, t = 1, 2, 3.
    for (weight_decay, expected) in [
        (0.0, [0.970_768_169_554_484_2, -1.970_768_168_527_642, 0.470_775_011_349_365_06]),
        (0.1, [0.970_214_206_650_317_9, -1.970_216_830_273_058, 0.470_020_614_719_766_3]),
    ] {
        let mut params = [1.0, -2.0, 0.5];
        let (mut m, mut v) = ([0.0; 3], [0.0; 3]);
        for t in 1..=3 {
            let grads = [0.1, -0.2, 3e-5].map(|g| 10.0 * g * t as f64);
            let step = AdamStep { step: t, weight_decay, ..STEP };
            adam(&Team::solo(), step, 0.1, &mut params, &grads, &mut m, &mut v);
        }
        for (found, expected) in params.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
        }
    }
}

#[test]
fn sgd_keeps_velocity() {
    let (mut params, mut velocity) = ([1.0, 2.0], [f64::NAN; 2]);
    sgd(&Team::solo(), 0.1, 0.9, 0.5, &mut params, &[2.0, -4.0], &mut velocity, true);
    assert_eq!((params, velocity), ([0.9, 2.2], [1.0, -2.0]));
    sgd(&Team::solo(), 0.1, 0.9, 1.0, &mut params, &[1.0, 0.0], &mut velocity, false);
    assert_eq!(velocity, [1.9, -1.8]);
    assert!((params[0] - 0.71).abs() < 1e-15 && (params[1] - 2.38).abs() < 1e-15);
}

#[test]
fn long_buffers_are_the_same_at_any_number_of_threads() {
    let len = 2 * PIECE + 77;
    let grads: Vec<f32> = (0..len).map(|i| (i as f32 * 0.3).sin()).collect();
    let results = [1, 2, 3, 8].map(|threads| {
        let (mut p, mut m, mut v) = (vec![1.0; len], vec![0.0; len], vec![0.0; len]);
        Pool::new(threads).enter(|team| {
            for t in 1..=3 {
                adam(team, AdamStep { step: t, ..STEP }, 1.0, &mut p, &grads, &mut m, &mut v);
                sgd(team, 1e-3, 0.9, 1.0, &mut p, &grads, &mut m, false);
            }
        });
        p
    });
    assert!(results.iter().all(|p| p == &results[0]));
    // Every element has moved, the last piece's too.
    assert!(results[0].iter().skip(1).all(|&p| p != 1.0));
}

#[test]
fn decay_shrinks_and_an_average_follows() {
    let len = PIECE + 3;
    let (mut params, mut mean) = (vec![2.0f64; len], vec![0.0; len]);
    Pool::new(3).enter(|team| {
        decay(team, 0.75, &mut params);
        average(team, 0.5, &params, &mut mean);
        average(team, 0.5, &params, &mut mean);
    });
    assert!(params.iter().all(|&p| p == 1.5) && mean.iter().all(|&m| m == 1.125));
}

#[test]
fn clipping_only_shortens() {
    assert_eq!(clip_scale(0.5, 1.0), 1.0);
    assert!((clip_scale(4.0, 1.0) - 0.25).abs() < 1e-6);
    assert_eq!(clip_scale(0.0, 1.0), 1.0);
}
