//! Winograd's algorithm against the naive convolutions, and where the cost model takes it.

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::Team;
use inkgrad_kernels::cpu::conv::Store;
use proptest::prelude::*;

use crate::conv::{Operands, check, numbers};
use inkgrad_kernels::cpu::Pool;
use inkgrad_kernels::cpu::conv::weight::direct;
use inkgrad_kernels::cpu::conv::winograd::*;
use inkgrad_kernels::cpu::conv::{Geometry, Grid, naive, weight_gradient_scratch};
use inkgrad_kernels::cpu::simd::has_fused;

/// Whether the kernels are compiled for this processor's instructions; says so if not.
fn compiled() -> bool {
    if !has_fused() {
        eprintln!("not checked: Winograd's algorithm is for processors with fused multiply-add");
    }
    has_fused()
}

/// Kernels of 4×4 with stride 2 and of 3×3 with stride 1, any padding, with pictures from one pixel on, channels that fill lanes or do not, and fill
/// one block of the weight gradient or begin another.
fn geometries() -> impl Strategy<Value = Geometry> {
    let axis = (0usize..=4, 1usize..=9, 0usize..=1);
    let small_channels = prop_oneof![3 => 1usize..=40, 1 => 62usize..=82];
    (1usize..=9, axis.clone(), axis, small_channels, 1usize..=40, 1usize..=2).prop_filter_map(
        "some output within reach",
        |(batch, vertical, horizontal, small_channels, big_channels, stride)| {
            let extent = |(padding, small, extra): (usize, usize, usize)| {
                (stride * small + 2 + extra % stride).checked_sub(2 * padding).filter(|&big| big > 0)
            };
            let g = Geometry {
                batch,
                small: Grid { height: vertical.1, width: horizontal.1, channels: small_channels },
                big: Grid { height: extent(vertical)?, width: extent(horizontal)?, channels: big_channels },
                kernel: (stride + 2, stride + 2),
                stride: (stride, stride),
                padding: (vertical.0, horizontal.0),
            };
            (!compiled() || Plan::new(&g).is_some()).then_some(g)
        },
    )
}

/// The kernels' outputs at `threads`, the scratch full of NaN.
fn run<T: Float>(g: &Geometry, how: Store, threads: usize) -> [Vec<T>; 3] {
    let plan = Plan::new(g).expect("a plan");
    let Operands { small, big, w, small_bias, big_bias, mut down_out, mut up_out } = Operands::<T>::of(g);
    let mut dw = numbers(w.len(), 6);
    let scratch = |len| vec![T::from_f64(f64::NAN); len];
    Pool::new(threads).enter(|team| {
        down(team, &plan, &big, &w, Some(&small_bias), how, &mut down_out, &mut scratch(plan.down_scratch()));
        up(team, &plan, &small, &w, Some(&big_bias), how, &mut up_out, &mut scratch(plan.up_scratch()));
        let scratch = &mut scratch(plan.weight_gradient_scratch());
        weight_gradient(team, &plan, &small, &big, &mut dw, how == Store::Add, scratch);
    });
    [down_out, up_out, dw]
}

proptest! {
    #![proptest_config(crate::cases(50))]
    #[test]
    fn fast_kernels_agree_with_their_formulas(
        g in geometries(),
        how in prop::sample::select(vec![Store::Write, Store::WriteRelu, Store::Add]),
    ) {
        if compiled() {
            check::<f32>(run, &g, how, 2e-4);
            check::<f64>(run, &g, how, 1e-11);
        }
    }
}

/// A square layer as cnn-vae has them: of a kernel of 4×4 and stride 2, or of 3×3 where small and big are of one size.
fn layer(batch: usize, small: (usize, usize), big: (usize, usize)) -> Geometry {
    let grid = |(side, channels)| Grid { height: side, width: side, channels };
    let stride = if small.0 == big.0 { 1 } else { 2 };
    let kernel = (stride + 2, stride + 2);
    Geometry { batch, small: grid(small), big: grid(big), kernel, stride: (stride, stride), padding: (1, 1) }
}

#[test]
fn a_residue_of_seven_pixels_needs_nine_products_and_of_fourteen_nineteen() {
    if !compiled() {
        return;
    }
    // Direct: 26² products; two segments of three and an edge for each residue: 2 · (4 + 4 + 1).
    assert_eq!(Plan::new(&layer(1, (7, 128), (14, 64))).expect("a plan").products(), 18 * 18);
    // Direct: 54²; four segments of three, one of one, an edge: 2 · (4 · 4 + 2 + 1).
    assert_eq!(Plan::new(&layer(1, (14, 64), (28, 32))).expect("a plan").products(), 38 * 38);
    // Direct: 19²; three pairs and a half: 3 · 4 + 3.
    assert_eq!(Plan::new(&layer(1, (7, 128), (7, 64))).expect("a plan").products(), 15 * 15);
    // Direct: 40²; seven pairs.
    assert_eq!(Plan::new(&layer(1, (14, 64), (14, 64))).expect("a plan").products(), 28 * 28);
}

