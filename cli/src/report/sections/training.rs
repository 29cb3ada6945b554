//! How training went.

use inkgrad_models::run::plot::{self, Figure as Plot, Marks, Panel};
use inkgrad_models::run::records::{Record, Split};

use super::super::document::{Block, Cell, Column, Content, Figure, Section, Table};
use super::super::material::Examined;
use super::super::measured::plain;
use super::super::metric::Better;
use crate::output::{duration, thousands};

pub fn training(runs: &[Examined]) -> Section {
    let mut table = Table::new(
        "Losses at the end",
        &["run", "steps", "epochs", "time", "epochs/s", "training loss", "terms", "test loss"],
    );
    for name in ["training loss", "test loss"] {
        let column: Option<&mut Column> = table.head.iter_mut().find(|column| column.name == name);
        column.into_iter().for_each(|column| column.better = Some(Better::Lower));
    }
    let mut blocks = Vec::new();
    for Examined { run, .. } in runs {
        let last = |split| run.records.iter().rfind(|record| record.split == split);
        let Some(train) = last(Split::Train) else { continue };
        let speed = train.seconds.filter(|&seconds| seconds > 0.0).map(|seconds| train.epoch / seconds);
        table.rows.push(vec![
            run.label().into(),
            Cell::number(train.step as f64, thousands(train.step)),
            Cell::number(train.epoch, format!("{:.1}", train.epoch)),
            train.seconds.map_or("–".into(), |seconds| Cell::number(seconds, duration(seconds))),
            speed.map_or("–".into(), |speed| Cell::number(speed, plain(speed))),
            Cell::number(train.loss, plain(train.loss)),
            terms(train).into(),
            last(Split::Test).map_or("–".into(), |test| Cell::number(test.loss, plain(test.loss))),
        ]);
    }
    if table.rows.is_empty() {
        return Section { id: "training", title: "Training", blocks };
    }
    blocks.push(Block::Table(table));
    blocks.push(Block::Text(
        "Losses are per drawing, but for a mean squared error, which is a mean over pixels: runs with other losses cannot be \
         compared by them. A training loss is the average over the time up to its point, a test loss that of the weights at \
         its point."
            .into(),
    ));
    for Examined { run, .. } in runs {
        let charts = curves(&run.label(), plot::figures(run.inference.network().spec(), &run.config, &run.records));
        if !charts.is_empty() {
            blocks.push(Block::Heading(run.label()));
            blocks.push(Block::Figures(charts));
        }
    }
    Section { id: "training", title: "Training", blocks }
}

/// A record's terms beside its loss, each by its name.
fn terms(record: &Record) -> String {
    // A loss that is reported again as a term says nothing new.
    let others = record.terms.0.iter().filter(|(_, value)| *value != record.loss);
    let named: Vec<String> = others.map(|(name, value)| format!("{name} {}", plain(*value))).collect();
    if named.is_empty() { "–".to_owned() } else { named.join(", ") }
}

/// A chart for each panel of a run's figures.
fn curves(label: &str, figures: Vec<(String, Plot)>) -> Vec<Figure> {
    let mut charts = Vec::new();
    for (_, figure) in figures {
        for panel in &figure.panels {
            let Panel { label: y, marks: Marks::Lines(curves) } = panel else { continue };
            let told = curves.iter().filter_map(|curve| {
                let (first, last) = (curve.points.first()?.1, curve.points.last()?.1);
                Some(format!("{} from {} to {}", curve.label, plain(first), plain(last)))
            });
            let told: Vec<String> = told.collect();
            if told.is_empty() {
                continue;
            }
            let alt = format!("{y} of {label} over {}s: {}.", figure.x_label, told.join("; "));
            let title = format!("{label}: {y}");
            let one = Plot { title: title.clone(), panels: vec![panel.clone()], ..figure.clone() };
            let caption = figure.caption.clone();
            charts.push(Figure { file: title.clone(), title, caption, alt, content: Content::Chart(one) });
        }
    }
    charts
}
