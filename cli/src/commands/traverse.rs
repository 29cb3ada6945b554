//! `inkgrad traverse`: what each dimension of the latents does.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::data::save_npy;
use inkgrad_models::image::text::drawable;
use inkgrad_models::image::{GridOptions, grid};
use inkgrad_models::walk::{self, Dimension};
use inkgrad_models::{Error, Models};
use serde::Serialize;

use crate::args::{ends_in, positive, within};
use crate::output::{self, Report, signed};
use crate::session::{RunArgs, Session};

#[derive(Debug, Args)]
pub struct Traverse {
    #[command(flatten)]
    run: RunArgs,
    /// Rows: so many dimensions, those first that carry most
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = within(1..=200))]
    dimensions: usize,
    /// Drawings in a row
    #[arg(long, value_name = "N", default_value_t = 11, value_parser = within(2..=100))]
    steps: usize,
    /// Each row goes from −F to F standard deviations
    #[arg(long, value_name = "F", default_value_t = 3.0, value_parser = positive)]
    sigmas: f64,
    /// Walk from the latent of this drawing, by its number among the test drawings, from 0 [default: from the middle of all]
    #[arg(long, value_name = "N")]
    from: Option<usize>,
    /// The class to draw, for a model that is told it: a name or an index [default: the drawing's with --from, else the first]
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// Drawings that tell what a dimension carries [default: what the run was trained on]
    #[arg(long, value_name = "D")]
    data: Option<String>,
    /// Where the drawings go too: f32 (dimensions, steps, height, width[, channels]) in [0, 1]
    #[arg(long, value_name = "S.npy", value_parser = ends_in("npy"))]
    out: Option<PathBuf>,
    /// The picture: a row a dimension
    #[arg(long, value_name = "P.png", value_parser = ends_in("png"))]
    png: PathBuf,
}

/// Test drawings whose latents are looked at.
const DRAWINGS: usize = 2000;

#[derive(Debug, Serialize)]
struct Traversed {
    model: String,
    /// Drawings by which dimensions were put in order.
    drawings: usize,
    rows: Vec<Row>,
    steps: usize,
    sigmas: f64,
    png: PathBuf,
    out: Option<PathBuf>,
}

/// A dimension's row.
#[derive(Debug, Serialize)]
struct Row {
    dimension: usize,
    /// In nats; none of a network without a prior.
    kl: Option<f64>,
    middle: f64,
    deviation: f64,
}

impl Traverse {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        let targets = [Some(&self.png), self.out.as_ref()];
        output::check_all(targets.into_iter().flatten())?;
        let mut session = self.run.open_autoencoder(models)?;
        session.check_outside(self.data.as_deref(), targets.into_iter().flatten())?;
        let dataset = session.dataset(self.data.as_deref())?;
        let (part, name) = dataset.examined();
        if let Some(from) = self.from.filter(|&from| from >= part.len()) {
            let problem = format!("{from}, expected 0 to {}: there are {} {name} drawings", part.len() - 1, part.len());
            return Err(Error::input("--from", problem).into());
        }
        let drawn = self.drawn_class(&session, self.from.map(|from| part.labels[from]))?;
        let some = part.take(&(0..part.len().min(DRAWINGS)).collect::<Vec<_>>());
        let seen = session.inference.network().encoder_sees_classes();
        let latents = session.inference.encode(&some.images, seen.then_some(&some.labels[..]))?;
        let mut dimensions = walk::dimensions(&latents)?;
        let base = match self.from {
            Some(from) => {
                let one = part.take(&[from]);
                session.inference.encode(&one.images, seen.then_some(&one.labels[..]))?.mu
            }
            None => {
                let mut middle = vec![0.0; latents.width];
                dimensions.iter().for_each(|dimension| middle[dimension.index] = dimension.at(0.0));
                middle
            }
        };
        dimensions.truncate(self.dimensions);
        let walked: Vec<f32> = dimensions.iter().flat_map(|d| d.traversal(&base, self.sigmas, self.steps)).collect();
        let classes = drawn.map(|class| vec![class; walked.len() / latents.width]);
        let images = session.inference.decode(&walked, classes.as_deref())?;
        let image = session.inference.network().image();
        if let Some(out) = &self.out {
            let shape = [&[dimensions.len(), self.steps], &image.array(1)[1..]].concat();
            save_npy(out, &shape, &images)?;
        }

        let labels: Vec<String> = dimensions.iter().map(label).collect();
        let row_labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let stops: Vec<String> = walk::stops(-self.sigmas, self.sigmas, self.steps).map(signed).collect();
        let captions: Vec<&str> = stops.iter().map(String::as_str).collect();
        let of_class = drawn.map_or(String::new(), |class| format!(", class {}", session.config.classes[class]));
        let title = format!("{}: one dimension at a time{of_class}", session.config.label());
        let around = self.from.map_or("the middle".to_owned(), |from| format!("{name} drawing {from}"));
        let order = if latents.logvar.is_some() { "KL" } else { "variance" };
        let caption = format!(
            "around {around}; by {order} over {} {name} drawings, in standard deviations{}",
            some.len(),
            if latents.logvar.is_some() { " of the prior" } else { "" }
        );
        let (title, caption) = (drawable(&title, "traversals"), drawable(&caption, ""));
        let options = GridOptions {
            image,
            row_labels: &row_labels,
            captions: &captions,
            title: &title,
            caption: &caption,
            ..GridOptions::default()
        };
        grid(&images, self.steps, &options).save_png(&self.png)?;
        let row = |&Dimension { index: dimension, kl, middle, deviation }: &Dimension| Row {
            dimension,
            kl,
            middle,
            deviation,
        };
        let report = Traversed {
            model: session.config.model.clone(),
            drawings: some.len(),
            rows: dimensions.iter().map(row).collect(),
            steps: self.steps,
            sigmas: self.sigmas,
            png: self.png,
            out: self.out,
        };
        session.report(&report, json)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The class to draw, of a network that sees any.
    fn drawn_class(&self, session: &Session, of_drawing: Option<usize>) -> Result<Option<usize>, Error> {
        match (&self.class, session.inference.network().sees_classes()) {
            (Some(class), true) => session.class(class).map(Some),
            (None, true) => Ok(Some(of_drawing.unwrap_or(0))),
            (None, false) => Ok(None),
            (Some(class), false) => {
                let problem =
                    format!("{class} for {}, expected the run of a model that is told the class", session.config.model);
                Err(Error::input("--class", problem))
            }
        }
    }
}

/// The label of a dimension's row.
fn label(dimension: &Dimension) -> String {
    let Dimension { index, kl, deviation, .. } = dimension;
    match kl {
        Some(kl) => format!("z{index} ({kl:.2} nats)"),
        None => format!("z{index} (σ {deviation:.2})"),
    }
}

impl Report for Traversed {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Traversed { model, drawings, rows, steps, sigmas, png, .. } = self;
        writeln!(
            out,
            "{}: {} dimensions of {model}, {steps} steps from -{sigmas} to {sigmas} standard deviations",
            png.display(),
            rows.len()
        )?;
        writeln!(out, "  in the order of what they carry over {drawings} drawings:")?;
        for Row { dimension, kl, middle, deviation } in rows {
            match kl {
                Some(kl) => writeln!(out, "  {dimension:4}  {kl:.3} nats")?,
                None => writeln!(out, "  {dimension:4}  {middle:.3} ± {deviation:.3}")?,
            }
        }
        match &self.out {
            Some(path) => writeln!(out, "{}: the drawings", path.display()),
            None => Ok(()),
        }
    }
}
