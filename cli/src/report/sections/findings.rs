//! The first chapter: what was trained, which run is best at what, and what is to be distrusted, in sentences made of figures.

use inkgrad_models::run::records::Split;

use super::super::document::{Block, Finding, Section};
use super::super::material::{Examined, Material};
use super::super::measured::{Best, Measured, best, leader, plain};
use super::super::metric::{self, Metric};
use super::{doubts, labels, listed};
use crate::output::thousands;

/// Runs that can be compared by a score.
pub struct Comparison {
    /// The score.
    pub metric: &'static Metric,
    /// The score and the drawings that it is of, as a sentence begins.
    pub what: String,
    /// The chapter with all of its kind.
    pub section: &'static str,
    /// Runs and values.
    pub values: Vec<(String, Measured)>,
    /// The score between two halves of the real drawings.
    pub floor: Option<f64>,
}

pub fn findings(material: &Material) -> Section {
    let blocks = vec![
        Block::Heading("What was trained".into()),
        Block::Findings(trained(material)),
        Block::Heading("Which is best".into()),
        Block::Findings(comparisons(material).iter().map(sentence).collect()),
        Block::Heading("What to distrust".into()),
        Block::Findings(doubts::doubts(material)),
    ];
    // A heading above nothing is left out.
    let mut kept: Vec<Block> = Vec::new();
    for block in blocks {
        match block {
            Block::Findings(findings) if findings.is_empty() => drop(kept.pop()),
            block => kept.push(block),
        }
    }
    Section { id: "findings", title: "Findings", blocks: kept }
}

fn trained(material: &Material) -> Vec<Finding> {
    let summary = &material.summary;
    let count = |n: usize, one: &str, many: &str| {
        if n == 1 { format!("1 {one}") } else { format!("{} {many}", thousands(n as u64)) }
    };
    let runs = material.runs.len();
    let elsewhere = material.trained_elsewhere();
    let training = match &elsewhere[..] {
        [] if runs == 1 => format!("One run was trained on {}", summary.name),
        [] => format!("{runs} runs were trained on {}", summary.name),
        parts => {
            let part = |(name, runs): &(Option<String>, Vec<&Examined>)| {
                let were = if runs.len() == 1 { "was" } else { "were" };
                let on = name.as_deref().unwrap_or("drawings that are not known");
                format!("{} {were} trained on {on}", listed(&labels(runs.iter().copied())))
            };
            let parts: Vec<String> = parts.iter().map(part).collect();
            let scored = if runs == 1 { "it is" } else { "all are" };
            format!("{}; {scored} scored on {}", parts.join(", "), summary.name)
        }
    };
    let data = format!(
        "{training}: {} of {}, {} pixels; {}.",
        count(summary.train.images, "training drawing", "training drawings"),
        count(summary.classes.len(), "class", "classes"),
        summary.extents,
        match summary.test.images {
            0 => "there are no test drawings".to_owned(),
            n => format!("{} to test on", count(n, "drawing", "drawings")),
        }
    );
    let mut lengths: Vec<(String, Vec<String>)> = Vec::new();
    for examined in &material.runs {
        let last = examined.run.records.iter().rfind(|record| record.split == Split::Train);
        let length = match last {
            None => "weights from elsewhere, whose training is not known".to_owned(),
            Some(last) if examined.run.config.epochs.is_some() => {
                let epochs = format!("{:.1}", last.epoch);
                format!("{} epochs", epochs.trim_end_matches(".0"))
            }
            Some(last) => format!("{} steps ({:.1} epochs)", thousands(last.step), last.epoch),
        };
        match lengths.iter_mut().find(|(known, _)| *known == length) {
            Some((_, runs)) => runs.push(examined.label()),
            None => lengths.push((length, vec![examined.label()])),
        }
    }
    let lengths: Vec<String> = lengths.iter().map(|(length, runs)| format!("{}: {length}", listed(runs))).collect();
    vec![
        Finding { text: data, section: "data" },
        Finding { text: format!("{}.", lengths.join("; ")), section: "training" },
    ]
}

/// The scores by which runs are compared in a sentence.
pub fn comparisons(material: &Material) -> Vec<Comparison> {
    let runs = &material.runs;
    let gather = |name: &str, what: &str, section, value: &dyn Fn(&Examined) -> Option<Measured>| Comparison {
        metric: metric::known(name),
        what: what.to_owned(),
        section,
        values: runs.iter().filter_map(|examined| Some((examined.label(), value(examined)?))).collect(),
        floor: None,
    };
    let recognised = |examined: &Examined| Some(Measured::accuracy(&examined.evaluation.recognition.as_ref()?.all));
    let mut found = vec![
        gather("recognised", "Recognised among test drawings, by classifiers", "recognition", &|e| {
            recognised(e).filter(|_| !e.codes())
        }),
        gather("recognised", "Recognised among samples of a class", "recognition", &|e| {
            recognised(e).filter(|_| e.codes() && e.samples())
        }),
        gather("recognised", "Recognised among reconstructions, of models without a prior", "recognition", &|e| {
            recognised(e).filter(|_| e.codes() && !e.samples())
        }),
    ];
    for name in ["fid", "fd_classifier", "precision_classifier", "recall_classifier", "coverage_classifier"] {
        let score = |e: &Examined| e.evaluation.scores.iter().find(|score| score.name == name).cloned();
        for (of, samples) in [("samples from the prior", true), ("reconstructions, of models without a prior", false)] {
            let of_group = |e: &&Examined| e.codes() && e.samples() == samples;
            let floor = runs.iter().filter(of_group).find_map(|e| score(e)?.passport.floor);
            let value = |e: &Examined| Measured::score(&score(e)?).filter(|_| of_group(&e));
            let name_of = metric::known(name).name;
            let what = format!("{} of {of}", capital(name_of));
            found.push(Comparison { floor, ..gather(name, &what, "scores", &value) });
        }
    }
    let mse =
        |e: &Examined| Measured::score(e.evaluation.scores.iter().find(|score| score.name == "reconstruction_mse")?);
    found.push(gather("reconstruction_mse", "MSE of reconstructions", "scores", &mse));
    found.push(gather("nll", "−ln p(x) of test drawings", "likelihood", &|e| {
        Some(Measured::nll(e.evaluation.likelihood.as_ref()?))
    }));
    found.push(gather(
        "samples_to_real",
        "Accuracy on real drawings of a classifier trained on samples",
        "transfer",
        &|e| Some(Measured::accuracy(&e.evaluation.transfer.as_ref()?.samples_to_real)),
    ));
    found.retain(|comparison| !comparison.values.is_empty());
    found
}

