//! How training went.

use inkgrad_models::model::Spec;
use inkgrad_models::run::config::Config;
use inkgrad_models::run::metrics::{self, Record, Split};

use super::super::Examined;
use super::super::chart::{Chart, Plot};
use super::super::document::{Block, Section, Table};
use crate::output::{duration, thousands};
use crate::progress::number;

pub fn training(runs: &[Examined]) -> Section {
    let mut table =
        Table::new(&["model", "steps", "epochs", "time", "epochs/s", "training loss", "terms", "test loss"]);
    let mut blocks = Vec::new();
    for Examined { run, .. } in runs {
        let last = |split| run.records.iter().rfind(|record| record.split == split);
        let Some(train) = last(Split::Train) else { continue };
        let optional = |value: Option<f64>| value.map_or("–".to_owned(), number);
        let speed = train.seconds.filter(|&seconds| seconds > 0.0).map(|seconds| train.epoch / seconds);
        table.rows.push(vec![
            run.label(),
            thousands(train.step),
            format!("{:.1}", train.epoch),
            train.seconds.map_or("–".to_owned(), duration),
            speed.map_or("–".to_owned(), |speed| format!("{speed:.3}")),
            number(train.loss),
            terms(train),
            optional(last(Split::Test).map(|record| record.loss)),
        ]);
    }
    if table.rows.is_empty() {
        return Section { id: "training", title: "Training", blocks };
    }
    blocks.push(Block::Table(table));
    blocks.push(Block::Text(
        "Losses are per drawing, but for a mean squared error, which is a mean over pixels. bce is the summed binary \
         cross-entropy of grey pixels, not a likelihood; kl is the divergence from the prior, before β."
            .into(),
    ));
    for Examined { run, .. } in runs {
        let charts = curves(run.inference.network().spec(), &run.config, &run.records);
        if !charts.is_empty() {
            blocks.push(Block::Heading(run.label()));
            blocks.push(Block::Charts(charts));
        }
    }
    Section { id: "training", title: "Training", blocks }
}

/// A record's terms beside its loss, each by its name.
fn terms(record: &Record) -> String {
    // A loss that is reported again as a term says nothing new.
    let others = record.terms.0.iter().filter(|(_, value)| *value != record.loss);
    let named: Vec<String> = others.map(|(name, value)| format!("{name} {}", number(*value))).collect();
    if named.is_empty() { "–".to_owned() } else { named.join(", ") }
}

/// The loss, and each of the terms by itself.
fn curves(spec: &Spec, config: &Config, records: &[Record]) -> Vec<Chart> {
    let by_epoch = config.epochs.is_some();
    let chart = |title: &str, value: &dyn Fn(&Record) -> Option<f64>| {
        let series = |split: Split| {
            let x = |record: &Record| if by_epoch { record.epoch } else { record.step as f64 };
            let of_split = records.iter().filter(|record| record.split == split);
            let points: Vec<_> = of_split.filter_map(|record| Some((x(record), value(record)?))).collect();
            (split.name().to_owned(), points)
        };
        let series: Vec<_> = [Split::Train, Split::Val, Split::Test].map(series).into();
        let series: Vec<_> = series.into_iter().filter(|(_, points)| !points.is_empty()).collect();
        let x = if by_epoch { "epoch" } else { "step" }.to_owned();
        (!series.is_empty()).then(|| Chart { title: title.to_owned(), plot: Plot::Lines { x, series } })
    };
    let mut charts = vec![chart(spec.loss, &|record| Some(record.loss))];
    for name in metrics::terms(records) {
        let own = spec.figures.iter().flat_map(|figure| figure.panels).find(|(term, _)| *term == name);
        charts.push(chart(own.map_or(name, |(_, label)| label), &|record| record.term(name)));
    }
    charts.into_iter().flatten().collect()
}
