//! `inkgrad report`: one page about given runs.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::Models;
use inkgrad_models::ranks::Solo;
use serde::Serialize;

use super::evaluate::{Measures, SEED};
use crate::args::{Compute, WeightsArgs, ends_in};
use crate::judge::judge;
use crate::output::{self, Report, quoted};
use crate::report::{self, Examined, Files, Material};
use crate::series;
use crate::study::{InceptionArgs, Subjected, shared_data, tell_apart};

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The runs' folders, in the order of the report; a folder of `train --seeds` is all of its runs
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// `builtin` or a folder of drawings [default: what the first run was trained on]
    #[arg(long, value_name = "D")]
    data: Option<String>,
    /// The page; Markdown (.md), numbers (.json) and a folder of figures go beside it
    #[arg(long, value_name = "R.html", value_parser = ends_in("html"))]
    out: PathBuf,
    /// A classifier's run to judge samples with [default: one of the runs, else one is trained on the spot]
    #[arg(long, value_name = "RUN")]
    classifier: Option<PathBuf>,
    /// Other drawings in the run's data folder than it began with are meant
    #[arg(long)]
    data_changed: bool,
    #[command(flatten)]
    measures: Measures,
    /// Replace files in the way that are no reports
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    inception: InceptionArgs,
    #[command(flatten)]
    weights: WeightsArgs,
    #[command(flatten)]
    compute: Compute,
}

/// The files written.
#[derive(Debug, Serialize)]
pub struct Reported {
    /// Runs on the page.
    pub runs: usize,
    /// The page.
    pub html: PathBuf,
    /// The same as Markdown.
    pub markdown: PathBuf,
    /// Every number.
    pub json: PathBuf,
    /// The folder of figures.
    pub figures: PathBuf,
}

impl ReportArgs {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        let files = Files::of(&self.out);
        files.check(self.force, "a new name (or --force)")?;
        let (device, threads) = self.compute.device()?;
        let mut runs = self
            .runs
            .iter()
            .flat_map(|path| series::runs_at(path))
            .map(|path| Subjected::open(models, &path, self.weights.asked(), (device, threads)))
            .collect::<inkgrad_models::Result<Vec<_>>>()?;
        tell_apart(&mut runs)?;
        let dataset = shared_data(&mut runs, self.data.as_deref(), self.data_changed)?;
        let inception = self.inception.load(threads)?;
        let mut judge =
            judge(models, self.classifier.as_deref(), &runs, &dataset, (SEED, threads), &Solo)?.on(device)?;
        judge.inception = inception;
        let options = self.measures.options(SEED, threads);
        let count = runs.len();
        let mut examined = Vec::with_capacity(count);
        for (i, mut run) in runs.into_iter().enumerate() {
            output::note(format_args!("[{}/{count}] scores and drawings of {}", i + 1, run.label()));
            run.say_weights();
            let evaluation = run.evaluate(&dataset, &mut judge, options)?;
            examined.push(Examined::gather(run, evaluation, &dataset, &mut judge)?);
        }
        let command = command_line();
        let material = Material::new(models, &dataset, examined, &mut judge, options, command)?;
        report::compose(&material, &files)?.write()?;
        output::report(&Reported::new(count, files), json)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Reported {
    /// The facts that are told of a report.
    pub fn new(runs: usize, files: Files) -> Self {
        let Files { html, markdown, json, figures } = files;
        Reported { runs, html, markdown, json, figures }
    }
}

/// The command that is running, as it can be typed again.
pub fn command_line() -> String {
    let words = std::env::args_os().skip(1).map(|word| quoted(&word.to_string_lossy()));
    ["inkgrad".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

impl Report for Reported {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Reported { runs, html, markdown, json, figures } = self;
        let runs = if *runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
        writeln!(out, "{}: {runs}, opens in any browser", html.display())?;
        let (markdown, json, figures) = (markdown.display(), json.display(), figures.display());
        writeln!(out, "  the same as Markdown in {markdown}, every number in {json}, figures in {figures}")
    }
}
