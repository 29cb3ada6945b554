//! Which pictures of a class are trained on and which are tested on, where the data does not say.

use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use crate::error::{Error, Result};
use crate::permutation::{LISTED, Permutation};

/// A picture, in one of several files that each have a class, or of several classes that each have a folder.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    /// The number of its file, or class.
    pub(super) file: u32,
    /// Its own number there.
    pub(super) row: u32,
}

/// Pictures in the order of a split.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// In a list.
    Listed(Arc<[Place]>),
    /// Too many for that: each place is computed when it is asked for.
    Computed(Arc<Computed>),
}

/// The order of a split of very many pictures.
#[derive(Debug)]
pub(super) struct Computed {
    /// The order of the split's pictures, which are numbered class by class.
    all: Permutation,
    /// How many of them the classes before each have, and at the end all.
    firsts: Vec<usize>,
    /// Of each class the order of all its pictures, of which each split has neighbours.
    classes: Arc<[Permutation]>,
    /// How many of a class's come before this split's.
    before: Vec<usize>,
}

impl Order {
    /// How many pictures there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Order::Listed(places) => places.len(),
            Order::Computed(computed) => computed.firsts[computed.before.len()],
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The picture at a place of the order.
    ///
    /// # Panics
    /// If there are not as many.
    pub(super) fn at(&self, index: usize) -> Place {
        match self {
            Order::Listed(places) => places[index],
            Order::Computed(computed) => {
                let (class, own) = computed.at(index);
                Place { file: class as u32, row: computed.classes[class].at(own) as u32 }
            }
        }
    }

    /// The file, or class, of that picture alone.
    ///
    /// # Panics
    /// If there are not as many.
    pub(super) fn file_at(&self, index: usize) -> usize {
        match self {
            Order::Listed(places) => places[index].file as usize,
            Order::Computed(computed) => computed.at(index).0,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Place> + '_ {
        (0..self.len()).map(|index| self.at(index))
    }

    /// All of them in a list.
    pub(super) fn listed(&self) -> Arc<[Place]> {
        match self {
            Order::Listed(places) => Arc::clone(places),
            Order::Computed(_) => self.iter().collect(),
        }
    }
}

impl Computed {
    /// The class at a place of the order, and the place among the class's own.
    fn at(&self, index: usize) -> (usize, usize) {
        let count = self.firsts[self.before.len()];
        assert!(index < count, "picture {index} of {count}");
        let number = self.all.at(index);
        let class = self.firsts.partition_point(|&first| first <= number) - 1;
        (class, self.before[class] + number - self.firsts[class])
    }
}

/// The pictures of both splits, in their order.
pub(super) struct Plan {
    pub(super) train: Order,
    pub(super) test: Order,
}

/// Streams of a seed by which very many pictures are split: those for the order of each split, then one a class. A run's own orders
/// have others.
const STREAMS: u64 = 1 << 62;

impl Plan {
    /// Of a class with n pictures, `round(n · test_fraction)` become test pictures; which ones, and the order within a split, is
    /// drawn by the seed. No class has more than `u32::MAX`.
    pub(super) fn new(counts: &[usize], test_fraction: f64, seed: u64) -> Self {
        Self::with_lists(counts, test_fraction, seed, LISTED)
    }

    /// The same with lists of at most so many pictures.
    pub(super) fn with_lists(counts: &[usize], test_fraction: f64, seed: u64, most: usize) -> Self {
        let tested = |count: usize| (count as f64 * test_fraction).round() as usize;
        if counts.iter().sum::<usize>() > most {
            let class = |(class, &count): (usize, &usize)| Permutation::new(count, seed, STREAMS + 2 + class as u64);
            let classes: Arc<[Permutation]> = counts.iter().enumerate().map(class).collect();
            let split = |stream: u64, own: &dyn Fn(usize) -> usize, before: Vec<usize>| {
                let mut firsts = vec![0];
                firsts.extend(counts.iter().scan(0, |sum, &count| {
                    *sum += own(count);
                    Some(*sum)
                }));
                let all = Permutation::new(firsts[counts.len()], seed, STREAMS + stream);
                Order::Computed(Arc::new(Computed { all, firsts, classes: Arc::clone(&classes), before }))
            };
            let test = split(0, &tested, vec![0; counts.len()]);
            let train = split(1, &|count| count - tested(count), counts.iter().map(|&count| tested(count)).collect());
            return Plan { train, test };
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for (class, &count) in counts.iter().enumerate() {
            let mut places: Vec<Place> = (0..count as u32).map(|row| Place { file: class as u32, row }).collect();
            places.shuffle(&mut rng);
            test.extend_from_slice(&places[..tested(count)]);
            train.extend_from_slice(&places[tested(count)..]);
        }
        train.shuffle(&mut rng);
        test.shuffle(&mut rng);
        Plan { train: Order::Listed(train.into()), test: Order::Listed(test.into()) }
    }
}

/// Refuses a share that leaves nothing to train on.
pub(super) fn check_fraction(test_fraction: f64) -> Result<()> {
    match (0.0..1.0).contains(&test_fraction) {
        true => Ok(()),
        false => Err(Error::input("test fraction", format_args!("{test_fraction}, expected at least 0 and below 1"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_computed_split_has_every_picture_once_and_its_share_of_each_class() {
        let counts = [40, 0, 7, 101, 1];
        for fraction in [0.0, 0.2, 0.5] {
            let computed = Plan::with_lists(&counts, fraction, 5, 0);
            let listed = Plan::new(&counts, fraction, 5);
            let key = |place: &Place| (place.file, place.row);
            let mut both: Vec<Place> = computed.train.iter().chain(computed.test.iter()).collect();
            both.sort_by_key(key);
            let all = (0_u32..).zip(counts).flat_map(|(file, count)| (0..count as u32).map(move |row| (file, row)));
            assert!(both.iter().map(key).eq(all), "{fraction}");
            for (computed, listed) in [(&computed.train, &listed.train), (&computed.test, &listed.test)] {
                assert_eq!(computed.len(), listed.len());
                for file in 0..counts.len() as u32 {
                    let count = |order: &Order| order.iter().filter(|place| place.file == file).count();
                    assert_eq!(count(computed), count(listed), "class {file} of {fraction}");
                }
                assert!(computed.listed().iter().copied().eq(computed.iter()));
            }
        }
    }

    #[test]
    fn a_computed_split_mixes_classes_and_pictures_and_obeys_the_seed() {
        let order = |seed| Plan::with_lists(&[500, 500], 0.2, seed, 0).train.listed();
        let (one, two) = (order(1), order(2));
        let same = one.iter().zip(&*two).filter(|(one, two)| one == two).count();
        assert!(same < 10, "{same} of {} places", one.len());
        let turns = one.windows(2).filter(|two| two[0].file != two[1].file).count();
        // Half of 799, give or take five standard deviations.
        assert!((329..=470).contains(&turns), "{turns}");
        assert_eq!(one, order(1));
    }
}
