//! A report as one page that needs nothing else: style, charts and pictures are in it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use inkgrad_models::Result;
use inkgrad_models::image::Picture;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chart;
use super::document::{Block, Document, Drawings, GradedDrawing, Table};

/// The page.
///
/// # Errors
/// If a picture cannot be coded.
pub fn page(document: &Document) -> Result<String> {
    let sections = document
        .sections
        .iter()
        .map(|section| {
            let blocks = section.blocks.iter().map(block).collect::<Result<Vec<_>>>()?;
            Ok(html! {
                section id=(section.id) {
                    h2 { (section.title) }
                    @for block in blocks { (block) }
                }
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Without one, browsers ask for it.
                link rel="icon" href="data:,";
                title { (document.title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                h1 { (document.title) }
                p.soft { (document.subtitle) }
                nav { ol { @for section in &document.sections {
                    li { a href=(format!("#{}", section.id)) { (section.title) } }
                } } }
                main { @for section in sections { (section) } }
            }
        }
    };
    Ok(page.into_string())
}

fn block(block: &Block) -> Result<Markup> {
    Ok(match block {
        Block::Heading(text) => html! { h3 { (text) } },
        Block::Text(text) => html! { p { (text) } },
        Block::Warning(text) => html! { p.warning { (text) } },
        Block::Commands(lines) => html! { pre { (lines.join("\n")) } },
        Block::Table(table) => rows(table),
        Block::Drawings(drawings) => grid(drawings)?,
        Block::Charts(charts) => html! { div.charts { @for chart in charts { (chart::figure(chart)) } } },
        Block::Graded(drawings) => {
            let figures = drawings.iter().map(graded).collect::<Result<Vec<_>>>()?;
            html! { div.graded { @for figure in figures { (figure) } } }
        }
    })
}

/// A column with a longer cell than this is of words, which may be broken.
const WORDS: usize = 28;

fn rows(table: &Table) -> Markup {
    let is_long = |column: usize| table.rows.iter().any(|row| row[column].chars().count() > WORDS);
    let words: Vec<bool> = (0..table.head.len()).map(is_long).collect();
    html! {
        div.scroll { table {
            thead { tr { @for (name, &words) in table.head.iter().zip(&words) {
                th.words[words] scope="col" { (name) }
            } } }
            tbody { @for row in &table.rows {
                tr { @for (cell, &words) in row.iter().zip(&words) { td.words[words] { (cell) } } }
            } }
        } }
    }
}

fn grid(drawings: &Drawings) -> Result<Markup> {
    let Drawings { caption, picture, rows } = drawings;
    let image = image(picture, caption)?;
    Ok(html! {
        figure {
            figcaption { (caption) }
            div.drawings.bare[rows.is_empty()] {
                @if !rows.is_empty() { div.names { @for row in rows { span { (row) } } } }
                (image)
            }
        }
    })
}

fn graded(drawing: &GradedDrawing) -> Result<Markup> {
    let image = image(&drawing.picture, &drawing.verdict)?;
    let class = match drawing.right {
        Some(true) => "right",
        Some(false) => "wrong",
        None => "soft",
    };
    Ok(html! { figure { (image) figcaption class=(class) { (drawing.verdict) } } })
}

fn image(picture: &Picture, alt: &str) -> Result<Markup> {
    let source = format!("data:image/png;base64,{}", STANDARD.encode(picture.to_png()?));
    Ok(html! { img src=(source) alt=(alt) width=(picture.width) height=(picture.height); })
}
