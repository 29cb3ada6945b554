//! Evaluating runs and reporting on them.

use std::collections::BTreeMap;
use std::fs;
use std::sync::OnceLock;

use inkgrad_models::data::save_npy;
use inkgrad_models::inception::{Variant, layout};
use inkgrad_models::run::checkpoint::save_tensors;
use serde_json::Value;

use super::{Place, few};

/// A place with a run of each kind that a report treats differently: a vae in `vae`, a cvae in `cvae`, an autoencoder in
/// `ae` and a classifier in `judge`.
pub(super) fn with_runs() -> Place {
    static MADE: OnceLock<Place> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let place = Place::with_run();
        for (model, out, more) in [
            ("cvae", "cvae", &["--condition", "both"][..]),
            ("cnn-ae", "ae", &[]),
            ("classifier", "judge", &["--arch", "cnn"]),
        ] {
            let args = ["train", model, "--data", "d", "--steps", "2", "--batch-size", "8", "--out", out];
            place.ok(&[&args[..], more].concat());
        }
        place
    });
    made.copy(&["d", "vae", "cvae", "ae", "judge"])
}

fn scores(evaluation: &Value) -> Vec<&str> {
    evaluation["scores"].as_array().unwrap().iter().map(|score| score["name"].as_str().unwrap()).collect()
}

#[test]
fn evaluate_gives_every_score_its_passport() {
    let place = with_runs();
    let args =
        [&few(&["evaluate", "--data", "d", "--classifier", "judge", "--out", "e.json"])[..], &["--run"]].concat();
    for run in ["vae", "cvae", "ae"] {
        let printed = place.json(&[&args[..], &[run]].concat());
        let found: Value = serde_json::from_slice(&place.read("e.json")).unwrap();
        assert_eq!(found["scores"], printed["scores"]);
        for name in ["fd_classifier", "kid_classifier", "precision_classifier", "is_classifier", "fid", "is"] {
            assert!(scores(&found).contains(&name), "{run}: no {name}");
        }
        for score in found["scores"].as_array().unwrap() {
            let (name, passport) = (&score["name"], &score["passport"]);
            for key in ["n_real", "n_generated", "extractor", "resize", "seed"] {
                assert!(!passport[key].is_null(), "{run}, {name}: no {key}");
            }
            // A score that was not measured says why; nothing stands in for it.
            assert_eq!(
                score["value"].is_null(),
                ["fid", "kid", "is", "ppl"].contains(&name.as_str().unwrap()),
                "{name}"
            );
            assert!(!score["value"].is_null() || score["note"].as_str().unwrap().contains("--inception"), "{name}");
        }
        let fd = found["scores"].as_array().unwrap().iter().find(|score| score["name"] == "fd_classifier").unwrap();
        assert!(fd["passport"]["floor"].is_number());
        assert_eq!(fd["passport"]["sha256"].as_str().unwrap().len(), 64);
        assert_eq!(found["latents"].is_null(), run == "ae");
        // A way between latents is one between draws.
        let ppl = found["scores"].as_array().unwrap().iter().find(|score| score["name"] == "ppl_classifier");
        assert_eq!((ppl.is_none(), scores(&found).contains(&"ppl")), (run == "ae", run != "ae"));
        assert!(ppl.is_none_or(|ppl| ppl["value"].as_f64().unwrap() > 0.0 && ppl["passport"]["n_generated"] == 20));
        assert_eq!(found["transfer"].is_null(), run != "cvae");
        // A class was asked for, or the verdicts tell how classes are spread.
        assert_eq!((found["recognition"].is_null(), found["unasked"].is_null()), (run == "vae", run != "vae"));
    }
    // The same again.
    let first = place.read("e.json");
    place.ok(&[&args[..], &["ae", "--threads", "1"]].concat());
    assert!(place.read("e.json") == first);
}

/// The rows of the tables of a report's Markdown, each with its table's first cell.
fn rows(place: &Place, file: &str) -> Vec<(String, Vec<String>)> {
    let (mut found, mut head) = (Vec::new(), None);
    for line in String::from_utf8(place.read(file)).unwrap().lines() {
        let Some(row) = line.strip_prefix('|') else {
            head = None;
            continue;
        };
        let cells: Vec<String> = row.trim_end_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        match &head {
            None => head = Some(cells[0].clone()),
            Some(head) if !cells[0].starts_with('-') => found.push((head.clone(), cells)),
            Some(_) => {}
        }
    }
    found
}

