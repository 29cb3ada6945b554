//! The course layout: four arrays and, if labels have names, `classes.txt`; two more arrays if there are drawings to validate on.

use std::path::{Path, PathBuf};

use super::npy::{self, Array};
use super::{
    Dataset, Drawings, Examples, LabelledFiles, Origin, Parts, Room, Stored, assemble, class_names, find_file,
    is_clutter, kept_in_memory, left_out, same_count, save_npy,
};
use crate::error::{Error, Result};
use crate::run::atomic::{self, Staging};
use crate::run::disk;

const FILES: [&str; 4] = ["train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy"];
/// Drawings to validate on, which may be there too.
const VALIDATION: [&str; 2] = ["val_images.npy", "val_labels.npy"];

/// Whether the folder has at least one file of the layout.
pub(super) fn is_course(folder: &Path) -> bool {
    FILES.iter().any(|file| find_file(folder, file).is_some())
}

/// Loads a folder in the course layout.
pub(super) fn load(folder: &Path, room: Room) -> Result<Dataset<Drawings>> {
    if let Some(missing) = FILES.iter().find(|file| find_file(folder, file).is_none()) {
        return Err(Error::input(
            folder.display(),
            format_args!("no {missing}, expected the course layout: {}", FILES.join(", ")),
        ));
    }
    let place = |name: &str| find_file(folder, name).unwrap_or_else(|| folder.join(name));
    let part = |images: &str, labels: &str| OpenPart::open(place(images), place(labels));
    let (train, test) = (part(FILES[0], FILES[1])?, part(FILES[2], FILES[3])?);
    let validation = match VALIDATION.map(|file| find_file(folder, file)) {
        [Some(images), Some(labels)] => Some(OpenPart::open(images, labels)?),
        [None, None] => None,
        [images, _] => {
            let (found, missing) = if images.is_some() { (0, 1) } else { (1, 0) };
            let problem = format_args!("{} without {}, expected both", VALIDATION[found], VALIDATION[missing]);
            return Err(Error::input(folder.display(), problem));
        }
    };
    let used: Vec<PathBuf> = FILES.iter().chain(&VALIDATION).filter_map(|file| find_file(folder, file)).collect();
    let mut left_out = left_out::files(folder, used.iter().map(PathBuf::as_path));
    let parts = read_parts(train, validation, test, room, &mut left_out)?;
    assemble(folder, Origin::Course(folder.to_owned()), parts, left_out)
}

/// The two arrays of a part, whose headers announce the same count.
struct OpenPart {
    images: Array,
    labels: Array,
    images_path: PathBuf,
    labels_path: PathBuf,
}

impl OpenPart {
    fn open(images_path: PathBuf, labels_path: PathBuf) -> Result<Self> {
        let (images, labels) = (Array::open(&images_path)?, Array::open(&labels_path)?);
        same_count((images.layout()?.count, &images_path), (labels.label_count()?, &labels_path))?;
        Ok(OpenPart { images, labels, images_path, labels_path })
    }

    /// Reads it, or its labels alone where its pictures stay in their file.
    fn read(self, stays: bool) -> Result<LabelledFiles> {
        let OpenPart { images, labels, images_path, labels_path } = self;
        let images = match images.format() {
            Ok(format) if stays => Stored::Files(images.into_rows(format)?),
            _ => Stored::Memory(images.into_images()?),
        };
        Ok(LabelledFiles {
            drawings: Drawings { images, labels: labels.into_labels()?.into_iter().collect() },
            images_path,
            labels_path,
        })
    }
}

