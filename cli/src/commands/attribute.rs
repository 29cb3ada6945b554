//! `inkgrad attribute`: drawings moved from one class towards another.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::data::{Examples, save_npy};
use inkgrad_models::image::text::drawable;
use inkgrad_models::image::{GridOptions, grid};
use inkgrad_models::{Error, Models, walk};
use serde::Serialize;

use crate::args::{ends_in, positive, within};
use crate::output::{self, Report, signed};
use crate::session::RunArgs;

/// The mean latent of a class minus that of another is a direction; drawings get more and more of it.
#[derive(Debug, Args)]
pub struct Attribute {
    #[command(flatten)]
    run: RunArgs,
    /// The class to come from: a name or an index
    #[arg(long, value_name = "CLASS")]
    from: String,
    /// The class to go to
    #[arg(long, value_name = "CLASS")]
    to: String,
    /// Drawings to move [default: the first test drawings of the class to come from]
    #[arg(long, value_name = "X.npy")]
    images: Option<PathBuf>,
    /// Their classes, for a model that is told the class: integers (N)
    #[arg(long, value_name = "L.npy", requires = "images")]
    labels: Option<PathBuf>,
    /// How many of them
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = within(1..=100))]
    n: usize,
    /// Drawings in a row, with 0 to F of the direction
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = within(2..=100))]
    steps: usize,
    /// That F: at 1 the mean of the first class becomes that of the second
    #[arg(long, value_name = "F", default_value_t = 1.5, value_parser = positive)]
    most: f64,
    /// The data whose training drawings make the means [default: what the run was trained on]
    #[arg(long, value_name = "D")]
    data: Option<String>,
    /// Where the direction goes: f32 (latent)
    #[arg(long, value_name = "V.npy", value_parser = ends_in("npy"))]
    vector: Option<PathBuf>,
    /// Where the drawings go: f32 (N, steps, height, width[, channels]) in [0, 1]
    #[arg(long, value_name = "S.npy", value_parser = ends_in("npy"))]
    out: Option<PathBuf>,
    /// The picture: a row a drawing, which stands before what is made of it
    #[arg(long, value_name = "P.png", value_parser = ends_in("png"))]
    png: PathBuf,
}

/// The most training drawings of a class that its mean is of.
const OF_CLASS: usize = 10_000;

#[derive(Debug, Serialize)]
struct Moved {
    model: String,
    from: String,
    to: String,
    /// Training drawings that the means are of.
    drawings: [usize; 2],
    /// The length of the direction.
    length: f64,
    images: usize,
    steps: usize,
    most: f64,
    png: PathBuf,
    vector: Option<PathBuf>,
    out: Option<PathBuf>,
}

impl Attribute {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        let targets = [Some(&self.png), self.vector.as_ref(), self.out.as_ref()];
        output::check_all(targets.into_iter().flatten())?;
        for target in targets.into_iter().flatten() {
            output::check_apart(target, [&self.images, &self.labels].into_iter().flatten())?;
        }
        let mut session = self.run.open_autoencoder(models)?;
        session.check_outside(self.data.as_deref(), targets.into_iter().flatten())?;
        let class = |option: &str, name: &str| session.class(name).map_err(|error| error.at(option));
        let (from, to) = (class("--from", &self.from)?, class("--to", &self.to)?);
        let names = [from, to].map(|class| session.config.classes[class].clone());
        if from == to {
            let problem = format!("{}, expected another class than that of --from", names[1]);
            return Err(Error::input("--to", problem).into());
        }
        let dataset = session.dataset(self.data.as_deref())?;
        let of_class = |labels: &[usize], class: usize, most: usize| -> Vec<usize> {
            (0..labels.len()).filter(|&i| labels[i] == class).take(most).collect()
        };
        let known = &dataset.train.labels[..dataset.trained_on()];
        let [of_from, of_to] = [from, to].map(|class| of_class(known, class, OF_CLASS));
        if let Some((option, name)) = [("--from", &of_from, &names[0]), ("--to", &of_to, &names[1])]
            .iter()
            .find_map(|(option, found, name)| found.is_empty().then_some((*option, *name)))
        {
            let problem = format!("{name} has no drawings to train on in {}, expected some", dataset.name);
            return Err(Error::input(option, problem).into());
        }
        let moved = match &self.images {
            Some(path) => {
                let images = session.load_images(path)?;
                let needed = session.inference.network().sees_classes();
                let labels = session.labels(needed, self.labels.as_deref(), images.len(), path)?;
                let first: Vec<usize> = (0..images.len().min(self.n)).collect();
                let labels = labels.unwrap_or_else(|| vec![from; images.len()]);
                Examples { images, labels }.take(&first)
            }
            None => {
                let part =
                    if of_class(&dataset.test.labels, from, 1).is_empty() { &dataset.train } else { &dataset.test };
                part.take(&of_class(&part.labels, from, self.n))
            }
        };

