//! CIFAR-10's and CIFAR-100's binary versions.
//!
//! A file is records and nothing else: one byte of label (CIFAR-10) or two, coarse and fine (CIFAR-100), then 32×32 pictures by
//! planes, 1024 bytes each of red, green and blue, rows from the top (<https://www.cs.toronto.edu/~kriz/cifar.html>).

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::images::check_bytes;
use super::{Dataset, Examples, Extents, Images, Origin, Pixels, class_names, folder_name, is_clutter, left_out};
use crate::error::{Error, Result};
use crate::{memory, text};

/// A picture's extents.
const EXTENTS: Extents = Extents { height: 32, width: 32, channels: 3 };
/// Values of one colour.
const PLANE: usize = 32 * 32;

/// One of the two sets.
struct Kind {
    name: &'static str,
    /// The folder that its archive unpacks to.
    folder: &'static str,
    /// Bytes of labels before a picture; the last one counts.
    labels: usize,
    test: &'static str,
    /// The file of the classes' names, one a line.
    names: &'static str,
    classes: usize,
}

const CIFAR_10: Kind = Kind {
    name: "CIFAR-10",
    folder: "cifar-10-batches-bin",
    labels: 1,
    test: "test_batch.bin",
    names: "batches.meta.txt",
    classes: 10,
};

const CIFAR_100: Kind = Kind {
    name: "CIFAR-100",
    folder: "cifar-100-binary",
    labels: 2,
    test: "test.bin",
    names: "fine_label_names.txt",
    classes: 100,
};

/// The files of a set.
pub(super) struct Found {
    kind: Kind,
    folder: PathBuf,
    /// In the order of their numbers.
    train: Vec<PathBuf>,
}

/// Looks for a set in a folder, or in the folder that its archive unpacks to below that.
///
/// # Errors
/// When a batch is missing between others, or is Python's.
pub(super) fn find(folder: &Path) -> Result<Option<Found>> {
    for kind in [CIFAR_10, CIFAR_100] {
        for place in [folder.to_owned(), folder.join(kind.folder)] {
            if place.is_dir()
                && let Some(train) = training_files(&kind, &place)?
            {
                return Ok(Some(Found { kind, folder: place, train }));
            }
        }
    }
    for place in [folder.to_owned(), folder.join("cifar-10-batches-py")] {
        if place.join("data_batch_1").is_file() {
            let problem = "CIFAR's Python version (data_batch_1), expected the binary version (data_batch_1.bin)";
            return Err(Error::input(place.display(), problem));
        }
    }
    Ok(None)
}

/// The files with training pictures of a set; none where there is no such set.
fn training_files(kind: &Kind, folder: &Path) -> Result<Option<Vec<PathBuf>>> {
    let mut found = Vec::new();
    for entry in folder.read_dir().map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
        if is_clutter(&entry.file_name()) || !entry.path().is_file() {
            continue;
        }
        let number = name.strip_prefix("data_batch_").and_then(|rest| rest.strip_suffix(".bin"));
        match (kind.labels, number.and_then(|number| number.parse::<usize>().ok())) {
            (1, Some(number)) => found.push((number, entry.path())),
            // Only a name beside it tells CIFAR-100 from other files of that name.
            (2, _) if name == "train.bin" && super::find_file(folder, kind.names).is_some() => {
                found.push((1, entry.path()));
            }
            _ => {}
        }
    }
    found.sort_unstable();
    if let Some(missing) =
        (1..).zip(&found).find_map(|(expected, (number, _))| (expected != *number).then_some(expected))
    {
        let problem = format_args!("no data_batch_{missing}.bin, expected the batches from 1 on");
        return Err(Error::input(folder.display(), problem));
    }
    Ok((!found.is_empty()).then(|| found.into_iter().map(|(_, path)| path).collect()))
}

