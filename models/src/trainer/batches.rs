//! Which drawings a step trains on: a pure function of seed and step, so that a resumed run needs no saved shuffle.

use rand::RngExt;
use rand::seq::SliceRandom;

use crate::data::augment::Augmentation;
use crate::permutation::{LISTED, Permutation, rng};
use crate::run::config::Config;
use crate::{Error, Result};

/// The order of training.
#[derive(Debug, Clone)]
pub struct Batches {
    seed: u64,
    batch: usize,
    total: u64,
    plan: Order,
    /// Drawings trained on.
    training: usize,
    pool: Pool,
    /// The last batch.
    batch_at_hand: Vec<usize>,
    /// Drawings held back for validation.
    validation: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Passes over all drawings, shuffled anew each time; the last batch of a pass may be smaller.
    Epochs,
    /// Each batch drawn without replacement from all drawings.
    Steps,
}

/// The drawings trained on, and their order.
#[derive(Debug, Clone)]
enum Pool {
    /// In a list.
    Listed {
        training: Vec<u32>,
        /// In passes, the drawings trained on as they are shuffled; else their places in `training`, from which a batch is drawn. Kept,
        /// so that the next batch allocates nothing.
        order: Vec<u32>,
        /// The pass whose order is at hand.
        current: Option<u64>,
    },
    /// Too many for that: all drawings in an order of their own, of which the last are held back, and the order of a pass or step, both
    /// computed place by place.
    Computed {
        /// None where none are held back, or the data says which.
        split: Option<Permutation>,
        current: Option<(u64, Permutation)>,
    },
}

/// Streams of one seed: validation split, then one a pass or step.
const SPLIT: u64 = u64::MAX;

/// Records between two evaluations where a run is counted in steps.
const RECORDS_PER_EVALUATION: u64 = 5;

impl Batches {
    /// Splits `drawings` training drawings and plans the run. Those that the data itself holds back for validation are the last.
    ///
    /// # Errors
    /// If a batch would be larger than the training set; if the run is to stop by validation and there is none.
    pub fn new(config: &Config, drawings: usize) -> Result<Self> {
        Self::with_lists(config, drawings, LISTED)
    }

    /// The same with lists of at most so many drawings.
    fn with_lists(config: &Config, drawings: usize, most: usize) -> Result<Self> {
        config.check_patience()?;
        let held_back = match config.own_validation {
            0 => (drawings as f64 * config.val_fraction).round() as usize,
            own => own.min(drawings),
        };
        let training = drawings - held_back;
        if config.batch_size > training {
            let held = if held_back > 0 { format!(", {held_back} held back for validation") } else { String::new() };
            return Err(Error::input(
                "--batch-size",
                format!("{}, expected at most the {training} training drawings{held}", config.batch_size),
            ));
        }
        let is_split = held_back > 0 && config.own_validation == 0;
        let (total, plan) = match (config.steps, config.epochs) {
            (Some(steps), _) => (steps, Order::Steps),
            (None, epochs) => {
                let per_epoch = training.div_ceil(config.batch_size) as u64;
                (epochs.unwrap_or(1).saturating_mul(per_epoch), Order::Epochs)
            }
        };
        let (pool, validation) = match u32::try_from(drawings) {
            Ok(count) if drawings <= most => {
                let mut all: Vec<u32> = (0..count).collect();
                if is_split {
                    all.shuffle(&mut rng(config.seed, SPLIT));
                }
                let validation = all.split_off(training).into_iter().map(|i| i as usize).collect();
                all.shrink_to_fit();
                let order = match plan {
                    Order::Epochs => Vec::with_capacity(training),
                    Order::Steps => (0..training as u32).collect(),
                };
                (Pool::Listed { training: all, order, current: None }, validation)
            }
            _ => {
                let split = is_split.then(|| Permutation::new(drawings, config.seed, SPLIT));
                let drawing = |place| split.as_ref().map_or(place, |split| split.at(place));
                let validation = (training..drawings).map(drawing).collect();
                (Pool::Computed { split, current: None }, validation)
            }
        };
        let (seed, batch) = (config.seed, config.batch_size);
        let batch_at_hand = Vec::with_capacity(batch);
        Ok(Batches { seed, batch, total, plan, training, pool, batch_at_hand, validation })
    }

    /// Steps of the whole run.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether the run is counted in passes.
    pub fn by_epoch(&self) -> bool {
        self.plan == Order::Epochs
    }

    /// The drawings held back.
    pub fn validation(&self) -> &[usize] {
        &self.validation
    }

