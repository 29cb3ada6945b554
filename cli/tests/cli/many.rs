//! Many runs at once, and the learning rate to train them at.

use std::fs;

use serde_json::Value;

use crate::Place;

/// A training of the drawings in `d` with options.
fn train<'a>(options: &[&'a str]) -> Vec<&'a str> {
    [&["train", "cnn-ae", "--data", "d", "--batch-size", "8", "--threads", "1"], options].concat()
}

#[test]
fn a_run_for_each_seed_with_their_mean_goes_on_where_it_stopped() {
    let place = Place::with_run();
    let seeds = ["--steps", "3", "--seeds", "1,2,3", "--out", "s"];
    let found = place.json(&train(&seeds));
    let runs = found["runs"].as_array().unwrap();
    let losses: Vec<f64> = runs.iter().map(|run| run["test"]["loss"].as_f64().unwrap()).collect();
    assert!(losses.len() == 3 && losses[0] != losses[1]);
    let score = |split: &str, name: &str| {
        let scores = found["scores"].as_array().unwrap();
        scores.iter().find(|score| score["split"] == split && score["name"] == name).unwrap().clone()
    };
    let mean = losses.iter().sum::<f64>() / 3.0;
    let std = (losses.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 2.0).sqrt();
    let test = score("test", "loss");
    let is = |value: &Value, expected: f64| (value.as_f64().unwrap() - expected).abs() < 1e-12;
    assert!(is(&test["mean"], mean) && is(&test["std"], std) && test["n"] == 3, "{test}");
    assert_eq!(score("train", "mse")["n"], 3);
    // Each is the run that it would be by itself.
    place.ok(&train(&["--steps", "3", "--seed", "2", "--out", "two"]));
    assert!(place.read("s/seed-2/model.safetensors") == place.read("two/model.safetensors"));
    // One is lost, one was interrupted: the same command makes them anew and goes on, and keeps the third.
    let (first, third) = (place.read("s/seed-1/model.safetensors"), place.read("s/seed-3/model.safetensors"));
    fs::remove_dir_all(place.path("s/seed-1")).unwrap();
    let again = place.json(&train(&seeds));
    assert_eq!(again["scores"], found["scores"]);
    assert!(place.read("s/seed-1/model.safetensors") == first && place.read("s/seed-3/model.safetensors") == third);
    let text = place.ok(&train(&seeds));
    assert!(text.contains("cnn-ae on d, seeds 1, 2, 3: mean ± standard deviation") && text.contains("(N 3)"), "{text}");
    for (options, parts) in [
        (
            &["--steps", "4", "--seeds", "1,2", "--out", "s"][..],
            &["s/seed-1: holds a run with steps 3, expected 4"][..],
        ),
        (&["--steps", "3", "--seeds", "1,2", "--out", "two"], &["two: holds a run, expected a folder"]),
        (&["--steps", "3", "--seeds", "1,1", "--out", "n"], &["--seeds", "1 is there twice"]),
        (&["--steps", "3", "--seeds", "1,x", "--out", "n"], &["--seeds", "expected whole numbers"]),
        (&["--steps", "3", "--seeds", "1", "--set", "seed=1", "--out", "n"], &["--seeds: given with a seed"]),
    ] {
        place.refused(&train(options), parts);
    }
    let both = ["--steps", "3", "--seeds", "1", "--seed", "1", "--out", "n"];
    place.in_conflict(&train(&both), ["--seeds", "--seed"]);
}