/// Loads the set that [`find`] found for the folder `given`.
pub(super) fn load(given: &Path, found: Found) -> Result<Dataset> {
    let Found { kind, folder, train } = found;
    let Some(test) = super::find_file(&folder, kind.test) else {
        let problem = format_args!("no {}, expected {}'s test pictures", kind.test, kind.name);
        return Err(Error::input(folder.display(), problem));
    };
    // Where there are no names, classes are called by their numbers.
    let classes = match super::find_file(&folder, kind.names) {
        Some(names) => read_names(&kind, &names)?,
        None => (0..kind.classes).map(|class| class.to_string()).collect(),
    };
    let files: Vec<&Path> = train.iter().chain([&test]).map(PathBuf::as_path).collect();
    let records = files.iter().map(|file| records(&kind, file)).collect::<Result<Vec<usize>>>()?;
    let (train_files, test_files) =
        (files.iter().zip(&records).take(train.len()), files.iter().zip(&records).skip(train.len()));
    Ok(Dataset {
        name: folder_name(given),
        classes,
        train: read_all(&kind, train_files)?,
        test: read_all(&kind, test_files)?,
        validation: 0,
        left_out: left_out::files(&folder, files.iter().copied()),
        origin: Origin::Cifar { path: folder, name: kind.name, batches: train.len() },
    })
}

/// The number of records in a file, by its length.
fn records(kind: &Kind, path: &Path) -> Result<usize> {
    let length = path.metadata().map_err(Error::io(path))?.len();
    let record = (kind.labels + EXTENTS.len()) as u64;
    if length == 0 || length % record != 0 {
        let mut start = Vec::new();
        let read = File::open(path).and_then(|file| file.take(text::LFS_LENGTH).read_to_end(&mut start));
        read.map_err(Error::io(path))?;
        if text::is_lfs_pointer(&start) {
            return Err(Error::input(path.display(), text::LFS_POINTER));
        }
        let problem = format_args!(
            "{length} bytes, expected whole records of {record}, one at least: the file is truncated or none of {}'s",
            kind.name
        );
        return Err(Error::input(path.display(), problem));
    }
    Ok((length / record) as usize)
}

/// Reads files of so many records each.
fn read_all<'a>(kind: &Kind, files: impl Iterator<Item = (&'a &'a Path, &'a usize)> + Clone) -> Result<Examples> {
    let count: usize = files.clone().map(|(_, records)| records).sum();
    memory::check((count * EXTENTS.len()) as u64, format_args!("{count} pictures of {EXTENTS}"))?;
    let (mut pixels, mut labels) = (Vec::with_capacity(count * EXTENTS.len()), Vec::with_capacity(count));
    for (path, &records) in files {
        let bytes = fs::read(path).map_err(Error::io(path))?;
        let record = kind.labels + EXTENTS.len();
        if bytes.len() != records * record {
            return Err(Error::input(path.display(), "the file changed while it was read"));
        }
        let before = pixels.len();
        for (i, record) in bytes.chunks_exact(record).enumerate() {
            let (record_labels, planes) = record.split_at(kind.labels);
            let label = usize::from(record_labels[kind.labels - 1]);
            if label >= kind.classes {
                let problem = format_args!("record {i} has label {label}, expected 0 to {}", kind.classes - 1);
                return Err(Error::input(path.display(), problem));
            }
            labels.push(label);
            pixels.extend((0..EXTENTS.len()).map(|at| planes[at % EXTENTS.channels * PLANE + at / EXTENTS.channels]));
        }
        check_bytes(&pixels[before..]).map_err(|problem| Error::input(path.display(), problem))?;
    }
    Ok(Examples { images: Images::from_checked(EXTENTS, Pixels::U8(pixels)), labels })
}

/// The names of all classes.
fn read_names(kind: &Kind, path: &Path) -> Result<Vec<String>> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    let text = String::from_utf8_lossy(text::without_mark(&bytes)).into_owned();
    // The archive's file ends with an empty line.
    let names: Vec<String> = text.lines().map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    if names.len() != kind.classes {
        let problem = format_args!("{} class names, expected {}'s {}", names.len(), kind.name, kind.classes);
        return Err(Error::input(path.display(), problem));
    }
    names.iter().try_for_each(|name| class_names::check_name(path.display(), name))?;
    Ok(names)
}
