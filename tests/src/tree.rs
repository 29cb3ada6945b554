//! The project's own tree, for tests that read it.

use std::fs;
use std::path::{Path, PathBuf};

/// Where it lies.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a crate of the tree").to_path_buf()
}

/// The text of a file, by its path in the tree.
///
/// # Panics
/// If it cannot be read.
pub fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The files below a folder of the tree, but those of builds and of version control, by their paths in it.
///
/// # Panics
/// If a folder cannot be read.
pub fn files(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.as_ref().to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let name = entry.expect("an entry of a folder").file_name();
            let path = folder.join(&name);
            match root().join(&path).is_dir() {
                true if name == "target" || name.as_encoded_bytes().starts_with(b".") => {}
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    found
}
