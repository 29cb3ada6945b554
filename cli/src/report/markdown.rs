//! A report's words and tables as Markdown.

use std::fmt::Write;

use inkgrad_models::text;

use super::document::{Block, Document, Table};

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

/// The text. Figures are left to the page, whose file is called `page`.
pub fn document(document: &Document, page: &str) -> String {
    let mut out = format!("# {}\n\n{}\n", escape(&document.title), escape(&document.subtitle));
    let _ = write!(out, "\nThe figures are in {}.\n", escape(page));
    for section in &document.sections {
        let _ = write!(out, "\n## {}\n", section.title);
        for block in &section.blocks {
            match block {
                Block::Heading(text) => drop(write!(out, "\n### {}\n", escape(text))),
                Block::Text(text) => drop(write!(out, "\n{}\n", escape(text))),
                Block::Warning(text) => drop(write!(out, "\n**{}**\n", escape(text))),
                Block::Commands(lines) => drop(write!(
                    out,
                    "\n```\n{}\n```\n",
                    lines.iter().map(|line| text::escape(line, false)).collect::<Vec<_>>().join("\n")
                )),
                Block::Table(table) => rows(&mut out, table),
                Block::Drawings(_) | Block::Charts(_) | Block::Graded(_) => {}
            }
        }
    }
    out
}

fn rows(out: &mut String, table: &Table) {
    let line =
        |cells: &[String]| format!("| {} |", cells.iter().map(|cell| escape(cell)).collect::<Vec<_>>().join(" | "));
    let rule: Vec<String> =
        (0..table.head.len()).map(|i| if i == 0 { "---".to_owned() } else { "---:".to_owned() }).collect();
    let _ = write!(out, "\n{}\n{}\n", line(&table.head), line(&rule));
    for row in &table.rows {
        let _ = writeln!(out, "{}", line(row));
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
        let mut table = Table::new(&["class"]);
        table.row(["[l](x)".to_owned()]);
        let mut out = String::new();
        rows(&mut out, &table);
        assert_eq!(out, "\n| class |\n| --- |\n| \\[l\\](x) |\n");
    }
}
