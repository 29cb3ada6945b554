//! Using a run: latents, reconstructions, samples, and files that travel.

use inkgrad_models::data::{load_images, load_matrix, save_npy};

use crate::{Place, few};

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
    for (names, problem) in [
        ("a,a,b,c,d", "name 2 names \"a\" again"),
        ("a,,b,c,d", "name 2 is empty"),
        ("a,\u{1b}[2J,b,c,d", "without control characters"),
    ] {
        let import = ["import", "--model", "cvae", "--weights", "F.safetensors", "--out", "new", "--classes", names];
        place.refused(&import, &["--classes: ", problem]);
    }
    place.refused(&["import", "--model", "cnn-vae", "--weights", "d/classes.txt", "--out", "new"], &["classes.txt"]);
}

/// The command's words and refusals; `tests/onnx/check.sh` checks the contents of its files.
#[test]
fn networks_are_exported_for_other_programs() {
    let place = Place::with_run();
    let export = |format: &'static str, out: &'static str| ["export", "--run", "vae", "--format", format, "--out", out];
    let whole = place.json(&export("onnx", "net.onnx"));
    assert_eq!((&whole["part"], &whole["format"]), (&"whole".into(), &"onnx".into()));
    let port = |name: &str, shape: &[&str]| serde_json::json!({"name": name, "shape": shape});
    assert_eq!(whole["inputs"], serde_json::json!([port("images", &["batch", "1", "28", "28"])]));
    assert_eq!(whole["outputs"], serde_json::json!([port("reconstructions", &["batch", "1", "28", "28"])]));
    let encoder = place.json(&[&export("onnx", "net.onnx")[..], &["--part", "encoder"]].concat());
    let latents = ["latents", "logvar"].map(|name| port(name, &["batch", "32"]));
    assert_eq!(encoder["outputs"], serde_json::json!(latents));
    // log σ² is no part of a reconstruction.
    assert_eq!(whole["parameters"], 865_345 - (6272 * 32 + 32));
    let text = place.ok(&[&export("onnx", "net.onnx")[..], &["--part", "decoder"]].concat());
    assert!(text.contains("decoder of cnn-vae") && text.contains("(batch, 32)"), "{text}");

    let module = place.json(&export("pytorch", "net.py"));
    assert_eq!((&module["weights"], &module["parameters"]), (&"net.safetensors".into(), &865_345.into()));
    place.ok(&["export", "--run", "vae", "--out", "w.safetensors"]);
    assert!(place.read("net.safetensors") == place.read("w.safetensors"));
    assert!(String::from_utf8(place.read("net.py")).unwrap().contains("class CnnVae(nn.Module):"));
    // Its own files are replaced, others are not.
    place.ok(&export("pytorch", "net.py"));
    place.write("mine.onnx", b"mine");
    place.write("mine.py", b"mine");
    place.refused(&export("onnx", "mine.onnx"), &["mine.onnx: is there already"]);
    place.refused(&export("pytorch", "mine.py"), &["mine.py: is there already"]);
    for out in ["net", "my-net.py", "2.py", "a.b.py"] {
        place.refused(&export("pytorch", out), &[out, "a name that Python cannot import"]);
    }
    let with_part = |format, out| [&export(format, out)[..], &["--part", "encoder"]].concat();
    place.refused(&with_part("pytorch", "n.py"), &["--part: encoder, expected with --format onnx alone"]);
    place.refused(&with_part("safetensors", "n.safetensors"), &["--part: encoder, expected with --format onnx alone"]);
    for (args, said) in [
        (export("tflite", "n").to_vec(), "safetensors, onnx, pytorch"),
        ([&export("onnx", "n.onnx")[..], &["--part", "middle"]].concat(), "encoder, decoder, whole"),
    ] {
        let ended = place.run(&args);
        assert!(ended.status == 2 && ended.stderr.contains(said), "{}", ended.stderr);
    }
    place.ok(&["train", "classifier", "--data", "d", "--steps", "1", "--batch-size", "8", "--out", "judge"]);
    let judge = ["export", "--run", "judge", "--format", "onnx", "--out", "n.onnx"];
    place.refused(
        &[&judge[..], &["--part", "decoder"]].concat(),
        &["classifier has no decoder, expected an autoencoder"],
    );
    assert_eq!(place.json(&judge)["outputs"][1], port("probabilities", &["batch", "5"]));
}

