//! The chapter of drawings.

use inkgrad_models::data::Extents;
use inkgrad_models::image::{GridOptions, Picture, grid};
use inkgrad_models::study::Gallery;

use super::super::document::{Block, Drawings, Section, Table};
use super::super::material::{Examined, Material};
use super::{SCALE, sees_classes};

fn picture(image: Extents, drawings: &[f32], columns: usize) -> Picture {
    grid(drawings, columns, &GridOptions { image, scale: SCALE, ..GridOptions::default() })
}

fn drawings(caption: String, image: Extents, pixels: &[f32], columns: usize, rows: Vec<String>) -> Block {
    Block::Drawings(Drawings { caption, picture: picture(image, pixels, columns), rows })
}

pub fn reconstructions(runs: &[Examined]) -> Section {
    let mut blocks = Vec::new();
    for Examined { run, gallery, .. } in runs.iter().filter(|examined| !examined.gallery.originals.is_empty()) {
        let rows = ["original", "untrained", "trained"].map(str::to_owned).to_vec();
        let pixels = [&gallery.originals[..], &gallery.untrained, &gallery.trained].concat();
        let columns = gallery.originals.len() / gallery.image.len();
        blocks.push(drawings(format!("{}: test drawings", run.label()), gallery.image, &pixels, columns, rows));
    }
    Section { id: "reconstructions", title: "Reconstructions", blocks }
}

pub fn samples(material: &Material) -> Section {
    let mut blocks = Vec::new();
    for Examined { run, gallery, .. } in with_samples(&material.runs).filter(|e| !sees_classes(e)) {
        let caption = format!("{}: draws from the prior N(0, I)", run.label());
        blocks.push(drawings(caption, gallery.image, &gallery.samples, Gallery::COLUMNS, Vec::new()));
    }
    Section { id: "samples", title: "Samples", blocks }
}

pub fn by_class(material: &Material) -> Section {
    let mut blocks = Vec::new();
    for Examined { run, gallery, .. } in with_samples(&material.runs).filter(|e| sees_classes(e)) {
        let caption = format!("{}: the same draws from the prior as each class", run.label());
        blocks.push(drawings(
            caption,
            gallery.image,
            &gallery.samples,
            Gallery::COLUMNS,
            material.dataset.classes.clone(),
        ));
    }
    Section { id: "classes", title: "Samples by class", blocks }
}

fn with_samples(runs: &[Examined]) -> impl Iterator<Item = &Examined> {
    runs.iter().filter(|examined| !examined.gallery.samples.is_empty())
}

pub fn interpolations(runs: &[Examined]) -> Section {
    let mut blocks = Vec::new();
    for Examined { run, gallery, .. } in runs.iter().filter(|examined| !examined.gallery.interpolations.is_empty()) {
        let caption = format!("{}: on the arc between two test drawings, which stand at the ends", run.label());
        blocks.push(drawings(caption, gallery.image, &gallery.interpolations, Gallery::STEPS + 2, Vec::new()));
    }
    Section { id: "interpolations", title: "Interpolations", blocks }
}

pub fn nearest(runs: &[Examined]) -> Section {
    let mut table = Table::new(&["model", "median, samples", "median, test drawings", "smallest, samples", "N"]);
    let mut blocks = Vec::new();
    for Examined { run, evaluation, gallery } in runs {
        if let Some(nearest) = &evaluation.nearest {
            table.row([
                run.label(),
                format!("{:.3}", nearest.samples),
                format!("{:.3}", nearest.test),
                format!("{:.3}", nearest.smallest),
                nearest.n.to_string(),
            ]);
        }
        if !gallery.neighbours.is_empty() {
            let pixels: Vec<f32> = gallery
                .neighbours
                .iter()
                .flat_map(|neighbour| &neighbour.drawing)
                .chain(gallery.neighbours.iter().flat_map(|neighbour| &neighbour.nearest))
                .copied()
                .collect();
            let rows = vec!["sample".to_owned(), "nearest".to_owned()];
            blocks.push(drawings(run.label(), gallery.image, &pixels, gallery.neighbours.len(), rows));
        }
    }
    if !table.rows.is_empty() {
        let text = "Euclidean distance over pixels in [0, 1] to the nearest training drawing. A model that had learnt \
                    drawings by heart would be far nearer to them than new real drawings are.";
        blocks.insert(0, Block::Text(text.into()));
        blocks.insert(1, Block::Table(table));
    }
    Section { id: "nearest", title: "Nearest training drawings", blocks }
}
