//! The page on which a network runs: it is whole, small, and computes what the engine computes.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use inkgrad_models::data::{load_images, load_labels, load_matrix};
use serde_json::{Value, json};

use crate::Place;

/// Every model, and the cvae whose encoder sees classes too.
const MODELS: [&[&str]; 7] = [
    &["lstm-ae"],
    &["cnn-ae"],
    &["rnn-vae"],
    &["cnn-vae"],
    &["cvae"],
    &["cvae", "--condition", "both"],
    &["classifier", "--arch", "cnn"],
];

/// Drawings that are compared.
const DRAWINGS: usize = 20;

/// Trains a step of a model on `d` into `r`.
fn train(place: &Place, model: &[&str]) {
    let step = ["--data", "d", "--batch-size", "16", "--steps", "1", "--force", "--out", "r"];
    place.ok(&[&["train"], model, &step[..]].concat());
}

#[test]
#[ignore = "slow"]
fn pages_are_whole_and_compute_what_the_engine_computes() {
    let place = Place::new();
    place.ok(&["data", "synth", "--n", "125", "--out", "d"]);
    for model in MODELS {
        train(&place, model);
        let written = place.json(&["explain", "--run", "r", "--out", "page.html"]);
        let page = String::from_utf8(place.read("page.html")).unwrap();
        assert_eq!(written["bytes"], page.len());
        assert!(page.len() < 3_000_000, "{model:?}: {} bytes", page.len());
        for outside in
            ["src=\"http", "href=\"http", "src=\"//", "href=\"//", "url(", "@import", "fetch(", "<link rel=\"style"]
        {
            assert!(!page.contains(outside), "{model:?}: {outside}");
        }
        assert!(page.contains("default-src 'none'"), "{model:?}");
        let expected = if model[0] == "rnn-vae" { "int8" } else { "f16" };
        assert_eq!(written["numbers"], expected, "{model:?}");
        compare(&place, &page, written["error"]["output"].as_f64().unwrap());
    }
}

/// Compares what the page's interpreter makes of test drawings with what the program does.
fn compare(place: &Place, page: &str, rounding: f64) {
    let images = load_images(place.path("d/test_images.npy")).unwrap();
    let labels = load_labels(place.path("d/test_labels.npy")).unwrap();
    let rows: Vec<Vec<f32>> = (0..DRAWINGS).map(|i| images.image(i)).collect();
    let Some(found) = replay(page, &json!({ "images": rows, "labels": labels })) else { return };
    let files = ["--run", "r", "--images", "d/test_images.npy"];
    let expected = if found["kind"] == "classifier" {
        place.ok(&[&["classify"], &files[..], &["--out", "y.npy"]].concat());
        load_matrix(place.path("y.npy")).unwrap().2
    } else {
        place.ok(&[&["reconstruct"], &files[..], &["--labels", "d/test_labels.npy", "--out", "y.npy"]].concat());
        load_images(place.path("y.npy")).unwrap().values()
    };
    // Of weights as bytes the page itself says how far they are off; of halves, a thousandth is the most.
    let tolerance = if found["numbers"] == "f16" { 1e-3 } else { 4.0 * rounding };
    let found = found["outputs"].as_array().unwrap();
    let found: Vec<f64> = found.iter().flat_map(|row| row.as_array().unwrap()).map(|y| y.as_f64().unwrap()).collect();
    assert!(found.len() >= DRAWINGS * 5 && expected.len() >= found.len());
    for (i, (found, &expected)) in found.iter().zip(&expected).enumerate() {
        assert!((found - f64::from(expected)).abs() <= tolerance, "number {i}: {found}, the engine has {expected}");
    }
}

