//! The files of a report: the page, and beside it its Markdown, its numbers, and a folder of figures.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use inkgrad_models::run::{atomic, disk};
use inkgrad_models::{Error, Result};

use super::material::MADE_BY;
use crate::output;

/// Where everything goes.
#[derive(Debug, Clone)]
pub struct Files {
    /// The page.
    pub html: PathBuf,
    /// Words, tables and figures as Markdown.
    pub markdown: PathBuf,
    /// Every number.
    pub json: PathBuf,
    /// Figures as PNG and CSV.
    pub figures: PathBuf,
}

/// The file by which a folder of figures is known as one.
const MARK: &str = "made-by-inkgrad.txt";

impl Files {
    /// Those of a page at `html`.
    pub fn of(html: &Path) -> Self {
        let stem = html.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        Files {
            html: html.to_owned(),
            markdown: html.with_extension("md"),
            json: html.with_extension("json"),
            figures: html.with_file_name(format!("{stem}-figures")),
        }
    }

    /// The name of the folder of figures, as files beside it write it.
    pub fn folder(&self) -> String {
        self.figures.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// Checks, before any work, that nothing of somebody else's is in the way; with `force` that may be replaced.
    ///
    /// # Errors
    /// If something is, or a file cannot be where it is to be.
    pub fn check(&self, force: bool, instead: &str) -> Result<()> {
        let Files { html, markdown, json, figures } = self;
        let files = [html, markdown, json];
        if let Some(i) = (1..3).find(|&i| files[..i].contains(&files[i])) {
            let problem = "has the name of what goes beside the page, expected one that ends in .html";
            return Err(Error::input(files[i].display(), problem));
        }
        for path in files {
            output::check_place(path)?;
            output::check_unowned(path)?;
            if !force && !output::may_replace(path, MADE_BY) {
                return Err(Error::input(path.display(), format!("is no report of inkgrad's, expected {instead}")));
            }
        }
        if figures.exists() && !figures.is_dir() {
            return Err(Error::input(
                figures.display(),
                "is a file, expected the folder of a report's figures, or nothing",
            ));
        }
        let foreign = self.unmarked() || !output::may_replace(&figures.join(MARK), MADE_BY);
        if !force && foreign {
            return Err(Error::input(
                figures.display(),
                format!("holds files that are no report's, expected {instead}"),
            ));
        }
        Ok(())
    }

    /// Whether the folder holds something, but not what it is known by.
    fn unmarked(&self) -> bool {
        let some = fs::read_dir(&self.figures).is_ok_and(|mut entries| entries.next().is_some());
        some && !self.figures.join(MARK).exists()
    }

    /// Makes the folder of figures, and marks it as one.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn make_folder(&self) -> Result<()> {
        disk::create_dir_all(&self.figures).map_err(Error::io(&self.figures))?;
        write(&self.figures.join(MARK), format!("Figures of a report {MADE_BY}.\n").as_bytes())
    }
}

/// Writes a file whole or not at all.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    atomic::write(path, |file| file.write_all(bytes))
}

/// Where a file of a folder beside this one is, as an address: names may hold what means something there.
pub fn address(folder: &str, file: &str) -> String {
    let coded = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    format!("{folder}/{file}").bytes().map(coded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_any_name() {
        assert_eq!(address("a b:c", "d-1.png"), "a%20b%3Ac/d-1.png");
        assert_eq!(address("ארנב", "x"), "%D7%90%D7%A8%D7%A0%D7%91/x");
    }

    #[test]
    fn everything_lies_beside_the_page() {
        let files = Files::of(Path::new("some/r.v2.html"));
        assert_eq!(files.markdown, Path::new("some/r.v2.md"));
        assert_eq!(files.json, Path::new("some/r.v2.json"));
        assert_eq!(
            (files.figures.as_path(), files.folder().as_str()),
            (Path::new("some/r.v2-figures"), "r.v2-figures")
        );
        assert!(Files::of(Path::new("r.md")).check(true, "").is_err());
    }
}
