//! The table of models: of each one line, which help, defaults, configurations and reports read.

use std::fmt;
use std::sync::Arc;

use inkgrad_engine::{Float, Params, ops};

use super::config::Config;
use super::facts::is_key;
use super::{Graphs, Model, ModelOption, Network, Sizes};
use crate::{Error, Result};

/// Declares a model's parameters and gives its graphs.
type Build<T> = fn(&Config, &mut Params<T>) -> Result<Arc<dyn Graphs<T>>>;

/// A model's line in the table.
#[derive(Clone, Copy)]
pub struct Spec {
    /// [`Model::NAME`].
    pub name: &'static str,
    /// [`Model::SUMMARY`].
    pub summary: &'static str,
    /// [`Model::LOSS`].
    pub loss: &'static str,
    /// [`Model::OPTIONS`].
    pub options: &'static [ModelOption],
    /// [`Model::FIGURES`].
    pub figures: &'static [TermFigure],
    /// [`Model::defaults`].
    pub(crate) defaults: fn(&mut Config),
    /// [`Model::quick`].
    pub(crate) quick: fn(&mut Config),
    /// [`Model::describe`].
    pub describe: fn(&Config) -> String,
    /// [`Model::sizes`].
    pub(crate) sizes: fn(&mut Sizes<'_>),
    /// [`Model::remarks`].
    pub remarks: fn(&Config) -> Vec<String>,
    f32: Build<f32>,
    f64: Build<f64>,
}

/// A figure of some of a model's terms, a panel each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TermFigure {
    /// The file's name, without its ending.
    pub file: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Each term, and what it is, as the axis says it.
    pub panels: &'static [(&'static str, &'static str)],
}

impl Spec {
    /// The line of a model.
    pub const fn of<M: Model>() -> Self {
        Spec {
            name: M::NAME,
            summary: M::SUMMARY,
            loss: M::LOSS,
            options: M::OPTIONS,
            figures: M::FIGURES,
            defaults: M::defaults,
            quick: M::quick,
            describe: M::describe,
            sizes: M::sizes,
            remarks: M::remarks,
            f32: build::<M, f32>,
            f64: build::<M, f64>,
        }
    }

    /// The options that every configuration of the model has.
    pub(crate) fn resolved_options(&self) -> impl Iterator<Item = &'static ModelOption> {
        self.options.iter().filter(|option| option.kind.is_resolved())
    }

    /// The option of this name, if the model has it.
    pub fn option(&self, name: &str) -> Option<&'static ModelOption> {
        self.options.iter().find(|option| option.name == name)
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec").field("name", &self.name).finish_non_exhaustive()
    }
}

fn build<M: Model, T: Float>(config: &Config, params: &mut Params<T>) -> Result<Arc<dyn Graphs<T>>> {
    Ok(Arc::new(M::build(config, params)?))
}

/// The types of numbers that networks are made of.
pub trait Element: Float + sealed::Build {}

impl Element for f32 {}
impl Element for f64 {}

pub(super) mod sealed {
    use super::{Arc, Config, Graphs, Params, Result, Spec};

    pub trait Build: Sized {
        #[expect(private_interfaces, reason = "nobody outside can call it")]
        fn build(spec: &Spec, config: &Config, params: &mut Params<Self>) -> Result<Arc<dyn Graphs<Self>>>;
    }

    impl Build for f32 {
        #[expect(private_interfaces, reason = "nobody outside can call it")]
        fn build(spec: &Spec, config: &Config, params: &mut Params<Self>) -> Result<Arc<dyn Graphs<Self>>> {
            (spec.f32)(config, params)
        }
    }

    impl Build for f64 {
        #[expect(private_interfaces, reason = "nobody outside can call it")]
        fn build(spec: &Spec, config: &Config, params: &mut Params<Self>) -> Result<Arc<dyn Graphs<Self>>> {
            (spec.f64)(config, params)
        }
    }
}

/// The models that a program knows, and the operations of its own.
#[derive(Debug, Clone)]
pub struct Models(Vec<Spec>, Vec<ops::Spec>);

impl Models {
    /// These models.
    pub(crate) fn of(specs: Vec<Spec>) -> Self {
        Models(specs, Vec::new())
    }

    /// These and `M`.
    ///
    /// # Panics
    /// If one of them has its name already, the name is more than lower-case letters, digits and hyphens, or an option of `M` cannot be one: its name is taken, or is more than lower-case
    /// letters, digits and underscores, or its default is not among its values.
    #[track_caller]
    pub fn with<M: Model>(mut self) -> Self {
        assert!(
            is_key(&M::NAME.replace('-', "_")),
            "a model `{}`, expected lower-case letters, digits and hyphens, a letter first",
            M::NAME
        );
        assert!(self.0.iter().all(|spec| spec.name != M::NAME), "two models with the name `{}`", M::NAME);
        for (i, option) in M::OPTIONS.iter().enumerate() {
            let (model, name) = (M::NAME, option.name);
            assert!(
                is_key(name),
                "{model} has an option `{name}`, expected lower-case letters, digits and underscores"
            );
            assert!(
                !Config::has_setting(name),
                "{model} has an option `{name}`, which every run has already: give it another name"
            );
            assert!(M::OPTIONS[..i].iter().all(|other| other.name != name), "{model} has two options `{name}`");
            // An option that is only there where it was given need not have a default among its values.
            if let (true, Err(problem)) = (option.kind.is_resolved(), option.kind.check(&option.kind.default())) {
                panic!("{model}'s option `{name}` has the default {problem}");
            }
        }
        self.0.push(Spec::of::<M>());
        self
    }

    /// These and an operation, for `inkgrad gradcheck`.
    ///
    /// # Panics
    /// If an operation has its name already.
    #[track_caller]
    pub fn with_operation(mut self, spec: ops::Spec) -> Self {
        assert!(self.operations().all(|other| other.name != spec.name), "two operations with the name `{}`", spec.name);
        self.1.push(spec);
        self
    }

    /// The engine's operations, and those of the program's own behind them.
    pub fn operations(&self) -> impl Iterator<Item = &ops::Spec> {
        ops::OPS.iter().chain(&self.1)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Spec> {
        self.0.iter()
    }

    /// The model of this name.
    ///
    /// # Errors
    /// If there is none, with those that there are.
    pub fn get(&self, name: &str) -> Result<Spec> {
        self.0.iter().find(|spec| spec.name == name).copied().ok_or_else(|| {
            let known: Vec<_> = self.iter().map(|spec| spec.name).collect();
            Error::input("model", format!("unknown model `{name}`, expected one of {}", known.join(", ")))
        })
    }

    /// The settings that the model of this name is trained with where nothing else is asked for.
    ///
    /// # Errors
    /// If there is no such model.
    pub fn defaults(&self, name: &str) -> Result<Config> {
        Ok(Config::defaults(&self.get(name)?))
    }

    /// Builds the network that a configuration describes, its parameters zero.
    ///
    /// # Errors
    /// If there is no such model, and those of [`Network::new`].
    pub fn build<T: Element>(&self, config: &Config) -> Result<Network<T>> {
        Network::new(self.get(&config.model)?, config)
    }

    /// The models that have an option.
    pub fn with_option(&self, name: &str) -> Vec<&'static str> {
        self.iter().filter(|spec| spec.option(name).is_some()).map(|spec| spec.name).collect()
    }
}
