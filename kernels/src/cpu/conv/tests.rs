use proptest::prelude::*;

use super::*;
use crate::Float;
use crate::cpu::Pool;

/// Every stride, padding and output padding with any channel count, batches of 1 to 20: whole and broken tiles.
fn geometries() -> impl Strategy<Value = Geometry> {
    let axis = (1usize..=4, 1usize..=3, 0usize..=2, 1usize..=6, 0usize..=2);
    (1usize..=20, axis.clone(), axis, 1usize..=20, 1usize..=20).prop_filter_map(
        "some output",
        |(batch, vertical, horizontal, small_channels, big_channels)| {
            let extent = |(kernel, stride, padding, small, extra): (usize, usize, usize, usize, usize)| {
                ((small - 1) * stride + kernel + extra % stride.max(1)).checked_sub(2 * padding).filter(|&big| big > 0)
            };
            Some(Geometry {
                batch,
                small: Grid { height: vertical.3, width: horizontal.3, channels: small_channels },
                big: Grid { height: extent(vertical)?, width: extent(horizontal)?, channels: big_channels },
                kernel: (vertical.0, horizontal.0),
                stride: (vertical.1, horizontal.1),
                padding: (vertical.2, horizontal.2),
            })
        },
    )
}

/// Numbers in [−1, 1) from a counter.
pub(super) fn numbers<T: Float>(n: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        T::from_f64((state >> 40) as f64 / f64::from(1 << 23) - 1.0)
    };
    (0..n).map(|_| next()).collect()
}

pub(super) fn assert_close<T: Float>(found: &[T], expected: &[T], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let error = (f.to_f64() - e.to_f64()).abs();
        assert!(error <= tolerance * (1.0 + e.to_f64().abs()), "element {i}: {f}, expected {e}");
    }
}

/// Runs the three kernels at `threads` and returns what they computed.
fn run<T: Float>(g: &Geometry, how: Store, threads: usize) -> [Vec<T>; 3] {
    let (small, big) = (numbers::<T>(g.batch * g.small.len(), 1), numbers::<T>(g.batch * g.big.len(), 2));
    let w = numbers::<T>(g.weights(), 3);
    let (mut down_out, mut up_out) = (numbers(small.len(), 4), numbers(big.len(), 5));
    let mut dw = numbers(w.len(), 6);
    Pool::new(threads).enter(|team| {
        let bias = numbers::<T>(g.small.channels, 7);
        down(team, g, &big, &w, Some(&bias), how, &mut down_out, &mut vec![T::ZERO; g.down_scratch()]);
        let bias = numbers::<T>(g.big.channels, 8);
        up(team, g, &small, &w, Some(&bias), how, &mut up_out, &mut vec![T::ZERO; g.up_scratch()]);
        let scratch = &mut vec![T::from_f64(f64::NAN); weight_gradient_scratch(g)];
        weight_gradient(team, g, &small, &big, &mut dw, how == Store::Add, scratch);
    });
    [down_out, up_out, dw]
}

fn check<T: Float>(g: &Geometry, how: Store, tolerance: f64) {
    let (small, big) = (numbers::<T>(g.batch * g.small.len(), 1), numbers::<T>(g.batch * g.big.len(), 2));
    let w = numbers::<T>(g.weights(), 3);
    let (mut down_out, mut up_out) = (numbers(small.len(), 4), numbers(big.len(), 5));
    let mut dw = numbers(w.len(), 6);
    naive::down(g, &big, &w, Some(&numbers(g.small.channels, 7)), how, &mut down_out);
    naive::up(g, &small, &w, Some(&numbers(g.big.channels, 8)), how, &mut up_out);
    naive::weight_gradient(g, &small, &big, &mut dw, how == Store::Add);
    let found = run::<T>(g, how, 1);
    for (found, expected) in found.iter().zip([&down_out, &up_out, &dw]) {
        assert_close(found, expected, tolerance);
    }
    assert_eq!(found, run::<T>(g, how, 3), "one thread and three");
}

proptest! {
    #![proptest_config(crate::property::cases(150))]
    #[test]
    fn fast_kernels_agree_with_their_formulas(
        g in geometries(),
        how in prop::sample::select(vec![Store::Write, Store::WriteRelu, Store::Add]),
    ) {
        check::<f32>(&g, how, 2e-4);
        check::<f64>(&g, how, 1e-11);
    }
}

#[test]
fn flops_count_only_taps_inside_the_picture() {
    let grid = |side, channels| Grid { height: side, width: side, channels };
    let g = Geometry { batch: 2, small: grid(7, 3), big: grid(7, 5), kernel: (3, 3), stride: (1, 1), padding: (1, 1) };
    // 19 of 21 taps a row, twice.
    assert_eq!(g.flops(), 2 * 2 * 19 * 19 * 3 * 5);
}
