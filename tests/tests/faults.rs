//! Faults in a run: full disks, losses that are not finite, checkpoints that do not fit. Each is one line, and
//! the last good checkpoint stays as it was.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use inkgrad_engine::optim::{Optimizer, Rule};
use inkgrad_engine::{Clock, Team};
use inkgrad_models::data::{Examples, builtin, write_course};
use inkgrad_models::run::checkpoint::save_tensors;
use inkgrad_models::run::config::{Config, Overrides};
use inkgrad_models::run::records::Record;
use inkgrad_models::trainer::{Observer, Outcome, Progress, Stepper, Trainer, load_network};
use inkgrad_models::{Models, Network, Result};
use inkgrad_tests::{build, defaults, networks};

/// Lets a run be.
struct Nobody;

impl Observer for Nobody {
    fn step(&mut self, _: &Progress) {}
    fn record(&mut self, _: &Record) {}
    fn stop(&self) -> bool {
        false
    }
}

/// A new run of cnn-vae in `folder`, on a few drawings beside it.
fn train(folder: &Path, steps: u64) -> Result<Outcome> {
    let drawings = folder.with_file_name("drawings");
    if !drawings.exists() {
        write_course(&builtin(50, 1)?, &drawings)?;
    }
    let config = Config {
        data: drawings.display().to_string(),
        epochs: None,
        steps: Some(steps),
        batch_size: 8,
        log_every: 1,
        threads: 1,
        ..defaults("cnn-vae")
    };
    Trainer::start(&Models::builtin(), config, folder, false)?.0.run(&mut Nobody)
}

/// Goes on with it to `steps` steps.
fn resume(folder: &Path, steps: u64, lr: Option<f64>) -> Result<Outcome> {
    Trainer::resume(&Models::builtin(), folder, &Overrides { steps: Some(steps), lr, ..Overrides::default() })?
        .run(&mut Nobody)
}

/// The line of an error.
fn line(result: Result<impl Sized>) -> String {
    let line = result.err().expect("an error").to_string();
    assert!(!line.contains('\n'), "{line:?} is more than one line");
    line
}

/// The checkpoint's two files.
fn checkpoint(folder: &Path) -> [Vec<u8>; 2] {
    ["state.safetensors", "model.safetensors"].map(|name| fs::read(folder.join(name)).unwrap())
}

/// Every file of a folder with its contents.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// The state that a failed save must leave: the checkpoint as it was, loadable, and no temporary file.
fn assert_whole(folder: &Path, before: &[Vec<u8>; 2]) {
    assert!(checkpoint(folder) == *before, "the checkpoint has changed");
    load_network(&Models::builtin(), folder).unwrap();
    Trainer::resume(&Models::builtin(), folder, &Overrides::default()).unwrap();
    let stray: Vec<PathBuf> =
        contents(folder).into_keys().filter(|path| path.extension().is_some_and(|e| e == "tmp")).collect();
    assert!(stray.is_empty(), "{stray:?} left behind");
}

/// In a process that a test starts: the folder that it works in.
const CHILD: &str = "INKGRAD_TEST_CHILD";

/// Runs the test `name` in a process of its own, started by a line of shell in which `exec "$0" "$@"` is this program
/// and `$INKGRAD_TEST_CHILD` is `folder`.
#[cfg(unix)]
fn again(name: &str, folder: &Path, shell: &[&str]) -> std::io::Result<std::process::Output> {
    let (program, arguments) = shell.split_first().expect("a command");
    Command::new(program)
        .args(arguments)
        .arg(std::env::current_exe()?)
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, folder)
        // Where a state goes that the folder cannot take.
        .env("TMPDIR", folder)
        .output()
}

