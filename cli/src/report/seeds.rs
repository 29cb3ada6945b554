//! Runs that differ in their seeds alone: mean and standard deviation of everything that is a number.

use std::collections::BTreeMap;

use inkgrad_models::run::records::{Record, Split};
use serde::Serialize;

use super::material::Examined;
use super::metric;
use crate::series::{self, mean_std};
use crate::study::sets_training;

/// Runs with the same settings but for the seed.
#[derive(Debug, Serialize)]
pub struct Group {
    /// Their model, with the options that are names.
    pub model: String,
    /// Their seeds, in the order of the report.
    pub seeds: Vec<u64>,
    /// Their names in the report.
    pub runs: Vec<String>,
    /// The losses and scores that two of them have at least.
    pub numbers: Vec<Number>,
}

/// A number of several runs.
#[derive(Debug, Serialize)]
pub struct Number {
    /// A loss, a term or a score, by its key.
    pub name: String,
    /// Where a loss was measured: the last record of that split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<Split>,
    /// Whose features a score compares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extractor: Option<String>,
    pub mean: f64,
    /// Divisor N − 1.
    pub std: f64,
    /// Runs that have it.
    pub n: usize,
}

impl Number {
    /// Its name in a table.
    pub fn label(&self) -> String {
        let known =
            metric::find(&self.name).map_or_else(|| self.name.replace('_', " "), |metric| metric.name.to_owned());
        match (&self.split, &self.extractor) {
            (Some(split), _) => format!("{known}, {}", split.name()),
            (None, Some(extractor)) => format!("{known}, {extractor}"),
            (None, None) => known,
        }
    }
}

/// The groups of two runs and more, in the order of the report.
pub fn groups(runs: &[Examined]) -> Vec<Group> {
    let mut groups: Vec<(BTreeMap<String, String>, Vec<&Examined>)> = Vec::new();
    for examined in runs {
        let mut settings = examined.run.config.settings();
        settings.retain(|key, _| key != "seed" && sets_training(key));
        match groups.iter_mut().find(|(known, _)| *known == settings) {
            Some((_, runs)) => runs.push(examined),
            None => groups.push((settings, vec![examined])),
        }
    }
    let several = groups.into_iter().map(|(_, runs)| runs).filter(|runs| {
        let seeds: Vec<u64> = runs.iter().map(|examined| examined.run.config.seed).collect();
        seeds.len() > 1 && (1..seeds.len()).all(|i| !seeds[..i].contains(&seeds[i]))
    });
    several
        .map(|runs| Group {
            model: runs[0].run.config.label(),
            seeds: runs.iter().map(|examined| examined.run.config.seed).collect(),
            runs: runs.iter().map(|examined| examined.label()).collect(),
            numbers: numbers(&runs),
        })
        .collect()
}

/// A score's name, and whose features it is of.
type Key = (String, Option<String>);

/// The numbers of runs: losses, then scores.
fn numbers(runs: &[&Examined]) -> Vec<Number> {
    let records: Vec<&[Record]> = runs.iter().map(|examined| &examined.run.records[..]).collect();
    let losses = series::spread(&records).into_iter().filter_map(|spread| {
        let series::Spread { split, name, mean, std, n } = spread;
        Some(Number { name, split: Some(split), extractor: None, mean, std: std?, n })
    });
    let mut values: Vec<(Key, Vec<f64>)> = Vec::new();
    let mut add = |name: &str, extractor: Option<&str>, value: f64| {
        let key = (name.to_owned(), extractor.map(str::to_owned));
        match values.iter_mut().find(|(known, _)| *known == key) {
            Some((_, values)) => values.push(value),
            None => values.push((key, vec![value])),
        }
    };
    for Examined { evaluation, .. } in runs.iter().copied() {
        for score in &evaluation.scores {
            if let Some(value) = score.value {
                add(&score.name, Some(&score.passport.extractor), value);
            }
        }
        if let Some(recognition) = &evaluation.recognition {
            add("recognised", None, recognition.all.accuracy);
        }
        if let Some(likelihood) = &evaluation.likelihood {
            add("nll", None, likelihood.nll);
            add("elbo", None, likelihood.elbo);
        }
        if let Some(usage) = &evaluation.latents {
            add("active", None, usage.active as f64);
            add("kl", None, usage.kl.iter().sum());
        }
    }
    let scores = values.into_iter().filter_map(|((name, extractor), values)| {
        let (mean, std) = mean_std(&values);
        Some(Number { name, split: None, extractor, mean, std: std?, n: values.len() })
    });
    losses.chain(scores).collect()
}
