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

mod ahead;
pub mod augment;
pub mod builtin;
mod cifar;
mod class_files;
mod class_names;
mod course;
pub mod download;
mod drawings;
mod extents;
mod gzip;
mod idx;
mod images;
mod labels;
mod left_out;
mod ndjson;
pub mod npy;
mod origin;
mod picture_folders;
pub mod pictures;
mod resize;
mod rows;
mod source;
mod split;
mod summary;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use ahead::Ahead;
pub use builtin::builtin;
pub use class_names::check_names as check_class_names;
pub use course::write_course;
pub use drawings::{Drawings, Stored};
pub use extents::{Extents, SIDES};
pub use images::{Images, Pixels};
pub use labels::{Labels, LabelsOf};
pub use npy::{Floats, load_images, load_labels, load_matrix, load_precise_matrix, save_npy};
pub use origin::Origin;
pub use rows::Rows;
pub use source::Source;
pub use summary::{ClassCount, SplitSummary, Summary, describe};

use sha2::{Digest, Sha256};

use crate::digest::hexadecimal;
use crate::error::{Error, Result};
use crate::memory;

/// Width and height of a drawing.
pub const SIDE: usize = 28;
/// Pixels of a drawing.
pub const PIXELS: usize = SIDE * SIDE;

/// Training and test drawings with their class names: in memory, or, as [`Drawings`], wherever [`open`] left them.
#[derive(Clone, Debug)]
pub struct Dataset<P = Examples> {
    /// The data's name in a report: the folder's name, or [`builtin::NAME`].
    pub name: String,
    /// Name of each class; label `i` means `classes[i]`.
    pub classes: Vec<String>,
    /// Drawings to train on; never empty. The last of them may be there to validate on.
    pub train: P,
    /// Drawings to test on.
    pub test: P,
    /// How many of the drawings to train on the data holds back for validation: the last ones, which no run trains on.
    pub validation: usize,
    /// Where the drawings come from.
    pub origin: Origin,
    /// Remarks on files and arrays beside the drawings that are not used, and on those that cannot stay on disk, a line each.
    pub left_out: Vec<String>,
}

/// A part of a data set.
pub trait Part {
    /// Whether there is no drawing.
    fn is_empty(&self) -> bool;
}

impl Part for Examples {
    fn is_empty(&self) -> bool {
        Examples::is_empty(self)
    }
}

impl Part for Drawings {
    fn is_empty(&self) -> bool {
        Drawings::is_empty(self)
    }
}

impl<P: Part> Dataset<P> {
    /// The drawings that are shown and measured, those to test on, or to train on where there are no others; and what they are
    /// called, `test` or `training`.
    pub fn examined(&self) -> (&P, &'static str) {
        match self.test.is_empty() {
            true => (&self.train, "training"),
            false => (&self.test, "test"),
        }
    }
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
        Ok(Dataset {
            name: name.to_owned(),
            classes: vec![name.to_owned()],
            train,
            test,
            validation: 0,
            origin: Origin::Memory,
            left_out: Vec::new(),
        })
    }

    /// The SHA-256 of everything that a network is shown: extents, classes, pixels and labels, in order.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{}\n{:?}\n", self.train.images.extents(), self.classes));
        for split in [&self.train, &self.test] {
            hash.update(format!("{} {}\n", split.len(), split.images.pixel_type()));
            split.images.hash(&mut hash);
            split.labels.iter().for_each(|&label| hash.update((label as u64).to_le_bytes()));
        }
        if self.validation > 0 {
            hash.update(format!("{} held back\n", self.validation));
        }
        hexadecimal(hash)
    }

    /// How many drawings a run may train on: all but those that the data holds back.
    pub fn trained_on(&self) -> usize {
        self.train.len() - self.validation
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

/// Settings of [`load`] that only some sources use.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadOptions {
    /// Share of each class that becomes test drawings, for a folder of one file or folder a class.
    pub test_fraction: f64,
    /// Seed of that split, and of the built-in drawings.
    pub seed: u64,
    /// Number of built-in drawings, training and test together.
    pub builtin_drawings: usize,
    /// Whether drawings that Google's game did not recognise are left out: lines of strokes that say `"recognized":false`.
    pub recognized_only: bool,
    /// The middle square of every picture at so many pixels a side, instead of the pictures as they are.
    pub resize: Option<usize>,
    /// The share of free memory that pictures may take: what [`open`] opens stays in its files where it is more. `None`: all of it.
    pub memory: Option<f64>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            test_fraction: 0.2,
            seed: 42,
            builtin_drawings: builtin::DEFAULT_DRAWINGS,
            recognized_only: false,
            resize: None,
            memory: None,
        }
    }
}

/// Loads `builtin` or a folder: the course layout, IDX files, CIFAR's binary batches, one `.npy` or `.ndjson` file a class, or pictures.
///
/// # Errors
/// One line that names the file, what was found and what was expected.
pub fn load(spec: &str, options: &LoadOptions) -> Result<Dataset> {
    open(spec, &LoadOptions { memory: None, ..options.clone() })?.into_memory()
}

