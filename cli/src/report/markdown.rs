//! A report's words and tables as Markdown.

use std::fmt::Write;

use super::document::{Block, Document, Table};

/// The text. Figures are left to the page, whose file is called `page`.
pub fn text(document: &Document, page: &str) -> String {
    let mut out = format!("# {}\n\n{}\n", document.title, document.subtitle);
    let _ = write!(out, "\nThe figures are in {page}.\n");
    for section in &document.sections {
        let _ = write!(out, "\n## {}\n", section.title);
        for block in &section.blocks {
            match block {
                Block::Heading(text) => drop(write!(out, "\n### {text}\n")),
                Block::Text(text) => drop(write!(out, "\n{text}\n")),
                Block::Warning(text) => drop(write!(out, "\n**{text}**\n")),
                Block::Commands(lines) => drop(write!(out, "\n```\n{}\n```\n", lines.join("\n"))),
                Block::Table(table) => rows(&mut out, table),
                Block::Drawings(_) | Block::Charts(_) | Block::Graded(_) => {}
            }
        }
    }
    out
}

fn rows(out: &mut String, table: &Table) {
    let cell = |text: &String| text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "\\<").replace('\n', " ");
    let line = |cells: &[String]| format!("| {} |", cells.iter().map(cell).collect::<Vec<_>>().join(" | "));
    let rule: Vec<String> =
        (0..table.head.len()).map(|i| if i == 0 { "---".to_owned() } else { "---:".to_owned() }).collect();
    let _ = write!(out, "\n{}\n{}\n", line(&table.head), line(&rule));
    for row in &table.rows {
        let _ = writeln!(out, "{}", line(row));
    }
}
