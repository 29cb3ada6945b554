//! Which pictures of a class are trained on and which are tested on, where the data does not say.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use crate::error::{Error, Result};

/// A picture of a class.
#[derive(Clone, Copy)]
pub(super) struct Drawing {
    pub(super) class: u32,
    pub(super) row: u32,
}

/// The pictures of both splits, in their order.
pub(super) struct Plan {
    pub(super) train: Vec<Drawing>,
    pub(super) test: Vec<Drawing>,
}

impl Plan {
    /// Of a class with n pictures, `round(n · test_fraction)` become test pictures; which ones, and the order within a split, is
    /// drawn by the seed. No class has more than `u32::MAX`.
    pub(super) fn new(counts: &[usize], test_fraction: f64, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for (class, &count) in counts.iter().enumerate() {
            let mut drawings: Vec<Drawing> =
                (0..count as u32).map(|row| Drawing { class: class as u32, row }).collect();
            drawings.shuffle(&mut rng);
            let test_count = (count as f64 * test_fraction).round() as usize;
            test.extend_from_slice(&drawings[..test_count]);
            train.extend_from_slice(&drawings[test_count..]);
        }
        train.shuffle(&mut rng);
        test.shuffle(&mut rng);
        Self { train, test }
    }
}

/// Refuses a share that leaves nothing to train on.
pub(super) fn check_fraction(test_fraction: f64) -> Result<()> {
    match (0.0..1.0).contains(&test_fraction) {
        true => Ok(()),
        false => Err(Error::input("test fraction", format_args!("{test_fraction}, expected at least 0 and below 1"))),
    }
}
