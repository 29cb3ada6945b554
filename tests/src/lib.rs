//! What the checks that cross the crates share.

pub mod fixture;

use inkgrad_models::run::config::{Arch, Condition, Config, Model};

/// Every network that can be built, for five classes, by the name of its fixture.
pub fn networks() -> Vec<(&'static str, Config)> {
    let classes = ["rabbit", "yoga", "hand", "snowman", "motorbike"].map(str::to_owned);
    let defaults = |model| Config { classes: classes.clone().into(), ..Config::defaults(model) };
    let mut list: Vec<_> = Model::ALL.iter().map(|&model| (model.name(), defaults(model))).collect();
    list.push(("cvae-both", Config { condition: Some(Condition::Both), ..defaults(Model::Cvae) }));
    list.push(("classifier-cnn", Config { arch: Some(Arch::Cnn), ..defaults(Model::Classifier) }));
    list
}
