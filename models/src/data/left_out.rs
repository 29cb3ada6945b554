//! Names for what lies in a data set's folder and is not part of it, so that nothing is passed over in silence.

use std::path::Path;

use super::is_clutter;

/// The endings of files that hold no drawings, in lower case: text about them, and what works with them.
const TEXTS: [&str; 15] =
    ["txt", "md", "rst", "pdf", "html", "htm", "toml", "yaml", "yml", "log", "lock", "py", "ipynb", "sh", "sha256"];

/// The most names in a line.
const NAMED: usize = 5;

/// The line about the files in `folder` that may hold drawings and are none of `used`, where there are any.
pub(super) fn files<'a>(folder: &Path, used: impl Iterator<Item = &'a Path> + Clone) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    // Of another kind than is read they may be all the same, and packed in whatever way: cat.jsonl, cat.npy.bz2, cat.h5.
    let of_drawings = |path: &Path| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        ending.is_some_and(|ending| !TEXTS.contains(&ending.as_str()))
    };
    let others = entries.filter(|path| of_drawings(path) && !used.clone().any(|used| used.starts_with(path)));
    line(folder, others.filter_map(|path| Some(path.file_name()?.to_owned())).filter(|name| !is_clutter(name)))
        .into_iter()
        .collect()
}

/// The line that names what is not used in `place`; none where everything is.
pub(super) fn line(place: &Path, names: impl Iterator<Item = impl AsRef<Path>>) -> Option<String> {
    let mut names: Vec<String> = names.map(|name| name.as_ref().display().to_string()).collect();
    names.sort_unstable();
    let others = names.len().saturating_sub(NAMED);
    let more = if others > 0 { format!(" and {others} more") } else { String::new() };
    names.truncate(NAMED);
    (!names.is_empty()).then(|| format!("{}: not used: {}{more}", place.display(), names.join(", ")))
}
