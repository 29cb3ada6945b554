//! `inkgrad classify`: the class of drawings.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::Models;
use inkgrad_models::data::save_npy;
use inkgrad_models::model::argmax;
use serde::Serialize;

use crate::args::ends_in;
use crate::output::{self, Report, thousands};
use crate::session::RunArgs;

#[derive(Debug, Args)]
pub struct Classify {
    #[command(flatten)]
    run: RunArgs,
    /// Drawings: uint8 or floats in [0, 1], (N, height, width[, channels]), or Google's (N, 784)
    #[arg(long, value_name = "X.npy")]
    images: PathBuf,
    /// Their true classes, to count how many are right: integers (N)
    #[arg(long, value_name = "L.npy")]
    labels: Option<PathBuf>,
    /// Where the probabilities go: f32 (N, classes)
    #[arg(long, value_name = "P.npy", value_parser = ends_in("npy"))]
    out: PathBuf,
}

#[derive(Debug, Serialize)]
struct Classified {
    images: usize,
    classes: Vec<Share>,
    /// The share of drawings put in their class, where that is known.
    accuracy: Option<f64>,
    out: PathBuf,
}

/// The drawings put in one class.
#[derive(Debug, Serialize)]
struct Share {
    name: String,
    images: usize,
}

impl Classify {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        output::check_target(&self.out)?;
        output::check_apart(&self.out, [Some(&self.images), self.labels.as_ref()].into_iter().flatten())?;
        let mut session = self.run.open_classifier(models)?;
        let images = session.load_images(&self.images)?;
        let labels = session.labels(self.labels.is_some(), self.labels.as_deref(), images.len(), &self.images)?;
        let probabilities = session.inference.classify(&images)?;
        let classes = &session.config.classes;
        save_npy(&self.out, &[images.len(), classes.len()], &probabilities)?;

        let found: Vec<usize> = probabilities.chunks_exact(classes.len()).map(argmax).collect();
        let share = |(class, name): (usize, &String)| Share {
            name: name.clone(),
            images: found.iter().filter(|&&found| found == class).count(),
        };
        let right = |labels: Vec<usize>| found.iter().zip(labels).filter(|(found, label)| *found == label).count();
        let report = Classified {
            images: images.len(),
            classes: classes.iter().enumerate().map(share).collect(),
            accuracy: labels.map(|labels| right(labels) as f64 / images.len() as f64),
            out: self.out,
        };
        session.report(&report, json)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Report for Classified {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let images = thousands(self.images as u64);
        writeln!(out, "{}: probabilities of {} classes for {images} drawings", self.out.display(), self.classes.len())?;
        for Share { name, images } in &self.classes {
            writeln!(out, "  {name:<20} {:>9}", thousands(*images as u64))?;
        }
        match self.accuracy {
            Some(accuracy) => writeln!(out, "  {:.2} % are right", accuracy * 100.0),
            None => Ok(()),
        }
    }
}
