//! `inkgrad decode`: from latents to drawings.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::data::{load_matrix, save_npy};
use inkgrad_models::{Error, Models};
use serde::Serialize;

use crate::args::ends_in;
use crate::output::{self, Report};
use crate::session::RunArgs;

#[derive(Debug, Args)]
pub struct Decode {
    #[command(flatten)]
    run: RunArgs,
    /// Latents: floats (N, latent)
    #[arg(long, value_name = "Z.npy")]
    latents: PathBuf,
    /// The classes to draw, for a model that is told the class: integers (N)
    #[arg(long, value_name = "L.npy")]
    labels: Option<PathBuf>,
    /// Where the drawings go: f32 (N, height, width[, channels]) in [0, 1]
    #[arg(long, value_name = "X.npy", value_parser = ends_in("npy"))]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
struct Decoded {
    model: String,
    images: usize,
    out: PathBuf,
}

impl Decode {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        output::check_target(&self.out)?;
        output::check_apart(&self.out, [Some(&self.latents), self.labels.as_ref()].into_iter().flatten())?;
        let mut session = self.run.open_autoencoder(models)?;
        let (model, expected) = (session.config.model.clone(), session.inference.network().latent()?);
        let (n, width, latents) = load_matrix(&self.latents)?;
        if width != expected || n == 0 {
            let problem =
                format!("shape ({n}, {width}), expected (N, {expected}) with N at least 1: latents of {model}");
            return Err(Error::input(self.latents.display(), problem).into());
        }
        let needed = session.inference.network().sees_classes();
        let labels = session.labels(needed, self.labels.as_deref(), n, &self.latents)?;
        let images = session.inference.decode(&latents, labels.as_deref())?;
        save_npy(&self.out, &session.inference.network().image().array(n), &images)?;
        session.report(&Decoded { model, images: n, out: self.out }, json)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Report for Decoded {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: {} drawings by {}", self.out.display(), self.images, self.model)
    }
}
