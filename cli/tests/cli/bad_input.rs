//! Every wrong input ends in status 2 with one line, and nothing on the disk changes.

use std::fs;

use inkgrad_models::data::save_npy;

use crate::Place;

const DRAWING: usize = 28 * 28;

/// Names one file after the other as `--images`.
#[test]
fn a_file_that_is_not_there_is_told_with_what_was_expected() {
    let place = Place::with_run();
    place.write("text", b"words");
    save_npy(place.path("z.npy"), &[40, 4], &(0..160).map(|i| i as f32).collect::<Vec<_>>()).unwrap();
    save_npy(place.path("placed.npy"), &[40, 2], &(0..80).map(|i| i as f32).collect::<Vec<_>>()).unwrap();
    let array = "gone: No such file, expected a .npy array";
    let weights = "gone: No such file, expected weights";
    let tsne = ["tsne", "--out", "y.npy", "--perplexity", "5"];
    let score = ["score", "--real", "z.npy"];
    let inception = ["score", "--real", "z.npy", "--generated", "z.npy", "--network", "inception"];
    let cases: [(&[&str], &[&str], &str); 9] = [
        (&tsne, &["--input", "gone"], array),
        (&tsne, &["--input", "z.npy", "--labels", "gone"], array),
        (&tsne, &["--input", "z.npy", "--add", "gone", "--embedding", "placed.npy"], array),
        (&tsne, &["--input", "z.npy", "--add", "z.npy", "--embedding", "gone"], array),
        (&tsne, &["--input", "z.npy", "--init", "gone"], "--init: gone, expected pca, random or a file"),
        (&score, &["--generated", "gone"], array),
        (&score, &["--generated", "z.npy", "--logits", "gone"], array),
        (&inception, &["--weights", "gone"], weights),
        (&["evaluate", "--run", "vae", "--out", "e.json"], &["--inception", "gone"], weights),
    ];
    for (command, options, problem) in cases {
        place.refused(&[command, options].concat(), &[problem]);
    }
    // Before drawings are loaded.
    let evaluate = ["evaluate", "--run", "vae", "--out", "e.json", "--data", "none", "--inception", "gone"];
    place.refused(&evaluate, &[weights]);
}

#[test]
fn arrays_that_are_not_what_they_should_be() {
    let place = Place::with_run();
    let good = place.read("d/test_images.npy");
    place.write("empty.npy", b"");
    place.write("zip.npy", b"PK\x03\x04 and more of a zip file");
    place.write("cut.npy", &good[..good.len() - 100]);
    place.write("header.npy", &good[..40]);
    let huge = [&b"\x93NUMPY\x02\x00"[..], &u32::MAX.to_le_bytes(), &good[10..]].concat();
    place.write("huge.npy", &huge);
    save_npy(place.path("flat.npy"), &[2, 783], &vec![0u8; 2 * 783]).unwrap();
    save_npy(place.path("ints.npy"), &[2, 784], &[4096i64; 2 * DRAWING]).unwrap();
    save_npy(place.path("bright.npy"), &[1, 784], &[2.0f32; DRAWING]).unwrap();
    save_npy(place.path("nan.npy"), &[1, 784], &[f32::NAN; DRAWING]).unwrap();
    save_npy(place.path("none.npy"), &[0, 28, 28], &[0u8; 0]).unwrap();

    let cases: [(&str, &[&str]); 11] = [
        ("empty.npy", &["empty"]),
        ("zip.npy", &["not a .npy array"]),
        ("cut.npy", &["truncated"]),
        ("header.npy", &["header of"]),
        ("huge.npy", &["header of 4294967295 bytes"]),
        ("flat.npy", &["(2, 783)", "expected (N, 784)"]),
        ("ints.npy", &["image 0 holds 4096", "expected integers of 0 to 255"]),
        ("bright.npy", &["image 0 holds 2", "expected values in [0, 1]"]),
        ("nan.npy", &["image 0 holds NaN"]),
        ("none.npy", &["no images, expected at least one"]),
        ("missing.npy", &["No such file"]),
    ];
    for (file, parts) in cases {
        let parts = [&[file], parts].concat();
        place.refused(&["encode", "--run", "vae", "--images", file, "--out", "o.npy"], &parts);
    }
    place.refused(&["reconstruct", "--run", "vae", "--images", "cut.npy", "--out", "o.npy"], &["cut.npy", "truncated"]);
    place.refused(
        &["interpolate", "--run", "vae", "--images", "zip.npy", "--pairs", "1", "--png", "o.png"],
        &["zip.npy"],
    );
}

