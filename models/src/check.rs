//! The gradient check of whole models, in `f64`.
//!
//! ```
//! use inkgrad_engine::Team;
//! use inkgrad_models::{Models, check};
//!
//! // A whole training step of one of its structures, as `inkgrad gradcheck` checks it.
//! let spec = Models::builtin().get("classifier")?;
//! let (name, config) = &check::variants(&spec)[0];
//! let outcome = check::check_model(spec, name, config, &Team::solo())?;
//! assert!(outcome.passes(), "{outcome}");
//! # Ok::<(), inkgrad_models::Error>(())
//! ```

use inkgrad_engine::device::Precision;
use inkgrad_engine::gradcheck::on_device::{self, Apart};
use inkgrad_engine::gradcheck::{Outcome, Problem};
use inkgrad_engine::inspect::Role;
use inkgrad_engine::{Clock, Compile, Param, Plan, Tape, Team, Tensor, rng};
use inkgrad_kernels::launch;

use crate::Result;
use crate::data::{self, Extents};
use crate::model::{Element, Form, Kind, Network, Scheduled, Spec, Training, Value};
use crate::run::config::Config;

/// Drawings of the checked step: odd, so that nothing falls on the border of a tile.
const BATCH: usize = 3;
const SEED: u64 = 42;

/// A model with each of its structures, by the options that are names: what it is called, and its configuration.
pub fn variants(spec: &Spec) -> Vec<(String, Config)> {
    let mut list = vec![(spec.name.to_owned(), Config::defaults(spec))];
    for option in spec.options {
        if let Kind::OneOf(names) = option.kind {
            let with = |(label, config): (String, Config)| {
                names.iter().map(move |name| (format!("{label} {name}"), config.clone().with_text(option.name, name)))
            };
            list = list.into_iter().flat_map(with).collect();
        }
    }
    list
}

/// A model at other sizes than its own, each of its structures once with every option of a size: about a third of each, one layer
/// more, flags the other way. An option that a structure refuses is left out.
pub fn sized(spec: &Spec) -> Vec<(String, Config)> {
    let classes = vec![String::new(); 2];
    let builds = |config: &Config| {
        let config = Config { classes: classes.clone(), ..config.clone() };
        Network::<f64>::new(*spec, &config).is_ok()
    };
    let resized = |(label, mut config): (String, Config)| {
        let mut sizes = Vec::new();
        for option in spec.options {
            let value = match *option.kind.bare() {
                _ if option.kind.is_resolved() => continue,
                Kind::Whole { default, most, .. } if option.name == "layers" => Value::Whole((default + 1).min(most)),
                Kind::Whole { default, least, .. } => Value::Whole((default / 3 + 1).max(least)),
                Kind::List { default, least, .. } => {
                    Value::List(default.iter().map(|n| (n / 3 + 1).max(least)).collect())
                }
                Kind::Flag { default } => Value::Flag(!default),
                Kind::OneOf(_) | Kind::Number { .. } | Kind::WarmUp => continue,
                Kind::IfGiven(_) | Kind::Unset(_) | Kind::Beside { .. } => continue,
            };
            let tried = config.clone().with(option.name, value.clone());
            if builds(&tried) {
                config = tried;
                sizes.push(format!("{} {value}", option.name));
            }
        }
        (!sizes.is_empty()).then(|| (format!("{label}, {}", sizes.join(", ")), config))
    };
    variants(spec).into_iter().filter_map(resized).collect()
}

/// The least pictures: the fewer pixels a loss sums over, the more digits a difference of two losses leaves.
const LEAST: Extents = Extents { height: 16, width: 16, channels: 1 };