#[test]
#[ignore = "slow"]
fn a_sweep_has_all_its_runs_in_one_table_and_goes_on_where_it_stopped() {
    let place = Place::with_run();
    let file = b"model = \"cnn-ae\"\ndata = \"d\"\nbatch_size = 8\nsteps = 2\nthreads = 1\n\
        [values]\nlr = [1e-3, 1e-2]\noptimizer = [\"adam\", \"adamw\"]\n";
    place.write("F.toml", file);
    let table = place.json(&["sweep", "F.toml"]);
    assert_eq!((&table["varied"], &table["method"]), (&serde_json::json!(["lr", "optimizer"]), &"grid".into()));
    let runs = table["runs"].as_array().unwrap();
    let values: Vec<&Value> = runs.iter().map(|run| &run["values"]).collect();
    assert_eq!(
        values,
        [&["0.001", "adam"], &["0.001", "adamw"], &["0.01", "adam"], &["0.01", "adamw"]]
            .map(|v| serde_json::json!(v))
            .iter()
            .collect::<Vec<_>>()
    );
    assert!(runs.iter().all(|run| run["ending"] == "finished" && run["best"]["split"] == "val"), "{table}");
    let files = place.files("F");
    for name in ["01", "02", "03", "04", "sweep.csv", "sweep.json", "sweep.md", "sweep.png"] {
        assert!(files.iter().any(|file| file == name), "{files:?}");
    }
    let csv = String::from_utf8(place.read("F/sweep.csv")).unwrap();
    assert!(csv.starts_with("run,lr,optimizer,ended,split,loss,step,seconds\n") && csv.lines().count() == 5, "{csv}");
    assert!(place.read("F/sweep.png").starts_with(b"\x89PNG"));
    // A run is lost: the same command makes it anew, and leaves the others.
    let weights = ["F/02", "F/03"].map(|run| place.read(&format!("{run}/model.safetensors")));
    fs::remove_dir_all(place.path("F/02")).unwrap();
    let again = place.json(&["sweep", "F.toml"]);
    let losses = |table: &Value| -> Vec<Value> {
        table["runs"].as_array().unwrap().iter().map(|run| run["best"]["loss"].clone()).collect()
    };
    assert_eq!(losses(&again), losses(&table));
    assert!(["F/02", "F/03"].map(|run| place.read(&format!("{run}/model.safetensors"))) == weights);
    let text = place.ok(&["runs", "F"]);
    assert!(text.contains("lr 0.01"), "{text}");
    // Other settings need another folder, and other files are nobody's to replace.
    place.write("F.toml", &String::from_utf8(file.to_vec()).unwrap().replace("steps = 2", "steps = 3").into_bytes());
    place.refused(&["sweep", "F.toml"], &["F/01: holds a run with steps 2, expected 3"]);
    place.refused(&["sweep", "F.toml", "--out", "d"], &["d: holds something else than a sweep"]);
    place.write("G.toml", b"model = \"cnn-ae\"\n[values]\nlearning_rate = [1]\n");
    place.refused(&["sweep", "G.toml"], &["G.toml:3: learning_rate: unknown field `learning_rate`"]);
    assert!(!place.path("G").exists());
}

#[test]
fn a_run_of_a_sweep_whose_loss_explodes_is_a_result() {
    let place = Place::with_run();
    place.write(
        "F.toml",
        b"model = \"cnn-vae\"\ndata = \"d\"\nbatch_size = 8\nsteps = 30\n[values]\nlr = [1e6, 1e-3]\n",
    );
    let table = place.json(&["sweep", "F.toml", "--out", "s"]);
    let ends: Vec<&Value> = table["runs"].as_array().unwrap().iter().map(|run| &run["ending"]).collect();
    assert_eq!(ends, [&Value::from("failed"), &"finished".into()], "{table}");
    assert!(table["runs"][0]["problem"].as_str().unwrap().contains("not finite"));
    assert!(String::from_utf8(place.read("s/sweep.md")).unwrap().contains("| 01 | 1000000.0 | – | failed |"));
}

#[test]
fn a_learning_rate_is_proposed_and_no_run_is_left() {
    let place = Place::with_run();
    let before = place.files(".");
    let options = ["--lr-find=lr.png", "--lr-find-steps", "60"];
    let found = place.json(&train(&options));
    let proposal = found["proposal"].as_f64().expect("a proposal");
    assert!((1e-6..1.0).contains(&proposal), "{found}");
    let column = |name: &str| found[name].as_array().unwrap().len() as u64;
    assert!([column("lr"), column("loss"), column("smoothed")].iter().all(|n| Some(*n) == found["steps"].as_u64()));
    let mut after = place.files(".");
    after.retain(|name| !before.contains(name));
    assert_eq!(after, ["lr.png"]);
    let text = place.ok(&train(&["--lr-find"]));
    assert!(place.read("lr-find.png").starts_with(b"\x89PNG"));
    assert!(text.contains("--lr ") && text.contains("it falls fastest there"), "{text}");
    place.in_conflict(&train(&["--lr-find", "--out", "run"]), ["--lr-find", "--out"]);
    place.refused(&train(&["--lr-find", "--device", "emulated"]), &["--device: emulated with --lr-find"]);
    place.refused(&train(&["--lr-find", "--lr-find-steps", "3"]), &["--lr-find-steps: 3, expected at least 20"]);
}
