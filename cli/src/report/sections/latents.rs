//! The latents' chapter.

use super::super::chart::{Chart, Plot};
use super::super::document::{Block, Section, Table};
use super::super::material::{Examined, Material};
use crate::output::thousands;
use crate::progress::number;

pub fn maps(material: &Material) -> Section {
    let mut table = Table::new(&["model", "drawings", "perplexity", "KL", "trustworthiness", "kNN accuracy"]);
    let mut charts = Vec::new();
    for Examined { run, evaluation, .. } in &material.runs {
        let Some(map) = &evaluation.map else { continue };
        table.row([
            run.label(),
            thousands(map.points.len() as u64),
            format!("{:.0}", map.perplexity),
            format!("{:.4}", map.kl),
            format!("{:.4}", map.trustworthiness),
            format!("{:.4}", map.knn_accuracy),
        ]);
        let of_class = |class: usize| {
            let points = map.points.iter().zip(&map.labels).filter(move |(_, label)| **label == class);
            points.map(|(point, _)| (f64::from(point[0]), f64::from(point[1]))).collect()
        };
        let names = material.dataset.classes.iter().enumerate();
        let classes = names.map(|(class, name)| (name.clone(), of_class(class))).collect();
        charts.push(Chart { title: run.label(), plot: Plot::Points { classes } });
    }
    let mut blocks = Vec::new();
    if !charts.is_empty() {
        let text = "t-SNE of the latents of test drawings (the means, of a variational model). KL is what the plane could \
                    not show; trustworthiness is T(12); kNN accuracy is that of 10 neighbours in the plane.";
        blocks = vec![Block::Text(text.into()), Block::Charts(charts), Block::Table(table)];
    }
    Section { id: "maps", title: "Latents in the plane", blocks }
}

pub fn likelihoods(runs: &[Examined]) -> Section {
    let mut table = Table::new(&["model", "−ln p(x) ≤", "standard error", "−ELBO", "drawings", "samples of z"]);
    for Examined { run, evaluation, .. } in runs {
        let Some(found) = &evaluation.likelihood else { continue };
        table.row([
            run.label(),
            number(found.nll),
            number(found.standard_error),
            number(-found.elbo),
            thousands(found.n as u64),
            thousands(found.samples as u64),
        ]);
    }
    let mut blocks = Vec::new();
    if !table.rows.is_empty() {
        let text = "Nats a drawing, of test drawings binarised at ½, by importance sampling. More samples tighten the \
                    bound; the BCE of grey pixels above is no likelihood.";
        blocks = vec![Block::Text(text.into()), Block::Table(table)];
    }
    Section { id: "likelihood", title: "Likelihood", blocks }
}

pub fn usage(runs: &[Examined]) -> Section {
    let mut table = Table::new(&["model", "dimensions", "active units", "KL (nats)", "largest"]);
    let (mut warnings, mut charts) = (Vec::new(), Vec::new());
    for Examined { run, evaluation, .. } in runs {
        let Some(latents) = &evaluation.latents else { continue };
        let largest = latents.kl.iter().copied().fold(0.0, f64::max);
        table.row([
            run.label(),
            latents.kl.len().to_string(),
            latents.active.to_string(),
            number(latents.kl.iter().sum()),
            number(largest),
        ]);
        if 2 * latents.active < latents.kl.len() {
            warnings.push(Block::Warning(format!(
                "{}: the posterior has collapsed in {} of {} dimensions; the decoder does without them.",
                run.label(),
                latents.kl.len() - latents.active,
                latents.kl.len()
            )));
        }
        let mut kl = latents.kl.clone();
        kl.sort_by(|a, b| b.total_cmp(a));
        let plot = Plot::Bars { x: "dimension, by KL".to_owned(), values: kl };
        charts.push(Chart { title: format!("{}: KL of each dimension (nats)", run.label()), plot });
    }
    let mut blocks = Vec::new();
    if !charts.is_empty() {
        blocks.push(Block::Text(
            "A dimension is active where the variance of its mean over test drawings is above 0.01 (Burda et al. 2016)."
                .into(),
        ));
        blocks.push(Block::Table(table));
        blocks.extend(warnings);
        blocks.push(Block::Charts(charts));
    }
    Section { id: "latents", title: "Use of the latents", blocks }
}
