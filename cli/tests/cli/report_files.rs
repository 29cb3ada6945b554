//! The files of a report: the page, what lies beside it, and what is never replaced.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::study::with_runs;
use super::{Place, few};

#[test]
#[ignore = "slow"]
fn a_report_needs_nothing_beside_it() {
    let place = with_runs();
    let out = place.json(&few(&["report", "vae", "cvae", "ae", "judge", "--out", "r.html"]));
    assert_eq!((out["runs"].as_u64(), out["markdown"].as_str()), (Some(4), Some("r.md")));
    assert_eq!((out["json"].as_str(), out["figures"].as_str()), (Some("r.json"), Some("r-figures")));
    let page = String::from_utf8(place.read("r.html")).unwrap();
    // The one address outside is the name of SVG's elements, which nobody asks for.
    let own = page.replace("\"http://www.w3.org/2000/svg\"", "");
    for outside in [
        "http://",
        "https://",
        "<script src",
        "fetch(",
        "XMLHttpRequest",
        "import(",
        "<link rel=\"stylesheet",
        "src=\"/",
        "@import",
        "url(",
    ] {
        assert!(!own.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src 'none'"));
    let sections = [
        "findings",
        "data",
        "models",
        "training",
        "reconstructions",
        "samples",
        "classes",
        "interpolations",
        "latents",
        "likelihood",
        "scores",
        "recognition",
        "nearest",
        "transfer",
        "commands",
    ];
    let at =
        sections.map(|id| page.find(&format!("<section id=\"{id}\"")).unwrap_or_else(|| panic!("no section {id}")));
    assert!(at.is_sorted(), "sections in another order: {at:?}");
    assert!(page.contains("865,345") && page.contains("928,225") && page.contains("211,905"));

    let text = String::from_utf8(place.read("r.md")).unwrap();
    assert!(text.contains("| cvae (both) | 928,225 |"), "{text}");
    // Scores are kept in the runs: the second report is the first.
    assert!(place.path("vae").join("evaluation.json").exists());
    let before = beside(&place);
    assert_eq!(place.json(&few(&["report", "vae", "cvae", "ae", "judge", "--out", "r.html"])), out);
    assert!(place.read("r.html") == page.as_bytes() && beside(&place) == before);
}

/// The files of a report at `r.html`, but for the page.
fn beside(place: &Place) -> BTreeMap<String, Vec<u8>> {
    let figures = place.files("r-figures").into_iter().map(|name| format!("r-figures/{name}"));
    let files = figures.chain(["r.md", "r.json"].map(str::to_owned));
    files.map(|name| (name.clone(), place.read(&name))).collect()
}

#[test]
#[ignore = "slow"]
fn every_figure_is_a_file_with_its_numbers_and_every_number_is_in_one_object() {
    let place = with_runs();
    place.ok(&few(&["report", "vae", "cvae", "ae", "judge", "--out", "r.html"]));
    let all: Value = serde_json::from_slice(&place.read("r.json")).unwrap();
    let figures = all["figures"].as_array().unwrap();
    let (page, text) = (place.read("r.html"), place.read("r.md"));
    let (page, text) = (String::from_utf8(page).unwrap(), String::from_utf8(text).unwrap());
    assert!(figures.len() > 15, "{}", figures.len());
    let mut titles = std::collections::BTreeSet::new();
    for figure in figures {
        let (png, csv) = (figure["png"].as_str().unwrap(), figure["csv"].as_str().unwrap());
        assert!(place.read(png).starts_with(b"\x89PNG"), "{png}");
        let numbers = String::from_utf8(place.read(csv)).unwrap();
        let mut lines = numbers.lines();
        let columns = lines.next().unwrap().split(',').count();
        assert!(columns > 1 && lines.next().is_some(), "{csv}: {numbers}");
        assert!(lines.all(|line| line.split(',').count() == columns), "{csv}");
        for file in [png, csv] {
            assert!(page.contains(&format!("href=\"{file}\"")) && text.contains(&format!("({file})")), "{file}");
        }
        assert!(figure["alt"].as_str().unwrap().len() > 20, "{figure}");
        assert!(titles.insert(figure["title"].as_str().unwrap().to_owned()), "two figures have a title: {figure}");
    }
    // The numbers are those of evaluations.
    for (run, at) in [("vae", 0), ("cvae", 1), ("ae", 2)] {
        let kept: Value = serde_json::from_slice(&place.read(&format!("{run}/evaluation.json"))).unwrap();
        assert_eq!(all["runs"][at]["evaluation"], kept["evaluation"]);
        assert!(!all["runs"][at]["records"].as_array().unwrap().is_empty());
    }
    // Each run has a page on which its network runs.
    for run in ["cnn-vae", "cvae-both", "cnn-ae", "classifier-cnn"] {
        let live = String::from_utf8(place.read(&format!("r-figures/live-{run}.html"))).unwrap();
        assert!(live.contains("function replay("), "{run}");
    }
}

#[test]
#[ignore = "slow"]
fn a_report_replaces_reports_alone() {
    let place = Place::with_run();
    let report = few(&["report", "vae", "--out", "notes.html"]);
    place.write("notes.md", b"my notes\n");
    place.refused(&report, &["notes.md: is no report of inkgrad's, expected a new name (or --force)"]);
    std::fs::remove_file(place.path("notes.md")).unwrap();
    place.ok(&report);
    // An earlier report may be made anew.
    place.ok(&report);
    place.write("notes.html", b"<p>my page</p>");
    place.refused(&report, &["notes.html: is no report"]);
    place.ok(&[&report[..], &["--force"]].concat());
    // A folder of figures that is none.
    place.write("notes.json", b"{}");
    place.refused(&report, &["notes.json: is no report"]);
    fs::remove_file(place.path("notes.json")).unwrap();
    fs::remove_dir_all(place.path("notes-figures")).unwrap();
    fs::create_dir(place.path("notes-figures")).unwrap();
    place.write("notes-figures/my.png", b"mine");
    place.refused(&report, &["notes-figures: holds files that are no report's, expected a new name (or --force)"]);
    place.ok(&[&report[..], &["--force"]].concat());
    assert_eq!(place.read("notes-figures/my.png"), b"mine");
    place.ok(&report);
    place.refused(&["report", "vae", "--out", "notes.md"], &["'notes.md'", "expected a name that ends in .html"]);
    fs::create_dir(place.path("study")).unwrap();
    place.write("study/report.md", b"mine");
    place.refused(&["reproduce", "--quick", "--out", "study"], &["report.md: is no report", "expected a new --out"]);
    // Nor does one command take the other's page for its own.
    let explain = ["explain", "--run", "vae", "--out", "notes.html"];
    place.refused(&explain, &["notes.html: is no page of inkgrad explain"]);
    place.ok(&[&explain[..], &["--force"]].concat());
    place.refused(&report, &["notes.html: is no report"]);
}
