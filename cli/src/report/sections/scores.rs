//! How good the samples are.

use inkgrad_models::image::{GridOptions, grid};
use inkgrad_models::metrics::classifier::{Interval, Verdict};
use inkgrad_models::study::{ClassScore, Judge, Passport, Recognition, Score};

use super::super::document::{Block, GradedDrawing, Section, Table};
use super::super::material::{Examined, Material};
use super::{SCALE, sees_classes};
use crate::output::thousands;
use crate::progress::number;

/// A table for each extractor: a row a model, a column a score, and the floor, which all models share.
pub fn scores(material: &Material) -> Section {
    let mut extractors: Vec<&Passport> = Vec::new();
    for passport in all_scores(material).map(|(_, score)| &score.passport) {
        if extractors.iter().all(|known| known.extractor != passport.extractor) {
            extractors.push(passport);
        }
    }
    let mut blocks = Vec::new();
    for passport in extractors {
        blocks.push(Block::Heading(format!("By {}", passport.extractor)));
        blocks.push(Block::Table(by_extractor(material, &passport.extractor)));
        let weights = passport.sha256.as_deref().unwrap_or("none");
        let (resize, seed) = (&passport.resize, passport.seed);
        blocks.push(Block::Text(format!(
            "Extractor: {}; SHA-256 of its weights: {weights}; resize: {resize}; samples of seed {seed}.",
            passport.extractor
        )));
        blocks.extend(notes(material, &passport.extractor));
    }
    if !blocks.is_empty() {
        let text = "The floor is the same score between two disjoint halves of the real drawings. Orders and subsets are \
                    NumPy's of seed 2020, as torch-fidelity's.";
        blocks.insert(0, Block::Text(text.into()));
    }
    Section { id: "scores", title: "Scores", blocks }
}

fn all_scores<'a>(material: &'a Material) -> impl Iterator<Item = (&'a Examined, &'a Score)> {
    material.runs.iter().flat_map(|examined| examined.evaluation.scores.iter().map(move |score| (examined, score)))
}

fn by_extractor(material: &Material, extractor: &str) -> Table {
    let of_extractor = || all_scores(material).filter(|(_, score)| score.passport.extractor == extractor);
    let mut names: Vec<&str> = Vec::new();
    for (_, score) in of_extractor() {
        if !names.contains(&score.name.as_str()) {
            names.push(&score.name);
        }
    }
    let heads = names.iter().map(|name| name.trim_end_matches("_classifier").replace('_', " "));
    let mut table = Table::new(&["model", "N real", "N generated"]);
    table.head.extend(heads);
    for Examined { run, evaluation, .. } in &material.runs {
        let score = |name: &str| {
            evaluation.scores.iter().find(|score| score.name == name && score.passport.extractor == extractor)
        };
        // The Inception Score counts no real drawings.
        let Some(first) = names.first().and_then(|name| score(name)) else { continue };
        let n = [first.passport.n_real, first.passport.n_generated].map(|n| thousands(n as u64));
        let cells = names.iter().map(|name| score(name).map_or("–".to_owned(), value));
        table.rows.push([run.label()].into_iter().chain(n).chain(cells).collect());
    }
    let floor = |name: &&str| {
        let floor = of_extractor().find(|(_, score)| score.name == *name).and_then(|(_, score)| score.passport.floor);
        floor.map_or("–".to_owned(), number)
    };
    let floors: Vec<String> = names.iter().map(floor).collect();
    if floors.iter().any(|floor| floor != "–") {
        table.rows.push(["floor", "", ""].map(str::to_owned).into_iter().chain(floors).collect());
    }
    table
}

fn value(score: &Score) -> String {
    let std = score.std.map_or(String::new(), |std| format!(" ± {}", number(std)));
    score.value.map_or("–".to_owned(), |value| number(value) + &std)
}

/// Each note once, with the models that it is about.
fn notes(material: &Material, extractor: &str) -> Vec<Block> {
    let mut notes: Vec<(&str, Vec<String>)> = Vec::new();
    for (examined, score) in all_scores(material).filter(|(_, score)| score.passport.extractor == extractor) {
        let Some(note) = &score.note else { continue };
        let label = examined.run.label();
        match notes.iter_mut().find(|(known, _)| known == note) {
            Some((_, models)) if models.contains(&label) => {}
            Some((_, models)) => models.push(label),
            None => notes.push((note, vec![label])),
        }
    }
    notes.into_iter().map(|(note, models)| Block::Text(format!("{}: {note}.", models.join(", ")))).collect()
}

