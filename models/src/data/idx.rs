//! MNIST-style IDX files, gzipped or not.
//!
//! Format: two zero bytes, a type (8 for `uint8`), the number of dimensions, each dimension as a big-endian
//! `u32`, then the values (<https://yann.lecun.com/exdb/mnist/>).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::extents::SIDES;
use super::gzip::{self, Members};
use super::images::check_bytes;
use super::rows::{Format, PictureFile, Rows};
use super::{
    Dataset, Drawings, Extents, Images, LabelledFiles, Origin, Parts, Pixels, Room, Stored, assemble, inner_file,
    is_clutter, kept_in_memory, left_out, same_count,
};
use crate::error::{Error, Result};
use crate::{file, memory, text};

/// Names of the parts, and what follows them: images have three dimensions, labels one.
const PARTS: [(&[&str], &str); 4] = [
    (&["train-images"], "idx3-ubyte"),
    (&["train-labels"], "idx1-ubyte"),
    (&["t10k-images", "test-images"], "idx3-ubyte"),
    (&["t10k-labels", "test-labels"], "idx1-ubyte"),
];

/// Room for values before the first of them has come.
const FIRST_ROOM: usize = 1 << 26;

/// The files of one data set, in the order of [`PARTS`].
type Quartet = [Option<PathBuf>; 4];

/// The folder with IDX files: `folder`, or where torchvision puts them below it, `raw` or `MNIST/raw`.
///
/// # Errors
/// When several folders below it have some.
pub(super) fn find_folder(folder: &Path) -> Result<Option<PathBuf>> {
    if !find(folder)?.is_empty() {
        return Ok(Some(folder.to_owned()));
    }
    let mut below = vec![folder.join("raw")];
    for entry in folder.read_dir().map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        if !is_clutter(&entry.file_name()) {
            below.push(entry.path().join("raw"));
        }
    }
    let mut found = Vec::new();
    for place in below {
        if place.is_dir() && !find(&place)?.is_empty() {
            found.push(place);
        }
    }
    found.sort();
    match &found[..] {
        [first, second, ..] => {
            let (first, second) = (first.display(), second.display());
            Err(Error::input(folder.display(), format_args!("IDX files in {first} and in {second}, expected one")))
        }
        _ => Ok(found.pop()),
    }
}

/// Loads a folder of four IDX files.
pub(super) fn load(folder: &Path, room: Room) -> Result<Dataset<Drawings>> {
    let mut sets = find(folder)?;
    if let [(first, _), (second, _), ..] = &sets.iter().collect::<Vec<_>>()[..] {
        let problem = format!("IDX files of {first:?} and of {second:?}, expected one set a folder");
        return Err(Error::input(folder.display(), problem));
    }
    let (prefix, files) = sets.pop_first().unwrap_or_default();
    let [train_images, train_labels, test_images, test_labels] = std::array::from_fn(|part| {
        files[part].clone().ok_or_else(|| {
            let (names, kind) = PARTS[part];
            let problem = format!("no {prefix}{}-{kind} (or .gz), expected all four IDX files", names[0]);
            Error::input(folder.display(), problem)
        })
    });
    let train = OpenPart::open(train_images?, train_labels?)?;
    let test = OpenPart::open(test_images?, test_labels?)?;
    let mut left_out = left_out::files(folder, files.iter().flatten().map(PathBuf::as_path));
    let mut stays = room.lacks([&train, &test].iter().map(|part| part.images.count as u64).sum());
    if stays && let Some(part) = [&train, &test].into_iter().find(|part| part.images.length.is_none()) {
        left_out.push(kept_in_memory(&part.images.path, "gzipped"));
        stays = false;
    }
    let (train, test) = (train.read(stays)?, test.read(stays)?);
    assemble(folder, Origin::Idx(folder.to_owned()), Parts { train, validation: None, test }, left_out)
}

/// The IDX files in a folder by what stands before their names: nothing, or `emnist-letters-` and the like.
fn find(folder: &Path) -> Result<BTreeMap<String, Quartet>> {
    let mut sets: BTreeMap<String, Quartet> = BTreeMap::new();
    let mut paths = Vec::new();
    for entry in folder.read_dir().map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        if !is_clutter(&entry.file_name()) {
            paths.push(entry.path());
        }
    }
    // In order of names a file comes before its packed twin; files come before folders of their name.
    paths.sort_by_cached_key(|path| (path.is_dir(), path.clone()));
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        for (part, (names, kind)) in PARTS.iter().enumerate() {
            let stem = name.strip_suffix(kind).and_then(|stem| stem.strip_suffix(['-', '.']));
            let prefix = stem.and_then(|stem| names.iter().find_map(|name| stem.strip_suffix(name)));
            if let Some(prefix) = prefix.filter(|prefix| prefix.is_empty() || prefix.ends_with('-')) {
                let place = &mut sets.entry(prefix.to_owned()).or_default()[part];
                place.get_or_insert_with(|| inner_file(path.clone()));
            }
        }
    }
    Ok(sets)
}

/// The two files of a part, whose headers announce the same count.
struct OpenPart {
    images: Idx,
    labels: Idx,
    extents: Extents,
}

