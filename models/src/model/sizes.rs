//! The sizes that weights tell by their names and shapes, for models whose sizes are options.

use std::collections::BTreeMap;
use std::path::Path;

use super::config::Config;
use super::{ModelOption, Value};
use crate::data::Extents;
use crate::{Error, Result};

/// Names and shapes of weights, and the sizes that a model has read from them ([`Model::sizes`](super::Model::sizes)).
#[derive(Debug)]
pub struct Sizes<'a> {
    shapes: BTreeMap<&'a str, &'a [usize]>,
    config: &'a Config,
    found: Vec<Found>,
    image: Option<Extents>,
}

/// A size, and the tensor that tells it.
#[derive(Debug)]
struct Found {
    option: &'static str,
    default: Value,
    value: Value,
    tensor: String,
}

impl<'a> Sizes<'a> {
    /// Weights of these names and shapes, and the settings of the network that they are meant for.
    pub(crate) fn new(shapes: impl IntoIterator<Item = (&'a str, &'a [usize])>, config: &'a Config) -> Self {
        Sizes { shapes: shapes.into_iter().collect(), config, found: Vec::new(), image: None }
    }

    /// The settings: options as asked for, and the pictures that the weights are taken to be for.
    pub fn config(&self) -> &'a Config {
        self.config
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, tensor: &str) -> bool {
        self.shapes.contains_key(tensor)
    }

    /// An extent of a tensor, where there is one of this name with such an axis.
    pub fn extent(&self, tensor: &str, axis: usize) -> Option<usize> {
        self.shapes.get(tensor)?.get(axis).copied().filter(|&extent| extent > 0)
    }

    /// Notes the value of an option, which `tensor` tells.
    pub fn found(&mut self, option: &ModelOption, value: Value, tensor: &str) {
        self.found_beside(option, option.kind.default(), value, tensor);
    }

    /// The same with an option whose default depends on other ones.
    pub fn found_beside(&mut self, option: &ModelOption, default: Value, value: Value, tensor: &str) {
        if option.kind.check(&value).is_err() {
            // No size that the option could set: the weights are refused as they are.
            return;
        }
        let shape = self.shapes.get(tensor).copied().unwrap_or_default();
        let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
        let tensor = format!("{tensor} is ({})", shape.join(", "));
        self.found.push(Found { option: option.name, default, value, tensor });
    }

    /// Notes the extents of the pictures that the weights are for, where they are not those of the settings.
    pub fn pictures(&mut self, image: Extents) {
        self.image = Some(image).filter(|image| *image != self.config.image);
    }

    /// The pictures that the weights are for, where they are not those of the settings.
    pub(crate) fn image(&self) -> Option<Extents> {
        self.image
    }

    /// The options that were found to differ from their defaults.
    pub(crate) fn options(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let differing = self.found.iter().filter(|found| found.value != found.default);
        differing.map(|found| (found.option, &found.value))
    }

    /// The settings with the options that were found.
    pub(crate) fn applied(&self) -> Config {
        let mut config = self.config.clone();
        config.options.extend(self.options().map(|(name, value)| (name.to_owned(), value.clone())));
        config
    }

    /// Refuses options that the settings give another value than the weights in `file` have.
    ///
    /// # Errors
    /// The option, what was asked for, and what the weights have.
    pub(crate) fn check_given(&self, file: &Path) -> Result<()> {
        for Found { option, value, tensor, .. } in &self.found {
            if let Some(given) = self.config.options.get(*option).filter(|given| *given != value) {
                let problem = format!("{given}, expected {value} as in {} ({tensor})", file.display());
                return Err(Error::input(format_args!("--{option}"), problem));
            }
        }
        Ok(())
    }
}
