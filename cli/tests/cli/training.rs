//! Training, going on, and what a run leaves behind.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::Place;

/// A short training with options.
pub fn train<'a>(out: &'a str, options: &[&'a str]) -> Vec<&'a str> {
    [&["train", "cnn-vae", "--data", "d", "--batch-size", "8", "--out", out], options].concat()
}

#[test]
fn a_run_folder_holds_what_is_promised() {
    let place = Place::with_run();
    let expected = [
        "components.png",
        "config.toml",
        "loss.png",
        "metrics.jsonl",
        "model.safetensors",
        "reconstructions.png",
        "samples.png",
        "state.safetensors",
    ];
    let files = place.files("vae");
    assert!(files.iter().any(|name| name.starts_with("events.out.tfevents.")), "{files:?}");
    assert!(expected.iter().all(|name| files.iter().any(|file| file == name)), "{files:?}");

    let text = String::from_utf8(place.read("vae/metrics.jsonl")).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let splits: Vec<&str> = records.iter().map(|record| record["split"].as_str().unwrap()).collect();
    assert_eq!(splits, ["train", "test"]);
    for record in &records {
        assert_eq!(record["step"], 2);
        let part = |name: &str| record[name].as_f64().unwrap();
        assert!((part("bce") + part("kl") - part("loss")).abs() < 1e-3, "{record}");
    }
    let config = String::from_utf8(place.read("vae/config.toml")).unwrap();
    for line in ["model = \"cnn-vae\"", "steps = 2", "batch_size = 8", "lr = 0.001", "seed = 42"] {
        assert!(config.lines().any(|found| found == line), "{config}");
    }
}

#[test]
#[ignore = "slow"]
fn seed_and_data_decide_the_weights_and_threads_do_not() {
    let place = Place::with_run();
    let weights = |out: &str, options: &[&str]| {
        place.ok(&train(out, &[&["--steps", "3"], options].concat()));
        place.read(&format!("{out}/model.safetensors"))
    };
    let one = weights("one", &["--threads", "1"]);
    assert!(one == weights("again", &["--threads", "1"]));
    assert!(one == weights("two", &["--threads", "2"]));
    assert!(one != weights("other", &["--threads", "1", "--seed", "7"]));
}

#[test]
fn the_summary_says_what_was_done() {
    let place = Place::with_run();
    let summary = place.json(&train("run", &["--epochs", "1", "--val-fraction", "0.25"]));
    let expected = [
        ("outcome", "finished".into()),
        ("model", "cnn-vae".into()),
        ("run", "run".into()),
        ("data", "d".into()),
        ("synthetic", false.into()),
        ("step", 5.into()),
        ("epoch", 1.0.into()),
    ];
    for (key, value) in expected {
        let value: Value = value;
        assert_eq!(summary[key], value, "{key}");
    }
    for split in ["train", "val", "test"] {
        let record = &summary[split];
        assert_eq!((&record["split"], record["loss"].as_f64().unwrap() > 0.0), (&split.into(), true));
    }
    assert!(summary["images_per_s"].as_f64().unwrap() > 0.0);
    // The best by validation is kept beside the last.
    assert!(summary["files"].as_array().unwrap().contains(&"best.safetensors".into()));
}

#[test]
fn forcing_moves_the_earlier_run_aside() {
    let place = Place::with_run();
    let before = place.read("vae/model.safetensors");
    let ended = place.run(&train("vae", &["--steps", "1", "--force"]));
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("vae.bak-1"), "{}", ended.stderr);
    assert!(place.read("vae.bak-1/model.safetensors") == before);
    assert!(place.read("vae/model.safetensors") != before);
}

