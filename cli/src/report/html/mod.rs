//! A report as one page that needs nothing else: style, script, charts and pictures are in it.

mod figure;
mod table;

use inkgrad_models::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::document::{Block, Definition, Document, Finding, Sheet};
use super::files::address;

/// The page; figures' files lie in the folder `beside`.
///
/// # Errors
/// If a picture cannot be coded.
pub fn page(document: &Document, beside: &str) -> Result<String> {
    let sections = document
        .sections
        .iter()
        .map(|section| {
            let blocks = section.blocks.iter().map(|of| block(of, beside)).collect::<Result<Vec<_>>>()?;
            Ok(html! {
                section id=(section.id) aria-labelledby=(format!("{}-title", section.id)) {
                    h2 id=(format!("{}-title", section.id)) { (section.title) }
                    @for block in blocks { (block) }
                }
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let sheet = document.sheet.as_ref().map(sheet).transpose()?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Everything is in this file, and the policy keeps it from asking for anything else.
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:";
                // Without one, browsers ask for it.
                link rel="icon" href="data:,";
                title { (document.title) }
                style { (PreEscaped(include_str!("style.css"))) (PreEscaped(colors())) }
            }
            body {
                header {
                    h1 { (document.title) }
                    p.soft { (document.subtitle) }
                    nav aria-label="Chapters" { ol { @for section in &document.sections {
                        li { a href=(format!("#{}", section.id)) { (section.title) } }
                    } } }
                }
                main { @for section in sections { (section) } }
                @if let Some(sheet) = sheet { (sheet) }
                script { (PreEscaped(include_str!("script.js"))) }
            }
        }
    };
    Ok(page.into_string())
}

/// The palette as rules.
fn colors() -> String {
    use inkgrad_models::palette::{COLORS, ON_DARK};
    let list = |colors: &[[u8; 3]; 8]| -> String {
        let one = |(i, [r, g, b]): (usize, &[u8; 3])| format!("--c{i}:#{r:02x}{g:02x}{b:02x};");
        colors.iter().enumerate().map(one).collect()
    };
    let classes: String = (0..8).map(|i| format!(".c{i}{{--c:var(--c{i})}}")).collect();
    format!(
        ":root{{{}}}@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}{classes}",
        list(&COLORS),
        list(&ON_DARK)
    )
}

fn block(block: &Block, beside: &str) -> Result<Markup> {
    Ok(match block {
        Block::Heading(text) => html! { h3 { (text) } },
        Block::Text(text) => html! { p { (text) } },
        Block::Warning(text) => html! { p.warning { (text) } },
        Block::Findings(findings) => self::findings(findings),
        Block::Definitions(definitions) => self::definitions(definitions),
        Block::Commands(lines) => html! { pre tabindex="0" { @for line in lines { (command(line)) "\n" } } },
        Block::Table(table) => table::table(table),
        Block::Figures(figures) => {
            let kind = figures.first().map_or("", |first| figure::kind(&first.content));
            let figures = figures.iter().map(|of| figure::figure(of, beside)).collect::<Result<Vec<_>>>()?;
            html! { div class=(format!("figures {kind}")) { @for figure in figures { (figure) } } }
        }
        Block::Links(links) => html! {
            ul { @for (path, words) in links { li { a href=(address(beside, path)) { (words) } } } }
        },
    })
}

fn findings(findings: &[Finding]) -> Markup {
    html! {
        ul.findings { @for Finding { text, section } in findings {
            li { (text) "\u{a0}" a href=(format!("#{section}")) aria-label=(format!("more in the chapter {section}")) { "→" } }
        } }
    }
}

/// A command whose lines end between its words: in a narrow window not behind the hyphens of an option.
fn command(line: &str) -> Markup {
    html! {
        @for word in line.split_inclusive(' ') {
            @if word.starts_with('-') { span.whole { (word.trim_end()) } @if word.ends_with(' ') { " " } } @else { (word) }
        }
    }
}

fn definitions(definitions: &[Definition]) -> Markup {
    html! {
        dl.definitions { @for definition @ Definition { metric, floor } in definitions {
            div {
                dt { (metric.name) @if let Some(better) = metric.better {
                    "\u{a0}" span aria-hidden="true" { (better.arrow()) } span.unseen { ", " (better.words()) }
                } }
                dd { (metric.definition) @if !floor.is_empty() { "; floor: " (floor) } (definition.end()) }
            }
        } }
    }
}

/// The drawings of the points of maps, for the script.
fn sheet(sheet: &Sheet) -> Result<Markup> {
    let (height, width) = sheet.cell;
    // In a script only `<` could end it, and `&` begin nothing.
    let classes = serde_json::to_string(&sheet.classes).unwrap_or_default().replace('<', "\\u003c");
    let labels = serde_json::to_string(&sheet.labels).unwrap_or_default();
    let data = format!(
        r#"{{"width":{width},"height":{height},"columns":{},"labels":{labels},"classes":{classes}}}"#,
        sheet.columns
    );
    let source = figure::source(&sheet.picture)?;
    Ok(html! {
        script id="sheet-data" type="application/json" { (PreEscaped(data)) }
        img id="sheet" hidden alt="" src=(source);
        div id="hover" hidden { canvas aria-hidden="true" {} p role="status" {} }
    })
}
