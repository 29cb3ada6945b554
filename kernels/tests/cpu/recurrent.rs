//! Shared by the tests of both layers. A case is a shape and its parameters, one vector each: x, w_ih, w_hh, b_ih,
//! b_hh, then the initial states, if there are any.

use inkgrad_kernels::Float;
use proptest::prelude::*;

use inkgrad_kernels::cpu::recurrent::*;
use inkgrad_kernels::cpu::{Pool, Team};

pub(crate) type Parameters<T> = Vec<Vec<T>>;

type Backward<T> = fn(&Team, &RecurrentShape, &Parameters<T>, &[T], &mut Parameters<T>, bool);

/// A layer under test.
pub(crate) struct Layer<T: Float> {
    /// Blocks of H rows in the weights.
    pub(crate) gates: usize,
    /// Initial states it can take.
    pub(crate) states: usize,
    pub(crate) forward: fn(&Team, &RecurrentShape, &Parameters<T>) -> Vec<T>,
    /// Writes or adds all gradients, from that of the output.
    pub(crate) backward: Backward<T>,
    /// The outputs, one element after the other by the formula.
    pub(crate) naive: fn(&RecurrentShape, &Parameters<f64>) -> Vec<f64>,
    /// The gradients of all parameters from that of the output, likewise.
    pub(crate) naive_backward: fn(&RecurrentShape, &Parameters<f64>, &[f64]) -> Parameters<f64>,
}

/// Shapes with several slices, remainders of every tile, both directions, and inputs of both kinds.
pub(crate) fn shapes() -> impl Strategy<Value = RecurrentShape> {
    (1usize..12, 1usize..6, 1usize..20, 1usize..20, any::<bool>(), any::<bool>()).prop_map(
        |(batch, time, input, hidden, reverse, repeated)| RecurrentShape {
            batch,
            time,
            input,
            hidden,
            reverse,
            repeated,
        },
    )
}

/// `len` values from −scale to scale, different for each seed.
fn values<T: Float>(len: usize, seed: usize, scale: f64) -> Vec<T> {
    (0..len).map(|i| T::from_f64(scale * ((i * 12 + seed * 7) as f64 * 0.618_034 + seed as f64).sin())).collect()
}

fn parameters<T: Float>(layer: &Layer<T>, shape: &RecurrentShape, initial: bool) -> Parameters<T> {
    let &RecurrentShape { batch, input, hidden, .. } = shape;
    let rows = layer.gates * hidden;
    let mut lengths = vec![batch * shape.inputs() * input, rows * input, rows * hidden, rows, rows];
    if initial {
        lengths.extend(std::iter::repeat_n(batch * hidden, layer.states));
    }
    lengths.into_iter().enumerate().map(|(seed, len)| values(len, seed, 0.8)).collect()
}

/// The forward pass against the formula, within `tolerance`.
fn check_forward<T: Float>(layer: &Layer<T>, shape: &RecurrentShape, initial: bool, tolerance: f64) {
    let parameters = parameters(layer, shape, initial);
    let exact = widened(&parameters);
    let found = (layer.forward)(&Team::solo(), shape, &parameters);
    for (found, expected) in found.iter().zip((layer.naive)(shape, &exact)) {
        assert!((found.to_f64() - expected).abs() < tolerance, "{found}, expected {expected} in {shape:?}");
    }
}

fn widened<T: Float>(parameters: &Parameters<T>) -> Parameters<f64> {
    parameters.iter().map(|p| p.iter().map(|x| x.to_f64()).collect()).collect()
}

/// The gradients against the formula's, each within `tolerance` of the largest element, or of ‖u‖/8 where that is larger: all are sums
/// of what the gates make of u, about a quarter of it each, and may come out near zero, by chance.
fn check_backward<T: Float>(layer: &Layer<T>, shape: &RecurrentShape, initial: bool, tolerance: f64) {
    let parameters = parameters(layer, shape, initial);
    let u = values::<T>(shape.rows() * shape.hidden, 11, 1.0);
    let mut found: Parameters<T> = parameters.iter().map(|p| vec![T::from_f64(f64::NAN); p.len()]).collect();
    (layer.backward)(&Team::solo(), shape, &parameters, &u, &mut found, false);
    let u: Vec<f64> = u.iter().map(|x| x.to_f64()).collect();
    let expected = (layer.naive_backward)(shape, &widened(&parameters), &u);
    let least = u.iter().map(|u| u * u).sum::<f64>().sqrt() / 8.0;
    for (k, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let largest = expected.iter().fold(least, |m: f64, x| m.max(x.abs()));
        for (found, expected) in found.iter().zip(expected) {
            let close = (found.to_f64() - expected).abs() <= tolerance * largest;
            assert!(close, "parameter {k}: {found}, expected {expected} in {shape:?}");
        }
    }
}

