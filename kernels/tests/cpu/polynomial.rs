//! Polynomials of exp, tanh and their kin against std, over all of their range.

use inkgrad_kernels::cpu::polynomial::*;
use inkgrad_kernels::cpu::simd::Arithmetic;
use inkgrad_kernels::cpu::simd::{Fused, Separate};

/// The largest relative error of `f` against `reference` over a fine grid of [low, high].
fn worst(low: f64, high: f64, f: impl Fn(f32) -> f32, reference: impl Fn(f64) -> f64) -> f64 {
    (0..=2_000_000)
        .map(|i| {
            let x = (low + (high - low) * f64::from(i) / 2e6) as f32;
            let (found, expected) = (f64::from(f(x)), reference(f64::from(x)));
            (found - expected).abs() / expected.abs().max(1e-300)
        })
        .fold(0.0, f64::max)
}

fn check<A: Arithmetic>() {
    assert!(worst(-87.0, 88.7, exp::<A>, f64::exp) < 2.5e-7);
    assert!(worst(-87.0, 30.0, sigmoid::<A>, |x| 1.0 / (1.0 + (-x).exp())) < 3e-7);
    assert!(worst(-12.0, 12.0, tanh::<A>, f64::tanh) < 3e-7);
    assert!(worst(-1e-3, 1e-3, tanh::<A>, f64::tanh) < 3e-7);
    assert!(worst(1e-7, 1.0, ln_1p::<A>, f64::ln_1p) < 2e-7);
    for (low, high) in [(0.5, 2.0), (0.999, 1.001), (1.0, 1e4), (1e-37, 3e38)] {
        assert!(worst(low, high, ln::<A>, f64::ln) < 2e-7);
    }
    for power in -126..=127 {
        let x = (f32::from(power as i16) + 0.3).exp2();
        assert!((f64::from(ln::<A>(x)) / f64::from(x).ln() - 1.0).abs() < 2e-7, "{x}");
    }

    assert_eq!(exp::<A>(-200.0), 0.0);
    assert_eq!(exp::<A>(0.0), 1.0);
    assert!(exp::<A>(1000.0) > 1e38);
    assert!([exp::<A>, sigmoid::<A>, tanh::<A>].iter().all(|f| f(f32::NAN).is_nan()));
    assert_eq!((tanh::<A>(50.0), tanh::<A>(-50.0), tanh::<A>(0.0)), (1.0, -1.0, 0.0));
    assert_eq!((sigmoid::<A>(f32::INFINITY), sigmoid::<A>(0.0)), (1.0, 0.5));
    assert!(sigmoid::<A>(f32::NEG_INFINITY) < 2e-38);
    assert_eq!(ln_1p::<A>(0.0), 0.0);
    assert_eq!(ln::<A>(1.0), 0.0);
}

#[test]
fn errors_stay_within_their_bounds() {
    check::<Separate>();
    check::<Fused>();
}