/// The same, but that pictures in `.npy` and IDX files stay there where they would take more than a share of the free memory
/// ([`LoadOptions::memory`]); each use reads those that it needs.
///
/// # Errors
/// As [`load`]. Values of pictures that stay in their files are checked when they are read.
pub fn open(spec: &str, options: &LoadOptions) -> Result<Dataset<Drawings>> {
    let room = Room::new(options.memory);
    let dataset = load_as_stored(spec, options, room)?;
    if options.recognized_only && !matches!(dataset.origin, Origin::ClassFiles { .. }) {
        let problem = format_args!("{spec} is no folder of .ndjson files, expected one");
        return Err(Error::input("--recognized-only", problem));
    }
    match options.resize {
        Some(side) => dataset.resized(side),
        None => Ok(dataset),
    }
}

fn load_as_stored(spec: &str, options: &LoadOptions, room: Room) -> Result<Dataset<Drawings>> {
    if spec == "builtin" {
        return builtin(options.builtin_drawings, options.seed).map(Dataset::from);
    }
    // Of a layout whose pictures are no rows of a file.
    let whole = |dataset: Dataset| {
        let mut dataset = Dataset::<Drawings>::from(dataset);
        let bytes = [&dataset.train, &dataset.test].iter().map(|part| part.images.bytes()).sum();
        if room.lacks(bytes) {
            dataset.left_out.push(kept_in_memory(Path::new(spec), "pictures of this layout are no rows of a file"));
        }
        dataset
    };
    let folder = Path::new(spec);
    if !folder.exists() {
        return Err(Error::input(folder.display(), "no such folder, expected `builtin` or a folder of drawings"));
    }
    if !folder.is_dir() {
        return Err(Error::input(folder.display(), "found a file, expected `builtin` or a folder of drawings"));
    }
    if course::is_course(folder) {
        course::load(folder, room)
    } else if let Some(archive) = course::find_npz(folder)? {
        course::load_npz(folder, &archive, room)
    } else if let Some(place) = idx::find_folder(folder)? {
        idx::load(&place, room)
    } else if let Some(found) = cifar::find(folder)? {
        cifar::load(folder, found).map(whole)
    } else if class_files::is_any(folder)? {
        class_files::load(folder, options, room)
    } else if let Some(found) = picture_folders::find(folder)? {
        picture_folders::load(folder, found, options).map(whole)
    } else {
        Err(nothing_in(folder))
    }
}

/// How many bytes pictures may take in memory; `None` where nothing limits them.
#[derive(Clone, Copy)]
struct Room(Option<u64>);

impl Room {
    /// A share of what is free now.
    fn new(share: Option<f64>) -> Self {
        // Where the system does not tell what is free, only a share of nothing is known.
        let free = |share: f64| memory::available().or((share == 0.0).then_some(0));
        Room(share.and_then(|share| Some((share * free(share)? as f64) as u64)))
    }

    /// Whether so many bytes are too many.
    fn lacks(self, bytes: u64) -> bool {
        self.0.is_some_and(|room| bytes > room)
    }
}

/// The remark on pictures that have to be in memory though it lacks the room that they were given.
fn kept_in_memory(place: &Path, why: &str) -> String {
    format!("{}: {why}, so that all drawings are read into memory, whatever --data-memory says", place.display())
}

/// Says which layouts there are.
fn nothing_in(folder: &Path) -> Error {
    Error::input(
        folder.display(),
        "no drawings, expected train_images.npy and its three companions, one <class>.npy or <class>.ndjson a class, IDX \
         files, CIFAR's binary batches, or pictures in <class>/*.png",
    )
}

/// The parts of a data set read from files.
struct Parts {
    train: LabelledFiles,
    /// To validate on, where the data has such a part.
    validation: Option<LabelledFiles>,
    test: LabelledFiles,
}

/// Joins the parts of a data set read from `folder` and checks what every source has to guarantee.
fn assemble(folder: &Path, origin: Origin, parts: Parts, left_out: Vec<String>) -> Result<Dataset<Drawings>> {
    let Parts { mut train, mut validation, mut test } = parts;
    if train.drawings.is_empty() {
        return Err(Error::input(train.images_path.display(), "no images, expected at least one to train on"));
    }
    let expected = train.drawings.images.extents();
    for part in validation.iter().chain([&test]).filter(|part| !part.drawings.is_empty()) {
        let found = part.drawings.images.extents();
        if found != expected {
            return Err(Error::input(
                part.images_path.display(),
                format_args!("pictures of {found}, expected {expected} as in {}", train.images_path.display()),
            ));
        }
    }
    let mut all: Vec<&mut LabelledFiles> = [&mut train, &mut test].into_iter().chain(&mut validation).collect();
    let classes = class_names::read_or_number(folder, &mut all)?;
    let held_back = validation.as_ref().map_or(0, |part| part.drawings.len());
    if let Some(part) = validation.filter(|part| !part.drawings.is_empty()) {
        let joined = train.drawings.append(part.drawings);
        joined.map_err(|problem| Error::input(part.images_path.display(), problem))?;
    }
    let (train, test) = (train.drawings, test.drawings);
    Ok(Dataset { name: folder_name(folder), classes, train, test, validation: held_back, origin, left_out })
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

/// Whether a name is none that a person gave: hidden files, and what macOS and network storage leave beside others.
fn is_clutter(name: &std::ffi::OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b".") || [&b"__MACOSX"[..], b"@eaDir", b"#recycle", b"lost+found"].contains(&name)
}

/// Labelled pictures and the files that they were read from.
struct LabelledFiles {
    drawings: Drawings,
    images_path: PathBuf,
    labels_path: PathBuf,
}

/// The last part of the folder's path, `.` and `..` resolved.
fn folder_name(folder: &Path) -> String {
    let resolved = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    resolved.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
}
