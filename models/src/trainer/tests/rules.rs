//! How parameters are moved: weight decay, frozen parameters, an average, gradients in parts.

use std::collections::BTreeMap;

use super::*;
use crate::run::checkpoint::load_tensors;
use crate::run::config::{Optimizer, Prefixes};

/// A short run of a small model on the drawings `data`.
fn config(model: &str, data: &str, steps: u64) -> Config {
    let sizes: &[(&str, &str)] = match model {
        "cnn-vae" => &[("latent", "5"), ("channels", "4,6")],
        _ => &[],
    };
    let given = sizes.iter().map(|&(name, value)| (name.to_owned(), Value::parse(value)));
    let overrides = Overrides { options: given.collect(), ..Overrides::default() };
    let config = Config::resolve(&Models::builtin(), Some(model), None, &overrides).unwrap();
    Config {
        data: data.to_owned(),
        steps: Some(steps),
        epochs: None,
        log_every: 1,
        batch_size: 20,
        threads: 1,
        val_fraction: 0.2,
        ..config
    }
}

fn start(config: Config, path: &Path) -> Result<Trainer> {
    Ok(Trainer::start(&Models::builtin(), config, path, false)?.0)
}

/// Trains and gives the parameters before and after.
fn trained(config: Config, path: &Path) -> [Vec<f32>; 2] {
    let mut trainer = start(config, path).unwrap();
    let before = trainer.network.params.values.clone();
    trainer.run(&mut ()).unwrap();
    [before, trainer.network.params.values.clone()]
}

fn refused(config: Config, path: &Path) -> String {
    let error = start(config, path).err().expect("a refusal").to_string();
    assert!(!path.exists(), "{error}");
    error
}

/// The values in a file of weights, by name.
fn weights(path: impl AsRef<Path>) -> BTreeMap<String, Vec<f32>> {
    load_tensors(path).unwrap().iter().map(|(name, tensor)| (name.to_owned(), tensor.values.clone())).collect()
}

#[test]
fn the_decay_of_adamw_is_apart_from_the_gradient() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let base = config("cnn-ae", &data, 1);
    let [before, adam] = trained(base.clone(), &folder.path().join("adam"));
    let decaying = Config { optimizer: Optimizer::AdamW, weight_decay: Some(0.5), lr: 1e-2, ..base.clone() };
    let [_, adamw] = trained(decaying, &folder.path().join("adamw"));
    let [_, adam_faster] = trained(Config { lr: 1e-2, ..base.clone() }, &folder.path().join("faster"));
    assert_ne!(adam, adam_faster);
    // Adam's first step knows the gradient alone, and that is the same.
    for ((before, plain), decayed) in before.iter().zip(&adam_faster).zip(&adamw) {
        assert!((plain - 1e-2 * 0.5 * before - decayed).abs() < 1e-6, "{before}: {plain} and {decayed}");
    }
    let [_, unset] = trained(Config { optimizer: Optimizer::AdamW, ..base.clone() }, &folder.path().join("unset"));
    let [_, pytorchs] = trained(
        Config { optimizer: Optimizer::AdamW, weight_decay: Some(0.01), ..base.clone() },
        &folder.path().join("given"),
    );
    assert!(unset == pytorchs && unset != adam);
    let text = std::fs::read_to_string(folder.path().join("unset/config.toml")).unwrap();
    assert!(text.contains("optimizer = \"adamw\"\nweight_decay = 0.01\n"), "{text}");
}

#[test]
fn frozen_parameters_stay_and_a_beginning_that_fits_none_is_refused_with_the_names() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let path = folder.path().join("run");
    let base = Config { optimizer: Optimizer::AdamW, ..config("cnn-vae", &data, 3) };
    let freeze = |prefixes: &str| Config { freeze: prefixes.parse::<Prefixes>().unwrap(), ..base.clone() };
    let error = refused(freeze("encoder,decodre"), &path);
    assert!(error.starts_with("--freeze: no parameter's name begins with `"), "{error}");
    assert!(error.contains("expected one of ") && error.contains(", "), "{error}");
    let network: Network<f32> =
        Models::builtin().build(&Config { classes: vec!["a".into(); 5], ..base.clone() }).unwrap();
    let names: Vec<String> = network.list().iter().map(|param| param.name.clone()).collect();
    let initials: std::collections::BTreeSet<String> =
        names.iter().map(|name| name.split('.').next().unwrap().to_owned()).collect();
    let all = initials.iter().cloned().collect::<Vec<_>>().join(",");
    let error = refused(freeze(&all), &path);
    assert_eq!(error, format!("--freeze: {all} leaves no parameter to train, expected at least one"));

    let first = names[0].split('.').next().unwrap();
    let mut trainer = start(freeze(first), &path).unwrap();
    let before = trainer.network.params.clone();
    trainer.run(&mut ()).unwrap();
    let (mut stayed, mut moved) = (0, 0);
    for param in network.list() {
        let same =
            trainer.network.params.value(&trainer.network.list()[moved + stayed]) == &before.values[param.range()];
        assert_eq!(same, param.name.starts_with(first), "{}", param.name);
        if same { stayed += 1 } else { moved += 1 }
    }
    assert!(stayed > 0 && moved > 0);
    assert!(std::fs::read_to_string(path.join("config.toml")).unwrap().contains(&format!("freeze = [\"{first}\"]")));
}

