//! `inkgrad export`: a run's network as PyTorch, or what runs ONNX, reads it.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use inkgrad_models::export::{self, Onnx, Part};
use inkgrad_models::run::atomic;
use inkgrad_models::trainer::{Opened, save_weights};
use inkgrad_models::{Error, Models, Result};
use serde::Serialize;

use crate::args::{WeightsArgs, is_of_another_kind};
use crate::output::{self, Report, thousands};

#[derive(Debug, Args)]
pub struct Export {
    /// The run's folder
    #[arg(long, value_name = "RUN")]
    run: PathBuf,
    #[command(flatten)]
    weights: WeightsArgs,
    /// The file's format
    #[arg(long, value_name = "FORMAT", default_value = "safetensors")]
    format: Format,
    /// The part of the network in an ONNX file: encoder, decoder or whole [default: whole]
    #[arg(long, value_name = "PART")]
    part: Option<Part>,
    /// Where it goes: F.safetensors, F.onnx, or F.py, which has its weights in F.safetensors
    #[arg(long, value_name = "F")]
    out: PathBuf,
}

/// The kinds of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// Weights, for `load_state_dict(safetensors.torch.load_file(F))`
    Safetensors,
    /// A graph of opset 17 with its weights, for any batch
    Onnx,
    /// A Python file with the `nn.Module`, and its weights
    Pytorch,
}

#[derive(Debug, Serialize)]
struct Exported {
    model: String,
    format: Format,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<Part>,
    tensors: usize,
    parameters: usize,
    out: PathBuf,
    /// The weights of a PyTorch module.
    #[serde(skip_serializing_if = "Option::is_none")]
    weights: Option<PathBuf>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<Value>,
}

/// An input or output of a graph.
#[derive(Debug, Serialize)]
struct Value {
    name: String,
    shape: Vec<String>,
}

/// How files of weights end.
const WEIGHTS: &str = "safetensors";

impl Export {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        if let (Some(part), Format::Safetensors | Format::Pytorch) = (self.part, self.format) {
            let problem = format!("{part}, expected with --format onnx alone: other formats hold the whole network");
            return Err(Error::input("--part", problem).into());
        }
        let ending = match self.format {
            Format::Safetensors => WEIGHTS,
            Format::Onnx => "onnx",
            Format::Pytorch => "py",
        };
        if is_of_another_kind(&self.out, ending)
            || ending != WEIGHTS && self.out.extension().is_some_and(|it| it == WEIGHTS)
        {
            let problem = format!("another format's ending, expected .{ending} (or another --format)");
            return Err(Error::input(self.out.display(), problem).into());
        }
        let beside = (self.format == Format::Pytorch).then(|| beside(&self.out)).transpose()?;
        output::check_all([Some(&self.out), beside.as_ref()].into_iter().flatten())?;
        let opened = self.weights.open(models, &self.run)?;
        let note = opened.note();
        let Opened { config, network, .. } = opened;
        let mut exported = Exported {
            model: config.model.clone(),
            format: self.format,
            part: None,
            tensors: network.layout().len(),
            parameters: network.params.count(),
            out: self.out,
            weights: beside,
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        match self.format {
            Format::Safetensors => save_weights(&exported.out, &config, &network)?,
            Format::Onnx => {
                let part = self.part.unwrap_or(Part::Whole);
                let Onnx { bytes, inputs, outputs, tensors, parameters } = export::onnx(&network, &config, part)?;
                atomic::write(&exported.out, |out| out.write_all(&bytes))?;
                let values = |ports: Vec<(String, Vec<String>)>| {
                    ports.into_iter().map(|(name, shape)| Value { name, shape }).collect()
                };
                (exported.inputs, exported.outputs) = (values(inputs), values(outputs));
                (exported.part, exported.tensors, exported.parameters) = (Some(part), tensors, parameters);
            }
            Format::Pytorch => {
                let weights = exported.weights.as_ref().expect("beside the module");
                let name = weights.file_name().and_then(|name| name.to_str()).expect("checked above");
                let text = export::pytorch(&network, &config, name)?;
                save_weights(weights, &config, &network)?;
                atomic::write(&exported.out, |out| out.write_all(text.as_bytes()))?;
            }
        }
        note.iter().for_each(output::note);
        output::report(&exported, json)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Where the weights of a module go. Its name has to be one that Python imports.
fn beside(out: &Path) -> Result<PathBuf> {
    let stem = out.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let word =
        stem.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !stem.starts_with(|c: char| c.is_ascii_digit());
    match out.extension().is_some_and(|end| end == "py") && word && !stem.is_empty() {
        true => Ok(out.with_extension("safetensors")),
        false => {
            let problem = "a name that Python cannot import, expected letters, digits and underscores that end in .py";
            Err(Error::input(out.display(), problem))
        }
    }
}

impl Report for Exported {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let (file, parameters) = (self.out.display(), thousands(self.parameters as u64));
        let Some(part) = self.part else {
            writeln!(out, "{file}: {} tensors of {}, {parameters} parameters", self.tensors, self.model)?;
            return match &self.weights {
                Some(weights) => writeln!(out, "{}: its weights", weights.display()),
                None => Ok(()),
            };
        };
        let part: &dyn Display = match part {
            Part::Whole => &"all",
            ref part => part,
        };
        writeln!(out, "{file}: {part} of {}, {parameters} parameters", self.model)?;
        for (which, values) in [("input", &self.inputs), ("output", &self.outputs)] {
            for Value { name, shape } in values {
                writeln!(out, "  {which:<6}  {name:<15}  ({})", shape.join(", "))?;
            }
        }
        Ok(())
    }
}
