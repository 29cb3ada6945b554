//! Runs that go on as what they began as.

use std::fs;

use crate::Place;

/// With a run of 4 steps of which each is recorded.
fn recorded() -> Place {
    let place = Place::with_run();
    let train = ["train", "cnn-ae", "--data", "d", "--batch-size", "8", "--steps", "4", "--log-every", "1"];
    place.ok(&[&train[..], &["--val-fraction", "0.2", "--out", "run"]].concat());
    place
}

fn edit(place: &Place, file: &str, from: &str, to: &str) {
    let text = String::from_utf8(place.read(file)).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(place.path(file), text.replace(from, to)).unwrap();
}

#[test]
fn what_a_run_keeps_is_changed_neither_by_an_option_nor_in_its_file() {
    let place = recorded();
    let resume = |more: &[&'static str]| [&["train", "--resume", "run", "--steps", "5"], more].concat();
    for (given, said) in [
        ("seed=7", "run: seed is 7, expected 42: a run keeps it from its start to its end"),
        ("val_fraction=0.6", "run: val_fraction is 0.6, expected 0.2"),
        ("batch_size=4", "run: batch_size is 4, expected 8"),
        ("ema=0.9", "run: ema is 0.9, expected unset"),
    ] {
        place.refused(&resume(&["--set", given]), &[said]);
    }
    place.refused(&resume(&["--set", "lr=0.1", "--set", "lr=0.2"]), &["--set lr: given twice, expected it once"]);
    edit(&place, "run/config.toml", "val_fraction = 0.2", "val_fraction = 0.6");
    place.refused(&resume(&[]), &["run: val_fraction is 0.6, expected 0.2"]);
    edit(&place, "run/config.toml", "val_fraction = 0.6", "val_fraction = 0.2");
    place.ok(&resume(&["--set", "seed=42", "--set", "lr=0.01"]));
    let ended = place.run(&["train", "--resume", "run", "--lr", "0.5"]);
    assert!(ended.stderr.contains("no step is left to train with what was changed: lr"), "{}", ended.stderr);
}

#[test]
#[cfg(unix)]
fn a_copy_of_hard_links_does_not_share_its_records() {
    let place = recorded();
    fs::create_dir(place.path("copy")).unwrap();
    for name in place.files("run") {
        fs::hard_link(place.path(&format!("run/{name}")), place.path(&format!("copy/{name}"))).unwrap();
    }
    let before = place.read("copy/metrics.jsonl");
    place.ok(&["train", "--resume", "run", "--steps", "6"]);
    assert!(place.read("copy/metrics.jsonl") == before);
    let longer = place.read("run/metrics.jsonl");
    assert!(longer.starts_with(&before) && longer.len() > before.len());
    place.ok(&["train", "--resume", "copy", "--steps", "5"]);
    assert!(place.read("run/metrics.jsonl") == longer);
}

#[test]
fn records_and_fingerprints_that_are_gone_are_missed() {
    let place = recorded();
    let records = String::from_utf8(place.read("run/metrics.jsonl")).unwrap();
    let first = records.split_inclusive('\n').take(1).collect::<String>();
    fs::write(place.path("run/metrics.jsonl"), first).unwrap();
    let config = String::from_utf8(place.read("run/config.toml")).unwrap();
    let without: Vec<&str> = config.lines().filter(|line| !line.starts_with("data_sha256")).collect();
    fs::write(place.path("run/config.toml"), without.join("\n")).unwrap();
    let ended = place.run(&["train", "--resume", "run", "--steps", "5"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    for said in [
        "run/metrics.jsonl: ends at step 1 of 4; what was recorded behind it is gone",
        "run/config.toml: has no SHA-256 of the drawings; that they are the same was not checked",
    ] {
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
}

#[test]
#[ignore = "slow"]
fn drawings_that_are_gone_are_named_by_where_they_were_and_never_moved_away() {
    let place = recorded();
    let absolute = place.path("d").canonicalize().unwrap();
    fs::rename(place.path("d"), place.path("e")).unwrap();
    let said = format!("{}: no such folder: the run's drawings were there", absolute.display());
    for command in [vec!["train", "--resume", "run", "--steps", "5"], vec!["report", "run", "--out", "r.html"]] {
        place.refused(&command, &[&said]);
    }
    place.ok(&["train", "--resume", "run", "--steps", "5", "--data", "e"]);
    fs::rename(place.path("e"), place.path("run/data")).unwrap();
    let again = ["train", "cnn-ae", "--data", "run/data", "--steps", "1", "--out", "run", "--force"];
    place.refused(&again, &["run/data: lie in run, which is to be the run's folder, expected another place"]);
    place.refused(&["train", "cnn-ae", "--steps", "1", "--out", "a\nb"], &["holds a control character"]);
}

#[test]
fn negative_numbers_in_any_form_are_out_of_range() {
    let place = Place::with_run();
    for (option, value) in [("--lr", "-1e-3"), ("--lr", "-.5"), ("--lr", "-inf"), ("--ema", "-.5"), ("--steps", "-1e3")]
    {
        let ended = place.run(&["train", "cnn-ae", "--data", "d", option, value, "--out", "x"]);
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""));
        assert!(ended.stderr.contains(option) && !ended.stderr.contains("unexpected argument"), "{}", ended.stderr);
    }
    let ended = place.run(&["tsne", "--data", "x.npy", "--perplexity", "-.5", "--out", "x.png"]);
    assert!(!ended.stderr.contains("unexpected argument '-."), "{}", ended.stderr);
}
