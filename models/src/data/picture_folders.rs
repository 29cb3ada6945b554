//! Folders of PNG and JPEG files: a folder a class, as it is or in `train`, `val` and `test`; or pictures without classes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::extents::SIDES;
use super::pictures::{self, Pictures};
use super::split::{self, Place, Plan};
use super::{Dataset, Examples, Extents, LoadOptions, Origin, class_names, folder_name, is_clutter, left_out};
use crate::error::{Error, Result};

/// The names of a folder of validation pictures.
const VALIDATION: [&str; 3] = ["val", "valid", "validation"];

/// The pictures of each class, by its name.
type Classes = BTreeMap<String, Pictures>;

/// Pictures that were found, none of them read yet.
pub(super) struct Found {
    train: Classes,
    /// Parts of their own, where the folder has them.
    parts: Option<Parts>,
    left_out: Vec<String>,
}

/// Pictures to validate and to test on; there may be none.
struct Parts {
    validation: Classes,
    test: Classes,
}

/// Looks for pictures in a folder: in `train/<class>`, in `<class>`, or in itself.
///
/// A folder `train` that holds pictures itself is a class.
///
/// # Errors
/// If a folder cannot be read; if parts do not fit together.
pub(super) fn find(folder: &Path) -> Result<Option<Found>> {
    let below = folders_in(folder)?;
    let named = |name: &str| below.iter().find(|(found, _)| found == name).map(|(_, path)| path.clone());
    if let Some(train) = named("train") {
        let (train, mut remarks) = classes_in(&train)?;
        if !train.is_empty() {
            let used: Vec<&str> =
                ["train", "test"].into_iter().chain(VALIDATION).filter(|name| named(name).is_some()).collect();
            if let [_, .., first, second] = used[..]
                && VALIDATION.contains(&first)
            {
                let problem = format_args!("both {first} and {second}, expected one folder of validation pictures");
                return Err(Error::input(folder.display(), problem));
            }
            let mut part = |names: &[&str]| -> Result<Classes> {
                let Some(path) = names.iter().find_map(|name| named(name)) else { return Ok(Classes::new()) };
                let (classes, more) = classes_in(&path)?;
                remarks.extend(more);
                match classes.keys().find(|class| !train.contains_key(*class)) {
                    Some(class) => {
                        let known = train.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                        let problem = format_args!("a class that train has not, expected of {known}");
                        Err(Error::input(path.join(class).display(), problem))
                    }
                    None => Ok(classes),
                }
            };
            let parts = Parts { validation: part(&VALIDATION)?, test: part(&["test"])? };
            let others = others_in(folder, |path| used.iter().any(|name| path.ends_with(name)))?;
            let left_out = left_out::line(folder, others.iter()).into_iter().chain(remarks).collect();
            return Ok(Some(Found { train, parts: Some(parts), left_out }));
        }
    }
    let (classes, left_out) = classes_in(folder)?;
    if !classes.is_empty() {
        return Ok(Some(Found { train: classes, parts: None, left_out }));
    }
    let pictures = Pictures::look(folder, false)?;
    if pictures.files().is_empty() {
        return Ok(None);
    }
    let left_out = unused(&pictures).into_iter().collect();
    Ok(Some(Found { train: Classes::from([(folder_name(folder), pictures)]), parts: None, left_out }))
}

