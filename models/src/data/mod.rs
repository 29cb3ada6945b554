//! Pictures of 28×28 or other extents with class labels, read from files or drawn by the program.

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
mod summary;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

pub use builtin::builtin;
pub use course::write_course;
pub use extents::{Extents, SIDES};
pub use images::{Images, Pixels};
pub use npy::{load_images, load_labels, load_matrix, save_npy};
pub use summary::{ClassCount, SplitSummary, Summary, describe};

use crate::error::{Error, Result};

/// Width and height of a drawing.
pub const SIDE: usize = 28;
/// Pixels of a drawing.
pub const PIXELS: usize = SIDE * SIDE;

/// Training and test drawings with their class names.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// What to call the data in a report: the folder's name, or [`builtin::NAME`].
    pub name: String,
    /// Name of each class; label `i` means `classes[i]`.
    pub classes: Vec<String>,
    /// Drawings to train on; never empty.
    pub train: Split,
    /// Drawings to test on.
    pub test: Split,
    /// Where the drawings come from.
    pub origin: Origin,
}

/// One part of a data set: images and as many labels.
#[derive(Clone, Debug)]
pub struct Split {
    /// The pictures, all of the same extents.
    pub images: Images,
    /// Class of each drawing, an index into [`Dataset::classes`].
    pub labels: Vec<usize>,
}

impl Split {
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
    pub fn take(&self, indices: &[usize]) -> Split {
        let images = self.images.take(indices);
        Split { images, labels: indices.iter().map(|&i| self.labels[i]).collect() }
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
            Self::Course(path) => write!(f, "course layout in {}", path.display()),
            Self::ClassFiles { path, test_fraction, seed } => {
                write!(f, "one file a class in {} (test fraction {test_fraction}, seed {seed})", path.display())
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
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { test_fraction: 0.2, seed: 42, builtin_drawings: builtin::DEFAULT_DRAWINGS }
    }
}

/// Loads `builtin` or a folder: the course layout, IDX files, or one `.npy` or `.ndjson` file a
/// class.
///
/// # Errors
/// One line that names the file, what was found and what was expected.
pub fn load(spec: &str, options: &LoadOptions) -> Result<Dataset> {
    if spec == "builtin" {
        return builtin(options.builtin_drawings, options.seed);
    }
    let folder = Path::new(spec);
    if !folder.exists() {
        return Err(Error::input(folder.display(), "no such folder, expected `builtin` or a folder of drawings"));
    }
    if !folder.is_dir() {
        return Err(Error::input(folder.display(), "found a file, expected `builtin` or a folder of drawings"));
    }
    if course::is_course(folder) {
        course::load(folder)
    } else if idx::is_idx(folder) {
        idx::load(folder)
    } else {
        class_files::load(folder, options)
    }
}

/// Joins the parts of a data set read from `folder` and checks what every source has to guarantee.
///
/// `train` and `test` come with the places of their images and labels, for the errors.
fn assemble(folder: &Path, origin: Origin, train: LabelledFiles, test: LabelledFiles) -> Result<Dataset> {
    for part in [&train, &test] {
        if part.split.images.len() != part.split.labels.len() {
            return Err(Error::input(
                part.labels_path.display(),
                format_args!(
                    "{} labels, expected {}: one for each image of {}",
                    part.split.labels.len(),
                    part.split.images.len(),
                    part.images_path.display()
                ),
            ));
        }
    }
    if train.split.is_empty() {
        return Err(Error::input(train.images_path.display(), "no images, expected at least one to train on"));
    }
    let (expected, found) = (train.split.images.extents(), test.split.images.extents());
    if found != expected && !test.split.is_empty() {
        return Err(Error::input(
            test.images_path.display(),
            format_args!("pictures of {found}, expected {expected} as in {}", train.images_path.display()),
        ));
    }
    let classes = class_names::read_or_number(folder, &[&train, &test])?;
    Ok(Dataset { name: folder_name(folder), classes, train: train.split, test: test.split, origin })
}

/// A split and the files that it was read from.
struct LabelledFiles {
    split: Split,
    images_path: PathBuf,
    labels_path: PathBuf,
}

/// The last part of the folder's path, `.` and `..` resolved.
fn folder_name(folder: &Path) -> String {
    let resolved = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    resolved.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
}
