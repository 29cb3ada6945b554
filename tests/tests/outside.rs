//! A crate outside the workspace with a model of its own: it trains, resumes bit for bit, draws and reports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Builds `tests/outside` as somebody else's crate and returns its program. The versions are those of this checkout.
fn build() -> PathBuf {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let folder = target.join("outside-crate");
    fs::create_dir_all(folder.join("src")).unwrap();
    let own = checkout.join("tests/outside");
    let manifest = fs::read_to_string(own.join("Cargo.toml")).unwrap();
    // The same profile, so that dependencies which are compiled already serve again.
    let workspace = fs::read_to_string(checkout.join("Cargo.toml")).unwrap();
    let profile = &workspace[workspace.find("[profile.dev]").unwrap()..];
    let manifest = format!("{}\n{profile}", manifest.replace("CHECKOUT", &checkout.display().to_string()));
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    fs::copy(checkout.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    fs::copy(own.join("src/main.rs"), folder.join("src/main.rs")).unwrap();
    let cargo = Command::new(env!("CARGO"))
        .args(["build", "--quiet"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    target.join("debug/outside")
}

fn run(program: &Path, folder: &Path, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

#[test]
fn a_model_of_somebody_elses_gets_trainer_resume_samples_and_report() {
    let program = build();
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| run(&program, folder.path(), arguments);
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();

    assert!(run(&["--help"]).contains("two-layer-vae  dense layers to a latent and back"));
    run(&["data", "synth", "--n", "500", "--out", "drawings"]);
    let train = ["train", "two-layer-vae", "--data", "drawings", "--batch-size", "20", "--set", "width=32"];
    run(&[&train[..], &["--steps", "40", "--out", "whole"]].concat());
    run(&[&train[..], &["--steps", "17", "--out", "run"]].concat());
    run(&["train", "--resume", "run", "--steps", "40"]);
    assert!(read("run/model.safetensors") == read("whole/model.safetensors"), "other weights than without a stop");
    let config = String::from_utf8(read("run/config.toml")).unwrap();
    assert!(config.contains("\nlatent = 6\n") && config.contains("\nwidth = 32\n"), "{config}");
    let records = String::from_utf8(read("run/metrics.jsonl")).unwrap();
    assert!(records.contains("\"bce\":") && records.contains("\"mean_square\":"), "{records}");
    for file in ["loss.png", "terms.png", "samples.png", "reconstructions.png"] {
        assert!(!read(&format!("run/{file}")).is_empty());
    }

    run(&["sample", "--run", "run", "--n", "9", "--out", "samples.npy", "--png", "samples.png"]);
    assert!(run(&["gradcheck", "--model", "two-layer-vae"]).contains("all 1 within 1e-6"));
    assert!(run(&["gradcheck", "--model", "two-layer-vae", "--image", "16x20x3"]).contains("all 1 within 1e-6"));
    let cube = run(&["gradcheck", "--op", "cube"]);
    assert!(cube.contains("cube") && cube.contains("all 1 within 1e-6"), "{cube}");
    run(&["report", "run", "--samples", "20", "--out", "report.html"]);
    let report = String::from_utf8(read("report.md")).unwrap();
    for part in ["two-layer-vae", "dense layers to a latent and back", "mean_square", "--width 32"] {
        assert!(report.contains(part), "no `{part}` in {report}");
    }

    let refused = Command::new(&program)
        .args([&train[..], &["--out", "other", "--set", "latent=0"]].concat())
        .current_dir(folder.path())
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2));
    assert!(error.contains("--set latent: 0, expected a whole number from 1 to 99"), "{error}");
}
