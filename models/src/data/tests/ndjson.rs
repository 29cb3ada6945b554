//! Google's strokes: painted as cairo paints them, and files that hold something else.

use std::path::Path;

use super::*;

/// Random strokes, and what Google's recipe makes of them with cairo; `generate.py` there made both.
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/ndjson");

/// Lines `from` and after as a class file.
fn load_class(text: &str) -> Result<Dataset> {
    let folder = Folder::new();
    folder.write("scribble.ndjson", text);
    load(folder.0.path().to_str().unwrap(), &LoadOptions { test_fraction: 0.0, ..LoadOptions::default() })
}

#[test]
fn strokes_are_painted_as_cairo_paints_them() {
    let fixtures = Path::new(FIXTURES);
    let expected = load_images(fixtures.join("bitmaps.npy")).unwrap();
    let painted = crate::data::ndjson::load(&fixtures.join("drawings.ndjson"), false).unwrap();
    let (Pixels::U8(expected), Pixels::U8(painted)) = (expected.pixels(), painted.pixels()) else {
        panic!("not bytes")
    };
    assert_eq!(painted.len(), expected.len());
    let differences: Vec<u8> = painted.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).collect();
    let mean = |part: &[u8]| part.iter().map(|&v| f64::from(v)).sum::<f64>() / part.len() as f64;
    let worst = differences.chunks_exact(PIXELS).map(mean).fold(0.0, f64::max);
    let largest = differences.iter().max().unwrap();
    eprintln!("mean difference {:.4}/255, of the worst drawing {worst:.4}, of a pixel {largest}", mean(&differences));
    assert!(mean(&differences) < 0.1 && worst < 0.3 && *largest < 30);
}

#[test]
fn strokes_and_bitmaps_make_one_data_set() {
    let folder = Folder::new();
    folder.write("line.ndjson", "{\"drawing\":[[[0,255],[0,0]]]}\r\n\n{\"word\":\"line\",\"drawing\":[[[0.5],[7]]]}");
    save_npy(folder.path("grey.npy"), &[2, 28, 28], &[9u8; 2 * PIXELS]).unwrap();
    let dataset = folder.load().unwrap();
    assert_eq!(dataset.classes, ["grey", "line"]);
    assert_eq!(dataset.train.len() + dataset.test.len(), 4);

    save_npy(folder.path("line.npy"), &[1, 784], &[0u8; PIXELS]).unwrap();
    assert_error(folder.load(), &["both line.npy and line.ndjson"]);
}

#[test]
#[ignore = "slow"]
fn drawings_that_were_not_recognised_are_left_out_where_that_is_asked_for() {
    let folder = Folder::new();
    let line = |x: u8, recognized: &str| format!("{{\"drawing\":[[[{x},9],[0,9]]]{recognized}}}\n");
    let lines = [
        line(1, ",\"recognized\":true"),
        line(2, ",\"recognized\": false"),
        line(3, ",\"recognized\":true"),
        "<html>\n".to_owned(),
    ];
    folder.write("cat.ndjson", lines[..3].concat());
    save_npy(folder.path("dog.npy"), &[2, 784], &[9u8; 2 * PIXELS]).unwrap();
    let load = |recognized_only| {
        let options = LoadOptions { test_fraction: 0.0, recognized_only, ..LoadOptions::default() };
        load(folder.0.path().to_str().unwrap(), &options)
    };
    let (all, some) = (load(false).unwrap(), load(true).unwrap());
    assert_eq!((all.train.len(), some.train.len()), (5, 4));
    assert_ne!(all.fingerprint(), some.fingerprint());
    assert!(some.origin.to_string().ends_with(", without 1 that the game did not recognise"), "{}", some.origin);
    assert!(!all.origin.to_string().contains("without"));
    // A line that is none is named as before, by its place in the file.
    folder.write("cat.ndjson", lines.concat());
    assert_error(load(true), &["cat.ndjson:4: "]);
    // Whoever does not say is neither kept nor left out.
    for (says, part) in [("", "no \"recognized\""), (",\"recognized\":\"False\"", "\"recognized\" is \"False\"")] {
        folder.write("cat.ndjson", [&lines[..2], &[line(3, says)]].concat().concat());
        assert_error(load(true), &["cat.ndjson:3: ", part, ", expected true or false"]);
        assert_eq!(load(false).unwrap().train.len(), 5);
    }
    // Where nothing says what was recognised, the option would do nothing.
    fs::remove_file(folder.path("cat.ndjson")).unwrap();
    assert_error(load(true), &["--recognized-only: ", "holds no .ndjson"]);
    let builtin = LoadOptions { recognized_only: true, ..LoadOptions::default() };
    assert_error(crate::data::load("builtin", &builtin), &["--recognized-only: builtin"]);
}

#[test]
fn bad_lines_are_named() {
    let good = "{\"drawing\": [[[0, 9], [0, 9]]]}\n";
    for (line, parts) in [
        ("{\"drawing\": [[[0, 9], [0, 9]]]", &["EOF", "column 30", "expected {\"drawing\""][..]),
        ("[]", &["column"]),
        ("{\"word\": \"cat\"}", &["missing field `drawing`"]),
        ("{\"drawing\": []}", &["no strokes"]),
        ("{\"drawing\": [[[], []]]}", &["stroke 0 has no points"]),
        ("{\"drawing\": [[[0], [0]], []]}", &["stroke 1 has 0 lists", "expected 2"]),
        ("{\"drawing\": [[[0], [0], [0]]]}", &["stroke 0 has 3 lists", "not the raw one"]),
        ("{\"drawing\": [[[0, 1], [0]]]}", &["stroke 0 has 2 values of x and 1 of y"]),
        ("{\"drawing\": [[[\"a\\nb\"], [0]]]}", &["string \"a\\nb\"", "expected f32"]),
        ("{\"drawing\": [[[null], [0]]]}", &["null"]),
        ("{\"drawing\": [[[NaN], [0]]]}", &["expected"]),
        ("{\"drawing\": [[[1e30], [0]]]}", &["coordinate 1", "expected 0 to 256"]),
        ("{\"drawing\": [[[1e300], [0]]]}", &["out of range"]),
        ("{\"drawing\": [[[1e999], [0]]]}", &["out of range"]),
        ("{\"drawing\": [[[0], [-1]]]}", &["coordinate -1,"]),
        ("{\"drawing\": 5}", &["integer `5`"]),
        ("<html>", &["expected value"]),
    ] {
        let text = format!("{good}\n{line}\n{good}<second mistake>");
        assert_error(load_class(&text), &[&["scribble.ndjson:3: "], parts].concat());
    }
    let long = format!("{{\"drawing\": \"{}\"}}", "x".repeat(100_000));
    assert!(load_class(&long).unwrap_err().to_string().len() < 400);
    assert_error(load_class(&"[".repeat(100_000)), &["scribble.ndjson:1: "]);
    let nested = format!("{{\"drawing\": {}", "[".repeat(100_000));
    assert_error(load_class(&nested), &["scribble.ndjson:1: "]);
    let unknown = format!("{{\"x\": {}", "[".repeat(100_000));
    assert_error(load_class(&unknown), &["scribble.ndjson:1: "]);
    assert_error(load_class("\n \n"), &["no images to train on"]);

    let folder = Folder::new();
    folder.write("scribble.ndjson", [b'{', 0xff, b'\n']);
    assert_error(folder.load(), &["scribble.ndjson:1: "]);
    fs::create_dir(folder.path("folder.ndjson")).unwrap();
    assert_error(folder.load(), &["folder.ndjson", "not a file"]);
}