    /// Batches of a pass over the training set.
    pub fn steps_per_epoch(&self) -> u64 {
        self.training.div_ceil(self.batch) as u64
    }

    /// The same as a part of a pass may have it, where batches are drawn from all drawings.
    pub fn steps_of_a_pass(&self) -> f64 {
        match self.plan {
            Order::Epochs => self.steps_per_epoch() as f64,
            Order::Steps => self.training as f64 / self.batch as f64,
        }
    }

    /// Passes over the training set after `step` steps.
    pub fn epoch(&self, step: u64) -> f64 {
        match self.plan {
            Order::Epochs => step as f64 / self.steps_per_epoch() as f64,
            Order::Steps => step as f64 * self.batch as f64 / self.training as f64,
        }
    }

    /// How the drawings of step `step` are changed, where they are, and the pass by which: where each batch is drawn from all
    /// drawings, the step itself.
    pub fn augmentation(&self, config: &Config, step: u64) -> Option<(Augmentation, u64)> {
        let pass = match self.plan {
            Order::Epochs => step / self.steps_per_epoch(),
            Order::Steps => step,
        };
        (!config.augment.is_none()).then_some((Augmentation { augment: config.augment, seed: config.seed }, pass))
    }

    /// Whether the training loss is recorded after `step` steps: at the end of a pass, or every `log_every` steps.
    pub fn record_due(&self, step: u64, log_every: u64) -> bool {
        let interval = if self.by_epoch() { self.steps_per_epoch() } else { log_every.max(1) };
        step == self.total || step.is_multiple_of(interval)
    }

    /// Whether losses on held-back drawings are recorded too.
    pub fn evaluation_due(&self, step: u64, log_every: u64) -> bool {
        self.by_epoch()
            || step == self.total
            || step.is_multiple_of(log_every.max(1).saturating_mul(RECORDS_PER_EVALUATION))
    }

    /// How many drawings step `step` (from 0) has.
    pub fn len_of(&self, step: u64) -> usize {
        match self.plan {
            Order::Epochs => {
                let first = (step % self.steps_per_epoch()) as usize * self.batch;
                self.batch.min(self.training - first)
            }
            Order::Steps => self.batch,
        }
    }