#[test]
#[ignore = "slow"]
fn runs_of_one_model_have_names_of_their_own() {
    let place = with_runs();
    for (out, beta) in [("first", "1"), ("second", "4")] {
        place.ok(&[
            "train",
            "cnn-vae",
            "--data",
            "d",
            "--steps",
            "2",
            "--batch-size",
            "8",
            "--beta",
            beta,
            "--out",
            out,
        ]);
    }
    place.ok(&few(&["report", "first", "second", "judge", "--out", "r.html"]));
    let found = rows(&place, "r.md");
    let of_models: Vec<&str> = found.iter().filter(|(head, _)| head == "run").map(|(_, row)| row[0].as_str()).collect();
    for name in ["cnn-vae (beta 1.0)", "cnn-vae (beta 4.0)"] {
        assert!(of_models.iter().filter(|found| **found == name).count() >= 5, "{of_models:?}");
    }
    assert!(!of_models.contains(&"cnn-vae"), "{of_models:?}");
    let page = String::from_utf8(place.read("r.html")).unwrap();
    for caption in [
        "cnn-vae (beta 4.0): reconstructions",
        "Samples of cnn-vae (beta 1.0), for which",
        "cnn-vae (beta 1.0): KL",
        "cnn-vae (beta 4.0): loss",
        "aria-label=\"loss per image (nats) of cnn-vae (beta 1.0) over steps: ",
        "Settings in which runs differ",
    ] {
        assert!(page.contains(caption), "{caption}");
    }
    place.refused(&["report", "first", "./first", "--out", "r.html", "--force"], &["first: given twice"]);
}

#[test]
#[ignore = "slow"]
fn imported_weights_are_examined_on_data_that_is_named() {
    let place = with_runs();
    place.ok(&["export", "--run", "vae", "--out", "w.safetensors"]);
    let import = ["import", "--model", "cnn-vae", "--weights", "w.safetensors", "--out"];
    let classes = String::from_utf8(place.read("d/classes.txt")).unwrap().trim().replace('\n', ",");
    place.ok(&[&import[..], &["bare", "--classes", &classes]].concat());
    place.ok(&[&import[..], &["known", "--data", "d"]].concat());
    let report = few(&["report", "bare", "--classifier", "judge", "--out", "r.html"]);
    place.refused(&report, &["bare: holds imported weights, whose drawings are not known, expected --data"]);
    place.ok(&[&report[..], &["--data", "d"]].concat());
    assert!(String::from_utf8(place.read("r.md")).unwrap().contains("bare: weights that were imported"));
    place.ok(&few(&["report", "known", "bare", "--classifier", "judge", "--out", "both.html"]));
}

#[test]
#[ignore = "slow"]
fn the_judge_that_is_trained_on_the_spot_is_kept_for_the_same_drawings() {
    let place = Place::with_run();
    let evaluate = |out: &str, data: &str| {
        let args = few(&["evaluate", "--run", "vae", "--data", data, "--out", out]);
        let ended = place.run(&args);
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        ended.stderr
    };
    let first = evaluate("a.json", "d");
    for line in ["no classifier is given: one is trained on the spot", "judge: trained, and kept for the next time in"]
    {
        assert!(first.contains(line), "{first}");
    }
    let second = evaluate("b.json", "d");
    assert!(second.contains("judge: the one kept in") && !second.contains("trained"), "{second}");
    assert!(place.read("a.json") == place.read("b.json"));
    // A damaged file is made anew.
    let kept = place.files("caches/inkgrad/judges");
    assert_eq!(kept.len(), 1);
    let file = format!("caches/inkgrad/judges/{}", kept[0]);
    place.write(&file, &place.read(&file)[..1000]);
    assert!(evaluate("c.json", "d").contains("judge: trained"));
    assert!(place.read("a.json") == place.read("c.json"));
    // Other drawings of the same classes have a judge of their own.
    place.ok(&["data", "synth", "--n", "60", "--seed", "7", "--out", "other"]);
    assert!(evaluate("d.json", "other").contains("judge: trained"));
    assert_eq!(place.files("caches/inkgrad/judges").len(), 2);
}