#[test]
fn latents_of_another_width() {
    let place = Place::with_run();
    save_npy(place.path("z.npy"), &[2, 31], &[0f32; 62]).unwrap();
    let parts = ["z.npy", "(2, 31)", "expected (N, 32)", "cnn-vae"];
    place.refused(&["decode", "--run", "vae", "--latents", "z.npy", "--out", "o.npy"], &parts);
    save_npy(place.path("z.npy"), &[2, 32], &[f32::INFINITY; 64]).unwrap();
    place.refused(&["decode", "--run", "vae", "--latents", "z.npy", "--out", "o.npy"], &["z.npy", "row 0 holds inf"]);
}

#[test]
fn settings_of_a_run() {
    let place = Place::with_run();
    let cases: [(&[&str], &[&str]); 18] = [
        (&["--batch-size", "0"], &["--batch-size: 0, expected at least 1"]),
        (&["--batch-size", "49"], &["--batch-size: 49, expected at most the 48 training drawings"]),
        (&["--batch-size", "-3"], &["--batch-size"]),
        (&["--batch-size", "18446744073709551615"], &["--batch-size"]),
        (&["--epochs", "0"], &["--epochs: 0, expected at least 1"]),
        (&["--steps", "0"], &["--steps: 0, expected at least 1"]),
        (&["--lr", "-0.1"], &["--lr: -0.1, expected a number above 0"]),
        (&["--lr", "nan"], &["--lr: NaN, expected a number above 0"]),
        (&["--lr", "fast"], &["--lr", "fast"]),
        (&["--beta", "-1"], &["--beta: -1"]),
        (&["--val-fraction", "1"], &["--val-fraction: 1"]),
        (&["--val-fraction", "0.95"], &["--batch-size: 8, expected at most the 2 training drawings, 46 held back"]),
        (&["--threads", "0"], &["--threads: 0"]),
        (&["--threads", "1000000"], &["--threads: 1000000, expected at most"]),
        (&["--device", "cuda"], &["--device: cuda: ", "expected cpu"]),
        (&["--device", "tpu"], &["unknown device `tpu`, expected one of cpu, cuda, emulated"]),
        (&["--schedule", "square"], &["expected one of constant, cosine"]),
        (&["--patience", "3"], &["--patience: 3 without validation"]),
    ];
    for (options, parts) in cases {
        // A later option of the same name would be a usage error.
        let batch: &[&str] = if options[0] == "--batch-size" { &[] } else { &["--batch-size", "8"] };
        let args = [&["train", "cnn-vae", "--data", "d", "--out", "new"], batch, options].concat();
        place.refused(&args, parts);
    }
    place.refused(&["train", "vae", "--out", "new"], &["unknown model `vae`", "lstm-ae", "cnn-vae", "classifier"]);
    place.refused(&["train", "cnn-vae", "--arch", "cnn", "--out", "new"], &["--arch: cnn for cnn-vae"]);
}

#[test]
fn data_folders() {
    let place = Place::with_run();
    let train = |data: &'static str| ["train", "cnn-vae", "--data", data, "--out", "new"];
    place.refused(&train("nowhere"), &["nowhere: no such folder"]);
    place.refused(&train("d/train_images.npy"), &["found a file, expected `builtin` or a folder"]);
    fs::create_dir(place.path("bare")).unwrap();
    place.refused(&train("bare"), &["bare"]);
    place.refused(&["data", "info", "bare"], &["bare"]);

    save_npy(place.path("d/train_labels.npy"), &[47], &[0i64; 47]).unwrap();
    place.refused(&train("d"), &["train_labels.npy: 47 labels, expected 48"]);
    save_npy(place.path("d/train_labels.npy"), &[48], &[5i64; 48]).unwrap();
    place.refused(&train("d"), &["train_labels.npy", "5", "classes.txt"]);
    save_npy(place.path("d/train_labels.npy"), &[48], &[0.5f64; 48]).unwrap();
    place.refused(&train("d"), &["train_labels.npy", "expected integers"]);
    place.write("d/train_images.npy", b"not an array");
    place.refused(&train("d"), &["train_images.npy", "not a .npy array"]);
    fs::remove_file(place.path("d/test_images.npy")).unwrap();
    place.refused(&train("d"), &["no test_images.npy"]);
}

