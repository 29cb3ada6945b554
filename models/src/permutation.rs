//! Orders of so many drawings that a list of them would take more memory than a step does.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// The most numbers that are listed in a random order; the order of more is computed. So orders of fewer are what they have always been.
pub(crate) const LISTED: usize = 1 << 23;

/// One of the streams of a seed.
pub(crate) fn rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

/// A permutation of the numbers below `count` that is computed place by place: a Feistel network (Luby and Rackoff 1988) over the
/// next power of 4, walked along its cycle until it comes to a number that is small enough (Black and Rogaway 2002, section 4). On
/// average that takes less than four turns.
#[derive(Debug, Clone)]
pub(crate) struct Permutation {
    count: u64,
    /// Bits of each half.
    half: u32,
    keys: [u64; ROUNDS],
}

/// Three make the result of an ideal round function look random, four also backwards; the one here is plain, so that there are more.
const ROUNDS: usize = 6;

impl Permutation {
    /// The permutation of a seed and one of its streams.
    pub fn new(count: usize, seed: u64, stream: u64) -> Self {
        let count = count as u64;
        let bits = u64::BITS - count.saturating_sub(1).leading_zeros();
        let mut rng = rng(seed, stream);
        Permutation { count, half: bits.div_ceil(2).max(1), keys: std::array::from_fn(|_| rng.random()) }
    }

    /// The number at `place`, which is below the count.
    pub fn at(&self, place: usize) -> usize {
        let mut number = place as u64;
        loop {
            number = self.turn(number);
            if number < self.count {
                return number as usize;
            }
        }
    }

    /// (l, r) becomes (r, l ⊕ f(r, key)) with each key.
    fn turn(&self, number: u64) -> u64 {
        let mask = (1 << self.half) - 1;
        let (mut left, mut right) = (number >> self.half, number & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        left << self.half | right
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014), by which every bit depends on every other.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_one_place() {
        for count in [1, 2, 3, 4, 5, 16, 17, 1000, 4096, 4097] {
            let permutation = Permutation::new(count, 7, 1);
            let mut numbers: Vec<usize> = (0..count).map(|place| permutation.at(place)).collect();
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..count), "{count}");
        }
    }

    #[test]
    fn seeds_and_streams_have_orders_of_their_own() {
        let order = |seed, stream| {
            let permutation = Permutation::new(1000, seed, stream);
            (0..1000).map(|place| permutation.at(place)).collect::<Vec<_>>()
        };
        let orders = [order(1, 1), order(1, 2), order(2, 1)];
        // Of two random orders one place in a thousand is the same: 20 are met once in 10¹⁸ times.
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            assert!(orders[a].iter().zip(&orders[b]).filter(|(a, b)| a == b).count() < 20);
        }
        assert_eq!(orders[0], order(1, 1));
    }

    /// χ² of how often numbers of each sixteenth come in places of each sixteenth: 225 degrees of freedom, so that 400 is more than
    /// eight standard deviations above the mean.
    #[test]
    fn places_and_numbers_are_independent() {
        let (count, cells) = (1 << 16, 16);
        for stream in 0..4 {
            let permutation = Permutation::new(count, 3, stream);
            let mut found = vec![0_u32; cells * cells];
            for place in 0..count {
                found[place * cells / count * cells + permutation.at(place) * cells / count] += 1;
            }
            let expected = (count / cells / cells) as f64;
            let chi: f64 = found.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
            assert!(chi < 400.0 && chi > 90.0, "{chi}");
        }
    }
}
