//! Evaluations and reports of few drawings, and of drawings that are not the same for all runs.

use inkgrad_models::data::{builtin, write_course};
use serde_json::Value;

use crate::{Place, few};

fn train<'a>(model: &'a str, data: &'a str, out: &'a str) -> Vec<&'a str> {
    vec!["train", model, "--data", data, "--steps", "2", "--batch-size", "8", "--out", out]
}

#[test]
fn runs_of_other_drawings_than_the_reports_are_named() {
    let place = Place::with_run();
    place.ok(&["data", "synth", "--n", "60", "--seed", "7", "--out", "other"]);
    for (model, data, out) in [("cnn-ae", "d", "a"), ("cnn-ae", "other", "b"), ("classifier", "d", "judge")] {
        place.ok(&train(model, data, out));
    }
    place.ok(&few(&["report", "a", "b", "--classifier", "judge", "--out", "r.html"]));
    let trained = "cnn-ae (data d) was trained on d, cnn-ae (data other) was trained on other; all are scored on d: \
                   48 training drawings";
    let doubt = "Not every run was trained on d, which all scores are of: cnn-ae (data other), on other.";
    let findings: Value = serde_json::from_slice(&place.read("r.json")).unwrap();
    let findings = findings["findings"].to_string();
    let [page, text] = ["r.html", "r.md"].map(|file| String::from_utf8(place.read(file)).unwrap());
    for (what, said) in [("page", &page), ("Markdown", &text), ("JSON", &findings)] {
        assert!(said.contains(trained) && said.contains(doubt), "{what}");
    }
    // Scores of one run on drawings that it was not trained on.
    place.ok(&few(&["report", "a", "--data", "other", "--classifier", "judge", "--out", "s.html"]));
    let text = String::from_utf8(place.read("s.md")).unwrap();
    assert!(text.contains("cnn-ae was trained on d; it is scored on other: 48 training drawings"), "{text}");
    assert!(text.contains("Not every run was trained on other"), "{text}");
}

#[test]
fn few_test_drawings_have_the_scores_that_they_suffice_for() {
    let place = Place::with_run();
    place.ok(&train("cnn-ae", "d", "ae"));
    place.ok(&train("classifier", "d", "judge"));
    for (n, names) in [
        (1, &["fd", "kid", "precision", "recall", "density", "coverage", "is"][..]),
        (3, &["precision", "recall", "density", "coverage", "is"]),
        (9, &["is"]),
    ] {
        let mut data = builtin(60, 1).unwrap();
        data.test = data.test.take(&(0..n).collect::<Vec<_>>());
        write_course(&data, place.path("few")).unwrap();
        let evaluate = ["evaluate", "--run", "ae", "--data", "few", "--classifier", "judge", "--out", "e.json"];
        let found = place.json(&few(&evaluate));
        for name in ["fd", "kid", "precision", "recall", "density", "coverage", "is"] {
            let all = found["scores"].as_array().unwrap();
            let score = all.iter().find(|score| score["name"] == format!("{name}_classifier")).unwrap();
            assert_eq!(score["value"].is_null(), names.contains(&name), "{n} drawings: {score}");
            let note = score["note"].as_str().unwrap_or_default();
            assert_eq!(
                note.contains(&format!(" {n} row")) && note.contains("expected at least"),
                names.contains(&name)
            );
        }
        // Samples are many, and the Inception Score needs no more.
        let evaluate = ["evaluate", "--run", "vae", "--data", "few", "--classifier", "judge", "--out", "v.json"];
        let found = place.json(&few(&evaluate));
        let score = found["scores"].as_array().unwrap().iter().find(|score| score["name"] == "is_classifier").unwrap();
        assert!(score["value"].is_f64() && score["std"].is_f64(), "{n} drawings: {score}");
        std::fs::remove_dir_all(place.path("few")).unwrap();
    }
}
