//! The course layout: four arrays and, if labels have names, `classes.txt`.

use std::path::{Path, PathBuf};

use super::npy::{self, Array};
use super::{
    Dataset, Examples, LabelledFiles, Origin, assemble, class_names, find_file, is_clutter, same_count, save_npy,
};
use crate::error::{Error, Result};
use crate::run::{atomic, disk};

const FILES: [&str; 4] = ["train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy"];

/// Whether the folder has at least one file of the layout.
pub(super) fn is_course(folder: &Path) -> bool {
    FILES.iter().any(|file| find_file(folder, file).is_some())
}

/// Loads a folder in the course layout.
pub(super) fn load(folder: &Path) -> Result<Dataset> {
    if let Some(missing) = FILES.iter().find(|file| find_file(folder, file).is_none()) {
        return Err(Error::input(
            folder.display(),
            format_args!("no {missing}, expected the course layout: {}", FILES.join(", ")),
        ));
    }
    let place = |name: &str| find_file(folder, name).unwrap_or_else(|| folder.join(name));
    let part = |images: &str, labels: &str| -> Result<LabelledFiles> { read_part(place(images), place(labels)) };
    let train = part(FILES[0], FILES[1])?;
    let test = part(FILES[2], FILES[3])?;
    assemble(folder, Origin::Course(folder.to_owned()), train, test)
}

/// Reads a part, once the counts that its two headers announce agree.
fn read_part(images_path: PathBuf, labels_path: PathBuf) -> Result<LabelledFiles> {
    let (images, labels) = (Array::open(&images_path)?, Array::open(&labels_path)?);
    same_count((images.layout()?.count, &images_path), (labels.label_count()?, &labels_path))?;
    let examples = Examples { images: images.into_images()?, labels: labels.into_labels()? };
    Ok(LabelledFiles { examples, images_path, labels_path })
}

/// Names of the four arrays in one `.npz`: ours, and those of Keras.
const MEMBERS: [[&str; 4]; 2] =
    [["train_images", "train_labels", "test_images", "test_labels"], ["x_train", "y_train", "x_test", "y_test"]];

/// The `.npz` in the folder that holds all four arrays, and their names.
///
/// # Errors
/// When several do.
pub(super) fn find_npz(folder: &Path) -> Result<Option<(PathBuf, [String; 4])>> {
    let mut found = Vec::new();
    for entry in folder.read_dir().map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let path = entry.path();
        let is_npz = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
        if is_npz && path.is_file() && !is_clutter(&entry.file_name()) {
            let inside = npy::npz_names(&path);
            // They may lie in a folder of the archive.
            let place =
                |name: &str| inside.iter().find(|found| found.rsplit(['/', '\\']).next() == Some(name)).cloned();
            let places = |[a, b, c, d]: [&str; 4]| Some([place(a)?, place(b)?, place(c)?, place(d)?]);
            found.extend(MEMBERS.into_iter().find_map(places).map(|names| (path, names)));
        }
    }
    match found.len() {
        0 | 1 => Ok(found.pop()),
        n => Err(Error::input(folder.display(), format_args!("{n} .npz files with images and labels, expected one"))),
    }
}

/// Loads the four arrays of one `.npz`.
pub(super) fn load_npz(folder: &Path, archive: &Path, names: &[String; 4]) -> Result<Dataset> {
    let part = |images: &str, labels: &str| -> Result<LabelledFiles> {
        let place = |name| PathBuf::from(format!("{}:{name}", archive.display()));
        read_part(place(images), place(labels))
    };
    let (train, test) = (part(&names[0], &names[1])?, part(&names[2], &names[3])?);
    assemble(folder, Origin::Course(folder.to_owned()), train, test)
}

/// Writes a data set in the course layout: images (N, H, W) or (N, H, W, C) in their own type, labels `int64`, `classes.txt`.
///
/// # Errors
/// When the folder exists and is not empty, or the system refuses to write.
pub fn write_course(dataset: &Dataset, folder: impl AsRef<Path>) -> Result<()> {
    let folder = folder.as_ref();
    if folder.exists() {
        let mut entries = folder.read_dir().map_err(Error::io(folder))?;
        if entries.next().is_some() {
            return Err(Error::input(folder.display(), "not empty, expected a new or an empty folder"));
        }
    }
    disk::create_dir_all(folder).map_err(Error::io(folder))?;
    let labels = |split: &Examples| split.labels.iter().map(|&label| label as i64).collect::<Vec<_>>();
    atomic::write(folder.join(class_names::FILE), |file| {
        use std::io::Write;
        dataset.classes.iter().try_for_each(|class| writeln!(file, "{class}"))
    })?;
    dataset.train.images.save(&folder.join(FILES[0]))?;
    save_npy(folder.join(FILES[1]), &[dataset.train.len()], &labels(&dataset.train))?;
    dataset.test.images.save(&folder.join(FILES[2]))?;
    save_npy(folder.join(FILES[3]), &[dataset.test.len()], &labels(&dataset.test))
}