/// A model at other sizes, on the least pictures, with each other value of the options that choose what is minimised.
pub fn objectives(spec: &Spec) -> Vec<(String, Config)> {
    let Some((label, config)) = sized(spec).into_iter().next() else { return Vec::new() };
    let config = Config { image: LEAST, classes: vec![String::new(); 2], ..config };
    // Twice the weight, where it is heeded: a total correlation weighs β − 1.
    let doubled = |config: Config| {
        let double = config.clone().with_number("beta", 2.0);
        let heeded = spec.option("beta").is_some() && Network::<f64>::new(*spec, &double).is_ok();
        if heeded { double } else { config }
    };
    let model = label.split(',').next().unwrap_or(spec.name);
    let mut list = Vec::new();
    for option in spec.options.iter().filter(|option| !option.kind.is_resolved()) {
        let values: Vec<Value> = match *option.kind.bare() {
            Kind::OneOf(names) => names[1..].iter().map(|&name| Value::Text(name.to_owned())).collect(),
            // Within what three drawings of noise have.
            Kind::Number { .. } => vec![Value::Number(0.05)],
            Kind::WarmUp => Form::ALL.iter().map(|form| Value::Text(format!("4:{form}"))).collect(),
            _ => continue,
        };
        for value in values {
            let label = format!("{model}, {} {value}", option.name.replace('_', " "));
            let builds = |config: &Config| Network::<f64>::new(*spec, config).is_ok();
            let mut chosen = config.clone().with(option.name, value);
            if !builds(&chosen) {
                // A size that does not go with it stays as it is by default.
                let without = |name: &String| {
                    let mut other = chosen.clone();
                    other.options.remove(name);
                    other
                };
                let settled = |name: &str| name == option.name || spec.resolved_options().any(|o| o.name == name);
                let is_size = |name: &&String| !settled(name);
                let found = config.options.keys().filter(is_size).map(without).find(builds);
                chosen = found.unwrap_or(chosen);
            }
            // With the switches that are heeded beside this value alone.
            let switches: Vec<(String, Config)> = spec
                .options
                .iter()
                .filter_map(|switch| match *switch.kind.bare() {
                    Kind::Flag { default } if !switch.kind.is_resolved() => Some((switch.name, Value::Flag(!default))),
                    _ => None,
                })
                .filter(|(name, value)| !builds(&config.clone().with(name, value.clone())))
                .map(|(name, value)| {
                    (format!("{label}, {} {value}", name.replace('_', " ")), chosen.clone().with(name, value))
                })
                .filter(|(_, switched)| builds(switched))
                .collect();
            list.extend([(label, chosen)].into_iter().chain(switches).map(|(label, config)| (label, doubled(config))));
        }
    }
    list
}

/// Pictures whose sides do not halve evenly, in colour.
const ODD: Extents = Extents { height: 17, width: 22, channels: 3 };

/// [`sized`] for pictures whose sides do not halve evenly.
pub fn resized(spec: &Spec) -> Vec<(String, Config)> {
    let odd = |(label, config)| (format!("{label}, pictures of {ODD}"), Config { image: ODD, ..config });
    sized(spec).into_iter().map(odd).collect()
}

/// Compares the analytic and the numeric gradients of a whole training step on built-in drawings, or on noise where
/// `config.image` has other extents than they, at the initial parameters but for the biases, which are moved by ½ away from zero.
/// At the initial ones, thousands of ReLUs stand so near
/// their corner that some switch within any step of a numeric gradient that rounding allows: the encoder's gradients are a
/// thousandth of the loss. Detached tensors are held at their values there: the gradient is that of the loss with constants in these
/// places.
///
/// # Errors
/// If this version cannot build the model.
pub fn check_model(spec: Spec, label: &str, config: &Config, team: &Team) -> Result<Outcome> {
    let (mut network, drawings) = prepared::<f64>(spec, config, team)?;
    for param in network.list().iter().filter(|param| param.name.contains("bias")) {
        network.params.value_mut(param).iter_mut().for_each(|value| *value += 0.5 * value.signum());
    }
    let fill = |plan: &mut Plan<f64>, graph: &Training| {
        drawings.fill(graph).iter().for_each(|(x, values)| plan.input(*x).copy_from_slice(values));
    };
    let mut tape = Tape::new();
    let graph = network.step(&mut tape, BATCH)?;
    let constants = tape.hold();
    let mut plan = tape.compile(Compile { loss: Some(graph.loss.tensor), ..Compile::default() });
    fill(&mut plan, &graph);
    if !constants.is_empty() {
        let mut tape = Tape::new();
        let graph = network.step(&mut tape, BATCH)?;
        let detached: Vec<Tensor> = tape.tensors().filter(|&x| matches!(tape.node(x).role, Role::Detached)).collect();
        // A parameter's value lies with the others.
        let params: Vec<Option<Param>> = detached.iter().map(|&x| param_of(&tape, x)).collect();
        let keep: Vec<Tensor> = detached.iter().zip(&params).filter(|(_, p)| p.is_none()).map(|(&x, _)| x).collect();
        let mut free = tape.compile(Compile { keep: &keep, ..Compile::default() });
        fill(&mut free, &graph);
        free.forward(&network.params, team, Clock::default());
        for (constant, (value, param)) in constants.into_iter().zip(detached.into_iter().zip(&params)) {
            let values = param.as_ref().map_or_else(|| free.value(value), |param| network.params.value(param));
            plan.input(constant).copy_from_slice(values);
        }
    }
    Ok(Problem { label: label.to_owned(), plan, loss: graph.loss.tensor, params: network.params, team }.check(SEED))
}

