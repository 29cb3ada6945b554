use proptest::prelude::*;

use super::super::super::tests::{Operands, assert_close, numbers};
use super::super::super::{Geometry, Grid, naive};
use super::*;
use crate::cpu::Pool;

/// Kernels of 3×3 with stride 1, any padding up to 2, pictures from one pixel on, channels that fill lanes or do not, and fill one
/// block of the weight gradient or begin another.
fn geometries() -> impl Strategy<Value = Geometry> {
    let axis = (0usize..=2, 1usize..=11);
    let small_channels = prop_oneof![3 => 1usize..=40, 1 => 62usize..=82];
    (1usize..=9, axis.clone(), axis, small_channels, 1usize..=40).prop_filter_map(
        "some picture",
        |(batch, vertical, horizontal, small_channels, big_channels)| {
            let big = |(padding, small): (usize, usize)| (small + 2).checked_sub(2 * padding).filter(|&big| big > 0);
            Some(Geometry {
                batch,
                small: Grid { height: vertical.1, width: horizontal.1, channels: small_channels },
                big: Grid { height: big(vertical)?, width: big(horizontal)?, channels: big_channels },
                kernel: (3, 3),
                stride: (1, 1),
                padding: (vertical.0, horizontal.0),
            })
        },
    )
}

/// The three kernels' outputs at `threads`, the scratch full of NaN.
fn all<T: Float>(g: &Geometry, how: Store, threads: usize) -> [Vec<T>; 3] {
    let (down, up) = (Pass::down(g).expect("a pass"), Pass::up(g).expect("a pass"));
    let Operands { small, big, w, small_bias, big_bias, mut down_out, mut up_out } = Operands::<T>::of(g);
    let mut dw = numbers(w.len(), 6);
    let scratch = |len| vec![T::from_f64(f64::NAN); len];
    Pool::new(threads).enter(|team| {
        run(team, &down, &big, &w, Some(&small_bias), how, &mut down_out, &mut scratch(down.scratch()));
        run(team, &up, &small, &w, Some(&big_bias), how, &mut up_out, &mut scratch(up.scratch()));
        let scratch = &mut scratch(down.weight_gradient_scratch());
        weight_gradient(team, &down, &small, &big, &mut dw, how == Store::Add, scratch);
    });
    [down_out, up_out, dw]
}

fn check<T: Float>(g: &Geometry, how: Store, tolerance: f64) {
    let operands = Operands::<T>::of(g);
    let mut dw = numbers(operands.w.len(), 6);
    naive::weight_gradient(g, &operands.small, &operands.big, &mut dw, how == Store::Add);
    let [down_out, up_out] = operands.naive(g, how);
    let found = all::<T>(g, how, 1);
    for (found, expected) in found.iter().zip([&down_out, &up_out, &dw]) {
        assert_close(found, expected, tolerance);
    }
    assert_eq!(found, all::<T>(g, how, 3), "one thread and three");
}

proptest! {
    #![proptest_config(crate::property::cases(100))]
    #[test]
    fn fast_kernels_agree_with_their_formulas(
        g in geometries(),
        how in prop::sample::select(vec![Store::Write, Store::WriteRelu, Store::Add]),
    ) {
        check::<f32>(&g, how, 2e-4);
        check::<f64>(&g, how, 1e-11);
    }
}

/// A square layer with padding 1.
fn layer(batch: usize, side: usize, small: usize, big: usize) -> Geometry {
    let grid = |channels| Grid { height: side, width: side, channels };
    Geometry { batch, small: grid(small), big: grid(big), kernel: (3, 3), stride: (1, 1), padding: (1, 1) }
}

#[test]
fn the_cost_model_takes_batches_of_many_channels() {
    for (g, pays) in [
        (layer(128, 7, 128, 64), true),
        (layer(128, 14, 64, 32), true),
        (layer(1, 7, 128, 64), false),
        (layer(128, 28, 32, 1), false),
        (Geometry { stride: (2, 2), ..layer(128, 7, 128, 64) }, false),
    ] {
        let found = [Pass::of_up(&g), Pass::of_down(&g), Pass::of_weight_gradient(&g)].map(|pass| pass.is_some());
        assert_eq!(found, [pays; 3], "{g:?}");
    }
}

/// Largest error against f64 in units of the sum of the products' magnitudes, and the norm of the error over that of the result.
fn errors(found: &[f32], exact: &[f64], magnitudes: &[f64]) -> (f64, f64) {
    let differences: Vec<f64> = found.iter().zip(exact).map(|(&found, exact)| f64::from(found) - exact).collect();
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let largest = differences.iter().zip(magnitudes).map(|(x, magnitude)| x.abs() / magnitude).fold(0.0, f64::max);
    (largest, norm(&differences) / norm(exact))
}

#[test]
fn errors_against_f64_stay_under_two_millionths() {
    let g = layer(4, 7, 128, 64);
    let (down, up) = (Pass::down(&g).expect("a pass"), Pass::up(&g).expect("a pass"));
    let (small, w) = (numbers::<f64>(g.batch * g.small.len(), 1), numbers(g.weights(), 3));
    // Activations after a ReLU.
    let big: Vec<f64> = numbers::<f64>(g.batch * g.big.len(), 2).iter().map(|x| x.max(0.0)).collect();
    let all = |small: &[f64], big: &[f64], w: &[f64]| {
        let (mut on_small, mut on_big, mut dw) = (small.to_vec(), big.to_vec(), w.to_vec());
        naive::down(&g, big, w, None, Store::Write, &mut on_small);
        naive::up(&g, small, w, None, Store::Write, &mut on_big);
        naive::weight_gradient(&g, small, big, &mut dw, false);
        [on_small, on_big, dw]
    };
    let sizes = |x: &[f64]| x.iter().map(|x| x.abs()).collect::<Vec<f64>>();
    let (exact, magnitudes) = (all(&small, &big, &w), all(&sizes(&small), &sizes(&big), &sizes(&w)));
    let to_f32 = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
    let (small, big, w, team) = (to_f32(&small), to_f32(&big), to_f32(&w), Team::solo());
    let mut found = [small.clone(), big.clone(), w.clone()];
    let [on_small, on_big, dw] = &mut found;
    run(&team, &down, &big, &w, None, Store::Write, on_small, &mut vec![0.0; down.scratch()]);
    run(&team, &up, &small, &w, None, Store::Write, on_big, &mut vec![0.0; up.scratch()]);
    weight_gradient(&team, &down, &small, &big, dw, false, &mut vec![0.0; down.weight_gradient_scratch()]);
    for ((found, exact), magnitudes) in found.iter().zip(&exact).zip(&magnitudes) {
        let (largest, norm) = errors(found, exact, magnitudes);
        println!("largest {largest:.1e}, norm {norm:.1e}");
        assert!(largest < 2e-6 && norm < 2e-6, "largest {largest:e}, norm {norm:e}");
    }
}
