//! Every objective against PyTorch: loss, terms and all gradients of a small cnn-vae (`fixtures/objectives.py`).

use std::collections::BTreeMap;

use inkgrad_engine::{Clock, Compile, Pool, Tape, Team};
use inkgrad_models::Models;
use inkgrad_models::model::{Element, Model, Value};
use inkgrad_models::network::objective::{Noise, Time};
use inkgrad_models::network::vae::CnnVae;
use inkgrad_models::run::config::{Config, Overrides};
use inkgrad_tests::build;
use inkgrad_tests::fixture::{self, Rule, Sampled, draw, error_l2};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    batch: usize,
    /// Channels, height and width.
    image: [usize; 3],
    /// Passes over the drawings, for weights that change.
    epoch: f64,
    sizes: BTreeMap<String, String>,
    params: Vec<Param>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Param {
    name: String,
    bound: f64,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    options: BTreeMap<String, String>,
    /// Parameters that the objective has of its own.
    params: Vec<Param>,
    /// The codes of a codebook after a step.
    tracked: Vec<f64>,
    loss: f64,
    terms: BTreeMap<String, f64>,
    grads: Vec<Gradient>,
}

#[derive(Deserialize)]
struct Gradient {
    name: String,
    #[serde(flatten)]
    values: Sampled,
}

/// A case's results.
struct Run<T> {
    /// The loss under this name, and the terms.
    terms: BTreeMap<&'static str, f64>,
    /// By parameter, of those that have any.
    grads: BTreeMap<String, Vec<T>>,
    /// The codes of a codebook after a step.
    tracked: Vec<T>,
}

fn config(fixture: &Fixture, case: &Case) -> Config {
    let given = fixture.sizes.iter().chain(&case.options);
    let options = given.map(|(name, value)| (name.clone(), Value::parse(value))).collect();
    let overrides = Overrides { options, ..Overrides::default() };
    let config = Config::resolve(&Models::builtin(), Some("cnn-vae"), None, &overrides).unwrap();
    let [channels, height, width] = fixture.image;
    Config { image: [height, width, channels].into(), ..config }
}

fn run<T: Element>(fixture: &Fixture, case: &Case, team: &Team) -> Run<T> {
    let (config, batch) = (config(fixture, case), fixture.batch);
    let mut network = build::<T>(&config);
    for param in network.list() {
        let Some(p) = fixture.params.iter().chain(&case.params).find(|p| p.name == param.name) else {
            assert!(param.name.starts_with("codebook."), "{}", param.name);
            continue;
        };
        let values = draw(&p.name, param.shape.len(), Rule::Signed { bound: p.bound });
        network.params.value_mut(&param).copy_from_slice(&values);
    }
    let samples = case.options.get("importance_samples").map_or(1, |samples| samples.parse().unwrap());
    let mut tape = Tape::new();
    let latent = network.latent().unwrap();
    let shapes = [("eps", batch * samples), ("prior", batch)];
    let noise = shapes.map(|(name, rows)| (name, tape.input(name, [rows, latent]), rows * latent));
    let given = Noise { latents: Some(noise[0].1), prior: Some(noise[1].1) };
    let graph = network.model::<CnnVae>().unwrap().record(&mut tape, batch, given, Time::Step).unwrap();
    let loss = Some(graph.loss.tensor);
    let mut plan = tape.compile(Compile { loss, keep: &graph.kept(), ..Compile::default() });
    plan.input(graph.images).copy_from_slice(&draw("images", batch * network.image().len(), Rule::Cube));
    for (name, tensor, len) in noise {
        plan.input(tensor).copy_from_slice(&draw(name, len, Rule::Signed { bound: 3f64.sqrt() }));
    }
    for scheduled in &graph.scheduled {
        plan.input(scheduled.tensor)[0] = T::from_f64(scheduled.at(fixture.epoch));
    }
    plan.forward(&network.params, team, Clock::default());
    plan.backward(&mut network.params, team);
    let number = |term: &inkgrad_models::model::Term| plan.value(term.tensor)[0].to_f64() / term.per;
    let terms = graph.reported().map(|term| (term.name, number(term))).collect();
    let live = network.list().into_iter().filter(|param| network.params.is_live(param));
    let grads = live.map(|param| (param.name.clone(), network.params.grad(&param).to_vec())).collect();
    // Averages of which each has seen its code once.
    let of = |name: &str| network.list().into_iter().find(|param| param.name == name);
    let mut tracked = Vec::new();
    if let (Some(codes), Some(counts), Some(sums)) = (of("codebook.weight"), of("codebook.counts"), of("codebook.sums"))
    {
        let before = network.params.value(&codes).to_vec();
        network.params.value_mut(&sums).copy_from_slice(&before);
        network.params.value_mut(&counts).fill(T::ONE);
        let model = network.model::<CnnVae>().unwrap().clone();
        let statistics: Vec<&[T]> = graph.statistics.iter().map(|&x| plan.value(x)).collect();
        model.track(&mut network.params, &statistics);
        tracked = network.params.value(&codes).to_vec();
    }
    Run { terms, grads, tracked }
}

#[test]
fn objectives_are_what_pytorch_computes() {
    let fixture: Fixture = fixture::load("objectives");
    Pool::new(2).enter(|team| {
        for case in &fixture.cases {
            let (double, single) = (run::<f64>(&fixture, case, team), run::<f32>(&fixture, case, team));
            let name = &case.name;
            let mut expected: BTreeMap<&str, f64> = case.terms.iter().map(|(term, &v)| (term.as_str(), v)).collect();
            expected.insert("loss", case.loss);
            let names: Vec<&str> = double.terms.keys().copied().collect();
            assert_eq!(names, expected.keys().copied().collect::<Vec<_>>(), "{name}");
            for (term, value) in &double.terms {
                let error = (value - expected[term]).abs() / expected[term].abs();
                assert!(error <= 1e-9, "{name}, {term}: {value}, expected {}: error {error:.1e}", expected[term]);
                // Of terms that are differences of large sums, f32 keeps what those leave.
                let scale = expected.values().fold(100.0, |scale: f64, value| scale.max(value.abs()));
                let error = (single.terms[term] - value).abs() / scale;
                assert!(error <= 1e-5, "{name}, {term}: {} in f32, {value} in f64", single.terms[term]);
            }
            let mut worst = [0.0f64; 2];
            assert_eq!(case.grads.len(), double.grads.len(), "{name}");
            for grad in &case.grads {
                let (double, single) = (&double.grads[&grad.name], &single.grads[&grad.name]);
                let error = grad.values.error(double);
                assert!(error <= 1e-8, "{name}, gradient of {}: error {error:.1e}", grad.name);
                // Where weights are differences of large logarithms, f32 keeps no more digits in PyTorch either.
                let drift = error_l2(single, double);
                assert!(
                    drift <= f64::max(1e-5, 2.0 * grad.values.dev_l2),
                    "{name}, gradient of {}: error {drift:.1e} in f32",
                    grad.name
                );
                worst = [worst[0].max(error), worst[1].max(drift)];
            }
            assert_eq!(case.tracked.len(), double.tracked.len(), "{name}");
            for ((expected, double), single) in case.tracked.iter().zip(&double.tracked).zip(&single.tracked) {
                assert!((double - expected).abs() < 1e-9 && (f64::from(*single) - double).abs() < 1e-6, "{name}");
            }
            println!("{name}: gradients {:.0e} in f64, {:.0e} in f32", worst[0], worst[1]);
        }
    });
}