#[test]
fn the_average_is_that_of_the_weights_after_each_step() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let run = |steps| {
        let path = folder.path().join(format!("{steps}"));
        trained(Config { ema: Some(0.75), lr: 1e-2, ..config("cnn-ae", &data, steps) }, &path);
        path
    };
    let after: Vec<BTreeMap<String, Vec<f32>>> = (1..=3).map(|n| weights(run(n).join("model.safetensors"))).collect();
    let start = trained(config("cnn-ae", &data, 1), &folder.path().join("plain"))[0].clone();
    let (last, averaged) = (folder.path().join("3"), weights(folder.path().join("3/ema.safetensors")));
    let models = Models::builtin();
    let opened = Opened::open(&models, &last, Some(Which::Ema)).unwrap();
    let mut place = 0;
    for param in opened.network.list() {
        let mean = &averaged[&param.name];
        assert_eq!(opened.network.params.value(&param), mean);
        for (i, mean) in mean.iter().enumerate() {
            let expected = after.iter().fold(start[place + i], |mean, step| 0.75 * mean + 0.25 * step[&param.name][i]);
            assert!((expected - mean).abs() < 1e-6, "{} {i}: {mean}, expected {expected}", param.name);
        }
        place += mean.len();
    }
    assert_ne!(averaged, after[2]);
    // Others than the last are told of, and what is not there is refused.
    let note = Opened::open(&models, &last, Some(Which::Last)).unwrap().note().unwrap();
    assert!(
        note.ends_with("weights: the last (--weights best for the best by validation, --weights ema for the average)")
    );
    assert!(opened.note().unwrap().contains("weights: the average up to step 3 (--weights last for the last"));
    assert_eq!(Opened::open(&models, &last, None).unwrap().kept, Which::Best);
    let plain = folder.path().join("plain");
    let error = Opened::open(&models, &plain, Some(Which::Ema)).unwrap_err().to_string();
    let expected = "keeps none: it was trained without --ema; expected last or best";
    assert_eq!(error, format!("--weights: ema, but {} {expected}", plain.display()));
}

#[test]
#[ignore = "slow"]
fn gradients_in_parts_are_that_of_the_whole_batch() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    for model in ["cnn-ae", "classifier"] {
        let run = |accumulate| {
            let path = folder.path().join(format!("{model}-{accumulate}"));
            let config = Config { accumulate, optimizer: Optimizer::Sgd, ..config(model, &data, 2) };
            let [before, after] = trained(config, &path);
            let moves: Vec<f32> = before.iter().zip(&after).map(|(before, after)| after - before).collect();
            let records = crate::run::records::read(path.join("metrics.jsonl")).unwrap();
            (moves, records[0].loss)
        };
        let (whole, loss) = run(1);
        let length = whole.iter().map(|d| d * d).sum::<f32>().sqrt();
        for parts in [3, 20] {
            let (moves, in_parts) = run(parts);
            let apart = whole.iter().zip(&moves).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt();
            assert!(length > 0.0 && apart < 1e-3 * length, "{model} in {parts} parts: {apart} of {length}");
            // The record is of the whole step.
            assert!((in_parts / loss - 1.0).abs() < 1e-5, "{model} in {parts} parts: {in_parts}, {loss}");
        }
    }
    let too_many = Config { accumulate: 21, ..config("cnn-ae", &data, 1) };
    assert_eq!(
        refused(too_many, &folder.path().join("new")),
        "--accumulate: 21 parts of a step's 20 drawings, expected at most one a drawing"
    );
}