impl OpenPart {
    fn open(images_path: PathBuf, labels_path: PathBuf) -> Result<Self> {
        let (images, labels) = (Idx::open(&images_path, 3)?, Idx::open(&labels_path, 1)?);
        let extents = Extents { height: images.shape[1], width: images.shape[2], channels: 1 };
        if ![extents.height, extents.width].iter().all(|side| SIDES.contains(side)) {
            return Err(Error::input(
                images_path.display(),
                format_args!("pictures of {extents}, expected sides of {} to {}", SIDES.start(), SIDES.end()),
            ));
        }
        same_count((images.shape[0], &images_path), (labels.shape[0], &labels_path))?;
        Ok(OpenPart { images, labels, extents })
    }

    /// Reads it, or its labels alone where its pictures stay in their file.
    fn read(self, stays: bool) -> Result<LabelledFiles> {
        let OpenPart { images, labels, extents } = self;
        let (images_path, labels_path) = (images.path.clone(), labels.path.clone());
        let images = match stays {
            true => Stored::Files(images.into_rows(extents)?),
            false => {
                let values = images.values()?;
                check_bytes(&values).map_err(|problem| Error::input(images_path.display(), problem))?;
                Stored::Memory(Images::from_checked(extents, Pixels::U8(values)))
            }
        };
        let labels = labels.values()?.into_iter().map(usize::from).collect();
        Ok(LabelledFiles { drawings: Drawings { images, labels }, images_path, labels_path })
    }
}

/// An open file of `uint8` values whose header has been read.
struct Idx {
    path: PathBuf,
    shape: Vec<usize>,
    /// Number of values.
    count: usize,
    /// The length of the file, where it is not packed.
    length: Option<u64>,
    /// The values.
    source: Box<dyn Read>,
}

impl Idx {
    /// Reads the header, of that many dimensions.
    fn open(path: &Path, dimensions: usize) -> Result<Self> {
        let bad = |problem: String| Error::input(path.display(), problem);
        let size = file::check(path, "an IDX file")?;
        let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(Error::io(path))?);
        if text::is_lfs_pointer(file.fill_buf().map_err(Error::io(path))?) {
            return Err(bad(text::LFS_POINTER.to_owned()));
        }
        // Whatever its name is: some programs unpack what they fetch, or pack what they keep, and leave the name as it was.
        let gzipped = file.fill_buf().map_err(Error::io(path))?.starts_with(gzip::MAGIC);
        let (mut source, most_bytes): (Box<dyn Read>, u64) = if gzipped {
            (Box::new(Members::new(file)), size.saturating_mul(memory::MOST_INFLATION))
        } else {
            (Box::new(file), size)
        };

        let mut start = vec![0; 4 + 4 * dimensions];
        source.read_exact(&mut start).map_err(|e| bad(format!("no IDX header ({e}), expected an IDX file")))?;
        if gzipped && start.starts_with(gzip::MAGIC) {
            return Err(bad("is gzipped twice, expected an IDX file gzipped once".to_owned()));
        }
        if start[..3] != [0, 0, 8] || usize::from(start[3]) != dimensions {
            return Err(bad(format!("starts with {:?}, expected [0, 0, 8, {dimensions}] (IDX, uint8)", &start[..4])));
        }
        let (sizes, _) = start[4..].as_chunks::<4>();
        let shape: Vec<usize> = sizes.iter().map(|&size| u32::from_be_bytes(size) as usize).collect();
        // A count beyond what the file can hold is refused before memory is asked for.
        let count = shape
            .iter()
            .try_fold(1usize, |product, &n| product.checked_mul(n))
            .filter(|&count| count as u64 <= most_bytes)
            .ok_or_else(|| bad(format!("a file of {} bytes cannot hold {shape:?} values", size)))?;

        if gzipped {
            memory::check_packed(count as u64, size, path.display())?;
        }
        let length = (!gzipped).then_some(size);
        Ok(Self { path: path.to_owned(), shape, count, length, source })
    }

    /// Leaves pictures of those extents where they are.
    fn into_rows(self, extents: Extents) -> Result<Rows> {
        let (length, start) = (self.length.unwrap_or_default(), 4 + 4 * self.shape.len() as u64);
        self.check_length(length.saturating_sub(start))?;
        Ok(Rows::new(extents, PictureFile::open(&self.path, length, start, self.shape[0], Format::BYTES)?))
    }

    /// Compares the number of values that there are with what the header announces.
    fn check_length(&self, found: u64) -> Result<()> {
        let (path, count) = (self.path.display(), self.count);
        match found.cmp(&(count as u64)) {
            Ordering::Less => {
                Err(Error::input(path, format_args!("{found} values, expected {count}: the file is truncated")))
            }
            Ordering::Greater => {
                Err(Error::input(path, format_args!("more than the {count} values that its header announces")))
            }
            Ordering::Equal => Ok(()),
        }
    }

    /// The values.
    fn values(mut self) -> Result<Vec<u8>> {
        let count = self.count;
        if self.length.is_some() {
            memory::check(count as u64, self.path.display())?;
        }
        // One byte more than announced shows whether the file ends there. A packed file's count is a promise only, so
        // room grows with what comes.
        let mut values = Vec::with_capacity((count + 1).min(FIRST_ROOM));
        let read = self.source.by_ref().take(count as u64 + 1).read_to_end(&mut values);
        read.map_err(|error| {
            let problem = format!("cannot be unpacked after {} bytes ({error})", values.len());
            Error::input(self.path.display(), problem)
        })?;
        self.check_length(values.len() as u64)?;
        Ok(values)
    }
}
