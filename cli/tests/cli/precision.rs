//! The numbers that products compute with.

use crate::{Ended, Place};

#[test]
fn precisions_are_refused_where_there_is_nothing_to_compute_with_them() {
    let place = Place::with_run();
    let train = |options: &[&'static str]| {
        [&["train", "lstm-ae", "--data", "d", "--steps", "2", "--out", "x"], options].concat()
    };
    place.refused(&train(&["--precision", "tf32"]), &["precision: tf32 on the processor, expected fp32 or bf16"]);
    let on_device = train(&["--precision", "bf16", "--device", "emulated"]);
    place.refused(&on_device, &["precision: bf16 on emulated, expected fp32 or tf32"]);
    place.refused(&train(&["--precision", "fp8"]), &["fp8", "fp32, tf32, bf16"]);
    for command in [train(&["--precision", "bf16"]), vec!["bench", "--model", "lstm-ae", "--precision", "bf16"]] {
        let ended = Ended::new(place.command(&command).env("INKGRAD_ISA", "generic").output().unwrap());
        let expected = "error: --precision: bf16 on a processor without AVX-512 BF16 in use (generic), expected fp32\n";
        assert_eq!((ended.status, ended.stderr.as_str()), (2, expected), "{command:?}");
    }
}

#[test]
#[ignore = "slow"]
fn bf16_trains_as_fp32_does_and_its_bits_depend_on_neither_threads_nor_pauses() {
    let place = Place::with_run();
    let train = |out: &'static str, options: &[&'static str]| {
        let common = ["train", "lstm-ae", "--data", "d", "--batch-size", "16", "--out", out];
        place.run(&[&common, options].concat())
    };
    let single = train("fp32", &["--steps", "30", "--threads", "2"]);
    assert_eq!(single.status, 0, "{}", single.stderr);
    let half = train("bf16", &["--steps", "30", "--threads", "2", "--precision", "bf16"]);
    if half.stderr.contains("without AVX-512 BF16") {
        eprintln!("skipped: this processor has no AVX-512 BF16");
        return;
    }
    assert_eq!(half.status, 0, "{}", half.stderr);
    let loss = |run: &str| {
        let records = String::from_utf8(place.read(&format!("{run}/metrics.jsonl"))).unwrap();
        let last: serde_json::Value = serde_json::from_str(records.lines().last().unwrap()).unwrap();
        last["loss"].as_f64().unwrap()
    };
    let (single, half) = (loss("fp32"), loss("bf16"));
    assert!(single != half && (single - half).abs() < 0.01 * single, "{single}, {half}");

    train("one", &["--steps", "12", "--threads", "1", "--precision", "bf16"]);
    let part = ["train", "--resume", "one", "--steps", "30", "--threads", "1"];
    place.ok(&part);
    assert!(place.read("one/model.safetensors") == place.read("bf16/model.safetensors"));
}
