//! Commands that look at the program, the machine and the data.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::{Ended, Place};

/// One operation and one model: the tests of gradients check all of them, and `.ci/run` does it as a user would.
#[test]
#[ignore = "slow"]
fn gradients_agree() {
    let place = Place::new();
    for (kind, name) in [("op", "conv2d"), ("model", "cnn-vae")] {
        let table = place.json(&["gradcheck", &format!("--{kind}"), name]);
        assert_eq!((&table["tolerance"], &table["passed"]), (&1e-6.into(), &true.into()));
        let rows = table["results"].as_array().unwrap();
        // A model with each of its objectives, too.
        assert!(if kind == "op" { rows.len() == 1 } else { rows.len() > 5 }, "{table}");
        for row in rows {
            assert_eq!((&row["kind"], &row["passed"]), (&kind.into(), &true.into()));
            assert!(row["name"].as_str().unwrap().starts_with(name), "{row}");
            assert!(row["error"].as_f64().unwrap() <= 1e-6 && row["compared"].as_u64().unwrap() > 0, "{row}");
        }
    }
    assert!(place.ok(&["gradcheck", "--op", "add"]).contains("all 1 within 1e-6"));
}

#[test]
fn steps_are_timed() {
    let place = Place::new();
    let bench =
        ["bench", "--model", "cnn-vae", "--batch-size", "4", "--drawings", "16", "--steps", "3", "--threads", "1"];
    let timing = place.json(&bench);
    let number = |key: &str| timing[key].as_f64().unwrap();
    assert!(number("min") > 0.0 && number("min") <= number("ms_per_step") && number("ms_per_step") <= number("max"));
    assert!((number("images_per_s") * number("ms_per_step") / 4000.0 - 1.0).abs() < 1e-9);
    assert!(number("gflops") > 0.0);
    assert_eq!((&timing["batch_size"], &timing["threads"]), (&4.into(), &1.into()));
    if cfg!(target_os = "linux") {
        assert!(number("peak_rss_mib") > 1.0);
    }

    let profile = place.json(&[&bench[..], &["--profile"]].concat());
    let operations = profile["operations"].as_array().unwrap();
    let share: f64 = operations.iter().map(|operation| operation["share"].as_f64().unwrap()).sum();
    assert!(share > 0.3 && share <= 1.0, "{profile}");
    // Each pass of a convolution says how it went; pictures need no gradient.
    let of = |op: &str| operations.iter().find(|operation| operation["op"] == op).unwrap();
    assert_eq!(of("conv2d")["algorithms"], json!({"forward": "direct", "dw": "direct"}));
    assert_eq!(of("conv_transpose2d")["algorithms"].as_object().unwrap().len(), 3);
    assert!(of("linear").get("algorithms").is_none());
    let text = place.ok(&[&bench[..], &["--profile"]].concat());
    assert!(text.contains("conv2d, direct "), "{text}");
}

#[test]
#[ignore = "slow"]
fn a_step_on_a_gpu_is_estimated_kernel_by_kernel() {
    let place = Place::new();
    let bench = ["bench", "--model", "classifier", "--batch-size", "4", "--device", "emulated", "--estimate", "h100"];
    let found = place.json(&bench);
    assert_eq!((&found["gpu"], &found["assumptions"]["multiprocessors"]), (&"H100 SXM".into(), &132.into()));
    let step = &found["results"][0];
    assert_eq!((&step["model"], &step["batch_size"]), (&"classifier".into(), &4.into()));
    let kernels = step["kernels"].as_array().unwrap();
    for key in ["us", "launches", "flops", "bytes", "transactions", "instructions"] {
        let sum: f64 = kernels.iter().map(|kernel| kernel[key].as_f64().unwrap()).sum();
        let total = step[key].as_f64().unwrap();
        assert!((sum / total - 1.0).abs() < 1e-9, "{key}: {sum}, expected {total}");
    }
    let (us, launches) = (step["us"].as_f64().unwrap(), step["launches"].as_f64().unwrap());
    let launch = found["assumptions"]["launch_us"].as_f64().unwrap();
    assert!(launches > 20.0 && us > launch * launches && us < 1e3, "{step}");
    assert!((step["images_per_s"].as_f64().unwrap() * us / 4e6 - 1.0).abs() < 1e-9);
    let gemm = kernels.iter().find(|kernel| kernel["kernel"] == "gemm_tensor").unwrap();
    assert!(gemm["chain_us"].as_f64().unwrap() > 0.5 && gemm["bound"].is_string(), "{gemm}");
    // The order of warps and blocks is drawn anew, the numbers are the same.
    assert_eq!(place.json(&bench), found);
    let text = place.ok(&bench);
    assert!(text.contains("nothing here ran on one") && text.contains("1.3 µs a launch"), "{text}");
    assert!(
        text.lines().any(|line| line.starts_with("gemm_tensor ")) && text.contains("classifier, batch 4 "),
        "{text}"
    );
    place.in_conflict(&[&bench[..], &["--steps", "3"]].concat(), ["--estimate", "--steps"]);
    let tf32 = place.ok(&[&bench[..], &["--precision", "tf32"]].concat());
    assert!(tf32.contains("in tf32;") && tf32.contains("gemm_tensor "), "{tf32}");
}

