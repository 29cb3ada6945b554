//! How training went.

use inkgrad_models::run::config::{Config, Model};
use inkgrad_models::run::metrics::{Record, Split};

use super::super::Examined;
use super::super::chart::{Chart, Plot};
use super::super::document::{Block, Section, Table};
use crate::output::{duration, thousands};
use crate::progress::number;

pub fn training(runs: &[Examined]) -> Section {
    let mut table =
        Table::new(&["model", "steps", "epochs", "time", "epochs/s", "training loss", "BCE", "KL", "test loss"]);
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
            optional(train.bce),
            optional(train.kl),
            optional(last(Split::Test).map(|record| record.loss)),
        ]);
    }
    blocks.push(Block::Table(table));
    blocks.push(Block::Text(
        "Losses are per drawing, but for a mean squared error, which is a mean over pixels. BCE is the summed binary \
         cross-entropy of grey pixels, not a likelihood; KL is the divergence from the prior, before β."
            .into(),
    ));
    for Examined { run, .. } in runs {
        let charts = curves(&run.config, &run.records);
        if !charts.is_empty() {
            blocks.push(Block::Heading(run.label()));
            blocks.push(Block::Charts(charts));
        }
    }
    Section { id: "training", title: "Training", blocks }
}

/// Loss, and for a VAE its two parts apart.
fn curves(config: &Config, records: &[Record]) -> Vec<Chart> {
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
    let loss = match config.model {
        Model::LstmAe | Model::CnnAe => "Mean squared error",
        Model::Classifier => "Cross-entropy",
        _ => "Loss per drawing (nats)",
    };
    [
        chart(loss, &|record| Some(record.loss)),
        chart("Reconstruction: BCE per drawing", &|record| record.bce),
        chart("Divergence: KL per drawing", &|record| record.kl),
        chart("Accuracy", &|record| record.accuracy),
    ]
    .into_iter()
    .flatten()
    .collect()
}
