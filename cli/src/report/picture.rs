//! Figures as pictures that stand by themselves: with title, caption and names in them.

use inkgrad_models::Result;
use inkgrad_models::image::text::drawable;
use inkgrad_models::image::{GridOptions, Picture, grid};
use inkgrad_models::run::plot;
use inkgrad_models::tsne::{Head, scatter};

use super::document::{Content, Figure};

/// Samples with verdicts side by side.
const GRADED: usize = 5;
/// Letters of a name that there is room for.
const LETTERS: usize = 24;

/// The picture of a figure.
///
/// # Errors
/// If it cannot be drawn.
pub fn picture(figure: &Figure) -> Result<Picture> {
    let (title, caption) = (drawable(&figure.title, "figure"), drawable(&figure.caption, ""));
    let sheet = |image, pixels: &[f32], columns, rows: &[String]| {
        let rows: Vec<String> = names(rows);
        let row_labels: Vec<&str> = rows.iter().map(String::as_str).collect();
        let options =
            GridOptions { image, row_labels: &row_labels, title: &title, caption: &caption, ..GridOptions::default() };
        grid(pixels, columns, &options)
    };
    Ok(match &figure.content {
        Content::Chart(chart) => plot::draw(&plot::Figure { title, caption, ..chart.clone() })?,
        Content::Points(points) => {
            let head = Head { title: &title, caption: &caption };
            scatter(points.points.as_flattened(), Some(&points.labels), &names(&points.classes), head)
        }
        Content::Drawings(drawings) => sheet(drawings.image, &drawings.pixels, drawings.columns, &drawings.rows),
        Content::Graded(drawings, image) => {
            let pixels: Vec<f32> = drawings.iter().flat_map(|drawing| drawing.pixels.clone()).collect();
            // The drawings of a class follow each other.
            let asked = drawings.iter().step_by(GRADED).filter_map(|drawing| drawing.asked.clone());
            sheet(*image, &pixels, GRADED, &asked.map(|asked| format!("asked: {asked}")).collect::<Vec<_>>())
        }
    })
}

/// Names in letters that the picture's font has, not too many of them.
fn names(names: &[String]) -> Vec<String> {
    let one = |(i, name): (usize, &String)| {
        let name = drawable(name, &format!("class {}", i + 1));
        if name.chars().count() <= LETTERS {
            name
        } else {
            name.chars().take(LETTERS - 2).chain("..".chars()).collect()
        }
    };
    names.iter().enumerate().map(one).collect()
}
