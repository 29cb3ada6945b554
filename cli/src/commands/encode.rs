//! `inkgrad encode`: from drawings to latents.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::data::save_npy;
use inkgrad_models::{Error, Models};
use serde::Serialize;

use crate::args::ends_in;
use crate::output::{self, Report};
use crate::session::RunArgs;

#[derive(Debug, Args)]
pub struct Encode {
    #[command(flatten)]
    run: RunArgs,
    /// Drawings: uint8 or floats in [0, 1], (N, height, width[, channels]), or Google's (N, 784)
    #[arg(long, value_name = "X.npy")]
    images: PathBuf,
    /// Their classes, for a model whose encoder is told them: integers (N)
    #[arg(long, value_name = "L.npy")]
    labels: Option<PathBuf>,
    /// Where the latents go: f32 (N, latent); a VAE's are its means
    #[arg(long, value_name = "Z.npy", value_parser = ends_in("npy"))]
    out: PathBuf,
    /// Where a VAE's log-variances go, alike
    #[arg(long, value_name = "V.npy", value_parser = ends_in("npy"))]
    logvar: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Encoded {
    model: String,
    #[serde(skip)]
    variational: bool,
    images: usize,
    latent: usize,
    out: PathBuf,
    logvar: Option<PathBuf>,
}

impl Encode {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        let results = [Some(&self.out), self.logvar.as_ref()];
        output::check_all(results.into_iter().flatten())?;
        for result in results.into_iter().flatten() {
            output::check_apart(result, [Some(&self.images), self.labels.as_ref()].into_iter().flatten())?;
        }
        let mut session = self.run.open_autoencoder(models)?;
        let model = session.config.model.clone();
        if self.logvar.is_some() && !session.inference.network().has_prior() {
            return Err(Error::input("--logvar", format!("{model} has no variance, expected a VAE's run")).into());
        }
        let images = session.load_images(&self.images)?;
        let needed = session.inference.network().encoder_sees_classes();
        let labels = session.labels(needed, self.labels.as_deref(), images.len(), &self.images)?;
        let latents = session.inference.encode(&images, labels.as_deref())?;
        let shape = [images.len(), latents.width];
        save_npy(&self.out, &shape, &latents.mu)?;
        if let (Some(path), Some(logvar)) = (&self.logvar, &latents.logvar) {
            save_npy(path, &shape, logvar)?;
        }
        let [images, latent] = shape;
        let variational = session.inference.network().has_prior();
        session.report(&Encoded { model, variational, images, latent, out: self.out, logvar: self.logvar }, json)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Report for Encoded {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let (n, width) = (self.images, self.latent);
        let what = if self.variational { "means" } else { "latents" };
        writeln!(out, "{}: {what} of {n} drawings, ({n}, {width})", self.out.display())?;
        match &self.logvar {
            Some(path) => writeln!(out, "{}: their log-variances", path.display()),
            None => Ok(()),
        }
    }
}
