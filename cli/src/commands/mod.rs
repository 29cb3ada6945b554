//! The commands, one file each: parse, validate once, run.

mod attribute;
mod bench;
mod classify;
mod completions;
mod data;
mod decode;
mod devices;
mod emulate;
mod encode;
mod evaluate;
mod explain;
mod export;
mod features;
mod gradcheck;
mod graph;
mod import;
mod interpolate;
mod man;
mod models;
mod reconstruct;
mod report;
mod reproduce;
mod runs;
mod sample;
mod score;
mod sweep;
mod train;
mod traverse;
mod tsne;

use std::process::ExitCode;

use clap::Subcommand;
use inkgrad_models::Models;

/// The command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a model, or go on with a run
    Train(Box<train::Train>),
    /// Make new drawings from random latents
    Sample(sample::Sample),
    /// Code and decode drawings
    Reconstruct(reconstruct::Reconstruct),
    /// Turn drawings into latents
    Encode(encode::Encode),
    /// Turn latents into drawings
    Decode(decode::Decode),
    /// Show what lies between pairs of drawings
    Interpolate(interpolate::Interpolate),
    /// Show what each dimension of the latents does, a row a dimension
    Traverse(traverse::Traverse),
    /// Move drawings from one class towards another
    Attribute(attribute::Attribute),
    /// Tell which class drawings belong to
    Classify(classify::Classify),
    /// Measure all scores of one model
    Evaluate(evaluate::Evaluate),
    /// Write one page about given runs
    Report(report::ReportArgs),
    /// Write one page on which a network runs: to draw on, to move its latents, to look at its graph
    Explain(explain::Explain),
    /// Do the whole study: train all models, evaluate them, write the report
    Reproduce(reproduce::Reproduce),
    /// Compare features of generated drawings with those of real ones
    Score(score::Score),
    /// Show latents as points of a picture
    Tsne(tsne::Tsne),
    /// Turn drawings into the features that scores compare
    Features(features::Features),
    /// Make a run of weights from PyTorch
    Import(import::Import),
    /// Write a run's weights as PyTorch reads them
    Export(export::Export),
    /// Compare analytic with numeric gradients, for every operation and every model
    Gradcheck(gradcheck::Gradcheck),
    /// Show the operations of a model's training step, and where their values lie
    Graph(graph::Graph),
    /// Measure the time of training steps
    Bench(bench::Bench),
    /// Look at data sets, or make one
    Data(data::Data),
    /// List what can compute here, and why the rest cannot
    Devices(devices::Devices),
    /// List the models, with their options and defaults
    Models(models::ModelsArgs),
    /// List the runs below a folder, with what tells them apart
    Runs(runs::Runs),
    /// Train many runs that differ in a few settings, as a file says
    Sweep(sweep::Sweep),
    /// Write what a shell needs to complete the command line
    Completions(completions::Completions),
    /// Write pages of the manual
    Man(man::ManArgs),
    /// Run one of the GPU's kernels on the processor, and look at it step by step
    Emulate(emulate::Emulate),
}

impl Command {
    /// Runs the command with the models that the program knows; `json` asks for the result as a JSON object.
    ///
    /// # Errors
    /// Bad input, and whatever the system refuses.
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        match self {
            Self::Train(command) => command.run(models, json),
            Self::Sample(command) => command.run(models, json),
            Self::Reconstruct(command) => command.run(models, json),
            Self::Encode(command) => command.run(models, json),
            Self::Decode(command) => command.run(models, json),
            Self::Interpolate(command) => command.run(models, json),
            Self::Traverse(command) => command.run(models, json),
            Self::Attribute(command) => command.run(models, json),
            Self::Classify(command) => command.run(models, json),
            Self::Evaluate(command) => command.run(models, json),
            Self::Report(command) => command.run(models, json),
            Self::Explain(command) => command.run(models, json),
            Self::Reproduce(command) => command.run(models, json),
            Self::Score(command) => command.run(models, json),
            Self::Tsne(command) => command.run(json),
            Self::Features(command) => command.run(models, json),
            Self::Import(command) => command.run(models, json),
            Self::Export(command) => command.run(models, json),
            Self::Gradcheck(command) => command.run(models, json),
            Self::Graph(command) => command.run(models, json),
            Self::Bench(command) => command.run(models, json),
            Self::Data(command) => command.run(json),
            Self::Devices(command) => command.run(json),
            Self::Models(command) => command.run(models, json),
            Self::Runs(command) => command.run(models, json),
            Self::Sweep(command) => command.run(models, json),
            Self::Completions(command) => command.run(models, json),
            Self::Man(command) => command.run(models, json),
            Self::Emulate(command) => command.run(json),
        }
    }
}
