//! The material of a report: runs with their scores and drawings.

use inkgrad_models::data::Dataset;
use inkgrad_models::study::{Evaluation, Gallery, Judge, Options};
use inkgrad_models::{Models, Result};

use crate::study::Subjected;

/// Everything that a report shows.
pub struct Material<'a> {
    /// The models that the program knows.
    pub models: &'a Models,
    /// The data that all runs were trained on.
    pub dataset: &'a Dataset,
    /// The runs, in the order of the report.
    pub runs: Vec<Examined>,
    /// The judge of the samples.
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

/// A report's words about itself, by which an earlier one is known.
pub const MADE_BY: &str = "made by inkgrad";
