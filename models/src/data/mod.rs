//! Pictures of 28×28 or other extents with class labels, read from files or drawn by the program.
//!
//! ```
//! use inkgrad_models::data::{Dataset, Images, builtin};
//!
//! let drawings = builtin(20, 42)?; // synthetic, the same for the same seed
//! assert_eq!(drawings.train.labels.len(), drawings.train.len());
//!
//! // Pictures of a program's own, without labels.
//! let squares = |n| Images::from_fn([32, 32, 3], n, |i, y, x, _| if y.max(x) < 8 + i { 255 } else { 0 });
//! assert_eq!(Dataset::unlabelled("squares", squares(9), squares(3))?.train.len(), 9);
//! # Ok::<(), inkgrad_models::Error>(())
//! ```

pub mod builtin;
mod class_files;
mod class_names;
mod course;
pub mod download;
mod extents;
mod idx;
mod images;
mod ndjson;
pub mod npy;
mod raster;
mod source;
mod summary;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

pub use builtin::builtin;
pub use course::write_course;
pub use extents::{Extents, SIDES};
pub use images::{Images, Pixels};
pub use npy::{Floats, load_images, load_labels, load_matrix, load_precise_matrix, save_npy};
pub use source::Source;
pub use summary::{ClassCount, SplitSummary, Summary, describe};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::features::hexadecimal;

/// Width and height of a drawing.
pub const SIDE: usize = 28;
/// Pixels of a drawing.
pub const PIXELS: usize = SIDE * SIDE;

/// Training and test drawings with their class names.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The data's name in a report: the folder's name, or [`builtin::NAME`].
    pub name: String,
    /// Name of each class; label `i` means `classes[i]`.
    pub classes: Vec<String>,
    /// Drawings to train on; never empty.
    pub train: Examples,
    /// Drawings to test on.
    pub test: Examples,
    /// Where the drawings come from.
    pub origin: Origin,
}

impl Dataset {
    /// Pictures that are told apart by nothing, all of one class, `name`: data for a model that needs no labels.
    ///
    /// # Errors
    /// When there is no picture to train on, or the two parts' extents differ.
    pub fn unlabelled(name: &str, train: Images, test: Images) -> Result<Self> {
        if train.is_empty() {
            return Err(Error::input(name, "no pictures to train on, expected at least one"));
        }
        if train.extents() != test.extents() {
            let problem = format!("test pictures of {}, expected {} as in training", test.extents(), train.extents());
            return Err(Error::input(name, problem));
        }
        let examples = |images: Images| Examples { labels: vec![0; images.len()], images };
        let (train, test) = (examples(train), examples(test));
        Ok(Dataset { name: name.to_owned(), classes: vec![name.to_owned()], train, test, origin: Origin::Memory })
    }

    /// The SHA-256 of everything that a network is shown: extents, classes, pixels and labels, in order.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{}\n{:?}\n", self.train.images.extents(), self.classes));
        for split in [&self.train, &self.test] {
            hash.update(format!("{} {}\n", split.len(), split.images.pixel_type()));
            match split.images.pixels() {
                Pixels::U8(pixels) => hash.update(pixels),
                Pixels::F32(pixels) => pixels.iter().for_each(|value| hash.update(value.to_le_bytes())),
            }
            split.labels.iter().for_each(|&label| hash.update((label as u64).to_le_bytes()));
        }
        hexadecimal(hash)
    }
}

/// Labelled pictures: one part of a data set, or some of it.
#[derive(Clone, Debug)]
pub struct Examples {
    /// The pictures, all of the same extents.
    pub images: Images,
    /// Class of each drawing, an index into [`Dataset::classes`].
    pub labels: Vec<usize>,
}

impl Examples {
    /// Number of drawings.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// Whether there is no drawing.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The pictures at `indices` with their labels.
    ///
    /// # Panics
    /// When an index has no picture.
    pub fn take(&self, indices: &[usize]) -> Examples {
        let images = self.images.take(indices);
        Examples { images, labels: indices.iter().map(|&i| self.labels[i]).collect() }
    }

    /// Writes the pictures at `indices` to `out`, values in [0, 1]; see [`Images::gather`].
    pub fn gather(&self, indices: &[usize], out: &mut [f32]) {
        self.images.gather(indices, out);
    }
}

/// Where a data set comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// Drawn by the program: synthetic, not made by people.
    Builtin {
        /// Seed of the drawings.
        seed: u64,
    },
    /// Made by the program that holds it.
    Memory,
    /// A folder in the course layout.
    Course(PathBuf),
    /// A folder of one `.npy` or `.ndjson` file a class, split by the program.
    ClassFiles {
        /// The folder.
        path: PathBuf,
        /// Share of each class that became test drawings.
        test_fraction: f64,
        /// Seed of the split.
        seed: u64,
        /// Drawings that the game did not recognise and that were left out; `None` where all were asked for.
        unrecognized: Option<usize>,
    },
    /// A folder of MNIST-style IDX files.
    Idx(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Builtin { seed } => {
                write!(f, "synthetic: strokes drawn by inkgrad itself, not by people (seed {seed})")
            }
            Self::Memory => f.write_str("made by the program that trains on it"),
            Self::Course(path) => write!(f, "course layout in {}", path.display()),
            Self::ClassFiles { path, test_fraction, seed, unrecognized } => {
                write!(f, "one file a class in {} (test fraction {test_fraction}, seed {seed})", path.display())?;
                match unrecognized {
                    Some(count) => write!(f, ", without {count} that the game did not recognise"),
                    None => Ok(()),
                }
            }
            Self::Idx(path) => write!(f, "IDX files in {}", path.display()),
        }
    }
}