#[test]
#[ignore = "slow"]
fn findings_are_figures_and_say_what_to_distrust() {
    let place = with_runs();
    place.ok(&few(&["report", "vae", "cvae", "ae", "judge", "--out", "r.html"]));
    let all: Value = serde_json::from_slice(&place.read("r.json")).unwrap();
    let findings: Vec<&str> = all["findings"].as_array().unwrap().iter().map(|f| f["text"].as_str().unwrap()).collect();
    let says = |parts: &[&str]| findings.iter().any(|text| parts.iter().all(|part| text.contains(part)));
    assert!(says(&[
        "4 runs were trained on d: 48 training drawings of 5 classes, 28×28 pixels; 12 drawings to test on."
    ]));
    assert!(
        says(&["FD of samples from the prior", "its precision is not known, so none is called best"]),
        "{findings:#?}"
    );
    // Twelve drawings are too few for anything.
    assert!(says(&["The judge recognises", "of 12 real drawings"]), "{findings:#?}");
    assert!(says(&["a Fréchet distance of 12 rows is biased upwards"]), "{findings:#?}");
    assert!(says(&["untrained, nearly: not every training drawing was seen once"]), "{findings:#?}");
    assert!(says(&["20 samples of z for each of 2 drawings: a loose one"]), "{findings:#?}");
    let value = all["runs"][1]["evaluation"]["recognition"]["all"]["accuracy"].as_f64().unwrap();
    assert!(
        says(&["Recognised among samples of a class: cvae (both)", &format!("{:.0}", 100.0 * value)]),
        "{findings:#?}"
    );
    // A run alone: no best, no table of differences.
    place.ok(&few(&["report", "ae", "--classifier", "judge", "--out", "one.html"]));
    let text = String::from_utf8(place.read("one.md")).unwrap();
    assert!(
        text.contains("One run was trained on d")
            && !text.contains(") is best")
            && !text.contains("in which runs differ")
    );
}

/// Weights of zeros make constant features: what counts is that they are read, used, kept and named.
#[test]
#[ignore = "slow"]
fn inceptions_scores_are_given_where_its_weights_are() {
    let place = with_runs();
    let tensors = layout(Variant::Fid).unwrap();
    let zeros = vec![0.0; tensors.iter().map(|(_, shape)| shape.iter().product()).max().unwrap()];
    let tensors: Vec<(&str, &[usize], &[f32])> =
        tensors.iter().map(|(name, shape)| (&**name, &**shape, &zeros[..shape.iter().product()])).collect();
    save_tensors(place.path("w.safetensors"), &tensors, &BTreeMap::new()).unwrap();
    let args = few(&["evaluate", "--run", "cvae", "--classifier", "judge", "--out", "e.json"]);
    let found = place.json(&[&args[..], &["--inception", "w.safetensors", "--resize", "half-pixel"]].concat());
    for (name, value) in [("fid", 0.0), ("kid", 0.0), ("precision", 1.0), ("is", 1.0), ("ppl", 0.0)] {
        let score = found["scores"].as_array().unwrap().iter().find(|score| score["name"] == name).unwrap();
        assert!((score["value"].as_f64().unwrap() - value).abs() < 1e-9, "{name}: {score}");
        let passport = &score["passport"];
        assert_eq!((&passport["extractor"], &passport["resize"]), (&"inception-fid".into(), &"half-pixel".into()));
        assert_eq!(passport["sha256"].as_str().unwrap().len(), 64);
    }
    // Those of test drawings, of samples and of paths.
    assert_eq!(place.files("caches/inkgrad/features").len(), 3);
}

#[test]
#[ignore = "slow"]
fn pictures_of_other_sizes_and_in_colour_have_a_report() {
    let place = Place::new();
    fs::create_dir(place.path("d")).unwrap();
    for (class, shade) in [("cat", 40u8), ("dog", 200)] {
        let pixels: Vec<u8> = (0..80 * 16 * 24 * 3).map(|i| shade.wrapping_add((i % 37) as u8)).collect();
        save_npy(place.path(&format!("d/{class}.npy")), &[80, 16, 24, 3], &pixels).unwrap();
    }
    place.ok(&["train", "cnn-vae", "--data", "d", "--steps", "2", "--batch-size", "8", "--out", "r"]);
    place.ok(&few(&["report", "r", "--out", "r.html"]));
    let (page, text) = (place.read("r.html"), String::from_utf8(place.read("r.md")).unwrap());
    let page = String::from_utf8(page).unwrap();
    assert!(text.contains("of 2 classes, 16×24"), "{text}");
    assert!(page.contains("\"width\":24,\"height\":16"));
    let numbers = String::from_utf8(place.read("r-figures/reconstructions-cnn-vae.csv")).unwrap();
    assert!(numbers.starts_with("row,column,y0x0c0,y0x0c1,y0x0c2,y0x1c0"));
}

