//! `inkgrad data`: what a data set holds, and making one.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Args, Subcommand};
use inkgrad_models::data::{self, LoadOptions, Summary, download};
use inkgrad_models::{Error, Result};
use serde::Serialize;

use crate::args::within;
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
    /// The share of drawings tested on, for data without a split of its own
    #[arg(long, value_name = "F", default_value_t = 0.2, value_parser = fraction)]
    test_fraction: f64,
    /// Where the randomness of that split and of built-in drawings starts
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// Leave out drawings that Google's game did not recognise (.ndjson)
    #[arg(long)]
    recognized_only: bool,
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
    /// Where the files are
    #[arg(long, value_name = "URL", default_value = download::BASE_URL)]
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
            Command::Info(info) => {
                let options = LoadOptions {
                    test_fraction: info.test_fraction,
                    seed: info.seed,
                    recognized_only: info.recognized_only,
                    ..LoadOptions::default()
                };
                output::report(&data::describe(&data::load(&info.data, &options)?), json)?;
            }
            Command::Download(download) => output::report(&download.run()?, json)?,
            Command::Synth(synth) => output::report(&synth.run()?, json)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Report for Summary {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}: {}", self.name, self.origin)?;
        writeln!(out, "  pictures of {}", self.extents)?;
        writeln!(out, "  {:<20} {:>9} {:>9}", "class", "train", "test")?;
        let mut row = |name: &str, train: usize, test: usize| {
            writeln!(out, "  {name:<20} {:>9} {:>9}", thousands(train as u64), thousands(test as u64))
        };
        self.classes.iter().try_for_each(|class| row(&class.name, class.train, class.test))?;
        row("all", self.train.images, self.test.images)?;
        for (name, split) in [("train", &self.train), ("test", &self.test)] {
            writeln!(
                out,
                "  {name:<5} {}, mean {:.4}, standard deviation {:.4}, {:.1} % of pixels inked",
                split.pixel_type,
                split.mean,
                split.standard_deviation,
                split.ink * 100.0
            )?;
        }
        match self.test_also_in_train {
            0 => writeln!(out, "  no test drawing is a training drawing too"),
            n => writeln!(out, "  {} test drawings are training drawings too", thousands(n as u64)),
        }
    }
}

impl Download {
    fn run(self) -> Result<download::Report> {
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