/// A sentence that calls a run the best only where its interval is apart from all others.
fn sentence(comparison: &Comparison) -> Finding {
    let Comparison { metric, what, section, values, floor } = comparison;
    let named = |i: usize| format!("{} ({})", values[i].0, values[i].1.text());
    let all: Vec<Option<Measured>> = values.iter().map(|(_, value)| Some(*value)).collect();
    let floor = floor.map_or(String::new(), |floor| {
        let text = Measured { value: floor, ..values[0].1 }.floor_text();
        format!("; floor, between two halves of the real drawings: {text}")
    });
    let text = match metric.better {
        _ if values.len() == 1 => format!("{what}: {}{floor}.", named(0)),
        None => return Finding { text: String::new(), section },
        Some(better) => match best(&all, better) {
            Best::One(first) => {
                let rest = values.iter().enumerate().filter(|(i, _)| *i != first);
                let rest: Vec<(usize, f64)> = rest.map(|(i, (_, value))| (i, value.value)).collect();
                let next = leader(rest.iter().map(|(_, value)| *value), better).map_or(0, |at| rest[at].0);
                format!("{what}: {} is best, the next is {}{floor}.", named(first), named(next))
            }
            Best::Tied(tied) => {
                let others: Vec<String> = tied[1..].iter().map(|&i| named(i)).collect();
                let (first, most, others) = (named(tied[0]), better.most(), listed(&others));
                format!("{what}: {first} is {most}, but its interval overlaps with that of {others}: no best{floor}.")
            }
            Best::Unknown => match leader(values.iter().map(|(_, value)| value.value), better) {
                Some(first) => format!(
                    "{what}: {} is {}; its precision is not known, so none is called best{floor}.",
                    named(first),
                    better.most()
                ),
                None => format!("{what}: not a number of any of {}.", listed(&labels_of(values))),
            },
        },
    };
    Finding { text, section }
}

fn labels_of(values: &[(String, Measured)]) -> Vec<String> {
    values.iter().map(|(label, _)| label.clone()).collect()
}

/// With a capital, where it is a word: what stands for something is left as it is.
fn capital(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

/// Sentences about several runs begin with their labels.
pub(super) fn about<'a>(
    runs: impl IntoIterator<Item = &'a Examined>,
    text: &str,
    section: &'static str,
) -> Option<Finding> {
    let runs = labels(runs);
    (!runs.is_empty()).then(|| Finding { text: format!("{}: {text}", listed(&runs)), section })
}

/// A value of unknown precision in a sentence.
pub(super) fn number(value: f64) -> String {
    plain(value)
}

#[cfg(test)]
mod tests {
    use inkgrad_models::metrics::classifier::Interval;

    use super::super::super::measured::Spread;
    use super::*;

    fn compared(name: &str, values: &[(&str, f64, f64)], floor: Option<f64>) -> String {
        let value = |&(label, value, reach): &(&str, f64, f64)| {
            let interval = Interval { low: value - reach, high: value + reach };
            let spread = if reach > 0.0 { Spread::Interval(interval) } else { Spread::Unknown };
            (label.to_owned(), Measured { value, spread, share: false })
        };
        let values = values.iter().map(value).collect();
        let what = format!("{} of samples", metric::known(name).name);
        sentence(&Comparison { metric: metric::known(name), what, section: "scores", values, floor }).text
    }

    #[test]
    fn a_run_is_called_best_only_where_its_interval_is_apart() {
        assert_eq!(
            compared("nll", &[("a", 90.0, 1.0), ("b", 80.0, 1.0), ("c", 100.0, 1.0)], None),
            "−ln p(x) of samples: b (80.0 [79.0,\u{a0}81.0]) is best, the next is a (90.0 [89.0,\u{a0}91.0])."
        );
        assert_eq!(
            compared("coverage", &[("a", 0.5, 0.1), ("b", 0.6, 0.1)], None),
            "coverage of samples: b (0.60 [0.50,\u{a0}0.70]) is highest, but its interval overlaps with that of a (0.50 [0.40,\u{a0}0.60]): no best."
        );
        assert_eq!(
            compared("fd", &[("a", 12.34, 0.0), ("b", 3.456, 0.0)], Some(1.5)),
            "FD of samples: b (3.46) is lowest; its precision is not known, so none is called best; floor, between two \
             halves of the real drawings: 1.50."
        );
        assert_eq!(compared("fd", &[("a", 12.34, 0.0)], None), "FD of samples: a (12.3).");
        assert_eq!(
            compared("fd", &[("a", f64::NAN, 0.0), ("b", f64::NAN, 0.0)], None),
            "FD of samples: not a number of any of a and b."
        );
    }
}
