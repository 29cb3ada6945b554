//! A training run on a disk that fails, at every operation that the run asks of it and in every way: afterwards the folder goes
//! on to the same bytes as a run that nothing happened to, or, where nothing had been kept yet, starts anew.

use std::fs;
use std::io::Write;
use std::path::Path;

use inkgrad_models::data::{builtin, write_course};
use inkgrad_models::model::Model;
use inkgrad_models::run::atomic;
use inkgrad_models::run::config::{Config, Overrides};
use inkgrad_models::trainer::{Outcome, Trainer};
use inkgrad_models::{Models, Result};
use inkgrad_tests::faults::{Failure, assert_same, contents, dribbling, failing};
use inkgrad_tests::small::Small;

/// Runs of [`Small`] in one folder.
struct Place {
    root: tempfile::TempDir,
    models: Models,
}

impl Place {
    fn new() -> Self {
        let (root, models) = (tempfile::tempdir().unwrap(), Models::builtin().with::<Small>());
        write_course(&builtin(60, 1).unwrap(), root.path().join("drawings")).unwrap();
        Self { root, models }
    }

    fn config(&self) -> Config {
        Config {
            data: self.root.path().join("drawings").display().to_string(),
            epochs: Some(2),
            batch_size: 32,
            val_fraction: 0.2,
            ema: Some(0.5),
            threads: 1,
            ..self.models.defaults(Small::NAME).unwrap()
        }
    }

    /// A run from its start to its end.
    fn start(&self, run: &Path) -> Result<Outcome> {
        Trainer::start(&self.models, self.config(), run, false)?.0.run(&mut ())
    }

    /// A person's next step after a failure: the run goes on, or starts where there is none yet.
    fn go_on(&self, run: &Path) -> Result<Outcome> {
        match run.join("config.toml").exists() {
            true => Trainer::resume(&self.models, run, &Overrides::default())?.run(&mut ()),
            false => self.start(run),
        }
    }
}

/// The folder that a message says the state in memory was kept in.
fn elsewhere(line: &str) -> Option<&Path> {
    let (_, place) = line.split_once("is kept elsewhere: ")?.1.split_once(" train --resume ")?;
    Some(Path::new(place))
}

fn at_every_operation(failure: Failure) {
    let place = Place::new();
    let [whole, run] = ["whole", "run"].map(|name| place.root.path().join(name));
    place.start(&whole).unwrap();
    let expected = contents(&whole);
    let mut rescued = 0;
    for n in 0.. {
        let ended = failing(failure, n, || place.start(&run));
        let Some((operation, path)) = ended.failed else {
            ended.result.unwrap();
            assert_same(&contents(&run), &expected, "nothing failed");
            assert!(n > 20, "only {n} operations");
            // Writes that fail after the first step and before the last checkpoint leave something in memory alone.
            assert!(rescued > 5 || matches!(failure, Failure::Killed | Failure::PowerCut), "{rescued} rescued");
            eprintln!("{failure:?}: {n} operations, {rescued} states kept elsewhere");
            return;
        };
        let when = format!("{failure:?} at operation {n}, {operation:?} of {}", path.display());
        if let Err(error) = ended.result {
            let line = error.to_string();
            let root = place.root.path().display().to_string();
            assert!(!line.contains('\n') && line.starts_with(&root), "{when}: {line}");
            if let Some(elsewhere) = elsewhere(&line) {
                // Each of them takes as long as what is tested here first of all.
                if rescued % 3 == 0 {
                    place.go_on(elsewhere).unwrap_or_else(|error| panic!("{when}, elsewhere: {error}"));
                    assert_same(&contents(elsewhere), &expected, &format!("{when}, elsewhere"));
                }
                fs::remove_dir_all(elsewhere).unwrap();
                rescued += 1;
            }
        }
        place.go_on(&run).unwrap_or_else(|error| panic!("{when}: {error}"));
        assert_same(&contents(&run), &expected, &when);
        fs::remove_dir_all(&run).unwrap();
    }
}

#[test]
#[ignore = "slow"]
fn an_operation_that_fails_at_any_moment_costs_nothing() {
    at_every_operation(Failure::Once);
}

#[test]
#[ignore = "slow"]
fn a_write_torn_at_any_moment_costs_nothing() {
    at_every_operation(Failure::Torn);
}

#[test]
#[ignore = "slow"]
fn a_death_at_any_moment_costs_nothing() {
    at_every_operation(Failure::Killed);
}

#[test]
#[ignore = "slow"]
fn a_power_cut_at_any_moment_costs_nothing() {
    at_every_operation(Failure::PowerCut);
}

