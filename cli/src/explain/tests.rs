//! The interpreter's operations against the engine's, on the cases that the engine's own property tests draw. Needs Node.js;
//! where there is none, says so and checks nothing.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use inkgrad_engine::ops::{Draw, OPS};
use inkgrad_engine::{Clock, Compile, Params, Tape, Team, Tensor};
use inkgrad_models::tsne::{self, PlaceConfig, Points, TsneConfig};
use serde_json::{Value, json};

use super::{half, tape};

/// Replays the cases that come in, and writes the values that come out.
const REPLAY: &str = "
const cases = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const typed = inputs => Object.fromEntries(Object.entries(inputs).map(([name, x]) => [name, Float32Array.from(x)]));
console.log(JSON.stringify(cases.map(({nodes, inputs}) => {
  const run = replay({nodes}, new Map(), typed(inputs));
  const y = run.values.at(-1);
  return {unknown: run.unknown, y: y && Array.from(y)};
})));
";

/// Random cases of each operation.
const CASES: u64 = 12;

/// How many operations the interpreter knew when this was written: an operation that is new to it is named, none is lost.
const KNOWN: usize = 52;

#[test]
fn every_operation_gives_what_the_engine_gives() {
    let (mut cases, mut expected) = (Vec::new(), Vec::new());
    for spec in OPS {
        for seed in 0..CASES {
            let case = (spec.draw)(&mut Draw::small(seed));
            let mut tape = Tape::<f32>::new();
            let names: Vec<String> = (0..case.inputs.len()).map(|i| format!("x{i}")).collect();
            let x: Vec<Tensor> =
                names.iter().zip(&case.inputs).map(|(name, input)| tape.input(name, input.shape)).collect();
            let y = (case.f32)(&mut tape, &x).unwrap();
            let nodes = tape::nodes(&tape);
            // An operation that draws at random is given no noise here, and shows its mean.
            if nodes[y.index()].op == "dropout" || nodes[y.index()].op == "reparameterize" && x.len() == 2 {
                continue;
            }
            let mut plan = tape.compile(Compile { keep: &[y], ..Compile::default() });
            let mut inputs = serde_json::Map::new();
            for ((&x, name), input) in x.iter().zip(&names).zip(&case.inputs) {
                let values: Vec<f32> = input.values.iter().map(|&x| x as f32).collect();
                plan.fill(x, &values).unwrap();
                inputs.insert(name.clone(), json!(values));
            }
            plan.forward(&Params::new(), &Team::solo(), Clock::default());
            cases.push(json!({ "nodes": nodes, "inputs": inputs }));
            expected.push((format!("{} {}", spec.name, case.label), spec.name, plan.value(y).to_vec()));
        }
    }
    let Some(found) = node(&json!(cases)) else { return };
    let mut unknown = BTreeSet::new();
    for ((label, op, expected), found) in expected.iter().zip(found.as_array().unwrap()) {
        if found["y"].is_null() {
            assert_eq!(found["unknown"], json!([op]), "{label}");
            unknown.insert(op);
            continue;
        }
        let found: Vec<f64> = found["y"].as_array().unwrap().iter().map(|y| y.as_f64().unwrap()).collect();
        assert_eq!(found.len(), expected.len(), "{label}");
        let largest = expected.iter().fold(1.0, |largest: f64, y| largest.max(f64::from(y.abs())));
        for (found, expected) in found.iter().zip(expected) {
            let apart = (found - f64::from(*expected)).abs();
            assert!(apart <= 1e-5 * largest, "{label}: {found}, expected {expected}");
        }
    }
    let known = OPS.len() - unknown.len();
    assert!(
        known >= KNOWN,
        "the interpreter knows {known} operations, expected at least {KNOWN}; new to it: {unknown:?}"
    );
}

/// Places codes in a map as the page does.
const PLACE: &str = "
const {codes, fresh} = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const {place} = embedded(codes);
console.log(JSON.stringify(fresh.map(code => place(Float32Array.from(code)))));
";

#[test]
fn a_new_code_comes_to_lie_where_the_engine_places_it() {
    let (n, width) = (60, 4);
    // Three clusters, as halves hold them.
    let value = |i: usize| (i / width % 3 * 8) as f32 + ((i * 37 % 64) as f32 / 32.0 - 1.0);
    let values: Vec<f32> = (0..n * width).map(value).collect();
    let fresh: Vec<f32> = (0..5 * width).map(|i| value(i * 3 + 1) + 0.125).collect();
    let perplexity = 8.0;
    let config = TsneConfig { perplexity, ..TsneConfig::default() };
    let points = Points::new("codes", &values, n, width).unwrap();
    let embedding = tsne::embed(&config, points, &Team::solo(), |_| {}).unwrap();
    let place = PlaceConfig { perplexity, ..PlaceConfig::default() };
    let placed = tsne::place(&place, points, &embedding.points, ("fresh", &fresh), &Team::solo(), |_| {}).unwrap();
    let codes = json!({
        "mu": half::f16_base64(values.iter().copied()),
        "width": width,
        "tsne": { "points": embedding.points.as_chunks::<2>().0, "perplexity": perplexity },
    });
    let rows: Vec<&[f32]> = fresh.chunks(width).collect();
    let scripts = [include_str!("interpreter.js"), include_str!("map.js"), PLACE];
    let Some(found) = run(&scripts.join("\n"), &json!({ "codes": codes, "fresh": rows })) else { return };
    let found: Vec<[f64; 2]> = serde_json::from_value(found).unwrap();
    // The last codes are copies of the first.
    let known: Vec<&[f32]> = values.chunks(width).take(48).collect();
    let lies: Vec<[f32; 2]> =
        serde_json::from_value(run(&scripts.join("\n"), &json!({ "codes": codes, "fresh": known })).unwrap()).unwrap();
    assert_eq!(lies, embedding.points.as_chunks::<2>().0[..48], "the map's own codes lie where they lie");
    let span = embedding.points.iter().fold(0.0_f32, |span, x| span.max(x.abs()));
    for (found, expected) in found.iter().zip(placed.points.as_chunks::<2>().0) {
        let apart = (found[0] - f64::from(expected[0])).hypot(found[1] - f64::from(expected[1]));
        assert!(apart < 0.02 * f64::from(span), "{found:?}, expected {expected:?} on a map {span} wide");
    }
}

/// Gives `cases` to the interpreter; `None` where there is no Node.js.
fn node(cases: &Value) -> Option<Value> {
    run(&format!("{}\n{REPLAY}", include_str!("interpreter.js")), cases)
}

/// Gives `input` to a script; `None` where there is no Node.js.
fn run(script: &str, input: &Value) -> Option<Value> {
    let mut command = Command::new("node");
    let spawned = command.arg("-e").arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = spawned else {
        eprintln!("not checked: no Node.js here");
        return None;
    };
    let text = input.to_string();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}
