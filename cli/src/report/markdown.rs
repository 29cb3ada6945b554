//! A report as Markdown, its figures as files beside it.

use std::fmt::Write;

use inkgrad_models::text;

use super::document::{Block, Cell, Column, Content, Definition, Document, Figure, Table};
use super::files::address;

/// Text that Markdown and the HTML in it would read as something else, as what it is: class names and paths are
/// strangers' words. A backslash before any ASCII punctuation is that character (CommonMark, section 2.4); entities and
/// tags lose what makes them one. An underscore between letters is one to Markdown too and stays.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '~' | '&' => out.extend(['\\', c]),
            '_' if !out.ends_with(char::is_alphanumeric) => out.push_str("\\_"),
            '\n' | '\r' => out.push(' '),
            _ if text::is_unsafe(c) => out.extend(c.escape_unicode()),
            _ => out.push(c),
        }
    }
    out
}

/// The text; figures are files in the folder `beside`.
pub fn document(document: &Document, beside: &str) -> String {
    let mut out = format!("# {}\n\n{}\n", escape(&document.title), escape(&document.subtitle));
    for section in &document.sections {
        let _ = write!(out, "\n## {}\n", section.title);
        for block in &section.blocks {
            self::block(&mut out, block, beside);
        }
    }
    out
}

fn block(out: &mut String, block: &Block, beside: &str) {
    match block {
        Block::Heading(text) => drop(write!(out, "\n### {}\n", escape(text))),
        Block::Text(text) => drop(write!(out, "\n{}\n", escape(text))),
        Block::Warning(text) => drop(write!(out, "\n**{}**\n", escape(text))),
        Block::Findings(findings) => {
            out.push('\n');
            for finding in findings {
                let _ = writeln!(out, "- {}", escape(&finding.text));
            }
        }
        Block::Definitions(definitions) => {
            out.push('\n');
            for definition @ Definition { metric, floor } in definitions {
                let arrow = metric.better.map_or(String::new(), |better| format!(" {}", better.arrow()));
                let floor = if floor.is_empty() { String::new() } else { format!("; floor: {}", escape(floor)) };
                let end = definition.end();
                let _ = writeln!(out, "- **{}{arrow}**: {}{floor}{end}", metric.name, escape(metric.definition));
            }
        }
        Block::Commands(lines) => drop(write!(
            out,
            "\n```\n{}\n```\n",
            lines.iter().map(|line| text::escape(line, false)).collect::<Vec<_>>().join("\n")
        )),
        Block::Table(table) => rows(out, table),
        Block::Figures(figures) => figures.iter().for_each(|figure| self::figure(out, figure, beside)),
        Block::Links(links) => {
            out.push('\n');
            for (path, words) in links {
                let _ = writeln!(out, "- [{}]({})", escape(words), address(beside, path));
            }
        }
    }
}

fn figure(out: &mut String, figure: &Figure, beside: &str) {
    let at = |ending: &str| address(beside, &format!("{}.{ending}", figure.file));
    let (title, caption, alt) = (escape(&figure.title), escape(&figure.caption), escape(&figure.alt));
    let _ = write!(out, "\n**{title}** ({caption}; [numbers]({}))\n\n![{alt}]({})\n", at("csv"), at("png"));
    if let Content::Graded(drawings, _) = &figure.content {
        out.push('\n');
        for (i, drawing) in drawings.iter().enumerate() {
            let _ = writeln!(out, "{}. {}", i + 1, escape(&drawing.words()));
        }
    }
}

fn rows(out: &mut String, table: &Table) {
    let line = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let cell = |cell: &Cell| {
        let text = escape(&cell.text);
        if cell.best { format!("**{text}**") } else { text }
    };
    let head = |column: &Column| {
        let arrow = column.better.map_or(String::new(), |better| format!(" {}", better.arrow()));
        escape(&column.name) + &arrow
    };
    let rule: Vec<String> =
        table.of_words().iter().map(|words| if *words { "---".to_owned() } else { "---:".to_owned() }).collect();
    if !table.title.is_empty() {
        let _ = write!(out, "\n{}\n", escape(&table.title));
    }
    let _ = write!(out, "\n{}\n{}\n", line(table.head.iter().map(head).collect()), line(rule));
    for row in table.rows.iter().chain(&table.foot) {
        let _ = writeln!(out, "{}", line(row.iter().map(cell).collect()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_words_stay_words() {
        assert_eq!(escape("[l](javascript:alert(1))"), r"\[l\](javascript:alert(1))");
        assert_eq!(escape("<b>a|b</b>&lt;\n`c` *d*"), r"\<b\>a\|b\</b\>\&lt; \`c\` \*d\*");
        assert_eq!(escape("a\u{1b}[2J"), r"a\u{1b}\[2J");
        let mut table = Table::new("", &["class"]);
        table.row(["[l](x)".into()]);
        let mut out = String::new();
        rows(&mut out, &table);
        assert_eq!(out, "\n| class |\n| --- |\n| \\[l\\](x) |\n");
    }

    #[test]
    fn words_stand_left_and_numbers_right() {
        let mut table = Table::new("", &["run", "condition", "beta", "none"]);
        table.row(["a".into(), "–".into(), "1.0".into(), "–".into()]);
        table.row(["b".into(), "latent".into(), "–".into(), "–".into()]);
        assert_eq!(table.of_words(), [true, true, false, false]);
        let mut out = String::new();
        rows(&mut out, &table);
        assert!(out.contains("\n| --- | --- | ---: | ---: |\n"), "{out}");
    }
}
