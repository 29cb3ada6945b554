//! `inkgrad models`: what can be trained.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::data::{Extents, builtin};
use inkgrad_models::model::{ModelOption, Setting, Spec, Value, option};
use inkgrad_models::run::config::Config;
use inkgrad_models::{Models, Result, text};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::output::{self, Report, thousands};
use crate::settings::own_help;

#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// One model alone, with all of its options
    model: Option<String>,
}

#[derive(Debug, Serialize)]
struct Listed {
    /// The extents of the pictures and the classes that parameters are counted for.
    image: Extents,
    classes: usize,
    models: Vec<Line>,
    /// Whether one was asked for.
    #[serde(skip)]
    alone: bool,
}

/// A model.
#[derive(Debug, Serialize)]
struct Line {
    name: &'static str,
    summary: &'static str,
    parameters: usize,
    /// Numbers of a latent, of an autoencoder.
    latent: Option<usize>,
    /// Whether new latents can be drawn.
    samples: bool,
    /// Whether it is told the classes of what it draws.
    sees_classes: bool,
    classifier: bool,
    /// The settings that it is trained with where nothing else is asked for.
    defaults: Map<String, Json>,
    options: Vec<OptionLine>,
    #[serde(skip)]
    config: Config,
    #[serde(skip)]
    spec: Spec,
}

#[derive(Debug, Serialize)]
struct OptionLine {
    name: &'static str,
    help: &'static str,
    values: String,
    default: Value,
}

impl ModelsArgs {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        let specs: Vec<Spec> = match &self.model {
            Some(name) => vec![models.get(name)?],
            None => models.iter().copied().collect(),
        };
        // Those of the built-in drawings, for models that tell them apart.
        let classes = builtin(10, 42)?.classes;
        let image = Extents::DRAWING;
        let lines = specs.into_iter().map(|spec| Line::new(models, spec, &classes)).collect::<Result<Vec<_>>>()?;
        output::report(&Listed { image, classes: classes.len(), models: lines, alone: self.model.is_some() }, json)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Line {
    fn new(models: &Models, spec: Spec, classes: &[String]) -> Result<Self> {
        let config = Config { classes: classes.to_vec(), ..Config::defaults(&spec) };
        let network = models.build::<f32>(&config)?;
        let settings = serde_json::to_value(&config).unwrap_or_default();
        let value = |setting: &Setting| settings.get(setting.name).cloned().unwrap_or_default();
        let own = |own: &ModelOption| OptionLine {
            name: own.name,
            help: own.help,
            values: own.kind.to_string(),
            default: own.kind.default(),
        };
        Ok(Line {
            name: spec.name,
            summary: spec.summary,
            parameters: network.params.count(),
            latent: network.latent().ok(),
            samples: network.has_prior(),
            sees_classes: network.sees_classes(),
            classifier: network.is_classifier(),
            defaults: Config::SETTINGS.iter().map(|setting| (setting.name.to_owned(), value(setting))).collect(),
            options: spec.options.iter().map(own).collect(),
            config,
            spec,
        })
    }
}

/// The settings that a line has room for.
const SHOWN: [&str; 5] = ["epochs", "steps", "batch_size", "lr", "val_fraction"];

/// Words in lines of at most 80 columns, behind two blanks.
fn write_wrapped(out: &mut dyn Write, words: impl Iterator<Item = String>) -> io::Result<()> {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() && 2 + line.chars().count() + 1 + word.chars().count() > 80 {
            writeln!(out, "  {line}")?;
            line.clear();
        }
        line += if line.is_empty() { "" } else { " " };
        line += &word;
    }
    writeln!(out, "  {line}")
}

impl Report for Listed {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for line in &self.models {
            writeln!(out, "{}: {}", line.name, line.summary)?;
            let latent = line.latent.map_or_else(String::new, |latent| format!(", latents of {latent} numbers"));
            writeln!(out, "  {} parameters{latent}", thousands(line.parameters as u64))?;
            let shown = Config::SETTINGS.iter().filter(|setting| SHOWN.contains(&setting.name));
            let values = shown.filter_map(|s| Some(format!("{} {}", s.option(), (s.value)(&line.config)?)));
            writeln!(out, "  {}", values.collect::<Vec<_>>().join(" "))?;
            if self.alone {
                for own in line.spec.options {
                    writeln!(out, "  {}\n      {}", option(own.name), own_help(own))?;
                }
            } else if !line.options.is_empty() {
                let own =
                    line.spec.options.iter().map(|own| format!("{} {}", option(own.name), own.kind.default_in_words()));
                write_wrapped(out, own)?;
            }
        }
        let (image, classes, program) = (self.image, self.classes, text::program());
        writeln!(out, "Parameters for pictures of {image} in {classes} classes; options with their defaults.")?;
        match &self.models[..] {
            [one] => writeln!(out, "{program} train {} --help shows every setting.", one.name),
            _ => writeln!(
                out,
                "{program} models MODEL shows a model's options, {program} train MODEL --help all settings."
            ),
        }
    }
}