#[test]
#[ignore = "slow"]
fn more_epochs_continue_as_if_they_had_been_asked_for_at_once() {
    let place = Place::with_run();
    place.ok(&train("whole", &["--epochs", "2", "--threads", "1"]));
    place.ok(&train("parts", &["--epochs", "1", "--threads", "1"]));
    let summary = place.json(&["train", "--resume", "parts", "--epochs", "2"]);
    assert_eq!((&summary["step"], &summary["total_steps"]), (&12.into(), &12.into()));
    assert!(place.read("whole/model.safetensors") == place.read("parts/model.safetensors"));
    let losses = |run: &str| {
        let text = String::from_utf8(place.read(&format!("{run}/metrics.jsonl"))).unwrap();
        let record = |line| serde_json::from_str::<Value>(line).unwrap();
        text.lines().map(record).map(|r| (r["step"].clone(), r["split"].clone(), r["loss"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(losses("whole"), losses("parts"));
    let config = String::from_utf8(place.read("parts/config.toml")).unwrap();
    assert!(config.contains("epochs = 2"), "{config}");
    let change = "[[changes]]\nstep = 6\nsetting = \"epochs\"\nfrom = \"1\"\nto = \"2\"\n";
    assert!(config.ends_with(change), "{config}");
}

#[test]
fn a_config_file_comes_before_defaults_and_after_options() {
    let place = Place::with_run();
    place.write("F.toml", b"steps = 2\nlr = 0.0005\nbeta = 2.0\n");
    place.ok(&train("run", &["--config", "F.toml", "--lr", "0.00025"]));
    let config = String::from_utf8(place.read("run/config.toml")).unwrap();
    for line in ["steps = 2", "lr = 0.00025", "beta = 2.0"] {
        assert!(config.lines().any(|found| found == line), "{config}");
    }
    place.write("F.toml", b"steps = 2\nlearning_rate = 1\n");
    place.refused(&train("new", &["--config", "F.toml"]), &["F.toml:2: unknown field `learning_rate`"]);
}

#[test]
fn a_loss_that_explodes_stops_the_run_and_keeps_the_checkpoint() {
    let place = Place::with_run();
    let (weights, state) = (place.read("vae/model.safetensors"), place.read("vae/state.safetensors"));
    let ended = place.run(&["train", "--resume", "vae", "--steps", "40", "--lr", "1e6"]);
    assert_eq!(ended.status, 2, "{}", ended.stderr);
    let error = ended.stderr.lines().find(|line| line.starts_with("error: ")).expect("an error");
    for part in ["vae: step ", "the loss is not finite", "the output of `", "the last checkpoint is kept"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(place.read("vae/model.safetensors") == weights && place.read("vae/state.safetensors") == state);
    place.ok(&["train", "--resume", "vae", "--steps", "3", "--lr", "0.001"]);
}

/// Ends a child when its test fails.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a training, sends it a signal `delay` after the record of `step`, or of the first step that it takes itself if the one before
/// it has gone further, and waits for its end: before its first step nobody listens to signals.
fn interrupt(
    place: &Place,
    args: &[&str],
    run: &str,
    signal: &str,
    step: u64,
    delay: Duration,
) -> (Option<i32>, String) {
    let metrics = place.path(run).join("metrics.jsonl");
    let step = step.max(last_step(&metrics) + 1);
    let mut child = Guard(place.command(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    // However slow the machine is: only a process that hangs takes so long.
    let deadline = Instant::now() + Duration::from_secs(1200);
    while last_step(&metrics) < step {
        let ended = child.0.try_wait().unwrap();
        assert!(ended.is_none() || last_step(&metrics) >= step, "it ended before step {step}: {ended:?}");
        assert!(Instant::now() < deadline, "no record of step {step} within twenty minutes");
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(delay);
    let kill = std::process::Command::new("kill").args([signal, &child.0.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let status = child.0.wait().unwrap();
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut child.0.stderr.take().unwrap(), &mut stderr).unwrap();
    (status.code(), stderr)
}

/// The step of the last whole line of `metrics.jsonl`; 0 where there is none.
fn last_step(metrics: &Path) -> u64 {
    let text = fs::read_to_string(metrics).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let record: Option<Value> = whole.lines().last().and_then(|line| serde_json::from_str(line).ok());
    record.map_or(0, |record| record["step"].as_u64().unwrap())
}

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

/// A checkpoint is written after every step here, so that a kill falls before, between, during and after the writing of
/// its files. Every second interruption is a SIGKILL; `INKGRAD_KILLS=50` gives fifty of them, `INKGRAD_SEED=N` other moments.
#[test]
#[ignore = "slow"]
#[cfg(unix)]
fn a_run_interrupted_at_random_steps_ends_bit_for_bit_as_one_that_was_not() {
    let place = Place::with_run();
    let parts = 2 * number("INKGRAD_KILLS", 10);
    let steps = (15 * parts).to_string();
    let options = ["--steps", &steps, "--batch-size", "8", "--log-every", "1", "--threads", "1"];
    let train = |out| [&["train", "cnn-ae", "--data", "d", "--out", out][..], &options].concat();
    place.ok(&train("whole"));
    let mut rng = SmallRng::seed_from_u64(number("INKGRAD_SEED", 1));
    let mut killed = 0;
    for part in 0..parts {
        let args = if part == 0 { train("parts") } else { vec!["train", "--resume", "parts"] };
        let signal = ["-INT", "-KILL", "-KILL", "-TERM"][part as usize % 4];
        let step = part * 14 + rng.random_range(1..=14);
        let delay = Duration::from_micros(rng.random_range(0..12_000));
        let (status, stderr) = interrupt(&place, &args, "parts", signal, step, delay);
        if signal == "-KILL" {
            assert_eq!(status, None, "{stderr}");
            killed += 1;
        } else {
            assert_eq!(status, Some(130), "{stderr}");
            let line = stderr.lines().find(|line| line.starts_with("stopped after step ")).expect("how to resume");
            assert!(line.ends_with("; resume with: inkgrad train --resume parts"), "{line}");
        }
    }
    eprintln!("{killed} killed, {} ended by other signals", parts - killed);
    let ended = place.ok(&["train", "--resume", "parts"]);
    assert!(ended.contains("finished"), "{ended}");
    assert!(place.read("whole/model.safetensors") == place.read("parts/model.safetensors"));
}

#[test]
#[ignore = "slow"]
fn a_run_has_one_owner_and_force_moves_it_whole() {
    let place = Place::with_run();
    // As a second process that goes on while the first is at work.
    let lock = std::fs::File::options().write(true).open(place.path("vae/.lock")).unwrap();
    lock.lock().unwrap();
    place.write("vae/.lock", b"4242\n");
    let resume = ["train", "--resume", "vae", "--steps", "9"];
    place.refused(&resume, &["vae: process 4242 is working in this run"]);
    place.refused(&train("vae", &["--steps", "2", "--force"]), &["is working in this run"]);
    drop(lock);
    place.write("vae/.lock", b"");
    place.ok(&resume);

    // `.` leads to where the earlier run has gone.
    let weights = place.read("vae/model.safetensors");
    let arguments =
        ["train", "cnn-vae", "--data", "../d", "--batch-size", "8", "--steps", "1", "--out", ".", "--force"];
    let ended = place.run_in("vae", &arguments);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(place.read("vae.bak-1/model.safetensors") == weights);
    assert!(String::from_utf8(place.read("vae/config.toml")).unwrap().contains("steps = 1\n"));

    // Killed before the run began: only a lock and a torn file.
    std::fs::create_dir(place.path("begun")).unwrap();
    place.write("begun/.lock", b"1\n");
    place.write("begun/.inkgrad-1x.tmp", b"torn");
    let text = place.ok(&train("begun", &["--steps", "1"]));
    assert!(!text.contains(".lock") && !place.path("begun/.inkgrad-1x.tmp").exists(), "{text}");
}

#[test]
#[ignore = "slow"]
fn a_run_knows_its_data_wherever_it_is_called_from() {
    let place = Place::new();
    place.ok(&["data", "synth", "--n", "60", "--out", "d"]);
    place.ok(&train("vae", &["--steps", "2"]));
    std::fs::create_dir(place.path("elsewhere")).unwrap();
    let ended = place.run_in("elsewhere", &["train", "--resume", "../vae", "--steps", "5"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    // The same name, counts and classes, other drawings.
    let mut images = place.read("d/train_images.npy");
    let last = images.len() - 1;
    images[last] ^= 0xff;
    place.write("d/train_images.npy", &images);
    let resume = ["train", "--resume", "vae", "--steps", "6"];
    let before = [place.read("vae/metrics.jsonl"), place.read("vae/state.safetensors")];
    place.refused(&resume, &["holds other drawings than this run began with", "--data-changed where they are meant"]);
    assert!(before == [place.read("vae/metrics.jsonl"), place.read("vae/state.safetensors")]);
    place.refused(&["evaluate", "--run", "vae", "--samples", "10", "--out", "e.json"], &["holds other drawings"]);
    place.ok(&[&resume[..], &["--data-changed"]].concat());
    place.ok(&["train", "--resume", "vae", "--steps", "7"]);
}

#[test]
fn a_finished_run_that_is_resumed_leaves_no_empty_events_and_claims_no_speed() {
    let place = Place::with_run();
    let before = place.files("vae");
    let ended = place.ok(&["train", "--resume", "vae"]);
    assert_eq!(place.files("vae"), before);
    assert!(ended.contains("finished") && !ended.contains("images/s"), "{ended}");
}

#[test]
fn a_run_whose_records_are_gone_says_so_and_goes_on() {
    let place = Place::with_run();
    std::fs::remove_file(place.path("vae/metrics.jsonl")).unwrap();
    let ended = place.run(&["train", "--resume", "vae", "--steps", "50"]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("metrics.jsonl: missing; curves and report begin behind step "), "{}", ended.stderr);
}

#[test]
fn settings_that_would_not_be_heeded_are_refused() {
    let place = Place::with_run();
    place.refused(&train("new", &["--momentum", "0.5"]), &["--momentum: 0.5 with adam, expected --optimizer sgd"]);
    place.refused(&["sample", "--run", "vae", "--n", "-3", "--out", "s.npy"], &["-3", "expected a number from 1"]);
    let fraction = train("new", &["--val-fraction", "0.001"]);
    place.refused(&fraction, &["--val-fraction: 0.001 of 48 drawings is none, expected one at least"]);
    let own_test = "--test-fraction gives way to the 12 drawings that d has to test on";
    let info = place.ok(&["data", "info", "d", "--test-fraction", "0.5", "--seed", "3"]);
    assert!(info.contains(own_test) && info.contains("--seed gives way to the 12"), "{info}");
    let ended = place.run(&["train", "cnn-ae", "--quick", "--steps", "1", "--test-fraction", "0.5", "--out", "built"]);
    assert!(ended.status == 0 && ended.stderr.contains("gives way to the 1000 drawings"), "{}", ended.stderr);
    let unheeded = "--log-every: 5 for a run counted in epochs, which records at the end of each, expected --steps";
    let by_epoch = ["train", "cnn-ae", "--data", "d", "--batch-size", "40", "--epochs", "1", "--out", "passes"];
    place.refused(&[&by_epoch[..], &["--log-every", "5"]].concat(), &[unheeded]);
    place.ok(&by_epoch);
    place.refused(&["train", "--resume", "passes", "--epochs", "2", "--log-every", "5"], &[unheeded]);
}
