//! Weights that a run starts from, and those of it that are used.

use crate::Place;
use crate::training::train;

#[test]
#[ignore = "slow"]
fn a_run_starts_from_the_weights_of_another_or_of_a_file() {
    let place = Place::with_run();
    place.ok(&["export", "--run", "vae", "--out", "w.safetensors"]);
    place.ok(&["import", "--model", "cnn-vae", "--weights", "w.safetensors", "--data", "d", "--out", "imported"]);
    place.refused(
        &["train", "--resume", "imported"],
        &["holds weights but no state.safetensors", "inkgrad train --init imported"],
    );
    let latents = |run: &str| {
        place.ok(&["encode", "--run", run, "--images", "d/test_images.npy", "--out", "z.npy"]);
        place.read("z.npy")
    };
    let expected = latents("vae");
    // A step of a rate that moves nothing.
    let still = ["--data", "d", "--steps", "1", "--batch-size", "8", "--lr", "1e-30"];
    for (out, start) in [
        ("a", &["train", "cnn-vae", "--init", "w.safetensors"][..]),
        ("b", &["train", "--init", "imported"]),
        ("c", &["train", "--init", "vae", "--weights", "last"]),
    ] {
        place.ok(&[start, &still, &["--out", out]].concat());
        assert!(latents(out) == expected, "{out}");
        let config = String::from_utf8(place.read(&format!("{out}/config.toml"))).unwrap();
        assert!(config.contains("init = \"/") && config.contains("init_sha256 = \""), "{config}");
    }
    assert!(latents("a") == latents("c"));
    // Begun and killed before its first checkpoint, it starts from them again; from others it does not.
    for file in ["state.safetensors", "model.safetensors", "metrics.jsonl"] {
        std::fs::remove_file(place.path("a").join(file)).unwrap();
    }
    place.ok(&["train", "--resume", "a"]);
    assert!(latents("a") == expected);
    for file in ["state.safetensors", "model.safetensors"] {
        std::fs::remove_file(place.path("a").join(file)).unwrap();
    }
    place.ok(&["export", "--run", "b", "--out", "w.safetensors"]);
    let mut bytes = place.read("w.safetensors");
    *bytes.last_mut().unwrap() ^= 1;
    place.write("w.safetensors", &bytes);
    place.refused(&["train", "--resume", "a"], &["w.safetensors: other weights", "than the run began with"]);

    // The settings of the run's model go with it.
    place.ok(&["train", "cnn-vae", "--beta", "3", "--data", "d", "--steps", "1", "--batch-size", "8", "--out", "beta"]);
    place.ok(&[&["train", "--init", "beta", "--out", "after"], &still[..]].concat());
    assert!(String::from_utf8(place.read("after/config.toml")).unwrap().contains("beta = 3.0"));
}

#[test]
#[ignore = "slow"]
fn weights_that_do_not_fit_are_refused_or_left_out_by_name() {
    let place = Place::with_run();
    let still = ["--data", "d", "--steps", "1", "--batch-size", "8", "--lr", "1e-30", "--out", "new"];
    let start = |model, more: &[&'static str]| [&["train", model, "--init", "vae"], more, &still].concat();
    place.refused(
        &start("cvae", &[]),
        &["model.safetensors", "missing class_embedding.weight", "looks like cnn-vae", "--strict no"],
    );
    let ended = place.run(&start("cvae", &["--strict", "no"]));
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let line = ended.stderr.lines().find(|line| line.starts_with("--init: left out ")).expect("what was left out");
    assert_eq!(line, "--init: left out what does not fit: class_embedding.weight is not there");
    let back = [&["train", "cnn-vae", "--init", "new", "--strict", "no"][..], &still[..8], &["--out", "back"]].concat();
    let ended = place.run(&back);
    assert!(ended.stderr.contains("class_embedding.weight has no place in cnn-vae"), "{}", ended.stderr);
    place.refused(&start("classifier", &["--strict", "no", "--force"]), &["none of its tensors fits classifier"]);
    let both = place.run(&["train", "--init", "vae", "--resume", "vae"]);
    assert!(both.status == 2 && both.stderr.contains("--init") && both.stderr.contains("--resume"), "{}", both.stderr);
    place.refused(&["train", "cnn-vae", "--init", "none", "--out", "x"], &["none: No such file"]);
    place.refused(&["train", "cnn-vae", "--init", "d/classes.txt", "--out", "x"], &["neither a safetensors file nor"]);
}

#[test]
#[ignore = "slow"]
fn commands_use_the_best_weights_and_say_so() {
    let place = Place::with_run();
    place.ok(&train("held", &["--steps", "40", "--log-every", "1", "--lr", "0.02", "--val-fraction", "0.25"]));
    let encode = |options: &[&str]| {
        let ended = place.run(&[&["encode", "--images", "d/test_images.npy", "--out", "z.npy"], options].concat());
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        (place.read("z.npy"), ended.stderr)
    };
    let (best, said) = encode(&["--run", "held"]);
    assert!(said.contains("held: weights: the best by validation, of step"), "{said}");
    let (last, said) = encode(&["--run", "held", "--weights", "last"]);
    assert!(best != last && said.contains("held: weights: the last"), "{said}");
    // As weights alone, which are a run's like others.
    place.ok(&["export", "--run", "held", "--weights", "best", "--out", "w.safetensors"]);
    place.ok(&["import", "--model", "cnn-vae", "--weights", "w.safetensors", "--out", "imported"]);
    let (imported, said) = encode(&["--run", "imported"]);
    assert!(imported == best && !said.contains("weights:"), "{said}");
    place.ok(&train("without", &["--steps", "1", "--val-fraction", "0"]));
    for (run, why) in [("imported", "were imported"), ("without", "held nothing back for validation")] {
        let asked = ["sample", "--run", run, "--n", "1", "--out", "s.npy", "--weights", "best"];
        place.refused(&asked, &["--weights: best, but", "keeps none", why, "expected last"]);
    }
}
