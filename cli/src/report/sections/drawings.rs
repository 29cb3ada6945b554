//! The chapters of drawings.

use inkgrad_models::study::Gallery;

use super::super::document::{Block, Cell, Content, Drawings, Figure, Section, Table};
use super::super::material::{Examined, Material};
use super::super::measured::plain;

/// A figure of drawings of a run.
fn figure(examined: &Examined, title: &str, how: &str, pixels: Vec<f32>, columns: usize, rows: Vec<String>) -> Figure {
    let label = examined.label();
    let drawings = Drawings { image: examined.gallery.image, pixels, columns, rows };
    let (count, config) = (drawings.count_rows(), &examined.run.config);
    let named = if drawings.rows.is_empty() { String::new() } else { format!(": {}", drawings.rows.join(", ")) };
    Figure {
        file: label.clone(),
        title: format!("{label}: {title}"),
        caption: format!("{how}, seed {}", config.seed),
        alt: format!("{title} of {label}, {count} rows of {columns} drawings{named}."),
        content: Content::Drawings(drawings),
    }
}

fn section(id: &'static str, title: &'static str, text: &str, figures: Vec<Figure>) -> Section {
    let blocks = if figures.is_empty() { Vec::new() } else { vec![Block::Text(text.into()), Block::Figures(figures)] };
    Section { id, title, blocks }
}

pub fn reconstructions(runs: &[Examined]) -> Section {
    let with = runs.iter().filter(|examined| !examined.gallery.originals.is_empty());
    let figures = with.map(|examined| {
        let gallery = &examined.gallery;
        let rows = ["original", "untrained", "trained"].map(str::to_owned).to_vec();
        let pixels = [&gallery.originals[..], &gallery.untrained, &gallery.trained].concat();
        let columns = gallery.originals.len() / gallery.image.len();
        figure(examined, "reconstructions", "test drawings, the classes in turn", pixels, columns, rows)
    });
    let text = "Test drawings, and what comes back of them before the first step and after training. Drawings are shown as \
                the data are, ink white.";
    section("reconstructions", "Reconstructions", text, figures.collect())
}

pub fn samples(runs: &[Examined]) -> Section {
    let figures = with_samples(runs).filter(|examined| !examined.sees_classes()).map(|examined| {
        let samples = examined.gallery.samples.clone();
        let how = format!("decoded {}", examined.gallery.drawn);
        figure(examined, "samples", &how, samples, Gallery::COLUMNS, Vec::new())
    });
    let learnt = runs.iter().any(|examined| examined.run.inference.network().components().is_some());
    let text = match learnt {
        false => "New drawings: latents drawn from the prior N(0, I), decoded. None is picked.",
        true => {
            "New drawings: latents drawn from the prior, N(0, I) or the one that was learnt, decoded. None is picked."
        }
    };
    section("samples", "Samples", text, figures.collect())
}

pub fn by_class(material: &Material) -> Section {
    let figures = with_samples(&material.runs).filter(|examined| examined.sees_classes()).map(|examined| {
        let (samples, classes) = (examined.gallery.samples.clone(), material.dataset.classes.clone());
        let how = format!("the same {} as each class", examined.gallery.drawn);
        figure(examined, "samples by class", &how, samples, Gallery::COLUMNS, classes)
    });
    let text = "A row a class, a column a draw from the prior: what the latent says should stay from row to row. None is \
                picked.";
    section("classes", "Samples by class", text, figures.collect())
}

fn with_samples(runs: &[Examined]) -> impl Iterator<Item = &Examined> {
    runs.iter().filter(|examined| !examined.gallery.samples.is_empty())
}

pub fn interpolations(runs: &[Examined]) -> Section {
    let with = runs.iter().filter(|examined| !examined.gallery.interpolations.is_empty());
    let figures = with.map(|examined| {
        let pixels = examined.gallery.interpolations.clone();
        let how = format!("slerp, {} latents between two test drawings, which stand at the ends", Gallery::STEPS);
        figure(examined, "interpolations", &how, pixels, Gallery::STEPS + 2, Vec::new())
    });
    let text =
        "Between two test drawings of different classes: latents on the arc from one code to the other, decoded.";
    section("interpolations", "Interpolations", text, figures.collect())
}

pub fn nearest(runs: &[Examined]) -> Section {
    let head = ["run", "median, samples", "median, test drawings", "smallest, samples", "N"];
    let mut table = Table::new("Distance to the nearest training drawing", &head);
    let mut figures = Vec::new();
    for examined in runs {
        let Examined { run, evaluation, gallery } = examined;
        if let Some(nearest) = &evaluation.nearest {
            let cell = |value: f64| Cell::number(value, plain(value));
            table.row([
                run.label().into(),
                cell(nearest.samples),
                cell(nearest.test),
                cell(nearest.smallest),
                Cell::count(nearest.n),
            ]);
        }
        if !gallery.neighbours.is_empty() {
            let samples = gallery.neighbours.iter().flat_map(|neighbour| &neighbour.drawing);
            let nearest = gallery.neighbours.iter().flat_map(|neighbour| &neighbour.nearest);
            let pixels = samples.chain(nearest).copied().collect();
            let rows = vec!["sample".to_owned(), "nearest".to_owned()];
            let how = "samples above the training drawings nearest to them";
            figures.push(figure(examined, "nearest training drawings", how, pixels, gallery.neighbours.len(), rows));
        }
    }
    let text = "Euclidean distance over pixels in [0, 1] to the nearest training drawing. A model that had learnt drawings by \
                heart would be far nearer to them than new real drawings are.";
    let mut found = section("nearest", "Nearest training drawings", text, figures);
    if !table.rows.is_empty() {
        found.blocks.insert(1, Block::Table(table));
    }
    found
}
