//! The names of the classes.

use std::collections::HashSet;
use std::path::Path;

use super::LabelledFiles;
use crate::error::{Error, Result};

/// Name of the file whose line `i` names label `i`.
pub(super) const FILE: &str = "classes.txt";

/// More classes than any set of drawings has (Quick, Draw! has 345); a larger label without a name is a mistake.
const MOST_UNNAMED: usize = 1000;

/// Reads `classes.txt`, or, where there is none, names classes `0`, `1`, … up to the largest label.
///
/// # Errors
/// When a label has no name, or the names cannot be used.
pub(super) fn read_or_number(folder: &Path, parts: &[&LabelledFiles]) -> Result<Vec<String>> {
    let path = folder.join(FILE);
    if path.exists() {
        let classes = read(&path)?;
        let known = format!("a class of {FILE}, 0 to {}", classes.len() - 1);
        check(parts, classes.len(), &known)?;
        Ok(classes)
    } else {
        let known = format!("less than {MOST_UNNAMED} where there is no {FILE}");
        check(parts, MOST_UNNAMED, &known)?;
        let largest = parts.iter().flat_map(|part| &part.split.labels).max().copied().unwrap_or(0);
        Ok((0..=largest).map(|label| label.to_string()).collect())
    }
}

fn read(path: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let classes: Vec<String> = text.trim_end().lines().map(|line| line.trim().to_owned()).collect();
    if classes.is_empty() {
        return Err(Error::input(path.display(), "no class names, expected one a line"));
    }
    let mut seen = HashSet::new();
    for (i, class) in classes.iter().enumerate() {
        if class.is_empty() {
            return Err(Error::input(path.display(), format_args!("line {} is empty, expected a class name", i + 1)));
        }
        if !seen.insert(class) {
            return Err(Error::input(
                path.display(),
                format_args!("line {} names {class:?} again, expected each class once", i + 1),
            ));
        }
    }
    Ok(classes)
}

fn check(parts: &[&LabelledFiles], classes: usize, known: &str) -> Result<()> {
    for part in parts {
        if let Some((i, label)) = part.split.labels.iter().enumerate().find(|&(_, &label)| label >= classes) {
            return Err(Error::input(
                part.labels_path.display(),
                format_args!("label {i} is {label}, expected {known}"),
            ));
        }
    }
    Ok(())
}
