//! The commands that led here.

use inkgrad_models::Models;
use inkgrad_models::run::config::Config;
use inkgrad_models::run::sitting::Sitting;

use super::super::document::{Block, Section, Table};
use super::super::material::{Examined, Material};
use crate::output::{quoted, thousands};
use crate::{help, settings};

pub fn commands(material: &Material) -> Section {
    let mut blocks = vec![Block::Commands(vec![material.command.clone()])];
    let mut table = Table::new("What the runs were trained with", &["run", "seed", "threads", "inkgrad"]);
    let mut alone = Vec::new();
    for Examined { run, .. } in &material.runs {
        let config = &run.config;
        let imported = run.records.is_empty();
        let known = |value: String| if imported { "–".to_owned() } else { value };
        alone.push(how_it_was_made(material.models, config, &run.path.display().to_string(), imported));
        table.row([
            run.label().into(),
            known(config.seed.to_string()).into(),
            known(config.threads.to_string()).into(),
            config.inkgrad.clone().into(),
        ]);
    }
    blocks.push(Block::Text("Its runs, trained one by one:".into()));
    blocks.push(Block::Commands(alone));
    blocks.push(Block::Table(table));
    blocks.extend(material.runs.iter().filter_map(together).map(Block::Text));
    blocks.push(Block::Text(format!(
        "Scored with {} samples of seed {}. Results do not depend on the number of threads.",
        thousands(material.options.samples as u64),
        material.options.seed
    )));
    Section { id: "commands", title: "What was run", blocks }
}

/// Who trained a run, where several processes did so together.
fn together(Examined { run, .. }: &Examined) -> Option<String> {
    let of = |sitting: &Sitting| {
        let Sitting { step, ranks, hosts, threads, .. } = sitting;
        let places: Vec<String> = hosts.iter().zip(threads).map(|(host, n)| format!("{n} on {host}")).collect();
        let processes = if *ranks == 1 { "1 process" } else { &format!("{ranks} processes") };
        format!("from step {} on by {processes} with threads: {}", thousands(*step), places.join(", "))
    };
    let told: Vec<String> = run.sittings.iter().map(of).collect();
    (!told.is_empty())
        .then(|| format!("{} was trained {}. Its weights do not depend on that.", run.label(), told.join("; ")))
}

/// The command that trains a run like this one; imported weights, which have no losses, were trained elsewhere.
fn how_it_was_made(models: &Models, config: &Config, out: &str, imported: bool) -> String {
    match imported {
        true => format!("# {}: weights that were imported", quoted(out)),
        false => settings::training_command(models, &help::train(models), config, out),
    }
}
