//! Sums, maxima and copies along an axis against the plain formulas.

use inkgrad_kernels::cpu::Team;
use proptest::prelude::*;

use crate::cases;
use inkgrad_kernels::cpu::axis::*;
use inkgrad_kernels::cpu::{Pool, rng};

/// Whole numbers, so that sums are exact and maxima have ties.
fn whole(seed: u64, len: usize) -> Vec<f64> {
    let mut x = vec![0.0f64; len];
    rng::fill_uniform(&Team::solo(), seed, 0, 0, &mut x);
    x.iter().map(|x| (x * 40.0).floor() - 20.0).collect()
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn they_agree_with_the_plain_formulas(
        outer in 1usize..50, count in 1usize..150, inner in 1usize..80, add in any::<bool>(), seed in any::<u64>(),
    ) {
        let along = Along { outer, count, inner };
        let (x, start) = (whole(seed, along.len()), whole(seed ^ 1, along.len()));
        let added = |mut y: Vec<f64>| {
            y.iter_mut().zip(&start).for_each(|(y, s)| *y += if add { *s } else { 0.0 });
            y
        };
        for threads in [1, 3] {
            let (mut sums, mut copies) = (start[..along.rest()].to_vec(), start.clone());
            let (mut largest, mut place) = (vec![0.0; along.rest()], vec![0.0; along.rest()]);
            let mut dx = start.clone();
            Pool::new(threads).enter(|team| {
                sum_along(team, along, &x, &mut sums, add);
                copy_along(team, along, 1.0, &x[..along.rest()], &mut copies, add);
                max_along(team, along, &x, &mut largest, &mut place);
                max_along_backward(team, along, &place, &largest, &mut dx, add);
            });
            prop_assert_eq!(&sums, &added(naive::sum_along(along, &x)));
            prop_assert_eq!(&copies, &added(naive::copy_along(along, &x[..along.rest()])));
            prop_assert_eq!(&largest, &naive::max_along(along, &x));
            // Each maximum is given back once, to the first that has it.
            let given: Vec<f64> = dx.iter().zip(&start).map(|(d, s)| d - if add { *s } else { 0.0 }).collect();
            prop_assert_eq!(naive::sum_along(along, &given), largest.clone());
            for (k, &place) in place.iter().enumerate() {
                let (o, i) = (k / inner, k % inner);
                let row: Vec<f64> = (0..count).map(|s| x[(o * count + s) * inner + i]).collect();
                prop_assert_eq!(row.iter().position(|&x| x == largest[k]), Some(place as usize));
            }
        }
    }
}

#[test]
fn the_first_nan_is_the_maximum() {
    let along = Along { outer: 1, count: 4, inner: 1 };
    let (mut y, mut place) = ([0.0f32], [0.0]);
    max_along(&Team::solo(), along, &[1.0, f32::NAN, 9.0, f32::NAN], &mut y, &mut place);
    assert!(y[0].is_nan() && place == [1.0]);
}