#[cfg(unix)]
fn text(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The state is 10 MB; the process may write files of 4 MB (8, where the shell counts in KiB).
#[test]
#[ignore = "slow"]
#[cfg(unix)]
fn a_file_that_may_not_grow_leaves_the_earlier_checkpoint() {
    if let Some(folder) = std::env::var_os(CHILD) {
        let folder = Path::new(&folder);
        let error = line(resume(folder, 4, None));
        let expected = format!("{}: File too large", folder.join("state.safetensors").display());
        assert!(error.starts_with(&expected), "{error}");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let (folder, whole) = (root.path().join("run"), root.path().join("whole"));
    train(&folder, 2).unwrap();
    let before = checkpoint(&folder);
    let name = "a_file_that_may_not_grow_leaves_the_earlier_checkpoint";
    let limited = r#"trap "" XFSZ; ulimit -f 8000; exec "$0" "$@""#;
    let output = again(name, &folder, &["sh", "-c", limited]).unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert_whole(&folder, &before);
    // Where there is room again, the run ends as if nothing had been.
    resume(&folder, 4, None).unwrap();
    train(&whole, 4).unwrap();
    assert!(checkpoint(&folder)[1] == checkpoint(&whole)[1], "the resumed run differs");
}

/// On a disk of 32 MB in memory, which takes a mount namespace: as root, or as a user who may make one.
#[test]
#[ignore = "slow"]
#[cfg(target_os = "linux")]
fn a_full_disk_leaves_the_earlier_checkpoint() {
    if let Some(disk) = std::env::var_os(CHILD) {
        return on_a_small_disk(Path::new(&disk));
    }
    const NO_DISK: i32 = 77;
    let root = tempfile::tempdir().unwrap();
    let mounted = format!(r#"mount -t tmpfs -o size=32m tmpfs "${CHILD}" || exit {NO_DISK}; exec "$0" "$@""#);
    let name = "a_full_disk_leaves_the_earlier_checkpoint";
    match again(name, root.path(), &["unshare", "-rm", "sh", "-c", &mounted]) {
        Ok(output) if output.status.success() => {}
        // unshare itself ends with 1, a failed test with 101.
        Ok(output) if matches!(output.status.code(), Some(1 | NO_DISK)) => {
            eprintln!("SKIPPED {name}: no disk can be mounted here: {}", text(&output));
        }
        Ok(output) => panic!("{}: {}", output.status, text(&output)),
        Err(error) => eprintln!("SKIPPED {name}: no `unshare` here: {error}"),
    }
}

#[cfg(target_os = "linux")]
fn on_a_small_disk(disk: &Path) {
    let folder = disk.join("run");
    train(&folder, 2).unwrap();
    let before = checkpoint(&folder);
    let filler = disk.join("filler");
    // Not enough for the state; not enough for a line of metrics.
    for spare in [1 << 20, 0] {
        let mut file = fs::File::create(&filler).unwrap();
        let mut len = 0;
        while let Ok(written) = file.write(&[0; 1 << 16]) {
            len += written as u64;
        }
        file.set_len(len - spare).unwrap();
        let error = line(resume(&folder, 4, None));
        assert!(error.starts_with(&folder.display().to_string()) && error.contains("No space left"), "{error}");
        drop(file);
        fs::remove_file(&filler).unwrap();
        assert_whole(&folder, &before);
    }
    resume(&folder, 4, None).unwrap();
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    train(&folder, 2).unwrap();
    let before = checkpoint(&folder);
    // Step 3 moves every parameter by about 1e30, which is finite but gives no finite loss at step 4. With log_every 1
    // there would be a checkpoint in between, which is why this run has none due.
    let mut config = Config::load(&Models::builtin(), &folder.join("config.toml")).unwrap();
    config.log_every = 100;
    config.save(&folder.join("config.toml")).unwrap();
    let error = line(resume(&folder, 10, Some(1e30)));
    let expected = format!("{}: step 4: the loss is not finite: the output of `", folder.display());
    assert!(error.starts_with(&expected) && error.contains("is the first that is not finite"), "{error}");
    assert!(error.contains("the last checkpoint is kept"), "{error}");
    assert_whole(&folder, &before);
}

#[test]
fn parameters_that_are_not_finite_are_never_saved() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    train(&folder, 2).unwrap();
    let before = checkpoint(&folder);
    // The loss of step 3 is fine; its update overflows, and a checkpoint is due right after it.
    let error = line(resume(&folder, 10, Some(1e39)));
    let expected = format!("{}: step 3: `encoder.conv1.weight` is not finite", folder.display());
    assert!(error.starts_with(&expected) && error.contains("the last checkpoint is kept"), "{error}");
    assert_whole(&folder, &before);
}

/// NaN anywhere is noticed at once (no activation turns it into a number), and nothing moves.
#[test]
#[ignore = "slow"]
fn a_poisoned_parameter_is_named() {
    let data = builtin(20, 1).unwrap();
    for (name, config) in networks() {
        poison(name, build(&config), &data.train);
    }
}

fn poison(name: &str, mut network: Network<f32>, data: &Examples) {
    network.initialise(7);
    let mut optimizer = Optimizer::new(Rule::Adam, None, network.params.count());
    let mut stepper = Stepper::default();
    let healthy = network.params.values.clone();
    for param in network.list() {
        network.params.values[param.range().start + param.shape.len() / 2] = f32::NAN;
        let before: Vec<u32> = network.params.values.iter().map(|v| v.to_bits()).collect();
        let (batch, clock) = ([0, 1, 2], Clock::default());
        let step = stepper.step(&mut network, &mut optimizer, data, &batch, clock, 1e-3, &Team::solo());
        let error = step.expect_err(&format!("{name}: {}", param.name)).to_string();
        assert!(error.starts_with(&format!("the output of `param {}` (node ", param.name)), "{error}");
        assert!(network.params.values.iter().map(|v| v.to_bits()).eq(before), "{name}: parameters moved");
        network.params.values.copy_from_slice(&healthy);
    }
}

#[test]
fn a_checkpoint_that_does_not_fit_is_refused_and_nothing_changes() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("run");
    train(&folder, 1).unwrap();
    let (state, config) = (folder.join("state.safetensors"), folder.join("config.toml"));
    let [state_bytes, model_bytes] = checkpoint(&folder);
    let config_text = fs::read_to_string(&config).unwrap();
    let refused = |expected: &str| {
        let before = contents(&folder);
        let error = line(Trainer::resume(&Models::builtin(), &folder, &Overrides::default()));
        assert!(error.contains(expected), "{error}, expected {expected}");
        assert!(contents(&folder) == before, "{error}: but a file has changed");
    };

    // Truncated: nothing, a part of the length, of the header, of the values.
    for len in [0, 5, 8, 300, state_bytes.len() / 2, state_bytes.len() - 1] {
        fs::write(&state, &state_bytes[..len]).unwrap();
        refused(&format!("{}: ", state.display()));
    }
    fs::remove_file(&state).unwrap();
    refused(&format!("{}: holds weights but no state.safetensors to go on from", folder.display()));

    let metadata = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    save_tensors(&state, &[], &metadata(&[("format", "99"), ("model", "cnn-vae")])).unwrap();
    refused("state.safetensors: format 99, written by a newer inkgrad; this one reads 1");
    save_tensors(&state, &[], &metadata(&[("format", "1"), ("model", "lstm-ae")])).unwrap();
    refused("state.safetensors: holds a lstm-ae, expected a cnn-vae");
    fs::write(&state, &state_bytes).unwrap();

    fs::write(&config, config_text.replace("format = 1", "format = 99")).unwrap();
    refused("config.toml: format 99, written by a newer inkgrad; this one reads 1");
    fs::write(&config, &config_text).unwrap();

    let model = folder.join("model.safetensors");
    fs::write(&model, &model_bytes[..model_bytes.len() - 4]).unwrap();
    assert!(line(load_network(&Models::builtin(), &folder)).starts_with(&format!("{}: ", model.display())));
    save_tensors(&model, &[("encoder.weight", &[2], &[0.0, 1.0])], &metadata(&[("model", "lstm-ae")])).unwrap();
    assert!(
        line(load_network(&Models::builtin(), &folder))
            .ends_with("model.safetensors: holds a lstm-ae, expected a cnn-vae")
    );
    fs::write(&model, &model_bytes).unwrap();
    Trainer::resume(&Models::builtin(), &folder, &Overrides::default()).unwrap();
}