/// Runs a page's own interpreter in Node.js on drawings; `None` where there is none.
fn replay(page: &str, drawings: &Value) -> Option<Value> {
    const USE: &str = "
const [page, drawings] = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const params = readWeights(page.weights), {encoding, decoding, classification} = page.tapes;
const clamp = x => Math.min(Math.max(x, 0), 1);
const outputs = drawings.images.map((pixels, i) => {
  const images = Float32Array.from(pixels), labels = [drawings.labels[i]];
  if (classification) {
    const logits = replay(classification, params, {images}).values[classification.logits];
    return Array.from(softmax(logits));
  }
  const latents = replay(encoding, params, {images, labels}).values[encoding.mu];
  return Array.from(replay(decoding, params, {latents, labels}).values[decoding.images], clamp);
});
const kind = classification ? 'classifier' : 'autoencoder';
console.log(JSON.stringify({kind, numbers: page.weights.numbers, outputs}));
";
    let part = |before: &str, within: &str| {
        let parts = page.split(before).skip(1).map(|part| part.split("</script>").next().unwrap());
        parts.into_iter().find(|part| part.contains(within)).unwrap_or_else(|| panic!("no {before} with {within}"))
    };
    let data = part("<script type=\"application/json\" id=\"data\">", "");
    let script = format!("{}\n{USE}", part("<script>", "function replay("));
    let mut command = Command::new("node");
    let spawned = command.arg("-e").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = spawned else {
        eprintln!("not compared: no Node.js here");
        return None;
    };
    let text = format!("[{data}, {drawings}]");
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn untrained_models_and_other_numbers() {
    let place = Place::with_run();
    let page = |args: &[&str]| {
        place.ok(&[&["explain", "--out", "page.html", "--data", "d"], args].concat());
        String::from_utf8(place.read("page.html")).unwrap()
    };
    assert!(page(&["--model", "cnn-ae"]).contains("untrained (seed 42)"));
    let (halves, bytes) = (page(&["--run", "vae"]), page(&["--run", "vae", "--numbers", "int8"]));
    assert!(bytes.len() + 1_000_000 < halves.len());
    assert!(halves.contains("16-bit floating-point") && bytes.contains("8-bit whole numbers"));
}

#[test]
fn names_are_text_whatever_they_hold() {
    let place = Place::new();
    place.ok(&["data", "synth", "--n", "60", "--out", "d"]);
    let names = [
        "</script><script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "{{data}} 'quoted' & \\u003c",
        "חתול <!--",
        "يوغا </title>",
    ];
    place.write("d/classes.txt", names.join("\n").as_bytes());
    train(&place, &["cvae"]);
    place.ok(&["explain", "--run", "r", "--out", "page.html"]);
    let page = String::from_utf8(place.read("page.html")).unwrap();
    assert!(!page.contains("alert(1)</script>") && !page.contains("<img src=x"));
    assert_eq!(page.matches("</script>").count(), page.matches("<script").count());
}

#[test]
#[ignore = "slow"]
fn what_cannot_be_explained_is_refused() {
    let place = Place::with_run();
    let explain = |args: &[&str], parts: &[&str]| place.refused(&[&["explain"], args].concat(), parts);
    explain(&["--run", "none", "--out", "p.html"], &["none"]);
    explain(&["--model", "cnn-vaf", "--out", "p.html"], &["cnn-vaf", "cnn-vae"]);
    explain(&["--run", "vae", "--data", "nowhere", "--out", "p.html"], &["nowhere", "no such folder"]);
    explain(&["--run", "vae", "--out", "no/p.html"], &["no folder no"]);
    place.write("letter.html", b"<p>Dear all,");
    explain(&["--run", "vae", "--out", "letter.html"], &["letter.html", "--force"]);
    place.ok(&["explain", "--run", "vae", "--out", "letter.html", "--force"]);
    place.ok(&["explain", "--run", "vae", "--out", "letter.html"]);

    // Weights that no page can hold. The last number of the file is one of a weight.
    let good = place.read("vae/model.safetensors");
    let with = |last: f32| [&good[..good.len() - 4], &last.to_le_bytes()].concat();
    place.write("vae/model.safetensors", &with(f32::NAN));
    explain(&["--run", "vae", "--out", "p.html"], &["weight", "NaN", "expected finite"]);
    place.write("vae/model.safetensors", &with(1e6));
    explain(&["--run", "vae", "--numbers", "f16", "--out", "p.html"], &["1000000", "at most 65504", "int8"]);
    assert_eq!(place.json(&["explain", "--run", "vae", "--out", "p.html"])["numbers"], "int8");
    explain(&["--model", "cnn-ae", "--weights", "last", "--out", "p.html"], &["--weights", "untrained"]);

    // Weights of another model.
    place.ok(&["train", "cnn-ae", "--data", "d", "--steps", "1", "--batch-size", "8", "--out", "ae"]);
    fs::copy(place.path("ae/model.safetensors"), place.path("vae/model.safetensors")).unwrap();
    explain(&["--run", "vae", "--out", "p.html"], &["model.safetensors", "cnn-ae", "cnn-vae"]);
}

#[test]
fn drawings_to_train_on_will_do_where_there_are_no_others() {
    let place = Place::with_run();
    place.ok(&["data", "synth", "--n", "60", "--out", "e"]);
    let none = |name: &str, shape: &[usize]| {
        inkgrad_models::data::save_npy(place.path(name), shape, &[0u8; 0]).unwrap();
    };
    none("e/test_images.npy", &[0, 28, 28]);
    none("e/test_labels.npy", &[0]);
    place.ok(&["explain", "--run", "vae", "--data", "e", "--out", "page.html"]);
    assert!(String::from_utf8(place.read("page.html")).unwrap().contains("the training drawings of"));
}
