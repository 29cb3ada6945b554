//! One of several processes: what a program says that has no MPI, or was not told of the others. `tests/ranks/check.sh` trains on
//! several.

use crate::{Ended, Place};

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
