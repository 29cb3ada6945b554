//! Distances against their plain twin.

use proptest::prelude::*;

use inkgrad_kernels::cpu::distance::*;

proptest! {
    #![proptest_config(crate::cases(256))]

    #[test]
    fn squared_distances_are_the_plain_sums(
        width in 0usize..70,
        values in prop::collection::vec(-100.0f64..100.0, 70 * 9),
        which in prop::collection::vec(0u32..8, 0..20),
    ) {
        let (from, rows) = values.split_at(width);
        let (mut fast, mut plain) = (vec![f64::NAN; which.len()], vec![f64::NAN; which.len()]);
        squared_distances(from, rows, &which, &mut fast);
        naive(from, rows, &which, &mut plain);
        let single = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<f32>>();
        let mut narrow = vec![f32::NAN; which.len()];
        squared_distances(&single(from), &single(rows), &which, &mut narrow);
        for ((fast, plain), narrow) in fast.into_iter().zip(plain).zip(narrow) {
            // Terms are not negative, so that rounding is relative: an addition's share for each of at most 70.
            prop_assert!((fast - plain).abs() <= 100.0 * f64::EPSILON * plain, "{fast} for {plain}");
            // The factors are rounded too: differences by 1e-5 where numbers reach 100.
            prop_assert!((f64::from(narrow) - plain).abs() <= 1e-5 * plain + 1e-4 * plain.sqrt() * (width as f64).sqrt());
        }
    }
}
