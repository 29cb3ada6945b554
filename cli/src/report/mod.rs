//! The report of a study: one page that opens without a network, and beside it the same as Markdown, every number as JSON, and
//! each figure as PNG and CSV.

mod chart;
pub mod csv;
mod document;
mod files;
mod html;
mod json;
mod live;
mod markdown;
mod material;
mod measured;
mod metric;
mod picture;
mod sections;
mod seeds;

use inkgrad_models::Result;

pub use self::files::Files;
pub use self::material::{Examined, Material};

/// Writes all files of a report.
///
/// # Errors
/// If a figure cannot be drawn, or a file cannot be written.
pub fn write(material: &Material, files: &Files) -> Result<()> {
    let live = live::pages(material);
    let document = sections::document(material, &live);
    let folder = files.folder();
    files.make_folder()?;
    for (page, file) in live.iter().zip(sections::live_files(&live)) {
        if let Ok(page) = &page.page {
            files::write(&files.figures.join(file), page.as_bytes())?;
        }
    }
    for figure in document.figures() {
        let at = |ending: &str| files.figures.join(format!("{}.{ending}", figure.file));
        files::write(&at("png"), &picture::picture(figure)?.to_png()?)?;
        files::write(&at("csv"), csv::csv(figure).as_bytes())?;
    }
    files::write(&files.json, json::json(material, &document, &folder).as_bytes())?;
    files::write(&files.markdown, markdown::document(&document, &folder).as_bytes())?;
    // The page last: it links to all others.
    files::write(&files.html, html::page(&document, &folder)?.as_bytes())
}
