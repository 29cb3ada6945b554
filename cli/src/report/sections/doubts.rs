//! Reasons for distrust, each of which is a figure.

use inkgrad_models::run::records::{Record, Split};

use super::super::document::Finding;
use super::super::material::{Examined, Material};
use super::super::measured::Measured;
use super::findings::{about, number};
use super::{labels, listed};
use crate::output::thousands;
use crate::study::sets_training;

/// A judge below this share of real test drawings is weak.
const WEAK: f64 = 0.9;
/// A loss that moves by more than this share at the end has not settled.
const MOVES: f64 = 0.02;
/// Samples of z below which a bound on the likelihood is loose.
const FEW: usize = 1000;

pub fn doubts(material: &Material) -> Vec<Finding> {
    let runs = &material.runs;
    let found =
        [data(material), judge(material), training(runs), latents(runs), scores(runs), likelihood(runs), seeds(runs)];
    found.into_iter().flatten().collect()
}

fn data(material: &Material) -> Vec<Finding> {
    let (summary, mut found) = (&material.summary, Vec::new());
    let mut say = |text: String| found.push(Finding { text, section: "data" });
    if summary.synthetic {
        say("The drawings are synthetic: figures say nothing about drawings by people.".into());
    }
    let elsewhere = material.trained_elsewhere();
    let others = |(name, runs): &(Option<String>, Vec<&Examined>)| {
        let known = name.as_ref().is_some_and(|name| *name != summary.name);
        let named = name.as_ref().map(|name| format!("{}, on {name}", listed(&labels(runs.iter().copied()))));
        named.filter(|_| known)
    };
    let others: Vec<String> = elsewhere.iter().filter_map(others).collect();
    if !others.is_empty() {
        say(format!(
            "Not every run was trained on {}, which all scores are of: {}. Differences between runs may be those between their \
             drawings, and test drawings may be among those that such a run was trained on.",
            summary.name,
            others.join("; ")
        ));
    }
    if material.tests_on_training() {
        say("There are no test drawings: everything is measured on drawings that were trained on.".into());
    }
    if summary.test_also_in_train > 0 {
        let (twice, all) = (thousands(summary.test_also_in_train as u64), thousands(summary.test.images as u64));
        say(format!("{twice} of the {all} test drawings are also training drawings, pixel for pixel."));
    }
    found
}

fn judge(material: &Material) -> Vec<Finding> {
    let (verdict, classes) = (&material.judged, material.dataset.classes.len());
    if material.runs.iter().all(|examined| !examined.codes()) {
        return Vec::new();
    }
    let accuracy = Measured::accuracy(verdict);
    let known = format!("The judge recognises {} of {} real drawings", accuracy.text(), thousands(verdict.n as u64));
    let text = if verdict.accuracy_interval.low <= 1.0 / classes as f64 {
        format!("{known}, no better than a guess among {classes} classes: nothing that it says counts.")
    } else if verdict.accuracy < WEAK {
        format!("{known}: it is weak, and so are recognition, FD, precision, recall and coverage by it.")
    } else {
        format!("{known}: what it says of generated drawings can be no surer than that.")
    };
    vec![Finding { text, section: "recognition" }]
}

fn losses(examined: &Examined, split: Split) -> Vec<&Record> {
    examined.run.records.iter().filter(|record| record.split == split).collect()
}

fn training(runs: &[Examined]) -> Vec<Finding> {
    let with = |holds: &dyn Fn(&Examined) -> bool| runs.iter().filter(|examined| holds(examined)).collect::<Vec<_>>();
    fn train(examined: &Examined) -> Vec<&Record> {
        losses(examined, Split::Train)
    }
    let mut found = Vec::new();
    let mut say = |runs: Vec<&Examined>, text: &str| found.extend(about(runs, text, "training"));
    say(with(&|e| e.run.records.is_empty()), "weights that were imported; how they were trained is not known.");
    say(
        with(&|e| e.run.config.quick),
        "trained in a short run (--quick), which shows that everything works and little else.",
    );
    say(with(&|e| e.run.records.iter().any(|record| !record.loss.is_finite())), "the loss was not finite at times.");
    let unfinished = |e: &Examined| {
        let config = &e.run.config;
        train(e).last().is_some_and(|last| {
            config.epochs.is_some_and(|all| last.epoch < all as f64 - 1e-6)
                || config.steps.is_some_and(|all| last.step < all)
        })
    };
    say(with(&unfinished), "training has not come to its end.");
    say(
        with(&|e| train(e).last().is_some_and(|last| last.epoch < 1.0)),
        "untrained, nearly: not every training drawing was seen once.",
    );
    // Each split is compared with itself: training losses are averages over the time before.
    let pair = |e: &Examined| Some((train(e).first()?.loss, train(e).last()?.loss)).filter(|_| train(e).len() > 1);
    say(
        with(&|e| pair(e).is_some_and(|(first, last)| last >= first)),
        "the training loss ends no lower than it began: nothing was learnt.",
    );

    let mut moving = |move_of: &dyn Fn(&Examined) -> Option<f64>, text: &str| {
        let moved = runs.iter().filter_map(|e| Some((e.label(), move_of(e).filter(|moved| *moved > MOVES)?)));
        let moved: Vec<String> = moved.map(|(label, by)| format!("{label} by {:.0}\u{a0}%", 100.0 * by)).collect();
        if !moved.is_empty() {
            found.push(Finding { text: format!("{text}: {}.", listed(&moved)), section: "training" });
        }
    };
    moving(
        &|e| {
            let losses = train(e);
            let (before, last) = (losses.get((losses.len() * 3 / 4).checked_sub(1)?)?.loss, losses.last()?.loss);
            Some((before - last) / before.abs())
        },
        "The training loss was still falling over the last quarter, so that longer training would change the figures",
    );
    moving(
        &|e| {
            let losses: Vec<f64> = losses(e, Split::Test).iter().map(|record| record.loss).collect();
            let (least, last) = (losses.iter().copied().fold(f64::INFINITY, f64::min), *losses.last()?);
            Some((last - least) / least.abs())
        },
        "The test loss ends above its least value, a sign of overfitting",
    );
    found
}

