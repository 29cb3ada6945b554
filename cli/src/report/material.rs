//! The material of a report: runs with their scores and drawings.

use std::path::Path;

use inkgrad_models::data::{Dataset, Summary, describe};
use inkgrad_models::image::{GridOptions, grid};
use inkgrad_models::metrics::classifier::Verdict;
use inkgrad_models::study::{Evaluation, Gallery, Judge, Options, Recognition};
use inkgrad_models::{Models, Result};

use super::document::Sheet;
use crate::study::Subjected;

/// Everything that a report shows.
pub struct Material<'a> {
    /// The models that the program knows.
    pub models: &'a Models,
    /// The data that all runs are scored on.
    pub dataset: &'a Dataset,
    /// The same in numbers.
    pub summary: Summary,
    /// Its fingerprint.
    pub data_sha256: String,
    /// The runs, in the order of the report.
    pub runs: Vec<Examined>,
    /// The judge of the samples.
    pub judge: &'a Judge,
    /// Its verdict on real test drawings: how far it can be believed.
    pub judged: Verdict,
    /// How much was measured.
    pub options: Options,
    /// The command that made the report.
    pub command: String,
}

/// The most pixels of a sheet of drawings: some 5,000 of 28×28.
const MOST_PIXELS: usize = 4_000_000;
/// Drawings in a row of the sheet.
const COLUMNS: usize = 40;

impl<'a> Material<'a> {
    /// Gathers what is told of examined runs.
    ///
    /// # Errors
    /// If the judge does not fit the data.
    pub fn new(
        models: &'a Models,
        dataset: &'a Dataset,
        runs: Vec<Examined>,
        judge: &'a mut Judge,
        options: Options,
        command: String,
    ) -> Result<Self> {
        let (test, _) = dataset.examined();
        let logits = judge.features(&test.images)?.logits;
        let judged = Recognition::new(&logits, &test.labels, &dataset.classes)?.all;
        let (summary, data_sha256) = (describe(dataset), dataset.fingerprint());
        Ok(Material { models, dataset, summary, data_sha256, runs, judge, judged, options, command })
    }

    /// Runs by the data that they were trained on, where that is not the report's for all of them. `None` where that
    /// is not known, as of imported weights.
    pub fn trained_elsewhere(&self) -> Vec<(Option<String>, Vec<&Examined>)> {
        let mut found: Vec<(Option<String>, Vec<&Examined>)> = Vec::new();
        for examined in &self.runs {
            let config = &examined.run.config;
            let name = config.data_sha256.as_ref().map(|sha256| match *sha256 == self.data_sha256 {
                true => self.summary.name.clone(),
                false => {
                    let path = Path::new(&config.data);
                    let name =
                        path.file_name().map_or_else(|| config.data.clone(), |n| n.to_string_lossy().into_owned());
                    // Another seed or share for tests makes other drawings of the same folder.
                    match name == self.summary.name {
                        true => format!("other drawings of {name} (SHA-256 {sha256:.8}…)"),
                        false => name,
                    }
                }
            });
            match found.iter_mut().find(|(known, _)| *known == name) {
                Some((_, runs)) => runs.push(examined),
                None => found.push((name, vec![examined])),
            }
        }
        let differ = found.iter().any(|(name, _)| name.as_ref() != Some(&self.summary.name));
        if differ { found } else { Vec::new() }
    }

    /// Whether scores are of drawings that were also trained on, since there are no others.
    pub fn tests_on_training(&self) -> bool {
        self.dataset.test.is_empty()
    }

    /// The drawings that points of maps stand for, as many as there is room for; `None` where there is no map.
    pub fn sheet(&self) -> Option<Sheet> {
        let most =
            self.runs.iter().filter_map(|examined| Some(examined.evaluation.map.as_ref()?.labels.len())).max()?;
        let (test, _) = self.dataset.examined();
        let image = test.images.extents();
        let shown = most.min(test.len()).min(MOST_PIXELS / image.len());
        // Sixteen shades: a half of the bytes, and nothing that one sees at this size.
        let values: Vec<f32> =
            (0..shown).flat_map(|i| test.images.image(i)).map(|v| (v * 15.0).round() / 15.0).collect();
        let options = GridOptions { image, scale: 1, gap: 0, ..GridOptions::default() };
        Some(Sheet {
            picture: grid(&values, COLUMNS, &options),
            cell: (image.height, image.width),
            columns: COLUMNS.min(shown.max(1)),
            labels: test.labels[..most.min(test.len())].to_vec(),
            classes: self.dataset.classes.clone(),
        })
    }
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

    /// Its name in every table, chart and legend.
    pub fn label(&self) -> String {
        self.run.label()
    }

    /// Whether its samples are of a prior, as opposed to reconstructions.
    pub fn samples(&self) -> bool {
        self.run.inference.network().has_prior()
    }

    /// Whether it codes drawings.
    pub fn codes(&self) -> bool {
        self.run.inference.network().is_autoencoder()
    }

    /// Whether one can ask it for a class.
    pub fn sees_classes(&self) -> bool {
        self.run.inference.network().sees_classes()
    }
}

/// A report's words about itself, by which an earlier one is known.
pub const MADE_BY: &str = "made by inkgrad report";
