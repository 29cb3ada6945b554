//! What the checks that cross the crates share.

pub mod fixture;

use inkgrad_models::run::config::{Arch, Condition, Config, Model};
use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

/// `cases` cases of a property test, the same ones in every run, and nothing written when one fails. `PROPTEST_CASES=N` draws
/// more of them and `PROPTEST_RNG_SEED=N` others.
pub fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(0), ..ProptestConfig::default() }
}

/// Every network that can be built, for five classes, by the name of its fixture.
pub fn networks() -> Vec<(&'static str, Config)> {
    let classes = ["rabbit", "yoga", "hand", "snowman", "motorbike"].map(str::to_owned);
    let defaults = |model| Config { classes: classes.clone().into(), ..Config::defaults(model) };
    let mut list: Vec<_> = Model::ALL.iter().map(|&model| (model.name(), defaults(model))).collect();
    list.push(("cvae-both", Config { condition: Some(Condition::Both), ..defaults(Model::Cvae) }));
    list.push(("classifier-cnn", Config { arch: Some(Arch::Cnn), ..defaults(Model::Classifier) }));
    list
}
