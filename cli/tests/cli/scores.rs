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
fn features_at_the_end_of_float32_have_scores_that_are_numbers() {
    let place = Place::new();
    for (name, shift) in [("r.npy", 0), ("g.npy", 7)] {
        let values: Vec<f32> = (0..40 * 4).map(|i| ((i * i + shift) % 61) as f32 / 61.0 * f32::MAX).collect();
        save_npy(place.path(name), &[40, 4], &values).unwrap();
    }
    let score = ["score", "--real", "r.npy", "--generated", "g.npy"];
    let scores = place.json(&score);
    for key in ["fid", "kid_mean", "precision", "recall", "density", "coverage"] {
        assert!(scores[key].is_f64() && scores["passport"]["floor"][key].is_f64(), "{key}: {scores}");
    }
    let text = place.ok(&score);
    assert!(!text.contains("inf") && text.lines().all(|line| line.chars().count() < 100), "{text}");
    save_npy(place.path("g.npy"), &[40, 4], &[1e39f64; 160]).unwrap();
    place.refused(&score, &["g.npy: row 0 holds 1e39, expected finite numbers up to 3.4e38"]);
}

#[test]
fn features_that_cannot_be_scored() {
    let place = Place::new();
    features(&place, "f.npy", 40, 5);
    features(&place, "wide.npy", 40, 6);
    features(&place, "few.npy", 3, 5);
    features(&place, "one.npy", 1, 5);
    save_npy(place.path("nan.npy"), &[2, 5], &[f32::NAN; 10]).unwrap();
    save_npy(place.path("none.npy"), &[0, 5], &[0f32; 0]).unwrap();
    let cases: [(&str, &[&str]); 5] = [
        ("wide.npy", &["wide.npy: rows of 6, expected 5, the width of f.npy"]),
        ("one.npy", &["one.npy: 1 row, expected at least 2 for a covariance"]),
        ("nan.npy", &["nan.npy: row 0 holds NaN"]),
        ("none.npy", &["none.npy", "expected at least one full row"]),
        ("missing.npy", &["missing.npy", "No such file"]),
    ];
    for (file, parts) in cases {
        place.refused(&["score", "--real", "f.npy", "--generated", file], parts);
    }
    place.refused(&["score", "--real", "f.npy", "--generated", "f.npy", "--threads", "0"], &["--threads"]);
    let weights = ["score", "--real", "f.npy", "--generated", "f.npy", "--weights-sha256", "zz"];
    place.refused(&weights, &["--weights-sha256", "expected the 64 hexadecimal digits"]);
    let logits = ["score", "--real", "f.npy", "--generated", "f.npy", "--logits", "few.npy"];
    place.refused(&logits, &["few.npy: 3 rows, expected 40, one for each of f.npy"]);
    for option in [&["--run-weights", "best"][..], &["--cache", "c"], &["--no-cache"]] {
        let score = [&["score", "--real", "f.npy", "--generated", "f.npy"], option].concat();
        place.refused(&score, &[option[0], "given for features, expected a network"]);
    }
}

/// Scores that need more rows than there are are left out; the others are given.
#[test]
fn few_rows_have_the_scores_that_they_suffice_for() {
    let place = Place::new();
    features(&place, "f.npy", 40, 5);
    for (rows, names) in [
        (2, &["precision", "recall", "density", "coverage", "is_mean", "fid_infinity"][..]),
        (8, &["is_mean", "fid_infinity"]),
        (20, &["fid_infinity"]),
    ] {
        features(&place, "g.npy", rows, 5);
        let args = ["score", "--real", "f.npy", "--generated", "g.npy", "--logits", "g.npy", "--fid-infinity"];
        let scores = place.json(&args);
        assert!(scores["fid"].is_f64() && scores["kid_mean"].is_f64(), "{scores}");
        for name in ["precision", "recall", "density", "coverage", "is_mean", "fid_infinity"] {
            let (left_out, note) = (names.contains(&name), &scores["notes"][name]);
            assert_eq!(scores[name].is_null(), left_out, "{rows} rows, {name}: {scores}");
            let why = note.as_str().is_some_and(|note| note.starts_with(&format!("g.npy: {rows} rows, expected at")));
            assert_eq!(why, left_out, "{rows} rows, {name}: {note}");
        }
        let text = place.ok(&args);
        assert!(text.lines().any(|line| line.split_whitespace().eq(["FID∞", "-", "-"])), "{text}");
    }
}