/// Reads the parts; where there is no room for all of their pictures, these stay in their files, if they can, or a remark says why not.
fn read_parts(
    train: OpenPart,
    validation: Option<OpenPart>,
    test: OpenPart,
    room: Room,
    remarks: &mut Vec<String>,
) -> Result<Parts> {
    let all: Vec<&Array> = [&train, &test].into_iter().chain(&validation).map(|part| &part.images).collect();
    let mut stays = room.lacks(all.iter().map(|images| images.picture_bytes()).sum());
    if stays && let Some((images, why)) = all.iter().find_map(|images| Some((images, images.format().err()?))) {
        remarks.push(kept_in_memory(images.path(), why));
        stays = false;
    }
    Ok(Parts {
        train: train.read(stays)?,
        validation: validation.map(|part| part.read(stays)).transpose()?,
        test: test.read(stays)?,
    })
}

/// Names of the arrays in one `.npz`: ours, which are MedMNIST's, and those of Keras.
const MEMBERS: [[&str; 4]; 2] =
    [["train_images", "train_labels", "test_images", "test_labels"], ["x_train", "y_train", "x_test", "y_test"]];
/// Names of the images and of the labels to validate on, in the same order.
const VALIDATION_MEMBERS: [&[[&str; 2]]; 2] =
    [&[["val_images", "val_labels"]], &[["x_val", "y_val"], ["x_valid", "y_valid"]]];

/// An `.npz` with the four arrays, and perhaps two more.
pub(super) struct Archive {
    path: PathBuf,
    /// The names of the four.
    names: [String; 4],
    /// The names of images and labels to validate on.
    validation: Option<[String; 2]>,
    /// The names of the others.
    left_out: Vec<String>,
}

impl Archive {
    /// The file at `path`, if it has all four.
    ///
    /// # Errors
    /// When it has images to validate on without labels, or labels without images.
    fn of(path: PathBuf) -> Result<Option<Self>> {
        let mut inside = npy::npz_names(&path);
        // They may lie in a folder of the archive.
        let base = |found: &str| found.rsplit(['/', '\\']).next().map(str::to_owned);
        let place = |name: &str| inside.iter().find(|found| base(found).as_deref() == Some(name)).cloned();
        let places = |[a, b, c, d]: [&str; 4]| Some([place(a)?, place(b)?, place(c)?, place(d)?]);
        let Some((kind, names)) = MEMBERS.into_iter().enumerate().find_map(|(i, names)| Some((i, places(names)?)))
        else {
            return Ok(None);
        };
        let mut validation = None;
        for pair in VALIDATION_MEMBERS[kind] {
            match (pair.map(place), &validation) {
                ([Some(images), Some(labels)], None) => validation = Some([images, labels]),
                ([None, None], _) | ([Some(_), Some(_)], Some(_)) => {}
                ([images, _], _) => {
                    let (found, missing) = if images.is_some() { (pair[0], pair[1]) } else { (pair[1], pair[0]) };
                    return Err(Error::input(path.display(), format_args!("{found} without {missing}, expected both")));
                }
            }
        }
        inside.retain(|name| !names.iter().chain(validation.iter().flatten()).any(|used| used == name));
        Ok(Some(Self { path, names, validation, left_out: inside }))
    }
}

/// The error that says which of the four arrays an `.npz` with several others lacks; none for one of a single array.
pub(super) fn lacking(path: &Path) -> Option<Error> {
    let inside = npy::npz_names(path);
    let is_there = |name: &&str| inside.iter().any(|found| found.rsplit(['/', '\\']).next() == Some(*name));
    let missing = MEMBERS.map(|names| names.into_iter().filter(|name| !is_there(name)).collect::<Vec<_>>());
    let fewest = missing.iter().zip(MEMBERS).min_by_key(|(missing, _)| missing.len());
    let problem = match fewest {
        _ if inside.len() < 2 => return None,
        Some((missing, all)) if missing.len() < all.len() => {
            format!("{}, but no {}, expected {}", inside.join(", "), missing.join(", "), all.join(", "))
        }
        _ => format!("{}, expected {}, or one array of a class's drawings", inside.join(", "), MEMBERS[0].join(", ")),
    };
    Some(Error::input(path.display(), format_args!("holds {problem}")))
}

