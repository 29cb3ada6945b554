//! `inkgrad score`: how far generated features are from real ones.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::data::load_matrix;
use inkgrad_models::metrics::{self, Extractor, FeatureScores, Options, Scores, Table};
use inkgrad_models::run::config::MOST_THREADS;

use crate::args::{self, within};
use crate::output::{self, Report, thousands};

#[derive(Debug, Args)]
pub struct Score {
    /// Features of real drawings: floats (N, d), as `features` writes them
    #[arg(long, value_name = "F.npy")]
    real: PathBuf,
    /// Features of generated drawings, by the same network
    #[arg(long, value_name = "G.npy")]
    generated: PathBuf,
    /// Logits of the generated drawings, for the Inception Score: floats (N, classes)
    #[arg(long, value_name = "L.npy")]
    logits: Option<PathBuf>,
    /// Compute FID∞ too, which takes as long as fifteen FIDs
    #[arg(long)]
    fid_infinity: bool,
    /// The network that the features are of, for the passport
    #[arg(long, value_name = "NAME", default_value = "unknown")]
    extractor: String,
    /// The SHA-256 of its weights, for the passport
    #[arg(long, value_name = "HEX")]
    weights_sha256: Option<String>,
    /// How drawings were resized for it, for the passport
    #[arg(long, value_name = "RULE")]
    resize: Option<String>,
    /// CPU threads; they change the speed, never the result [default: all]
    #[arg(long, value_name = "N", value_parser = within(1..=MOST_THREADS))]
    threads: Option<usize>,
}

impl Score {
    pub fn run(self, json: bool) -> anyhow::Result<ExitCode> {
        let (real, generated) = (Features::load(self.real)?, Features::load(self.generated)?);
        let logits = self.logits.map(Features::load).transpose()?;
        let logits = logits.as_ref().map(Features::table).transpose()?;
        let extractor = Extractor { name: self.extractor, weights_sha256: self.weights_sha256, resize: self.resize };
        let options = Options { extractor, fid_infinity: self.fid_infinity };
        let (real, generated) = (real.table()?, generated.table()?);
        let measure = || metrics::score(real, generated, logits, &options);
        let scores = metrics::on_threads(args::threads(self.threads), measure)?;
        scores.warnings.iter().for_each(|warning| output::note(format_args!("warning: {warning}")));
        for (score, note) in &scores.notes {
            output::note(format_args!("warning: {score}: {note}"));
        }
        output::report(&scores, json)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A file of features or logits.
struct Features {
    name: String,
    width: usize,
    values: Vec<f32>,
}

impl Features {
    fn load(path: PathBuf) -> inkgrad_models::Result<Self> {
        let (_, width, values) = load_matrix(&path)?;
        Ok(Features { name: path.display().to_string(), width, values })
    }

    fn table(&self) -> inkgrad_models::Result<Table<'_>> {
        Table::new(&self.name, &self.values, self.width)
    }
}

impl Report for Scores {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let passport = &self.passport;
        let (real, generated) = (thousands(passport.real as u64), thousands(passport.generated as u64));
        writeln!(out, "{real} real and {generated} generated rows of {}", passport.width)?;
        writeln!(out, "  {:<12} {:>14} {:>14}", "", "score", "floor")?;
        let floor = passport.floor.as_ref();
        let mut row = |name: &str, value: f64, floor: Option<f64>| {
            let floor = floor.map_or_else(|| "-".to_owned(), |floor| format!("{floor:.6}"));
            writeln!(out, "  {name:<12} {value:>14.6} {floor:>14}")
        };
        type Of = fn(&FeatureScores) -> f64;
        let values: [(&str, Of); 7] = [
            ("FID", |s| s.fid),
            ("KID", |s| s.kid_mean),
            ("  ±", |s| s.kid_std),
            ("precision", |s| s.coverage.precision),
            ("recall", |s| s.coverage.recall),
            ("density", |s| s.coverage.density),
            ("coverage", |s| s.coverage.coverage),
        ];
        for (name, of) in values {
            row(name, of(&self.features), floor.map(of))?;
        }
        if let Some(value) = self.fid_infinity {
            row("FID∞", value, passport.floor_fid_infinity)?;
        }
        if let (Some(mean), Some(std)) = (self.is_mean, self.is_std) {
            row("IS", mean, None)?;
            row("  ±", std, None)?;
        }
        let extractor = &passport.extractor;
        let weights = extractor.weights_sha256.as_deref().unwrap_or("unknown");
        let resize = extractor.resize.as_deref().unwrap_or("unknown");
        writeln!(out, "floor: the same between two disjoint halves of the real rows")?;
        writeln!(out, "extractor {}, weights {weights}, resize {resize}, seed {}", extractor.name, passport.seed)
    }
}