/// Loads the pictures that [`find`] found in `folder`. Of parts of the folder's own, only the order is drawn by the seed.
pub(super) fn load(folder: &Path, found: Found, options: &LoadOptions) -> Result<Dataset> {
    let Found { train, parts, left_out } = found;
    let LoadOptions { test_fraction, seed, resize, .. } = *options;
    split::check_fraction(test_fraction)?;
    let classes: Vec<String> = train.keys().cloned().collect();
    for class in &classes {
        class_names::check_name(folder.display(), class)?;
    }
    let none = Classes::new();
    let (validation, test) = parts.as_ref().map_or((&none, &none), |parts| (&parts.validation, &parts.test));

    // In the order in which they are kept, so that no picture is in memory twice.
    let own = parts.is_some();
    let [mut order, split_off] = in_order(&train, &classes, if own { 0.0 } else { test_fraction }, seed);
    if order.is_empty() {
        return Err(Error::input(folder.display(), "no pictures to train on, expected at least one"));
    }
    let [held_back, _] = in_order(validation, &classes, 0.0, seed);
    let validation = held_back.len();
    order.extend(held_back);
    let trained = order.len();
    let [own_test, _] = in_order(test, &classes, 0.0, seed);
    order.extend(if own { own_test } else { split_off });

    let files: Vec<&Path> = order.iter().map(|&(path, _)| path).collect();
    if resize.is_none() {
        check_sides(files[0])?;
    }
    let hint = if resize.is_none() { " (or --resize N)" } else { "" };
    let mut images = pictures::read_all(&files, resize, hint, &mut |_| {})?;
    let mut labels: Vec<usize> = order.iter().map(|&(_, class)| class).collect();
    let test = Examples { images: images.split_off(trained), labels: labels.split_off(trained) };
    Ok(Dataset {
        name: folder_name(folder),
        classes,
        train: Examples { images, labels },
        test,
        validation,
        origin: Origin::Pictures { path: folder.to_owned(), split: (!own).then_some((test_fraction, seed)) },
        left_out,
    })
}

/// The files of a part with their classes, those to train on and those to test on, in an order drawn by the seed.
fn in_order<'a>(part: &'a Classes, classes: &[String], test_fraction: f64, seed: u64) -> [Vec<(&'a Path, usize)>; 2] {
    let files = |class: &String| part.get(class).map_or(&[][..], Pictures::files);
    let counts: Vec<usize> = classes.iter().map(|class| files(class).len()).collect();
    let Plan { train, test } = Plan::new(&counts, test_fraction, seed);
    let file = |Place { file, row }| (files(&classes[file as usize])[row as usize].as_path(), file as usize);
    [train, test].map(|order| order.iter().map(file).collect())
}

/// Refuses pictures that no network takes, by the first, before all are read.
fn check_sides(path: &Path) -> Result<()> {
    let Extents { height, width, .. } = pictures::read(path)?.extents;
    match [height, width].iter().all(|side| SIDES.contains(side)) {
        true => Ok(()),
        false => {
            let problem = format_args!(
                "{height}×{width}, expected sides of {} to {} (or --resize N)",
                SIDES.start(),
                SIDES.end()
            );
            Err(Error::input(path.display(), problem))
        }
    }
}

/// Files by which a run's folder is known: its pictures are curves and samples, no drawings.
const OF_A_RUN: [&str; 2] = ["config.toml", "metrics.jsonl"];

/// Names and paths of the folders in a folder, in the order of their names, but for those of runs, and for links that lead back.
fn folders_in(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    let place = folder.canonicalize().map_err(Error::io(folder))?;
    let leads_back = |path: &Path| path.canonicalize().is_ok_and(|path| place.starts_with(path));
    for entry in folder.read_dir().map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        let is_run = || OF_A_RUN.iter().all(|name| entry.path().join(name).is_file());
        if !is_clutter(&entry.file_name()) && entry.path().is_dir() && !is_run() && !leads_back(&entry.path()) {
            found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The classes in a folder, each a folder with pictures, and the lines about what is not used.
fn classes_in(folder: &Path) -> Result<(Classes, Vec<String>)> {
    let (mut classes, mut remarks) = (Classes::new(), Vec::new());
    for (name, path) in folders_in(folder)? {
        let pictures = Pictures::look(&path, false)?;
        if !pictures.files().is_empty() {
            remarks.extend(unused(&pictures));
            classes.insert(name, pictures);
        }
    }
    if !classes.is_empty() {
        let is_class = |path: &Path| classes.values().any(|pictures| pictures.folder() == path);
        remarks.splice(..0, left_out::line(folder, others_in(folder, is_class)?.iter()));
    }
    Ok((classes, remarks))
}

/// The names in a folder of which `is_used` does not hold.
fn others_in(folder: &Path, is_used: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut others = Vec::new();
    for entry in folder.read_dir().map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        if !is_clutter(&entry.file_name()) && !is_used(&entry.path()) {
            others.push(PathBuf::from(entry.file_name()));
        }
    }
    Ok(others)
}

/// The line about what lies beside the pictures of a class.
fn unused(pictures: &Pictures) -> Option<String> {
    left_out::line(pictures.folder(), pictures.left_out().iter().filter_map(|path| path.file_name()))
}