/// A run that goes on may fail as well, at any operation of its way from reading the checkpoint to its end.
#[test]
#[ignore = "slow"]
fn a_failure_while_going_on_costs_nothing() {
    let place = Place::new();
    let [whole, begun, run] = ["whole", "begun", "run"].map(|name| place.root.path().join(name));
    place.start(&whole).unwrap();
    let expected = contents(&whole);
    // Dies after its first checkpoint, with a torn line of metrics.
    for n in 30.. {
        drop(fs::remove_dir_all(&begun));
        let ended = failing(Failure::Killed, n, || place.start(&begun));
        assert!(ended.failed.is_some(), "no checkpoint within {n} operations");
        if begun.join("state.safetensors").exists() {
            break;
        }
    }
    fs::File::options().append(true).open(begun.join("metrics.jsonl")).unwrap().write_all(b"{\"step\":2,\"ep").unwrap();
    for n in 0.. {
        fs::create_dir(&run).unwrap();
        for entry in fs::read_dir(&begun).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), run.join(entry.file_name())).unwrap();
        }
        let ended = failing(Failure::Killed, n, || place.go_on(&run));
        let Some((operation, path)) = ended.failed else {
            ended.result.unwrap();
            assert!(n > 20, "only {n} operations");
            return;
        };
        let when = format!("going on, dead at operation {n}, {operation:?} of {}", path.display());
        place.go_on(&run).unwrap_or_else(|error| panic!("{when}: {error}"));
        assert_same(&contents(&run), &expected, &when);
        fs::remove_dir_all(&run).unwrap();
    }
}

#[test]
fn a_disk_that_takes_a_few_bytes_at_a_time_is_slow_and_no_more() {
    let place = Place::new();
    let [whole, run] = ["whole", "run"].map(|name| place.root.path().join(name));
    place.start(&whole).unwrap();
    dribbling(|| place.start(&run)).unwrap();
    assert_same(&contents(&run), &contents(&whole), "a few bytes at a time");
}

/// A file of several buffers, which fails at every one of its writes: the earlier one stays, and nothing beside it.
#[test]
fn a_large_file_is_the_old_one_or_the_new_one() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a.bin");
    let [old, new] = [1u8, 2].map(|byte| vec![byte; 1 << 20]);
    for failure in Failure::ALL {
        for n in 0.. {
            atomic::write(&path, |file| file.write_all(&old)).unwrap();
            // In pieces that fill the buffer anew and anew.
            let ended = failing(failure, n, || {
                atomic::write(&path, |file| new.chunks(10_000).try_for_each(|piece| file.write_all(piece)))
            });
            let found = fs::read(&path).unwrap();
            if ended.failed.is_none() {
                ended.result.unwrap();
                assert!(found == new && n > 10, "{failure:?}: {n} operations");
                break;
            }
            assert!(found == old || found == new, "{failure:?} at operation {n}: neither the old file nor the new one");
            let beside = fs::read_dir(root.path()).unwrap().count() - 1;
            // Who is dead takes nothing away; that is done by the next who owns the folder.
            let dead = matches!(failure, Failure::Killed | Failure::PowerCut);
            assert!(beside == 0 || dead, "{failure:?} at operation {n}: {beside} files beside it");
            for entry in fs::read_dir(root.path()).unwrap() {
                let other = entry.unwrap().path();
                if other != path {
                    fs::remove_file(other).unwrap();
                }
            }
        }
    }
}

/// Nothing goes past the door: no other file of the crates that write calls what changes a disk.
#[test]
fn every_write_goes_through_the_door() {
    const DOORS: [&str; 15] = [
        "fs::File::create",
        " File::create",
        "fs::write(",
        "fs::rename(",
        "fs::copy(",
        "fs::create_dir(",
        "fs::create_dir_all(",
        "fs::remove_file(",
        "fs::remove_dir(",
        "fs::remove_dir_all(",
        "fs::hard_link(",
        "OpenOptions::new(",
        "tempfile_in(",
        "NamedTempFile",
        ".open(&",
    ];
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut seen = 0;
    let mut folders = vec![checkout.join("models/src"), checkout.join("cli/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let tests = path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs");
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !tests {
                let text = fs::read_to_string(&path).unwrap();
                let program = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
                seen += 1;
                if path.ends_with("run/disk.rs") {
                    continue;
                }
                // Through the door they are called by the same names; an example in a comment is none of the program.
                let code = program.lines().filter(|line| !line.trim_start().starts_with("//"));
                let program = code.collect::<Vec<_>>().join("\n").replace("disk::", "");
                for door in DOORS {
                    assert!(!program.contains(door), "{}: `{door}` goes past run/disk.rs", path.display());
                }
            }
        }
    }
    assert!(seen > 100, "{seen} files looked at");
}
