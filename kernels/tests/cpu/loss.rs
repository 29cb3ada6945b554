//! Losses and their gradients against the naive ones.

use inkgrad_kernels::Float;
use proptest::prelude::*;

use crate::cases;
use inkgrad_kernels::cpu::loss::*;

fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| x.into()).collect()
}

/// `found` within `tolerance` of the size of what it was computed from.
#[track_caller]
fn close(found: f64, expected: f64, size: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance * size, "{found}, expected {expected}");
}

/// `backward(dx, add)` writes `expected`, then adds it again; each element within `tolerance` of the size of what it was
/// computed from.
#[track_caller]
fn check_gradient<T: Float>(
    expected: &[f64],
    size: impl Fn(usize) -> f64,
    tolerance: f64,
    backward: impl Fn(&mut [T], bool),
) {
    let mut dx = vec![T::from_f64(f64::NAN); expected.len()];
    backward(&mut dx, false);
    let once = dx.clone();
    backward(&mut dx, true);
    for (i, ((&once, &twice), &expected)) in once.iter().zip(&dx).zip(expected).enumerate() {
        close(once.to_f64(), expected, size(i), tolerance);
        assert_eq!(twice, once + once);
    }
}

/// Values that both element types hold, so that one reference serves both.
fn values(range: std::ops::Range<f32>, len: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(range.prop_map(f64::from), len)
}

/// Two slices of one length, up to several blocks of a sum.
fn pairs(first: std::ops::Range<f32>, second: std::ops::Range<f32>) -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
    (1usize..3000).prop_flat_map(move |n| (values(first.clone(), n), values(second.clone(), n)))
}

// A result's rounding error is relative to the operands of its last sum, not to the result: a loss or a gradient may come near
// zero between large ones, and where there is one element nothing larger hides it. u is 2⁻²⁴ in f32 (6.0e-8), 2⁻⁵³ in f64.
proptest! {
    #![proptest_config(cases(64))]

    // σ, ln(1 + e^y) are within 3e-7 of themselves (`polynomial.rs`), 5u.
    #[test]
    fn bce_agrees_with_its_naive_twin((x, t) in pairs(-8.0..8.0, 0.0..1.0), scale in -2.0f32..2.0) {
        let expected = naive::bce_with_logits(&x, &t);
        let (x32, t32) = (narrow(&x), narrow(&t));
        // A term of max(x, 0), x·t and a logarithm below 0.7: at most 3u|x| + 7u. The twin takes the logarithm of 1 − σ(x), from
        // e⁻⁸ on: 1e-12 of a term.
        let size = x.iter().map(|x| 1.0 + x.abs()).sum();
        close(bce_with_logits(&x, &t), expected, size, 1e-12);
        close(bce_with_logits(&x32, &t32).into(), expected, size, 5e-7);
        let expected = naive::bce_with_logits_backward(&x, &t, scale.into());
        // The difference of two numbers in [0, 1]: 5u for σ, one for it, one for the product.
        let size = |_| f64::from(scale.abs());
        check_gradient(&expected, size, 1e-14, |dx, add| bce_with_logits_backward(&x, &t, f64::from(scale), dx, add));
        check_gradient(&expected, size, 5e-7, |dx, add| bce_with_logits_backward(&x32, &t32, scale, dx, add));
    }

    // Operands without error: a square is within 3u of itself, a slope within 2u. The sum of none below zero adds one, and the
    // twin's sum of up to 3,000 terms in f64 as many as these.
    #[test]
    fn mse_agrees_with_its_naive_twin((x, t) in pairs(-2.0..2.0, -2.0..2.0), scale in -2.0f32..2.0) {
        let expected = naive::mse(&x, &t);
        let (x32, t32) = (narrow(&x), narrow(&t));
        close(mse(&x, &t), expected, expected, 1e-12);
        close(mse(&x32, &t32).into(), expected, expected, 1e-6);
        let expected = naive::mse_backward(&x, &t, scale.into());
        let size = |i: usize| expected[i].abs();
        check_gradient(&expected, size, 1e-15, |dx, add| mse_backward(&x, &t, f64::from(scale), dx, add));
        check_gradient(&expected, size, 2e-7, |dx, add| mse_backward(&x32, &t32, scale, dx, add));
    }

    #[test]
    fn kl_agrees_with_its_naive_twin((mu, logvar) in pairs(-3.0..3.0, -4.0..4.0), scale in -2.0f32..2.0) {
        let expected = naive::gaussian_kl(&mu, &logvar);
        let (mu32, logvar32) = (narrow(&mu), narrow(&logvar));
        // A term may come near zero, where 1 + logσ² − μ² − σ² cancels.
        let size: f64 = mu.iter().zip(&logvar).map(|(mu, l)| 1.0 + l.abs() + mu * mu + l.exp()).sum();
        close(gaussian_kl(&mu, &logvar), expected, size, 1e-13);
        close(gaussian_kl(&mu32, &logvar32).into(), expected, size, 1e-6);
        let [dmu, dlogvar] = naive::gaussian_kl_backward(&mu, &logvar, scale.into());
        let scale64 = f64::from(scale);
        let size = |i: usize| dmu[i].abs();
        check_gradient(&dmu, size, 1e-15, |d, add| gaussian_kl_backward_mu(&mu, scale64, d, add));
        check_gradient(&dmu, size, 2e-7, |d, add| gaussian_kl_backward_mu(&mu32, scale, d, add));
        // So does ½·(σ² − 1), of which σ² is within 4u.
        let size = |i: usize| 0.5 * (logvar[i].exp() + 1.0) * scale64.abs();
        check_gradient(&dlogvar, size, 1e-14, |d, add| gaussian_kl_backward_logvar(&logvar, scale64, d, add));
        check_gradient(&dlogvar, size, 4e-7, |d, add| gaussian_kl_backward_logvar(&logvar32, scale, d, add));
    }

    #[test]
    fn cross_entropy_agrees_with_its_naive_twin(
        (x, labels, classes) in (1usize..40, 1usize..12).prop_flat_map(|(batch, classes)| {
            (values(-10.0..10.0, batch * classes), prop::collection::vec(0..classes, batch), Just(classes))
        }),
        scale in -2.0f32..2.0,
    ) {
        let expected = naive::softmax_cross_entropy(&x, &labels);
        let (mut p, mut p32) = (vec![f64::NAN; x.len()], vec![f32::NAN; x.len()]);
        let (l64, l32): (Vec<f64>, Vec<f32>) = labels.iter().map(|&l| (l as f64, l as f32)).unzip();
        // ln Σ − (x − max) cancels where a label is certain, and x − max goes down to −20.
        let size = expected + 20.0 * labels.len() as f64;
        close(softmax_cross_entropy(&x, &l64, &mut p), expected, size, 1e-14);
        close(softmax_cross_entropy(&narrow(&x), &l32, &mut p32).into(), expected, size, 1e-6);
        for ((p, p32), expected) in p.iter().zip(&p32).zip(naive::softmax(&x, classes)) {
            prop_assert!((p - expected).abs() <= 1e-14 && (f64::from(*p32) - expected).abs() <= 3e-6);
        }
        // The error of p, which is not small beside p − 1 where a label is certain; the difference and the product add 2u.
        let size = |_| f64::from(scale.abs());
        let expected = naive::softmax_cross_entropy_backward(&x, &labels, scale.into());
        check_gradient(&expected, size, 1.1e-14, |dx, add| {
            softmax_cross_entropy_backward(&p, &l64, f64::from(scale), dx, add);
        });
        check_gradient(&expected, size, 3.2e-6, |dx, add| softmax_cross_entropy_backward(&p32, &l32, scale, dx, add));
    }
}

