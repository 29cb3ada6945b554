//! Convolutions with packed weights against the naive ones.

use std::cell::LazyCell;

use inkgrad_kernels::Float;
use proptest::prelude::*;

use inkgrad_kernels::cpu::Pool;
use inkgrad_kernels::cpu::conv::{Store, naive};
use inkgrad_kernels::cpu::frozen::*;
use inkgrad_kernels::cpu::simd::has_fused;

/// Any kernel, stride and padding, with channels that fill and break panels, and pictures that fill and break tiles.
fn cases() -> impl Strategy<Value = (Filter, usize, (usize, usize))> {
    let axis = (1usize..=7, 1usize..=3, 0usize..=3, 1usize..=12);
    let channels = prop_oneof![1usize..=40, 250usize..=530];
    (1usize..=3, axis.clone(), axis, channels, 1usize..=40, any::<bool>()).prop_map(
        |(batch, vertical, horizontal, inputs, outputs, relu)| {
            let filter = Filter {
                inputs,
                outputs,
                kernel: (vertical.0, horizontal.0),
                stride: (vertical.1, horizontal.1),
                padding: (vertical.2, horizontal.2),
                relu,
            };
            (filter, batch, (vertical.3 + vertical.0 - 1, horizontal.3 + horizontal.0 - 1))
        },
    )
}

/// Eighths in [−1, 1) from a counter. A product is at most 64 of 64ths, a sum of 49 · 530 of them below 2²¹: f32 holds it in any
/// order of adding, and results can be compared for equality. A bound would leave room for the rounding of as many terms.
fn numbers<T: Float>(n: usize, seed: u64) -> Vec<T> {
    let number = |i: usize| {
        let x = (i as u64 ^ seed << 32).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        T::from_f64((x >> 60) as f64 / 8.0 - 1.0)
    };
    (0..n).map(number).collect()
}

/// The output by one thread, which is that of three and, image by image, that of each image alone.
fn run<T: Float>(frozen: &Frozen<T>, batch: usize, picture: (usize, usize), x: &[T]) -> Vec<T> {
    let geometry = frozen.filter().geometry(batch, picture);
    let run = |threads, batch, x: &[T]| {
        let mut y = numbers::<T>(batch * geometry.small.len(), 5);
        Pool::new(threads).enter(|team| frozen.run(team, batch, picture, x, &mut y));
        y
    };
    let found = run(1, batch, x);
    assert_eq!(found, run(3, batch, x), "one thread and three");
    let alone: Vec<T> = x.chunks_exact(geometry.big.len()).flat_map(|x| run(1, 1, x)).collect();
    assert_eq!(found, alone, "together and alone");
    found
}

/// The formula's output, in f64.
fn formula(filter: Filter, batch: usize, picture: (usize, usize), [x, w, bias]: [&[f64]; 3], store: Store) -> Vec<f64> {
    let geometry = filter.geometry(batch, picture);
    let mut y = vec![0.0; batch * geometry.small.len()];
    naive::down(&geometry, x, w, Some(bias), store, &mut y);
    y
}

/// The output from packed weights, and whether it came by Winograd's algorithm.
fn found<T: Float>(filter: Filter, batch: usize, picture: (usize, usize), exact: [&[f64]; 3]) -> (Vec<f64>, bool) {
    let [x, w, bias] = exact.map(|values| values.iter().map(|&v| T::from_f64(v)).collect::<Vec<T>>());
    let frozen = Frozen::new(filter, &w, &bias);
    let mut unpacked = vec![T::from_f64(f64::NAN); w.len()];
    frozen.unpack(&mut unpacked);
    assert_eq!(unpacked, w);
    let y = run(&frozen, batch, picture, &x);
    (y.iter().map(|v| v.to_f64()).collect(), frozen.is_winograd(picture))
}

