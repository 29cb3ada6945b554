//! The classifier that recognises samples: a run that is given, or one that is trained on the spot.

use std::path::Path;

use inkgrad_models::data::Dataset;
use inkgrad_models::features::caches;
use inkgrad_models::ranks::{Ranks, agree};
use inkgrad_models::study::{Judge, Source};
use inkgrad_models::trainer::{Opened, Which};
use inkgrad_models::{Error, Models, Result};

use crate::study::Subjected;
use crate::{output, progress};

/// Passes of a classifier that is trained on the spot.
const EPOCHS: u64 = 10;

/// The judge of a study: the run given, else the best classifier among `runs`, else one trained on the spot, of several ranks by the
/// first.
///
/// # Errors
/// If the run given is no classifier of the data's classes, or none can be trained.
pub fn judge(
    models: &Models,
    given: Option<&Path>,
    runs: &[Subjected],
    dataset: &Dataset,
    (seed, threads): (u64, usize),
    ranks: &dyn Ranks,
) -> Result<Judge> {
    // Of several classifiers one with convolutions judges best.
    let mut classifiers: Vec<&Subjected> = runs.iter().filter(|run| run.inference.network().is_classifier()).collect();
    classifiers.sort_by_key(|run| run.config.slug() != "classifier-cnn");
    let among = classifiers.first().map(|run| run.path.as_path());
    let Some(path) = given.or(among) else {
        let kept = caches().map(|caches| caches.join("judges"));
        let (mut shown, mut begun) = (progress::parts(), false);
        let mut watch = |name, done, total| {
            if !std::mem::replace(&mut begun, true) {
                output::note(format_args!("no classifier is given: one is trained on the spot, in {EPOCHS} epochs"));
            }
            shown(name, done, total);
        };
        let (judge, source) = Judge::train_among(dataset, (EPOCHS, seed), threads, kept.as_deref(), ranks, &mut watch)?;
        match source {
            Source::Kept(file) => output::note(format_args!("judge: the one kept in {}", file.display())),
            Source::Trained { kept, damaged } => {
                if let Some(file) = damaged {
                    output::note(format_args!("judge: the one kept in {} is damaged, and not used", file.display()));
                }
                match kept {
                    Some(file) => {
                        output::note(format_args!("judge: trained, and kept for the next time in {}", file.display()));
                    }
                    None => output::note("judge: trained, and not kept: there is no folder for caches to write"),
                }
            }
        }
        return Ok(judge);
    };
    agree(ranks, given_judge(models, path, dataset, threads))
}

/// A classifier's run as the judge.
fn given_judge(models: &Models, path: &Path, dataset: &Dataset, threads: usize) -> Result<Judge> {
    let opened = Opened::open(models, path, None)?;
    let note = opened.note();
    let Opened { config, network, .. } = opened;
    if !network.is_classifier() {
        return Err(Error::input(
            path.display(),
            format!("holds {}, expected a classifier as the judge", config.model),
        ));
    }
    if config.classes != dataset.classes {
        let (found, expected) = (config.classes.join(", "), dataset.classes.join(", "));
        return Err(Error::input(path.display(), format!("knows the classes {found}, expected {expected}")));
    }
    note.iter().for_each(output::note);
    Judge::new(network, &config, threads)
}

/// A classifier's run as its own judge.
///
/// # Errors
/// Those of [`Opened::open`].
pub fn itself(models: &Models, path: &Path, weights: Option<Which>, threads: usize) -> Result<Judge> {
    let Opened { config, network, .. } = Opened::open(models, path, weights)?;
    Judge::new(network, &config, threads)
}
