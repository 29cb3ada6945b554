//! Whole models against PyTorch: what a forward gives, the losses, every parameter's gradient, and ten steps of Adam.
//!
//! The fixtures have some elements of each tensor, its norm and its sum. Our f64 run is compared with these, and our
//! f32 run with our f64 run in full.

use std::collections::BTreeMap;

use inkgrad_engine::optim::{Optimizer, Rule as Update};
use inkgrad_engine::{Clock, Compile, Float, Plan, Pool, Tape, Team, Tensor};
use inkgrad_kernels::cpu::simd::Baseline;
use inkgrad_models::Network;
use inkgrad_models::data::Extents;
use inkgrad_models::model::{Element, Term};
use inkgrad_models::network::vae::{CnnVae, Cvae, RnnVae};
use inkgrad_models::run::config::Config;
use inkgrad_tests::fixture::{self, Rule, draw, error, error_l2};
use inkgrad_tests::{build, networks, sized_networks};

/// A run's results.
struct Run<T> {
    /// By the fixture's names.
    outputs: BTreeMap<&'static str, Vec<T>>,
    /// Before each step, by the fixture's names.
    losses: BTreeMap<&'static str, Vec<f64>>,
    /// At the first step, all parameters.
    grads: Vec<T>,
    /// After the last step.
    values: Vec<T>,
    network: Network<T>,
}

/// The element of pictures (B, C, H, W) that element `i` of (B, H, W, C) is.
fn in_planes(Extents { height, width, channels }: Extents, i: usize) -> usize {
    let (pixel, channel) = (i / channels, i % channels);
    let cells = height * width;
    (pixel / cells * channels + channel) * cells + pixel % cells
}

/// Pictures in PyTorch's order, (B, C, H, W), from ours.
fn planes<T: Float>(image: Extents, pictures: &[T]) -> Vec<T> {
    let mut planes = vec![T::ZERO; pictures.len()];
    pictures.iter().enumerate().for_each(|(i, &value)| planes[in_planes(image, i)] = value);
    planes
}

/// Fills the inputs that a graph has.
fn fill<T: Float>(
    plan: &mut Plan<T>,
    (batch, image): (usize, Extents),
    images: Option<Tensor>,
    labels: Option<Tensor>,
) {
    if let Some(images) = images {
        let values: Vec<T> = draw("images", batch * image.len(), Rule::Cube);
        let input = plan.input(images).iter_mut().enumerate();
        input.for_each(|(i, value)| *value = values[in_planes(image, i)]);
    }
    if let Some(labels) = labels {
        plan.input(labels).copy_from_slice(&draw("labels", batch, Rule::Label { classes: 5 }));
    }
}

/// ε of a reparameterisation.
fn noise<T: Float>(numbers: usize) -> Vec<T> {
    draw("eps", numbers, Rule::Signed { bound: 3f64.sqrt() })
}

/// The outputs at the first step.
fn outputs<T: Float>(network: &Network<T>, batch: usize, team: &Team) -> BTreeMap<&'static str, Vec<T>> {
    let mut found = BTreeMap::new();
    let (image, mut tape) = (network.image(), Tape::new());
    if network.is_classifier() {
        let graph = network.classification(&mut tape, batch).unwrap();
        let mut plan = tape.compile(Compile { keep: &[graph.logits], ..Compile::default() });
        fill(&mut plan, (batch, image), Some(graph.images), None);
        plan.forward(&network.params, team, Clock::default());
        found.insert("logits", plan.value(graph.logits).to_vec());
        return found;
    }
    let graph = network.encoding(&mut tape, batch).unwrap();
    let keep: Vec<Tensor> = [graph.mu].into_iter().chain(graph.logvar).collect();
    let mut plan = tape.compile(Compile { keep: &keep, ..Compile::default() });
    fill(&mut plan, (batch, image), Some(graph.images), graph.labels);
    plan.forward(&network.params, team, Clock::default());
    let mut latents = plan.value(graph.mu).to_vec();
    if let Some(logvar) = graph.logvar {
        found.insert("mu", latents.clone());
        let numbers = latents.len();
        found.insert("logvar", plan.value(logvar).to_vec());
        for ((z, &logvar), eps) in latents.iter_mut().zip(plan.value(logvar)).zip(noise::<T>(numbers)) {
            *z += (T::from_f64(0.5) * logvar).exp::<Baseline>() * eps;
        }
        found.insert("z", latents.clone());
    } else {
        found.insert("latent", latents.clone());
    }
    let mut tape = Tape::new();
    let graph = network.decoding(&mut tape, batch).unwrap();
    let mut plan = tape.compile(Compile { keep: &[graph.images], ..Compile::default() });
    fill(&mut plan, (batch, image), None, graph.labels);
    plan.input(graph.latents).copy_from_slice(&latents);
    plan.forward(&network.params, team, Clock::default());
    found.insert("reconstruction", planes(image, plan.value(graph.images)));
    found
}