fn check(filter: Filter, batch: usize, picture: (usize, usize)) {
    let (w, bias) = (numbers(filter.weights(), 1), numbers(filter.outputs, 2));
    let x = numbers(batch * filter.geometry(batch, picture).big.len(), 3);
    let (exact, store) = ([&x[..], &w, &bias], if filter.relu { Store::WriteRelu } else { Store::Write });
    let expected = formula(filter, batch, picture, exact, store);
    // Σ|x·w| + |b|, which errors are relative to: sums themselves may come out near zero, by chance.
    let magnitudes = LazyCell::new(|| {
        let [x, w, bias] = exact.map(|values| values.iter().map(|v| v.abs()).collect::<Vec<f64>>());
        formula(filter, batch, picture, [&x, &w, &bias], Store::Write)
    });
    for ((found, winograd), epsilon) in [
        (found::<f32>(filter, batch, picture, exact), f64::from(f32::EPSILON)),
        (found::<f64>(filter, batch, picture, exact), f64::EPSILON),
    ] {
        if !winograd {
            assert_eq!(found, expected);
            continue;
        }
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
        let error = norm(&mut found.iter().zip(&expected).map(|(a, b)| a - b)) / norm(&mut magnitudes.iter().copied());
        // 4.8e-7 in f32; the worst of 762 draws, of seven taps in one direction, 1.6e-7.
        assert!(error <= 4.0 * epsilon, "{error:.1e}");
    }
}

/// Filters that Winograd's algorithm is for, and pictures that fill and break its tiles and bands.
fn winograd_cases() -> impl Strategy<Value = (Filter, usize, (usize, usize))> {
    let kernel = prop_oneof![
        3 => (2usize..=5, 2usize..=5),
        1 => (Just(1usize), 3usize..=8),
        1 => (3usize..=8, Just(1usize)),
    ];
    let axis = (0usize..=4, 1usize..=14);
    let channels = prop_oneof![5 => 16usize..=40, 1 => Just(272)];
    (1usize..=5, kernel, axis.clone(), axis, channels, 16usize..=40, any::<bool>()).prop_map(
        |(batch, kernel, vertical, horizontal, inputs, outputs, relu)| {
            let padding = (vertical.0, horizontal.0);
            let filter = Filter { inputs, outputs, kernel, stride: (1, 1), padding, relu };
            (filter, batch, (vertical.1 + kernel.0 - 1, horizontal.1 + kernel.1 - 1))
        },
    )
}

proptest! {
    #![proptest_config(crate::cases(20))]
    #[test]
    fn agrees_with_the_formula((filter, batch, picture) in cases()) {
        check(filter, batch, picture);
    }
}

proptest! {
    #![proptest_config(crate::cases(16))]
    #[test]
    fn fewer_products_agree_with_the_formula((filter, batch, picture) in winograd_cases()) {
        check(filter, batch, picture);
    }
}

/// Those of InceptionV3: 3×3, 5×5, and seven taps in one direction.
#[test]
fn pictures_of_inception_go_by_winograds_algorithm() {
    for (side, kernel, padding, stride, expected) in [
        (35, (3, 3), (1, 1), 1, true),
        (35, (5, 5), (2, 2), 1, true),
        (17, (1, 7), (0, 3), 1, true),
        (8, (3, 1), (1, 0), 1, true),
        (35, (3, 3), (0, 0), 2, false),
        (17, (1, 1), (0, 0), 1, false),
        (3, (3, 3), (0, 0), 1, false),
    ] {
        let filter = Filter { inputs: 48, outputs: 64, kernel, stride: (stride, stride), padding, relu: true };
        let frozen = Frozen::new(filter, &numbers::<f32>(filter.weights(), 1), &numbers(64, 2));
        assert_eq!(frozen.is_winograd((side, side)), expected && has_fused(), "{filter:?}");
        // No picture at all.
        Pool::new(2).enter(|team| frozen.run(team, 0, (side, side), &[], &mut []));
    }
}

#[test]
fn a_picture_smaller_than_the_kernel_has_no_output() {
    let filter = Filter { inputs: 1, outputs: 1, kernel: (3, 1), stride: (2, 1), padding: (0, 0), relu: false };
    assert_eq!(filter.output((2, 5)), None);
    assert_eq!(filter.output((6, 5)), Some((2, 5)));
}
