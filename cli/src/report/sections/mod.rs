//! The chapters of a study's report, in its order.

mod drawings;
mod latents;
mod scores;
mod training;

use inkgrad_models::Models;
use inkgrad_models::data::describe;
use inkgrad_models::run::config::Config;

use self::drawings::{by_class, interpolations, nearest, reconstructions, samples};
use self::latents::{likelihoods, maps, usage};
use self::scores::{recognition, scores, transfer};
use self::training::training;
use super::document::{Block, Document, Section, Table};
use super::material::{Examined, MADE_BY, Material};
use crate::output::{quoted, thousands};
use crate::{help, settings};

/// Pixels along each side of a drawing's pixel.
const SCALE: usize = 2;

/// The whole report.
pub fn document(material: &Material) -> Document {
    let Material { dataset, runs, .. } = material;
    let sections = vec![
        data(material),
        models(runs),
        training(runs),
        reconstructions(runs),
        samples(material),
        by_class(material),
        maps(material),
        interpolations(runs),
        usage(runs),
        likelihoods(runs),
        scores(material),
        recognition(material),
        nearest(runs),
        transfer(runs),
        commands(material),
    ];
    Document {
        title: "A study of drawings".to_owned(),
        subtitle: format!("{} models on {}: {MADE_BY} {}.", runs.len(), dataset.name, env!("CARGO_PKG_VERSION")),
        sections: sections.into_iter().filter(|section| !section.blocks.is_empty()).collect(),
    }
}

fn data(material: &Material) -> Section {
    let summary = describe(material.dataset);
    let mut table = Table::new(&["drawings of", "for training", "for test"]);
    for class in &summary.classes {
        table.row([class.name.clone(), thousands(class.train as u64), thousands(class.test as u64)]);
    }
    table.row(["all".into(), thousands(summary.train.images as u64), thousands(summary.test.images as u64)]);
    let mut blocks = vec![Block::Text(format!("Source: {}.", summary.origin))];
    if summary.synthetic {
        blocks.push(Block::Warning(
            "These drawings are synthetic: the program drew them, no person did. Scores on them say nothing about \
             drawings by people."
                .into(),
        ));
    }
    blocks.push(Block::Table(table));
    blocks.push(Block::Text(format!(
        "{} pixels with a mean of {:.4} and a standard deviation of {:.4} over the training drawings; {} test \
         drawings are also training drawings, pixel for pixel.",
        material.dataset.train.images.extents(),
        summary.train.mean,
        summary.train.standard_deviation,
        summary.test_also_in_train
    )));
    Section { id: "data", title: "Data", blocks }
}

fn models(runs: &[Examined]) -> Section {
    let mut table = Table::new(&["model", "parameters", "latent", "weights", "what it is"]);
    for Examined { run, .. } in runs {
        let network = run.inference.network();
        let latent = network.latent().map_or("–".to_owned(), |width| width.to_string());
        let what = (network.spec().describe)(&run.config);
        table.row([run.label(), thousands(network.params.count() as u64), latent, run.weights.clone(), what]);
    }
    Section { id: "models", title: "Models", blocks: vec![Block::Table(table)] }
}

fn sees_classes(examined: &Examined) -> bool {
    examined.run.inference.network().sees_classes()
}

fn commands(material: &Material) -> Section {
    let mut blocks = vec![Block::Commands(vec![material.command.clone()])];
    let mut table = Table::new(&["model", "command", "seed", "threads", "inkgrad"]);
    for Examined { run, .. } in &material.runs {
        let config = &run.config;
        table.row([
            run.label(),
            how_it_was_made(material.models, config, &run.path.display().to_string(), run.records.is_empty()),
            config.seed.to_string(),
            config.threads.to_string(),
            config.inkgrad.clone(),
        ]);
    }
    blocks.push(Block::Text("The runs, as they can be trained one by one:".into()));
    blocks.push(Block::Table(table));
    blocks.push(Block::Text(format!(
        "Scored with {} samples of seed {}. Results do not depend on the number of threads.",
        thousands(material.options.samples as u64),
        material.options.seed
    )));
    Section { id: "commands", title: "What was run", blocks }
}

/// The command that trains a run like this one; imported weights, which have no losses, were trained elsewhere.
fn how_it_was_made(models: &Models, config: &Config, out: &str, imported: bool) -> String {
    match imported {
        true => format!("{}: weights that were imported", quoted(out)),
        false => settings::training_command(models, &help::train(models), config, out),
    }
}
