//! The report of a study: one page that opens without a network, and its tables as Markdown.

mod chart;
mod document;
mod html;
mod markdown;
mod material;
mod sections;

use std::io::Write;
use std::path::{Path, PathBuf};

use inkgrad_models::Result;
use inkgrad_models::run::atomic;

use self::material::MADE_BY;
pub use self::material::{Examined, Material};
use crate::output;

/// Writes the page to `out` and its Markdown beside it, whose path it gives.
///
/// # Errors
/// If a file cannot be written.
pub fn write(material: &Material, out: &Path) -> Result<PathBuf> {
    let document = sections::document(material);
    let page = html::page(&document)?;
    let name = out.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let text = markdown::document(&document, &name);
    atomic::write(out, |file| file.write_all(page.as_bytes()))?;
    let beside = beside(out);
    atomic::write(&beside, |file| file.write_all(text.as_bytes()))?;
    Ok(beside)
}

/// Whether nothing of somebody else's is at `path`: no file, or an earlier report.
pub fn may_replace(path: &Path) -> bool {
    output::may_replace(path, MADE_BY)
}

/// The Markdown file that goes with a page.
pub fn beside(out: &Path) -> PathBuf {
    out.with_extension("md")
}
