//! A comment begins with the name of its subject, not with "What": "Errors from earlier launches", not the clause about them.

use std::fs;
use std::path::{Path, PathBuf};

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

/// The files below a folder, but those of builds and of version control.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the tree") {
        let path = entry.expect("an entry of a folder").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match path.is_dir() {
            true if name == "target" || (name.starts_with('.') && name != ".ci") => {}
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

#[test]
fn no_comment_begins_with_what() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tree");
    let mut all = Vec::new();
    for folder in [".ci", "kernels", "engine", "models", "cli", "tests", "benches"] {
        files(&root.join(folder), &mut all);
    }
    let (mut seen, mut places) = (0, Vec::new());
    for path in all {
        let marks = marks(&path);
        if !marks.is_empty() {
            let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let short = path.strip_prefix(root).expect("a path below the tree").display().to_string();
            places.extend(faults(&text, marks).into_iter().map(|line| format!("{short}:{line}")));
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
