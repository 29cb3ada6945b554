//! `inkgrad tsne`: latents as points of a picture.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, ValueEnum};
use inkgrad_engine::Pool;
use inkgrad_models::data::{Floats, load_labels, load_precise_matrix, save_npy};
use inkgrad_models::image::text::drawable;
use inkgrad_models::tsne::{self, Head, Points, Real, Start, TsneConfig};
use inkgrad_models::{Error, Result};
use serde::Serialize;

use crate::args::{Compute, within};
use crate::output::{self, Report, thousands};
use crate::progress;

/// Neighbours of the two scores, where there are enough points.
const TRUST: usize = 12;
const VOTERS: usize = 5;

#[derive(Debug, Args)]
pub struct Tsne {
    /// The points: floats (N, d), such as the latents of `encode`
    #[arg(long, value_name = "Z.npy")]
    input: PathBuf,
    /// The rows' classes: integers (N)
    #[arg(long, value_name = "L.npy")]
    labels: Option<PathBuf>,
    /// The classes' names, for the picture's legend [default: their numbers]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', requires = "labels")]
    classes: Vec<String>,
    /// Where the points go: f32 (N, 2)
    #[arg(long, value_name = "Y.npy")]
    out: PathBuf,
    /// A picture of the points, coloured by class
    #[arg(long, value_name = "P.png")]
    png: Option<PathBuf>,
    /// How many neighbours a point effectively has
    #[arg(long, value_name = "F", default_value_t = 30.0)]
    perplexity: f64,
    /// Steps of the descent, of which the first 250 exaggerate
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = within(250..=100_000))]
    iterations: usize,
    /// Where the points begin
    #[arg(long, value_name = "START", default_value = "pca")]
    init: Init,
    /// Seed of everything that is drawn at random
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    #[command(flatten)]
    compute: Compute,
}

/// Where the points begin.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Init {
    /// At the first two principal components
    Pca,
    /// At random
    Random,
}

#[derive(Debug, Serialize)]
struct Embedded {
    rows: usize,
    width: usize,
    perplexity: f64,
    iterations: usize,
    seed: u64,
    kl: f64,
    trustworthiness: f64,
    trustworthiness_k: usize,
    knn_accuracy: Option<f64>,
    knn_k: Option<usize>,
    seconds: f64,
    out: PathBuf,
    png: Option<PathBuf>,
}

impl Tsne {
    pub fn run(self, json: bool) -> anyhow::Result<ExitCode> {
        [Some(&self.out), self.png.as_ref()].into_iter().flatten().try_for_each(|path| output::check_target(path))?;
        output::check_apart(&self.out, [Some(&self.input), self.labels.as_ref()].into_iter().flatten())?;
        let threads = self.compute.threads()?;
        let (rows, width, values) = load_precise_matrix(&self.input)?;
        let name = self.input.display().to_string();
        let report = match values {
            Floats::F32(values) => self.embed(Points::new(&name, &values, rows, width)?, width, threads)?,
            Floats::F64(values) => self.embed(Points::new(&name, &values, rows, width)?, width, threads)?,
        };
        output::report(&report, json)?;
        Ok(ExitCode::SUCCESS)
    }

