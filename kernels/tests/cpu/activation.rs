//! Activations against std, their slopes against central differences.

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::activation::*;
use inkgrad_kernels::cpu::simd::{Baseline, Fused, Isa, isa};

type Forward<T> = fn(&[T], &mut [T]);

/// From −20 to 20, a length that is no multiple of any vector, with the ends of every branch.
fn inputs<T: Float>() -> Vec<T> {
    (-2003..=2003).map(|i| T::from_f64(f64::from(i) * 0.01)).chain([T::ZERO, -T::ZERO]).collect()
}

/// `dispatched` on a whole slice equals to the bit what one value at a time gives (`scalars`: by the baseline's
/// arithmetic, and by the fused one that wider sets have), and `exact` to `tolerance`.
fn check<T: Float>(dispatched: Forward<T>, scalars: [fn(T) -> T; 2], exact: fn(f64) -> f64, tolerance: f64) {
    let scalar = scalars[usize::from(isa() > Isa::Generic)];
    let x = inputs::<T>();
    let mut y = vec![T::ZERO; x.len()];
    dispatched(&x, &mut y);
    for (&x, &y) in x.iter().zip(&y) {
        assert_eq!(y, scalar(x), "the copies differ at {x}");
        let expected = exact(x.to_f64());
        let error = (y.to_f64() - expected).abs() / expected.abs().max(1e-30);
        assert!(error <= tolerance || y.to_f64() == expected, "at {x}: {y}, expected {expected}");
    }
}

fn check_all<T: Float>(tolerance: f64) {
    check::<T>(relu, [positive_part; 2], |x| x.max(0.0), 0.0);
    check::<T>(sigmoid, [T::sigmoid::<Baseline>, T::sigmoid::<Fused>], |x| 1.0 / (1.0 + (-x).exp()), tolerance);
    check::<T>(tanh, [T::tanh::<Baseline>, T::tanh::<Fused>], f64::tanh, tolerance);
    check::<T>(softplus, [softplus_of::<T, Baseline>, softplus_of::<T, Fused>], |x| x.exp().ln_1p(), tolerance);
    check::<T>(exp, [T::exp::<Baseline>, T::exp::<Fused>], f64::exp, tolerance);
}

#[test]
fn forward_agrees_with_std_in_both_types() {
    check_all::<f32>(1e-6);
    check_all::<f64>(1e-14);
}

#[test]
fn ends_stay_finite() {
    let x = [-1e4f32, -100.0, 100.0, 1e4];
    let mut y = [0.0; 4];
    sigmoid(&x, &mut y);
    assert!(y[0] < 1e-37 && y[1] < 1e-37 && y[2] == 1.0 && y[3] == 1.0);
    softplus(&x, &mut y);
    assert_eq!(y, [0.0, 0.0, 100.0, 1e4]);
    relu(&[f32::NAN], &mut y[..1]);
    assert!(y[0].is_nan());
    abs_backward(&[0.0, -0.0, f32::NAN], &[1.0; 3], &mut y[..3], false);
    assert!(y[..2] == [0.0; 2] && y[2].is_nan());
}

#[test]
fn in_place_forms_agree() {
    let x = inputs::<f32>();
    let mut y = vec![0.0; x.len()];
    let mut z = x.clone();
    sigmoid(&x, &mut y);
    sigmoid_in_place(&mut z);
    assert_eq!(y, z);
    z.copy_from_slice(&x);
    relu(&x, &mut y);
    relu_in_place(&mut z);
    assert_eq!(y, z);
}

type Backward = fn(&[f64], &[f64], &mut [f64], bool);

fn check_backward(forward: Forward<f64>, backward: Backward, takes_output: bool) {
    // Beyond where every function has become flat, or straight.
    check_backward_from(-12.0, forward, backward, takes_output);
}

/// Central differences in f64 against the backward form, which writes and then adds to its own result.
fn check_backward_from(start: f64, forward: Forward<f64>, backward: Backward, takes_output: bool) {
    let x: Vec<f64> = (0..240).map(|i| start + f64::from(i) * 0.1 + 0.05).collect();
    let eval = |shift: f64| {
        let shifted: Vec<f64> = x.iter().map(|x| x + shift).collect();
        let mut y = vec![0.0; x.len()];
        forward(&shifted, &mut y);
        y
    };
    let (y, up, down) = (eval(0.0), eval(1e-6), eval(-1e-6));
    let dy: Vec<f64> = (0..x.len()).map(|i| 1.0 + 0.1 * i as f64).collect();
    let mut dx = vec![f64::NAN; x.len()];
    let v = if takes_output { &y } else { &x };
    backward(v, &dy, &mut dx, false);
    let once = dx.clone();
    backward(v, &dy, &mut dx, true);
    for i in 0..x.len() {
        let slope = (up[i] - down[i]) / 2e-6 * dy[i];
        assert!((once[i] - slope).abs() < 1e-7 * slope.abs().max(1.0), "at {}: {} for {slope}", x[i], once[i]);
        assert_eq!(dx[i], once[i] + once[i]);
    }
}

#[test]
fn backward_forms_are_the_slopes() {
    check_backward(relu, relu_backward, true);
    check_backward(sigmoid, sigmoid_backward, true);
    check_backward(tanh, tanh_backward, true);
    check_backward(exp, exp_backward, true);
    check_backward(softplus, softplus_backward, false);
    check_backward(abs, abs_backward, false);
    check_backward_from(0.05, ln, ln_backward, false);
    check_backward_from(0.05, sqrt, sqrt_backward, true);
}
