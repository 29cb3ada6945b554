//! A study on a disk that fails, at every operation that it asks for: the same command goes on to the same study.

use std::fs;

use inkgrad_models::data::{builtin, write_course};
use inkgrad_tests::faults::{Failure, assert_same, contents, failing};
use inkgrad_tests::small::Small;

use rand::{RngExt, SeedableRng};

use super::*;

/// A study of an autoencoder and of the classifier that judges it, as small as it can be.
struct Tiny {
    root: Root,
    models: Models,
    dataset: Dataset,
    configs: Vec<Config>,
}

/// Where drawings and studies are.
enum Root {
    Own(tempfile::TempDir),
    Parents(PathBuf),
}

impl Root {
    fn path(&self) -> &Path {
        match self {
            Root::Own(folder) => folder.path(),
            Root::Parents(path) => path,
        }
    }
}

impl Tiny {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        write_course(&builtin(60, 1).unwrap(), root.path().join("drawings")).unwrap();
        Self::on(Root::Own(root))
    }

    /// In the folder of another process.
    fn at(root: &Path) -> Self {
        Self::on(Root::Parents(root.to_owned()))
    }

    fn on(root: Root) -> Self {
        let models = Models::builtin().with::<Small>();
        let data = Some(root.path().join("drawings").display().to_string());
        let options =
            Overrides { data, epochs: Some(1), batch_size: Some(48), threads: Some(1), ..Overrides::default() };
        let config = |model| Config::resolve(&models, Some(model), None, &options).unwrap();
        let configs = vec![config("small"), config("classifier")];
        let dataset = load_data(&configs[0]).unwrap();
        Tiny { root, models, dataset, configs }
    }

    fn out(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// As the command does it; the same name again goes on.
    fn run(&self, name: &str) -> Result<Option<Reported>> {
        self.with(name, |study| study.run(None))
    }

    fn with<R>(&self, name: &str, work: impl FnOnce(&Study) -> Result<R>) -> Result<R> {
        let out = self.out(name);
        let configs: Vec<(PathBuf, Config)> =
            self.configs.iter().map(|config| (out.join("runs").join(config.slug()), config.clone())).collect();
        for (path, config) in &configs {
            check(&self.models, path, config)?;
        }
        let options = Options { samples: 10, mapped: 0, likelihood: (0, 0), seed: SEED, threads: 1 };
        work(&Study { models: &self.models, out: &out, configs: &configs, dataset: &self.dataset, options })
    }

    /// The study in a form that does not depend on time, nor on the name of its folder.
    fn contents(&self, name: &str) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
        let mut found = contents(&self.out(name));
        for (path, bytes) in &mut found {
            if path.extension().is_some_and(|ending| ending == "html" || ending == "md") {
                let text = String::from_utf8(std::mem::take(bytes)).unwrap();
                let text = text.replace(&self.out(name).display().to_string(), "OUT");
                // The chapter on training tells times.
                let at = |heads: [&str; 2]| heads.iter().find_map(|head| text.find(head));
                let chapter = at(["id=\"training\"", "\n## Training"]);
                let next = at(["id=\"reconstructions\"", "\n## Reconstructions"]);
                *bytes = match (chapter, next) {
                    (Some(chapter), Some(next)) => format!("{}{}", &text[..chapter], &text[next..]).into_bytes(),
                    // A page on which a network runs.
                    _ => text.into_bytes(),
                };
            }
            if path.starts_with("report.json") {
                let text = String::from_utf8(std::mem::take(bytes)).unwrap();
                let text = text.replace(&self.out(name).display().to_string(), "OUT");
                let timeless = text.lines().filter(|line| !line.trim_start().starts_with("\"seconds\""));
                *bytes = timeless.collect::<Vec<_>>().join("\n").into_bytes();
            }
        }
        found
    }
}

/// Does a part of a study on a disk that fails, at every `stride`-th operation of it, and then again on one that does not: it ends as
/// `expected`. Each begins with a copy of the study called `from`.
fn at_every_operation<R: std::fmt::Debug>(
    (small, from, expected): (&Tiny, Option<&str>, &str),
    (failure, stride): (Failure, usize),
    part: impl Fn(&Study) -> Result<R>,
) {
    let expected = small.contents(expected);
    for n in (0..).step_by(stride) {
        drop(fs::remove_dir_all(small.out("study")));
        if let Some(from) = from {
            copy(&small.out(from), &small.out("study"));
        }
        let ended = failing(failure, n, || small.with("study", &part));
        let Some((operation, path)) = ended.failed else {
            ended.result.unwrap();
            assert_same(&small.contents("study"), &expected, "nothing failed");
            assert!(n > 8, "only {n} operations");
            eprintln!("{failure:?}: {n} operations");
            return;
        };
        let when = format!("{failure:?} at operation {n}, {operation:?} of {}", path.display());
        let line = ended.result.map_or_else(|error| error.to_string(), |_| String::new());
        assert!(!line.contains('\n'), "{when}: {line}");
        small.with("study", &part).unwrap_or_else(|error| panic!("{when}: {error}"));
        for config in &small.configs {
            drop(fs::remove_dir_all(small.out("study/runs").join(format!("{}.rescued-1", config.slug()))));
        }
        assert_same(&small.contents("study"), &expected, &when);
    }
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &target) } else { assert!(fs::copy(&path, &target).is_ok()) }
    }
}

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