#[test]
#[ignore = "slow"]
fn a_cvae_draws_the_class_that_it_is_told() {
    let place = Place::with_run();
    let train = ["train", "cvae", "--data", "d", "--steps", "2", "--batch-size", "8", "--threads", "1"];
    place.ok(&[&train[..], &["--condition", "both", "--out", "both"]].concat());
    place.ok(&[&train[..], &["--out", "latent"]].concat());

    let sample = |options: &[&str]| {
        let summary = place.json(&[&["sample", "--run", "both", "--out", "s.npy"], options].concat());
        (summary, load_images(place.path("s.npy")).unwrap())
    };
    let (all, drawings) = sample(&["--n", "3", "--class", "all", "--png", "s.png"]);
    assert_eq!((&all["class"], &all["images"], drawings.len()), (&"all".into(), &15.into(), 15));
    assert_eq!(all["classes"][3], "snowman");
    png_size(&place, "s.png");
    let (by_name, named) = sample(&["--n", "3", "--class", "snowman"]);
    assert_eq!(by_name["class"], "snowman");
    assert_eq!(named, sample(&["--n", "3", "--class", "3"]).1);
    assert_ne!(named, sample(&["--n", "3", "--class", "hand"]).1);
    assert_eq!(sample(&["--n", "7"]).1.len(), 7);
    let args = ["sample", "--run", "both", "--n", "1", "--out", "o.npy", "--class"];
    let known = "expected one of rabbit, yoga, hand, snowman, motorbike";
    place.refused(&[&args[..], &["cat"]].concat(), &["--class: no class `cat`", known]);
    place.refused(&[&args[..], &["5"]].concat(), &["--class: no class `5`", known]);

    let labels = ["--labels", "d/test_labels.npy"];
    let images = ["--images", "d/test_images.npy"];
    let reconstruct = [&["reconstruct", "--run", "latent", "--out", "r.npy"], &images[..]].concat();
    place.refused(&reconstruct, &["--labels: missing", "cvae is told the class"]);
    place.ok(&[&reconstruct[..], &labels].concat());
    save_npy(place.path("far.npy"), &[12], &[0i64, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0]).unwrap();
    place.refused(&[&reconstruct[..], &["--labels", "far.npy"]].concat(), &["far.npy: label 5 at 5, expected 0 to 4"]);

    // The encoder of `latent` does not see the class, that of `both` does.
    let encode = |run: &'static str| [&["encode", "--run", run, "--out", "z.npy"], &images[..]].concat();
    place.ok(&encode("latent"));
    place.refused(&encode("both"), &["--labels: missing"]);
    place.ok(&[&encode("both")[..], &labels].concat());
    let interpolate =
        [&["interpolate", "--run", "both", "--pairs", "2", "--png", "i.png"], &images[..], &labels].concat();
    place.ok(&interpolate);
    place.ok(&[&["decode", "--run", "both", "--latents", "z.npy", "--out", "x.npy"], &labels[..]].concat());
    assert_eq!(load_images(place.path("x.npy")).unwrap().len(), 12);
}

#[test]
fn autoencoders_code_and_have_no_prior() {
    let place = Place::with_run();
    for (model, latent) in [("lstm-ae", 128), ("cnn-ae", 64)] {
        place.ok(&[
            "train",
            model,
            "--data",
            "d",
            "--steps",
            "2",
            "--batch-size",
            "8",
            "--out",
            model,
            "--threads",
            "1",
        ]);
        let images = ["--images", "d/test_images.npy"];
        place.ok(&[&["encode", "--run", model, "--out", "z.npy"], &images[..]].concat());
        let (rows, columns, _) = load_matrix(place.path("z.npy")).unwrap();
        assert_eq!((rows, columns), (12, latent), "{model}");
        place.ok(&["decode", "--run", model, "--latents", "z.npy", "--out", "x.npy"]);
        // Loading checks that values are in [0, 1].
        assert_eq!(load_images(place.path("x.npy")).unwrap().len(), 12);
        let summary = place.json(&[&["reconstruct", "--run", model, "--out", "r.npy"], &images[..]].concat());
        assert!(summary["bce"].is_null() && summary["mse"].as_f64().unwrap() < 0.5, "{summary}");
        let holds = format!("{model}: holds {model}, expected rnn-vae, cnn-vae or cvae");
        place.refused(&["sample", "--run", model, "--n", "1", "--out", "o.npy"], &[&holds]);
        let logvar = [&["encode", "--run", model, "--out", "o.npy", "--logvar", "v.npy"], &images[..]].concat();
        place.refused(&logvar, &["--logvar: ", "has no variance"]);
    }
}