/// The accuracy with its interval, in percent.
fn percent(verdict: &Verdict) -> String {
    let Interval { low, high } = verdict.accuracy_interval;
    format!("{:.1} % [{:.1}, {:.1}]", 100.0 * verdict.accuracy, 100.0 * low, 100.0 * high)
}

fn confidence(verdict: &Verdict) -> String {
    let Interval { low, high } = verdict.confidence_interval;
    format!("{:.3} [{low:.3}, {high:.3}]", verdict.confidence)
}

pub fn recognition(material: &Material) -> Section {
    let judge = &material.judge;
    let mut blocks = vec![Block::Text(format!(
        "{} (weights {}…) judges drawings; confidence is the mean of its largest probability. Intervals are of 95 %: \
         Wilson's of shares, the normal one of means.",
        judge.name,
        &judge.sha256[..12]
    ))];
    for examined in &material.runs {
        let Examined { run, evaluation, gallery } = examined;
        if let Some(found) = &evaluation.recognition {
            blocks.push(Block::Heading(format!("{} on {}", judged_by(examined, judge), what_was_judged(examined))));
            blocks.push(Block::Table(by_class_table(found)));
        } else if let Some(found) = &evaluation.unasked {
            blocks.push(Block::Heading(format!("Samples of {}, for which no class was asked", run.label())));
            blocks.push(Block::Table(seen_table(found)));
        }
        if !gallery.graded.is_empty() && sees_classes(examined) {
            let classes = &material.dataset.classes;
            let graded = gallery.graded.iter().map(|graded| GradedDrawing {
                picture: grid(
                    &graded.drawing,
                    1,
                    &GridOptions { image: gallery.image, scale: SCALE, gap: 0, ..GridOptions::default() },
                ),
                verdict: format!("{} {:.0}\u{a0}%", classes[graded.seen], 100.0 * graded.confidence),
                right: graded.asked.map(|asked| asked == graded.seen),
            });
            blocks.push(Block::Graded(graded.collect()));
        }
    }
    Section { id: "recognition", title: "The classifier on samples", blocks }
}

fn judged_by(examined: &Examined, judge: &Judge) -> String {
    match examined.run.inference.network().is_autoencoder() {
        true => judge.name.clone(),
        false => examined.run.label(),
    }
}

fn what_was_judged(examined: &Examined) -> String {
    let network = examined.run.inference.network();
    match (network.is_autoencoder(), network.has_prior()) {
        (false, _) => "test drawings".to_owned(),
        (true, true) => format!("samples of {}", examined.run.label()),
        (true, false) => format!("reconstructions by {}", examined.run.label()),
    }
}

fn by_class_table(found: &Recognition) -> Table {
    let mut table = Table::new(&["class", "drawings", "recognised", "confidence"]);
    let all = ClassScore { class: "all".to_owned(), verdict: Some(found.all) };
    for ClassScore { class, verdict } in found.classes.iter().chain([&all]) {
        let n = thousands(verdict.map_or(0, |verdict| verdict.n) as u64);
        let [share, sure] = [percent, confidence].map(|of| verdict.as_ref().map_or("–".to_owned(), of));
        table.row([class.clone(), n, share, sure]);
    }
    table
}

/// How verdicts are spread.
fn seen_table(found: &Recognition) -> Table {
    let mut table = Table::new(&["class seen", "samples", "share", "confidence"]);
    let all = ClassScore { class: "all".to_owned(), verdict: Some(found.all) };
    for ClassScore { class, verdict } in found.classes.iter().chain([&all]) {
        let n = verdict.map_or(0, |verdict| verdict.n);
        let share = format!("{:.1} %", 100.0 * n as f64 / found.all.n as f64);
        table.row([class.clone(), thousands(n as u64), share, verdict.as_ref().map_or("–".to_owned(), confidence)]);
    }
    table
}

pub fn transfer(runs: &[Examined]) -> Section {
    let mut table = Table::new(&["model", "samples → real", "real → samples", "real → real", "trained on", "epochs"]);
    for Examined { run, evaluation, .. } in runs {
        let Some(found) = &evaluation.transfer else { continue };
        table.row([
            run.label(),
            percent(&found.samples_to_real),
            percent(&found.real_to_samples),
            percent(&found.real_to_real),
            thousands(found.trained_on as u64),
            found.epochs.to_string(),
        ]);
    }
    let mut blocks = Vec::new();
    if !table.rows.is_empty() {
        let text = "A classifier (mlp) trained on the left is tested on the right; real drawings on the right are test \
                    drawings.";
        blocks = vec![Block::Text(text.into()), Block::Table(table)];
    }
    Section { id: "transfer", title: "Train on samples, test on real", blocks }
}
