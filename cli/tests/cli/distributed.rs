//! One of several processes: what a program says that has no MPI, or was not told of the others. `tests/ranks/check.sh` trains on
//! several.

use std::fs;

use crate::{Ended, Place, few};

const TRAIN: [&str; 8] = ["train", "cnn-ae", "--data", "d", "--steps", "1", "--batch-size", "8"];

#[cfg(not(feature = "mpi"))]
#[test]
fn a_program_without_mpi_says_how_to_get_one_that_has_it() {
    let place = Place::with_run();
    let words = [&TRAIN[..], &["--out", "r", "--distributed", "mpi"]].concat();
    place.refused(&words, &["--distributed: mpi is not in this program", "--features mpi"]);
    place.refused(&["bench", "--model", "classifier", "--distributed", "mpi"], &["--distributed: ", "--features mpi"]);
    for words in [
        &["score", "--real", "a.npy", "--generated", "b.npy", "--distributed", "mpi"][..],
        &["evaluate", "--run", "run", "--out", "e.json", "--distributed", "mpi"],
    ] {
        place.refused(words, &["--distributed: ", "--features mpi"]);
    }
    // Of several, the first says so.
    let second = place.command(&words).env("OMPI_COMM_WORLD_RANK", "1").output().unwrap();
    let ended = Ended::new(second);
    assert_eq!((ended.status, ended.stderr.as_str(), ended.stdout.as_str()), (2, "", ""));
    assert!(!place.path("r").exists());
}

#[test]
fn several_processes_that_do_not_know_of_each_other_are_refused() {
    let place = Place::with_run();
    let mut command = place.command(&[&TRAIN[..], &["--out", "r"]].concat());
    let ended = Ended::new(command.env("OMPI_COMM_WORLD_SIZE", "3").output().unwrap());
    let expected = "error: --distributed: not given to 3 processes started together, expected mpi";
    assert_eq!((ended.status, ended.stderr.trim()), (2, expected));
    assert!(!place.path("r").exists());
}

#[test]
fn what_is_not_done_together_is_in_conflict() {
    let place = Place::with_run();
    let words = [&TRAIN[..], &["--out", "r", "--distributed", "mpi"]].concat();
    place.in_conflict(&[&words[..], &["--seeds", "1,2"]].concat(), ["--distributed", "--seeds"]);
    place.in_conflict(
        &["bench", "--model", "cnn-ae", "--distributed", "mpi", "--profile"],
        ["--distributed", "--profile"],
    );
    let other = [&TRAIN[..], &["--out", "r", "--distributed", "tcp"]].concat();
    let ended = Ended::new(place.command(&other).output().unwrap());
    assert!(ended.status == 2 && ended.stderr.contains("tcp") && ended.stderr.contains("mpi"), "{}", ended.stderr);
}

#[test]
fn a_report_says_who_trained_a_run_together() {
    let place = Place::with_run();
    let words = ["train", "classifier", "--data", "d", "--steps", "2", "--batch-size", "8", "--out", "judge"];
    place.ok(&words);
    let line = |step: u64, ranks: usize, hosts: &str, threads: &str| {
        format!("{{\"step\":{step},\"ranks\":{ranks},\"hosts\":{hosts},\"threads\":{threads},\"version\":\"0.1.0\"}}\n")
    };
    let lines = line(0, 2, "[\"a|b\",\"c\"]", "[8,4]") + &line(1, 1, "[\"c\"]", "[2]");
    fs::write(place.path("judge/ranks.jsonl"), lines).unwrap();
    let report = few(&["report", "judge", "--classifier", "judge", "--out", "r.html"]);
    place.ok(&report);
    let text = String::from_utf8(place.read("r.md")).unwrap();
    let told = "was trained from step 0 on by 2 processes with threads: 8 on a\\|b, 4 on c; from step 1 on by 1 process with threads: \
                2 on c. Its weights do not depend on that.";
    assert!(text.contains(told), "{text}");
    fs::write(place.path("judge/ranks.jsonl"), "{}\n").unwrap();
    place.refused(&report, &["ranks.jsonl:1: not a line of who trained"]);
}