/// A hundred subsets of all rows are one, and a set has no distance from itself.
#[test]
fn subsets_that_do_not_vary_have_no_deviation() {
    let place = Place::new();
    features(&place, "f.npy", 40, 5);
    let args = ["score", "--real", "f.npy", "--generated", "f.npy"];
    let (scores, text) = (place.json(&args), place.ok(&args));
    assert!(scores["kid_std"].is_null() && scores["passport"]["floor"]["kid_std"].is_null(), "{scores}");
    assert!(scores["fid"] == 0.0 && !text.contains('±') && text.contains("FID  "), "{text}");
    features(&place, "g.npy", 39, 5);
    let scores = place.json(&["score", "--real", "f.npy", "--generated", "g.npy"]);
    assert!(scores["kid_std"].as_f64().unwrap() > 0.0 && scores["passport"]["floor"]["kid_std"].is_null(), "{scores}");
}

/// Writes a picture of these bytes as a PNG file.
fn png(place: &Place, name: &str, (height, width): (u32, u32), colour: png::ColorType, bytes: &[u8]) {
    let path = place.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(std::fs::File::create(path).unwrap(), width, height);
    encoder.set_color(colour);
    encoder.write_header().unwrap().write_image_data(bytes).unwrap();
}

/// A folder of grey drawings, 28×28, the first of which have a file `shift` later.
fn drawings(place: &Place, folder: &str, count: usize, shift: usize) -> Vec<u8> {
    let mut all = Vec::new();
    for i in 0..count {
        let bytes: Vec<u8> = (0..28 * 28).map(|p| ((p * (i + shift + 3) + i * i) % 251) as u8).collect();
        png(place, &format!("{folder}/{i:03}.png"), (28, 28), png::ColorType::Grayscale, &bytes);
        all.extend(bytes);
    }
    all
}

#[test]
fn folders_are_scored_by_their_pixels_as_arrays_of_them_are() {
    let place = Place::new();
    let (real, generated) = (drawings(&place, "real", 30, 0), drawings(&place, "made", 20, 2));
    save_npy(place.path("r.npy"), &[30, 28, 28], &real).unwrap();
    save_npy(place.path("g.npy"), &[20, 28, 28], &generated).unwrap();
    let folders = place.json(&["score", "--real", "real", "--generated", "made", "--network", "pixels"]);
    assert_eq!((&folders["passport"]["real"], &folders["passport"]["width"]), (&30.into(), &784.into()));
    assert_eq!(folders["passport"]["name"], "pixels");
    assert!(folders["fid"].as_f64().unwrap() > 0.0 && folders["is_mean"].is_null());
    let mixed = place.json(&["score", "--real", "real", "--generated", "g.npy", "pixels"]);
    let arrays = place.json(&["score", "--real", "r.npy", "--generated", "g.npy", "pixels"]);
    assert!(folders == arrays && mixed == arrays);
    // The same pixels as features that are given.
    let floats = |bytes: &[u8]| bytes.iter().map(|&v| f32::from(v) / 255.0).collect::<Vec<f32>>();
    save_npy(place.path("rf.npy"), &[30, 784], &floats(&real)).unwrap();
    save_npy(place.path("gf.npy"), &[20, 784], &floats(&generated)).unwrap();
    let given = place.json(&["score", "--real", "rf.npy", "--generated", "gf.npy"]);
    assert_eq!(given["fid"], arrays["fid"]);
    // Files that are no pictures by name are left out aloud; colours that are equal are grey.
    place.write("made/notes.txt", b"not a picture");
    let bytes: Vec<u8> = generated[..784].iter().flat_map(|&v| [v; 3]).collect();
    png(&place, "made/000.png", (28, 28), png::ColorType::Rgb, &bytes);
    let ended = place.run(&["score", "--real", "real", "--generated", "made", "pixels", "--json"]);
    assert!(ended.stderr.contains("made/notes.txt: no PNG or JPEG by name, left out"), "{}", ended.stderr);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ended.stdout).unwrap(), arrays);
}

