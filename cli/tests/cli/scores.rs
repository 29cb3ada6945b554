//! `score`: numbers of feature files, and what it refuses.

use inkgrad_models::data::save_npy;

use crate::Place;

/// Writes (rows, width) values that differ.
fn features(place: &Place, name: &str, rows: usize, width: usize) {
    let values: Vec<f32> = (0..rows * width).map(|i| ((i * i + 7 * i) % 101) as f32 / 10.0).collect();
    save_npy(place.path(name), &[rows, width], &values).unwrap();
}

#[test]
fn a_score_has_its_keys_and_its_passport() {
    let place = Place::new();
    features(&place, "f.npy", 40, 5);
    features(&place, "g.npy", 30, 5);
    features(&place, "l.npy", 30, 3);
    let args = ["score", "--real", "f.npy", "--generated", "g.npy", "--logits", "l.npy", "--fid-infinity"];
    let scores = place.json(&args);
    for key in [
        "fid",
        "kid_mean",
        "kid_std",
        "precision",
        "recall",
        "density",
        "coverage",
        "is_mean",
        "is_std",
        "fid_infinity",
    ] {
        assert!(scores[key].as_f64().is_some_and(f64::is_finite), "{key}: {scores}");
    }
    let passport = &scores["passport"];
    assert_eq!((&passport["real"], &passport["generated"]), (&40.into(), &30.into()));
    assert!(passport["floor"]["fid"].as_f64().unwrap() > 0.0);
    for threads in ["1", "3"] {
        assert_eq!(place.json(&[&args[..], &["--threads", threads]].concat()), scores, "{threads} threads");
    }
    let ended = place.run(&args);
    assert!(ended.stdout.contains("FID∞") && ended.stdout.contains("two disjoint halves"), "{}", ended.stdout);
    assert!(ended.stderr.contains("warning: KID's subsets are of 30 rows"), "{}", ended.stderr);

    let same = place.json(&["score", "--real", "f.npy", "--generated", "f.npy"]);
    assert!(same["fid"].as_f64().unwrap().abs() < 1e-9 && same["precision"] == 1.0, "{same}");
    assert!(same["is_mean"].is_null());
}

#[test]
fn logits_of_one_class_are_scored_with_a_warning() {
    let place = Place::new();
    features(&place, "f.npy", 20, 5);
    save_npy(place.path("c.npy"), &[20, 5], &[2.0f32; 100]).unwrap();
    let args = ["score", "--real", "f.npy", "--generated", "f.npy", "--logits", "c.npy"];
    let ended = place.run(&args);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("warning: c.npy: every row is of the same class, 0"), "{}", ended.stderr);
    assert_eq!(place.json(&args)["is_mean"], 1.0);
}

/// Of a model that has collapsed.
#[test]
fn features_without_spread_are_scored_and_copies_are_told() {
    let place = Place::new();
    features(&place, "f.npy", 40, 5);
    save_npy(place.path("same.npy"), &[40, 5], &[2.0f32; 200]).unwrap();
    let ended = place.run(&["score", "--real", "f.npy", "--generated", "same.npy"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("warning: same.npy: all rows are equal"), "{}", ended.stderr);
    assert!(place.json(&["score", "--real", "f.npy", "--generated", "same.npy"])["fid"].as_f64().unwrap() > 1.0);

    let args = ["score", "--real", "same.npy", "--generated", "f.npy"];
    let ended = place.run(&args);
    for score in ["density", "coverage"] {
        let warning = format!("warning: {score}: same.npy: 40 of 40 rows have 3 copies or more");
        assert!(ended.stderr.contains(&warning), "{}", ended.stderr);
        assert!(place.json(&args)["notes"][score].as_str().unwrap().contains("40 of 40 rows"));
    }
}

#[test]
fn features_that_cannot_be_scored() {
    let place = Place::new();
    features(&place, "f.npy", 40, 5);
    features(&place, "wide.npy", 40, 6);
    features(&place, "few.npy", 3, 5);
    features(&place, "eight.npy", 8, 5);
    save_npy(place.path("nan.npy"), &[2, 5], &[f32::NAN; 10]).unwrap();
    save_npy(place.path("none.npy"), &[0, 5], &[0f32; 0]).unwrap();
    let cases: [(&str, &[&str]); 5] = [
        ("wide.npy", &["wide.npy: rows of 6, expected 5, the width of f.npy"]),
        ("few.npy", &["few.npy: 3 rows, expected at least 4 for 3 neighbours"]),
        ("nan.npy", &["nan.npy: row 0 holds NaN"]),
        ("none.npy", &["none.npy", "expected at least one full row"]),
        ("missing.npy", &["missing.npy", "No such file"]),
    ];
    for (file, parts) in cases {
        place.refused(&["score", "--real", "f.npy", "--generated", file], parts);
    }
    place.refused(&["score", "--real", "f.npy", "--generated", "f.npy", "--threads", "0"], &["--threads"]);
    let logits = ["score", "--real", "f.npy", "--generated", "f.npy", "--logits", "few.npy"];
    place.refused(&logits, &["few.npy: 3 rows, expected 40, one for each of f.npy"]);
    let logits = ["score", "--real", "f.npy", "--generated", "eight.npy", "--logits", "eight.npy"];
    place.refused(&logits, &["eight.npy: 8 rows, expected at least 10 for 10 splits"]);
}