#[test]
fn folders_in_the_way() {
    let place = Place::with_run();
    let train =
        |out: &'static str| ["train", "cnn-vae", "--data", "d", "--steps", "1", "--batch-size", "8", "--out", out];
    place.refused(&train("vae"), &["vae: holds a run already, expected a new folder (or --force)"]);
    place.refused(&train("d"), &["d: holds `", "and is no run"]);
    place.refused(&[&train("d")[..], &["--force"]].concat(), &["and is no run"]);
    place.refused(&train("vae/config.toml"), &["is a file"]);
    place.refused(&["data", "synth", "--n", "60", "--out", "d"], &["d: not empty"]);
    place.refused(&["data", "synth", "--n", "60", "--out", "vae/config.toml"], &["is a file"]);
}

/// Nothing that a command did not make is replaced by what it makes.
#[test]
fn files_in_the_way() {
    let place = Place::with_run();
    let sample = |out: &'static str| ["sample", "--run", "vae", "--n", "2", "--out", out];
    for out in ["d/train_images.npy", "d/train_labels.npy", "vae/model.safetensors", "vae/config.toml", "d/classes.txt"]
    {
        let before = place.read(out);
        place.refused(&sample(out), &[out, "expected a new name"]);
        assert!(place.read(out) == before, "{out}");
    }
    place.refused(&sample("-"), &["is no file's name"]);
    place.ok(&sample("s.npy"));
    place.ok(&[&sample("s.npy")[..], &["--png", "s.png"]].concat());
    place.ok(&[&sample("s.npy")[..], &["--png", "s.png"]].concat());
    place.write("photo.png", b"\x89PNG\r\n\x1a\n of somebody else");
    place.refused(&[&sample("s.npy")[..], &["--png", "photo.png"]].concat(), &["photo.png: is there already"]);
    place.ok(&["encode", "--run", "vae", "--images", "s.npy", "--out", "z.npy"]);
    place.refused(
        &["decode", "--run", "vae", "--latents", "z.npy", "--out", "./z.npy"],
        &["is read as well as written"],
    );
    place.refused(&["encode", "--run", "vae", "--images", "s.npy", "--out", "s.npy"], &["is read as well as written"]);
}

#[test]
fn targets_that_cannot_be_written() {
    let place = Place::with_run();
    let encode = |out: &'static str| ["encode", "--run", "vae", "--images", "d/test_images.npy", "--out", out];
    place.refused(&encode("d"), &["d: is a folder, expected a file's name"]);
    place.refused(&encode("no/such/z.npy"), &["no folder no/such"]);
    if cfg!(target_os = "linux") {
        place.refused(&encode("/dev/full"), &["/dev/full: No space left on device"]);
    }
}

#[test]
fn runs_that_are_none() {
    let place = Place::with_run();
    let sample = |run: &'static str| ["sample", "--run", run, "--n", "1", "--out", "o.npy"];
    place.refused(&sample("nowhere"), &["nowhere: no such folder, expected a run"]);
    place.refused(&sample("d"), &["d: holds no config.toml"]);
    place.refused(&["train", "--resume", "d"], &["d: holds no config.toml"]);
    place.refused(&["export", "--run", "nowhere", "--out", "o"], &["nowhere: no such folder"]);

    let weights = place.read("vae/model.safetensors");
    place.write("vae/model.safetensors", &weights[..weights.len() / 2]);
    place.refused(&sample("vae"), &["model.safetensors"]);
    let state = place.read("vae/state.safetensors");
    place.write("vae/state.safetensors", &state[..state.len() - 4]);
    place.refused(&["train", "--resume", "vae", "--steps", "9"], &["state.safetensors"]);
    place.write("vae/config.toml", b"format = 1\nlearning = 2\n");
    place.refused(&sample("vae"), &["config.toml"]);
}

