//! Statements of ARCHITECTURE.md that a test can hold: the places of `unsafe`, the default bodies of an operation in CONTRIBUTING.md, and that
//! it is a screen.

use inkgrad_tests::tree::{files, read};

/// Whether code, no comment, has a block, a function or an implementation that is unsafe.
fn is_unsafe(text: &str) -> bool {
    let begins = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "#[unsafe("];
    text.lines().filter_map(|line| line.split("//").next()).any(|code| begins.iter().any(|word| code.contains(word)))
}

#[test]
fn unsafe_is_where_it_is_said_to_be() {
    let text = read("ARCHITECTURE.md");
    let start = text.find("- **`unsafe` lives").expect("the invariant");
    let invariant = text[start..].split("\n- **").next().expect("an item of the list");
    let named: Vec<&str> = invariant.split('`').skip(1).step_by(2).filter(|word| word.contains("/src/")).collect();
    assert!(named.len() > 3, "{named:?}");
    let (mut used, mut elsewhere) = (vec![false; named.len()], Vec::new());
    for path in ["kernels/src", "engine/src", "models/src", "cli/src"].into_iter().flat_map(files) {
        if path.extension().is_some_and(|end| end == "rs") && is_unsafe(&read(&path)) {
            match named.iter().position(|name| path.starts_with(name)) {
                Some(at) => used[at] = true,
                None => elsewhere.push(path),
            }
        }
    }
    assert!(elsewhere.is_empty(), "`unsafe` in {elsewhere:?} too, which ARCHITECTURE.md does not name");
    let without: Vec<&str> = named.iter().zip(used).filter(|(_, used)| !used).map(|(name, _)| *name).collect();
    assert!(without.is_empty(), "no `unsafe` in {without:?}, which ARCHITECTURE.md names");
    assert!(is_unsafe("unsafe { f() }") && !is_unsafe("let policy = \"'unsafe-inline'\"; // unsafe { f() }\n"));
}

/// A step of *An operation* lists all methods of the trait that may be left out.
#[test]
fn the_default_bodies_of_an_operation_are_listed() {
    let source = read("engine/src/op.rs");
    let start = source.find("pub trait Op<T: Float>").expect("the trait");
    let body = source[start..].split("\n}\n").next().expect("its end");
    let lines = body.lines().filter(|line| line.starts_with("    fn ") && line.ends_with('{'));
    let defaults: Vec<&str> = lines.filter_map(|line| line.trim().strip_prefix("fn ")?.split('(').next()).collect();
    let text = read("CONTRIBUTING.md");
    let end = text.find("have default bodies").expect("the step");
    let start = text[..end].rfind("`impl Op<T>` (").expect("the step");
    let mut listed: Vec<&str> = text[start..end].split('`').skip(1).step_by(2).skip(1).collect();
    listed.sort_unstable();
    let mut expected = defaults.clone();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    assert!(defaults.len() > 3, "{defaults:?}");
}

#[test]
fn it_is_a_screen() {
    let lines = read("ARCHITECTURE.md").lines().count();
    assert!(lines <= 80, "ARCHITECTURE.md has {lines} lines, expected at most 80");
}
