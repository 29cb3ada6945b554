//! `inkgrad tsne`: latents as points of a picture.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, ValueEnum};
use inkgrad_engine::Pool;
use inkgrad_kernels::launch::Device;
use inkgrad_models::data::{Floats, load_labels, load_matrix, load_precise_matrix, save_npy};
use inkgrad_models::image::text::drawable;
use inkgrad_models::run::config::DeviceKind;
use inkgrad_models::tsne::{self, Head, PlaceConfig, Placed, Points, Real, Search, Start, TsneConfig};
use inkgrad_models::{Error, Result};
use serde::Serialize;

use crate::args::{Compute, ends_in, within};
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
    /// Where the points go: f32 (N, 2); with --add the new ones alone, f32 (M, 2)
    #[arg(long, value_name = "Y.npy", value_parser = ends_in("npy"))]
    out: PathBuf,
    /// New points, floats (M, d): each is placed in --embedding, whose points stay where they are
    #[arg(long, value_name = "NEW.npy", requires = "embedding", conflicts_with = "init")]
    add: Option<PathBuf>,
    /// Where the points of --input lie in the plane, for --add: f32 (N, 2), such as an earlier --out
    #[arg(long, value_name = "Y.npy", requires = "add")]
    embedding: Option<PathBuf>,
    /// A picture of the points, coloured by class
    #[arg(long, value_name = "P.png", value_parser = ends_in("png"))]
    png: Option<PathBuf>,
    /// How many neighbours a point effectively has
    #[arg(long, value_name = "F", default_value_t = 30.0)]
    perplexity: f64,
    /// Steps of the descent, of which the first 250 exaggerate [default: 1000, of new points 250]
    #[arg(long, value_name = "N", value_parser = within(250..=100_000))]
    iterations: Option<usize>,
    /// Where the points begin: pca (the first two principal components), random, or a file f32 (N, 2), as it is
    #[arg(long, value_name = "pca|random|F.npy", default_value = "pca")]
    init: PathBuf,
    /// How neighbours are looked for: auto (exactly up to 50,000 points, or with a device), exact or approximate, whose recall is measured
    #[arg(
        long,
        value_name = "HOW",
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true,
        conflicts_with = "add"
    )]
    neighbours: Neighbours,
    /// Seed of everything that is drawn at random
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    #[command(flatten)]
    compute: Compute,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Neighbours {
    Auto,
    Exact,
    Approximate,
}

/// Points whose neighbours in the plane are judged; of more a sample is.
const JUDGED: usize = 20_000;
const SAMPLED: usize = 5_000;

/// Steps of the descent where none are given.
const ITERATIONS: usize = 1000;

#[derive(Debug, Serialize)]
struct Embedded {
    rows: usize,
    width: usize,
    perplexity: f64,
    iterations: usize,
    seed: u64,
    kl: f64,
    /// Of neighbours that were looked for approximately.
    recall: Option<f64>,
    trustworthiness: f64,
    trustworthiness_k: usize,
    knn_accuracy: Option<f64>,
    knn_k: Option<usize>,
    /// Points that trustworthiness and accuracy are of.
    judged: usize,
    seconds: f64,
    out: PathBuf,
    png: Option<PathBuf>,
}

