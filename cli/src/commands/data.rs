//! `inkgrad data`: what a data set holds, and making one.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Subcommand};
use inkgrad_models::data::{self, Dataset, LoadOptions, Origin, SIDES, SplitSummary, Summary, download};
use inkgrad_models::image::text::drawable;
use inkgrad_models::image::{GridOptions, grid};
use inkgrad_models::{Error, Result};
use serde::Serialize;

use crate::args::{ends_in, within};
use crate::output::{self, Report, duration, thousands};
use crate::progress;

#[derive(Debug, Args)]
pub struct Data {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Count and measure the drawings of a data set
    Info(Info),
    /// Fetch the first drawings of classes from Google's Quick, Draw! bucket
    Download(Download),
    /// Write drawings that the program makes itself
    Synth(Synth),
}

#[derive(Debug, Args)]
struct Info {
    /// `builtin` or a folder of drawings
    #[arg(value_name = "D")]
    data: String,
    /// The share of drawings tested on, for data without a split of its own [default: 0.2]
    #[arg(long, value_name = "F", value_parser = fraction)]
    test_fraction: Option<f64>,
    /// Where the randomness of that split and of built-in drawings starts [default: 42]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Leave out drawings that Google's game did not recognise (.ndjson)
    #[arg(long)]
    recognized_only: bool,
    /// The middle square of every picture at so many pixels a side
    #[arg(long, value_name = "N", value_parser = within(SIDES))]
    resize: Option<usize>,
    /// A picture of the first training drawings of each class, a row a class
    #[arg(long, value_name = "P.png", value_parser = ends_in("png"))]
    png: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Download {
    /// Names of classes as Google spells them, such as cat,ice cream
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', required = true)]
    classes: Vec<String>,
    /// Drawings of each class [default: all, some 100,000]
    #[arg(long, value_name = "N", value_parser = within(1..=10_000_000))]
    limit: Option<usize>,
    /// The folder, for a file a class; what is there already is kept, and completed
    #[arg(long, value_name = "D")]
    out: PathBuf,
    /// Where the files are [default: Google's bucket]
    #[arg(long, value_name = "URL", default_value = download::BASE_URL, hide_default_value = true)]
    base_url: String,
}

#[derive(Debug, Args)]
struct Synth {
    /// How many drawings; a fifth of them to test on
    #[arg(long, value_name = "N", value_parser = within(data::builtin::FEWEST..=data::builtin::MOST))]
    n: usize,
    /// The folder, to be made
    #[arg(long, value_name = "D")]
    out: PathBuf,
    /// Where the randomness starts
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
}

fn fraction(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value| 0.0 < *value && *value < 1.0);
    value.ok_or_else(|| "expected a number between 0 and 1".to_owned())
}

impl Data {
    pub fn run(self, json: bool) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Info(info) => output::report(&info.run()?, json)?,
            Command::Download(download) => output::report(&download.run()?, json)?,
            Command::Synth(synth) => output::report(&synth.run()?, json)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Drawings of a class in a picture.
const COLUMNS: usize = 10;
/// The most classes in a picture.
const ROWS: usize = 40;
/// Pixels that a side of a drawing takes in a picture, if it is small.
const SHOWN_SIDE: usize = 84;

#[derive(Debug, Serialize)]
struct Informed {
    #[serde(flatten)]
    summary: Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    png: Option<PathBuf>,
    /// Drawings in the picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    png_images: Option<usize>,
}

impl Info {
    fn run(self) -> Result<Informed> {
        if let Some(path) = &self.png {
            output::check_target(path)?;
            output::check_outside(path, Path::new(&self.data))?;
        }
        let usual = LoadOptions::default();
        let options = LoadOptions {
            test_fraction: self.test_fraction.unwrap_or(usual.test_fraction),
            seed: self.seed.unwrap_or(usual.seed),
            recognized_only: self.recognized_only,
            resize: self.resize,
            ..usual
        };
        let mut dataset = data::load(&self.data, &options)?;
        if dataset.origin.has_own_test() {
            let is_drawn = matches!(dataset.origin, Origin::Builtin { .. });
            let given =
                [("--test-fraction", self.test_fraction.is_some()), ("--seed", self.seed.is_some() && !is_drawn)];
            let unused = given.iter().filter(|(_, given)| *given);
            dataset.left_out.extend(unused.map(|(option, _)| {
                format!("{option} gives way to the {} drawings that {} has to test on", dataset.test.len(), self.data)
            }));
        }
        let png_images = self.png.as_deref().map(|path| contact_sheet(&dataset, path)).transpose()?;
        Ok(Informed { summary: data::describe(&dataset), png: self.png, png_images })
    }
}

/// Draws the first training drawings of each class and returns how many these are.
fn contact_sheet(dataset: &Dataset, path: &Path) -> Result<usize> {
    let (image, train) = (dataset.train.images.extents(), &dataset.train);
    let classes = &dataset.classes[..dataset.classes.len().min(ROWS)];
    let mut firsts = vec![Vec::new(); classes.len()];
    for (i, &label) in train.labels.iter().enumerate().take(dataset.trained_on()) {
        if let Some(row) = firsts.get_mut(label).filter(|row| row.len() < COLUMNS) {
            row.push(i);
        }
    }
    let columns = firsts.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let mut cells = vec![0.0; classes.len() * columns * image.len()];
    for (row, firsts) in cells.chunks_exact_mut(columns * image.len()).zip(&firsts) {
        train.gather(firsts, &mut row[..firsts.len() * image.len()]);
    }
    let names: Vec<String> =
        classes.iter().enumerate().map(|(class, name)| drawable(name, &format!("class {class}"))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let title = drawable(&format!("{}: training drawings", dataset.name), "training drawings");
    let of = match dataset.classes.len() {
        n if n > ROWS => format!("the first {ROWS} of {} classes", thousands(n as u64)),
        _ => "each class".to_owned(),
    };
    let caption = format!("the first {columns} of {of}, {} to train on in all", thousands(dataset.trained_on() as u64));
    let scale = (SHOWN_SIDE / image.height.max(image.width)).max(1);
    let options =
        GridOptions { image, scale, row_labels: &names, title: &title, caption: &caption, ..GridOptions::default() };
    grid(&cells, columns, &options).save_png(path)?;
    Ok(firsts.iter().map(Vec::len).sum())
}

impl Report for Informed {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.summary.text(out)?;
        output::picture_line(out, self.png.as_deref(), self.png_images, self.summary.train.images)
    }
}

impl Report for Summary {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let count = |n: usize| format!(" {:>9}", thousands(n as u64));
        let middle = |n: Option<usize>| n.map(count).unwrap_or_default();
        writeln!(out, "{}: {}", self.name, self.origin)?;
        writeln!(out, "  pictures of {}", self.extents)?;
        let validation = if self.validation.is_some() { format!(" {:>9}", "val") } else { String::new() };
        writeln!(out, "  {:<20} {:>9}{validation} {:>9}", "class", "train", "test")?;
        let mut row = |name: &str, train: usize, validation: Option<usize>, test: usize| {
            writeln!(out, "  {name:<20}{}{}{}", count(train), middle(validation), count(test))
        };
        self.classes.iter().try_for_each(|class| row(&class.name, class.train, class.validation, class.test))?;
        row("all", self.train.images, self.validation.as_ref().map(|part| part.images), self.test.images)?;
        for (name, split) in
            [("train", Some(&self.train)), ("val", self.validation.as_ref()), ("test", Some(&self.test))]
        {
            let Some(split) = split else { continue };
            let SplitSummary { pixel_type, mean, standard_deviation, ink, .. } = split;
            let (Some(mean), Some(deviation), Some(ink)) = (mean, standard_deviation, ink) else {
                writeln!(out, "  {name:<5} none")?;
                continue;
            };
            let ink = 100.0 * ink;
            writeln!(
                out,
                "  {name:<5} {pixel_type}, mean {mean:.4}, standard deviation {deviation:.4}, {ink:.1} % of pixels inked"
            )?;
        }
        match self.test_also_in_train {
            _ if self.test.images == 0 => Ok(()),
            0 => writeln!(out, "  no test drawing is a training drawing too"),
            n => writeln!(out, "  {} test drawings are training drawings too", thousands(n as u64)),
        }?;
        self.left_out.iter().try_for_each(|line| writeln!(out, "  {line}"))
    }
}

