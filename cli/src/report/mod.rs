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

use std::path::PathBuf;

use inkgrad_models::Result;

pub use self::files::Files;
pub use self::material::{Examined, Material};

/// All files of a report, as they are to be written.
pub struct Composed {
    files: Files,
    /// Each file's place and bytes, in the order in which they are written: the page is last, as it links to all others.
    contents: Vec<(PathBuf, Vec<u8>)>,
}

/// Draws and words a report; nothing is written yet.
///
/// # Errors
/// If a figure cannot be drawn.
pub fn compose(material: &Material, files: &Files) -> Result<Composed> {
    let live = live::pages(material);
    let document = sections::document(material, &live);
    let folder = files.folder();
    let pages = sections::live_files(&live).into_iter().zip(live);
    let pages = pages.filter_map(|(file, live)| Some((files.figures.join(file), live.page.ok()?.into_bytes())));
    let mut contents = pages.collect::<Vec<_>>();
    for figure in document.figures() {
        let at = |ending: &str| files.figures.join(format!("{}.{ending}", figure.file));
        contents.push((at("png"), picture::picture(figure)?.to_png()?));
        contents.push((at("csv"), csv::csv(figure).into_bytes()));
    }
    contents.push((files.json.clone(), json::json(material, &document, &folder).into_bytes()));
    contents.push((files.markdown.clone(), markdown::document(&document, &folder).into_bytes()));
    contents.push((files.html.clone(), html::page(&document, &folder)?.into_bytes()));
    Ok(Composed { files: files.clone(), contents })
}

impl Composed {
    /// Writes each file whole, or not at all.
    ///
    /// # Errors
    /// If one cannot be written.
    pub fn write(&self) -> Result<()> {
        self.files.make_folder()?;
        self.contents.iter().try_for_each(|(path, bytes)| files::write(path, bytes))
    }
}
