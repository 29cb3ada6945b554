//! A run's events, and its embedding for the projector.

use std::fs;

use crate::Place;

#[test]
fn the_projector_finds_latents_classes_and_drawings() {
    let place = Place::with_run();
    let text = |name: &str| String::from_utf8(place.read(name)).unwrap();
    let config = text("vae/projector_config.pbtxt");
    let value = |key: &str| -> Vec<String> {
        let lines = config.lines().filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
        lines.map(|value| value.trim_matches('"').to_owned()).collect()
    };
    // Of 60 drawings twelve are to test on.
    assert_eq!(
        (value("tensor_shape"), value("single_image_dim")),
        (vec!["12".into(), "32".into()], vec!["28".into(); 2])
    );
    let vectors = text(&format!("vae/{}", value("tensor_path")[0]));
    let rows: Vec<Vec<f32>> =
        vectors.lines().map(|line| line.split('\t').map(|number| number.parse().unwrap()).collect()).collect();
    assert!(rows.len() == 12 && rows.iter().all(|row| row.len() == 32));
    let labels = text(&format!("vae/{}", value("metadata_path")[0]));
    let classes = text("d/classes.txt");
    assert!(labels.lines().count() == 12 && labels.lines().all(|label| classes.contains(label)), "{labels}");
    // Four by four drawings, in the order of the vectors.
    let sprite = place.read(&format!("vae/{}", value("image_path")[0]));
    assert_eq!([&sprite[16..20], &sprite[20..24]], [&112u32.to_be_bytes(); 2]);
    place.ok(&["encode", "--run", "vae", "--images", "d/test_images.npy", "--out", "z.npy"]);
    let array = place.read("z.npy");
    let numbers: Vec<f32> = array[array.len() - 12 * 32 * 4..]
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect();
    assert!(rows.concat().iter().zip(&numbers).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0)));
    for tag in ["latents/mean", "latents/deviation"] {
        assert!(events(&place, "vae").0.windows(tag.len()).any(|window| window == tag.as_bytes()), "{tag}");
    }

    // Somebody else's embedding stays.
    let theirs = "embeddings { tensor_path: \"mine.tsv\" }\n";
    place.write("vae/projector_config.pbtxt", theirs.as_bytes());
    place.write("vae/latents.tsv", b"mine");
    place.ok(&["train", "--resume", "vae", "--steps", "3"]);
    assert_eq!((text("vae/projector_config.pbtxt"), text("vae/latents.tsv")), (theirs.to_owned(), "mine".to_owned()));
    // So does a table without one.
    fs::remove_file(place.path("vae/projector_config.pbtxt")).unwrap();
    place.ok(&["train", "--resume", "vae"]);
    assert_eq!(text("vae/latents.tsv"), "mine");
    assert!(!place.path("vae/projector_config.pbtxt").exists());
    for name in ["latents.tsv", "latents-classes.tsv", "latents-sprite.png"] {
        fs::remove_file(place.path("vae").join(name)).unwrap();
    }
    place.ok(&["train", "--resume", "vae"]);
    assert_eq!(text("vae/projector_config.pbtxt"), config);
    assert_ne!(text("vae/latents.tsv"), vectors);
    place.ok(&["train", "classifier", "--data", "d", "--steps", "1", "--batch-size", "8", "--out", "k"]);
    assert!(!place.path("k/projector_config.pbtxt").exists());
}

/// The bytes of a run's event files, one after the other, and how many there are.
fn events(place: &Place, run: &str) -> (Vec<u8>, usize) {
    let files: Vec<String> = place.files(run).into_iter().filter(|name| name.contains("tfevents")).collect();
    (files.iter().flat_map(|name| place.read(&format!("{run}/{name}"))).collect(), files.len())
}

#[test]
fn tensorboard_is_told_settings_weights_and_gradients() {
    let place = Place::with_run();
    let train = ["train", "classifier", "--data", "d", "--steps", "4", "--batch-size", "8", "--log-every", "2"];
    place.ok(&[&train[..], &["--out", "plain"]].concat());
    place.ok(&[&train[..], &["--log-gradients", "--out", "told"]].concat());
    let has = |run: &str, tag: &str| events(&place, run).0.windows(tag.len()).any(|window| window == tag.as_bytes());
    for run in ["plain", "told"] {
        for tag in ["_hparams_/experiment", "_hparams_/session_start_info", "weights/model.1.weight", "loss/train"] {
            assert!(has(run, tag), "{run}: {tag}");
        }
    }
    assert!(has("told", "gradients/model.1.weight") && !has("plain", "gradients/"));
    // It changes what is told, and nothing else.
    assert!(place.read("plain/model.safetensors") == place.read("told/model.safetensors"));
    let config = |run: &str| String::from_utf8(place.read(&format!("{run}/config.toml"))).unwrap();
    assert!(config("told").contains("log_gradients = true") && !config("plain").contains("log_gradients"));

    // A sitting with nothing to record leaves no file.
    assert_eq!(events(&place, "plain").1, 1);
    place.ok(&["train", "--resume", "plain"]);
    assert_eq!(events(&place, "plain").1, 1);
    place.ok(&["train", "--resume", "plain", "--steps", "6"]);
    assert_eq!(events(&place, "plain").1, 2);
    let on_device = [&train[..], &["--log-gradients", "--device", "emulated", "--out", "new"]].concat();
    place.refused(&on_device, &["--log-gradients", "only on --device cpu"]);
}
