//! The report of a study: one page that opens without a network, and its tables as Markdown.

mod chart;
mod document;
mod html;
mod markdown;
mod sections;

use std::io::Write;
use std::path::{Path, PathBuf};

use inkgrad_models::data::Dataset;
use inkgrad_models::run::atomic;
use inkgrad_models::study::{Evaluation, Gallery, Judge, Options};
use inkgrad_models::{Models, Result};

use crate::study::Subjected;

/// What a report is made of.
pub struct Material<'a> {
    /// The models that the program knows.
    pub models: &'a Models,
    /// The data that all runs were trained on.
    pub dataset: &'a Dataset,
    /// The runs, in the order of the report.
    pub runs: Vec<Examined>,
    /// What judged the samples.
    pub judge: &'a Judge,
    /// How much was measured.
    pub options: Options,
    /// The command that made the report.
    pub command: String,
}

/// A run with everything that the report shows of it.
pub struct Examined {
    /// The run.
    pub run: Subjected,
    /// Its scores.
    pub evaluation: Evaluation,
    /// Its drawings.
    pub gallery: Gallery,
}

impl Examined {
    /// Gathers the drawings of an evaluated run.
    ///
    /// # Errors
    /// If the run does not fit data or judge.
    pub fn gather(mut run: Subjected, evaluation: Evaluation, dataset: &Dataset, judge: &mut Judge) -> Result<Self> {
        let gallery = Gallery::gather(&run.config, &mut run.inference, dataset, judge)?;
        Ok(Examined { run, evaluation, gallery })
    }
}

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

/// A report's words about itself, by which an earlier one is known.
pub(super) const MADE_BY: &str = "made by inkgrad";

/// Whether nothing of somebody else's is at `path`: no file, or an earlier report.
pub fn may_replace(path: &Path) -> bool {
    match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).contains(MADE_BY),
        // A file that cannot be read shows its fault when it is written.
        Err(_) => !path.exists(),
    }
}

/// The Markdown file that goes with a page.
pub fn beside(out: &Path) -> PathBuf {
    out.with_extension("md")
}
