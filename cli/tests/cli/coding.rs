//! Using a run: latents, reconstructions, samples, and files that travel.

use inkgrad_models::data::{load_images, load_matrix, save_npy};

use crate::Place;

/// Width and height of a PNG file.
fn png_size(place: &Place, name: &str) -> (u32, u32) {
    let bytes = place.read(name);
    assert_eq!(bytes[..8], *b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[test]
fn drawings_become_latents_and_drawings_again() {
    let place = Place::with_run();
    let images = "d/test_images.npy";
    let encoded = place.json(&["encode", "--run", "vae", "--images", images, "--out", "z.npy", "--logvar", "v.npy"]);
    assert_eq!((&encoded["images"], &encoded["latent"]), (&12.into(), &32.into()));
    let (rows, columns, z) = load_matrix(place.path("z.npy")).unwrap();
    assert_eq!((rows, columns), (12, 32));
    let (rows, columns, v) = load_matrix(place.path("v.npy")).unwrap();
    assert_eq!((rows, columns), (12, 32));
    assert_ne!(z, v);

    place.ok(&["decode", "--run", "vae", "--latents", "z.npy", "--out", "x.npy"]);
    let summary = place.json(&["reconstruct", "--run", "vae", "--images", images, "--out", "r.npy", "--png", "r.png"]);
    // z = μ: decoding the means is reconstructing.
    assert!(place.read("x.npy") == place.read("r.npy"));
    let (originals, reconstructed) =
        (load_images(place.path(images)).unwrap(), load_images(place.path("r.npy")).unwrap());
    assert_eq!((reconstructed.len(), reconstructed.pixel_type()), (12, "float32"));
    let squares = (0..12).flat_map(|i| {
        let (a, b) = (originals.image(i), reconstructed.image(i));
        (0..784).map(move |j| f64::from(a[j] - b[j]).powi(2))
    });
    let mse = squares.sum::<f64>() / (12.0 * 784.0);
    assert!((summary["mse"].as_f64().unwrap() - mse).abs() < 1e-6, "{summary}");
    assert!(summary["bce"].as_f64().unwrap() > 0.0);
    let (width, height) = png_size(&place, "r.png");
    assert!(width > 12 * 28 && height > 2 * 28, "{width} × {height}");
}

#[test]
fn samples_follow_seed_and_strategy_and_say_so() {
    let place = Place::with_run();
    let sample = |out: &str, options: &[&str]| {
        let summary = place.json(&[&["sample", "--run", "vae", "--n", "5", "--out", out], options].concat());
        assert_eq!(load_images(place.path(out)).unwrap().len(), 5);
        (summary, place.read(out))
    };
    let (summary, drawn) = sample("a.npy", &["--png", "a.png"]);
    assert_eq!((&summary["strategy"], &summary["seed"]), (&"prior".into(), &42.into()));
    png_size(&place, "a.png");
    assert!(drawn == sample("b.npy", &["--seed", "42"]).1);
    assert!(drawn != sample("c.npy", &["--seed", "1"]).1);
    for strategy in ["scaled", "sparse", "uniform", "alternating", "focused"] {
        let (summary, other) = sample("d.npy", &["--strategy", strategy]);
        assert_eq!(summary["strategy"], strategy);
        assert!(drawn != other, "{strategy}");
        let text = place.ok(&["sample", "--run", "vae", "--n", "1", "--strategy", strategy, "--out", "d.npy"]);
        assert!(text.contains(strategy) && text.contains("not draws from the prior"), "{text}");
    }
}

#[test]
fn a_picture_shows_at_most_400() {
    let place = Place::with_run();
    let text = place.ok(&["sample", "--run", "vae", "--n", "401", "--out", "s.npy", "--png", "s.png"]);
    assert!(text.contains("s.png: a picture of 400 of the 401"), "{text}");
    assert_eq!(load_images(place.path("s.npy")).unwrap().len(), 401);
}

#[test]
fn pairs_are_interpolated_in_rows() {
    let place = Place::with_run();
    let interpolate =
        ["interpolate", "--run", "vae", "--images", "d/test_images.npy", "--pairs", "2", "--png", "i.png"];
    assert_eq!(place.json(&interpolate)["steps"], 10);
    let (ten, height) = png_size(&place, "i.png");
    place.ok(&[&interpolate[..], &["--steps", "4"]].concat());
    let (four, same) = png_size(&place, "i.png");
    // Six cells fewer in a row, as many rows.
    assert_eq!((ten - four, height), (6 * (28 * 3 + 2), same));
}

#[test]
fn labels_that_a_model_does_not_need_are_not_an_error() {
    let place = Place::with_run();
    let args = ["reconstruct", "--run", "vae", "--images", "d/test_images.npy", "--out", "r.npy", "--labels"];
    let ended = place.run(&[&args[..], &["d/test_labels.npy"]].concat());
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("cnn-vae does not see classes"), "{}", ended.stderr);
    save_npy(place.path("few.npy"), &[3], &[0i64; 3]).unwrap();
    place.refused(&[&args[..], &["few.npy"]].concat(), &["few.npy: 3 labels, expected 12"]);
}

#[test]
fn weights_travel_there_and_back() {
    let place = Place::with_run();
    let exported = place.json(&["export", "--run", "vae", "--out", "F.safetensors"]);
    assert_eq!((&exported["tensors"], &exported["parameters"]), (&18.into(), &865_345.into()));
    place.ok(&["import", "--model", "cnn-vae", "--weights", "F.safetensors", "--out", "back"]);
    for (run, out) in [("vae", "a.npy"), ("back", "b.npy")] {
        place.ok(&["encode", "--run", run, "--images", "d/test_images.npy", "--out", out]);
    }
    assert!(place.read("a.npy") == place.read("b.npy"));
    place.refused(&["train", "--resume", "back"], &["back: holds weights but no state.safetensors"]);
    let import = ["import", "--model", "cnn-vae", "--weights", "F.safetensors", "--out", "back"];
    place.refused(&import, &["back: holds a run already"]);
    place.refused(&["import", "--model", "cnn-vae", "--weights", "d/classes.txt", "--out", "new"], &["classes.txt"]);
}
