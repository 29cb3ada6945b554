//! `inkgrad evaluate`: all scores of one model.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::Models;
use inkgrad_models::data::Dataset;
use inkgrad_models::metrics::classifier::{Interval, Verdict};
use inkgrad_models::ranks::{Ranks, agree, check_same, program};
use inkgrad_models::run::atomic;
use inkgrad_models::sampler::Sampler;
use inkgrad_models::study::{self, Evaluation, Options, Subject};
use serde::Serialize;

use crate::args::{Compute, WeightsArgs, ends_in, within};
use crate::distributed::{self, Distributed};
use crate::judge::{itself, judge};
use crate::output::{self, Report, thousands};
use crate::progress::{self, number};
use crate::study::{InceptionArgs, Subjected, shared_data};

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
    #[command(flatten)]
    measures: Measures,
    /// How latents are drawn: prior (or vamp, one that was learnt), or gmm:K, gmm:K:diagonal, aggregate or codes (of a codebook),
    /// fitted on training drawings
    #[arg(long, value_name = "NAME", default_value_t = Sampler::Prior)]
    sampler: Sampler,
    /// Where samples start
    #[arg(long, value_name = "N", default_value_t = SEED)]
    seed: u64,
    /// Where the scores go
    #[arg(long, value_name = "E.json", value_parser = ends_in("json"))]
    out: PathBuf,
    #[command(flatten)]
    inception: InceptionArgs,
    #[command(flatten)]
    weights: WeightsArgs,
    /// Measure together with the other processes that mpirun has started, over MPI: the same digits in less time
    #[arg(long, value_name = "mpi", hide_possible_values = true)]
    distributed: Option<Distributed>,
    #[command(flatten)]
    compute: Compute,
}

/// Samples to score unless told otherwise: a thousand for each of five classes.
pub const SAMPLES: usize = 5_000;
/// Where samples start unless told otherwise.
pub const SEED: u64 = 42;

/// How much of a run is measured.
#[derive(Debug, Args)]
pub struct Measures {
    /// Samples to score of each model
    #[arg(long, value_name = "N", default_value_t = SAMPLES, value_parser = within(10..=1_000_000))]
    samples: usize,
    /// Test drawings of which -ln p(x) is estimated, and importance samples for each; or none
    #[arg(long, value_name = "N:K", default_value = "20:500", value_parser = drawings_and_samples)]
    nll: (usize, usize),
}

impl Measures {
    /// As the measures of a study take them.
    pub fn options(&self, seed: u64, threads: usize) -> Options {
        Options { samples: self.samples, mapped: 1_000, likelihood: self.nll, seed, threads }
    }
}

/// `N:K`, both at least 1, or `none` as 0:0.
fn drawings_and_samples(text: &str) -> Result<(usize, usize), String> {
    if text == "none" {
        return Ok((0, 0));
    }
    let parsed = text.split_once(':').and_then(|(drawings, samples)| {
        let (drawings, samples) = (drawings.parse().ok()?, samples.parse().ok()?);
        (drawings > 0 && (1..=1_000_000).contains(&samples)).then_some((drawings, samples))
    });
    parsed.ok_or_else(|| "expected drawings:samples as in 20:500, of at most 1000000 samples, or none".to_owned())
}

#[derive(Serialize)]
struct Evaluated {
    #[serde(flatten)]
    evaluation: Evaluation,
    out: PathBuf,
}

impl Evaluate {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        let ranks = distributed::start(self.distributed)?;
        let ranks = &*ranks;
        // The first alone writes, and all of them stop where it may not.
        agree(ranks, if ranks.is_root() { output::check_target(&self.out) } else { Ok(()) })?;
        let threads = distributed::threads_among(self.compute.asked_threads(), ranks.size());
        let (mut run, dataset, inception) = agree(ranks, self.open(models, threads))?;
        if ranks.size() > 1 {
            self.check_ranks(&run, &dataset, inception.as_ref(), ranks)?;
        }
        let device = run.inference.device();
        // Refusals come before a judge is trained on the spot; one that is given is looked at before anything is fitted.
        // A classifier needs no other.
        let trains = self.classifier.is_none() && run.inference.network().is_autoencoder();
        let fitted = if trains { Some(run.sampler(self.sampler, &dataset, ranks)?) } else { None };
        let judge = match &self.classifier {
            None if !trains => agree(ranks, itself(models, &self.run, self.weights.asked(), threads))?,
            given => judge(models, given.as_deref(), &[], &dataset, (self.seed, threads), ranks)?,
        };
        let mut judge = agree(ranks, judge.on(device))?;
        check_same(ranks, &[("has another judge: SHA-256 of its weights", judge.sha256.clone())])?;
        judge.inception = inception;
        let options = self.measures.options(self.seed, threads);
        run.say_weights();
        let sampler = match fitted {
            Some(sampler) => sampler,
            None => run.sampler(self.sampler, &dataset, ranks)?,
        };
        if ranks.size() > 1 && run.inference.network().is_autoencoder() {
            output::note("the map of latents is made by rank 0 alone: t-SNE is not shared");
        }
        let subject = Subject { config: &run.config, inference: &mut run.inference, sampler: sampler.as_ref() };
        let mut watch = progress::parts();
        let evaluation = study::evaluate_among(subject, &dataset, &mut judge, options, ranks, &mut watch)?;
        if !ranks.is_root() {
            return Ok(ExitCode::SUCCESS);
        }
        atomic::write(&self.out, |file| {
            serde_json::to_writer_pretty(&mut *file, &evaluation)?;
            writeln!(file)
        })?;
        output::report(&Evaluated { evaluation, out: self.out }, json)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The run, its drawings, and InceptionV3 where it is asked for.
    fn open(
        &self,
        models: &Models,
        threads: usize,
    ) -> inkgrad_models::Result<(Subjected, Dataset, Option<study::Inception>)> {
        let (device, _) = self.compute.device()?;
        let mut run = Subjected::open(models, &self.run, self.weights.asked(), (device, threads))?;
        run.check_sampler(self.sampler)?;
        // A file that is not there is said before drawings are loaded.
        let inception = self.inception.load(threads)?;
        let dataset = shared_data(std::slice::from_mut(&mut run), self.data.as_deref(), self.data_changed)?;
        Ok((run, dataset, inception))
    }

    /// Refuses ranks of another program, run, data or other settings than the first one's.
    fn check_ranks(
        &self,
        run: &Subjected,
        dataset: &Dataset,
        inception: Option<&study::Inception>,
        ranks: &dyn Ranks,
    ) -> inkgrad_models::Result<()> {
        let Evaluate { measures: Measures { samples, nll }, sampler, seed, classifier, .. } = self;
        let (device, judge) = (run.inference.device(), if classifier.is_some() { "given" } else { "trained" });
        let inception = inception.map(|inception| format!("{:?}", inception.source())).unwrap_or_default();
        let settings = format!(
            "samples = {samples}\nnll = {nll:?}\nsampler = {sampler}\nseed = {seed}\njudge = {judge}\ndevice = {device}"
        );
        let facts = [
            program(ranks)?,
            ("has other weights: SHA-256", study::fingerprint(run.inference.network())),
            ("has other data: SHA-256", dataset.fingerprint()),
            ("has another InceptionV3:", inception),
            ("has another setting:", settings),
        ];
        check_same(ranks, &facts)
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
