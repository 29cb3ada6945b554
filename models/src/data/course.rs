//! The course layout: four arrays and, if labels have names, `classes.txt`.

use std::path::Path;

use super::{Dataset, LabelledFiles, Origin, Split, assemble, class_names, load_images, load_labels, save_npy};
use crate::error::{Error, Result};
use crate::run::atomic;

const FILES: [&str; 4] = ["train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy"];

/// Whether the folder has at least one file of the layout.
pub(super) fn is_course(folder: &Path) -> bool {
    FILES.iter().any(|file| folder.join(file).exists())
}

/// Loads a folder in the course layout.
pub(super) fn load(folder: &Path) -> Result<Dataset> {
    if let Some(missing) = FILES.iter().find(|file| !folder.join(file).exists()) {
        return Err(Error::input(
            folder.display(),
            format_args!("no {missing}, expected the course layout: {}", FILES.join(", ")),
        ));
    }
    let part = |images: &str, labels: &str| -> Result<LabelledFiles> {
        let (images_path, labels_path) = (folder.join(images), folder.join(labels));
        let split = Split { images: load_images(&images_path)?, labels: load_labels(&labels_path)? };
        Ok(LabelledFiles { split, images_path, labels_path })
    };
    let train = part(FILES[0], FILES[1])?;
    let test = part(FILES[2], FILES[3])?;
    assemble(folder, Origin::Course(folder.to_owned()), train, test)
}

/// Writes a data set in the course layout: images (N, 28, 28) in their own type, labels `int64`, `classes.txt`.
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
    std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
    let labels = |split: &Split| split.labels.iter().map(|&label| label as i64).collect::<Vec<_>>();
    atomic::write(folder.join(class_names::FILE), |file| {
        use std::io::Write;
        dataset.classes.iter().try_for_each(|class| writeln!(file, "{class}"))
    })?;
    dataset.train.images.save(&folder.join(FILES[0]))?;
    save_npy(folder.join(FILES[1]), &[dataset.train.len()], &labels(&dataset.train))?;
    dataset.test.images.save(&folder.join(FILES[2]))?;
    save_npy(folder.join(FILES[3]), &[dataset.test.len()], &labels(&dataset.test))
}