fn latents(runs: &[Examined]) -> Vec<Finding> {
    let collapsed = runs.iter().filter_map(|examined| {
        let latents = examined.evaluation.latents.as_ref()?;
        let (all, active) = (latents.kl.len(), latents.active);
        (2 * active < all).then(|| Finding {
            text: format!(
                "{}: posterior collapse in {} of {all} dimensions; the decoder does without them.",
                examined.label(),
                all - active
            ),
            section: "latents",
        })
    });
    collapsed.collect()
}

/// Warnings that scores came with, each once, and distances that are no longer told from the floor.
fn scores(runs: &[Examined]) -> Vec<Finding> {
    let mut notes: Vec<(&str, Vec<String>)> = Vec::new();
    for examined in runs {
        for score in examined.evaluation.scores.iter().filter(|score| score.value.is_some()) {
            let Some(note) = &score.note else { continue };
            match notes.iter_mut().find(|(known, _)| known == note) {
                Some((_, labels)) if labels.contains(&examined.label()) => {}
                Some((_, labels)) => labels.push(examined.label()),
                None => notes.push((note, vec![examined.label()])),
            }
        }
    }
    let mut found: Vec<Finding> = notes
        .into_iter()
        .map(|(note, labels)| Finding { text: format!("{}: {note}.", listed(&labels)), section: "scores" })
        .collect();
    for (name, word) in [("fd_classifier", "FD"), ("fid", "FID")] {
        let score = |e: &Examined| e.evaluation.scores.iter().find(|score| score.name == name).cloned();
        let under = runs.iter().filter_map(|e| {
            let score = score(e)?;
            let (value, floor) = (score.value?, score.passport.floor?);
            (value <= floor).then(|| format!("{} ({}, floor {})", e.label(), number(value), number(floor)))
        });
        let under: Vec<String> = under.collect();
        if !under.is_empty() {
            let text = format!(
                "{word} is at or below its floor, as near as two halves of the real drawings are to each other, and tells \
                 no more: {}.",
                listed(&under)
            );
            found.push(Finding { text, section: "scores" });
        }
        let without: Vec<&Examined> =
            runs.iter().filter(|e| score(e).is_some_and(|s| s.value.is_some() && s.passport.floor.is_none())).collect();
        found.extend(about(without, &format!("too few real drawings for a floor of {word}."), "scores"));
    }
    found
}

fn likelihood(runs: &[Examined]) -> Vec<Finding> {
    let few: Vec<&Examined> =
        runs.iter().filter(|e| e.evaluation.likelihood.as_ref().is_some_and(|found| found.samples < FEW)).collect();
    let Some(first) = few.first().and_then(|e| e.evaluation.likelihood.as_ref()) else { return Vec::new() };
    let text = format!(
        "the bound on −ln p(x) is of {} samples of z for each of {} drawings: a loose one.",
        thousands(first.samples as u64),
        thousands(first.n as u64)
    );
    about(few, &text, "likelihood").into_iter().collect()
}

/// Whether differences between runs may be those between seeds.
fn seeds(runs: &[Examined]) -> Vec<Finding> {
    let settings: Vec<_> = runs
        .iter()
        .map(|examined| {
            let mut settings = examined.run.config.settings();
            settings.retain(|key, _| sets_training(key));
            let seed = settings.remove("seed");
            (settings, seed)
        })
        .collect();
    let repeated = |i: usize| settings.iter().any(|other| other.0 == settings[i].0 && other.1 != settings[i].1);
    let once: Vec<&Examined> = (0..runs.len()).filter(|&i| !repeated(i)).map(|i| &runs[i]).collect();
    if once.is_empty() {
        return Vec::new();
    }
    let whose =
        if once.len() == runs.len() { "Trained".to_owned() } else { format!("{}: trained", listed(&labels(once))) };
    let text =
        format!("{whose} with one seed; intervals are over drawings, and say nothing about how another seed would do.");
    vec![Finding { text, section: "models" }]
}
