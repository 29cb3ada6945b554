//! Every model against PyTorch's list of its parameters, its gradients against numeric ones, and its other graphs.

use inkgrad_engine::{Init, Pool};
use serde::Deserialize;

use crate::check::{check_model, variants};
use crate::data::{Images, PIXELS};
use crate::infer::Inference;
use crate::model::config::Config;
use crate::model::{Models, Network, Spec};

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
fn gradients_of_whole_models_agree_with_numeric_ones() {
    Pool::new(2).enter(|team| {
        for (variant, spec, config) in configs(5) {
            let outcome = check_model(spec, &variant, &config, team).unwrap();

            assert!(outcome.passes(), "{outcome:?}");
        }
    });
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
