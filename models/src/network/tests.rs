//! Every model against PyTorch's list of its parameters, its gradients against numeric ones, and its other graphs.

use inkgrad_engine::{Init, Pool};
use serde::Deserialize;

use crate::check::{check_model, objectives, resized, variants};
use crate::data::{Images, PIXELS};
use crate::infer::Inference;
use crate::model::config::{Config, Overrides};
use crate::model::{Models, Network, Spec, Value};

/// PyTorch's numbers for a model (`tests/fixtures`).
#[derive(Deserialize)]
struct Fixture {
    parameters: usize,
    params: Vec<Listed>,
}

#[derive(Deserialize, Debug)]
struct Listed {
    name: String,
    shape: Vec<usize>,
    /// Of U(±bound); 1 where values come from N(0, 1).
    bound: f64,
}

fn fixture(variant: &str) -> Fixture {
    let name = match variant {
        "cvae latent" => "cvae",
        "cvae both" => "cvae-both",
        "classifier mlp" => "classifier",
        "classifier cnn" => "classifier-cnn",
        name => name,
    };
    let path = format!("{}/../tests/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_slice(&text).unwrap()
}

/// Every structure of every model, for `classes` classes.
fn configs(classes: usize) -> Vec<(String, Spec, Config)> {
    let classes: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
    let models = Models::builtin();
    let variants = models.iter().flat_map(|spec| variants(spec).into_iter().map(|variant| (*spec, variant)));
    variants.map(|(spec, (name, config))| (name, spec, Config { classes: classes.clone(), ..config })).collect()
}

fn network(spec: Spec, config: &Config) -> Network<f32> {
    let mut network = Network::new(spec, config).unwrap();
    network.initialise(1);
    network
}

fn inference(spec: Spec, config: &Config) -> Inference {
    Inference::new(network(spec, config), 2)
}

/// `n` drawings of grey noise.
fn drawings(n: usize) -> Images {
    Images::from_u8((0..n * PIXELS).map(|i| (i * 7919 % 251) as u8).collect())
}

#[test]
fn parameters_are_pytorchs_in_its_order() {
    for (variant, spec, config) in configs(5) {
        let network = Network::<f32>::new(spec, &config).unwrap();
        let fixture = fixture(&variant);
        let found: Vec<Listed> = network
            .params
            .iter()
            .map(|param| Listed {
                name: param.name.clone(),
                shape: param.shape.dims().to_vec(),
                bound: match param.init {
                    Init::Uniform(bound) => bound,
                    Init::Normal => 1.0,
                    Init::Constant(value) => value,
                },
            })
            .collect();
        let same = |a: &Listed, b: &Listed| a.name == b.name && a.shape == b.shape && (a.bound - b.bound).abs() < 1e-12;
        for (found, expected) in found.iter().zip(&fixture.params) {
            assert!(same(found, expected), "{variant}: {found:?}, expected {expected:?}");
        }
        assert_eq!(found.len(), fixture.params.len(), "{variant}");
        assert_eq!(network.params.count(), fixture.parameters, "{variant}");
    }
}

#[test]
#[ignore = "slow"]
fn gradients_of_whole_models_agree_with_numeric_ones() {
    Pool::new(2).enter(|team| {
        for (variant, spec, config) in configs(5) {
            let outcome = check_model(spec, &variant, &config, team).unwrap();

            assert!(outcome.passes(), "{outcome:?}");
        }
    });
}

#[test]
fn gradients_at_other_sizes_agree_with_numeric_ones() {
    let mut sizes: Vec<String> = Vec::new();
    Pool::new(2).enter(|team| {
        for (spec, (label, config)) in
            Models::builtin().iter().flat_map(|spec| resized(spec).into_iter().map(|v| (*spec, v)))
        {
            let outcome = check_model(spec, &label, &config, team).unwrap();
            assert!(outcome.passes(), "{outcome:?}");
            sizes.push(label);
        }
    });
    let expected = [
        "lstm-ae, latent 43, hidden 43, layers 3, bidirectional yes, pictures of 17×22×3",
        "cnn-ae, latent 22, channels 6,11, pictures of 17×22×3",
        "rnn-vae, latent 11, channels 11,22,43, hidden 86, layers 2, bidirectional no, pictures of 17×22×3",
        "cnn-vae, latent 11, channels 11,22,43, pictures of 17×22×3",
        "cvae latent, latent 11, channels 11,22,43, pictures of 17×22×3",
        "cvae both, latent 11, channels 11,22,43, pictures of 17×22×3",
        "classifier mlp, hidden 86, layers 3, pictures of 17×22×3",
        "classifier cnn, hidden 86, channels 11,22,43, pictures of 17×22×3",
    ];
    assert_eq!(sizes, expected);
}

#[test]
#[ignore = "slow"]
fn gradients_of_every_objective_agree_with_numeric_ones() {
    let mut checked: Vec<String> = Vec::new();
    Pool::new(2).enter(|team| {
        let models = Models::builtin();
        let all = models.iter().flat_map(|spec| objectives(spec).into_iter().map(move |variant| (*spec, variant)));
        for (spec, (label, config)) in all {
            let outcome = check_model(spec, &label, &config, team).unwrap();
            assert!(outcome.passes(), "{outcome:?}");
            checked.extend((spec.name == "cnn-vae").then_some(label));
        }
    });
    let expected = [
        "objective iwae",
        "objective iwae, dreg yes",
        "objective wae-mmd",
        "objective beta-tc",
        "objective vamp",
        "objective ladder",
        "objective vq",
        "likelihood continuous-bernoulli",
        "likelihood gaussian",
        "kl warmup 4:linear",
        "kl warmup 4:cyclic",
        "kl warmup 4:sigmoid",
        "free bits 0.05",
        "capacity 0.05",
    ];
    assert_eq!(checked, expected.map(|what| format!("cnn-vae, {what}")));
}

#[test]
fn settings_of_an_objective_that_would_not_be_heeded_are_refused() {
    let line = |options: &[(&str, &str)]| {
        let config = with("cnn-vae", [28, 28, 1], options);
        let built = config.and_then(|config| Network::<f32>::new(Models::builtin().get("cnn-vae")?, &config).map(drop));
        built.unwrap_err().to_string()
    };
    let elbo = "with the objective elbo, expected --objective iwae";
    assert_eq!(line(&[("importance_samples", "4")]), format!("--importance-samples: 4 {elbo}"));
    assert_eq!(line(&[("dreg", "yes")]), format!("--dreg: yes {elbo}"));
    let iwae = ("objective", "iwae");
    let expected = "with the objective iwae, expected --objective elbo";
    assert_eq!(line(&[iwae, ("kl_warmup", "10")]), format!("--kl-warmup: 10:linear {expected}, vamp or ladder"));
    assert_eq!(line(&[iwae, ("free_bits", "0.5")]), format!("--free-bits: 0.5 {expected} or ladder"));
    assert_eq!(line(&[iwae, ("capacity", "5")]), format!("--capacity: 5 {expected}, vamp or ladder"));
    assert_eq!(line(&[("codes", "9")]), "--codes: 9 with the objective elbo, expected --objective vq");
    let vq = ("objective", "vq");
    assert_eq!(
        line(&[vq, ("kl_warmup", "9")]),
        "--kl-warmup: 9:linear with the objective vq, expected --objective elbo, vamp or ladder"
    );
    assert_eq!(
        line(&[vq, ("latent", "30")]),
        "--latent: 30 with codes of 4 numbers, expected a multiple of --code-width"
    );
    assert_eq!(line(&[vq, ("codes", "0")]), "--codes: 0, expected a whole number from 1 to 65536");
    let vamp = ("objective", "vamp");
    assert_eq!(
        line(&[vamp, ("free_bits", "0.5")]),
        "--free-bits: 0.5 with the objective vamp, expected --objective elbo or ladder"
    );
    assert_eq!(
        line(&[("pseudo_inputs", "9")]),
        "--pseudo-inputs: 9 with the objective elbo, expected --objective vamp"
    );
    assert_eq!(line(&[vamp, ("pseudo_inputs", "0")]), "--pseudo-inputs: 0, expected a whole number from 1 to 65536");
    let ladder = "with the objective elbo, expected --objective ladder";
    assert_eq!(line(&[("top_latent", "9")]), format!("--top-latent: 9 {ladder}"));
    assert_eq!(line(&[iwae, ("beta", "2")]), "--beta: 2 with the objective iwae, expected 1");
    assert_eq!(line(&[("free_bits", "1"), ("capacity", "5")]), "--capacity: 5 with --free-bits, expected one of them");
    assert_eq!(
        line(&[("objective", "vae")]),
        "--objective: vae, expected one of elbo, iwae, wae-mmd, beta-tc, vamp, ladder, vq"
    );
    let forms = "expected epochs above 0, or as in 10:linear, 10:cyclic or 10:sigmoid";
    assert_eq!(line(&[("kl_warmup", "0")]), format!("--kl-warmup: 0, {forms}"));
    assert_eq!(line(&[("kl_warmup", "9:cosine")]), format!("--kl-warmup: 9:cosine, {forms}"));
    assert_eq!(line(&[("importance_samples", "0")]), "--importance-samples: 0, expected a whole number from 1 to 1000");
}

/// Settings of a model, with options as a command line has them.
fn with(model: &str, image: [usize; 3], options: &[(&str, &str)]) -> crate::Result<Config> {
    let models = Models::builtin();
    let options = options.iter().map(|&(name, value)| (name.to_owned(), Value::parse(value))).collect();
    let config = Config::resolve(&models, Some(model), None, &Overrides { options, ..Overrides::default() })?;
    Ok(Config { image: image.into(), classes: vec![String::new(); 2], ..config })
}

#[test]
fn pictures_of_any_sides_go_through_stacks_of_any_depth() {
    let stacks = ["5", "4,6", "3,4,5,6,7"];
    for [height, width, channels] in [[16, 16, 1], [16, 128, 1], [31, 45, 3], [101, 18, 1]] {
        let sizes =
            |model, name, value| with(model, [height, width, channels], &[("latent", "3"), (name, value)]).unwrap();
        let stacked = ["cnn-ae", "cnn-vae", "cvae"]
            .into_iter()
            .flat_map(|model| stacks.map(|stack| sizes(model, "channels", stack)));
        for config in stacked.chain(["rnn-vae", "lstm-ae"].map(|model| sizes(model, "hidden", "4"))) {
            let spec = Models::builtin().get(&config.model).unwrap();
            let mut network = Network::<f32>::new(spec, &config).unwrap();
            network.initialise(1);
            let mut inference = Inference::new(network, 1);
            let labels = inference.network().sees_classes().then_some(&[1, 0][..]);
            let decoded = inference.decode(&[0.5; 6], labels).unwrap();
            assert_eq!(decoded.len(), 2 * height * width * channels, "{config:?}");
            let padded = !matches!(&config.model[..], "lstm-ae") && {
                let halvings = match (&config.model[..], config.options.get("channels")) {
                    ("cnn-ae", Some(Value::List(list))) => list.len(),
                    (_, Some(Value::List(list))) => list.len() - 1,
                    _ => 2,
                };
                height % (1 << halvings) != 0 || width % (1 << halvings) != 0
            };
            assert_eq!((spec.remarks)(&config).len(), usize::from(padded), "{config:?}");
        }
    }
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let line = |model, options: &[(&str, &str)]| {
        let config = with(model, [28, 28, 1], options);
        let built = config.and_then(|config| Network::<f32>::new(Models::builtin().get(model)?, &config).map(drop));
        built.unwrap_err().to_string()
    };
    assert_eq!(line("cnn-vae", &[("latent", "0")]), "--latent: 0, expected a whole number from 1 to 65536");
    assert_eq!(
        line("cnn-vae", &[("channels", "32,0")]),
        "--channels: 32,0, expected 1 to 5 whole numbers from 1 to 65536, as in 32,64"
    );
    assert_eq!(
        line("cnn-ae", &[("hidden", "9")]),
        "--hidden: 9 for cnn-ae, expected only for lstm-ae, rnn-vae, classifier"
    );
    assert_eq!(line("rnn-vae", &[("bidirectional", "maybe")]), "--bidirectional: maybe, expected yes or no");
    assert_eq!(line("classifier", &[("channels", "8")]), "--channels: 8 for an mlp, expected only for --arch cnn");
    let layers = [("arch", "cnn"), ("layers", "3")];
    assert_eq!(line("classifier", &layers), "--layers: 3 for a cnn, expected only for --arch mlp");
    let found = line("cnn-vae", &[("channels", "60000,60000,60000")]);
    assert!(found.starts_with("cnn-vae of these sizes (") && found.contains(" MiB of memory, "), "{found}");
}

#[test]
fn any_number_of_classes_from_two_on_will_do() {
    for (variant, spec, config) in configs(7) {
        let network = Network::<f32>::new(spec, &config).unwrap();
        let sees_classes = ["cvae", "classifier"].contains(&spec.name);
        assert_eq!(network.params.count() != fixture(&variant).parameters, sees_classes, "{variant}");
    }
    for (variant, spec, config) in configs(1) {
        let problem = Network::<f32>::new(spec, &config).err().map(|error| error.to_string());
        let expected = format!("builtin: 1 class, expected at least 2 for {}", config.model);
        let sees_classes = ["cvae", "classifier"].contains(&spec.name);
        assert_eq!(problem, sees_classes.then_some(expected), "{variant}");
    }
}

#[test]
fn drawings_go_through_in_any_number() {
    // More than one batch, and a rest.
    const N: usize = 131;
    let images = drawings(N);
    let labels: Vec<usize> = (0..N).map(|i| i % 3).collect();
    for (variant, spec, config) in configs(3).into_iter().filter(|(_, spec, _)| spec.name != "classifier") {
        let mut inference = inference(spec, &config);
        let for_encoder = inference.network().encoder_sees_classes().then_some(&labels[..]);
        let for_decoder = inference.network().sees_classes().then_some(&labels[..]);
        let latents = inference.encode(&images, for_encoder).unwrap();
        assert_eq!((latents.width, latents.mu.len()), (inference.network().latent().unwrap(), N * latents.width));
        assert_eq!(
            latents.logvar.map(|logvar| logvar.len()),
            inference.network().has_prior().then_some(N * latents.width)
        );
        let decoded = inference.decode(&latents.mu, for_decoder).unwrap();
        assert_eq!(decoded.len(), N * PIXELS, "{variant}");
        assert!(decoded.iter().all(|pixel| (0.0..=1.0).contains(pixel)), "{variant}");
        assert_eq!(inference.reconstruct(&images, for_decoder).unwrap(), decoded, "{variant}");
    }
}

#[test]
fn a_class_changes_what_is_decoded_and_only_with_both_what_is_encoded() {
    for (variant, spec, config) in configs(3).into_iter().filter(|(_, spec, _)| spec.name == "cvae") {
        let mut inference = inference(spec, &config);
        let latent = vec![0.5; inference.network().latent().unwrap()];
        assert_ne!(inference.decode(&latent, Some(&[0])).unwrap(), inference.decode(&latent, Some(&[2])).unwrap());
        if config.text("condition") == "both" {
            let image = drawings(1);
            assert_ne!(inference.encode(&image, Some(&[0])).unwrap(), inference.encode(&image, Some(&[2])).unwrap());
        } else {
            let problem = inference.encode(&drawings(1), Some(&[0])).unwrap_err().to_string();
            assert_eq!(problem, "labels: 1 for 1 drawings, expected none", "{variant}");
        }
    }
}

#[test]
fn classifiers_give_probabilities() {
    let images = drawings(130);
    for (variant, spec, config) in configs(4).into_iter().filter(|(_, spec, _)| spec.name == "classifier") {
        let mut inference = inference(spec, &config);
        let features = inference.features(&images).unwrap();
        let width = if config.text("arch") == "cnn" { 128 } else { 256 };
        assert_eq!((features.width, features.values.len()), (width, 130 * width), "{variant}");
        let probabilities = inference.classify(&images).unwrap();
        for (row, logits) in probabilities.chunks(4).zip(features.logits.chunks(4)) {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{variant}: {row:?}");
            assert!((row[1] / row[0] - (logits[1] - logits[0]).exp()).abs() < 1e-5, "{variant}: {row:?}");
        }
        assert_eq!(probabilities.len(), 130 * 4);
    }
}

#[test]
fn what_a_network_cannot_do_is_said() {
    let of = |model: &str| {
        let (_, spec, config) = configs(2).into_iter().find(|(_, spec, _)| spec.name == model).unwrap();
        inference(spec, &config)
    };
    let line = |result: crate::Result<()>| result.unwrap_err().to_string();
    let image = drawings(1);

    let mut classifier = of("classifier");
    let expected = "model: classifier has no latents, expected an autoencoder";
    assert_eq!(line(classifier.encode(&image, None).map(drop)), expected);
    assert_eq!(line(classifier.decode(&[0.0; 32], None).map(drop)), expected);
    assert_eq!(line(classifier.reconstruct(&image, None).map(drop)), expected);

    let mut vae = of("rnn-vae");
    let expected = "model: rnn-vae does not tell classes apart, expected a classifier";
    assert_eq!(line(vae.classify(&drawings(0)).map(drop)), expected);
    assert_eq!(line(vae.decode(&[0.0; 33], None).map(drop)), "latents: 33 numbers, expected rows of 32");

    let mut cvae = of("cvae");
    let mut decode = |labels: Option<&[usize]>| line(cvae.decode(&[0.0; 64], labels).map(drop));
    assert_eq!(decode(None), "labels: none for 2 latents, expected 2");
    assert_eq!(decode(Some(&[0])), "labels: 1 for 2 latents, expected 2");
    assert_eq!(decode(Some(&[0, 2])), "labels: 2 at 1, expected 0 to 1");
}
