//! Data that people bring, from its files to a trained run.

use std::fs;

use inkgrad_models::data::save_npy;
use inkgrad_models::image::{Channels, Picture};

use crate::{Place, few};

/// Writes a picture in colour whose shades depend on its number.
fn picture(place: &Place, name: &str, (height, width): (usize, usize), number: usize) {
    fs::create_dir_all(place.path(name).parent().unwrap()).unwrap();
    let pixels = (0..3 * height * width).map(|i| (i * 31 + number * 97) as u8).collect();
    Picture { width, height, channels: Channels::Rgb, pixels }.save_png(place.path(name)).unwrap();
}

/// Trains a small network on `d` and returns what was said.
fn train(place: &Place, model: &str, options: &[&str]) -> String {
    let common =
        ["train", model, "--data", "d", "--batch-size", "8", "--epochs", "1", "--threads", "1", "--out", "run"];
    let sizes: &[&str] = if model == "cnn-vae" { &["--channels", "4,6,8", "--latent", "4"] } else { &[] };
    let ended = place.run(&[&common[..], sizes, options].concat());
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    ended.stderr
}

fn config(place: &Place) -> String {
    String::from_utf8(place.read("run/config.toml")).unwrap()
}

#[test]
fn a_folder_of_pictures_is_looked_at_and_trained_on() {
    let place = Place::new();
    for i in 0..10 {
        picture(&place, &format!("d/cat/{i}.png"), (20, 24), i);
        picture(&place, &format!("d/dog/{i}.PNG"), (20, 24), 10 + i);
    }
    place.write("d/README.txt", b"hello");
    let info = place.json(&["data", "info", "d", "--png", "sheet.png"]);
    assert_eq!((info["train"]["images"].as_u64(), info["test"]["images"].as_u64()), (Some(16), Some(4)));
    assert_eq!((info["extents"].to_string(), info["png_images"].as_u64()), ("[20,24,3]".to_owned(), Some(16)));
    assert!(info["left_out"][0].as_str().unwrap().ends_with("d: not used: README.txt"), "{info}");
    assert!(place.read("sheet.png").starts_with(b"\x89PNG"));
    let text = place.ok(&["data", "info", "d", "--resize", "16", "--png", "sheet.png"]);
    assert!(text.contains("pictures of 16×16×3") && text.contains("sheet.png: a picture of them"), "{text}");
    place.refused(
        &["data", "info", "d", "--png", "d/cat/sheet.png"],
        &["d/cat/sheet.png: lies within", "d, which is read"],
    );

    let said = train(&place, "cnn-vae", &[]);
    assert!(
        said.contains("d: not used: README.txt") && said.contains("16 drawings to train on, 4 to test on"),
        "{said}"
    );
    assert!(config(&place).contains("image = [20, 24, 3]"), "{}", config(&place));
    place.ok(&["sample", "--run", "run", "--n", "4", "--out", "s.npy"]);
    place.ok(&["train", "--resume", "run", "--epochs", "2"]);
    // Other contents are noticed.
    picture(&place, "d/cat/3.png", (20, 24), 55);
    place.refused(&["train", "--resume", "run", "--epochs", "3"], &["holds other drawings than this run began with"]);

    picture(&place, "d/dog/x.png", (24, 20), 1);
    let other = ["train", "cnn-vae", "--data", "d", "--batch-size", "8", "--epochs", "1", "--out", "other"];
    place.refused(&other, &["d/dog/x.png", "24×20", "20×24", " (or --resize N)"]);
    place.ok(&[&other[..], &["--resize", "16", "--channels", "4,6,8"]].concat());
    let settings = String::from_utf8(place.read("other/config.toml")).unwrap();
    assert!(settings.contains("resize = 16\n") && settings.contains("image = [16, 16, 3]"), "{settings}");
    // The run's own settings find its pictures again.
    place.ok(&["train", "--resume", "other", "--epochs", "2"]);
}

