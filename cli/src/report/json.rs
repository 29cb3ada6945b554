//! Every number of a report as one JSON object.

use inkgrad_models::run::config::Config;
use inkgrad_models::run::records::Record;
use inkgrad_models::study::Evaluation;
use serde::Serialize;
use serde_json::{Value, json};

use super::document::{Block, Document, Finding};
use super::material::{Examined, MADE_BY, Material};
use super::seeds::groups;

/// A run.
#[derive(Serialize)]
struct Run<'a> {
    name: String,
    folder: String,
    settings: &'a Config,
    parameters: usize,
    latent: Option<usize>,
    weights: &'a str,
    records: &'a [Record],
    evaluation: &'a Evaluation,
}

/// The object, on lines of their own.
pub fn json(material: &Material, document: &Document, folder: &str) -> String {
    let run = |examined: &Examined| {
        let run = &examined.run;
        let network = run.inference.network();
        let run = Run {
            name: examined.label(),
            folder: run.path.display().to_string(),
            settings: &run.config,
            parameters: network.params.count(),
            latent: network.latent().ok(),
            weights: &run.weights,
            records: &run.records,
            evaluation: &examined.evaluation,
        };
        serde_json::to_value(run).unwrap_or(Value::Null)
    };
    let findings = document.sections.iter().flat_map(|section| &section.blocks).filter_map(|block| match block {
        Block::Findings(findings) => Some(findings),
        _ => None,
    });
    let findings: Vec<Value> =
        findings.flatten().map(|Finding { text, section }| json!({ "text": text, "chapter": section })).collect();
    let figures = document.figures().map(|figure| {
        let at = |ending: &str| format!("{folder}/{}.{ending}", figure.file);
        json!({ "title": figure.title, "caption": figure.caption, "alt": figure.alt, "png": at("png"), "csv": at("csv") })
    });
    let options = &material.options;
    let (drawings, samples) = options.likelihood;
    let object = json!({
        "title": document.title,
        "made_by": format!("{MADE_BY} {}", env!("CARGO_PKG_VERSION")),
        "command": material.command,
        "data": material.summary,
        "judge": { "name": material.judge.name, "sha256": material.judge.sha256, "on_test_drawings": material.judged },
        "options": {
            "samples": options.samples,
            "mapped": options.mapped,
            "likelihood": { "drawings": drawings, "samples_of_z": samples },
            "seed": options.seed,
        },
        "findings": findings,
        "runs": material.runs.iter().map(run).collect::<Vec<_>>(),
        "seeds": groups(&material.runs),
        "figures": figures.collect::<Vec<_>>(),
    });
    format!("{object:#}\n")
}