fn run<T: Element>(config: &Config, fixture: &fixture::Model, team: &Team) -> Run<T> {
    let batch = fixture.batch;
    let mut network = build::<T>(config);
    assert_eq!(network.params.count(), fixture.parameters);
    let names: Vec<_> = network.list().into_iter().map(|p| (p.name, p.shape.dims().to_vec())).collect();
    let expected: Vec<_> = fixture.params.iter().map(|p| (p.name.clone(), p.shape.clone())).collect();
    assert_eq!(names, expected, "names and shapes in the order of PyTorch's `state_dict`");
    for (param, p) in network.list().iter().zip(&fixture.params) {
        let values = draw(&p.name, param.shape.len(), Rule::Signed { bound: p.bound });
        network.params.value_mut(param).copy_from_slice(&values);
    }
    let outputs = outputs(&network, batch, team);

    let mut tape = Tape::new();
    let latent = network.latent().unwrap_or(32);
    let eps = tape.input("eps", [batch, latent]);
    let graph = if let Some(vae) = network.model::<RnnVae>() {
        vae.training_with(&mut tape, batch, Some(eps))
    } else if let Some(vae) = network.model::<CnnVae>() {
        vae.training_with(&mut tape, batch, Some(eps))
    } else if let Some(vae) = network.model::<Cvae>() {
        vae.training_with(&mut tape, batch, Some(eps))
    } else {
        network.training(&mut tape, batch)
    }
    .unwrap();
    let parts: Vec<Term> =
        graph.reported().filter(|term| ["loss", "bce", "kl"].contains(&term.name)).copied().collect();
    let loss = Some(graph.loss.tensor);
    let mut plan = tape.compile(Compile { loss, keep: &graph.kept(), ..Compile::default() });
    fill(&mut plan, (batch, network.image()), Some(graph.images), graph.labels);
    plan.input(eps).copy_from_slice(&noise(batch * latent));

    let mut optimizer = Optimizer::new(Update::Adam, None, network.params.count());
    let mut losses: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut grads = Vec::new();
    for step in 0..fixture.steps["loss"].values.len() {
        plan.forward(&network.params, team, Clock::default());
        plan.backward(&mut network.params, team);
        for &Term { name, tensor, per } in &parts {
            losses.entry(name).or_default().push(plan.value(tensor)[0].to_f64() / per);
        }
        if step == 0 {
            grads = network.params.grads().to_vec();
        }
        optimizer.update(&mut network.params, team, 1e-3);
    }
    Run { outputs, losses, grads, values: network.params.values.clone(), network }
}

/// f32 ends up at most this many times as far from f64 as PyTorch's f32 does. In ten steps of Adam a gradient near zero
/// decides by its sign alone which way an element goes, so the distance is as much chance as precision: of PyTorch's
/// own, between 1e-7 and 1e-4 for different parameters of one model.
const DRIFT: f64 = 8.0;
/// The drift of parameters for which chance was kind to PyTorch.
const LEAST_DRIFT: f64 = 1e-4;

#[test]
fn models_do_what_pytorchs_do() {
    Pool::new(2).enter(|team| {
        for (name, config) in networks().into_iter().chain(sized_networks()) {
            let fixture: fixture::Model = fixture::load(name);
            let found = run::<f64>(&config, &fixture, team);
            let single = run::<f32>(&config, &fixture, team);
            check_double(name, &found, &fixture);
            check_single(name, &single, &found, &fixture);
        }
    });
}

/// f64 against PyTorch.
fn check_double(name: &str, found: &Run<f64>, fixture: &fixture::Model) {
    let mut worst = [0.0; 4];
    let mut check = |part: usize, what: &str, error: f64, tolerance: f64| {
        assert!(error <= tolerance, "{name}, {what}: error {error:.1e}, expected at most {tolerance:.0e}");
        worst[part] = f64::max(worst[part], error);
    };
    assert_eq!(found.outputs.keys().collect::<Vec<_>>(), fixture.outputs.keys().collect::<Vec<_>>(), "{name}");
    for (output, values) in &found.outputs {
        check(0, output, fixture.outputs[*output].error(values), 1e-9);
    }
    assert_eq!(found.losses.keys().collect::<Vec<_>>(), fixture.steps.keys().collect::<Vec<_>>(), "{name}");
    for (part, values) in &found.losses {
        check(1, part, error(values, &fixture.steps[*part].values), 1e-9);
    }
    for (param, p) in found.network.list().iter().zip(&fixture.params) {
        let range = param.range();
        check(2, &format!("gradient of {}", p.name), p.grad.error(&found.grads[range.clone()]), 1e-8);
        check(3, &format!("{} after ten steps", p.name), p.after.error(&found.values[range]), 1e-6);
    }
    let [outputs, losses, grads, values] = worst;
    println!("{name}, f64: outputs {outputs:.0e}, losses {losses:.0e}, gradients {grads:.0e}, after {values:.0e}");
}

/// f32 against our f64, and its samples against PyTorch's.
fn check_single(name: &str, found: &Run<f32>, reference: &Run<f64>, fixture: &fixture::Model) {
    let mut worst = [0.0; 4];
    let mut check = |part: usize, what: &str, error: f64, tolerance: f64| {
        assert!(error <= tolerance, "{name}, {what}: error {error:.1e} in f32, expected at most {tolerance:.0e}");
        worst[part] = f64::max(worst[part], error);
    };
    for (output, values) in &found.outputs {
        check(0, output, error(values, &reference.outputs[output]), 1e-5);
    }
    for (part, values) in &found.losses {
        check(1, part, error(values, &reference.losses[part]), 1e-5);
    }
    for (param, p) in found.network.list().iter().zip(&fixture.params) {
        let (range, what) = (param.range(), format!("gradient of {}", p.name));
        let grads = &found.grads[range.clone()];
        check(2, &what, error_l2(grads, &reference.grads[range.clone()]), 1e-5);
        check(2, &what, error_l2(&p.grad.of(grads), &p.grad.values), 1e-5);
        let drift = error_l2(&found.values[range.clone()], &reference.values[range]);
        check(3, &format!("{} after ten steps", p.name), drift, (DRIFT * p.after.dev_l2).max(LEAST_DRIFT));
    }
    let [outputs, losses, grads, values] = worst;
    println!("{name}, f32: outputs {outputs:.0e}, losses {losses:.0e}, gradients {grads:.0e}, after {values:.0e}");
}