/// How far the parameters are moved either way.
const STEP: f64 = 1e-5;

/// Each gradient g against the loss L = Σ u·out: ⟨g, d⟩ = (L(p + εd) − L(p − εd)) / 2ε for a direction d in which
/// no two elements weigh the same. The error is relative to the typical size of such a product, ‖g‖·‖d‖/√n: the product
/// itself may come out near zero, by chance; and a gradient 1e-7 of the loss is known as well as the loss's last digits tell
/// two of them apart. Then a second call that adds doubles every gradient.
fn check_gradients(layer: &Layer<f64>, shape: &RecurrentShape, initial: bool) {
    let team = Team::solo();
    let parameters = parameters(layer, shape, initial);
    let u = values::<f64>(shape.rows() * shape.hidden, 11, 1.0);
    let mut gradients: Parameters<f64> = parameters.iter().map(|p| vec![f64::NAN; p.len()]).collect();
    (layer.backward)(&team, shape, &parameters, &u, &mut gradients, false);
    let terms = |parameters: &Parameters<f64>| {
        let out = (layer.forward)(&team, shape, parameters);
        out.into_iter().zip(&u).map(|(out, u)| out * u).collect::<Vec<f64>>()
    };
    let rounding = f64::EPSILON * terms(&parameters).iter().map(|term| term.abs()).sum::<f64>();
    for (k, gradient) in gradients.iter().enumerate() {
        let direction = values::<f64>(gradient.len(), 20 + k, 1.0);
        let loss = |shift: f64| -> f64 {
            let mut parameters = parameters.clone();
            for (p, d) in parameters[k].iter_mut().zip(&direction) {
                *p += shift * d;
            }
            terms(&parameters).iter().sum()
        };
        let slope = (loss(STEP) - loss(-STEP)) / (2.0 * STEP);
        let found: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
        let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
        let typical = norm(gradient) * norm(&direction) / (gradient.len() as f64).sqrt();
        // A parameter that the loss does not depend on has a gradient of zero.
        let close = (found - slope).abs() <= 1e-6 * typical.max(found.abs()) + rounding / STEP;
        assert!(close, "parameter {k}: {found}, expected {slope} in {shape:?}");
    }
    let once = gradients.clone();
    (layer.backward)(&team, shape, &parameters, &u, &mut gradients, true);
    for (twice, once) in gradients.iter().flatten().zip(once.iter().flatten()) {
        assert!((twice - 2.0 * once).abs() <= 1e-12 * once.abs().max(1.0), "{twice} is not twice {once}");
    }
}

/// A case in both element types: both passes against the formulas, the gradients against slopes.
pub(crate) fn check_case(wide: &Layer<f64>, narrow: &Layer<f32>, shape: &RecurrentShape, initial: bool) {
    check_forward(wide, shape, initial, 1e-12);
    check_forward(narrow, shape, initial, 1e-5);
    check_backward(wide, shape, initial, 1e-12);
    check_backward(narrow, shape, initial, 1e-5);
    check_gradients(wide, shape, initial);
}

/// Shapes of several slices.
pub(crate) fn check_slices(wide: &Layer<f64>, narrow: &Layer<f32>) {
    for repeated in [false, true] {
        let shape = RecurrentShape { batch: 37, time: 4, input: 5, hidden: 6, reverse: true, repeated };
        check_forward(narrow, &shape, true, 1e-5);
        check_backward(narrow, &shape, false, 1e-5);
        check_gradients(wide, &shape, false);
    }
}

/// Outputs and gradients are the same to the bit with 1, 2, 3 and 8 threads, in shapes of several slices.
pub(crate) fn check_threads(layer: &Layer<f32>) {
    for repeated in [false, true] {
        check_threads_of(layer, repeated);
    }
}

fn check_threads_of(layer: &Layer<f32>, repeated: bool) {
    let shape = RecurrentShape { batch: 70, time: 9, input: 19, hidden: 37, reverse: true, repeated };
    let parameters = parameters(layer, &shape, true);
    let u = values::<f32>(shape.rows() * shape.hidden, 11, 1.0);
    let results = [1, 2, 3, 8].map(|threads| {
        Pool::new(threads).enter(|team| {
            let out = (layer.forward)(team, &shape, &parameters);
            let mut gradients: Parameters<f32> = parameters.iter().map(|p| vec![f32::NAN; p.len()]).collect();
            (layer.backward)(team, &shape, &parameters, &u, &mut gradients, false);
            (out, gradients)
        })
    });
    assert!(results[0].1.iter().flatten().all(|g| g.is_finite()));
    assert!(results.iter().all(|result| result == &results[0]));
}