#[test]
#[ignore = "slow"]
fn names_of_classes_are_text() {
    let place = Place::with_run();
    let names = "<b>\nyoga & co\nhand|s\nארנב\n\"onload=\"alert(1)\n";
    fs::write(place.path("d").join("classes.txt"), names).unwrap();
    let args = ["train", "classifier", "--data", "d", "--steps", "2", "--batch-size", "8", "--out", "judge"];
    place.ok(&args);
    place.ok(&["report", "judge", "--out", "r.html"]);
    let (page, text) = (place.read("r.html"), place.read("r.md"));
    let (page, text) = (String::from_utf8(page).unwrap(), String::from_utf8(text).unwrap());
    assert!(!page.contains("<b>") && page.contains("&lt;b&gt;") && page.contains("yoga &amp; co"));
    assert!(!page.contains("\"onload=\"") && page.contains("<bdi>ארנב</bdi>"));
    assert!(text.contains(r"| hand\|s |"), "{text}");
    // Among the drawings of maps and samples, too.
    place.ok(&["train", "cvae", "--data", "d", "--steps", "2", "--batch-size", "8", "--out", "r"]);
    place.ok(&few(&["report", "r", "judge", "--out", "r.html"]));
    let page = String::from_utf8(place.read("r.html")).unwrap();
    assert!(!page.contains("<b>") && !page.contains("\"onload=\""));
    assert_eq!(page.matches("</script>").count(), page.matches("<script").count());
}

#[test]
#[ignore = "slow"]
fn what_does_not_fit_together_is_refused() {
    let place = Place::with_run();
    place.refused(&["report", "nothing", "--out", "r.html"], &["nothing", "no such folder"]);
    place.refused(&["report", "vae", "--out", "no/r.html"], &["no folder no"]);
    place.refused(
        &["evaluate", "--run", "vae", "--classifier", "vae", "--out", "e.json"],
        &["vae", "holds cnn-vae, expected a classifier"],
    );
    place.refused(&["evaluate", "--run", "vae", "--samples", "3", "--out", "e.json"], &["--samples", "10 to 1000000"]);
    for nll in ["20", "0:5", "5:0", "5:2000000"] {
        place.refused(&["evaluate", "--run", "vae", "--nll", nll, "--out", "e.json"], &["--nll", "or none"]);
    }
    place.write("w.pth", b"weights");
    let inception = |command: &[&str], weights: &str, parts: &[&str]| {
        place.refused(&[command, &["--inception", weights]].concat(), parts);
    };
    inception(&["evaluate", "--run", "vae", "--out", "e.json"], "w.pth", &["w.pth: neither a safetensors file"]);
    inception(&["report", "vae", "--out", "r.html"], "none.pth", &["none.pth: No such file"]);
    inception(&["reproduce", "--quick", "--out", "study"], "vae/model.safetensors", &["no tensor fc.weight"]);
    place.refused(&["evaluate", "--run", "vae", "--data", "none", "--out", "e.json"], &["none", "no such folder"]);
    place.refused(&["reproduce", "--data", "none", "--out", "study"], &["none", "no such folder"]);
    place
        .refused(&["reproduce", "--quick", "--data", "d", "--out", "study"], &["d: 48 training drawings, expected at"]);
    fs::create_dir(place.path("one")).unwrap();
    save_npy(place.path("one/cat.npy"), &[40, 784], &[9u8; 40 * 784]).unwrap();
    place.refused(&["reproduce", "--data", "one", "--out", "study"], &["one: 1 class, expected at least 2"]);
    place.ok(&["train", "cnn-vae", "--data", "one", "--steps", "1", "--batch-size", "8", "--out", "cats"]);
    place.refused(&["report", "cats", "--out", "r.html"], &["one: 1 class, expected at least 2"]);
    place.refused(&["report", "cats", "vae", "--out", "r.html"], &["vae: knows the classes", "expected cat as in"]);
    fs::create_dir_all(place.path("study/runs")).unwrap();
    fs::rename(place.path("vae"), place.path("study/runs/cnn-vae")).unwrap();
    place.refused(&["reproduce", "--quick", "--out", "study"], &["cnn-vae", "other settings"]);
}

#[test]
#[ignore = "slow"]
fn drawings_that_were_trained_on_are_named_as_such() {
    let place = Place::new();
    place.ok(&["data", "synth", "--n", "60", "--out", "d"]);
    for (file, rows) in [("test_images.npy", "(0, 28, 28)"), ("test_labels.npy", "(0,)")] {
        let kind = if file.contains("images") { "|u1" } else { "<i8" };
        let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {rows}, }}");
        let header = format!("{header:<117}\n");
        let bytes = [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes()].concat();
        place.write(&format!("d/{file}"), &bytes);
    }
    place.ok(&["train", "cnn-ae", "--data", "d", "--steps", "1", "--batch-size", "8", "--out", "r"]);
    let text = place.ok(&few(&["evaluate", "--run", "r", "--out", "e.json"]));
    assert!(text.contains("d, its training drawings, since there are none to test on"), "{text}");
    place.ok(&few(&["report", "r", "--out", "r.html"]));
    let text = String::from_utf8(place.read("r.md")).unwrap();
    assert!(
        text.contains("- There are no test drawings: everything is measured on drawings that were trained on."),
        "{text}"
    );
}
