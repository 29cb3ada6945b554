use inkgrad_engine::nn::Linear;
use inkgrad_engine::{Float, Params, Tape};

use super::super::*;
use crate::data::Extents;
use crate::run::records;

/// An autoencoder with one mistake, by its number; none for 0.
#[derive(Debug)]
struct Faulty<const FAULT: usize> {
    image: Extents,
    encoder: Linear,
    decoder: Linear,
}

impl<const FAULT: usize> Model for Faulty<FAULT> {
    const NAME: &'static str = "faulty";
    const SUMMARY: &'static str = "one mistake";

    fn build<T: Float>(config: &Config, params: &mut Params<T>) -> Result<Self> {
        let pixels = config.image.len();
        let inputs = if FAULT == 1 { pixels + 1 } else { pixels };
        let encoder = Linear::new(params, "encoder", inputs, 4);
        Ok(Faulty { image: config.image, encoder, decoder: Linear::new(params, "decoder", 4, pixels) })
    }

    fn training<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Training> {
        let Some(Encoding { images, mu, .. }) = Model::encoding(self, tape, batch)? else { unreachable!() };
        let targets = tape.flatten(images);
        let logits = self.decoder.forward(tape, mu)?;
        let bce = tape.bce_with_logits(logits, targets)?;
        let training = Training::sum(images, bce, batch).term("bce", bce);
        Ok(match FAULT {
            2 => Training::sum(images, mu, batch),
            3 => Training::sum(images, tape.sum(targets)?, batch),
            4 => training.term("mu", mu),
            5 => training.term("loss", bce),
            6 => training.term("bce", bce),
            7 => training.term("a b", bce),
            8 => {
                let noise = tape.input("eps", tape.shape(mu));
                let noisy = tape.add(mu, noise)?;
                Training::sum(images, tape.sum(noisy)?, batch)
            }
            15 => training.term_per("q", bce, 0.0),
            9 => Training::sum(images, Tape::<T>::new().input("loss", []), batch),
            _ => training,
        })
    }

    fn encoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Encoding>> {
        let images = tape.input("images", self.image.batch(if FAULT == 14 { 2 } else { batch }));
        let x = tape.flatten(images);
        let mu = self.encoder.forward(tape, x)?;
        let logvar = if FAULT == 10 { Some(x) } else { None };
        Ok(Some(Encoding { images, labels: None, mu, logvar }))
    }

    fn decoding<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Decoding>> {
        if FAULT == 11 {
            let latents = tape.input("latents", [batch, 5]);
            return Ok(Some(Decoding { latents, labels: None, images: latents }));
        }
        let latents = tape.input("latents", [batch, 4]);
        let logits = self.decoder.forward(tape, latents)?;
        let images = if FAULT == 12 { logits } else { tape.reshape(logits, self.image.batch(batch))? };
        Ok(Some(Decoding { latents, labels: None, images }))
    }

    fn classification<T: Float>(&self, tape: &mut Tape<T>, batch: usize) -> Result<Option<Classification>> {
        if FAULT != 13 {
            return Ok(None);
        }
        let images = tape.input("images", self.image.batch(batch));
        let x = tape.flatten(images);
        Ok(Some(Classification { images, features: x, logits: x }))
    }
}

fn build<const FAULT: usize>() -> Result<Network<f32>> {
    let spec = Spec::of::<Faulty<FAULT>>();
    let config = Config { classes: vec!["a".into(), "b".into(), "c".into()], ..Config::defaults(&spec) };
    Network::new(spec, &config)
}

