//! A crate outside the workspace with a model of its own: it trains, resumes bit for bit, draws and reports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The built libraries called `name` beside the program, the latest first: there is one for each set of features ever asked for.
fn libraries(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_BIN_EXE_inkgrad")).with_file_name("deps");
    let prefix = format!("lib{name}-");
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "rlib"))
        .filter(|path| path.file_name().unwrap().to_str().is_some_and(|name| name.starts_with(&prefix)))
        .collect();
    found.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().modified().unwrap()));
    found.truncate(3);
    found
}

/// Builds `tests/outside` as somebody else's crate, in `folder`, and returns its program. Cargo says that its manifest fits; to build
/// inkgrad for it would take minutes, so that it is linked with what this test was built with.
fn build(folder: &Path) -> PathBuf {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let own = checkout.join("tests/outside");
    fs::create_dir(folder.join("src")).unwrap();
    fs::copy(own.join("src/main.rs"), folder.join("src/main.rs")).unwrap();
    fs::copy(checkout.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let manifest = fs::read_to_string(own.join("Cargo.toml")).unwrap();
    fs::write(folder.join("Cargo.toml"), manifest.replace("CHECKOUT", &checkout.display().to_string())).unwrap();
    let run = |program: &Path, arguments: &[String]| {
        Command::new(program).args(arguments).current_dir(folder).output().unwrap()
    };
    let text = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let cargo = Path::new(env!("CARGO"));
    let resolved = run(cargo, &["tree", "--quiet"].map(str::to_owned));
    assert!(resolved.status.success(), "{}", text(&resolved));

    // Those of one build fit together; of several builds, not all do.
    let mut first = None;
    let [command_line, models, engine] = ["inkgrad", "inkgrad_models", "inkgrad_engine"].map(libraries);
    let all = command_line.iter().flat_map(|one| models.iter().map(move |two| (one, two)));
    for ((inkgrad, models), engine) in all.flat_map(|two| engine.iter().map(move |three| (two, three))) {
        let mut arguments = ["src/main.rs", "--edition", "2024", "-o", "outside", "-L"].map(str::to_owned).to_vec();
        arguments.push(format!("dependency={}", inkgrad.parent().unwrap().display()));
        for (name, library) in [("inkgrad", inkgrad), ("inkgrad_models", models), ("inkgrad_engine", engine)] {
            arguments.extend(["--extern".to_owned(), format!("{name}={}", library.display())]);
        }
        let compiled = run(&cargo.with_file_name("rustc"), &arguments);
        if compiled.status.success() {
            return folder.join("outside");
        }
        first.get_or_insert(text(&compiled));
    }
    panic!("{}", first.expect("libraries beside the program"));
}

fn run(program: &Path, folder: &Path, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

#[test]
#[ignore = "slow"]
fn a_model_of_somebody_elses_gets_trainer_resume_samples_and_report() {
    let folder = tempfile::tempdir().unwrap();
    let program = build(folder.path());
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
