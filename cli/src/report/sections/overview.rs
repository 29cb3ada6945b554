//! The data, and the runs: what they share and what they differ in.

use std::collections::BTreeSet;

use super::super::document::{Block, Cell, Section, Table};
use super::super::live::Live;
use super::super::material::{Examined, Material};
use super::live_files;
use crate::output::thousands;
use crate::study::NO_NAMES;

pub fn data(material: &Material) -> Section {
    let summary = &material.summary;
    let mut table = Table::new("Drawings", &["class", "for training", "for test"]);
    for class in &summary.classes {
        table.row([class.name.as_str().into(), Cell::count(class.train), Cell::count(class.test)]);
    }
    table.foot.push(vec!["all".into(), Cell::count(summary.train.images), Cell::count(summary.test.images)]);
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
        summary.train.mean.unwrap_or_default(),
        summary.train.standard_deviation.unwrap_or_default(),
        thousands(summary.test_also_in_train as u64)
    )));
    Section { id: "data", title: "Data", blocks }
}

pub fn models(material: &Material, live: &[Live]) -> Section {
    let runs = &material.runs;
    let mut table = Table::new("Runs", &["run", "parameters", "latent", "weights", "what it is"]);
    for examined in runs {
        let run = &examined.run;
        let network = run.inference.network();
        let latent = network.latent().map_or("–".into(), Cell::count);
        let what = (network.spec().describe)(&run.config);
        table.row([
            run.label().into(),
            Cell::count(network.params.count()),
            latent,
            run.weights.clone().into(),
            what.into(),
        ]);
    }
    let mut blocks = vec![Block::Table(table)];
    if let Some(table) = differences(runs) {
        blocks.push(Block::Table(table));
    }
    blocks.extend(pages(live));
    Section { id: "models", title: "Models", blocks }
}

/// Links to the pages on which the networks run, and why there is none of some.
fn pages(live: &[Live]) -> Vec<Block> {
    let (mut links, mut blocks) = (Vec::new(), Vec::new());
    for (Live { label, page }, file) in live.iter().zip(live_files(live)) {
        match page {
            Ok(page) => links.push((file, format!("{label}, {:.1} MB", page.len() as f64 / 1e6))),
            Err(why) => blocks.push(Block::Text(format!("{label} has no page on which it runs: {why}."))),
        }
    }
    if !links.is_empty() {
        let text = "To draw, to move the latents by sliders and to walk through the graph, each network runs on a page of its own:";
        blocks.splice(0..0, [Block::Text(text.into()), Block::Links(links)]);
    }
    blocks
}

/// Every setting in which runs differ; none where they differ in nothing but their models.
fn differences(runs: &[Examined]) -> Option<Table> {
    let settings: Vec<_> = runs.iter().map(|examined| examined.run.config.settings()).collect();
    let keys: BTreeSet<&String> = settings.iter().flat_map(|settings| settings.keys()).collect();
    let differs = |key: &&&String| settings.iter().any(|found| found.get(**key) != settings[0].get(**key));
    let counts = |key: &&&String| !NO_NAMES.contains(&key.as_str());
    let keys: Vec<&String> = keys.iter().filter(counts).filter(differs).copied().collect();
    if keys.is_empty() {
        return None;
    }
    let mut table = Table::new("Settings in which runs differ", &["run"]);
    let head: Vec<String> = keys.iter().map(|key| key.replace('_', " ")).collect();
    let named = Table::new("", &head.iter().map(String::as_str).collect::<Vec<_>>());
    table.head.extend(named.head);
    for (examined, settings) in runs.iter().zip(&settings) {
        let value = |key: &&String| settings.get(*key).map_or("–".into(), |value| Cell::from(value.as_str()));
        table.rows.push([examined.label().into()].into_iter().chain(keys.iter().map(value)).collect());
    }
    Some(table)
}
