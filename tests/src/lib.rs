//! Shared by the checks that cross the crates.

pub mod faults;
pub mod fixture;
pub mod fuzz;
pub mod small;
pub mod tree;

use inkgrad_models::Models;
use inkgrad_models::model::{Element, Network, Value};
use inkgrad_models::run::config::Config;

/// So many cases of a property test, the same ones in every run, and nothing written when one fails. `PROPTEST_CASES=N` draws
/// more of them and `PROPTEST_RNG_SEED=N` others. A macro, so that the library itself, which `cargo run` builds too, needs no proptest.
#[macro_export]
macro_rules! cases {
    ($cases:expr) => {
        ::proptest::prelude::ProptestConfig {
            cases: $cases,
            failure_persistence: None,
            rng_seed: ::proptest::test_runner::RngSeed::Fixed(0),
            ..::proptest::prelude::ProptestConfig::default()
        }
    };
}

/// The settings that a model is trained with where nothing else is asked for.
pub fn defaults(model: &str) -> Config {
    Models::builtin().defaults(model).expect("a model of the table")
}

/// The network that a configuration describes, its parameters zero.
pub fn build<T: Element>(config: &Config) -> Network<T> {
    Models::builtin().build(config).expect("a configuration of the table")
}

/// Every network that can be built, for five classes, by the name of its fixture.
pub fn networks() -> Vec<(&'static str, Config)> {
    let classes = ["rabbit", "yoga", "hand", "snowman", "motorbike"].map(str::to_owned);
    let defaults = |model| Config { classes: classes.clone().into(), ..defaults(model) };
    let mut list: Vec<_> = Models::builtin().iter().map(|spec| (spec.name, defaults(spec.name))).collect();
    list.push(("cvae-both", defaults("cvae").with_text("condition", "both")));
    list.push(("classifier-cnn", defaults("classifier").with_text("arch", "cnn")));
    list
}

/// Networks at other sizes than the study's, by the name of their fixture.
pub fn sized_networks() -> Vec<(&'static str, Config)> {
    let sized = |model, image: [usize; 3], options: &[(&str, Value)]| {
        let config = Config { image: image.into(), ..defaults(model) };
        options.iter().fold(config, |config, (name, value)| config.with(name, value.clone()))
    };
    let latent = |n| ("latent", Value::Whole(n));
    let channels = |list: &[u64]| ("channels", Value::List(list.to_vec()));
    vec![
        ("cnn-vae-sized", sized("cnn-vae", [32, 32, 3], &[latent(16), channels(&[16, 32, 64])])),
        ("cnn-ae-odd", sized("cnn-ae", [17, 22, 3], &[latent(10), channels(&[6, 9, 12])])),
        (
            "lstm-ae-sized",
            sized(
                "lstm-ae",
                [20, 16, 1],
                &[latent(20), ("hidden", Value::Whole(24)), ("bidirectional", Value::Flag(true))],
            ),
        ),
    ]
}