/// Compares the gradients of the same step on a device with the processor's, each parameter's error relative to its norm; `None` where
/// an operation of the model has no kernels for a GPU.
///
/// # Errors
/// If this version cannot build the model, or the device fails.
pub fn check_on_device(
    spec: Spec,
    config: &Config,
    precision: Precision,
    device: &mut dyn launch::Device,
    team: &Team,
) -> Result<Option<Apart>> {
    let (mut network, drawings) = prepared::<f32>(spec, config, team)?;
    let clock = Clock::default();
    let record = |network: &Network<f32>| -> Result<(Tape<f32>, Training)> {
        let mut tape = Tape::new();
        let graph = network.step(&mut tape, BATCH)?;
        Ok((tape, graph))
    };
    let (tape, graph) = record(&network)?;
    if tape.processor_alone().is_some() {
        return Ok(None);
    }
    let (loss, filled) = (graph.loss.tensor, drawings.fill(&graph));
    let mut there = network.params.clone();
    let on = (precision, device);
    on_device::differentiate(tape, loss, &[], &filled, &mut there, clock, on).map_err(inkgrad_engine::Error::from)?;

    let (tape, graph) = record(&network)?;
    let mut plan = tape.compile(Compile { loss: Some(graph.loss.tensor), ..Compile::default() });
    drawings.fill(&graph).iter().for_each(|(x, values)| plan.input(*x).copy_from_slice(values));
    plan.forward(&network.params, team, clock);
    plan.backward(&mut network.params, team);
    let mut worst = Apart::default();
    for param in network.list() {
        let (found, expected) = (there.grad(&param), network.params.grad(&param));
        let norm = |x: &mut dyn Iterator<Item = f32>| x.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        let apart = norm(&mut found.iter().zip(expected).map(|(a, b)| a - b));
        let size = norm(&mut expected.iter().copied());
        let error = if apart == 0.0 { 0.0 } else { apart / size };
        worst.compared += 1;
        if !worst.error.is_nan() && (error >= worst.error || error.is_nan()) {
            worst = Apart { error, place: param.name.clone(), ..worst };
        }
    }
    Ok(Some(worst))
}

/// The drawings of the checked step: pixels, and all labels of the built-in ones.
struct Step {
    images: Vec<f32>,
    labels: Vec<usize>,
}

impl Step {
    /// The values of a step's inputs.
    fn fill<T: Element>(&self, graph: &Training) -> Vec<(Tensor, Vec<T>)> {
        let mut filled = vec![(graph.images, self.images.iter().map(|&x| T::from_f64(x.into())).collect())];
        // Somewhere on the way.
        let halfway = |scheduled: &Scheduled| T::from_f64(scheduled.at(0.4 * scheduled.warm_up.epochs));
        filled.extend(graph.scheduled.iter().map(|scheduled| (scheduled.tensor, vec![halfway(scheduled)])));
        if let Some(labels) = graph.labels {
            filled.push((labels, self.labels[..BATCH].iter().map(|&label| T::from_f64(label as f64)).collect()));
        }
        filled
    }
}

/// A model at its initial parameters, and what its step is about: built-in drawings, or noise where its pictures have other extents.
fn prepared<T: Element>(spec: Spec, config: &Config, team: &Team) -> Result<(Network<T>, Step)> {
    let dataset = data::builtin(10, SEED)?;
    let config = Config { classes: dataset.classes.clone(), ..config.clone() };
    let mut network = Network::<T>::new(spec, &config)?;
    network.initialise(SEED);
    let batch: Vec<usize> = (0..BATCH).collect();
    let mut images = vec![0.0; BATCH * config.image.len()];
    match config.image == dataset.train.images.extents() {
        true => dataset.train.gather(&batch, &mut images),
        false => rng::fill_uniform(team, SEED, 0, 0, &mut images),
    }
    Ok((network, Step { images, labels: dataset.train.labels }))
}

/// The parameter that `x` is, detached or under another shape.
fn param_of(tape: &Tape<f64>, x: Tensor) -> Option<Param> {
    let node = tape.node(x);
    match node.role {
        Role::Param(param) => Some(param.clone()),
        Role::View | Role::Detached => param_of(tape, node.inputs[0]),
        Role::Input(_) | Role::Op(_) => None,
    }
}