    fn embed<T: Real>(self, points: Points<T>, width: usize, threads: usize) -> Result<Embedded> {
        let rows = points.len();
        let labels = self.load_labels(rows)?;
        let config = TsneConfig {
            perplexity: self.perplexity,
            iterations: self.iterations,
            start: match self.init {
                Init::Pca => Start::Pca,
                Init::Random => Start::Random,
            },
            seed: self.seed,
            ..TsneConfig::default()
        };

        let pool = Pool::new(threads);
        let bar = progress::bar("{bar:32} {pos}/{len} iterations, {eta} left");
        bar.set_length(self.iterations as u64);
        let (started, mut shown) = (Instant::now(), Instant::now());
        let embedding = pool.enter(|team| {
            tsne::embed(&config, points, team, |progress| {
                bar.set_position(progress.iteration as u64);
                if bar.is_hidden() && shown.elapsed() >= progress::INTERVAL {
                    shown = Instant::now();
                    output::note(format_args!("iteration {}/{}", progress.iteration, progress.iterations));
                }
            })
        })?;
        let seconds = started.elapsed().as_secs_f64();
        bar.finish_and_clear();

        let embedded = Points::new("the embedding", &embedding.points, rows, 2)?;
        let trustworthiness_k = TRUST.min((rows - 1) / 2);
        let knn_k = labels.as_ref().map(|_| VOTERS.min(rows - 1));
        let (trustworthiness, knn_accuracy) = pool.enter(|team| {
            let accuracy = labels.as_ref().zip(knn_k).map(|(l, k)| tsne::label_accuracy(embedded, &l.indices, k, team));
            (tsne::trustworthiness(points, embedded, trustworthiness_k, team), accuracy)
        });
        save_npy(&self.out, &[rows, 2], &embedding.points)?;
        if let Some(path) = &self.png {
            let (indices, classes) =
                labels.as_ref().map_or((None, &[][..]), |l| (Some(&l.indices[..]), &l.classes[..]));
            let title = format!("t-SNE of {name}", name = self.input.display());
            let accuracy = knn_accuracy.map_or(String::new(), |share| format!(", kNN accuracy {share:.3}"));
            let caption = format!(
                "N = {rows}, perplexity {}, KL {:.3}, trustworthiness {trustworthiness:.3}{accuracy}, seed {}",
                self.perplexity, embedding.kl, self.seed
            );
            let title = drawable(&title, "t-SNE");
            let head = Head { title: &title, caption: &caption };
            tsne::scatter_png(path, &embedding.points, indices, classes, head)?;
        }
        Ok(Embedded {
            rows,
            width,
            perplexity: self.perplexity,
            iterations: embedding.iterations,
            seed: self.seed,
            kl: embedding.kl,
            trustworthiness,
            trustworthiness_k,
            knn_accuracy,
            knn_k,
            seconds,
            out: self.out,
            png: self.png,
        })
    }

    /// The rows' classes.
    fn load_labels(&self, rows: usize) -> Result<Option<Labels>> {
        let Some(path) = &self.labels else { return Ok(None) };
        let bad = |problem: String| Err(Error::input(path.display(), problem));
        let labels = load_labels(path)?;
        if labels.len() != rows {
            let (found, input) = (labels.len(), self.input.display());
            return bad(format!("{found} labels, expected {rows}: one for each row of {input}"));
        }
        if !self.classes.is_empty() {
            let known = self.classes.len();
            return match labels.iter().position(|&label| label >= known) {
                Some(at) => {
                    bad(format!("label {} at {at}, expected 0 to {}: a class of --classes", labels[at], known - 1))
                }
                None => Ok(Some(Labels { indices: labels, classes: self.classes.clone() })),
            };
        }
        // The numbers that occur, which may lie far apart.
        let mut numbers = labels.clone();
        numbers.sort_unstable();
        numbers.dedup();
        let indices = labels.iter().map(|label| numbers.partition_point(|number| number < label)).collect();
        Ok(Some(Labels { indices, classes: numbers.iter().map(usize::to_string).collect() }))
    }
}

/// A class for each row, and the classes' names.
struct Labels {
    indices: Vec<usize>,
    classes: Vec<String>,
}

impl Report for Embedded {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let rows = thousands(self.rows as u64);
        writeln!(out, "{}: {rows} points from {} dimensions", self.out.display(), self.width)?;
        writeln!(out, "  kl               {:>9.4}  after {} iterations", self.kl, self.iterations)?;
        writeln!(out, "  trustworthiness  {:>9.4}  of {} neighbours", self.trustworthiness, self.trustworthiness_k)?;
        if let (Some(accuracy), Some(k)) = (self.knn_accuracy, self.knn_k) {
            writeln!(out, "  knn_accuracy     {accuracy:>9.4}  by {k} neighbours' labels")?;
        }
        writeln!(out, "  seconds          {:>9.2}", self.seconds)?;
        output::picture_line(out, self.png.as_deref(), None, self.rows)
    }
}
