//! How near generated drawings are to real ones.

use inkgrad_models::study::{Passport, Score};

use super::super::document::{Block, Cell, Definition, Section, Table};
use super::super::material::{Examined, Material};
use super::super::measured::Measured;
use super::super::metric::{self, Metric};
use super::listed;
use crate::output::thousands;

/// Drawings that are scored apart from others: samples are new, reconstructions have seen their originals.
struct Group {
    title: &'static str,
    of: fn(&Examined) -> bool,
}

const SAMPLES: Group = Group { title: "Samples from the prior", of: |examined| examined.samples() };
const RECONSTRUCTIONS: Group =
    Group { title: "Reconstructions, of models without a prior", of: |examined| !examined.samples() };
const PIXELS: Group = Group { title: "Reconstructions of all test drawings", of: |_| true };

/// A table for each extractor and kind of drawings: a row a run, a column a score, and the floor, which all runs share.
pub fn scores(material: &Material) -> Section {
    let mut extractors: Vec<&Passport> = Vec::new();
    for passport in all_scores(material).filter(|score| score.value.is_some()).map(|score| &score.passport) {
        if extractors.iter().all(|known| known.extractor != passport.extractor) {
            extractors.push(passport);
        }
    }
    let mut blocks = Vec::new();
    for passport in extractors {
        let groups: &[Group] = if passport.extractor == "pixels" { &[PIXELS] } else { &[SAMPLES, RECONSTRUCTIONS] };
        let tables: Vec<Table> =
            groups.iter().filter_map(|group| table(material, &passport.extractor, group)).collect();
        if passport.extractor == "pixels" {
            blocks.push(Block::Heading("By pixels".into()));
        } else {
            blocks.push(Block::Heading(format!("By features of {}", passport.extractor)));
            let weights = passport.sha256.as_deref().unwrap_or("unknown");
            let (resize, seed) = (&passport.resize, passport.seed);
            blocks.push(Block::Text(format!(
                "SHA-256 of its weights: {weights}; resize: {resize}; samples of seed {seed}."
            )));
        }
        blocks.extend(tables.into_iter().map(Block::Table));
        blocks.push(Block::Definitions(definitions(material, &passport.extractor)));
    }
    if !blocks.is_empty() {
        let text = "The floor is the same score between two disjoint halves of the real drawings: the best that a model can \
                    hope for. Brackets are 95 % intervals: Wilson's of shares, the other side taken as it is. A value after ± \
                    is a standard deviation over subsets. A best is marked only where its interval overlaps with no other's.";
        blocks.insert(0, Block::Text(text.into()));
    }
    blocks.extend(missing(material).map(Block::Text));
    Section { id: "scores", title: "Scores", blocks }
}

fn all_scores<'a>(material: &'a Material) -> impl Iterator<Item = &'a Score> {
    material.runs.iter().flat_map(|examined| examined.evaluation.scores.iter())
}

/// The scores that an extractor gave a value, in order, each once.
fn names<'a>(material: &'a Material, extractor: &str) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for score in all_scores(material).filter(|score| score.passport.extractor == extractor && score.value.is_some()) {
        if !names.contains(&score.name.as_str()) {
            names.push(&score.name);
        }
    }
    names
}

/// A number of drawings, or from which to which.
fn counts(of: impl Iterator<Item = usize>) -> String {
    let (least, most) = of.fold((usize::MAX, 0), |(least, most), n| (least.min(n), most.max(n)));
    let [low, high] = [least, most].map(|n| thousands(n as u64));
    if least >= most { high } else { format!("{low} to {high}") }
}

fn table(material: &Material, extractor: &str, group: &Group) -> Option<Table> {
    let score = |examined: &Examined, name: &str| -> Option<Score> {
        let mut scores = examined.evaluation.scores.iter();
        scores.find(|score| score.name == name && score.passport.extractor == extractor).cloned()
    };
    let names = names(material, extractor);
    let runs: Vec<&Examined> = material
        .runs
        .iter()
        .filter(|examined| (group.of)(examined) && names.iter().any(|name| score(examined, name).is_some()))
        .collect();
    let first = |examined: &&&Examined| score(examined, names.first()?).map(|score| score.passport);
    let passports: Vec<Passport> = runs.iter().filter_map(|examined| first(&examined)).collect();
    if passports.is_empty() {
        return None;
    }
    let generated = counts(passports.iter().map(|passport| passport.n_generated));
    let title = if extractor == "pixels" {
        format!("{}: {generated}", group.title)
    } else {
        let real = counts(passports.iter().map(|passport| passport.n_real));
        format!("{}: {generated} generated drawings against {real} real ones", group.title)
    };
    let mut table = Table::new(title, &["run"]);
    for examined in &runs {
        table.row([examined.label().into()]);
    }
    let mut floors: Vec<Cell> = vec!["floor".into()];
    for name in &names {
        let scores: Vec<Option<Score>> = runs.iter().map(|examined| score(examined, name)).collect();
        let values: Vec<Option<Measured>> = scores.iter().map(|score| Measured::score(score.as_ref()?)).collect();
        match metric::find(name) {
            Some(metric) => table.measured(metric, &values, true),
            // A score of a later version of inkgrad.
            None => {
                let unknown = Metric { key: "", name: "", definition: "", better: None };
                table.measured(&unknown, &values, false);
                table.head.last_mut().into_iter().for_each(|column| column.name = name.replace('_', " "));
            }
        }
        let floor = scores.iter().flatten().find_map(|score| Some((score.passport.floor?, Measured::score(score)?)));
        floors.push(floor.map_or("–".into(), |(floor, value)| {
            Cell::number(floor, Measured { value: floor, ..value }.floor_text())
        }));
    }
    if floors[1..].iter().any(|cell| cell.key.is_some()) {
        table.foot.push(floors);
    }
    Some(table)
}

/// Each score with its definition and floor.
fn definitions(material: &Material, extractor: &str) -> Vec<Definition> {
    let known = |name: &&str| {
        let metric = metric::find(name)?;
        let of_name =
            || all_scores(material).filter(|score| score.name == **name && score.passport.extractor == extractor);
        let floor = of_name().find_map(|score| Some((score.passport.floor?, Measured::score(score)?)));
        let floor = match floor {
            Some((floor, value)) => Measured { value: floor, ..value }.floor_text(),
            None if extractor == "pixels" || ["is", "ppl"].contains(&metric.key) => {
                "none, since it compares no two halves".to_owned()
            }
            None => "none, too few real drawings".to_owned(),
        };
        Some(Definition { metric, floor })
    };
    names(material, extractor).iter().filter_map(known).collect()
}

/// Scores that nobody measured, and why.
fn missing(material: &Material) -> impl Iterator<Item = String> {
    let mut notes: Vec<(String, Vec<String>)> = Vec::new();
    for score in all_scores(material).filter(|score| score.value.is_none()) {
        let Some(note) = &score.note else { continue };
        let name = metric::find(&score.name).map_or(score.name.as_str(), |metric| metric.name).to_owned();
        match notes.iter_mut().find(|(known, _)| known == note) {
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => notes.push((note.clone(), vec![name])),
        }
    }
    notes
        .into_iter()
        .map(|(note, names)| format!("Not measured: {} of InceptionV3's features: {note}.", listed(&names)))
}
