//! No thread to be had: a limit on processes, or a container's.
#![cfg(target_os = "linux")]

use crate::{Ended, Place};

/// Stacks larger than the address space: every start of a thread fails, as under a limit on processes.
#[test]
#[ignore = "slow"]
fn without_threads_the_work_is_done_or_refused() {
    let place = Place::with_run();
    std::fs::create_dir(place.path("strokes")).unwrap();
    place.write("strokes/a.ndjson", "{\"drawing\":[[[0,9],[0,9]]]}\n".repeat(5).as_bytes());
    let run = |args: &[&str]| {
        let mut command = place.command(args);
        Ended::new(command.env("RUST_MIN_STACK", "70368744177664").output().unwrap())
    };
    place.ok(&["encode", "--run", "vae", "--images", "d/train_images.npy", "--out", "z.npy"]);
    let sample = ["sample", "--run", "vae", "--n", "3", "--out", "s.npy"];
    place.ok(&sample);
    let expected = place.read("s.npy");
    for args in [
        &sample[..],
        &["data", "info", "strokes"],
        &["data", "info", "builtin"],
        &["score", "--real", "z.npy", "--generated", "z.npy", "--threads", "2"],
        &["tsne", "--input", "z.npy", "--out", "y.npy", "--perplexity", "3", "--threads", "3"],
        &["gradcheck", "--op", "sum", "--threads", "2"],
        &["bench", "--model", "classifier", "--drawings", "200", "--steps", "1", "--threads", "2"],
    ] {
        let ended = run(args);
        assert_eq!(ended.status, 0, "{args:?}: {}", ended.stderr);
    }
    assert!(place.read("s.npy") == expected);
    // Nothing would hear Ctrl-C, or find the server.
    let train = ["train", "cnn-ae", "--data", "d", "--steps", "1", "--batch-size", "8", "--out", "new"];
    let download = ["data", "download", "--classes", "cat", "--out", "new", "--base-url", "http://127.0.0.1:9"];
    for (args, part) in [(&train[..], "no thread to listen"), (&download[..], "no thread to look it up")] {
        let ended = run(args);
        let errors = ended.stderr.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!((ended.status, errors), (2, 1), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}
