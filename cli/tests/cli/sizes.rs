//! Networks at sizes of one's own, on pictures of any sides: training, and every command that reads the run.

use inkgrad_models::data::{load_images, load_matrix, save_npy};

use crate::Place;
use crate::limits::limited;

/// 60 pictures of two classes to train on and 12 to test on in `d`, 17×22 and in colour.
fn pictures(place: &Place) {
    std::fs::create_dir(place.path("d")).unwrap();
    for (part, n) in [("train", 60usize), ("test", 12)] {
        let pixels: Vec<u8> = (0..n * 17 * 22 * 3).map(|i| (i * 7919 % 251) as u8).collect();
        save_npy(place.path(&format!("d/{part}_images.npy")), &[n, 17, 22, 3], &pixels).unwrap();
        let labels: Vec<u8> = (0..n).map(|i| (i % 2) as u8).collect();
        save_npy(place.path(&format!("d/{part}_labels.npy")), &[n], &labels).unwrap();
    }
    place.write("d/classes.txt", b"cat\ndog\n");
}

/// Trains `model` for some steps with options.
fn train(place: &Place, model: &str, out: &str, steps: &str, options: &[&str]) -> String {
    let common = ["--data", "d", "--batch-size", "6", "--threads", "1", "--steps", steps];
    let ended = place.run(&[&["train", model, "--out", out], &common[..], options].concat());
    assert_eq!(ended.status, 0, "{model}: {}", ended.stderr);
    ended.stderr
}

#[test]
fn every_command_takes_a_run_of_other_sizes() {
    let place = Place::new();
    pictures(&place);
    let said = train(&place, "cnn-vae", "run", "2", &["--latent", "5", "--channels", "4,6,8"]);
    let padded = "pictures of 17×22×3 do not halve evenly 2 times: the encoder pads them to 20×24×3 on its way, and what it \
                  decodes is cropped to 17×22×3";
    assert_eq!(said.matches(padded).count(), 1, "{said}");
    let config = String::from_utf8(place.read("run/config.toml")).unwrap();
    for line in ["latent = 5", "channels = [4, 6, 8]", "image = [17, 22, 3]"] {
        assert!(config.lines().any(|found| found == line), "{config}");
    }

    place.ok(&["encode", "--run", "run", "--images", "d/test_images.npy", "--out", "z.npy"]);
    let (rows, width, _) = load_matrix(place.path("z.npy")).unwrap();
    assert_eq!((rows, width), (12, 5));
    place.ok(&["decode", "--run", "run", "--latents", "z.npy", "--out", "x.npy"]);
    place.ok(&["reconstruct", "--run", "run", "--images", "d/test_images.npy", "--out", "r.npy", "--png", "r.png"]);
    place.ok(&["sample", "--run", "run", "--n", "12", "--out", "s.npy", "--png", "s.png"]);
    for name in ["x.npy", "r.npy", "s.npy"] {
        let images = load_images(place.path(name)).unwrap();
        let extents = images.extents();
        assert_eq!((images.len(), extents.height, extents.width, extents.channels), (12, 17, 22, 3), "{name}");
    }
    place.ok(&["interpolate", "--run", "run", "--images", "d/test_images.npy", "--pairs", "2", "--png", "between.png"]);
    place.ok(&["explain", "--run", "run", "--data", "d", "--out", "page.html"]);

    // There and back: the sizes are read from the weights.
    place.ok(&["export", "--run", "run", "--out", "w.safetensors"]);
    let import = ["import", "--model", "cnn-vae", "--weights", "w.safetensors", "--out"];
    place.ok(&[&import[..], &["again", "--data", "d"]].concat());
    let again = String::from_utf8(place.read("again/config.toml")).unwrap();
    for line in ["latent = 5", "channels = [4, 6, 8]", "image = [17, 22, 3]"] {
        assert!(again.lines().any(|found| found == line), "{again}");
    }
    place.refused(
        &[&import[..], &["other", "--latent", "6"]].concat(),
        &["--latent: 6, expected 5 as in w.safetensors (encoder.fc_mu.weight is (5, 240))"],
    );

    // Gone on with as if it had not been interrupted.
    train(&place, "cnn-vae", "whole", "4", &["--latent", "5", "--channels", "4,6,8"]);
    place.ok(&["train", "--resume", "run", "--steps", "4"]);
    assert!(place.read("run/model.safetensors") == place.read("whole/model.safetensors"));
    let refused = place.run(&["train", "--resume", "run", "--latent", "6"]);
    assert!(refused.status == 2 && refused.stderr.contains("cannot be used with '--latent <N>'"), "{}", refused.stderr);

    save_npy(place.path("square.npy"), &[2, 20, 20], &[0u8; 800]).unwrap();
    place.refused(
        &["encode", "--run", "run", "--images", "square.npy", "--out", "no.npy"],
        &["square.npy: pictures of 20×20, expected 17×22×3 as in training"],
    );
}

