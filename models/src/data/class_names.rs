//! The names of the classes.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Display;
use std::path::Path;

use super::LabelledFiles;
use crate::error::{Error, Result};
use crate::{file, text};

/// Name of the file whose line `i` names label `i`.
pub(super) const FILE: &str = "classes.txt";

/// More classes than any set of drawings has (Quick, Draw! has 345); a larger label without a name is a mistake.
const MOST_UNNAMED: usize = 1000;

/// Reads `classes.txt`, or, where there is none, calls the classes by the labels that occur, and
/// renumbers those from 0.
///
/// # Errors
/// When a label has no name, or the names cannot be used.
pub(super) fn read_or_number(folder: &Path, parts: &mut [&mut LabelledFiles]) -> Result<Vec<String>> {
    if let Some(path) = super::find_file(folder, FILE) {
        let classes = read(&path)?;
        let known = format!("a class of {FILE}, 0 to {}", classes.len() - 1);
        check(parts, classes.len(), &known)?;
        Ok(classes)
    } else {
        let known = format!("less than {MOST_UNNAMED} where there is no {FILE}");
        check(parts, MOST_UNNAMED, &known)?;
        // A number that no drawing has makes no class: labels 1 to 26 are 26 classes, called by their numbers.
        let used: BTreeSet<usize> = parts.iter().flat_map(|part| part.drawings.labels.iter()).collect();
        let classes: Vec<usize> = used.into_iter().collect();
        for labels in parts.iter_mut().map(|part| &mut part.drawings.labels) {
            *labels = labels.iter().map(|label| classes.partition_point(|&class| class < label)).collect();
        }
        Ok(classes.iter().map(usize::to_string).collect())
    }
}

fn read(path: &Path) -> Result<Vec<String>> {
    let bytes = file::read(path, file::MOST_OF_A_TEXT, "class names, one a line")?;
    if text::is_lfs_pointer(&bytes) {
        return Err(Error::input(path.display(), text::LFS_POINTER));
    }
    let text = std::str::from_utf8(text::without_mark(&bytes)).map_err(|error| {
        Error::input(path.display(), format_args!("byte {} is not UTF-8, expected UTF-8", error.valid_up_to()))
    })?;
    let classes: Vec<String> = text.trim_end().lines().map(|line| line.trim().to_owned()).collect();
    if classes.is_empty() {
        return Err(Error::input(path.display(), "no class names, expected one a line"));
    }
    check_names(path.display(), "line", &classes)?;
    Ok(classes)
}

/// Refuses names of classes of which one is empty, twice there or fit for no terminal. `place` holds them, each as a `what`.
///
/// # Errors
/// The first of them that cannot be used.
pub fn check_names(place: impl Display, what: &str, classes: &[String]) -> Result<()> {
    let mut seen = HashSet::new();
    for (i, class) in (1..).zip(classes) {
        if class.is_empty() {
            return Err(Error::input(place, format_args!("{what} {i} is empty, expected a class name")));
        }
        check_name(&place, class)?;
        if !seen.insert(class) {
            let problem = format_args!("{what} {i} names {class:?} again, expected each class once");
            return Err(Error::input(place, problem));
        }
    }
    Ok(())
}

/// The longest name of a class, in bytes; file names are no longer.
const LONGEST: usize = 255;

/// Refuses a name that would act on a terminal, or fill it.
pub(super) fn check_name(place: impl Display, class: &str) -> Result<()> {
    if class.len() > LONGEST || class.contains(text::is_unsafe) {
        let shown: String = class.chars().take(80).collect();
        let problem = format_args!("the class {shown:?}, expected up to {LONGEST} bytes without control characters");
        return Err(Error::input(place, problem));
    }
    Ok(())
}

fn check(parts: &[&mut LabelledFiles], classes: usize, known: &str) -> Result<()> {
    for part in parts {
        if let Some((i, label)) = part.drawings.labels.iter().enumerate().find(|&(_, label)| label >= classes) {
            return Err(Error::input(
                part.labels_path.display(),
                format_args!("label {i} is {label}, expected {known}"),
            ));
        }
    }
    Ok(())
}
