//! A comment begins with the name of its subject, not with "What": "Errors from earlier launches", not the clause about them.

use std::path::Path;

use inkgrad_tests::tree::{files, read};

/// The marks that a comment of a file begins with; none in a file of other languages.
fn marks(path: &Path) -> &'static [&'static str] {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("rs" | "ptx" | "js" | "mjs") => &["///", "//!", "//", "/**"],
        Some("py") => &["#", "\"\"\""],
        Some("sh" | "toml") => &["#"],
        // Scripts of `.ci`.
        None if path.parent().and_then(Path::file_name).is_some_and(|name| name == ".ci") => &["#"],
        _ => &[],
    }
}

/// The lines, from 1, on which a comment begins with "What", or a line of it does.
fn faults(text: &str, marks: &[&str]) -> Vec<usize> {
    let begins = |line: &str, mark: &str| {
        let comment = line.trim_start().strip_prefix(mark).or(line.split_once(&format!(" {mark} ")).map(|(_, c)| c));
        comment
            .is_some_and(|comment| comment.trim_start().strip_prefix("What").is_some_and(|rest| rest.starts_with(' ')))
    };
    let lines = text.lines().zip(1..).filter(|(line, _)| marks.iter().any(|mark| begins(line, mark)));
    lines.map(|(_, at)| at).collect()
}

#[test]
fn no_comment_begins_with_what() {
    let (mut seen, mut places) = (0, Vec::new());
    for path in [".ci", "kernels", "engine", "models", "cli", "tests", "benches"].into_iter().flat_map(files) {
        let marks = marks(&path);
        if !marks.is_empty() {
            places.extend(faults(&read(&path), marks).into_iter().map(|line| format!("{}:{line}", path.display())));
            seen += 1;
        }
    }
    assert!(seen > 500, "{seen} files");
    places.sort();
    assert!(places.is_empty(), "comments that begin with \"What\"; name their subject first:\n{}", places.join("\n"));
}

#[test]
fn such_comments_are_found() {
    // This file holds none itself.
    let found = |text: &str, name: &str| faults(&text.replace('_', "What"), marks(Path::new(name)));
    let bad = "//! _ it is.\nlet one = 1; // _ one is.\n    /// _\n/// _ follows.\n// _sApp\n// So. _ is\n/** _ it does. */\n";
    assert_eq!(found(bad, "a.rs"), [1, 2, 4, 7]);
    assert_eq!(found("# _ is left.\necho _ now\n", ".ci/run"), [1]);
    assert!(marks(Path::new("docs/a.md")).is_empty());
}
