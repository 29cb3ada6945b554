//! `benches/gpu_check.sh`, rehearsed with stubs for every program that it calls: it has to tell all that it can on a machine that
//! is to be had for ten minutes, whatever is missing there or fails.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The programs of a plain system that the script calls.
const TOOLS: [&str; 28] = [
    "awk", "bash", "cat", "cut", "date", "env", "grep", "kill", "mkdir", "mktemp", "nice", "nproc", "printf",
    "realpath", "rm", "sed", "sh", "sleep", "sort", "tail", "tee", "timeout", "touch", "tr", "true", "uname",
    "dirname", "head",
];

const INKGRAD: &str = r#"case "$1 $2" in
"devices ") printf 'cpu        usable      2 threads\ncuda       usable      Stub GPU\n' ;;
"--version ") echo "inkgrad 0" ;;
"bench --paced") cat >/dev/null; printf '{"ready":true}\n{"ms":[9, 9]}\n{"ms":[4.0,2.0,3.0]}\n{"peak_rss_mib":1}\n' ;;
*) echo "a table of times" ;;
esac"#;

const PYTHON: &str = r#"case "$1" in
*gpu_steps.py)
    while [ $# -gt 0 ]; do case "$1" in --mode) mode=$2 ;; --out) out=$2 ;; esac; shift; done
    [ -n "$out" ] || exit 0
    for model in lstm-ae cnn-ae rnn-vae cnn-vae cvae classifier; do
        printf '%s\t%s\tdefault\t6.0\t5.0\n' $model $mode >>"$out"
    done ;;
esac"#;

const NCU: &str = r#"while [ "${1#-}" != "$1" ]; do [ "$1" = --csv ] || shift; shift; done
"$@" || exit
printf '"0","1","inkgrad","host","gemm","1","7","0","9.0","s","gpu__time_duration.sum","ns","4,000"\n'"#;

const SANITIZER: &str = r#"while [ "${1#-}" != "$1" ]; do shift 2; done; "$@""#;

/// A machine: a folder as `gpu_pack.sh` fills it, and the only programs that there are.
struct Machine {
    root: TempDir,
}

impl Machine {
    fn new() -> Machine {
        let machine = Machine { root: tempfile::tempdir().unwrap() };
        for folder in ["pack", "bin", "out"] {
            fs::create_dir(machine.path(folder)).unwrap();
        }
        let paths = std::env::var_os("PATH").unwrap();
        for tool in TOOLS {
            let found = std::env::split_paths(&paths).map(|folder| folder.join(tool)).find(|path| path.exists());
            symlink(found.unwrap_or_else(|| panic!("no {tool} here")), machine.path("bin").join(tool)).unwrap();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../benches/gpu_check.sh");
        fs::copy(script, machine.path("pack/gpu_check.sh")).unwrap();
        machine.stub("pack/inkgrad", INKGRAD);
        machine.stub("pack/device", "echo \"apart: $INKGRAD_TEST_APART\"; echo 'test result: ok'");
        machine.stub("bin/python3", PYTHON);
        machine.stub("bin/ncu", NCU);
        machine.stub("bin/compute-sanitizer", SANITIZER);
        machine.stub("bin/nvidia-smi", "echo 'Stub GPU, 345 MHz'");
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn stub(&self, name: &str, script: &str) {
        fs::write(self.path(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// The exit status and the summary.
    fn check(&self, limit: u32) -> (i32, String) {
        let done = Command::new("bash")
            .arg(self.path("pack/gpu_check.sh"))
            .env_clear()
            .envs([("PATH", self.path("bin")), ("OUT", self.path("out")), ("TMPDIR", self.path("out/.."))])
            .env("LIMIT", limit.to_string())
            .output()
            .unwrap();
        let summary = self.read("summary.txt");
        let code = done.status.code().unwrap();
        assert_eq!(String::from_utf8_lossy(&done.stderr), "", "{summary}");
        assert_eq!(String::from_utf8_lossy(&done.stdout), summary, "what is told is in the summary, too");
        assert!(fs::read_dir(self.path("out")).unwrap().count() <= 8);
        (code, summary)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("out").join(name)).unwrap()
    }
}

fn lines<'a>(summary: &'a str, beginning: &str) -> Vec<&'a str> {
    summary.lines().filter(|line| line.starts_with(beginning)).collect()
}

#[test]
fn all_is_told_where_all_is_there() {
    let machine = Machine::new();
    let (code, summary) = machine.check(570);
    assert_eq!(code, 0, "{summary}");
    // The tests; six models in two precisions; six profiles; three peers; four sanitizers.
    assert_eq!(lines(&summary, "passed").len(), 1 + 12 + 6 + 3 + 4, "{summary}");
    assert!(summary.contains("cvae              3.000      3.000      6.000      6.000      6.000 2.00"), "{summary}");
    assert!(summary.contains("µs a step of rnn-vae:\n    gemm                                   1.00"), "{summary}");
    assert_eq!(machine.read("ours.tsv").lines().count(), 1 + 12);
    assert_eq!(machine.read("peer.tsv").lines().count(), 1 + 18);
    assert!(machine.read("machine.txt").contains("345 MHz"));
    let apart = machine.read("sanitizers.txt");
    assert_eq!(
        apart.lines().filter(|line| line.starts_with("apart")).collect::<Vec<_>>(),
        ["apart: 1", "apart: 0", "apart: 0", "apart: 0"]
    );
}

#[test]
#[ignore = "slow"]
fn a_peer_that_fails_takes_nothing_away() {
    let machine = Machine::new();
    machine.stub("bin/python3", &format!("case \"$*\" in *graph*) echo 'no graph' >&2; exit 3;; esac\n{PYTHON}"));
    let (code, summary) = machine.check(570);
    assert_eq!(code, 1, "{summary}");
    assert_eq!(lines(&summary, "FAILED"), ["FAILED     PyTorch's steps: graph: status 3, no graph"]);
    assert!(summary.contains("classifier        3.000      3.000      6.000      6.000          - 2.00"), "{summary}");
    assert!(summary.ends_with(" s\n") && lines(&summary, "1 failed").len() == 1, "{summary}");
}

#[test]
#[ignore = "slow"]
fn a_failing_step_of_ours_is_named() {
    let machine = Machine::new();
    let cvae = "case \"$*\" in *cvae*) echo 'error: the GPU is lost' >&2; exit 1;; esac";
    machine.stub("pack/inkgrad", &format!("{cvae}\n{INKGRAD}"));
    let (code, summary) = machine.check(570);
    assert_eq!(code, 1, "{summary}");
    let failed = lines(&summary, "FAILED");
    assert_eq!(failed.len(), 3, "{summary}");
    assert_eq!(failed[0], "FAILED     our steps: cvae, fp32: status 1, error: the GPU is lost");
    assert!(summary.contains("cnn-vae           3.000      3.000"), "{summary}");
    assert!(summary.contains("cvae                  -          -      6.000"), "{summary}");
}

#[test]
#[ignore = "slow"]
fn what_hangs_is_stopped_and_the_rest_left_out() {
    let machine = Machine::new();
    machine.stub("pack/device", "echo begun; sleep 1000");
    let (code, summary) = machine.check(7);
    assert_eq!(code, 1, "{summary}");
    assert_eq!(lines(&summary, "TIMED OUT").len(), 1, "{summary}");
    assert_eq!(lines(&summary, "LEFT OUT").len(), 12 + 6 + 3 + 4, "{summary}");
    assert!(machine.read("tests.txt").contains("begun"), "what was found before is kept");
}

#[test]
fn a_tool_that_is_not_there_is_told_as_missing() {
    let machine = Machine::new();
    for tool in ["python3", "ncu", "compute-sanitizer", "nvidia-smi"] {
        machine.remove(&format!("bin/{tool}"));
    }
    let (code, summary) = machine.check(570);
    assert_eq!(code, 0, "{summary}");
    assert_eq!(
        lines(&summary, "MISSING"),
        [
            "MISSING    PyTorch's times: python3 is not found",
            "MISSING    times kernel by kernel: ncu is not found",
            "MISSING    compute-sanitizer, four tools: compute-sanitizer is not found",
        ]
    );
    assert!(summary.contains("lstm-ae           3.000      3.000          -          -          - -"), "{summary}");
    assert!(machine.read("machine.txt").contains("nvidia-smi is not found"));
}

#[test]
fn without_a_gpu_there_is_nothing_to_run_on() {
    let machine = Machine::new();
    machine.stub("pack/inkgrad", "echo 'cuda       not usable  no NVIDIA driver is installed'");
    let (code, summary) = machine.check(570);
    assert_eq!((code, summary.as_str()), (2, "nothing to run on: no NVIDIA driver is installed\n"));
}