#[test]
#[ignore = "slow"]
fn every_model_trains_at_other_sizes_here_and_on_the_emulator() {
    let place = Place::new();
    pictures(&place);
    let cases: [(&str, &[&str]); 6] = [
        ("lstm-ae", &["--latent", "5", "--hidden", "6", "--layers", "1", "--bidirectional"]),
        ("cnn-ae", &["--latent", "5", "--channels", "3,4,5"]),
        ("rnn-vae", &["--latent", "5", "--hidden", "6", "--layers", "2", "--bidirectional=no", "--channels", "4,5"]),
        ("cnn-vae", &["--latent", "5", "--channels", "4,6"]),
        ("cvae", &["--latent", "5", "--channels", "4,6", "--condition", "both"]),
        ("classifier", &["--hidden", "6", "--layers", "3"]),
    ];
    for (model, options) in cases {
        let mut losses = Vec::new();
        for device in ["cpu", "emulated"] {
            let out = format!("{model}-{device}");
            train(&place, model, &out, "2", &[options, &["--device", device]].concat());
            let records = String::from_utf8(place.read(&format!("{out}/metrics.jsonl"))).unwrap();
            let first: serde_json::Value = serde_json::from_str(records.lines().next().unwrap()).unwrap();
            losses.push(first["loss"].as_f64().unwrap());
        }
        assert!((losses[0] / losses[1] - 1.0).abs() < 1e-4, "{model}: {losses:?}");
    }
}

#[test]
fn sizes_that_cannot_be_are_refused_before_anything_is_written() {
    let place = Place::new();
    pictures(&place);
    let refused = |model: &str, options: &[&str], problem: &str| {
        place.refused(&[&["train", model, "--data", "d", "--out", "run"], options].concat(), &[problem]);
    };
    refused("cnn-vae", &["--latent", "0"], "--latent: 0, expected a whole number from 1 to 65536");
    refused(
        "cnn-vae",
        &["--channels", "8,x"],
        "--channels: 8,x, expected 1 to 5 whole numbers from 1 to 65536, as in 32,64",
    );
    refused("cnn-ae", &["--layers", "2"], "--layers: 2 for cnn-ae, expected only for lstm-ae, rnn-vae, classifier");
    refused("cnn-vae", &["--channels", "65536,65536", "--batch-size", "6"], " MiB of memory, ");
}

#[test]
#[cfg(target_os = "linux")]
fn more_channels_than_memory_allows_are_refused_before_training() {
    let place = Place::new();
    pictures(&place);
    // Room for the parameters, and none for a step.
    let sizes = ["--channels", "2000,2000", "--latent", "5", "--batch-size", "6", "--threads", "1"];
    let args = [&["train", "cnn-vae", "--data", "d", "--out", "run"], &sizes[..]].concat();
    let ended = limited(&place, "ulimit -v 1500000", &args);
    let parts = ["error: cnn-vae (", " parameters) in batches of 6: needs ", " MiB of memory, ", " MiB are free"];
    assert!(ended.status == 2 && ended.stderr.lines().count() == 1, "{}", ended.stderr);
    assert!(parts.iter().all(|part| ended.stderr.contains(part)), "{}", ended.stderr);
    assert!(!place.path("run").exists());
}