#[test]
fn a_classifier_says_how_sure_it_is() {
    let place = Place::with_run();
    let images = ["--images", "d/test_images.npy"];
    for arch in ["mlp", "cnn"] {
        let train = ["train", "classifier", "--data", "d", "--epochs", "1", "--batch-size", "8", "--threads", "1"];
        let trained = place.json(&[&train[..], &["--arch", arch, "--out", arch]].concat());
        let accuracy = trained["test"]["accuracy"].as_f64().unwrap();
        let classify =
            [&["classify", "--run", arch, "--out", "p.npy", "--labels", "d/test_labels.npy"], &images[..]].concat();
        let summary = place.json(&classify);
        assert!((summary["accuracy"].as_f64().unwrap() - accuracy).abs() < 1e-9, "{summary}");
        let (rows, columns, probabilities) = load_matrix(place.path("p.npy")).unwrap();
        assert_eq!((rows, columns), (12, 5));
        assert!(probabilities.chunks(5).all(|row| (row.iter().sum::<f32>() - 1.0).abs() < 1e-5));
    }
    place.refused(
        &[&["encode", "--run", "mlp", "--out", "o.npy"], &images[..]].concat(),
        &["mlp: holds classifier, expected an autoencoder"],
    );
    place.refused(
        &[&["classify", "--run", "vae", "--out", "o.npy"], &images[..]].concat(),
        &["vae: holds cnn-vae, expected a classifier"],
    );
}

/// Weights tell sizes and nothing of how they came about: a run made of them says no more, and is used like any other.
#[test]
#[ignore = "slow"]
fn an_imported_run_claims_nothing_that_is_not_known() {
    let place = Place::with_run();
    place.ok(&["export", "--run", "vae", "--out", "w.safetensors"]);
    place.ok(&["import", "--model", "cnn-vae", "--weights", "w.safetensors", "--out", "back"]);
    let config = String::from_utf8(place.read("back/config.toml")).unwrap();
    let keys: Vec<&str> = config.lines().filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
    assert_eq!(keys, ["classes", "format", "imported", "inkgrad", "model"], "{config}");
    assert!(config.contains("w.safetensors"), "{config}");

    // Evaluated on drawings whose names it never had, explained, reported, and trained on.
    place.refused(
        &["evaluate", "--run", "back", "--out", "e.json"],
        &["back: holds imported weights", "expected --data"],
    );
    place.ok(&["train", "classifier", "--data", "d", "--steps", "2", "--batch-size", "8", "--out", "judge"]);
    place.ok(&few(&["evaluate", "--run", "back", "--data", "d", "--classifier", "judge", "--out", "e.json"]));
    place.ok(&["explain", "--run", "back", "--data", "d", "--out", "e.html"]);
    place.ok(&few(&["report", "back", "judge", "--data", "d", "--classifier", "judge", "--out", "r.html"]));
    let page = String::from_utf8(place.read("r.md")).unwrap();
    assert!(
        page.contains("\n# back: weights that were imported\n") && page.contains("\n| cnn-vae | – | – | 0.1.0 |"),
        "{page}"
    );
    place.ok(&[
        "train",
        "cnn-vae",
        "--init",
        "back",
        "--data",
        "d",
        "--steps",
        "1",
        "--batch-size",
        "8",
        "--out",
        "tuned",
    ]);
    let listed = place.json(&["runs", "."]);
    let run = listed["runs"].as_array().unwrap().iter().find(|run| run["run"] == "./back").unwrap();
    assert_eq!((&run["epochs"], &run["steps"]), (&serde_json::Value::Null, &serde_json::Value::Null), "{run}");
    assert_eq!(run["differs"], serde_json::json!([]));

    // A cvae's weights tell how many classes there are.
    place.ok(&["train", "cvae", "--data", "d", "--steps", "1", "--batch-size", "8", "--out", "cvae"]);
    place.ok(&["export", "--run", "cvae", "--out", "c.safetensors"]);
    place.ok(&["import", "--model", "cvae", "--weights", "c.safetensors", "--out", "cback"]);
    place.ok(&few(&["evaluate", "--run", "cback", "--data", "d", "--classifier", "judge", "--out", "c.json"]));
    // Where the names are given, they hold.
    let named = ["import", "--model", "cvae", "--weights", "c.safetensors", "--classes", "a,b,c,d,e", "--out", "named"];
    place.ok(&named);
    let named = ["evaluate", "--run", "named", "--data", "d", "--classifier", "judge", "--out", "n.json"];
    place.refused(&named, &["named: knows the classes a, b, c, d, e, expected rabbit"]);
    let known = ["import", "--model", "cvae", "--weights", "c.safetensors", "--data", "d", "--out", "known"];
    place.ok(&known);
    let config = String::from_utf8(place.read("known/config.toml")).unwrap();
    assert!(config.contains("data = \"d\"") && config.contains("rabbit") && !config.contains("epochs"), "{config}");
    // A file that was cut or changed is named.
    place.write("back/config.toml", b"format = 1\nimported = \"w\"\nmodel = \"cnn-vae\"\nlatent = \"many\"\n");
    place.refused(
        &["encode", "--run", "back", "--images", "d/test_images.npy", "--out", "z.npy"],
        &["back/config.toml"],
    );
    place.write("back/config.toml", b"format = 1\nimported = \"w\"\nmodel = 3\n");
    place.refused(
        &["encode", "--run", "back", "--images", "d/test_images.npy", "--out", "z.npy"],
        &["back/config.toml"],
    );
}