/// A VAE's loss is a sum over drawings, the others' a mean over them; and parts are not of one size.
#[test]
fn a_loss_that_is_a_sum_is_summed_and_one_that_is_a_mean_is_weighed() {
    let drawings = data::builtin(30, 1).unwrap().train;
    let batch: Vec<usize> = (0..7).collect();
    let (team, clock) = (Team::solo(), inkgrad_engine::Clock { seed: 5, step: 3 });
    for model in ["cnn-ae", "classifier", "cnn-vae"] {
        let config = Config { classes: vec!["a".into(); 5], ..Models::builtin().defaults(model).unwrap() };
        let mut network = Models::builtin().build(&config).unwrap();
        network.initialise(1);
        for param in network.list().iter().filter(|param| param.name.contains("logvar")) {
            // Parts have noise of their own: let there be none to speak of.
            network.params.value_mut(param).fill(if param.name.ends_with("bias") { -60.0 } else { 0.0 });
        }
        let moved = |accumulate: usize| {
            let mut network = network.clone();
            // One step of plain descent with a rate of 1 shows the gradient.
            let mut optimizer = inkgrad_engine::optim::Optimizer::sgd(&network.params, 0.0);
            let mut stepper = Stepper::default();
            stepper.accumulate = accumulate;
            stepper.step(&mut network, &mut optimizer, &drawings, &batch, clock, 1.0, &team).unwrap();
            network.params.values
        };
        let whole = moved(1);
        for parts in [2, 3] {
            let found = moved(parts);
            let largest = whole.iter().zip(&network.params.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            let apart = whole.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(largest > 0.0 && apart < 1e-4 * largest, "{model}, {parts}: {apart} of {largest}");
        }
    }
}

/// Everything at once goes on as if it had not stopped: weights, average, best, moments and the steps that parameters missed.
#[test]
#[ignore = "slow"]
fn all_of_it_goes_on_bit_for_bit_after_an_interruption() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let run = |name: &str, steps| {
        let path = folder.path().join(name);
        let base = config("cnn-vae", &data, steps);
        let network: Network<f32> = Models::builtin().build(&base).unwrap();
        let names = network.list();
        let config = Config {
            optimizer: Optimizer::AdamW,
            weight_decay: Some(0.1),
            ema: Some(0.9),
            accumulate: 3,
            freeze: Prefixes(vec![names[0].name.clone()]),
            clip_norm: Some(1.0),
            ..base
        };
        trained(config, &path);
        path
    };
    // It validates after every fifth.
    let (whole, parts) = (run("whole", 10), run("parts", 5));
    Trainer::resume(&Models::builtin(), &parts, &Overrides { steps: Some(10), ..Overrides::default() })
        .unwrap()
        .run(&mut ())
        .unwrap();
    for file in ["model.safetensors", "ema.safetensors", "best.safetensors"] {
        assert!(std::fs::read(whole.join(file)).unwrap() == std::fs::read(parts.join(file)).unwrap(), "{file}");
    }
    assert_eq!(weights(whole.join("state.safetensors")), weights(parts.join("state.safetensors")));
    let losses = |path: &Path| {
        let records = crate::run::records::read(path.join("metrics.jsonl")).unwrap();
        let records = records.iter().filter(|record| record.split != Split::Test);
        records.map(|record| (record.step, record.split, record.loss)).collect::<Vec<_>>()
    };
    assert_eq!(losses(&whole), losses(&parts));
}

#[test]
fn what_would_not_be_heeded_is_refused_before_there_is_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let path = folder.path().join("run");
    let base = config("cnn-ae", &data, 1);
    let decay = |optimizer| Config { weight_decay: Some(0.1), optimizer, ..base.clone() };
    for (optimizer, name) in [(Optimizer::Adam, "adam"), (Optimizer::Sgd, "sgd")] {
        let expected = format!("--weight-decay: 0.1 with {name}, expected --optimizer adamw");
        assert_eq!(refused(decay(optimizer), &path), expected);
    }
    let given: [(Config, &str); 3] = [
        (decay(Optimizer::AdamW), "--optimizer: adamw"),
        (Config { ema: Some(0.9), ..base.clone() }, "--ema: 0.9"),
        (Config { freeze: Prefixes(vec!["enc".into()]), ..base.clone() }, "--freeze: enc"),
    ];
    for (config, what) in given {
        for device in [config::DeviceKind::Emulated, config::DeviceKind::Cuda] {
            let expected = format!("{what} on {device}, which has no kernels for it, expected --device cpu");
            assert_eq!(refused(Config { device, ..config.clone() }, &path), expected);
        }
    }
}

#[test]
fn a_class_without_a_drawing_to_train_on_is_not_learnt() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(&folder);
    let path = folder.path().join("run");
    let names = std::path::Path::new(&data).join("classes.txt");
    let all = std::fs::read_to_string(&names).unwrap();
    std::fs::write(&names, format!("{}\nlamp\n", all.trim_end())).unwrap();
    let expected = format!(
        "{data}: no drawing of the class \"lamp\" to train on, expected one at least of each class that is to be learnt"
    );
    for model in ["cvae", "classifier"] {
        assert_eq!(refused(config(model, &data, 1), &path), expected);
    }
    // A model that sees no classes says so.
    let (trainer, _) = Trainer::start(&Models::builtin(), config("cnn-ae", &data, 1), &path, false).unwrap();
    assert_eq!(trainer.notes(), [format!("{data}: no drawing of the class \"lamp\" to train on")]);

    // One whose drawings are all held back is none to learn either.
    let config = Config { classes: ["a", "b"].map(str::to_owned).to_vec(), ..config("cvae", &data, 1) };
    let network = Models::builtin().build(&config).unwrap();
    let dataset = Dataset { classes: config.classes.clone(), ..load_data(&config).unwrap() };
    let mut dataset = crate::data::Dataset::<crate::data::Drawings>::from(dataset);
    dataset.train.labels = (0..dataset.train.len()).map(|i| usize::from(i < 2)).collect();
    let check = |held_back: &[usize]| super::super::loading::check_classes(&config, &network, &dataset, held_back);
    assert!(check(&[0, 5]).unwrap().is_none());
    assert!(check(&[1, 0, 5]).unwrap_err().to_string().contains("no drawing of the class \"b\" to train on"));
}
