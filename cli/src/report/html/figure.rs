//! Figures of a page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use inkgrad_models::Result;
use inkgrad_models::data::Extents;
use inkgrad_models::image::{GridOptions, Picture, grid};
use maud::{Markup, html};

use crate::report::chart;
use crate::report::document::{Content, Drawings, Figure, GradedDrawing};
use crate::report::files::address;

/// How much room figures of a kind take side by side.
pub(super) fn kind(content: &Content) -> &'static str {
    match content {
        Content::Chart(_) | Content::Points(_) => "chart",
        Content::Drawings(_) => "wide",
        Content::Graded(..) => "full",
    }
}

/// A figure with title, caption, and links to its files.
pub(super) fn figure(figure: &Figure, beside: &str) -> Result<Markup> {
    let Figure { file, title, caption, alt, content } = figure;
    let shown = match content {
        Content::Chart(chart) => chart::svg(chart, alt),
        Content::Points(points) => html! { (chart::plane(points, alt)) (chart::legend(&points.classes)) },
        Content::Drawings(drawings) => self::drawings(drawings, alt)?,
        Content::Graded(drawings, image) => graded(drawings, *image)?,
    };
    let link = |ending: &str, words: &str| {
        html! { a href=(address(beside, &format!("{file}.{ending}"))) aria-label=(format!("{title} as {words}")) { (words) } }
    };
    Ok(html! {
        figure.(kind(content)) {
            figcaption { strong { (title) } " " span.soft { (caption) } }
            (shown)
            p.files { (link("png", "PNG")) " " (link("csv", "CSV")) }
        }
    })
}

fn drawings(drawings: &Drawings, alt: &str) -> Result<Markup> {
    let picture = image(&drawings.picture(), alt)?;
    Ok(html! {
        div.drawings.bare[drawings.rows.is_empty()] {
            @if !drawings.rows.is_empty() { div.names { @for row in &drawings.rows { span title=(row) { bdi { (row) } } } } }
            (picture)
        }
    })
}

fn graded(drawings: &[GradedDrawing], image: Extents) -> Result<Markup> {
    let options = GridOptions { image, scale: 2, gap: 0, ..GridOptions::default() };
    let one = |drawing: &GradedDrawing| {
        let picture = self::image(&grid(&drawing.pixels, 1, &options), "")?;
        let sure = format!("{:.0}\u{a0}%", 100.0 * drawing.confidence);
        Ok(html! {
            li { (picture) span.verdict {
                @match (&drawing.asked, drawing.right()) {
                    (Some(asked), Some(true)) => { "asked: " bdi { (asked) } br; span.right { "✓ recognised, " (sure) } },
                    (Some(asked), _) => { "asked: " bdi { (asked) } br; span.wrong { "✗ taken for " bdi { (drawing.seen) } ", " (sure) } },
                    (None, _) => { "seen: " bdi { (drawing.seen) } ", " (sure) },
                }
            } }
        })
    };
    let drawings = drawings.iter().map(one).collect::<Result<Vec<_>>>()?;
    Ok(html! { ul.graded { @for drawing in drawings { (drawing) } } })
}

fn image(picture: &Picture, alt: &str) -> Result<Markup> {
    Ok(html! { img src=(source(picture)?) alt=(alt) width=(picture.width) height=(picture.height); })
}

/// A picture as an address that holds it.
pub(super) fn source(picture: &Picture) -> Result<String> {
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(picture.to_png()?)))
}
