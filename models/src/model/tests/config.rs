use std::collections::BTreeMap;
use std::fs;

use crate::Result;
use crate::model::config::*;
use crate::model::{Models, Value};

fn models() -> Models {
    Models::builtin()
}

fn defaults(model: &str) -> Config {
    Config::defaults(&models().get(model).unwrap())
}

/// The outcome of [`Config::resolve`] for a `--config` file with this text.
fn from_file(model: &str, text: &str, options: &Overrides) -> Result<Config> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("F.toml");
    fs::write(&path, text).unwrap();
    Config::resolve(&models(), Some(model), Some(&path), options)
}

/// The error's text from the file's name on.
fn file_error(model: &str, text: &str) -> String {
    let error = from_file(model, text, &Overrides::default()).unwrap_err().to_string();
    error[error.find("F.toml").expect("the file's name")..].to_owned()
}

fn option_error(model: &str, options: Overrides) -> String {
    Config::resolve(&models(), Some(model), None, &options).unwrap_err().to_string()
}

#[test]
fn defaults_are_valid_and_survive_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    for spec in models().iter() {
        let mut config = Config::defaults(spec);
        config.validate(&models()).unwrap();
        config.classes = vec!["rabbit".into(), "a \"quoted\" class".into()];
        config.clip_norm = Some(5.0);
        config.save(&path).unwrap();
        assert_eq!(Config::load(&models(), &path).unwrap(), config);
        let again = Config::resolve(&models(), Some(spec.name), Some(&path), &Overrides::default()).unwrap();
        assert_eq!(Config::resolve(&models(), None, Some(&path), &Overrides::default()).unwrap(), again);
        assert_eq!(again, Config { classes: vec![], ..config });
    }
}

#[test]
fn the_weight_of_an_objective_is_its_own_unless_it_is_given() {
    let beta = |options: &[(&str, &str)]| {
        let given = options.iter().map(|&(name, value)| (name.to_owned(), Value::parse(value)));
        let options = Overrides { options: given.collect(), ..Overrides::default() };
        Config::resolve(&models(), Some("cnn-vae"), None, &options).unwrap().number("beta")
    };
    assert_eq!(beta(&[]), 1.0);
    assert_eq!(beta(&[("objective", "elbo")]), 1.0);
    assert_eq!(beta(&[("objective", "wae-mmd")]), 100.0);
    assert_eq!(beta(&[("objective", "wae-mmd"), ("beta", "1")]), 1.0);
    let file = from_file("cnn-vae", "objective = \"wae-mmd\"\n", &Overrides::default()).unwrap();
    assert_eq!(file.number("beta"), 100.0);
    let file = from_file("cnn-vae", "objective = \"wae-mmd\"\nbeta = 2\n", &Overrides::default()).unwrap();
    assert_eq!(file.number("beta"), 2.0);
}

#[test]
fn a_run_file_reads_as_documented() {
    let mut config = Config { threads: 2, seed: 7, ..defaults("cvae") };
    config.classes = vec!["hand".into(), "yoga".into()];
    let text = toml::to_string(&config).unwrap();
    let golden = r#"format = 1
inkgrad = "0.1.0"
model = "cvae"
beta = 1.0
condition = "latent"
data = "builtin"
classes = ["hand", "yoga"]
test_fraction = 0.2
epochs = 50
batch_size = 128
optimizer = "adam"
momentum = 0.9
lr = 0.001
schedule = "constant"
warmup_steps = 0
seed = 7
threads = 2
device = "cpu"
precision = "fp32"
val_fraction = 0.0
log_every = 100
checkpoint_minutes = 5.0
quick = false
"#;
    assert_eq!(text, golden.replace("0.1.0", env!("CARGO_PKG_VERSION")));
}

#[test]
fn later_layers_win() {
    let text = "lr = 1\nbatch_size = 64\nepochs = 3\nschedule = \"cosine\"";
    let options = Overrides { batch_size: Some(32), steps: Some(9), ..Overrides::default() };
    let config = from_file("cnn-ae", text, &options).unwrap();
    assert_eq!((config.lr, config.batch_size, config.schedule), (1.0, 32, Schedule::Cosine));
    assert_eq!((config.epochs, config.steps), (None, Some(9)));

    let options = Overrides { val_fraction: Some(0.1), ..Overrides::default() };
    assert_eq!(from_file("cnn-vae", "patience = 3", &options).unwrap().patience, Some(3));
}

#[test]
fn a_file_s_mistakes_are_named_by_line() {
    let at = |text| file_error("cnn-vae", text);
    assert!(
        at("lr = 1e-3\n\nlearning_rate = 1\n").starts_with("F.toml:3: unknown field `learning_rate`, expected one of")
    );
    assert_eq!(at("beta = [1]"), "F.toml:1: beta: [1], expected a number of at least 0");
    assert_eq!(at("\nlr = \"x\""), "F.toml:2: lr: invalid type: string \"x\", expected f64");
    assert!(at("seed = 1\nepochs = -1").starts_with("F.toml:2: epochs: invalid value: integer `-1`"));
    assert!(at("device = \"tpu\"").starts_with("F.toml:1: device: unknown variant `tpu`, expected one of `cpu`"));
    assert!(at("lr = = 2").starts_with("F.toml:1: "));
    assert!(
        at("augment = [\"zoom\"]").starts_with("F.toml:1: augment: unknown change `zoom`, expected one of shift, flip")
    );
    assert_eq!(at("lr = nan"), "F.toml: lr: NaN, expected a number above 0");
    assert_eq!(at("epochs = 1\nsteps = 2"), "F.toml: steps: given with epochs, expected only one of them");
    assert_eq!(at("model = \"cvae\""), "F.toml: model is cvae, expected cnn-vae");
    let unheeded = "7 for a run counted in epochs, which records at the end of each, expected --steps";
    assert_eq!(at("epochs = 2\nlog_every = 7"), format!("F.toml:2: log_every: {unheeded}"));
    let text = "epochs = 2\nlog_every = 7";
    let by_steps = Overrides { steps: Some(9), ..Overrides::default() };
    assert_eq!(from_file("cnn-ae", text, &by_steps).unwrap().log_every, 7);
    // A run's own file has the default, and that of a quick one.
    for options in [Overrides::default(), Overrides { quick: Some(true), ..Overrides::default() }] {
        for text in ["epochs = 2\nlog_every = 100", "epochs = 2\nlog_every = 10\nquick = true"] {
            from_file("cnn-ae", text, &options).unwrap();
        }
    }
    assert_eq!(at("condition = \"both\""), "F.toml:1: condition: both for cnn-vae, expected only for cvae");
}