#[test]
fn choices_that_do_not_exist() {
    let place = Place::with_run();
    let sample = ["sample", "--run", "vae", "--out", "o.npy", "--n"];
    let with = |rest: &[&'static str]| [&sample[..], rest].concat();
    place.refused(&with(&["0"]), &["--n", "expected a number from 1 to"]);
    place.refused(&with(&["99999999999999"]), &["--n", "expected a number from 1 to"]);
    place.refused(
        &with(&["1", "--class", "rabbit"]),
        &["--class: rabbit for cnn-vae, expected the run of a model that is told the class"],
    );
    place.refused(&with(&["1", "--strategy", "lucky"]), &["unknown strategy `lucky`, expected one of prior, scaled"]);
    place.refused(
        &["interpolate", "--run", "vae", "--images", "d/test_images.npy", "--pairs", "7", "--png", "o.png"],
        &["--pairs: 7, expected at most 6", "12 images"],
    );
    place.refused(&["gradcheck", "--op", "fold"], &["--op: unknown operation `fold`, expected one of add"]);
    place.refused(
        &["explain", "--model", "cnn-ae", "--device", "emulated", "--out", "x.html"],
        &["--device: emulated: "],
    );
    place.refused(&["bench", "--steps", "0"], &["--steps", "expected a number from 1"]);
    place.refused(&["bench", "--batch-size", "5000"], &["--batch-size", "from 1 to 4096"]);
    place.refused(&["bench", "--model", "all", "--paced"], &["--model: all with --paced, expected one model"]);
    let estimate = ["bench", "--device", "emulated", "--estimate"];
    place.refused(&[&estimate[..], &["a100"]].concat(), &["a100", "--estimate", "expected h100"]);
    place
        .refused(&["bench", "--estimate", "h100"], &["--estimate: h100 with --device cpu, expected --device emulated"]);
    place.refused(&["data", "synth", "--n", "9", "--out", "new"], &["--n", "expected a number from 10"]);
}

#[test]
fn changes_that_a_run_cannot_take() {
    let place = Place::with_run();
    place.refused(&["train", "--resume", "vae", "--epochs", "3"], &["--epochs", "counted in steps"]);
    place.refused(&["train", "--resume", "vae", "--steps", "1"], &["--steps: 1 steps in all", "the 2 that are done"]);
    place.refused(&["train", "--resume", "vae", "--data", "nowhere"], &["nowhere: no such folder"]);
}

#[test]
fn weights_that_do_not_fit() {
    let place = Place::with_run();
    let import = |file: &'static str| ["import", "--model", "cnn-vae", "--weights", file, "--out", "new"];
    place.write("junk.pth", b"junk, nothing else");
    place.refused(&import("junk.pth"), &["junk.pth"]);
    place.refused(&import("missing.pth"), &["missing.pth"]);
    let keyed = ["import", "--model", "cnn-vae", "--weights", "vae/model.safetensors", "--key", "net", "--out", "new"];
    place.refused(&keyed, &["vae/model.safetensors", "without dictionaries", "`net`"]);
    // The state of a run has other names than its weights, and more of them.
    place.refused(
        &import("vae/state.safetensors"),
        &["missing encoder.conv1.weight", "missing decoder.deconv3.bias", "unknown first."],
    );
}

#[test]
fn usage_errors_keep_their_hints() {
    let place = Place::new();
    let cases: [&[&str]; 5] = [
        &["frobnicate"],
        &["train"],
        &["train", "cnn-vae"],
        &["train", "cnn-vae", "--out", "r", "--epochs", "1", "--steps", "1"],
        &["train", "--resume", "r", "--seed", "1"],
    ];
    for args in cases {
        let ended = place.run(args);
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{args:?}");
        assert!(ended.stderr.starts_with("error: "), "{args:?}: {}", ended.stderr);
        assert_eq!(ended.stderr.matches("error: ").count(), 1, "{args:?}: {}", ended.stderr);
    }
    assert!(place.files(".").is_empty());
}

#[test]
fn messages_about_the_command_line_are_bounded_and_harmless() {
    let place = Place::new();
    let long = "x".repeat(100_000);
    for args in [&["train", &long, "--out", "r"][..], &[&long], &["data", "info", &long], &["sample", "--\u{1b}[2J"]] {
        let ended = place.run(args);
        assert_eq!(ended.status, 2, "{}", ended.stderr);
        assert!(ended.stderr.starts_with("error: ") && ended.stderr.len() < 3_000, "{}", ended.stderr.len());
        assert!(!ended.stderr.contains('\u{1b}'));
    }
}
