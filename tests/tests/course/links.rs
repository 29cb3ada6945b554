//! The course's pages lead where they say: every linked file exists, and holds the definition that the link's text names, so
//! that who moves code finds the page.

use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/course")
}

/// The pages' names and texts, in order.
fn pages() -> Vec<(String, String)> {
    let mut pages: Vec<(String, String)> = fs::read_dir(folder())
        .expect("docs/course")
        .map(|entry| entry.expect("an entry of docs/course").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    pages.sort();
    pages
}

/// The links of a page outside of code blocks, `[text](target)`: text, target, line.
fn links(page: &str) -> Vec<(&str, &str, usize)> {
    let mut links = Vec::new();
    let mut in_block = false;
    for (i, line) in page.lines().enumerate() {
        if line.starts_with("```") {
            in_block = !in_block;
            continue;
        }
        let mut rest = if in_block { "" } else { line };
        while let Some(at) = rest.find("](") {
            let start = rest[..at].rfind('[').map_or(0, |start| start + 1);
            let Some(length) = rest[at + 2..].find(')') else { break };
            links.push((&rest[start..at], &rest[at + 2..at + 2 + length], i + 1));
            rest = &rest[at + 2 + length..];
        }
    }
    links
}

/// Whether `text` defines `name`, as Rust, PTX or Python does.
fn defines(text: &str, name: &str) -> bool {
    let words = ["fn", "struct", "enum", "trait", "const", "static", "type", "mod", "macro_rules!", ".entry", "def"];
    let identifier = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].trim_end();
        let ends = !text[at + name.len()..].starts_with(identifier);
        ends && before.len() < at && words.iter().any(|word| before.ends_with(word))
    })
}

/// The fault of a link, if it has one.
fn fault(text: &str, target: &str) -> Option<String> {
    if target.starts_with("https://") {
        return None;
    }
    let path = folder().join(target.split('#').next().unwrap_or(target));
    if !path.exists() {
        return Some(format!("no such file: {target}"));
    }
    // A link's text in backticks names a file or folder, or a definition in it: `name` or `Type::name`.
    let name = text.strip_prefix('`')?.strip_suffix('`')?;
    if target.trim_end_matches('/').ends_with(name.trim_end_matches('/')) {
        return None;
    }
    let name = name.rsplit("::").next().unwrap_or(name);
    let found = path.is_file() && defines(&fs::read_to_string(&path).expect("a text"), name);
    (!found).then(|| format!("{target} does not define `{name}`"))
}

#[test]
fn every_link_leads_where_its_text_says() {
    let mut faults = Vec::new();
    let mut code = 0;
    for (page, text) in pages() {
        for (text, target, line) in links(&text) {
            code += usize::from(target.contains(".rs") || target.contains(".ptx"));
            faults.extend(fault(text, target).map(|fault| format!("docs/course/{page}:{line}: [{text}]: {fault}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(code > 50, "only {code} links into the code were found");
}

#[test]
fn faults_of_links_are_found() {
    let engine = "../../engine/src/tape.rs";
    assert_eq!(fault("`Tape::record`", engine), None);
    assert_eq!(fault("`tape.rs`", engine), None);
    assert_eq!(fault("the tape", engine), None);
    assert!(fault("`Tape::recor`", engine).is_some(), "a part of a name");
    assert!(fault("`Tape::gone`", engine).is_some());
    assert!(fault("`tape.rs`", "../../engine/src/gone.rs").is_some());
    let page = "a [`b`](c.rs) and [d](e)\n```text\n[not](one)\n```\n[f](g)";
    assert_eq!(links(page), [("`b`", "c.rs", 1), ("d", "e", 1), ("f", "g", 5)]);
}

/// Every lesson has its four parts, is listed in the contents, and names its exercise.
#[test]
fn every_lesson_is_whole() {
    let mut pages = pages();
    let readme = pages.iter().position(|(name, _)| name == "README.md").expect("a README.md");
    let (_, contents) = pages.remove(readme);
    assert_eq!(pages.len(), 8);
    for (i, (name, text)) in pages.iter().enumerate() {
        let number = i + 1;
        assert!(name.starts_with(&format!("{number}-")), "{name} is no lesson {number}");
        assert!(contents.contains(&format!("({name})")), "README.md does not list {name}");
        let parts: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(parts, ["Derive", "Read the code", "Run", "Exercise"], "{name}");
        for command in ["", " --solution"] {
            let command = format!("cargo run --release -p inkgrad-engine --example exercises -- {number}{command}\n");
            assert!(text.contains(&command), "{name} lacks `{}`", command.trim());
        }
    }
}
