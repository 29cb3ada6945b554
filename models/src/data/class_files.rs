//! Google's layout: one `<class>.npy` a class, split into training and test drawings here.

use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use super::npy::Array;
use super::{Dataset, Images, LoadOptions, Origin, PIXELS, Pixels, Split, folder_name};
use crate::error::{Error, Result};

/// Loads a folder of one file a class, classes in alphabetical order.
///
/// Of a class with n drawings, `round(n · test_fraction)` become test drawings; which ones, and the order within
/// a split, is drawn by the seed.
pub(super) fn load(folder: &Path, options: &LoadOptions) -> Result<Dataset> {
    let LoadOptions { test_fraction, seed, .. } = *options;
    if !(0.0..1.0).contains(&test_fraction) {
        return Err(Error::input("test fraction", format_args!("{test_fraction}, expected at least 0 and below 1")));
    }
    let (classes, paths) = class_paths(folder)?;
    let mut counts = Vec::with_capacity(paths.len());
    for path in &paths {
        counts.push(Array::open(path)?.image_count()?);
    }
    let plan = Plan::new(&counts, test_fraction, seed);
    if plan.train.is_empty() {
        return Err(Error::input(folder.display(), "no images to train on, expected at least one"));
    }

    // Images go straight to their places in the splits, so only one class is in memory twice.
    let mut images: Option<[Pixels; 2]> = None;
    for (class, path) in paths.iter().enumerate() {
        let source = super::load_images(path)?;
        if source.len() != counts[class] {
            return Err(Error::input(path.display(), "the file changed while it was read"));
        }
        let splits = images.get_or_insert_with(|| plan.room_for(source.pixels()));
        for (split, order) in splits.iter_mut().zip([&plan.train, &plan.test]) {
            scatter(source.pixels(), class, order, split).map_err(|problem| Error::input(path.display(), problem))?;
        }
    }
    let [train, test] =
        images.unwrap_or_else(|| [Pixels::U8(Vec::new()), Pixels::U8(Vec::new())]).map(Images::from_checked);
    Ok(Dataset {
        name: folder_name(folder),
        classes,
        train: Split { images: train, labels: plan.train.iter().map(|drawing| drawing.class).collect() },
        test: Split { images: test, labels: plan.test.iter().map(|drawing| drawing.class).collect() },
        origin: Origin::ClassFiles { path: folder.to_owned(), test_fraction, seed },
    })
}

/// Class names and files, sorted by name.
fn class_paths(folder: &Path) -> Result<(Vec<String>, Vec<PathBuf>)> {
    let mut found = Vec::new();
    for entry in folder.read_dir().map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "npy")
            && let Some(class) = path.file_stem()
        {
            found.push((class.to_string_lossy().into_owned(), path));
        }
    }
    if found.is_empty() {
        return Err(Error::input(
            folder.display(),
            "no drawings, expected train_images.npy and its three companions, one <class>.npy a class, or IDX files",
        ));
    }
    found.sort();
    Ok(found.into_iter().unzip())
}

/// A drawing in a class's file.
#[derive(Clone, Copy)]
struct Drawing {
    class: usize,
    row: usize,
}

/// Which drawing stands where in the splits.
struct Plan {
    train: Vec<Drawing>,
    test: Vec<Drawing>,
}

impl Plan {
    fn new(counts: &[usize], test_fraction: f64, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for (class, &count) in counts.iter().enumerate() {
            let mut drawings: Vec<Drawing> = (0..count).map(|row| Drawing { class, row }).collect();
            drawings.shuffle(&mut rng);
            let test_count = (count as f64 * test_fraction).round() as usize;
            test.extend_from_slice(&drawings[..test_count]);
            train.extend_from_slice(&drawings[test_count..]);
        }
        train.shuffle(&mut rng);
        test.shuffle(&mut rng);
        Self { train, test }
    }

    /// Room for both splits in the type of `source`.
    fn room_for(&self, source: &Pixels) -> [Pixels; 2] {
        [&self.train, &self.test].map(|order| match source {
            Pixels::U8(_) => Pixels::U8(vec![0; order.len() * PIXELS]),
            Pixels::F32(_) => Pixels::F32(vec![0.0; order.len() * PIXELS]),
        })
    }
}

/// Copies the images of one class to their places in a split.
fn scatter(source: &Pixels, class: usize, order: &[Drawing], split: &mut Pixels) -> Result<(), &'static str> {
    fn copy<T: Copy>(source: &[T], class: usize, order: &[Drawing], split: &mut [T]) {
        for (place, drawing) in split.chunks_exact_mut(PIXELS).zip(order) {
            if drawing.class == class {
                place.copy_from_slice(&source[drawing.row * PIXELS..][..PIXELS]);
            }
        }
    }
    match (source, split) {
        (Pixels::U8(source), Pixels::U8(split)) => copy(source, class, order, split),
        (Pixels::F32(source), Pixels::F32(split)) => copy(source, class, order, split),
        (Pixels::U8(_), Pixels::F32(_)) => return Err("uint8, expected floats as in the first class's file"),
        (Pixels::F32(_), Pixels::U8(_)) => return Err("floats, expected uint8 as in the first class's file"),
    }
    Ok(())
}
