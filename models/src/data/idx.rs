//! MNIST-style IDX files, gzipped or not.
//!
//! Format: two zero bytes, a type (8 for `uint8`), the number of dimensions, each dimension as a big-endian
//! `u32`, then the values (<https://yann.lecun.com/exdb/mnist/>).

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::GzDecoder;

use super::extents::SIDES;
use super::{Dataset, Extents, Images, LabelledFiles, Origin, Pixels, Split, assemble};
use crate::error::{Error, Result};

/// Names of the parts, and what follows them: images have three dimensions, labels one.
const PARTS: [(&str, &str); 4] = [
    ("train-images", "idx3-ubyte"),
    ("train-labels", "idx1-ubyte"),
    ("t10k-images", "idx3-ubyte"),
    ("t10k-labels", "idx1-ubyte"),
];

/// Deflate shrinks at most 1032-fold (<https://zlib.net/zlib_tech.html>).
const MOST_INFLATION: u64 = 1032;

/// Whether the folder has at least one IDX file.
pub(super) fn is_idx(folder: &Path) -> bool {
    PARTS.iter().any(|&part| find(folder, part).is_some())
}

/// Loads a folder of four IDX files.
pub(super) fn load(folder: &Path) -> Result<Dataset> {
    let [train_images, train_labels, test_images, test_labels] = PARTS.map(|part| {
        find(folder, part).ok_or_else(|| {
            let (name, kind) = part;
            Error::input(folder.display(), format_args!("no {name}-{kind} (or .gz), expected all four IDX files"))
        })
    });
    let train = read_part(train_images?, train_labels?)?;
    let test = read_part(test_images?, test_labels?)?;
    assemble(folder, Origin::Idx(folder.to_owned()), train, test)
}

/// The file of a part, under any of its usual names.
fn find(folder: &Path, (name, kind): (&str, &str)) -> Option<PathBuf> {
    ["-", "."]
        .iter()
        .flat_map(|separator| ["", ".gz"].map(|end| folder.join(format!("{name}{separator}{kind}{end}"))))
        .find(|path| path.exists())
}

fn read_part(images_path: PathBuf, labels_path: PathBuf) -> Result<LabelledFiles> {
    let (shape, pixels) = read(&images_path, 3)?;
    let extents = Extents { height: shape[1], width: shape[2], channels: 1 };
    if ![extents.height, extents.width].iter().all(|side| SIDES.contains(side)) {
        return Err(Error::input(
            images_path.display(),
            format_args!("pictures of {extents}, expected sides of {} to {}", SIDES.start(), SIDES.end()),
        ));
    }
    let (_, labels) = read(&labels_path, 1)?;
    let split = Split {
        images: Images::from_checked(extents, Pixels::U8(pixels)),
        labels: labels.into_iter().map(usize::from).collect(),
    };
    Ok(LabelledFiles { split, images_path, labels_path })
}

/// Reads a file of `uint8` values with that many dimensions: the shape and the values.
fn read(path: &Path, dimensions: usize) -> Result<(Vec<usize>, Vec<u8>)> {
    let bad = |problem: String| Error::input(path.display(), problem);
    let metadata = path.metadata().map_err(Error::io(path))?;
    if !metadata.is_file() {
        return Err(bad("not a file, expected an IDX file".to_owned()));
    }
    let file = BufReader::with_capacity(1 << 16, File::open(path).map_err(Error::io(path))?);
    let gzipped = path.extension().is_some_and(|extension| extension == "gz");
    let (mut source, most_bytes): (Box<dyn Read>, u64) = if gzipped {
        (Box::new(GzDecoder::new(file)), metadata.len().saturating_mul(MOST_INFLATION))
    } else {
        (Box::new(file), metadata.len())
    };

    let mut start = vec![0; 4 + 4 * dimensions];
    source.read_exact(&mut start).map_err(|e| bad(format!("no IDX header ({e}), expected an IDX file")))?;
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
        .ok_or_else(|| bad(format!("a file of {} bytes cannot hold {shape:?} values", metadata.len())))?;

    // One byte more than announced shows whether the file ends there.
    let mut values = Vec::with_capacity(count + 1);
    source
        .take(count as u64 + 1)
        .read_to_end(&mut values)
        .map_err(|e| bad(format!("cannot be unpacked after {} bytes ({e})", values.len())))?;
    match values.len() {
        found if found < count => Err(bad(format!("{found} values, expected {count}: the file is truncated"))),
        found if found > count => Err(bad(format!("more than the {count} values that its header announces"))),
        _ => Ok((shape, values)),
    }
}