/// Every operation of a run is tested by itself (tests/injection.rs): here every fourth, from one run to the next, or with
/// `INKGRAD_STRIDE=1` all of them. Everything later depends on the trained runs alone, so it is enough that these are the same.
#[test]
#[ignore = "slow"]
fn a_study_that_dies_in_its_training_goes_on() {
    let small = Tiny::new();
    small.with("trained", |study| study.train()).unwrap();
    let stride = number("INKGRAD_STRIDE", 4) as usize;
    at_every_operation((&small, None, "trained"), (Failure::Killed, stride), |study| study.train());
}

/// Scores and report on a disk that fails at each of their operations: first the scores, then the report as it was composed once, for
/// that takes the time and writes nothing; and at some operations both, as the command does it.
fn examined(failure: Failure) {
    let small = Tiny::new();
    small.with("trained", |study| study.train()).unwrap();
    copy(&small.out("trained"), &small.out("scored"));
    small.with("scored", |study| study.scored(None).map(drop)).unwrap();
    at_every_operation((&small, Some("trained"), "scored"), (failure, 1), |study| study.scored(None).map(drop));

    copy(&small.out("trained"), &small.out("whole"));
    small.with("whole", |study| study.examine(None)).unwrap();
    drop(fs::remove_dir_all(small.out("study")));
    copy(&small.out("scored"), &small.out("study"));
    let compose =
        |study: &Study| study.scored(None)?.map(|(examined, judge)| study.composed(examined, judge)).transpose();
    let composed = small.with("study", compose).unwrap().unwrap();
    at_every_operation((&small, Some("scored"), "whole"), (failure, 1), |study| {
        study.sweep();
        composed.write()
    });

    let stride = number("INKGRAD_STRIDE", 24) as usize;
    at_every_operation((&small, Some("trained"), "whole"), (failure, stride), |study| study.examine(None));
}

#[test]
#[ignore = "slow"]
fn a_study_whose_disk_fails_once_after_its_training_goes_on() {
    examined(Failure::Once);
}

#[test]
#[ignore = "slow"]
fn a_study_whose_power_fails_after_its_training_goes_on() {
    examined(Failure::PowerCut);
}

/// Runs on a medium that can be read alone are scored; only their scores are not kept.
#[test]
fn runs_that_can_only_be_read_are_reported_on() {
    let small = Tiny::new();
    small.run("whole").unwrap();
    fs::remove_file(small.out("whole/runs/small/evaluation.json")).unwrap();
    let runs = small.out("whole/runs");
    let read_only = move |operation, path: &Path| match operation {
        disk::Operation::Write(bytes) => Ok(bytes),
        _ if path.starts_with(&runs) => Err(std::io::ErrorKind::ReadOnlyFilesystem.into()),
        _ => Ok(0),
    };
    let expected = fs::read(small.out("whole/report.html")).unwrap();
    fs::remove_file(small.out("whole/report.html")).unwrap();
    disk::with_faults(read_only, || small.with("whole", |study| study.examine(None))).unwrap();
    assert!(fs::read(small.out("whole/report.html")).unwrap() == expected);
    assert!(!small.out("whole/runs/small/evaluation.json").exists());
}

/// In a process that is to be killed: the folder of drawings, and of studies.
const CHILD: &str = "INKGRAD_TEST_STUDY";

/// The study of [`a_study_killed_at_random_moments_goes_on`], in a process of its own; nothing else.
#[test]
fn a_study_in_a_process_of_its_own() {
    if let Some(root) = std::env::var_os(CHILD) {
        Tiny::at(Path::new(&root)).run("study").unwrap();
    }
}

/// `INKGRAD_KILLS=50` kills so often, `INKGRAD_SEED=N` at other moments.
#[test]
#[ignore = "slow"]
#[cfg(unix)]
fn a_study_killed_at_random_moments_goes_on() {
    let small = Tiny::new();
    let begin = || {
        let name = "commands::reproduce::tests::a_study_in_a_process_of_its_own";
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", name]).env(CHILD, small.root.path());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    let started = std::time::Instant::now();
    assert!(begin().wait().unwrap().success());
    let mut whole = started.elapsed();
    let expected = small.contents("study");
    fs::remove_dir_all(small.out("study")).unwrap();

    let kills = number("INKGRAD_KILLS", 8);
    let mut rng = rand::rngs::SmallRng::seed_from_u64(number("INKGRAD_SEED", 3));
    let (mut killed, mut late) = (0, 0);
    while killed < kills {
        let mut child = begin();
        let delay = whole.mul_f64(rng.random_range(0.0..0.9));
        std::thread::sleep(delay);
        child.kill().unwrap();
        let ended = child.wait().unwrap().code().is_some();
        (killed, late) = if ended { (killed, late + 1) } else { (killed + 1, late) };
        if ended {
            // A machine that was busy at first has become faster.
            whole = whole.min(delay);
        }
        assert!(late < 10 + 5 * kills, "{late} children had ended before they were killed, {killed} had not");
        // Now and then twice in the same study.
        if ended || rng.random_bool(0.7) {
            assert!(begin().wait().unwrap().success());
            assert_same(&small.contents("study"), &expected, &format!("after {killed} kills"));
            fs::remove_dir_all(small.out("study")).unwrap();
        }
    }
    eprintln!("{killed} killed, {late} had ended before");
}
