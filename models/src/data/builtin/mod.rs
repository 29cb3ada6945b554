//! The built-in data set: synthetic drawings of five things, in the look of the Quick, Draw! bitmaps.
//!
//! Each drawing is made of strokes that a small procedure per class lays out (poses, styles, parts left out) and
//! that an unsteady pen draws. No person drew any of it, and no real drawing is in it.

mod fit;
mod hand;
mod motorbike;
mod pen;
mod rabbit;
mod snowman;
mod yoga;

use inkgrad_kernels::cpu::raster::Rasterizer;
use inkgrad_kernels::cpu::threads;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rayon::prelude::*;

use self::pen::Pen;
use super::{Dataset, Examples, Images, Origin, PIXELS};
use crate::error::{Error, Result};

/// The name of the data set in any output.
pub const NAME: &str = "built-in synthetic drawings";

/// Drawings unless told otherwise: 20,000 to train on and 5,000 to test on.
pub const DEFAULT_DRAWINGS: usize = 25_000;

/// The fewest drawings: at least one training and one test drawing of each class.
pub const FEWEST: usize = 2 * CLASSES.len();
/// The most drawings that are made at once, about 750 MiB.
pub const MOST: usize = 1_000_000;

/// Draws one thing.
type Draw = fn(&mut Pen);

/// The classes and what draws them.
const CLASSES: [(&str, Draw); 5] = [
    ("rabbit", rabbit::draw),
    ("yoga", yoga::draw),
    ("hand", hand::draw),
    ("snowman", snowman::draw),
    ("motorbike", motorbike::draw),
];

/// Draws the built-in data set: four fifths to train on, the rest to test on, classes in turn.
///
/// Drawing `i` depends on `seed` and `i` alone, so the result is the same for any number of threads.
///
/// # Errors
/// When `drawings` is less than 10 or more than a million.
pub fn builtin(drawings: usize, seed: u64) -> Result<Dataset> {
    if !(FEWEST..=MOST).contains(&drawings) {
        return Err(Error::input(NAME, format_args!("{drawings} drawings, expected {FEWEST} to {MOST}")));
    }
    let train = drawings - drawings / 5;
    Ok(Dataset {
        name: NAME.to_owned(),
        classes: CLASSES.iter().map(|&(name, _)| name.to_owned()).collect(),
        train: draw_split(0..train, seed),
        test: draw_split(train..drawings, seed),
        validation: 0,
        origin: Origin::Builtin { seed },
        left_out: Vec::new(),
    })
}

fn draw_split(drawings: std::ops::Range<usize>, seed: u64) -> Examples {
    let labels = drawings.clone().map(|i| i % CLASSES.len()).collect();
    let mut pixels = vec![0; drawings.len() * PIXELS];
    threads::shared(|| {
        pixels.par_chunks_exact_mut(PIXELS).zip(drawings).for_each_init(
            Rasterizer::default,
            |rasterizer, (image, i)| {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                rng.set_stream(i as u64);
                let mut pen = Pen::new(rng);
                let (_, draw) = CLASSES[i % CLASSES.len()];
                draw(&mut pen);
                fit::draw(&pen.finish(), rasterizer, image);
            },
        )
    });
    Examples { images: Images::from_u8(pixels), labels }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Pixels, describe};

    fn on_threads(threads: usize) -> Dataset {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| builtin(500, 7)).unwrap()
    }

    #[test]
    fn the_same_on_any_number_of_threads_and_other_for_another_seed() {
        let (one, two) = (on_threads(1), on_threads(2));
        assert_eq!(one.train.images, two.train.images);
        assert_eq!(one.test.images, two.test.images);
        assert_ne!(one.train.images, builtin(500, 8).unwrap().train.images);
    }

    #[test]
    fn balanced_and_called_synthetic() {
        let summary = describe(&builtin(1000, 1).unwrap());
        assert!(summary.classes.iter().all(|class| (class.train, class.test) == (160, 40)));
        assert!(summary.synthetic && summary.name.contains("synthetic") && summary.origin.contains("synthetic"));
        assert_eq!(summary.test_also_in_train, 0);
    }

    #[test]
    fn ink_fills_the_box_as_in_real_drawings() {
        let dataset = builtin(1000, 3).unwrap();
        let Pixels::U8(pixels) = dataset.train.images.pixels() else { panic!("not bytes") };
        for (i, image) in pixels.chunks_exact(PIXELS).enumerate() {
            let inked = |at: usize| image[at] > 0;
            let rows = (0..28).filter(|row| (0..28).any(|column| inked(row * 28 + column))).count();
            let columns = (0..28).filter(|column| (0..28).any(|row| inked(row * 28 + column))).count();
            assert!((24..=26).contains(&rows.max(columns)), "drawing {i} is {rows}×{columns}");
            let ink = image.iter().filter(|&&v| v > 0).count();
            assert!((50..600).contains(&ink), "drawing {i} has {ink} pixels of ink");
        }
        // The real drawings of these classes have a mean of 39 to 51 of 255.
        let mean = describe(&dataset).train.mean.unwrap() * 255.0;
        assert!((36.0..54.0).contains(&mean), "mean {mean}");
    }

    #[test]
    fn refuses_too_few_and_too_many() {
        for drawings in [0, 9, 1_000_001] {
            let error = builtin(drawings, 1).unwrap_err().to_string();
            assert!(error.contains("expected 10 to 1000000"), "{error}");
        }
    }
}
