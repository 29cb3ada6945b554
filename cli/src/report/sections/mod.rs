//! The chapters of a study's report, in its order.

mod commands;
mod doubts;
mod drawings;
mod findings;
mod latents;
mod overview;
mod recognition;
mod scores;
mod seeds;
mod training;

use super::document::{Block, Document};
use super::live::Live;
use super::material::{Examined, MADE_BY, Material};

/// The whole report.
///
/// `live` are the runs' pages, which the report links to.
pub fn document(material: &Material, live: &[Live]) -> Document {
    let Material { dataset, runs, .. } = material;
    let sections = vec![
        findings::findings(material),
        overview::data(material),
        overview::models(material, live),
        training::training(runs),
        drawings::reconstructions(runs),
        drawings::samples(runs),
        drawings::by_class(material),
        latents::maps(material),
        drawings::interpolations(runs),
        latents::usage(runs),
        latents::likelihoods(runs),
        scores::scores(material),
        seeds::seeds(&super::seeds::groups(runs)),
        recognition::recognition(material),
        drawings::nearest(runs),
        recognition::transfer(runs),
        commands::commands(material),
    ];
    let count = if runs.len() == 1 { "One run".to_owned() } else { format!("{} runs", runs.len()) };
    let mut document = Document {
        title: "A study of drawings".to_owned(),
        subtitle: format!("{count} on {}: {MADE_BY} {}.", dataset.name, env!("CARGO_PKG_VERSION")),
        sections: sections.into_iter().filter(|section| !section.blocks.is_empty()).collect(),
        sheet: material.sheet(),
    };
    name_files(&mut document);
    document
}

/// Gives figures' files names that no two share.
fn name_files(document: &mut Document) {
    let mut taken = std::collections::BTreeSet::new();
    for section in &mut document.sections {
        for block in &mut section.blocks {
            let Block::Figures(figures) = block else { continue };
            for figure in figures {
                let stem = format!("{}-{}", section.id, slug(&figure.file));
                let more = (2..).map(|i| format!("{stem}-{i}"));
                let name = [stem.clone()].into_iter().chain(more).find(|name| !taken.contains(name));
                figure.file = name.unwrap_or_default();
                taken.insert(figure.file.clone());
            }
        }
    }
}

/// The files of the runs' pages, no two the same.
pub fn live_files(live: &[Live]) -> Vec<String> {
    let mut files: Vec<String> = Vec::new();
    for Live { label, .. } in live {
        let stem = format!("live-{}", slug(label));
        let more = (2..).map(|i| format!("{stem}-{i}.html"));
        let name = [format!("{stem}.html")].into_iter().chain(more).find(|name| !files.contains(name));
        files.extend(name);
    }
    files
}

/// Letters and digits, and a dash for all else: a file's name on any system.
fn slug(text: &str) -> String {
    let mut name = String::new();
    for c in text.chars() {
        match c {
            c if c.is_ascii_alphanumeric() || c == '.' => name.push(c.to_ascii_lowercase()),
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    name.trim_end_matches(['-', '.']).chars().take(80).collect()
}

/// Names as a sentence lists them: `a, b and c`.
fn listed(names: &[String]) -> String {
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => names.concat(),
    }
}

/// The labels of some runs.
fn labels<'a>(runs: impl IntoIterator<Item = &'a Examined>) -> Vec<String> {
    runs.into_iter().map(Examined::label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_plain() {
        assert_eq!(slug("cnn-vae (beta 4.0): KL"), "cnn-vae-beta-4.0-kl");
        assert_eq!(slug("../ חתול \n"), "");
        assert_eq!(listed(&["a", "b", "c"].map(str::to_owned)), "a, b and c");
    }
}