/// Settings of [`load`] that only some sources use.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadOptions {
    /// Share of each class that becomes test drawings, for a folder of one file a class.
    pub test_fraction: f64,
    /// Seed of that split, and of the built-in drawings.
    pub seed: u64,
    /// Number of built-in drawings, training and test together.
    pub builtin_drawings: usize,
    /// Whether drawings that Google's game did not recognise are left out: lines of strokes that say `"recognized":false`.
    pub recognized_only: bool,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { test_fraction: 0.2, seed: 42, builtin_drawings: builtin::DEFAULT_DRAWINGS, recognized_only: false }
    }
}

/// Loads `builtin` or a folder: the course layout, IDX files, or one `.npy` or `.ndjson` file a
/// class.
///
/// # Errors
/// One line that names the file, what was found and what was expected.
pub fn load(spec: &str, options: &LoadOptions) -> Result<Dataset> {
    let unheeded =
        || Error::input("--recognized-only", format_args!("{spec} is no folder of .ndjson files, expected one"));
    if spec == "builtin" {
        if options.recognized_only {
            return Err(unheeded());
        }
        return builtin(options.builtin_drawings, options.seed);
    }
    let folder = Path::new(spec);
    if !folder.exists() {
        return Err(Error::input(folder.display(), "no such folder, expected `builtin` or a folder of drawings"));
    }
    if !folder.is_dir() {
        return Err(Error::input(folder.display(), "found a file, expected `builtin` or a folder of drawings"));
    }
    let dataset = if course::is_course(folder) {
        course::load(folder)
    } else if let Some((archive, names)) = course::find_npz(folder)? {
        course::load_npz(folder, &archive, &names)
    } else if let Some(place) = idx::find_folder(folder)? {
        idx::load(&place)
    } else {
        return class_files::load(folder, options);
    };
    if options.recognized_only { Err(unheeded()) } else { dataset }
}

/// Joins the parts of a data set read from `folder` and checks what every source has to guarantee.
///
/// `train` and `test` come with the places of their images and labels, for the errors.
fn assemble(folder: &Path, origin: Origin, mut train: LabelledFiles, mut test: LabelledFiles) -> Result<Dataset> {
    if train.examples.is_empty() {
        return Err(Error::input(train.images_path.display(), "no images, expected at least one to train on"));
    }
    let (expected, found) = (train.examples.images.extents(), test.examples.images.extents());
    if found != expected && !test.examples.is_empty() {
        return Err(Error::input(
            test.images_path.display(),
            format_args!("pictures of {found}, expected {expected} as in {}", train.images_path.display()),
        ));
    }
    let classes = class_names::read_or_number(folder, &mut [&mut train, &mut test])?;
    Ok(Dataset { name: folder_name(folder), classes, train: train.examples, test: test.examples, origin })
}

/// Compares the counts of images and labels, which their headers announce, before either is read.
fn same_count((images, images_path): (usize, &Path), (labels, labels_path): (usize, &Path)) -> Result<()> {
    if images == labels {
        return Ok(());
    }
    let problem = format_args!("{labels} labels, expected {images}: one for each image of {}", images_path.display());
    Err(Error::input(labels_path.display(), problem))
}

/// The file called `name` in a folder, in any case; or the file of that name in a folder of that name, as some archives
/// unpack.
fn find_file(folder: &Path, name: &str) -> Option<PathBuf> {
    let exact = folder.join(name);
    let path = if exact.exists() {
        exact
    } else {
        let entries = folder.read_dir().ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        let same = |path: &PathBuf| path.file_name().is_some_and(|found| found.eq_ignore_ascii_case(name));
        entries.filter(same).min()?
    };
    Some(inner_file(path))
}

/// `path`, or, where that is a folder with a file of its own name in it, that file.
fn inner_file(path: PathBuf) -> PathBuf {
    match path.file_name().map(|name| path.join(name)) {
        Some(inner) if path.is_dir() && inner.is_file() => inner,
        _ => path,
    }
}

/// Whether a name is none that a person gave: hidden files, and what macOS leaves beside others.
fn is_clutter(name: &std::ffi::OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b".") || name == b"__MACOSX"
}

/// Labelled pictures and the files that they were read from.
struct LabelledFiles {
    examples: Examples,
    images_path: PathBuf,
    labels_path: PathBuf,
}

/// The last part of the folder's path, `.` and `..` resolved.
fn folder_name(folder: &Path) -> String {
    let resolved = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    resolved.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
}