#[test]
fn a_model_whose_graphs_break_their_promises_is_refused_when_it_is_built() {
    assert!(build::<0>().is_ok());
    let refused = [
        (
            build::<1>(),
            "training: linear with `encoder.weight`, x (2, 784): weight is (4, 785), bias (4), expected (out, 784)",
        ),
        (build::<2>(), "training: `loss` is (2, 4), expected a single number: `Tape::sum` it"),
        (build::<3>(), "training: the loss depends on no parameter, so that there is nothing to train"),
        (build::<4>(), "training: `mu` is (2, 4), expected a single number: `Tape::sum` it"),
        (build::<5>(), "training: a term `loss`, which every record has already, expected another name"),
        (build::<6>(), "training: two terms `bce`, expected a name of its own for each"),
        (build::<7>(), "training: a term `a b`, expected lower-case letters, digits and underscores"),
        (build::<8>(), "training: nobody fills the input `eps`, expected those of the graph's type alone"),
        (build::<9>(), "training: loss is of another tape, expected one of the tape that was given"),
        (build::<10>(), "encoding: logvar is (2, 784), expected (2, 4)"),
        (build::<11>(), "decoding: latents of 5 numbers, expected 4 as the encoder makes"),
        (build::<12>(), "decoding: images is (2, 784), expected (2, 28, 28, 1)"),
        (build::<13>(), "classification: logits is (2, 784), expected (2, 3)"),
        (build::<14>(), "training: images is (2, 28, 28, 1), expected (3, 28, 28, 1)"),
        (build::<15>(), "training: `q` is reported per 0, expected a finite number above 0"),
    ];
    for (network, expected) in refused {
        let line = network.unwrap_err().to_string();
        assert!(line.starts_with(&format!("faulty: {expected}")), "{line}, expected {expected}");
    }
}

/// A model with a setting that cannot be one, by its number.
#[derive(Debug)]
struct Set<const FAULT: usize>;

impl<const FAULT: usize> Model for Set<FAULT> {
    const NAME: &'static str = ["set", "set", "set", "set", "a/../b", ""][FAULT];
    const SUMMARY: &'static str = "a setting that cannot be one";
    const OPTIONS: &'static [ModelOption] = &[ModelOption {
        name: ["width", "lr", "Big-Name", "width", "width", "width"][FAULT],
        help: "",
        kind: Kind::Whole { default: if FAULT == 3 { 9 } else { 2 }, least: 1, most: 8 },
    }];

    fn build<T: Float>(_: &Config, _: &mut Params<T>) -> Result<Self> {
        Ok(Set)
    }

    fn training<T: Float>(&self, _: &mut Tape<T>, _: usize) -> Result<Training> {
        unreachable!("never built")
    }
}

#[test]
fn an_option_that_cannot_be_one_is_refused_when_the_model_is_added() {
    let line = |add: fn() -> Models| {
        let panic = std::panic::catch_unwind(|| drop(add())).unwrap_err();
        panic.downcast_ref::<String>().cloned().unwrap_or_default()
    };
    assert!(Models::builtin().with::<Set<0>>().get("set").is_ok());
    assert_eq!(
        line(|| Models::builtin().with::<Set<1>>()),
        "set has an option `lr`, which every run has already: give it another name"
    );
    assert_eq!(
        line(|| Models::builtin().with::<Set<2>>()),
        "set has an option `Big-Name`, expected lower-case letters, digits and underscores"
    );
    for (add, name) in [(Models::with::<Set<4>> as fn(Models) -> Models, "a/../b"), (Models::with::<Set<5>>, "")] {
        let panic = std::panic::catch_unwind(|| drop(add(Models::builtin()))).unwrap_err();
        assert_eq!(
            panic.downcast_ref::<String>().unwrap(),
            &format!("a model `{name}`, expected lower-case letters, digits and hyphens, a letter first")
        );
    }
    assert_eq!(
        line(|| Models::builtin().with::<Set<3>>()),
        "set's option `width` has the default 9, expected a whole number from 1 to 8"
    );
}

#[test]
fn a_record_has_the_keys_that_no_term_may_have() {
    let record = records::Record {
        lr: Some(0.1),
        seconds: Some(1.0),
        ..records::Record::new(1, 1.0, records::Split::Train, 2.0)
    };
    let value = serde_json::to_value(&record).unwrap();
    let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
    let mut expected = graph::RECORD_KEYS;
    expected.sort_unstable();
    assert_eq!(keys, expected);
}