fn option(name: &str, value: Value) -> BTreeMap<String, Value> {
    BTreeMap::from([(name.to_owned(), value)])
}

#[test]
fn options_are_checked() {
    let none = Overrides::default;
    let error = |options| option_error("cnn-vae", options);
    assert_eq!(error(Overrides { lr: Some(-0.5), ..none() }), "--lr: -0.5, expected a number above 0");
    assert_eq!(error(Overrides { lr: Some(f64::INFINITY), ..none() }), "--lr: inf, expected a number above 0");
    assert_eq!(error(Overrides { batch_size: Some(0), ..none() }), "--batch-size: 0, expected at least 1");
    assert_eq!(error(Overrides { epochs: Some(0), ..none() }), "--epochs: 0, expected at least 1");
    assert_eq!(error(Overrides { threads: Some(0), ..none() }), "--threads: 0, expected at least 1");
    assert_eq!(
        error(Overrides { options: option("beta", Value::Number(-1.0)), ..none() }),
        "--beta: -1, expected a number of at least 0"
    );
    assert_eq!(
        error(Overrides { options: option("beta", Value::Number(f64::NAN)), ..none() }),
        "--beta: NaN, expected a number of at least 0"
    );
    assert_eq!(error(Overrides { val_fraction: Some(1.0), ..none() }), "--val-fraction: 1, expected 0 ≤ F < 1");
    assert_eq!(error(Overrides { test_fraction: Some(0.0), ..none() }), "--test-fraction: 0, expected 0 < F < 1");
    assert_eq!(error(Overrides { momentum: Some(1.0), ..none() }), "--momentum: 1, expected 0 ≤ F < 1");
    assert_eq!(error(Overrides { clip_norm: Some(0.0), ..none() }), "--clip-norm: 0, expected a number above 0");
    assert_eq!(
        error(Overrides { epochs: Some(1), steps: Some(1), ..none() }),
        "--steps: given with epochs, expected only one of them"
    );
    assert_eq!(
        error(Overrides { options: option("arch", Value::Text("cnn".into())), ..none() }),
        "--arch: cnn for cnn-vae, expected only for classifier"
    );
    assert_eq!(
        option_error("lstm-ae", Overrides { options: option("beta", Value::Number(2.0)), ..none() }),
        "--beta: 2 for lstm-ae, expected only for rnn-vae, cnn-vae, cvae"
    );
    // An interval of records, where passes are counted.
    let by_epoch = |log_every| Overrides { log_every: Some(log_every), epochs: Some(2), ..none() };
    let unheeded = "7 for a run counted in epochs, which records at the end of each, expected --steps";
    assert_eq!(error(by_epoch(7)), format!("--log-every: {unheeded}"));
    assert!(error(Overrides { seed: Some(u64::MAX), ..none() }).starts_with("--seed: 18446744073709551615, expected"));
    assert!(error(Overrides { patience: Some(3), ..none() }).starts_with("--patience: 3 without validation"));
}

#[test]
fn a_newer_or_broken_run_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let load = |text: &[u8]| {
        fs::write(&path, text).unwrap();
        let error = Config::load(&models(), &path).unwrap_err().to_string();
        error[error.find("config.toml").expect("the file's name")..].to_owned()
    };
    let newer = load(b"format = 2\nsomething = \"new\"");
    assert_eq!(newer, "config.toml: format 2, written by a newer inkgrad; this one reads 1");
    assert!(load(b"format = 1\nmodel = \"cvae\"").contains("missing field `inkgrad`"));
    assert!(load(b"").contains("missing field `format`"));
    assert!(load(b"\xff\xfe").contains("invalid utf-8"));
}

#[test]
fn models_are_known_by_their_names() {
    let error = |name| models().get(name).unwrap_err().to_string();
    let known = "expected one of lstm-ae, cnn-ae, rnn-vae, cnn-vae, cvae, classifier";
    assert_eq!(error("vae"), format!("model: unknown model `vae`, {known}"));
    let labels = ["cvae", "classifier", "cnn-vae"].map(|name| (defaults(name).label(), defaults(name).slug()));
    let expected = [("cvae (latent)", "cvae-latent"), ("classifier (mlp)", "classifier-mlp"), ("cnn-vae", "cnn-vae")];
    assert_eq!(labels, expected.map(|(label, slug)| (label.to_owned(), slug.to_owned())));
}

#[test]
fn a_run_from_before_options_were_models_own_reads_as_it_did() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let text = toml::to_string(&defaults("lstm-ae")).unwrap().replace("seed =", "beta = 1.0\nseed =");
    fs::write(&path, text).unwrap();
    assert_eq!(Config::load(&models(), &path).unwrap(), defaults("lstm-ae"));
}
