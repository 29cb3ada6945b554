//! How parameters are moved, and which weights a command then uses.

use crate::Place;

/// A training of the drawings in `d` with options, of three steps.
fn train<'a>(out: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    train_for("3", out, options)
}

fn train_for<'a>(steps: &'a str, out: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    let start =
        ["train", "cnn-ae", "--data", "d", "--batch-size", "8", "--threads", "1", "--steps", steps, "--out", out];
    [&start[..], options].concat()
}

#[test]
fn an_average_is_weights_of_its_own_in_every_command() {
    let place = Place::with_run();
    place.ok(&train("run", &["--ema", "0.9", "--lr", "0.01", "--val-fraction", "0.2"]));
    assert!(place.files("run").contains(&"ema.safetensors".to_owned()));
    let drawings = ["reconstruct", "--run", "run", "--images", "d/test_images.npy", "--out"];
    let mut results = Vec::new();
    for (which, words) in [
        ("last", "weights: the last (--weights best for the best by validation, --weights ema for the average)"),
        (
            "best",
            "weights: the best by validation, of step 3 (--weights last for the last, --weights ema for the average)",
        ),
        (
            "ema",
            "weights: the average up to step 3 (--weights last for the last, --weights best for the best by validation)",
        ),
    ] {
        let out = format!("{which}.npy");
        let ended = place.run(&[&drawings[..], &[&out, "--weights", which]].concat());
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
        results.push(place.read(&out));
    }
    assert!(results[0] == results[1] && results[1] != results[2]);
    // By default the best, as ever.
    let ended = place.run(&[&drawings[..], &["default.npy"]].concat());
    assert!(ended.stderr.contains("weights: the best by validation"), "{}", ended.stderr);
    place.ok(&["export", "--run", "run", "--weights", "ema", "--out", "w.safetensors"]);
    place.refused(
        &["export", "--run", "vae", "--weights", "ema", "--out", "v.safetensors"],
        &["--weights: ema, but vae keeps none: it was trained without --ema; expected last"],
    );
    place.refused(
        &["encode", "--run", "run", "--images", "d/test_images.npy", "--out", "run/ema.safetensors"],
        &["belongs to a run"],
    );
}

#[test]
fn all_goes_on_as_if_it_had_not_stopped() {
    let place = Place::with_run();
    let options = ["--ema=0.9", "--optimizer=adamw", "--weight-decay=0.1", "--accumulate=3", "--freeze=encoder"];
    place.ok(&train_for("3", "whole", &options));
    place.ok(&train_for("2", "parts", &options));
    place.ok(&["train", "--resume", "parts", "--steps", "3"]);
    for file in ["model.safetensors", "ema.safetensors"] {
        assert!(place.read(&format!("whole/{file}")) == place.read(&format!("parts/{file}")), "{file}");
    }
    for option in [["--ema", "0.5"], ["--accumulate", "2"], ["--freeze", "decoder"]] {
        place.in_conflict(&[&["train", "--resume", "parts"][..], &option].concat(), [option[0], "--resume"]);
    }
}

#[test]
fn what_cannot_be_heeded_is_refused_and_no_folder_is_made() {
    let place = Place::with_run();
    for (options, parts) in [
        (&["--weight-decay", "0.1"][..], &["--weight-decay: 0.1 with adam, expected --optimizer adamw"][..]),
        (&["--weight-decay", "-1", "--optimizer", "adamw"], &["--weight-decay", "at least 0"]),
        (&["--ema", "1"], &["--ema: 1, expected 0 < F < 1"]),
        (&["--accumulate", "0"], &["--accumulate: 0, expected at least 1"]),
        (&["--accumulate", "9"], &["--accumulate: 9 parts of a step's 8 drawings"]),
        (&["--freeze", "decodre."], &["--freeze: no parameter's name begins with `decodre.`, expected one of encoder"]),
        (&["--freeze", "encoder,,"], &["--freeze: encoder,,, expected beginnings"]),
        (&["--freeze", "encoder,decoder"], &["--freeze: encoder,decoder leaves no parameter to train"]),
        (&["--ema", "0.9", "--device", "emulated"], &["--ema: 0.9 on emulated, which has no kernels for it"]),
    ] {
        place.refused(&train("new", options), parts);
        assert!(!place.path("new").exists(), "{options:?}");
    }
    place.write("F.toml", b"optimizer = \"sgd\"\nweight_decay = 0.1\n");
    place.refused(
        &train("new", &["--config", "F.toml"]),
        &["F.toml:2: weight_decay: 0.1 with sgd, expected the optimizer adamw"],
    );
    place.write("F.toml", b"freeze = [\"encoder\"]\nema = 0.5\naccumulate = 2\n");
    place.ok(&train("new", &["--config", "F.toml"]));
}

#[test]
fn weights_of_other_runs_are_not_believed_under_a_run_s_names() {
    let place = Place::with_run();
    let options = ["--ema", "0.9", "--lr", "0.01", "--val-fraction", "0.2"];
    place.ok(&train("run", &options));
    place.ok(&train("other", &[&options[..], &["--seed", "7"]].concat()));
    let encode = |run, which| {
        vec!["encode", "--run", run, "--images", "d/test_images.npy", "--out", "z.npy", "--weights", which]
    };
    for which in ["best", "ema"] {
        let file = format!("run/{which}.safetensors");
        let own = place.read(&file);
        place.write(&file, &place.read(&format!("other/{which}.safetensors")));
        place.refused(&encode("run", which), &[&file, "of step 3 that are none of this run's", "kept at step 3"]);
        place.write(&file, &own);
        place.ok(&encode("run", which));
        // Of a run that kept none.
        place.write(&format!("vae/{which}.safetensors"), &place.read("vae/model.safetensors"));
        let of_none = ["encode", "--run", "vae", "--images", "d/test_images.npy", "--out", "v.npy", "--weights", which];
        place.refused(&of_none, &["--weights: ", "the file there is none of its own", "expected last"]);
    }
    place.ok(&["encode", "--run", "vae", "--images", "d/test_images.npy", "--out", "v.npy"]);
    // The best of an earlier step are known by their digest.
    place.ok(&["train", "--resume", "run", "--steps", "4", "--lr", "10"]);
    let ended = place.run(&encode("run", "best"));
    assert!(ended.status == 0 && ended.stderr.contains("of step 3"), "{}", ended.stderr);
    place.write("run/best.safetensors", &place.read("other/best.safetensors"));
    place.refused(&encode("run", "best"), &["run/best.safetensors", "none of this run's"]);
}
