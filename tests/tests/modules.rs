//! The drawing of the modules: which file uses which, in each crate. Files of different folders never use each other in a
//! circle.
//!
//!     cargo test -p inkgrad-tests --test modules -- --nocapture

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module's path within its crate; the root is empty.
type Module = Vec<String>;

/// The files of a crate: the module that each is, and its text without comments, strings and tests.
struct Crate {
    files: BTreeMap<Module, (PathBuf, String)>,
    /// For each module the names that its `use` items bring in, and their paths.
    names: BTreeMap<Module, BTreeMap<String, Vec<String>>>,
}

impl Crate {
    fn read(source: &Path) -> Crate {
        let mut files = BTreeMap::new();
        read_folder(source, source, &mut files);
        assert!(files.len() > 10, "few files in {}", source.display());
        let names =
            files.iter().map(|(module, (_, text))| (module.clone(), uses(text).into_iter().collect())).collect();
        Crate { files, names }
    }

    /// The module of `path` as `from` writes it, if it is of this crate; re-exports are followed.
    fn resolve(&self, from: &Module, path: &[String], depth: usize) -> Option<Module> {
        let (mut base, mut rest) = match path.first()?.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (from.clone(), &path[1..]),
            "super" => {
                let up = path.iter().take_while(|name| *name == "super").count();
                (from[..from.len().checked_sub(up)?].to_vec(), &path[up..])
            }
            child => {
                let mut module = from.clone();
                module.push(child.to_owned());
                if !self.files.contains_key(&module) {
                    return None;
                }
                (from.clone(), path)
            }
        };
        while let Some(name) = rest.first() {
            base.push(name.clone());
            if !self.files.contains_key(&base) {
                base.pop();
                break;
            }
            rest = &rest[1..];
        }
        let named = rest.first().and_then(|name| self.names.get(&base)?.get(name));
        let followed = named.filter(|_| depth < 8).and_then(|path| {
            let whole: Vec<String> = path.iter().chain(&rest[1..]).cloned().collect();
            self.resolve(&base, &whole, depth + 1)
        });
        Some(followed.unwrap_or(base))
    }

    /// For each module the others that it uses. The root, which only gathers, is none of them.
    fn edges(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let mut edges = BTreeMap::new();
        for (module, (_, text)) in self.files.iter().filter(|(module, _)| !module.is_empty()) {
            let names = &self.names[module];
            let inline = paths(text).into_iter().map(|path| match names.get(&path[0]) {
                Some(start) => start.iter().chain(&path[1..]).cloned().collect(),
                None => path,
            });
            let used = names.values().cloned().chain(inline);
            let found = used.filter_map(|path| self.resolve(module, &path, 0));
            edges.insert(module.clone(), found.filter(|other| other != module && !other.is_empty()).collect());
        }
        edges
    }

    /// The folder of a file; `a.rs` beside a folder `a` belongs to that.
    fn folder(&self, module: &Module) -> PathBuf {
        let file = &self.files[module].0;
        let own = file.with_extension("");
        if own.is_dir() { own } else { file.parent().expect("a file in a folder").to_path_buf() }
    }
}

fn read_folder(root: &Path, folder: &Path, files: &mut BTreeMap<Module, (PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            read_folder(root, &path, files);
        } else if path.is_file() && path.extension().is_some_and(|end| end == "rs") {
            let stem = path.strip_prefix(root).unwrap().with_extension("");
            let mut module: Module = stem.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            match module.last().map(String::as_str) {
                Some("tests" | "testing" | "property" | "main") => continue,
                Some("mod" | "lib") => drop(module.pop()),
                _ => {}
            }
            files.insert(module, (path.clone(), code_of(&fs::read_to_string(&path).unwrap())));
        }
    }
}

