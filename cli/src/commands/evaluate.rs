//! `inkgrad evaluate`: all scores of one model.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::Models;
use inkgrad_models::metrics::classifier::{Interval, Verdict};
use inkgrad_models::run::atomic;
use inkgrad_models::sampler::Sampler;
use inkgrad_models::study::{self, Evaluation, Options, Subject};
use serde::Serialize;

use crate::args::{Compute, WeightsArgs, within};
use crate::output::{self, Report, thousands};
use crate::progress::{self, number};
use crate::study::{InceptionArgs, Subjected, judge, shared_data};

#[derive(Debug, Args)]
pub struct Evaluate {
    /// The run's folder
    #[arg(long, value_name = "RUN")]
    run: PathBuf,
    /// `builtin` or a folder of drawings [default: what the run was trained on]
    #[arg(long, value_name = "D")]
    data: Option<String>,
    /// Other drawings in the run's data folder than it began with are meant
    #[arg(long)]
    data_changed: bool,
    /// A classifier's run to judge samples with [default: one is trained on the spot]
    #[arg(long, value_name = "RUN")]
    classifier: Option<PathBuf>,
    /// Samples to score
    #[arg(long, value_name = "N", default_value_t = SAMPLES, value_parser = within(10..=1_000_000))]
    samples: usize,
    /// How latents are drawn: prior (or vamp, one that was learnt), or gmm:K, gmm:K:diagonal, aggregate or codes (of a codebook),
    /// fitted on training drawings
    #[arg(long, value_name = "NAME", default_value_t = Sampler::Prior)]
    sampler: Sampler,
    /// Where samples start
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,
    /// Where the scores go
    #[arg(long, value_name = "E.json")]
    out: PathBuf,
    #[command(flatten)]
    inception: InceptionArgs,
    #[command(flatten)]
    weights: WeightsArgs,
    #[command(flatten)]
    compute: Compute,
}

/// Samples to score unless told otherwise: a thousand for each of five classes.
pub const SAMPLES: usize = 5_000;
/// Where samples start unless told otherwise.
pub const SEED: u64 = 42;

/// The measures for a single run.
pub fn options(samples: usize, seed: u64, threads: usize) -> Options {
    Options { samples, mapped: 1_000, likelihood: (20, 500), seed, threads }
}

#[derive(Serialize)]
struct Evaluated {
    #[serde(flatten)]
    evaluation: Evaluation,
    out: PathBuf,
}

impl Evaluate {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        output::check_target(&self.out)?;
        let (device, threads) = self.compute.device()?;
        let runs = &mut [Subjected::open(models, &self.run, self.weights.asked(), (device, threads))?];
        let dataset = shared_data(runs, self.data.as_deref(), self.data_changed)?;
        let inception = self.inception.load(threads)?;
        let mut judge = judge(models, self.classifier.as_deref(), &[], &dataset, self.seed, threads)?.on(device)?;
        judge.inception = inception;
        let options = options(self.samples, self.seed, threads);
        let [run] = runs;
        run.say_weights();
        let sampler = run.sampler(self.sampler, &dataset)?;
        let subject = Subject { config: &run.config, inference: &mut run.inference, sampler: sampler.as_ref() };
        let evaluation = study::evaluate(subject, &dataset, &mut judge, options, &mut progress::parts())?;
        atomic::write(&self.out, |file| {
            serde_json::to_writer_pretty(&mut *file, &evaluation)?;
            writeln!(file)
        })?;
        output::report(&Evaluated { evaluation, out: self.out }, json)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Report for Evaluated {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Evaluation { model, data, generated, scores, latents, likelihood, recognition, transfer, .. } =
            &self.evaluation;
        writeln!(out, "{}: {model} on {data}; scored: {generated}", self.out.display())?;
        for score in scores {
            let value = score.value.map_or("–".to_owned(), number);
            let std = score.std.map_or(String::new(), |std| format!(" ± {}", number(std)));
            let floor = score.passport.floor.map_or(String::new(), |floor| format!(", floor {}", number(floor)));
            let (real, generated) = (score.passport.n_real as u64, score.passport.n_generated as u64);
            let note = score.note.as_ref().map_or(String::new(), |note| format!("; {note}"));
            let n = format!("N {} and {}", thousands(real), thousands(generated));
            writeln!(out, "  {:20} {value}{std}{floor} ({n}, {}){note}", score.name, score.passport.extractor)?;
        }
        if let Some(latents) = latents {
            writeln!(out, "  active units: {} of {}", latents.active, latents.kl.len())?;
        }
        if let Some(likelihood) = likelihood {
            let (n, samples) = (likelihood.n, likelihood.samples);
            let (nll, elbo) = (number(likelihood.nll), number(likelihood.elbo));
            writeln!(out, "  -ln p(x) at most {nll}, ELBO {elbo} ({n} binarised drawings, {samples} samples each)")?;
        }
        if let Some(recognition) = recognition {
            let Verdict { accuracy, accuracy_interval: Interval { low, high }, confidence, .. } = recognition.all;
            writeln!(out, "  recognised: {accuracy:.4} [{low:.4}, {high:.4}], mean confidence {confidence:.4}")?;
        }
        if let Some(transfer) = transfer {
            let (samples, real) = (transfer.samples_to_real.accuracy, transfer.real_to_samples.accuracy);
            writeln!(out, "  trained on samples, tested on real: {samples:.4}; the reverse: {real:.4}")?;
        }
        Ok(())
    }
}
