//! `inkgrad features`: what the scores compare, of a network's last layers.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Instant;

use clap::Args;
use inkgrad_models::data::{Images, save_npy};
use inkgrad_models::features::{Cache, Extractor, Provenance, sha256};
use inkgrad_models::inception::Resize;
use inkgrad_models::ranks::{agree, check_same, program};
use inkgrad_models::run::config::DeviceKind;
use inkgrad_models::trainer::Which;
use inkgrad_models::{Error, Models};
use serde::Serialize;

use crate::args::{Compute, ends_in};
use crate::distributed::{self, Distributed};
use crate::output::{self, Report, thousands};
use crate::progress::Parts;
use crate::session;

#[derive(Debug, Args)]
pub struct Features {
    /// The network that makes the features: inception or classifier
    #[arg(long, value_name = "NETWORK")]
    network: Network,
    /// InceptionV3's weights, FID's or torchvision's, or a classifier's run
    #[arg(long, value_name = "F.pth|F.safetensors|RUN")]
    weights: PathBuf,
    /// A run's weights: last, best or ema [default: best where a share was kept for validation]
    #[arg(long, value_name = "WHICH")]
    run_weights: Option<Which>,
    /// Drawings: uint8 or floats in [0, 1], (N, height, width[, channels]), or Google's (N, 784)
    #[arg(long, value_name = "X.npy")]
    images: PathBuf,
    /// Where the features go: f32 (N, 2048), or (N, units) of a classifier's last hidden layer
    #[arg(long, value_name = "F.npy", value_parser = ends_in("npy"))]
    out: PathBuf,
    /// Where the logits go: f32 (N, classes)
    #[arg(long, value_name = "L.npy", value_parser = ends_in("npy"))]
    logits: Option<PathBuf>,
    /// Leave the last layer's bias out of the logits, as torch-fidelity's Inception Score takes them
    #[arg(long, requires = "logits")]
    no_bias: bool,
    /// How InceptionV3's drawings are enlarged: tf1 (as torch-fidelity), half-pixel (pytorch-fid) or bicubic (clean-fid)
    /// [default: tf1]
    #[arg(long, value_name = "RULE")]
    resize: Option<Resize>,
    /// Where features are kept for the next time [default: inkgrad/features in the user's folder for caches]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Make the features anew and keep none
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
    /// Make them together with the other processes that mpirun has started, over MPI, each some of the drawings
    #[arg(long, value_name = "mpi", hide_possible_values = true)]
    distributed: Option<Distributed>,
    #[command(flatten)]
    compute: Compute,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Network {
    Inception,
    Classifier,
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "inception" => Ok(Network::Inception),
            "classifier" => Ok(Network::Classifier),
            _ => Err(format!("unknown network `{text}`, expected inception or classifier")),
        }
    }
}

#[derive(Debug, Serialize)]
struct Made {
    images: usize,
    width: usize,
    #[serde(flatten)]
    passport: Provenance,
    /// The time that making the features took, or finding them in the cache.
    seconds: f64,
    out: PathBuf,
    logits: Option<PathBuf>,
}

impl Features {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        let ranks = distributed::start(self.distributed)?;
        // The first alone looks at the targets, and all of them stop where it may not write.
        let targets = [Some(&self.out), self.logits.as_ref()];
        let free = || {
            output::check_all(targets.into_iter().flatten())?;
            targets.into_iter().flatten().try_for_each(|target| output::check_apart(target, [&self.images]))
        };
        agree(&*ranks, if ranks.is_root() { free() } else { Ok(()) })?;
        let opened = self.open(models, ranks.size());
        let (images, mut extractor, cache, said) = agree(&*ranks, opened)?;
        if ranks.size() > 1 {
            let drawings = agree(&*ranks, sha256(&self.images))?;
            let weights = extractor.provenance().weights_sha256.clone();
            let facts = [
                program(&*ranks)?,
                ("has other drawings: SHA-256", drawings),
                ("has other weights: SHA-256", weights),
                ("has another setting: resize =", format!("{:?}", self.resize)),
            ];
            check_same(&*ranks, &facts)?;
        }
        let mut progress = Parts::new("drawings", images.len());
        let started = Instant::now();
        let features = extractor.features_among(&images, &cache, &*ranks, &mut |done| progress.advance(done));
        progress.finish();
        let (features, seconds) = (features?, started.elapsed().as_secs_f64());
        if !ranks.is_root() {
            return Ok(ExitCode::SUCCESS);
        }
        session::say_cache(&cache);
        save_npy(&self.out, &[features.len(), features.width], &features.values)?;
        if let Some(path) = &self.logits {
            let logits = if self.no_bias { features.unbiased.clone() } else { features.logits() };
            save_npy(path, &[features.len(), features.classes()], &logits)?;
        }
        let report = Made {
            images: features.len(),
            width: features.width,
            passport: extractor.provenance().clone(),
            seconds,
            out: self.out,
            logits: self.logits,
        };
        said.iter().for_each(output::note);
        output::report(&report, json)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The drawings, the network, where its features are kept, and the line that says which weights it has.
    fn open(
        &self,
        models: &Models,
        ranks: usize,
    ) -> inkgrad_models::Result<(Images, Extractor, Cache, Option<String>)> {
        let (device, _) = self.compute.device()?;
        let threads = distributed::threads_among(self.compute.asked_threads(), ranks);
        if self.network == Network::Classifier
            && let Some(rule) = self.resize
        {
            let problem = format!("{rule} for a classifier, expected none: drawings keep their size");
            return Err(Error::input("--resize", problem));
        }
        if let (Network::Inception, Some(which)) = (self.network, self.run_weights) {
            let problem = format!("{which} for InceptionV3, expected a classifier's run");
            return Err(Error::input("--run-weights", problem));
        }
        let images = session::load_images(&self.images)?;
        let mut said = None;
        let mut extractor = match self.network {
            Network::Inception => Extractor::inception(&self.weights, self.resize.unwrap_or(Resize::Tf1), threads)?,
            Network::Classifier => {
                let (extractor, note) = Extractor::classifier(models, &self.weights, self.run_weights, threads)?;
                said = note;
                extractor
            }
        };
        extractor = extractor.on(device)?;
        // Features that are kept are the processor's: elsewhere rounding is another.
        let cache = match (self.cache.as_ref(), device) {
            (Some(folder), DeviceKind::Cpu) => Cache::at(folder),
            (Some(folder), _) => {
                let problem = format!("{}: features by {device} are not kept, expected none", folder.display());
                return Err(Error::input("--cache", problem));
            }
            (None, DeviceKind::Cpu) if !self.no_cache => Cache::default_place(),
            (None, _) => Cache::none(),
        };
        Ok((images, extractor, cache, said))
    }
}

impl Report for Made {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let images = thousands(self.images as u64);
        let Provenance { extractor, weights_sha256, resize } = &self.passport;
        writeln!(out, "{}: {} features of {images} drawings", self.out.display(), self.width)?;
        if let Some(path) = &self.logits {
            writeln!(out, "{}: their logits", path.display())?;
        }
        let enlarged = resize.map_or_else(String::new, |rule| format!(", drawings enlarged by {rule}"));
        writeln!(out, "  by {extractor}{enlarged}, weights {weights_sha256}")
    }
}