/// The text up to its tests, without comments, the content of strings and how far names are visible.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut code = String::new();
    for line in text.lines() {
        let mut parts = line.split('"');
        let mut kept = parts.next().unwrap_or_default().to_owned();
        // Quoted text is dropped; a comment ends the line.
        while !kept.contains("//") && parts.next().is_some() {
            kept.push_str(parts.next().unwrap_or_default());
        }
        let kept = kept.split("//").next().unwrap_or_default();
        match kept.split_once("pub(in ").and_then(|(before, rest)| Some((before, rest.split_once(')')?.1))) {
            Some((before, after)) => code.extend([before, after]),
            None => code.push_str(kept),
        }
        code.push('\n');
    }
    code
}

/// The names that `use` items bring in, and their paths.
fn uses(code: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let before = code[..at].chars().next_back();
        if before.is_none_or(|c| c.is_whitespace()) {
            let item = code[at + 4..].split(';').next().unwrap_or_default();
            expand(item, &[], &mut found);
        }
    }
    found
}

fn expand(tree: &str, prefix: &[String], found: &mut Vec<(String, Vec<String>)>) {
    let tree = tree.trim();
    if let Some((start, rest)) = tree.split_once('{') {
        let mut path = prefix.to_vec();
        path.extend(start.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned));
        let (mut depth, mut item) = (0, String::new());
        for c in rest.chars() {
            match c {
                '}' if depth == 0 => break,
                ',' if depth == 0 => {
                    expand(&std::mem::take(&mut item), &path, found);
                    continue;
                }
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            item.push(c);
        }
        expand(&item, &path, found);
    } else if !tree.is_empty() {
        let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias.trim())));
        let mut path: Vec<String> =
            prefix.iter().cloned().chain(path.split("::").map(|part| part.trim().to_owned())).collect();
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let name = alias.or(path.last().map(String::as_str)).unwrap_or_default().to_owned();
        found.push((name, path));
    }
}

/// Every path of two names or more.
fn paths(code: &str) -> Vec<Vec<String>> {
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = code.split(|c| !word(c)).filter(|path| path.contains("::"));
    let names = |path: &str| path.split("::").map(str::to_owned).collect::<Vec<_>>();
    words.map(names).filter(|path| path.iter().all(|name| !name.is_empty() && !name.contains(':'))).collect()
}

/// The modules from which `start` can be reached and that it reaches: the circles that it lies on.
fn circle(start: &Module, edges: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<Module> {
    let reach = |from: &Module| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(next) = open.pop() {
            for other in edges.get(&next).into_iter().flatten() {
                if seen.insert(other.clone()) {
                    open.push(other.clone());
                }
            }
        }
        seen
    };
    reach(start).into_iter().filter(|other| reach(other).contains(start)).collect()
}

#[test]
fn files_of_different_folders_never_use_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut faults = Vec::new();
    for name in ["kernels", "engine", "models", "cli"] {
        let source = root.join(name).join("src");
        let code = Crate::read(&source);
        let edges = code.edges();
        let short = |folder: PathBuf| folder.strip_prefix(&source).unwrap().display().to_string();
        let mut drawing: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (module, others) in &edges {
            let own = drawing.entry(short(code.folder(module))).or_default();
            own.extend(others.iter().map(|other| short(code.folder(other))));
            let circle = circle(module, &edges);
            let folders: BTreeSet<PathBuf> = circle.iter().map(|other| code.folder(other)).collect();
            if folders.len() > 1 {
                let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
                faults.push(format!("{name}: {}", names.join(", ")));
            }
        }
        println!("\n{name}/src");
        for (folder, others) in drawing {
            let others: Vec<&str> = others.iter().filter(|other| **other != folder).map(String::as_str).collect();
            let named = |folder: &str| if folder.is_empty() { ".".to_owned() } else { folder.to_owned() };
            println!("    {:24} → {}", named(&folder), others.iter().map(|f| named(f)).collect::<Vec<_>>().join(", "));
        }
    }
    faults.sort();
    faults.dedup();
    assert!(faults.is_empty(), "circles between files of different folders:\n{}", faults.join("\n"));
}
