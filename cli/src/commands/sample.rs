//! `inkgrad sample`: new drawings from random latents.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::data::{Dataset, Extents, save_npy};
use inkgrad_models::image::text::drawable;
use inkgrad_models::image::{GridOptions, Picture, grid};
use inkgrad_models::run::config::Config;
use inkgrad_models::sample::Strategy;
use inkgrad_models::sampler::{Fitted, Sampler};
use inkgrad_models::trainer::{load_data, load_run_data};
use inkgrad_models::{Error, Models, Result};
use serde::Serialize;

use crate::args::{ends_in, within};
use crate::inline::{Drawings, ShowArgs};
use crate::output::{self, Report};
use crate::sampler::Kept;
use crate::session::{RunArgs, Session};

#[derive(Debug, Args)]
pub struct Sample {
    #[command(flatten)]
    run: RunArgs,
    /// How many drawings; with `--class all`, of each class
    #[arg(long, value_name = "N", value_parser = within(1..=MOST))]
    n: usize,
    /// The class to draw, for a model that is told it: a name, an index, or all [default: the classes in turn]
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// How latents are drawn: prior, scaled, sparse, uniform, alternating or focused
    #[arg(long, value_name = "NAME", default_value_t = Strategy::Prior)]
    strategy: Strategy,
    /// The density of latents: prior (or vamp, one that was learnt), or fitted on training drawings: gmm:K, gmm:K:diagonal,
    /// aggregate or codes (of a codebook)
    #[arg(long, value_name = "NAME", conflicts_with = "strategy")]
    sampler: Option<Sampler>,
    /// Drawings that a density is fitted on [default: what the run was trained on]
    #[arg(long, value_name = "D", requires = "sampler")]
    data: Option<String>,
    /// Where the randomness starts [default: the run's seed]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Where the drawings go: f32 (N, height, width[, channels]) in [0, 1]
    #[arg(long, value_name = "S.npy", value_parser = ends_in("npy"))]
    out: PathBuf,
    /// A picture of the first 400 drawings; with `--class all`, a row a class
    #[arg(long, value_name = "P.png", value_parser = ends_in("png"))]
    png: Option<PathBuf>,
    #[command(flatten)]
    show: ShowArgs,
}

/// More drawings than this, some 3 GB, are taken for a mistake.
const MOST: usize = 1_000_000;

#[derive(Debug, Serialize)]
struct Sampled {
    model: String,
    images: usize,
    /// The strategy of the draw, where no density is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    strategy: Option<&'static str>,
    /// The density that latents are drawn from, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    sampler: Option<String>,
    /// How latents are drawn, in words.
    latents: String,
    seed: u64,
    /// The drawn class, `all`, or nothing where classes take turns or there are none.
    class: Option<String>,
    /// The classes in the order of the drawings, where each has as many as the others.
    classes: Option<Vec<String>>,
    out: PathBuf,
    png: Option<PathBuf>,
    /// Drawings in the picture.
    png_images: Option<usize>,
}

/// Which classes to draw.
enum Classes {
    /// The model sees none.
    None,
    One(usize),
    /// One after the other, again and again.
    InTurn,
    /// `n` of each, in order.
    Each,
}

impl Sample {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        output::check_all([Some(&self.out), self.png.as_ref()].into_iter().flatten())?;
        let mut session = match self.sampler {
            None | Some(Sampler::Prior | Sampler::Vamp) => self.run.open_vae(models)?,
            Some(_) => self.run.open_autoencoder(models)?,
        };
        // A prior that was learnt is a density like those that are fitted.
        let learnt = self.strategy == Strategy::Prior && session.inference.network().components().is_some();
        let sampler = self.sampler.or(learnt.then_some(Sampler::Vamp));
        let classes = self.classes(&session)?;
        let known = session.config.classes.clone();
        let labels: Option<Vec<usize>> = match classes {
            Classes::None => None,
            Classes::One(class) => Some(vec![class; self.n]),
            Classes::InTurn => Some((0..self.n).map(|i| i % known.len()).collect()),
            Classes::Each => Some((0..known.len()).flat_map(|class| vec![class; self.n]).collect()),
        };
        let count = labels.as_ref().map_or(self.n, Vec::len);
        if count > MOST {
            let problem = format!("{} of each of {} classes, expected at most {MOST} in all", self.n, known.len());
            return Err(Error::input("--n", problem).into());
        }
        let fitted = sampler.map(|sampler| self.fitted(sampler, &mut session)).transpose()?;
        let seed = self.seed.unwrap_or(session.config.seed);
        let latents = match &fitted {
            Some(fitted) => fitted.draw(count, labels.as_deref(), seed),
            None => self.strategy.draw(count, session.inference.network().latent()?, seed),
        };
        let (way, words) = match &fitted {
            Some(fitted) => (format!("sampler {}", fitted.sampler()), fitted.describe()),
            None => (format!("strategy {}", self.strategy), self.strategy.describe().to_owned()),
        };
        let image = session.inference.network().image();
        let images = session.inference.decode(&latents, labels.as_deref())?;
        save_npy(&self.out, &image.array(count), &images)?;