    /// The drawings of step `step` (from 0).
    pub fn next(&mut self, step: u64) -> &[usize] {
        let per_epoch = self.steps_per_epoch();
        self.batch_at_hand.clear();
        let (stream, first) = match self.plan {
            Order::Epochs => (step / per_epoch, (step % per_epoch) as usize * self.batch),
            Order::Steps => (step, 0),
        };
        let places = first..self.training.min(first + self.batch);
        match (&mut self.pool, self.plan) {
            (Pool::Listed { training, order, current }, Order::Epochs) => {
                if *current != Some(stream) {
                    order.clone_from(training);
                    order.shuffle(&mut rng(self.seed, stream));
                    *current = Some(stream);
                }
                self.batch_at_hand.extend(order[places].iter().map(|&i| i as usize));
            }
            (Pool::Listed { training, order, .. }, Order::Steps) => {
                let mut rng = rng(self.seed, step);
                // A word apart from a pass's shuffle of the same number.
                let _: u32 = rng.random();
                let rest = order.len() - self.batch;
                let (drawn, _) = order.partial_shuffle(&mut rng, self.batch);
                self.batch_at_hand.extend(drawn.iter().map(|&place| place as usize));
                // Only swaps with the last places were made: whatever is not where it was is drawn, or was where it is drawn to. Put
                // back, the next step begins from the same order, without a pass over millions.
                for &place in &self.batch_at_hand {
                    order[place] = place as u32;
                }
                for (place, value) in (rest as u32..).zip(&mut order[rest..]) {
                    *value = place;
                }
                self.batch_at_hand.iter_mut().for_each(|i| *i = training[*i] as usize);
            }
            (Pool::Computed { split, current }, _) => {
                if current.as_ref().is_none_or(|&(at_hand, _)| at_hand != stream) {
                    *current = Some((stream, Permutation::new(self.training, self.seed, stream)));
                }
                let order = current.as_ref().map(|(_, order)| order);
                let drawing = |place| {
                    let place = order.map_or(place, |order| order.at(place));
                    split.as_ref().map_or(place, |split| split.at(place))
                };
                self.batch_at_hand.extend(places.map(drawing));
            }
        }
        &self.batch_at_hand
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Models;

    fn config(epochs: Option<u64>, steps: Option<u64>, val_fraction: f64) -> Config {
        Config { epochs, steps, batch_size: 8, val_fraction, ..Models::builtin().defaults("cnn-vae").unwrap() }
    }

    #[test]
    fn a_pass_takes_every_drawing_once_in_a_new_order() {
        let mut batches = Batches::new(&config(Some(2), None, 0.0), 30).unwrap();
        assert_eq!(batches.total(), 8);
        let passes = [0..4, 4..8].map(|steps| steps.flat_map(|step| batches.next(step).to_vec()).collect::<Vec<_>>());
        assert_ne!(passes[0], passes[1]);
        for mut pass in passes {
            assert_eq!(pass.len(), 30);
            pass.sort_unstable();
            assert_eq!(pass, (0..30).collect::<Vec<_>>());
        }
        // The same batch whether or not the steps before it were taken.
        assert_eq!(Batches::new(&config(Some(2), None, 0.0), 30).unwrap().next(6), batches.next(6));
    }

    #[test]
    fn steps_draw_without_replacement_and_never_held_back_drawings() {
        let mut batches = Batches::new(&config(None, Some(50), 0.2), 30).unwrap();
        let held_back = batches.validation().to_vec();
        assert_eq!(held_back.len(), 6);
        for step in 0..50 {
            let mut batch = batches.next(step).to_vec();
            assert!(batch.iter().all(|i| !held_back.contains(i)));
            batch.sort_unstable();
            batch.dedup();
            assert_eq!(batch.len(), 8);
        }
    }

    #[test]
    fn a_batch_is_drawn_as_if_all_drawings_lay_in_their_order() {
        for val_fraction in [0.0, 0.2] {
            let mut batches = Batches::new(&config(None, Some(50), val_fraction), 30).unwrap();
            for step in [0, 7, 3, 49, 4] {
                let mut rng = rng(batches.seed, step);
                let _: u32 = rng.random();
                let Pool::Listed { training, .. } = &batches.pool else { panic!("no list of 30") };
                let mut all = training.clone();
                let expected: Vec<usize> = all.partial_shuffle(&mut rng, 8).0.iter().map(|&i| i as usize).collect();
                assert_eq!(batches.next(step), expected, "step {step}");
                let Pool::Listed { order, .. } = &batches.pool else { panic!("no list of 30") };
                assert_eq!(*order, (0..batches.training as u32).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn drawings_without_a_list_are_each_taken_once_too() {
        let mut batches = Batches::with_lists(&config(Some(2), None, 0.2), 37, 10).unwrap();
        assert_eq!((batches.validation().len(), batches.total()), (7, 8));
        let passes = [0..4, 4..8].map(|steps| steps.flat_map(|step| batches.next(step).to_vec()).collect::<Vec<_>>());
        assert_ne!(passes[0], passes[1]);
        for pass in passes {
            let mut all = [&pass[..], batches.validation()].concat();
            all.sort_unstable();
            assert_eq!(all, (0..37).collect::<Vec<_>>());
        }
        assert_eq!((batches.len_of(3), batches.next(3).len()), (6, 6));
        let mut steps = Batches::with_lists(&config(None, Some(50), 0.2), 37, 10).unwrap();
        for step in 0..50 {
            let mut batch = steps.next(step).to_vec();
            assert!(batch.iter().all(|i| !steps.validation().contains(i)));
            batch.sort_unstable();
            batch.dedup();
            assert_eq!(batch.len(), 8);
        }
        // The data's own are the last.
        let own = Config { own_validation: 5, ..config(Some(1), None, 0.0) };
        assert_eq!(Batches::with_lists(&own, 37, 10).unwrap().validation(), [32, 33, 34, 35, 36]);
    }

    #[test]
    fn fifty_million_drawings_need_no_list() {
        let mut batches = Batches::new(&config(None, Some(5), 0.0), 50_000_000).unwrap();
        assert!(matches!(batches.pool, Pool::Computed { .. }));
        let mut all: Vec<usize> = (0..5).flat_map(|step| batches.next(step).to_vec()).collect();
        assert!(all.iter().all(|&i| i < 50_000_000) && all.iter().any(|&i| i > 1 << 24));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 40);
    }

    #[test]
    fn a_batch_larger_than_the_data_is_refused() {
        let error = Batches::new(&config(Some(1), None, 0.5), 14).unwrap_err().to_string();
        assert_eq!(error, "--batch-size: 8, expected at most the 7 training drawings, 7 held back for validation");
    }
}
