//! `inkgrad reconstruct`: drawings through encoder and decoder, without noise.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::data::save_npy;
use inkgrad_models::image::text::drawable;
use inkgrad_models::image::{GridOptions, interleaved, pairs_grid};
use inkgrad_models::{Models, distance};
use serde::Serialize;

use crate::args::ends_in;
use crate::inline::{Drawings, ShowArgs};
use crate::output::{self, Report};
use crate::progress::number;
use crate::session::RunArgs;

#[derive(Debug, Args)]
pub struct Reconstruct {
    #[command(flatten)]
    run: RunArgs,
    /// Drawings: uint8 or floats in [0, 1], (N, height, width[, channels]), or Google's (N, 784)
    #[arg(long, value_name = "X.npy")]
    images: PathBuf,
    /// Their classes, for a model that is told the class: integers (N)
    #[arg(long, value_name = "L.npy")]
    labels: Option<PathBuf>,
    /// Where the reconstructions go: f32 (N, height, width[, channels]) in [0, 1]; a VAE decodes its means
    #[arg(long, value_name = "R.npy", value_parser = ends_in("npy"))]
    out: PathBuf,
    /// A picture of the first 200 originals, each above its reconstruction
    #[arg(long, value_name = "P.png", value_parser = ends_in("png"))]
    png: Option<PathBuf>,
    #[command(flatten)]
    show: ShowArgs,
}

/// Originals in a picture; with their reconstructions, as many drawings as one picture holds.
const SHOWN: usize = output::PICTURE / 2;

#[derive(Debug, Serialize)]
struct Reconstructed {
    model: String,
    images: usize,
    /// Summed over pixels, a mean over drawings; for VAEs, which are trained on it.
    bce: Option<f64>,
    /// A mean over pixels and drawings.
    mse: f64,
    out: PathBuf,
    png: Option<PathBuf>,
    /// Originals in the picture.
    png_images: Option<usize>,
}

impl Reconstruct {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        output::check_all([Some(&self.out), self.png.as_ref()].into_iter().flatten())?;
        output::check_apart(&self.out, [Some(&self.images), self.labels.as_ref()].into_iter().flatten())?;
        let mut session = self.run.open_autoencoder(models)?;
        let images = session.load_images(&self.images)?;
        let needed = session.inference.network().sees_classes();
        let labels = session.labels(needed, self.labels.as_deref(), images.len(), &self.images)?;
        let image = images.extents();
        let reconstructions = session.inference.reconstruct(&images, labels.as_deref())?;
        save_npy(&self.out, &image.array(images.len()), &reconstructions)?;

        let originals = images.values();
        let shown = images.len().min(SHOWN);
        let picture = (self.png.is_some() || self.show.asked()).then(|| {
            let first = shown * image.len();
            let file = self.images.file_name().unwrap_or_default();
            let title = format!("{}: reconstructions", session.config.label());
            let caption = format!("the first {shown} of {}, seed {}", file.to_string_lossy(), session.config.seed);
            let (title, caption) = (drawable(&title, "reconstructions"), drawable(&caption, ""));
            let options = GridOptions { image, title: &title, caption: &caption, ..GridOptions::default() };
            pairs_grid(&originals[..first], &reconstructions[..first], 20, &options)
        });
        if let (Some(path), Some(picture)) = (&self.png, &picture) {
            picture.save_png(path)?;
        }
        let model = session.config.model.clone();
        let report = Reconstructed {
            model,
            images: images.len(),
            bce: session
                .inference
                .network()
                .has_prior()
                .then(|| distance::bce(&originals, &reconstructions, image.len())),
            mse: distance::mse(&originals, &reconstructions),
            out: self.out,
            png_images: self.png.as_ref().map(|_| shown),
            png: self.png,
        };
        session.report(&report, json)?;
        if let Some(picture) = &picture {
            let pairs = interleaved(&originals, &reconstructions, image);
            self.show.show(&Drawings { picture, values: &pairs, extents: image, columns: None, together: 2 })?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Report for Reconstructed {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: {} drawings, reconstructed by {}", self.out.display(), self.images, self.model)?;
        if let Some(bce) = self.bce {
            writeln!(out, "  binary cross-entropy of a drawing: {}", number(bce))?;
        }
        writeln!(out, "  mean squared error of a pixel: {}", number(self.mse))?;
        output::picture_line(out, self.png.as_deref(), self.png_images, self.images)
    }
}
