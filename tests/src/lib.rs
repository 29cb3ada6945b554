//! What the checks that cross the crates share.

pub mod fixture;

use inkgrad_models::Models;
use inkgrad_models::model::{Element, Network};
use inkgrad_models::run::config::Config;

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
