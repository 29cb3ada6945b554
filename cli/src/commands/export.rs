//! `inkgrad export`: a run's weights as PyTorch reads them.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::Models;
use inkgrad_models::trainer::{Opened, save_weights};
use serde::Serialize;

use crate::args::WeightsArgs;
use crate::output::{self, Report, thousands};

#[derive(Debug, Args)]
pub struct Export {
    /// The run's folder
    #[arg(long, value_name = "RUN")]
    run: PathBuf,
    #[command(flatten)]
    weights: WeightsArgs,
    /// Where the weights go, for `load_state_dict(safetensors.torch.load_file(F))`
    #[arg(long, value_name = "F.safetensors")]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
struct Exported {
    model: String,
    tensors: usize,
    parameters: usize,
    out: PathBuf,
}

impl Export {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        output::check_target(&self.out)?;
        let opened = self.weights.open(models, &self.run)?;
        let note = opened.note();
        let Opened { config, network, .. } = opened;
        save_weights(&self.out, &config, &network)?;
        let (tensors, parameters) = (network.layout().len(), network.params.count());
        note.iter().for_each(output::note);
        output::report(&Exported { model: config.model, tensors, parameters, out: self.out }, json)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Report for Exported {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let (file, parameters) = (self.out.display(), thousands(self.parameters as u64));
        writeln!(out, "{file}: {} tensors of {}, {parameters} parameters", self.tensors, self.model)
    }
}