/// The slopes of a loss at x are what its backward says.
#[track_caller]
fn check_slopes(x: &[f64], loss: impl Fn(&[f64]) -> f64, gradient: &[f64]) {
    for (i, &expected) in gradient.iter().enumerate() {
        let at = |shift: f64| {
            let mut x = x.to_vec();
            x[i] += shift;
            loss(&x)
        };
        close((at(1e-5) - at(-1e-5)) / 2e-5, expected, expected.abs().max(1e-3), 1e-6);
    }
}

#[test]
fn naive_gradients_are_the_slopes_of_the_naive_losses() {
    let wavy = |phase: f64| (0..30).map(|i| 2.0 * (f64::from(i) * 0.73 + phase).sin()).collect::<Vec<f64>>();
    let (x, t) = (wavy(0.0), wavy(1.0).iter().map(|t| 0.5 + t / 4.0).collect::<Vec<f64>>());
    check_slopes(&x, |x| naive::bce_with_logits(x, &t), &naive::bce_with_logits_backward(&x, &t, 1.0));
    check_slopes(&x, |x| naive::mse(x, &t), &naive::mse_backward(&x, &t, 1.0));
    let [dmu, dlogvar] = naive::gaussian_kl_backward(&x, &t, 1.0);
    check_slopes(&x, |mu| naive::gaussian_kl(mu, &t), &dmu);
    check_slopes(&t, |logvar| naive::gaussian_kl(&x, logvar), &dlogvar);
    let labels = [0, 4, 2, 2, 1, 3];
    let gradient = naive::softmax_cross_entropy_backward(&x, &labels, 1.0);
    check_slopes(&x, |x| naive::softmax_cross_entropy(x, &labels), &gradient);
}

#[test]
fn bce_stays_finite_at_the_ends() {
    assert_eq!(bce_with_logits(&[1e4f32, -1e4, 1e4], &[1.0, 0.0, 0.0]), 1e4);
    let mut dx = [f32::NAN; 2];
    bce_with_logits_backward(&[-1e4, 1e4], &[0.0, 0.0], 1.0, &mut dx, false);
    assert!(dx[0] < 2e-38 && dx[1] == 1.0, "{dx:?}");
    assert!(bce_with_logits(&[f32::NAN], &[0.5]).is_nan());
}

#[test]
fn a_long_sum_keeps_its_digits() {
    let x: Vec<f32> = (0..100_000).map(|i| (i as f32 * 0.73).sin()).collect();
    let expected = naive::mse(&wide(&x), &vec![0.5; x.len()]);
    close(mse(&x, &vec![0.5; x.len()]).into(), expected, expected, 1e-6);
    assert_eq!(gaussian_kl(&[0.0f32; 9], &[0.0; 9]), 0.0);
}

#[test]
fn cross_entropy_of_large_logits_is_finite_and_of_nan_is_nan() {
    let mut p = [0.0f32; 3];
    assert_eq!(softmax_cross_entropy(&[1e4, -1e4, 0.0], &[1.0], &mut p), 2e4);
    assert!(softmax_cross_entropy(&[0.0, f32::NAN, 1.0], &[0.0], &mut p).is_nan());
}

#[test]
#[should_panic(expected = "label 3 is no whole number below 3")]
fn a_label_out_of_range_is_refused() {
    softmax_cross_entropy(&[0.0f32; 3], &[3.0], &mut [0.0; 3]);
}