#[test]
fn folders_are_scored_by_a_classifier_and_their_features_are_kept() {
    let place = Place::with_run();
    let train = ["train", "classifier", "--data", "d", "--steps", "2", "--batch-size", "8", "--out", "judge"];
    place.ok(&train);
    drawings(&place, "real", 12, 0);
    drawings(&place, "made", 12, 5);
    let args = ["score", "--real", "real", "--generated", "made", "--classifier", "judge", "--cache", "kept"];
    let first = place.json(&args);
    assert_eq!(first["passport"]["name"], "classifier-mlp");
    assert!(first["is_mean"].as_f64().unwrap() >= 1.0, "{first}");
    assert_eq!(place.files("kept").len(), 2);
    assert_eq!(place.json(&args), first);
    let long = ["score", "--real", "real", "--generated", "made", "--network", "classifier", "--weights", "judge"];
    assert_eq!(place.json(&[&long[..], &["--no-cache"]].concat()), first);
    assert!(place.ok(&args).contains(", resize none, seed"));
    // Other contents have other features, whatever their names.
    drawings(&place, "made", 12, 6);
    assert_ne!(place.json(&args)["fid"], first["fid"]);
    assert_eq!(place.files("kept").len(), 3);
    png(&place, "made/big.png", (32, 28), png::ColorType::Grayscale, &[9; 32 * 28]);
    place.refused(&args, &["made/big.png: 32×28, expected 28×28 as made/000.png"]);
}

#[test]
fn a_jpeg_file_is_read_as_others_read_it() {
    let place = Place::new();
    drawings(&place, "real", 12, 0);
    drawings(&place, "made", 11, 0);
    // Of Pillow, quality 90: pixel (y, x) is 4 (x + y).
    place.write("made/011.JPG", include_bytes!("ramp.jpg"));
    place.json(&["score", "--real", "real", "--generated", "made", "pixels"]);
    let ramp: Vec<u8> = (0..28 * 28).map(|p| (4 * (p / 28 + p % 28)) as u8).collect();
    std::fs::remove_dir_all(place.path("real")).unwrap();
    std::fs::create_dir(place.path("ramps")).unwrap();
    for i in 0..12 {
        png(&place, &format!("real/{i}.png"), (28, 28), png::ColorType::Grayscale, &ramp);
        place.write(&format!("ramps/{i}.jpg"), include_bytes!("ramp.jpg"));
    }
    let scores = place.json(&["score", "--real", "real", "--generated", "ramps", "pixels"]);
    // A level or two of 255 apart, pixel by pixel.
    let distance = (scores["fid"].as_f64().unwrap() / 784.0).sqrt() * 255.0;
    assert!(distance < 1.5, "{distance}");
}

#[test]
fn folders_that_cannot_be_scored_are_refused() {
    let place = Place::with_run();
    drawings(&place, "real", 12, 0);
    let score = |rest: &[&'static str]| [&["score", "--real", "real", "--generated", "d"], rest].concat();
    place.refused(&score(&[]), &["--real: real is a folder of pictures, expected --network inception"]);
    place.refused(&score(&["pixels"]), &["d: no pictures, expected PNG or JPEG files"]);
    place.refused(&score(&["--network", "inception"]), &["--weights: missing, expected the network's file or run"]);
    place.refused(&score(&["--classifier", "vae"]), &["vae: holds cnn-vae, expected a classifier"]);
    place.refused(&score(&["--network", "pixels", "--resize", "tf1"]), &["--resize: given without InceptionV3"]);
    let own = ["score", "--real", "real", "--generated", "real", "pixels"];
    for (bytes, problem) in [
        (&b"GIF89a"[..], "neither PNG nor JPEG by its first bytes"),
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n and no more", "real/new.png: "),
        (b"\xff\xd8\xff\xe0 and no more", "real/new.png: "),
    ] {
        place.write("real/new.png", bytes);
        place.refused(&own, &["real/new.png: ", problem]);
    }
    png(&place, "real/new.png", (14, 28), png::ColorType::Grayscale, &[0; 14 * 28]);
    place.refused(&own, &["real/new.png: 14×28, expected 28×28 as real/000.png"]);
}

/// Features in float64 whose differences rounding would take away.
#[test]
fn doubles_that_float32_cannot_tell_apart_are_refused() {
    let place = Place::new();
    let save = |name: &str, shift: f64, scale: f64| {
        let values: Vec<f64> = (0..160).map(|i| shift + scale * f64::from((i * i + 7 * i) % 101)).collect();
        save_npy(place.path(name), &[40, 4], &values).unwrap();
    };
    for (shift, scale) in [(1e9, 0.1), (0.0, 1e-200)] {
        save("f.npy", shift, scale);
        place.refused(&["score", "--real", "f.npy", "--generated", "f.npy"], &["f.npy: float64 whose rows differ by "]);
    }
    for (shift, scale) in [(1e4, 0.1), (0.0, 1e-30), (7.0, 0.0)] {
        save("f.npy", shift, scale);
        place.ok(&["score", "--real", "f.npy", "--generated", "f.npy"]);
    }
}