impl Tsne {
    pub fn run(self, json: bool) -> anyhow::Result<ExitCode> {
        output::check_all([Some(&self.out), self.png.as_ref()].into_iter().flatten())?;
        let read =
            [Some(&self.input), self.labels.as_ref(), self.add.as_ref(), self.embedding.as_ref(), self.init_file()];
        output::check_apart(&self.out, read.into_iter().flatten())?;
        let (kind, threads) = self.compute.device()?;
        let refused = |with: &str, expected| {
            let problem = format!("{kind} with {with}, which the processor computes alone, expected {expected}");
            Err(Error::input("--device", problem))
        };
        if kind != DeviceKind::Cpu && self.add.is_some() {
            refused("--add", "cpu")?;
        }
        if kind != DeviceKind::Cpu && self.neighbours == Neighbours::Approximate {
            refused("--neighbours approximate", "cpu, or exact ones")?;
        }
        let (rows, width, values) = load_precise_matrix(&self.input)?;
        let name = self.input.display().to_string();
        if let (Some(add), Some(embedding)) = (&self.add, &self.embedding) {
            let plane = load_plane(embedding, rows, &self.input)?;
            let (count, columns, new) = load_precise_matrix(add)?;
            if columns != width {
                let problem = format!("rows of {columns} numbers, expected {width} as in {name}");
                return Err(Error::input(add.display(), problem).into());
            }
            // Of two precisions both are taken as the finer.
            let report = match (values, new) {
                (Floats::F32(values), Floats::F32(new)) => {
                    self.place(Points::new(&name, &values, rows, width)?, &plane, (&new, count), threads)?
                }
                (values, new) => {
                    let (values, new) = (doubles(values), doubles(new));
                    self.place(Points::new(&name, &values, rows, width)?, &plane, (&new, count), threads)?
                }
            };
            output::report(&report, json)?;
            return Ok(ExitCode::SUCCESS);
        }
        let report = match values {
            Floats::F32(values) => self.embed(Points::new(&name, &values, rows, width)?, width, kind, threads)?,
            Floats::F64(values) => self.embed(Points::new(&name, &values, rows, width)?, width, kind, threads)?,
        };
        output::report(&report, json)?;
        Ok(ExitCode::SUCCESS)
    }