/// A JPEG's orientation, which cameras write into EXIF, is not heeded: pixels stay where they lie in the file.
#[test]
fn orientation_of_jpeg_files_is_ignored() {
    let place = Place::new();
    let plain = include_bytes!("ramp.jpg");
    // APP1 right behind the start of the picture: EXIF with one entry, orientation (0x0112) 6, a quarter turn.
    let tiff = [&b"MM\0\x2a\0\0\0\x08\0\x01"[..], b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0", b"\0\0\0\0"].concat();
    let exif = [b"Exif\0\0", &tiff[..]].concat();
    let segment = [&b"\xff\xe1"[..], &(exif.len() as u16 + 2).to_be_bytes(), &exif].concat();
    let turned = [&plain[..2], &segment, &plain[2..]].concat();
    let mut sums = Vec::new();
    for (folder, bytes) in [("plain", &plain[..]), ("turned", &turned)] {
        fs::create_dir_all(place.path(folder).join("d/ramp")).unwrap();
        (0..5).for_each(|i| place.write(&format!("{folder}/d/ramp/{i}.jpeg"), bytes));
        let ended = place
            .run_in(folder, &["train", "cnn-ae", "--data", "d", "--steps", "1", "--batch-size", "2", "--out", "r"]);
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        let settings = String::from_utf8(place.read(&format!("{folder}/r/config.toml"))).unwrap();
        sums.push(settings.lines().find(|line| line.starts_with("data_sha256")).unwrap().to_owned());
    }
    assert_eq!(sums[0], sums[1]);
}

#[test]
fn cifar_s_batches_are_trained_on() {
    let place = Place::new();
    fs::create_dir(place.path("d")).unwrap();
    let batch = |records: std::ops::Range<usize>| -> Vec<u8> {
        records.flat_map(|i| (0..3073).map(move |at| if at == 0 { i % 10 } else { at * 13 + i * 71 } as u8)).collect()
    };
    place.write("d/data_batch_1.bin", &batch(0..20));
    place.write("d/data_batch_2.bin", &batch(20..32));
    place.write("d/test_batch.bin", &batch(32..40));
    let names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    place.write("d/batches.meta.txt", names.as_bytes());
    let text = place.ok(&["data", "info", "d", "--png", "sheet.png"]);
    assert!(text.contains("CIFAR-10") && text.contains("automobile") && text.contains("32×32×3"), "{text}");
    let said = train(&place, "cnn-vae", &[]);
    assert!(said.contains("32 drawings to train on, 8 to test on"), "{said}");
    assert!(config(&place).contains("image = [32, 32, 3]"), "{}", config(&place));
    place.ok(&few(&["evaluate", "--run", "run", "--data", "d", "--out", "e.json"]));

    place.write("d/data_batch_2.bin", &batch(20..32)[..5000]);
    let again = ["train", "cnn-vae", "--data", "d", "--batch-size", "8", "--epochs", "1", "--out", "new"];
    place.refused(&again, &["d/data_batch_2.bin: 5000 bytes, expected whole records of 3073"]);
    let mut wrong = batch(20..32);
    wrong[3073] = 12;
    place.write("d/data_batch_2.bin", &wrong);
    place.refused(&again, &["d/data_batch_2.bin: record 1 has label 12, expected 0 to 9"]);
}

#[test]
fn idx_files_are_trained_on() {
    let place = Place::new();
    fs::create_dir(place.path("d")).unwrap();
    for (part, n) in [("train", 32u8), ("t10k", 8)] {
        let images: Vec<u8> = (0..usize::from(n) * 784).map(|i| (i * 7919 % 251) as u8).collect();
        let header = |shape: &[u32]| {
            let sizes = shape.iter().flat_map(|n| n.to_be_bytes());
            [0, 0, 8, shape.len() as u8].into_iter().chain(sizes).collect::<Vec<u8>>()
        };
        let name = format!("d/{part}-images-idx3-ubyte");
        place.write(&name, &[header(&[n.into(), 28, 28]), images].concat());
        let labels: Vec<u8> = (0..n).map(|i| i % 10).collect();
        place.write(&format!("d/{part}-labels-idx1-ubyte"), &[header(&[n.into()]), labels].concat());
    }
    train(&place, "cnn-vae", &[]);
    fs::remove_dir_all(place.path("run")).unwrap();
    train(&place, "classifier", &[]);
    let text = place.ok(&["data", "info", "d", "--png", "sheet.png"]);
    assert!(text.contains("sheet.png: a picture of them"), "{text}");
}

#[test]
fn drawings_that_the_data_holds_back_are_validated_on() {
    let place = Place::new();
    fs::create_dir(place.path("d")).unwrap();
    for (part, n) in [("train", 24usize), ("val", 10), ("test", 6)] {
        let pixels: Vec<u8> = (0..n * 784).map(|i| (i * 7919 % 251) as u8).collect();
        save_npy(place.path(&format!("d/{part}_images.npy")), &[n, 28, 28], &pixels).unwrap();
        let labels: Vec<u8> = (0..n).map(|i| (i % 2) as u8).collect();
        save_npy(place.path(&format!("d/{part}_labels.npy")), &[n], &labels).unwrap();
    }
    save_npy(place.path("d/latents.npy"), &[1, 1], &[0.5f32]).unwrap();
    let text = place.ok(&["data", "info", "d"]);
    assert!(text.contains("24        10         6") && text.contains("d: not used: latents.npy"), "{text}");
    let said = train(&place, "cnn-vae", &["--patience", "5"]);
    assert!(said.contains("24 drawings to train on, 10 to validate on, 6 to test on; 3 steps"), "{said}");
    assert!(config(&place).contains("own_validation = 10\n"), "{}", config(&place));
    let records = String::from_utf8(place.read("run/metrics.jsonl")).unwrap();
    assert!(records.lines().any(|line| line.contains("\"val\"")), "{records}");
    assert!(place.path("run/best.safetensors").exists());
    let sampled = place.run(&["sample", "--run", "run", "--n", "4", "--out", "s.npy"]);
    assert!(sampled.stderr.contains("weights: the best by validation"), "{}", sampled.stderr);
    place.ok(&["train", "--resume", "run", "--epochs", "2"]);
    // The file alone trains the same run again.
    place.ok(&["train", "--config", "run/config.toml", "--out", "again"]);
    assert_eq!(place.read("again/model.safetensors"), place.read("run/model.safetensors"));

    let new = ["train", "cnn-vae", "--data", "d", "--batch-size", "8", "--epochs", "1", "--out", "new"];
    let both = [&new[..], &["--val-fraction", "0.2"]].concat();
    place.refused(&both, &["--val-fraction: 0.2, expected none: d has 10 drawings to validate on"]);
    let one = [&new[..], &["--resize", "8"]].concat();
    place.refused(&one, &["--resize: 8, expected 16 to 128"]);
    fs::remove_file(place.path("d/val_labels.npy")).unwrap();
    place.refused(&new, &["val_images.npy without val_labels.npy, expected both"]);
    fs::remove_file(place.path("d/val_images.npy")).unwrap();
    place.refused(&[&new[..], &["--patience", "5"]].concat(), &["--patience: 5 without validation"]);
}

#[test]
#[ignore = "slow"]
fn training_pictures_are_changed_where_that_is_asked_for() {
    let place = Place::with_run();
    let train = ["train", "cnn-vae", "--data", "d", "--batch-size", "16", "--threads", "1", "--channels", "4,6"];
    let run = |out: &str, options: &[&str]| drop(place.ok(&[&train[..], &["--out", out], options].concat()));
    let augment = ["--augment", "elastic,shift:3,flip"];
    run("whole", &[&["--epochs", "3"], &augment[..]].concat());
    run("parts", &[&["--epochs", "1"], &augment[..]].concat());
    place.ok(&["train", "--resume", "parts", "--epochs", "3"]);
    let weights = |run: &str| place.read(&format!("{run}/model.safetensors"));
    assert!(weights("parts") == weights("whole"));
    let settings = String::from_utf8(place.read("whole/config.toml")).unwrap();
    assert!(settings.contains("augment = [\"flip\", \"elastic\", \"shift:3\"]\n"), "{settings}");
    run("plain", &["--epochs", "3"]);
    assert!(weights("plain") != weights("whole"));
    assert!(!String::from_utf8(place.read("plain/config.toml")).unwrap().contains("augment"));
    // It may be ended.
    place.ok(&["train", "--resume", "parts", "--epochs", "4", "--augment", "none"]);

    let new = [&train[..], &["--epochs", "1", "--out", "new"]].concat();
    for (words, problem) in [
        ("zoom", "unknown change `zoom`, expected one of shift, flip, rotate, elastic"),
        ("shift:1.5", "shift:1.5, expected whole pixels above 0, 64 at most"),
        ("flip,flip", "flip twice, expected it once"),
    ] {
        place.refused(&[&new[..], &["--augment", words]].concat(), &["--augment", problem]);
    }
    let device = [&new[..], &["--augment", "flip", "--device", "emulated"]].concat();
    place.refused(&device, &["--augment: flip on emulated, expected none: a device holds the drawings as they are"]);
}

#[test]
fn a_part_without_drawings_has_no_figures() {
    let place = Place::new();
    let mut data = inkgrad_models::data::builtin(20, 1).unwrap();
    data.test = data.test.take(&[]);
    inkgrad_models::data::write_course(&data, place.path("n")).unwrap();
    let text = place.ok(&["data", "info", "n"]);
    assert!(text.lines().any(|line| line == "  test  none") && !text.contains("0.0000"), "{text}");
    assert!(place.json(&["data", "info", "n"])["test"]["mean"].is_null());
}
