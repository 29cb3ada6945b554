//! `inkgrad graph`: the operations of a training step, and where their values lie.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use inkgrad_engine::{Compile, Tape};
use inkgrad_models::run::config::{Config, Overrides};
use inkgrad_models::run::plot::{Lifetimes, draw_lifetimes};
use inkgrad_models::{Models, data};
use serde::Serialize;

use crate::args::{ends_in, within};
use crate::output::{self, Report};
use crate::settings::ModelOptions;

/// A training step as the engine sees it: a node a line, with the parameters' names.
#[derive(Debug, Args)]
pub struct Graph {
    /// The model
    model: String,
    /// Drawings a step [default: the model's]
    #[arg(long, value_name = "N", value_parser = within(1..=65_536))]
    batch_size: Option<usize>,
    /// Show too where each value and gradient lies, and from when to when it matters
    #[arg(long)]
    plan: bool,
    /// Draw the plan too: a rectangle for each value and gradient, from when to when it matters, where it lies
    #[arg(long, value_name = "P.png", value_parser = ends_in("png"))]
    png: Option<PathBuf>,
    #[command(flatten)]
    options: ModelOptions,
}

#[derive(Debug, Serialize)]
struct Shown {
    model: String,
    batch_size: usize,
    parameters: usize,
    nodes: usize,
    /// Floating-point operations of a forward and a backward.
    flops: u64,
    /// Bytes of the one allocation that holds all values and gradients.
    arena_bytes: usize,
    tape: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    png: Option<PathBuf>,
}

impl Graph {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        if let Some(path) = &self.png {
            output::check_target(path)?;
        }
        let options = Overrides { options: self.options.given(), ..Overrides::default() };
        let config = Config::resolve(models, Some(&self.model), None, &options)?;
        // The built-in drawings' classes, for models that tell them apart.
        let config = Config { classes: data::builtin(10, config.seed)?.classes, ..config };
        let network = models.build::<f32>(&config)?;
        let batch_size = self.batch_size.unwrap_or(config.batch_size);
        let mut tape = Tape::new();
        let graph = network.training(&mut tape, batch_size)?;
        let (nodes, text) = (tape.len(), tape.to_string());
        let options = Compile { loss: Some(graph.loss.tensor), keep: &graph.kept(), ..Compile::default() };
        let plan = tape.compile(options);
        if let Some(path) = &self.png {
            let bytes = plan.arena_bytes();
            let figure = Lifetimes {
                title: format!("{}: the memory of a training step", config.label()),
                caption: format!(
                    "{batch_size} drawings, {:.1} MiB; blue: values, orange: gradients, blank: what operations keep for themselves",
                    bytes as f64 / 1_048_576.0
                ),
                held: &plan.held(),
                nodes,
                size: (bytes / size_of::<f32>(), size_of::<f32>()),
            };
            draw_lifetimes(&figure)?.save_png(path)?;
        }
        let shown = Shown {
            model: config.label(),
            batch_size,
            parameters: network.params.count(),
            nodes,
            flops: plan.flops(),
            arena_bytes: plan.arena_bytes(),
            tape: text,
            plan: self.plan.then(|| plan.to_string()),
            png: self.png,
        };
        output::report(&shown, json)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Report for Shown {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Shown { model, batch_size, parameters, nodes, flops, arena_bytes, tape, plan, png } = self;
        let (parameters, mflop) = (output::thousands(*parameters as u64), *flops as f64 / 1e6);
        let mib = *arena_bytes as f64 / 1_048_576.0;
        writeln!(out, "{model}, a training step of {batch_size} drawings: {nodes} nodes, {parameters} parameters,")?;
        writeln!(out, "{mflop:.0} MFLOP forward and backward, {mib:.1} MiB\n")?;
        write!(out, "{tape}")?;
        if let Some(plan) = plan {
            write!(out, "\n{plan}")?;
        }
        match png {
            Some(path) => writeln!(out, "\n{}: the plan as a picture", path.display()),
            None => Ok(()),
        }
    }
}
