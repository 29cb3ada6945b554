//! Whether a classifier recognises what was drawn.

use inkgrad_models::study::{ClassScore, Graded, Recognition};

use super::super::document::{Block, Cell, Column, Content, Figure, GradedDrawing, Section, Table};
use super::super::material::{Examined, Material};
use super::super::measured::Measured;
use super::super::metric;
use super::findings::comparisons;
use super::latents::{definitions, intervals};
use crate::output::thousands;

pub fn recognition(material: &Material) -> Section {
    let judge = &material.judge;
    let mut blocks = vec![
        Block::Text(format!(
            "{} (weights {}…) judges drawings. Of {} real test drawings it recognises {}. Intervals are of 95 %: Wilson's of \
             shares, the normal one of means.",
            judge.name,
            &judge.sha256[..12],
            thousands(material.judged.n as u64),
            Measured::accuracy(&material.judged).text()
        )),
        definitions(&["recognised", "confidence"]),
    ];
    let chance = ("chance".to_owned(), 100.0 / material.dataset.classes.len().max(1) as f64);
    let compared = comparisons(material).into_iter().filter(|comparison| comparison.metric.key == "recognised");
    let charts = compared.filter_map(|comparison| {
        intervals(&comparison.what, "recognised (%)", &comparison.values, Some(chance.clone()))
    });
    let charts: Vec<Figure> = charts.collect();
    if !charts.is_empty() {
        blocks.push(Block::Figures(charts));
    }
    for examined in &material.runs {
        let evaluation = &examined.evaluation;
        if let Some(found) = &evaluation.recognition {
            blocks.push(Block::Table(by_class(what_was_judged(examined, &judge.name), found)));
        } else if let Some(found) = &evaluation.unasked {
            let title = format!("Samples of {}, for which no class was asked: what the judge sees", examined.label());
            blocks.push(Block::Table(seen(title, found)));
        }
        if !examined.gallery.graded.is_empty() {
            blocks.push(Block::Figures(vec![graded(examined, &material.dataset.classes)]));
        }
    }
    Section { id: "recognition", title: "What the judge recognises", blocks }
}

/// Drawings with the judge's verdicts.
fn graded(examined: &Examined, classes: &[String]) -> Figure {
    let (label, gallery) = (examined.label(), &examined.gallery);
    let drawing = |graded: &Graded| GradedDrawing {
        pixels: graded.drawing.clone(),
        asked: graded.asked.map(|asked| classes[asked].clone()),
        seen: classes[graded.seen].clone(),
        confidence: graded.confidence,
    };
    let drawings: Vec<GradedDrawing> = gallery.graded.iter().map(drawing).collect();
    let right = drawings.iter().filter(|drawing| drawing.right() == Some(true)).count();
    let caption = match examined.sees_classes() {
        true => format!("{right} of {} recognised; other draws than those shown above", drawings.len()),
        false => format!("{} draws from the prior, of no class", drawings.len()),
    };
    Figure {
        file: label.clone(),
        title: format!("{label}: samples with verdicts"),
        alt: format!("Samples of {label} and the judge's verdict on each: {caption}."),
        caption: format!("{caption}, seed {}", examined.run.config.seed),
        content: Content::Graded(drawings, gallery.image),
    }
}

fn what_was_judged(examined: &Examined, judge: &str) -> String {
    match (examined.codes(), examined.samples()) {
        (false, _) => format!("{} on test drawings", examined.label()),
        (true, true) => format!("Samples of {}, judged by {judge}", examined.label()),
        (true, false) => format!("Reconstructions by {}, judged by {judge}", examined.label()),
    }
}

/// All classes, and all drawings.
fn verdicts(found: &Recognition) -> impl Iterator<Item = ClassScore> {
    let all = ClassScore { class: "all".to_owned(), verdict: Some(found.all) };
    found.classes.iter().cloned().chain([all])
}

fn by_class(title: String, found: &Recognition) -> Table {
    let mut table = Table::new(title, &["class", "drawings", "recognised", "confidence"]);
    table.head[2].better = metric::known("recognised").better;
    for ClassScore { class, verdict } in verdicts(found) {
        let [share, sure] = [Measured::accuracy, Measured::confidence].map(|of| verdict.as_ref().map(of));
        table.row([class.into(), Cell::count(verdict.map_or(0, |verdict| verdict.n)), share.into(), sure.into()]);
    }
    table.foot.extend(table.rows.pop());
    table
}

/// How verdicts are spread.
fn seen(title: String, found: &Recognition) -> Table {
    let mut table = Table::new(title, &["class seen", "samples", "share", "confidence"]);
    for ClassScore { class, verdict } in verdicts(found) {
        let n = verdict.map_or(0, |verdict| verdict.n);
        let share = Measured::share(n as f64 / found.all.n.max(1) as f64, found.all.n);
        let share = if class == "all" && n == found.all.n { "".into() } else { Cell::from(&share) };
        table.row([class.into(), Cell::count(n), share, verdict.as_ref().map(Measured::confidence).into()]);
    }
    table.foot.extend(table.rows.pop());
    table
}

pub fn transfer(runs: &[Examined]) -> Section {
    let with: Vec<_> = runs.iter().filter_map(|e| Some((e, e.evaluation.transfer.as_ref()?))).collect();
    let mut blocks = Vec::new();
    if !with.is_empty() {
        let mut table = Table::new("Accuracy of a classifier (mlp)", &["run"]);
        for (examined, _) in &with {
            table.row([examined.label().into()]);
        }
        for (name, compared) in [("samples_to_real", true), ("real_to_samples", true), ("real_to_real", false)] {
            let value = |found: &inkgrad_models::study::Transfer| {
                Measured::accuracy(match name {
                    "samples_to_real" => &found.samples_to_real,
                    "real_to_samples" => &found.real_to_samples,
                    _ => &found.real_to_real,
                })
            };
            let values: Vec<_> = with.iter().map(|(_, found)| Some(value(found))).collect();
            table.measured(metric::known(name), &values, compared);
        }
        for (name, of) in [("trained on", 0), ("epochs", 1)] {
            table.head.push(Column { name: name.to_owned(), better: None });
            for (row, (_, found)) in table.rows.iter_mut().zip(&with) {
                row.push(Cell::count([found.trained_on, found.epochs as usize][of]));
            }
        }
        let text =
            "A classifier trained on the left is tested on the right; real drawings on the right are test drawings.";
        blocks = vec![
            Block::Text(text.into()),
            Block::Table(table),
            definitions(&["samples_to_real", "real_to_samples", "real_to_real"]),
        ];
    }
    Section { id: "transfer", title: "Train on samples, test on real", blocks }
}