#[test]
fn a_paced_bench_runs_what_it_is_told() {
    let place = Place::new();
    let paced = |input: &str| {
        let args =
            ["bench", "--model", "cnn-vae", "--batch-size", "2", "--drawings", "16", "--threads", "1", "--paced"];
        let mut child =
            place.command(&args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ended::new(child.wait_with_output().unwrap())
    };
    for input in ["2\n1\n\n", "2\n1\n"] {
        let ended = paced(input);
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        let lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 4);
        assert_eq!((&lines[0]["ready"], &lines[0]["threads"]), (&true.into(), &1.into()));
        let times = |line: &Value| line["ms"].as_array().unwrap().len();
        assert_eq!((times(&lines[1]), times(&lines[2])), (2, 1));
        assert!(lines[3].get("peak_rss_mib").is_some());
    }
    let ended = paced("many\n");
    assert_eq!(ended.status, 2);
    assert_eq!(ended.stderr, "error: standard input: found `many`, expected a number of steps\n");
}

#[test]
fn data_is_counted_and_synthetic_data_called_so() {
    let place = Place::with_run();
    let info = place.json(&["data", "info", "d"]);
    assert_eq!((&info["train"]["images"], &info["test"]["images"]), (&48.into(), &12.into()));
    let classes: Vec<&str> = info["classes"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(classes, ["rabbit", "yoga", "hand", "snowman", "motorbike"]);
    assert!(place.ok(&["data", "info", "d"]).contains("snowman"));

    let made = place.json(&["data", "synth", "--n", "20", "--seed", "3", "--out", "e"]);
    assert_eq!((&made["synthetic"], &made["train"], &made["test"]), (&true.into(), &16.into(), &4.into()));
    let text = place.ok(&["data", "synth", "--n", "20", "--seed", "3", "--out", "f"]);
    assert!(text.contains("built-in synthetic drawings"), "{text}");
    assert!(place.read("e/train_images.npy") == place.read("f/train_images.npy"));
}

#[test]
fn devices_are_listed_with_reasons() {
    let place = Place::new();
    let found = place.json(&["devices"]);
    let devices = found["devices"].as_array().unwrap();
    let names: Vec<&str> = devices.iter().map(|device| device["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["cpu", "cuda", "emulated"]);
    assert_eq!(devices[0]["usable"], true);
    assert!(devices.iter().all(|device| !device["detail"].as_str().unwrap().is_empty()));
}

#[test]
fn help_names_every_command_and_model() {
    let place = Place::new();
    let help = place.ok(&["--help"]);
    for word in ["train", "sample", "gradcheck", "bench", "lstm-ae", "classifier", "Examples:"] {
        assert!(help.contains(word), "{word}: {help}");
    }
    assert!(place.ok(&["--version"]).starts_with("inkgrad "));
    for command in ["train", "sample", "reconstruct", "encode", "decode", "interpolate", "explain", "bench", "data"] {
        let help = place.ok(&[command, "--help"]);
        // Behind the usage, which may take several lines.
        let lines = help.lines().skip_while(|line| !line.starts_with("Options:"));
        let options = lines.filter(|line| line.trim_start().starts_with("--"));
        // Every option says in the same line what it does.
        options.for_each(|line| assert!(line.trim().contains("  "), "{command}: {line}"));
    }
}

#[test]
#[cfg(unix)]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::with_run();
    // The reading end is closed before a line is written.
    let mut child =
        place.command(&["data", "info", "d"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = Ended::new(child.wait_with_output().unwrap());
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
}

#[test]
#[ignore = "slow"]
fn kernels_are_shown_step_by_step() {
    let place = Place::new();
    let list = place.json(&["emulate", "--list"]);
    assert!(list["kernels"].as_array().unwrap().iter().any(|kernel| kernel["name"] == "axpy"), "{list}");

    let ran = place.json(&["emulate", "axpy", "--n", "300", "--trace", "--block", "1", "--lane", "5"]);
    // Thread 5 of block 1 owns element 261; 300 elements are two operations each.
    let steps = ran["steps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step["writes"][0] == serde_json::json!(["%i", "261"])), "{ran}");
    assert_eq!(ran["flops"], 600);
    let text = place.ok(&["emulate", "axpy", "--trace"]);
    assert!(text.contains("// and in the grid") && text.contains("%i = 0"), "{text}");
    for kernel in list["kernels"].as_array().unwrap() {
        let name = kernel["name"].as_str().unwrap();
        let ran = place.json(&["emulate", name, "--profile", "--seed", "3"]);
        assert!(ran["instructions"].as_u64().unwrap() > 0 && ran["profile"][0]["warps"].as_u64().unwrap() > 0);
    }
    place.refused(&["emulate", "axpi"], &["axpi", "axpy"]);
    place.refused(&["emulate", "axpy", "--trace", "--block", "9"], &["block 9", "below 2"]);
    place.refused(&["emulate", "axpy", "--n", "0"], &["1 to 1024"]);
}

#[test]
fn a_graph_is_shown_node_by_node() {
    let place = Place::new();
    let text = place.ok(&["graph", "classifier", "--batch-size", "8"]);
    for part in
        ["classifier (mlp), a training step of 8 drawings", "(8, 28, 28, 1)", "softmax_cross_entropy", "model.1.weight"]
    {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
    assert!(!text.contains("arena:"));
    let shown = place.json(&["graph", "cvae", "--condition", "both", "--plan"]);
    assert_eq!((&shown["model"], &shown["parameters"]), (&"cvae (both)".into(), &928_225.into()));
    assert!(shown["plan"].as_str().unwrap().starts_with("arena: "));
    let drawn = place.json(&["graph", "classifier", "--batch-size", "8", "--png", "plan.png"]);
    assert!(drawn["png"] == "plan.png" && place.read("plan.png").starts_with(b"\x89PNG"), "{drawn}");
    place.refused(&["graph", "vae", "--png", "plan.jpg"], &["plan.jpg", "expected a name that ends in .png"]);
    place.refused(&["graph", "vae"], &["unknown model `vae`, expected one of lstm-ae"]);
}