impl Download {
    fn run(self) -> Result<download::Report> {
        output::check_folder(&self.out)?;
        let options = download::Download {
            base_url: self.base_url,
            ..download::Download::new(self.classes, self.limit, self.out)
        };
        let bar = progress::bar("{msg}: {wide_bar} {human_pos}/{human_len} drawings, {eta} left");
        let mut shown = Instant::now();
        let report = download::download(&options, &mut |progress| match progress {
            download::Progress::Rows { class, done, wanted } => {
                bar.set_length(wanted as u64);
                bar.set_position(done as u64);
                bar.set_message(class.to_owned());
                if bar.is_hidden() && shown.elapsed() >= progress::INTERVAL {
                    shown = Instant::now();
                    output::note(format_args!("{class}: {done} of {wanted} drawings"));
                }
            }
            download::Progress::Retry { class, reason, next_try, tries, wait } => {
                let wait = duration(wait.as_secs_f64());
                progress::line(&bar, &format!("{class}: {reason}; try {next_try} of {tries} in {wait}"));
            }
            download::Progress::Done(class) => {
                progress::line(&bar, &format!("{}: {} drawings", class.class, thousands(class.rows as u64)));
            }
        });
        bar.finish_and_clear();
        report
    }
}

impl Report for download::Report {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.classes.iter().try_for_each(|class| {
            let (rows, fetched) = (thousands(class.rows as u64), thousands(class.fetched as u64));
            let of = class.available.map_or(String::new(), |available| format!(" of {}", thousands(available as u64)));
            writeln!(out, "{}: {rows} drawings{of}, {fetched} fetched now", class.path.display())
        })
    }
}

#[derive(Debug, Serialize)]
struct Synthesised {
    data: String,
    synthetic: bool,
    train: usize,
    test: usize,
    classes: Vec<String>,
    seed: u64,
    out: PathBuf,
}

impl Synth {
    fn run(self) -> Result<Synthesised> {
        if self.out.is_file() {
            return Err(Error::input(self.out.display(), "is a file, expected a new or an empty folder"));
        }
        output::check_folder(&self.out)?;
        let dataset = data::builtin(self.n, self.seed)?;
        data::write_course(&dataset, &self.out)?;
        Ok(Synthesised {
            data: dataset.name,
            synthetic: true,
            train: dataset.train.len(),
            test: dataset.test.len(),
            classes: dataset.classes,
            seed: self.seed,
            out: self.out,
        })
    }
}

impl Report for Synthesised {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let (train, test) = (thousands(self.train as u64), thousands(self.test as u64));
        let (classes, seed) = (self.classes.join(", "), self.seed);
        writeln!(out, "{}: {}, {train} to train on, {test} to test on", self.out.display(), self.data)?;
        writeln!(out, "  {classes}; seed {seed}; no person drew them")
    }
}
