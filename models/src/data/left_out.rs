//! Names for what lies in a data set's folder and is not part of it, so that nothing is passed over in silence.

use std::path::Path;

use super::is_clutter;

/// The endings of files that hold drawings, in lower case.
const ENDINGS: [&str; 7] = ["npy", "npz", "ndjson", "png", "jpg", "jpeg", "bin"];

/// The most names in a line.
const NAMED: usize = 5;

/// The line about the files of drawings in `folder` that are none of `used`, where there are any.
pub(super) fn files<'a>(folder: &Path, used: impl Iterator<Item = &'a Path> + Clone) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let of_drawings = |path: &Path| {
        // Packed ones too, of whatever kind they would be.
        let unpacked = path.with_extension("");
        let packed = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
        let path = if packed { unpacked.as_path() } else { path };
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
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