#[test]
fn the_cost_model_transforms_batches_and_multiplies_single_pictures_and_few_channels_directly() {
    if !compiled() {
        return;
    }
    for (batch, small, big, pays) in [
        (128, (7, 128), (14, 64), true),
        (128, (14, 64), (28, 32), true),
        (1, (7, 128), (14, 64), false),
        (128, (14, 64), (28, 1), false),
        (128, (7, 128), (7, 64), true),
        (128, (14, 32), (14, 32), true),
        (128, (14, 16), (14, 16), false),
        (1, (7, 128), (7, 64), false),
    ] {
        let g = layer(batch, small, big);
        let found = [Plan::of_up(&g), Plan::of_down(&g), Plan::of_weight_gradient(&g)].map(|plan| plan.is_some());
        assert_eq!(found, [pays; 3], "{g:?}");
    }
    // Partial results cost more than transformed weights.
    let of_six = layer(6, (14, 64), (28, 32));
    assert_eq!((Plan::of_up(&of_six).is_some(), Plan::of_weight_gradient(&of_six).is_some()), (true, false));
}

/// Largest error against f64 in units of the sum of the products' magnitudes.
fn error(found: &[f32], exact: &[f64], magnitudes: &[f64]) -> f64 {
    let errors = found.iter().zip(exact).zip(magnitudes).map(|((&f, e), m)| (f64::from(f) - e).abs() / m);
    errors.fold(0.0, f64::max)
}

#[test]
fn errors_against_f64_stay_under_a_millionth_of_the_magnitudes() {
    if compiled() {
        errors_stay_small(&layer(1, (7, 64), (14, 32)));
        errors_stay_small(&layer(1, (7, 64), (7, 32)));
    }
}

fn errors_stay_small(g: &Geometry) {
    let plan = Plan::new(g).expect("a plan");
    let (small, big, w) = (numbers::<f64>(g.small.len(), 1), numbers::<f64>(g.big.len(), 2), numbers(g.weights(), 3));
    let to_f32 = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
    let sizes = |x: &[f64]| x.iter().map(|x| x.abs()).collect::<Vec<f64>>();
    let (mut exact, mut magnitudes) = (big.clone(), big.clone());
    naive::up(g, &small, &w, None, Store::Write, &mut exact);
    naive::up(g, &sizes(&small), &sizes(&w), None, Store::Write, &mut magnitudes);
    let mut found = to_f32(&big);
    let scratch = &mut vec![0.0; plan.up_scratch()];
    up(&Team::solo(), &plan, &to_f32(&small), &to_f32(&w), None, Store::Write, &mut found, scratch);
    assert!(error(&found, &exact, &magnitudes) < 1e-6);

    let (mut exact, mut magnitudes) = (small.clone(), small.clone());
    naive::down(g, &big, &w, None, Store::Write, &mut exact);
    naive::down(g, &sizes(&big), &sizes(&w), None, Store::Write, &mut magnitudes);
    let mut found = to_f32(&small);
    let scratch = &mut vec![0.0; plan.down_scratch()];
    down(&Team::solo(), &plan, &to_f32(&big), &to_f32(&w), None, Store::Write, &mut found, scratch);
    assert!(error(&found, &exact, &magnitudes) < 1e-6);

    let (mut exact, mut magnitudes) = (w.clone(), w.clone());
    naive::weight_gradient(g, &small, &big, &mut exact, false);
    naive::weight_gradient(g, &sizes(&small), &sizes(&big), &mut magnitudes, false);
    let mut found = to_f32(&w);
    let scratch = &mut vec![0.0; plan.weight_gradient_scratch()];
    weight_gradient(&Team::solo(), &plan, &to_f32(&small), &to_f32(&big), &mut found, false, scratch);
    assert!(error(&found, &exact, &magnitudes) < 1e-6);
}

#[test]
fn a_weight_gradient_is_about_as_precise_as_product_by_product() {
    if !compiled() {
        return;
    }
    a_weight_gradient_is_precise(&layer(6, (14, 64), (28, 32)), 1.2);
    a_weight_gradient_is_precise(&layer(6, (7, 128), (7, 64)), 1.6);
}

/// The norm of the error is at most `times` that of the products one by one.
fn a_weight_gradient_is_precise(g: &Geometry, times: f64) {
    let plan = Plan::new(g).expect("a plan");
    // Activations after a ReLU, and gradients of both signs.
    let small: Vec<f32> = numbers::<f32>(g.batch * g.small.len(), 1).iter().map(|x| x.max(0.0)).collect();
    let big = numbers::<f32>(g.batch * g.big.len(), 2);
    let to_f64 = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    let (mut exact, scratch) = (vec![0.0; g.weights()], &mut vec![0.0; weight_gradient_scratch(g)]);
    direct(&Team::solo(), g, &to_f64(&small), &to_f64(&big), &mut exact, false, scratch);
    let (mut found, mut one_by_one) = (vec![0.0; g.weights()], vec![0.0; g.weights()]);
    let scratch = &mut vec![0.0; plan.weight_gradient_scratch()];
    weight_gradient(&Team::solo(), &plan, &small, &big, &mut found, false, scratch);
    let scratch = &mut vec![0.0; weight_gradient_scratch(g)];
    direct(&Team::solo(), g, &small, &big, &mut one_by_one, false, scratch);
    let error = |x: &[f32]| x.iter().zip(&exact).map(|(&x, e)| (f64::from(x) - e).powi(2)).sum::<f64>().sqrt();
    assert!(error(&found) <= times * error(&one_by_one), "{:e}, {:e}", error(&found), error(&one_by_one));
}
