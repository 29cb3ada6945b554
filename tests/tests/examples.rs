//! Every public module of the library crates shows its use: a doc-test in its file, or in one of its folder. A prelude only names
//! what others show. Numbered examples are short, and README's model is one that is compiled.

use std::fs;
use std::path::{Path, PathBuf};

use inkgrad_tests::tree;

/// The source files of a module: its own and those of its folder.
fn files(source: &Path, module: &str) -> Vec<PathBuf> {
    let mut list = vec![source.join(format!("{module}.rs"))];
    let mut folders = vec![source.join(module)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("an entry of a module's folder").path();
            if path.is_dir() { folders.push(path) } else { list.push(path) }
        }
    }
    list.retain(|path| path.extension().is_some_and(|extension| extension == "rs") && path.is_file());
    list
}

/// Whether a comment of the text holds an example that runs; Rust is what a fence without a language, or with one of rustdoc's
/// words but `ignore` and `no_run`, begins.
fn has_example(text: &str) -> bool {
    let mut open = false;
    text.lines().map(str::trim_start).any(|line| {
        let Some(fence) =
            line.strip_prefix("//!").or(line.strip_prefix("///")).and_then(|c| c.trim_start().strip_prefix("```"))
        else {
            return false;
        };
        open = !open;
        open && matches!(fence.trim(), "" | "rust" | "should_panic")
    })
}

#[test]
fn every_public_module_has_an_example_that_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seen = 0;
    for name in ["kernels", "engine", "models"] {
        let source = root.join(name).join("src");
        let text = fs::read_to_string(source.join("lib.rs")).expect("a crate's root");
        for module in text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')) {
            if module == "prelude" {
                continue;
            }
            let files = files(&source, module);
            assert!(!files.is_empty(), "no file of the module {module} in {}", source.display());
            let shown = files.iter().any(|file| has_example(&fs::read_to_string(file).expect("a source file")));
            assert!(shown, "the module `{module}` of {name} has no doc-test: show its use in its comment");
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen} public modules");
}

#[test]
fn examples_have_fewer_than_80_lines() {
    let mut numbers = Vec::new();
    for path in ["engine/examples", "models/examples"].into_iter().flat_map(tree::files) {
        // Exercises, in a folder of theirs, have no number.
        if path.components().count() == 3 {
            let lines = tree::read(&path).lines().count();
            assert!(lines < 80, "{} has {lines} lines, expected fewer than 80", path.display());
            let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
            numbers.push(name[..2].parse::<usize>().expect("a number before an example's name"));
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());
}

/// Every line of README's Rust stands in the crate that it is taken from, in the same order; `…` is what is left out.
#[test]
fn readme_s_model_is_one_that_is_compiled() {
    let (readme, code) = (tree::read("README.md"), tree::read("tests/outside/src/main.rs"));
    let shown = readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next()).expect("Rust in README.md");
    let mut rest = &code[..];
    for part in shown.lines().flat_map(|line| line.split('…')).map(str::trim).filter(|part| part.len() > 1) {
        let at = rest.find(part).unwrap_or_else(|| panic!("README.md: `{part}` is not in tests/outside from there on"));
        rest = &rest[at + part.len()..];
    }
}