    fn embed<T: Real>(self, points: Points<T>, width: usize, kind: DeviceKind, threads: usize) -> Result<Embedded> {
        let rows = points.len();
        let labels = self.load_labels(rows)?;
        let iterations = self.iterations.unwrap_or(ITERATIONS);
        let start = self.init_file().map(|file| match file.exists() {
            true => load_plane(file, rows, &self.input),
            false => {
                let problem = format!("{}, expected pca, random or a file with a place for each row", file.display());
                Err(Error::input("--init", problem))
            }
        });
        let start = start.transpose()?;
        let mut device = kind.open()?;
        let config = TsneConfig {
            perplexity: self.perplexity,
            iterations,
            search: match self.neighbours {
                // A device finds exact ones of any number of points.
                Neighbours::Auto if device.is_none() => Search::Automatic,
                Neighbours::Auto | Neighbours::Exact => Search::Exact,
                Neighbours::Approximate => Search::Approximate,
            },
            start: if self.init.as_os_str() == RANDOM { Start::Random } else { Start::Pca },
            seed: self.seed,
            ..TsneConfig::default()
        };

        let pool = Pool::new(threads);
        let bar = progress::bar("{bar:32} {pos}/{len} iterations, {eta} left");
        bar.set_length(iterations as u64);
        if rows > JUDGED {
            let how = if config.approximates(rows) { "approximate" } else { "exact" };
            output::note(format_args!("looking for the {how} neighbours of {} points", thousands(rows as u64)));
        }
        let (started, mut shown) = (Instant::now(), Instant::now());
        let device = device.as_mut().map(|device| &mut **device as &mut dyn Device);
        let embedding = pool.enter(|team| {
            tsne::embed_from(&config, points, start.as_deref(), device, team, |progress| {
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
        let judged = tsne::sample(rows, if rows > JUDGED { SAMPLED } else { rows }, self.seed);
        let (trustworthiness, knn_accuracy) = pool.enter(|team| {
            let labelled = labels.as_ref().zip(knn_k);
            let accuracy = labelled.map(|(l, k)| tsne::label_accuracy_of(embedded, &l.indices, &judged, k, team));
            (tsne::trustworthiness_of(points, embedded, &judged, trustworthiness_k, team), accuracy)
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
            recall: embedding.recall,
            trustworthiness,
            trustworthiness_k,
            knn_accuracy,
            knn_k,
            judged: judged.len(),
            seconds,
            out: self.out,
            png: self.png,
        })
    }

    /// The file that says where points begin.
    fn init_file(&self) -> Option<&PathBuf> {
        let named = [PCA, RANDOM].iter().any(|name| self.init.as_os_str() == *name);
        (!named).then_some(&self.init)
    }

    /// Places new points in the plane of those that are there.
    fn place<T: Real>(
        self,
        points: Points<T>,
        plane: &[f32],
        (new, count): (&[T], usize),
        threads: usize,
    ) -> Result<PlacedRows> {
        let (rows, add) = (points.len(), self.add.clone().unwrap_or_default());
        let labels = self.load_labels(rows)?;
        let usual = PlaceConfig::default();
        let iterations = self.iterations.unwrap_or(usual.iterations);
        let config = PlaceConfig { perplexity: self.perplexity, iterations };
        let bar = progress::bar("{bar:32} {pos}/{len} points, {eta} left");
        bar.set_length(count as u64);
        let (started, name) = (Instant::now(), add.display().to_string());
        let Placed { points: placed, kl, start_kl } = Pool::new(threads).enter(|team| {
            tsne::place(&config, points, plane, (&name, new), team, |done| bar.set_position(done as u64))
        })?;
        let seconds = started.elapsed().as_secs_f64();
        bar.finish_and_clear();
        save_npy(&self.out, &[count, 2], &placed)?;
        if let Some(path) = &self.png {
            // The new points are a class of their own, behind those that are there.
            let (mut indices, mut classes) = match labels {
                Some(labels) => (labels.indices, labels.classes),
                None => (vec![0; rows], vec!["there before".to_owned()]),
            };
            indices.resize(rows + count, classes.len());
            classes.push("new".to_owned());
            let title = drawable(&format!("{} in the t-SNE of {}", name, self.input.display()), "t-SNE");
            let caption =
                format!("{count} new points among N = {rows}, perplexity {}, KL {kl:.3} a point", self.perplexity);
            let all = [plane, &placed].concat();
            tsne::scatter_png(path, &all, Some(&indices), &classes, Head { title: &title, caption: &caption })?;
        }
        let (perplexity, out, png) = (self.perplexity, self.out, self.png);
        Ok(PlacedRows { rows: count, among: rows, perplexity, iterations, kl, start_kl, seconds, out, png })
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

/// The names of starts that are no files.
const PCA: &str = "pca";
const RANDOM: &str = "random";

/// Places in the plane for the `rows` of `input`, which are not all the same.
fn load_plane(file: &Path, rows: usize, input: &Path) -> Result<Vec<f32>> {
    let (found, width, values) = load_matrix(file)?;
    if (found, width) != (rows, 2) {
        let problem =
            format!("({found}, {width}) numbers, expected ({rows}, 2): a place for each row of {}", input.display());
        return Err(Error::input(file.display(), problem));
    }
    Points::new(&file.display().to_string(), &values, rows, 2)?;
    Ok(values)
}

fn doubles(values: Floats) -> Vec<f64> {
    match values {
        Floats::F32(values) => values.into_iter().map(f64::from).collect(),
        Floats::F64(values) => values,
    }
}

/// The places of new points, and how well they fit.
#[derive(Debug, Serialize)]
struct PlacedRows {
    rows: usize,
    /// The points that were there.
    among: usize,
    perplexity: f64,
    iterations: usize,
    kl: f64,
    start_kl: f64,
    seconds: f64,
    out: PathBuf,
    png: Option<PathBuf>,
}

impl Report for PlacedRows {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let [rows, among] = [self.rows, self.among].map(|n| thousands(n as u64));
        writeln!(out, "{}: {rows} new points among {among}", self.out.display())?;
        writeln!(out, "  kl       {:>9.4}  a point, {:.4} at the median of its neighbours", self.kl, self.start_kl)?;
        writeln!(out, "  seconds  {:>9.2}", self.seconds)?;
        output::picture_line(out, self.png.as_deref(), None, self.rows)
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
        if let Some(recall) = self.recall {
            writeln!(out, "  recall           {recall:>9.4}  of the neighbours, which were looked for approximately")?;
        }
        let sample = match thousands(self.judged as u64) {
            judged if self.judged < self.rows => format!(", on a sample of {judged} points"),
            _ => String::new(),
        };
        writeln!(
            out,
            "  trustworthiness  {:>9.4}  of {} neighbours{sample}",
            self.trustworthiness, self.trustworthiness_k
        )?;
        if let (Some(accuracy), Some(k)) = (self.knn_accuracy, self.knn_k) {
            writeln!(out, "  knn_accuracy     {accuracy:>9.4}  by {k} neighbours' labels{sample}")?;
        }
        writeln!(out, "  seconds          {:>9.2}", self.seconds)?;
        output::picture_line(out, self.png.as_deref(), None, self.rows)
    }
}
