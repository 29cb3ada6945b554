//! The numbers of a figure as CSV (RFC 4180): a head, then a line a number, or a drawing.

use std::fmt::Write;

use inkgrad_models::data::Extents;
use inkgrad_models::run::plot::{self, Estimate, Marks};

use super::document::{Content, Figure};

/// The numbers of a figure.
pub fn csv(figure: &Figure) -> String {
    let mut out = String::new();
    match &figure.content {
        Content::Chart(chart) => self::chart(&mut out, chart),
        Content::Points(points) => {
            out.push_str("drawing,class,x,y\n");
            for (i, ([x, y], label)) in points.points.iter().zip(&points.labels).enumerate() {
                let class = points.classes.get(*label).map_or("", String::as_str);
                let _ = writeln!(out, "{i},{},{x},{y}", field(class));
            }
        }
        Content::Drawings(drawings) => {
            let columns = drawings.columns.max(1);
            let place = |i: usize| {
                let (row, column) = (i / columns, i % columns);
                let name = drawings.rows.get(row).map_or_else(|| (row + 1).to_string(), |name| field(name));
                format!("{name},{}", column + 1)
            };
            pixels(&mut out, "row,column", drawings.image, drawings.pixels.chunks_exact(drawings.image.len()), place);
        }
        Content::Graded(drawings, image) => {
            let place = |i: usize| {
                let drawing = &drawings[i];
                let asked = drawing.asked.as_deref().unwrap_or_default();
                format!("{},{},{}", field(asked), field(&drawing.seen), drawing.confidence)
            };
            let rows = drawings.iter().map(|drawing| &drawing.pixels[..]);
            pixels(&mut out, "asked,seen,confidence", *image, rows, place);
        }
    }
    out
}

fn chart(out: &mut String, chart: &plot::Figure) {
    for panel in &chart.panels {
        let (x, y) = (field(&chart.x_label), field(&panel.label));
        match &panel.marks {
            Marks::Lines(curves) => {
                let _ = writeln!(out, "line,{x},{y}");
                for curve in curves {
                    for (x, y) in &curve.points {
                        let _ = writeln!(out, "{},{x},{y}", field(&curve.label));
                    }
                }
            }
            Marks::Bars(values) => {
                let _ = writeln!(out, "{x},{y}");
                for (i, value) in values.iter().enumerate() {
                    let _ = writeln!(out, "{},{value}", i + 1);
                }
            }
            Marks::Intervals { rows, .. } => {
                let _ = writeln!(out, "run,{y},low,high");
                for Estimate { label, value, low, high } in rows {
                    let _ = writeln!(out, "{},{value},{low},{high}", field(label));
                }
            }
        }
    }
}

/// A line a drawing: where it stands, and its values of 0 to 1 to three decimals.
fn pixels<'a>(
    out: &mut String,
    head: &str,
    image: Extents,
    drawings: impl Iterator<Item = &'a [f32]>,
    place: impl Fn(usize) -> String,
) {
    out.push_str(head);
    for i in 0..image.len() {
        let (pixel, channel) = (i / image.channels, i % image.channels);
        let (y, x) = (pixel / image.width, pixel % image.width);
        let _ = if image.channels == 1 { write!(out, ",y{y}x{x}") } else { write!(out, ",y{y}x{x}c{channel}") };
    }
    out.push('\n');
    for (i, drawing) in drawings.enumerate() {
        out.push_str(&place(i));
        for value in drawing {
            let text = format!("{value:.3}");
            let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
            let _ = write!(out, ",{short}");
        }
        out.push('\n');
    }
}

/// A field, in quotes where it has to be.
pub fn field(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::Drawings;
    use super::*;

    #[test]
    fn a_drawing_is_a_line_and_names_are_quoted() {
        let image = Extents { height: 1, width: 2, channels: 1 };
        let rows = vec!["a, \"b\"".to_owned()];
        let drawings = Drawings { image, pixels: vec![0.0, 0.25, 1.0, 0.12345], columns: 2, rows };
        let text = String::new();
        let content = Content::Drawings(drawings);
        let figure = Figure { file: text.clone(), title: text.clone(), caption: text.clone(), alt: text, content };
        assert_eq!(csv(&figure), "row,column,y0x0,y0x1\n\"a, \"\"b\"\"\",1,0,0.25\n\"a, \"\"b\"\"\",2,1,0.123\n");
    }
}
