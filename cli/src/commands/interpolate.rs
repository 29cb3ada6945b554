//! `inkgrad interpolate`: what lies between two drawings.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::image::text::drawable;
use inkgrad_models::image::{GridOptions, grid};
use inkgrad_models::walk::Way;
use inkgrad_models::{Error, Models};
use serde::Serialize;

use crate::args::{ends_in, within};
use crate::output::{self, Report};
use crate::session::RunArgs;

#[derive(Debug, Args)]
pub struct Interpolate {
    #[command(flatten)]
    run: RunArgs,
    /// Drawings; the first and the second are a pair, the third and the fourth, and so on
    #[arg(long, value_name = "X.npy")]
    images: PathBuf,
    /// Their classes, for a model that is told the class: integers (N); each half of a row is drawn as the class of its end
    #[arg(long, value_name = "L.npy")]
    labels: Option<PathBuf>,
    /// How many pairs
    #[arg(long, value_name = "N", value_parser = within(1..=100))]
    pairs: usize,
    /// Latents in a row, both ends included
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = within(2..=100))]
    steps: usize,
    /// The way between two latents: spherical or linear
    #[arg(long, value_name = "NAME", default_value_t = Way::Spherical)]
    way: Way,
    /// The picture: a row a pair, an original at each end
    #[arg(long, value_name = "P.png", value_parser = ends_in("png"))]
    png: PathBuf,
}

#[derive(Debug, Serialize)]
struct Interpolated {
    model: String,
    pairs: usize,
    steps: usize,
    way: Way,
    png: PathBuf,
}

impl Interpolate {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        output::check_target(&self.png)?;
        let mut session = self.run.open_autoencoder(models)?;
        let images = session.load_images(&self.images)?;
        if self.pairs > images.len() / 2 {
            let (found, pairs, file) = (images.len(), self.pairs, self.images.display());
            let problem = format!("{pairs}, expected at most {}: {file} holds {found} images", found / 2);
            return Err(Error::input("--pairs", problem).into());
        }
        let needed = session.inference.network().sees_classes();
        let labels = session.labels(needed, self.labels.as_deref(), images.len(), &self.images)?;
        let seen = labels.as_deref().filter(|_| session.inference.network().encoder_sees_classes());
        let latents = session.inference.encode(&images, seen)?;
        let latent = |i: usize| &latents.mu[i * latents.width..][..latents.width];

        let mut between = Vec::with_capacity(self.pairs * self.steps * latents.width);
        let mut classes = Vec::new();
        for pair in 0..self.pairs {
            let (a, b) = (2 * pair, 2 * pair + 1);
            for step in 0..self.steps {
                between.extend(self.way.between(latent(a), latent(b), step as f64 / (self.steps - 1) as f64));
                classes.extend(labels.as_ref().map(|labels| labels[if 2 * step < self.steps { a } else { b }]));
            }
        }
        let decoded = session.inference.decode(&between, labels.is_some().then_some(&classes[..]))?;
        let image = images.extents();
        let mut cells = Vec::with_capacity(self.pairs * (self.steps + 2) * image.len());
        for (pair, row) in decoded.chunks_exact(self.steps * image.len()).enumerate() {
            cells.extend(images.image(2 * pair));
            cells.extend(row);
            cells.extend(images.image(2 * pair + 1));
        }
        let file = self.images.file_name().unwrap_or_default();
        let title = format!("{}: interpolations", session.config.label());
        let (steps, seed) = (self.steps, session.config.seed);
        let way = match self.way {
            Way::Spherical => "slerp",
            Way::Linear => "linear",
        };
        let caption = format!("{way}, {steps} latents between pairs of {}, seed {seed}", file.to_string_lossy());
        let (title, caption) = (drawable(&title, "interpolations"), drawable(&caption, ""));
        let options = GridOptions { image, title: &title, caption: &caption, ..GridOptions::default() };
        grid(&cells, steps + 2, &options).save_png(&self.png)?;
        let model = session.config.model.clone();
        session.report(
            &Interpolated { model, pairs: self.pairs, steps: self.steps, way: self.way, png: self.png },
            json,
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Report for Interpolated {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Interpolated { model, pairs, steps, way, png } = self;
        writeln!(out, "{}: {pairs} pairs, {steps} {way} steps of {model} between the originals", png.display())
    }
}
