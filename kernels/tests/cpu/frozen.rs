//! Convolutions with packed weights against the naive ones.

use inkgrad_kernels::Float;
use proptest::prelude::*;

use inkgrad_kernels::cpu::Pool;
use inkgrad_kernels::cpu::conv::{Store, naive};
use inkgrad_kernels::cpu::frozen::*;

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

fn check<T: Float>(filter: Filter, batch: usize, picture: (usize, usize)) {
    let geometry = filter.geometry(batch, picture);
    let (w, bias) = (numbers::<T>(filter.weights(), 1), numbers::<T>(filter.outputs, 2));
    let x = numbers::<T>(batch * geometry.big.len(), 3);
    let frozen = Frozen::new(filter, &w, &bias);
    let mut unpacked = numbers(w.len(), 4);
    frozen.unpack(&mut unpacked);
    assert_eq!(unpacked, w);
    let mut expected = numbers::<T>(batch * geometry.small.len(), 5);
    let run = |threads| {
        let mut y = expected.clone();
        Pool::new(threads).enter(|team| frozen.run(team, batch, picture, &x, &mut y));
        y
    };
    let found = run(1);
    assert_eq!(found, run(3), "one thread and three");
    let store = if filter.relu { Store::WriteRelu } else { Store::Write };
    naive::down(&geometry, &x, &w, Some(&bias), store, &mut expected);
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "element {i}");
    }
}

proptest! {
    #![proptest_config(crate::cases(60))]
    #[test]
    fn agrees_with_the_formula((filter, batch, picture) in cases()) {
        check::<f32>(filter, batch, picture);
        check::<f64>(filter, batch, picture);
    }
}

#[test]
fn a_picture_smaller_than_the_kernel_has_no_output() {
    let filter = Filter { inputs: 1, outputs: 1, kernel: (3, 1), stride: (2, 1), padding: (0, 0), relu: false };
    assert_eq!(filter.output((2, 5)), None);
    assert_eq!(filter.output((6, 5)), Some((2, 5)));
}
