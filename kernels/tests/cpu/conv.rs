//! The three kernels of convolutions against their naive twins.

use proptest::prelude::*;

use inkgrad_kernels::Float;
use inkgrad_kernels::cpu::Pool;
use inkgrad_kernels::cpu::conv::*;

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
pub(crate) fn numbers<T: Float>(n: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        T::from_f64((state >> 40) as f64 / f64::from(1 << 23) - 1.0)
    };
    (0..n).map(|_| next()).collect()
}

fn assert_close<T: Float>(found: &[T], expected: &[T], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let error = (f.to_f64() - e.to_f64()).abs();
        assert!(error <= tolerance * (1.0 + e.to_f64().abs()), "element {i}: {f}, expected {e}");
    }
}

/// The operands of a case, and what the outputs hold before.
pub(crate) struct Operands<T> {
    pub(crate) small: Vec<T>,
    pub(crate) big: Vec<T>,
    pub(crate) w: Vec<T>,
    pub(crate) small_bias: Vec<T>,
    pub(crate) big_bias: Vec<T>,
    pub(crate) down_out: Vec<T>,
    pub(crate) up_out: Vec<T>,
}

impl<T: Float> Operands<T> {
    pub(crate) fn of(g: &Geometry) -> Self {
        let (small, big) = (g.batch * g.small.len(), g.batch * g.big.len());
        Operands {
            small: numbers(small, 1),
            big: numbers(big, 2),
            w: numbers(g.weights(), 3),
            down_out: numbers(small, 4),
            up_out: numbers(big, 5),
            small_bias: numbers(g.small.channels, 7),
            big_bias: numbers(g.big.channels, 8),
        }
    }

    /// The outputs of the naive twins, down and up.
    pub(crate) fn naive(mut self, g: &Geometry, how: Store) -> [Vec<T>; 2] {
        naive::down(g, &self.big, &self.w, Some(&self.small_bias), how, &mut self.down_out);
        naive::up(g, &self.small, &self.w, Some(&self.big_bias), how, &mut self.up_out);
        [self.down_out, self.up_out]
    }
}

/// Runs the three kernels at `threads` and returns what they computed.
fn run<T: Float>(g: &Geometry, how: Store, threads: usize) -> [Vec<T>; 3] {
    let Operands { small, big, w, small_bias, big_bias, mut down_out, mut up_out } = Operands::<T>::of(g);
    let mut dw = numbers(w.len(), 6);
    Pool::new(threads).enter(|team| {
        down(team, g, &big, &w, Some(&small_bias), how, &mut down_out, &mut vec![T::ZERO; g.down_scratch()]);
        up(team, g, &small, &w, Some(&big_bias), how, &mut up_out, &mut vec![T::ZERO; g.up_scratch()]);
        let scratch = &mut vec![T::from_f64(f64::NAN); weight_gradient_scratch(g)];
        weight_gradient(team, g, &small, &big, &mut dw, how == Store::Add, scratch);
    });
    [down_out, up_out, dw]
}

/// Holds what `run(g, how, threads)` computes against the naive twins, and the same to the bit at one thread and three.
pub(crate) fn check<T: Float>(
    run: fn(&Geometry, Store, usize) -> [Vec<T>; 3],
    g: &Geometry,
    how: Store,
    tolerance: f64,
) {
    let operands = Operands::<T>::of(g);
    let mut dw = numbers(operands.w.len(), 6);
    naive::weight_gradient(g, &operands.small, &operands.big, &mut dw, how == Store::Add);
    let [down_out, up_out] = operands.naive(g, how);
    let found = run(g, how, 1);
    for (found, expected) in found.iter().zip([&down_out, &up_out, &dw]) {
        assert_close(found, expected, tolerance);
    }
    assert_eq!(found, run(g, how, 3), "one thread and three");
}

proptest! {
    #![proptest_config(crate::cases(150))]
    #[test]
    fn fast_kernels_agree_with_their_formulas(
        g in geometries(),
        how in prop::sample::select(vec![Store::Write, Store::WriteRelu, Store::Add]),
    ) {
        check::<f32>(run, &g, how, 2e-4);
        check::<f64>(run, &g, how, 1e-11);
    }
}

#[test]
fn flops_count_only_taps_inside_the_picture() {
    let grid = |side, channels| Grid { height: side, width: side, channels };
    let g = Geometry { batch: 2, small: grid(7, 3), big: grid(7, 5), kernel: (3, 3), stride: (1, 1), padding: (1, 1) };
    // 19 of 21 taps a row, twice.
    assert_eq!(g.flops(), 2 * 2 * 19 * 19 * 3 * 5);
}