        let class = match classes {
            Classes::One(class) => format!(", class {}", known[class]),
            Classes::InTurn => ", classes in turn".to_owned(),
            Classes::Each | Classes::None => String::new(),
        };
        let each = matches!(classes, Classes::Each).then_some(known);
        let title = format!("{}: samples{class}", session.config.label());
        let caption = format!("{way}, seed {seed}, N = {count}");
        let head = [&*drawable(&title, "samples"), &*caption];
        let (picture, shown) = match &each {
            Some(classes) => picture_by_class(image, &images, classes, head),
            None => picture(image, &images, head),
        };
        if let Some(path) = &self.png {
            picture.save_png(path)?;
        }
        let report = Sampled {
            model: session.config.model.clone(),
            images: count,
            strategy: fitted.is_none().then_some(self.strategy.name()),
            sampler: fitted.map(|fitted| fitted.sampler().to_string()),
            latents: words,
            seed,
            class: match classes {
                Classes::One(class) => Some(session.config.classes[class].clone()),
                Classes::Each => Some("all".to_owned()),
                Classes::None | Classes::InTurn => None,
            },
            classes: each,
            out: self.out,
            png_images: self.png.as_ref().map(|_| shown),
            png: self.png,
        };
        session.report(&report, json)?;
        let columns = report.classes.as_ref().map(|_| self.n);
        self.show.show(&Drawings { picture: &picture, values: &images, extents: image, columns, together: 1 })?;
        Ok(ExitCode::SUCCESS)
    }

    /// The density that is asked for: the one that the run keeps, or one that is fitted now.
    fn fitted(&self, sampler: Sampler, session: &mut Session) -> Result<Fitted> {
        let Session { config, inference, folder, .. } = session;
        if self.data.is_some() && matches!(sampler, Sampler::Prior | Sampler::Vamp) {
            let problem = format!("given for --sampler {sampler}, expected one that is fitted to drawings");
            return Err(Error::input("--data", problem));
        }
        if sampler == Sampler::Prior {
            return Fitted::prior(inference);
        }
        if sampler == Sampler::Vamp {
            return Fitted::learnt(inference);
        }
        let given = self.data.as_ref().map(|data| load_data(&Config { data: data.clone(), ..config.clone() }));
        let given = given.transpose()?;
        if let Some(dataset) = given.as_ref().filter(|dataset| dataset.classes != config.classes) {
            let (found, expected) = (dataset.classes.join(", "), config.classes.join(", "));
            return Err(Error::input(
                "--data",
                format!("holds the classes {found}, expected {expected} as in training"),
            ));
        }
        let Some(data_sha256) = given.as_ref().map(Dataset::fingerprint).or_else(|| config.data_sha256.clone()) else {
            let problem = "holds weights whose drawings are not known, expected --data";
            return Err(Error::input(folder.path().display(), problem));
        };
        let kept = Kept::new(sampler, inference, folder, data_sha256, config.seed);
        match kept.read(inference)? {
            Some(fitted) => Ok(fitted),
            None => kept.fit(inference, &given.map_or_else(|| load_run_data(config, false), Ok)?, true),
        }
    }

    fn classes(&self, session: &Session) -> Result<Classes> {
        match (self.class.as_deref(), session.inference.network().sees_classes()) {
            (None, false) => Ok(Classes::None),
            (None, true) => Ok(Classes::InTurn),
            (Some("all"), true) => Ok(Classes::Each),
            (Some(class), true) => session.class(class).map(Classes::One),
            (Some(class), false) => {
                let problem =
                    format!("{class} for {}, expected the run of a model that is told the class", session.config.model);
                Err(Error::input("--class", problem))
            }
        }
    }
}

/// A nearly square grid of the first drawings, and how many are in it.
fn picture(image: Extents, images: &[f32], [title, caption]: [&str; 2]) -> (Picture, usize) {
    let shown = (images.len() / image.len()).min(output::PICTURE);
    let columns = (shown as f64).sqrt().ceil() as usize;
    let options = GridOptions { image, title, caption, ..GridOptions::default() };
    (grid(&images[..shown * image.len()], columns, &options), shown)
}

/// A row of the first drawings of each class, and how many drawings there are in all.
fn picture_by_class(
    image: Extents,
    images: &[f32],
    classes: &[String],
    [title, caption]: [&str; 2],
) -> (Picture, usize) {
    let of_each = images.len() / classes.len();
    let columns = (of_each / image.len()).min((output::PICTURE / classes.len()).max(1)).min(20);
    let first: Vec<f32> = images.chunks(of_each).flat_map(|class| &class[..columns * image.len()]).copied().collect();
    let names: Vec<&str> = classes.iter().map(String::as_str).collect();
    let options = GridOptions { image, row_labels: &names, title, caption, ..GridOptions::default() };
    (grid(&first, columns, &options), columns * classes.len())
}

impl Report for Sampled {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Sampled { model, images, latents, seed, .. } = self;
        let way = match (&self.sampler, self.strategy) {
            (Some(sampler), _) => format!("sampler {sampler}"),
            (None, strategy) => format!("strategy {}", strategy.unwrap_or_default()),
        };
        let class = match (&self.class, &self.classes) {
            (_, Some(classes)) => format!(", {} of each of {}", images / classes.len(), classes.join(", ")),
            (Some(class), None) => format!(" of the class {class}"),
            (None, None) => String::new(),
        };
        writeln!(out, "{}: {images} drawings by {model}{class}", self.out.display())?;
        writeln!(out, "  {way}: {latents}; seed {seed}")?;
        output::picture_line(out, self.png.as_deref(), self.png_images, self.images)
    }
}
