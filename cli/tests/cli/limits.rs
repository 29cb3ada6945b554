//! Limits of the system and folders that fail: one line and exit status 2, and what was trained is kept.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{Ended, Place};

/// Runs the program under limits that a line of shell sets.
pub fn limited(place: &Place, limit: &str, args: &[&str]) -> Ended {
    Ended::new(output(place, limit, args))
}

fn output(place: &Place, limit: &str, args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_inkgrad");
    let line = format!("{limit}; exec \"$0\" \"$@\"");
    let mut command = Command::new("bash");
    command.args(["-c", &line, program]).args(args).current_dir(place.path("")).env("TMPDIR", place.path(""));
    command.stdin(Stdio::null()).output().unwrap()
}

/// Whether the program is loaded at all under such limits: where its text alone is too large, the system kills the process before
/// it begins, or says that a library does not fit.
fn loads(place: &Place, limit: &str) -> bool {
    matches!(output(place, limit, &["--version"]).status.code(), Some(0 | 2))
}

fn error_line(ended: &Ended) -> &str {
    assert_eq!(ended.status, 2, "{}", ended.stderr);
    let errors: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(errors.len() == 1 && ended.stderr.ends_with(&format!("{}\n", errors[0])), "{}", ended.stderr);
    errors[0]
}

#[test]
#[cfg(target_os = "linux")]
fn a_limit_on_the_size_of_files_is_an_error_and_no_signal() {
    let place = Place::with_run();
    // Of 4 MB, where the state has 11: in KiB.
    let args = ["train", "cnn-vae", "--data", "d", "--steps", "2", "--batch-size", "8", "--out", "r"];
    let ended = limited(&place, "ulimit -f 4000", &args);
    let line = error_line(&ended);
    assert!(line.contains("r/state.safetensors: File too large") && line.contains("steps so far are lost"), "{line}");
    assert!(!place.files("").iter().any(|name| name.contains("rescued")));
    // The same command again, with room, but for the folder that holds the beginning of a run.
    place.ok(&["train", "--resume", "r"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_limit_on_memory_is_an_error_and_no_signal() {
    let place = Place::with_run();
    let args = ["train", "lstm-ae", "--data", "d", "--steps", "2", "--batch-size", "32", "--threads", "1", "--out"];
    let mut refused = 0;
    for mib in [24, 32, 48, 64, 96, 128] {
        let out = format!("r{mib}");
        let limit = format!("ulimit -v {}", mib * 1024);
        if !loads(&place, &limit) {
            continue;
        }
        let ended = limited(&place, &limit, &[&args[..], &[&out]].concat());
        if ended.status != 0 {
            error_line(&ended);
            refused += 1;
        }
    }
    assert!(refused > 0, "every limit was enough");
}

/// Waits until there is a checkpoint, in at most a minute.
fn wait_for(path: &std::path::Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !path.exists() {
        assert!(Instant::now() < deadline, "no {} within a minute", path.display());
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
#[ignore = "slow"]
#[cfg(unix)]
fn a_run_folder_that_disappears_leaves_its_state_beside_it() {
    let place = Place::with_run();
    let options = ["--steps", "150", "--batch-size", "8", "--log-every", "1", "--threads", "1"];
    let train = |out| [&["train", "cnn-ae", "--data", "d", "--out", out][..], &options].concat();
    place.ok(&train("whole"));
    let mut command = place.command(&train("gone"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&place.path("gone/state.safetensors"));
    fs::rename(place.path("gone"), place.path("elsewhere")).unwrap();
    fs::remove_dir_all(place.path("elsewhere")).unwrap();
    let ended = Ended::new(child.wait_with_output().unwrap());
    assert_eq!(ended.status, 2, "{}", ended.stderr);
    let line = ended.stderr.lines().last().unwrap();
    assert!(line.starts_with("error: ") && line.contains("gone.rescued-1"), "{line}");
    place.ok(&["train", "--resume", "gone.rescued-1"]);
    for file in ["model.safetensors", "loss.png", "config.toml"] {
        assert!(place.read(&format!("gone.rescued-1/{file}")) == place.read(&format!("whole/{file}")), "{file}");
    }
}

#[test]
#[ignore = "slow"]
#[cfg(target_os = "linux")]
fn what_cannot_be_printed_is_an_error() {
    let place = Place::new();
    let commands = [
        "--help",
        "train --help",
        "--version",
        "completions bash",
        "man",
        "models",
        "devices",
        "data info builtin",
        "",
    ];
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().collect();
        let ended = limited(&place, "exec >/dev/full", &words);
        assert!(error_line(&ended).starts_with("error: standard output: No space left"), "{command}: {}", ended.stderr);
    }
    // Nobody misses what is behind the lines that were read.
    let ended = limited(&place, "exec > >(true); sleep 0.2", &["--help"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
}

#[test]
#[cfg(target_os = "linux")]
fn drawings_that_could_not_all_be_written_leave_nothing() {
    let place = Place::new();
    let synth = ["data", "synth", "--n", "600", "--out", "s"];
    let ended = limited(&place, "ulimit -f 100", &synth);
    assert!(error_line(&ended).starts_with("error: s/train_images.npy: File too large"), "{}", ended.stderr);
    assert!(!place.path("s").exists());
    // The remains of a killed attempt in a folder are none of the user's.
    fs::create_dir_all(place.path("s/.inkgrad-4194305-files.tmp/d")).unwrap();
    place.ok(&synth);
    assert_eq!(place.files("s").len(), 5, "{:?}", place.files("s"));
    place.refused(&synth, &["s: not empty"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_small_stack_is_enough() {
    let place = Place::with_run();
    for command in [
        "--help",
        "man",
        "data info d",
        "train cnn-ae --data d --steps 1 --batch-size 8 --out small",
        "sample --run vae --n 2 --out s.npy",
        "gradcheck --op relu",
        "emulate axpy",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        let ended = limited(&place, "ulimit -s 64", &words);
        assert_eq!(ended.status, 0, "{command}: {}", ended.stderr);
    }
}
