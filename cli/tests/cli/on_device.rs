//! Commands that use a run, on the emulated GPU.

use std::path::Path;

use inkgrad_models::data::{load_images, load_matrix};

use crate::Place;

/// The numbers of a matrix or of drawings.
fn numbers(file: &Path) -> Vec<f32> {
    load_matrix(file).map(|(.., values)| values).or_else(|_| load_images(file).map(|images| images.values())).unwrap()
}

/// Runs a command here and on the emulated device, and compares the files of floats that both write.
fn compared(place: &Place, command: &[&str], files: &[&str]) {
    let run = |device: &str| {
        place.ok(&[command, &["--device", device]].concat());
        files.iter().map(|file| numbers(&place.path(file))).collect::<Vec<_>>()
    };
    let (here, there) = (run("cpu"), run("emulated"));
    for (file, (here, there)) in files.iter().zip(here.iter().zip(&there)) {
        assert!(!here.is_empty() && here.len() == there.len(), "{file}: {} and {} numbers", here.len(), there.len());
        let size = here.iter().fold(1e-3, |most: f32, x| most.max(x.abs()));
        let apart = here.iter().zip(there).fold(0.0, |most: f32, (a, b)| most.max((a - b).abs()));
        assert!(apart / size < 1e-5, "{file} of {command:?}: {apart:e} apart, of numbers up to {size:e}");
        // The emulated kernels add in another order: the same to the bit would be the processor's own result.
        assert!(here != there, "{file} of {command:?}: the device changed nothing");
    }
}

#[test]
#[ignore = "slow"]
fn an_autoencoder_codes_and_draws_there() {
    let place = Place::with_run();
    let images = ["--run", "vae", "--images", "d/test_images.npy"];
    compared(
        &place,
        &[&["encode"], &images[..], &["--out", "z.npy", "--logvar", "v.npy"]].concat(),
        &["z.npy", "v.npy"],
    );
    compared(&place, &["decode", "--run", "vae", "--latents", "z.npy", "--out", "x.npy"], &["x.npy"]);
    compared(&place, &[&["reconstruct", "--out", "r.npy"], &images[..]].concat(), &["r.npy"]);
    place.ok(&[
        "sample",
        "--run",
        "vae",
        "--n",
        "2",
        "--sampler",
        "aggregate",
        "--device",
        "emulated",
        "--out",
        "s.npy",
    ]);
    let kept = place.files("vae").into_iter().filter(|name| name.contains("aggregate"));
    assert_eq!(kept.count(), 0, "a sampler that the emulator's latents were fitted by is kept");
}

#[test]
#[ignore = "slow"]
fn gradients_there_are_held_to_the_processor_s() {
    let place = Place::new();
    let table = place.json(&["gradcheck", "--op", "lstm", "--device", "emulated"]);
    let row = &table["results"][0];
    assert_eq!((&table["tolerance"], &row["compared"], &row["passed"]), (&1e-5.into(), &12.into(), &true.into()));
    // Sums in another order: some error, far below the tolerance.
    assert!((1e-9..1e-5).contains(&row["error"].as_f64().unwrap()), "{row}");
    let table = place.json(&["gradcheck", "--op", "layer_norm", "--device", "emulated"]);
    assert_eq!(table["results"][0]["skipped"], "runs on the processor alone");
    let text = place.ok(&["gradcheck", "--model", "classifier", "--device", "emulated"]);
    assert!(text.contains("classifier cnn") && text.ends_with("all 2 within 1e-5\n"), "{text}");
}

#[test]
fn a_classifier_judges_there() {
    let place = Place::with_run();
    place.ok(&["train", "classifier", "--data", "d", "--steps", "2", "--batch-size", "8", "--out", "judge"]);
    let images = ["--images", "d/test_images.npy"];
    compared(&place, &[&["classify", "--run", "judge", "--out", "p.npy"], &images[..]].concat(), &["p.npy"]);
    let features = ["features", "--network", "classifier", "--weights", "judge", "--out", "f.npy", "--no-cache"];
    compared(&place, &[&features, &images[..]].concat(), &["f.npy"]);
}