        let (sees, seen) =
            (session.inference.network().sees_classes(), session.inference.network().encoder_sees_classes());
        let mut encode =
            |drawings: &Examples| session.inference.encode(&drawings.images, seen.then_some(&drawings.labels[..]));
        let both = dataset.train.take(&[&of_from[..], &of_to[..]].concat());
        let latents = encode(&both)?;
        let direction = walk::attribute(&latents, &both.labels, [to, from]);
        let direction =
            direction.ok_or_else(|| Error::input("--data", "a class without drawings, expected some of both"))?;
        let places = encode(&moved)?;
        let weights: Vec<f64> = walk::stops(0.0, self.most, self.steps).collect();
        let walked: Vec<f32> =
            places.mu.chunks_exact(places.width).flat_map(|latent| walk::along(latent, &direction, &weights)).collect();
        // Of a network that is told the class, the drawing's own: the direction is what moves it.
        let classes: Vec<usize> = moved.labels.iter().flat_map(|&label| vec![label; self.steps]).collect();
        let drawn = session.inference.decode(&walked, sees.then_some(&classes[..]))?;

        let image = session.inference.network().image();
        if let Some(path) = &self.vector {
            save_npy(path, &[direction.len()], &direction)?;
        }
        if let Some(path) = &self.out {
            save_npy(path, &[&[moved.len(), self.steps], &image.array(1)[1..]].concat(), &drawn)?;
        }
        let mut cells = Vec::with_capacity(moved.len() * (self.steps + 1) * image.len());
        for (i, row) in drawn.chunks_exact(self.steps * image.len()).enumerate() {
            cells.extend(moved.images.image(i));
            cells.extend(row);
        }
        let [from, to] = names;
        let title = format!("{}: {to} − {from}", session.config.label());
        let caption = format!(
            "drawings, and their latents plus 0 to {} times the mean latent of {to} minus that of {from}",
            self.most
        );
        let (title, caption) = (drawable(&title, "attribute"), drawable(&caption, ""));
        let stops: Vec<String> = ["drawing".to_owned()].into_iter().chain(weights.iter().map(|&w| signed(w))).collect();
        let captions: Vec<&str> = stops.iter().map(String::as_str).collect();
        let options =
            GridOptions { image, captions: &captions, title: &title, caption: &caption, ..GridOptions::default() };
        grid(&cells, self.steps + 1, &options).save_png(&self.png)?;
        let report = Moved {
            model: session.config.model.clone(),
            from,
            to,
            drawings: [of_from.len(), of_to.len()],
            length: direction.iter().map(|&d| f64::from(d) * f64::from(d)).sum::<f64>().sqrt(),
            images: moved.len(),
            steps: self.steps,
            most: self.most,
            png: self.png,
            vector: self.vector,
            out: self.out,
        };
        session.report(&report, json)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Report for Moved {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Moved { model, from, to, drawings: [of_from, of_to], length, images, steps, most, .. } = self;
        writeln!(
            out,
            "{}: {images} drawings by {model}, {steps} steps from {from} towards {to}, up to {most} times",
            self.png.display()
        )?;
        writeln!(out, "  the mean of {of_to} latents of {to} minus that of {of_from} of {from}: length {length:.3}")?;
        for (path, what) in [(&self.vector, "the direction"), (&self.out, "the drawings")] {
            if let Some(path) = path {
                writeln!(out, "{}: {what}", path.display())?;
            }
        }
        Ok(())
    }
}
