//! Graphs to try exports on: each operation of the engine on the cases that its own property tests draw, and a program of Python's
//! that runs what became of them.

use std::io::Write;
use std::process::{Command, Stdio};

use inkgrad_engine::ops::{Draw, OPS};
use inkgrad_engine::{Clock, Compile, Params, Tape, Team, Tensor};
use serde_json::{Value, json};

use super::graph::{Graph, Port, merged};

/// An operation on given values.
pub(super) struct Case {
    pub(super) label: String,
    pub(super) graph: Graph,
    /// Shapes and values of the inputs, and those of the output.
    pub(super) values: Value,
}

/// Random cases of each operation.
const CASES: u64 = 6;

/// Operations that draw at random, and one whose weights are none of the tape's.
pub(super) const WITHOUT: [&str; 2] = ["dropout", "frozen_conv2d"];

const NAMES: [&str; 8] = ["x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"];

/// Every operation that has a form elsewhere, on the cases that the engine draws.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for spec in OPS.iter().filter(|spec| !WITHOUT.contains(&spec.name)) {
        for seed in 0..CASES {
            let case = (spec.draw)(&mut Draw::small(seed));
            if spec.name == "reparameterize" && case.inputs.len() == 2 {
                continue;
            }
            let mut tape = Tape::<f32>::new();
            let x: Vec<Tensor> = case.inputs.iter().map(|input| tape.input("x", input.shape)).collect();
            let y = (case.f32)(&mut tape, &x).unwrap();
            let name = |i: usize| {
                if case.inputs[i].differentiable || spec.name == "reparameterize" { NAMES[i] } else { "labels" }
            };
            let port = |name, tensor: Tensor| Port { name, node: tensor.index(), meaning: String::new() };
            let graph = Graph {
                nodes: merged(spec.name, &tape, &tape).unwrap(),
                inputs: x.iter().enumerate().map(|(i, &x)| port(name(i), x)).collect(),
                outputs: vec![port("y", y)],
            };
            let shape = tape.shape(y).dims().to_vec();
            let mut plan = tape.compile(Compile { keep: &[y], ..Compile::default() });
            for (&tensor, input) in x.iter().zip(&case.inputs) {
                plan.input(tensor).iter_mut().zip(&input.values).for_each(|(to, &value)| *to = value as f32);
            }
            plan.forward(&Params::new(), &Team::solo(), Clock::default());
            let input = |(i, input): (usize, &inkgrad_engine::ops::CaseInput)| json!({"name": name(i), "shape": input.shape.dims(), "values": input.values});
            let inputs: Vec<Value> = case.inputs.iter().enumerate().map(input).collect();
            let y: Vec<f64> = plan.value(y).iter().map(|&y| f64::from(y)).collect();
            let values = json!({"inputs": inputs, "shape": shape, "y": y});
            cases.push(Case { label: format!("{} {}", spec.name, case.label), graph, values });
        }
    }
    cases
}

/// Compares what Python makes of cases with what the engine makes of them.
const COMPARE: &str = r#"
import json, sys
import numpy as np

def outer(x):
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if x.ndim == 4 else x

def array(port):
    kind = np.int64 if port["name"] == "labels" else np.float32
    return outer(np.array(port["values"], dtype=kind).reshape(port["shape"]))

cases = json.load(sys.stdin)
for case in cases:
    found = run(case, {port["name"]: array(port) for port in case["inputs"]})
    expected = outer(np.array(case["y"], dtype=np.float32).reshape(case["shape"]))
    assert found.shape == expected.shape, f"{case['label']}: {found.shape}, expected {expected.shape}"
    apart = np.max(np.abs(found - expected) / np.maximum(1, np.abs(expected)), initial=0)
    assert apart < 2e-5, f"{case['label']}: {apart} apart"
print(len(cases))
"#;

/// Runs `program`, which defines `run(case, inputs)`, on the cases, by the Python that `INKGRAD_PYTHON` names, which has to import
/// `modules`. Without one it says so and checks nothing; `tests/onnx/check.sh` gives one.
pub(super) fn compare_by_python(modules: &str, program: &str, cases: &[Value]) {
    let Ok(python) = std::env::var("INKGRAD_PYTHON") else {
        eprintln!("not checked: INKGRAD_PYTHON names no Python with {modules}");
        return;
    };
    let script = format!("import {modules}\n{program}\n{COMPARE}");
    let piped = Command::new(&python).args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = piped.unwrap_or_else(|error| panic!("{python}: {error}"));
    child.stdin.take().unwrap().write_all(serde_json::to_string(cases).unwrap().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{python} finds a difference");
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), cases.len().to_string());
}

#[test]
fn there_are_cases_of_every_operation() {
    let cases = cases();
    for spec in OPS.iter().filter(|spec| !WITHOUT.contains(&spec.name)) {
        let begins = format!("{} ", spec.name);
        assert!(cases.iter().any(|case| case.label.starts_with(&begins)), "{}", spec.name);
    }
}