/// The `.npz` in the folder that holds all four arrays.
///
/// # Errors
/// When several do.
pub(super) fn find_npz(folder: &Path) -> Result<Option<Archive>> {
    let mut found = Vec::new();
    for entry in folder.read_dir().map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let path = entry.path();
        let is_npz = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
        if is_npz && path.is_file() && !is_clutter(&entry.file_name()) {
            found.extend(Archive::of(path)?);
        }
    }
    match found.len() {
        0 | 1 => Ok(found.pop()),
        n => Err(Error::input(folder.display(), format_args!("{n} .npz files with images and labels, expected one"))),
    }
}

/// Loads the arrays of one `.npz`.
pub(super) fn load_npz(folder: &Path, archive: &Archive, room: Room) -> Result<Dataset<Drawings>> {
    let Archive { path, names: [train_images, train_labels, test_images, test_labels], validation, left_out } = archive;
    let part = |images: &str, labels: &str| {
        let place = |name| PathBuf::from(format!("{}:{name}", path.display()));
        OpenPart::open(place(images), place(labels))
    };
    let (train, test) = (part(train_images, train_labels)?, part(test_images, test_labels)?);
    let validation = validation.as_ref().map(|[images, labels]| part(images, labels)).transpose()?;
    let mut remarks: Vec<String> = left_out::line(path, left_out.iter()).into_iter().collect();
    remarks.extend(left_out::files(folder, [path.as_path()].into_iter()));
    let parts = read_parts(train, validation, test, room, &mut remarks)?;
    assemble(folder, Origin::Course(folder.to_owned()), parts, remarks)
}

/// Writes a data set in the course layout: images (N, H, W) or (N, H, W, C) in their own type, labels `int64`, `classes.txt`.
///
/// # Errors
/// When the folder exists and is not empty, or the system refuses to write.
pub fn write_course(dataset: &Dataset, folder: impl AsRef<Path>) -> Result<()> {
    let folder = folder.as_ref();
    let is_new = !folder.exists();
    if !is_new {
        for entry in folder.read_dir().map_err(Error::io(folder))? {
            // The remains of an attempt that was killed may be there.
            if !atomic::is_abandoned(&entry.map_err(Error::io(folder))?.file_name()) {
                return Err(Error::input(folder.display(), "not empty, expected a new or an empty folder"));
            }
        }
        atomic::sweep(folder);
    }
    disk::create_dir_all(folder).map_err(Error::io(folder))?;
    let written = write_files(dataset, folder);
    if written.is_err() && is_new {
        let _ = disk::remove_dir(folder);
    }
    // Nobody knows the folder that they are made in.
    written.map_err(|error| match error {
        Error::Io { path, source } if path.parent().is_some_and(|parent| parent.starts_with(folder)) => {
            Error::io(&folder.join(path.file_name().unwrap_or_default()))(source)
        }
        other => other,
    })
}

/// Writes all files of the layout or, on a full disk, none.
fn write_files(dataset: &Dataset, folder: &Path) -> Result<()> {
    let staging = Staging::within(folder).map_err(Error::io(folder))?;
    let place = |name| staging.path().join(name);
    let labels = |split: &Examples| split.labels.iter().map(|&label| label as i64).collect::<Vec<_>>();
    atomic::write(place(class_names::FILE), |file| {
        use std::io::Write;
        dataset.classes.iter().try_for_each(|class| writeln!(file, "{class}"))
    })?;
    dataset.train.images.save(&place(FILES[0]))?;
    save_npy(place(FILES[1]), &[dataset.train.len()], &labels(&dataset.train))?;
    dataset.test.images.save(&place(FILES[2]))?;
    save_npy(place(FILES[3]), &[dataset.test.len()], &labels(&dataset.test))?;
    let [first, second, third, last] = FILES;
    staging.place(&[class_names::FILE, first, second, third, last]).map_err(Error::io(folder))
}
