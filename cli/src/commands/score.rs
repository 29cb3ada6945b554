//! `inkgrad score`: how far generated drawings are from real ones, by their features.

mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use inkgrad_models::data::{Images, Source, load_matrix};
use inkgrad_models::features::pictures::{Pictures, same_size};
use inkgrad_models::features::{Cache, Extractor, Provenance, sha256, to_all};
use inkgrad_models::inception::Resize;
use inkgrad_models::metrics::{self, FeatureSource, Options, Table};
use inkgrad_models::ranks::{Ranks, agree, check_same, program};
use inkgrad_models::run::config::MOST_THREADS;
use inkgrad_models::trainer::Which;
use inkgrad_models::{Error, Models, Result};

use crate::args::within;
use crate::distributed::{self, Distributed};
use crate::output;
use crate::progress::Parts;
use crate::session;

/// Features are given as arrays, or are made here by a network: of folders of PNG and JPEG files, or of arrays of drawings.
#[derive(Debug, Args)]
pub struct Score {
    /// Real drawings: a folder of pictures, or an array, with no network of features (N, d) as `features` writes them
    #[arg(long, value_name = "DIR|F.npy")]
    real: PathBuf,
    /// Generated drawings, alike
    #[arg(long, value_name = "DIR|F.npy")]
    generated: PathBuf,
    /// Source of drawings' features: inception or classifier, with --weights, or pixels, as they are
    #[arg(long, value_name = "NETWORK", hide_possible_values = true)]
    network: Option<Network>,
    /// InceptionV3's weights, FID's or torchvision's, or a classifier's run
    #[arg(long, value_name = "F.pth|F.safetensors|RUN", requires = "network")]
    weights: Option<PathBuf>,
    /// A classifier's run, in place of --network classifier --weights RUN
    #[arg(long, value_name = "RUN", conflicts_with = "network")]
    classifier: Option<PathBuf>,
    /// A run's weights: last, best or ema [default: best where a share was kept for validation]
    #[arg(long, value_name = "WHICH")]
    run_weights: Option<Which>,
    /// The same as --network pixels
    #[arg(value_name = "pixels", value_parser = ["pixels"], hide_possible_values = true, conflicts_with_all = ["network", "classifier"])]
    pixels: Option<String>,
    /// Logits of the generated drawings, for the Inception Score: floats (N, classes) [default: the network's]
    #[arg(long, value_name = "L.npy")]
    logits: Option<PathBuf>,
    /// Compute FID∞ too, which takes as long as fifteen FIDs
    #[arg(long)]
    fid_infinity: bool,
    /// The network that given features are of, for the passport
    #[arg(long, value_name = "NAME", default_value = "unknown", conflicts_with_all = ["network", "classifier", "pixels"])]
    extractor: String,
    /// The SHA-256 of its weights, for the passport
    #[arg(long, value_name = "HEX", value_parser = hexadecimal, conflicts_with_all = ["network", "classifier", "pixels"])]
    weights_sha256: Option<String>,
    /// How InceptionV3's pictures are resized: tf1 (as torch-fidelity), half-pixel (pytorch-fid) or bicubic (clean-fid)
    /// [default: tf1]; of given features for the passport
    #[arg(long, value_name = "RULE")]
    resize: Option<String>,
    /// Where features are kept for the next time [default: inkgrad/features in the user's folder for caches]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Make the features anew and keep none
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
    /// Score together with the other processes that mpirun has started, over MPI: the same digits in less time
    #[arg(long, value_name = "mpi", hide_possible_values = true)]
    distributed: Option<Distributed>,
    /// CPU threads; they change the speed, never the result [default: all]
    #[arg(long, value_name = "N", value_parser = within(1..=MOST_THREADS))]
    threads: Option<usize>,
}

/// A SHA-256 in lower case.
fn hexadecimal(text: &str) -> Result<String, String> {
    let good = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    if good { Ok(text.to_lowercase()) } else { Err("expected the 64 hexadecimal digits of a SHA-256".to_owned()) }
}

/// The extractor that leaves drawings as they are, in passports.
const PIXELS: &str = "pixels";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Network {
    Inception,
    Classifier,
    Pixels,
}

impl Score {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        let ranks = distributed::start(self.distributed)?;
        let ranks = &*ranks;
        let threads = distributed::threads_among(self.threads, ranks.size());
        let Inputs { real, generated, logits, mut extractor, source } = agree(ranks, self.open(models, threads))?;
        if ranks.size() > 1 {
            self.check_ranks(extractor.as_ref(), ranks)?;
        }
        let mut rows = |side, path| self.rows(side, path, extractor.as_mut(), ranks);
        let (real, generated) = (rows(real, &self.real)?, rows(generated, &self.generated)?);
        if extractor.is_some() {
            session::say_cache(&self.features_cache());
        }
        let logits = logits.or_else(|| generated.logits(&self.generated));
        let logits = logits.as_ref().map(FeatureFiles::table).transpose()?;
        let options = Options { extractor: source, fid_infinity: self.fid_infinity };
        let (real, generated) = (real.table()?, generated.table()?);
        let measure = || metrics::score_among(real, generated, logits, &options, ranks);
        let scores = metrics::on_threads(threads, measure)?;
        scores.warnings.iter().for_each(|warning| output::note(format_args!("warning: {warning}")));
        for (score, note) in &scores.notes {
            output::note(format_args!("warning: {score}: {note}"));
        }
        output::report(&scores, json)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The network that is asked for, in whichever way.
    fn network(&self) -> Option<Network> {
        match (&self.classifier, &self.pixels) {
            (Some(_), _) => Some(Network::Classifier),
            (_, Some(_)) => Some(Network::Pixels),
            _ => self.network,
        }
    }

    /// Everything that scores are made of.
    fn open(&self, models: &Models, threads: usize) -> Result<Inputs> {
        let network = self.network();
        self.check(network)?;
        let logits = self.logits.as_deref().map(FeatureFiles::load).transpose()?;
        match network {
            None => {
                let [real, generated] = [FeatureFiles::load(&self.real)?, FeatureFiles::load(&self.generated)?];
                let source = FeatureSource {
                    name: self.extractor.clone(),
                    weights_sha256: self.weights_sha256.clone(),
                    resize: self.resize.clone(),
                };
                Ok(Inputs { real: Side::Rows(real), generated: Side::Rows(generated), logits, extractor: None, source })
            }
            Some(Network::Pixels) => {
                let [real, generated] = self.pixel_rows()?.map(Side::Rows);
                let source = FeatureSource { name: PIXELS.to_owned(), weights_sha256: None, resize: None };
                Ok(Inputs { real, generated, logits, extractor: None, source })
            }
            Some(network) => {
                let extractor = self.extractor(models, network, threads)?;
                let (real, generated) = (side(&extractor, &self.real)?, side(&extractor, &self.generated)?);
                let Provenance { extractor: name, weights_sha256, resize } = extractor.provenance().clone();
                let resize = resize.map(|rule| rule.name().to_owned());
                let source = FeatureSource { name, weights_sha256: Some(weights_sha256), resize };
                Ok(Inputs { real, generated, logits, extractor: Some(extractor), source })
            }
        }
    }

    /// Refuses ranks of another program, other files or other settings than the first one's.
    fn check_ranks(&self, extractor: Option<&Extractor>, ranks: &dyn Ranks) -> Result<()> {
        let digest = |path: &Path| if path.is_dir() { Pictures::find(path)?.sha256() } else { sha256(path) };
        let digests = || -> Result<[String; 3]> {
            let logits = self.logits.as_deref().map(digest).transpose()?;
            Ok([digest(&self.real)?, digest(&self.generated)?, logits.unwrap_or_default()])
        };
        let [real, generated, logits] = agree(ranks, digests())?;
        let network = self.network().map(|network| format!("{network:?}").to_lowercase()).unwrap_or_default();
        let settings = format!("network = {network}\nfid_infinity = {}", self.fid_infinity);
        let facts = [
            program(ranks)?,
            ("has other real drawings: SHA-256", real),
            ("has other generated drawings: SHA-256", generated),
            ("has other logits: SHA-256", logits),
            ("has another network:", extractor.map(|made| format!("{:?}", made.provenance())).unwrap_or_default()),
            ("has another setting:", settings),
        ];
        check_same(ranks, &facts)
    }

    /// Refuses options that do not go with the network.
    fn check(&self, network: Option<Network>) -> Result<()> {
        let refuse = |option: &str, problem: &str| Err(Error::input(option, problem));
        let of_networks = [
            ("--run-weights", self.run_weights.is_some()),
            ("--cache", self.cache.is_some()),
            ("--no-cache", self.no_cache),
        ];
        if let Some((option, _)) = of_networks.iter().find(|(_, given)| *given && network.is_none()) {
            return refuse(option, "given for features, expected a network beside it that makes them");
        }
        match network {
            None => match [("--real", &self.real), ("--generated", &self.generated)]
                .into_iter()
                .find(|(_, path)| path.is_dir())
            {
                Some((option, path)) => {
                    let expected =
                        "expected --network inception --weights F, --classifier RUN or --network pixels beside it";
                    refuse(option, &format!("{} is a folder of pictures, {expected}", path.display()))
                }
                None => Ok(()),
            },
            Some(Network::Inception | Network::Classifier) if self.weights.is_none() && self.classifier.is_none() => {
                refuse("--weights", "missing, expected the network's file or run")
            }
            Some(Network::Pixels) if self.cache.is_some() => refuse("--cache", "given for pixels, expected none"),
            Some(Network::Pixels) if self.no_cache => refuse("--no-cache", "given for pixels, expected none"),
            Some(Network::Pixels) if self.weights.is_some() => refuse("--weights", "given for pixels, expected none"),
            Some(Network::Classifier | Network::Pixels) if self.resize.is_some() => {
                refuse("--resize", "given without InceptionV3, expected none: pictures keep their size")
            }
            Some(Network::Inception | Network::Pixels) if self.run_weights.is_some() => {
                refuse("--run-weights", "given without a classifier, expected none")
            }
            _ => Ok(()),
        }
    }

    fn extractor(&self, models: &Models, network: Network, threads: usize) -> Result<Extractor> {
        let weights = self.classifier.as_deref().or(self.weights.as_deref()).unwrap_or(Path::new(""));
        if network == Network::Classifier {
            let (extractor, note) = Extractor::classifier(models, weights, self.run_weights, threads)?;
            note.iter().for_each(output::note);
            return Ok(extractor);
        }
        let rule = self.resize.as_deref().map(str::parse).transpose();
        let rule = rule.map_err(|problem: String| Error::input("--resize", problem))?;
        Extractor::inception(weights, rule.unwrap_or(Resize::Tf1), threads)
    }

    /// Where features are kept.
    fn features_cache(&self) -> Cache {
        match &self.cache {
            Some(folder) => Cache::at(folder),
            None if self.no_cache => Cache::none(),
            None => Cache::default_place(),
        }
    }

    /// The features of a side, by the ranks' networks where they are to be made.
    fn rows(
        &self,
        side: Side,
        path: &Path,
        extractor: Option<&mut Extractor>,
        ranks: &dyn Ranks,
    ) -> Result<FeatureFiles> {
        let cache = self.features_cache();
        let (features, inception) = match (side, extractor) {
            (Side::Rows(rows), _) => return Ok(rows),
            (_, None) => unreachable!("drawings are opened beside what makes features of them"),
            (Side::Folder(pictures), Some(extractor)) => {
                let mut progress = Parts::new("pictures", pictures.len());
                let watch = &mut |done| progress.advance(done);
                let features = extractor.folder_features_among(&pictures, &cache, ranks, watch);
                progress.finish();
                (features?, extractor.provenance().resize.is_some())
            }
            (Side::Drawings(images), Some(extractor)) => {
                let mut progress = Parts::new("drawings", images.len());
                let features = extractor.features_among(&images, &cache, ranks, &mut |done| progress.advance(done));
                progress.finish();
                (features?, extractor.provenance().resize.is_some())
            }
        };
        let features = to_all(features, ranks)?;
        // torch-fidelity leaves the bias of InceptionV3's logits out.
        let logits = if inception { features.unbiased.clone() } else { features.logits() };
        let logits = Some((features.classes(), logits));
        Ok(FeatureFiles { name: path.display().to_string(), width: features.width, values: features.values, logits })
    }

    /// The pixels of both sides as features.
    fn pixel_rows(&self) -> Result<[FeatureFiles; 2]> {
        let paths = [&self.real, &self.generated];
        let folders = paths.map(|path| path.is_dir().then(|| find(path)));
        let mut found = Vec::new();
        for folder in folders {
            found.push(folder.transpose()?);
        }
        let sets: Vec<&Pictures> = found.iter().flatten().collect();
        let total = sets.iter().map(|set| set.len()).sum();
        let mut progress = Parts::new("pictures", total);
        let read = same_size(&sets, &mut |done| progress.advance(done));
        progress.finish();
        let mut read = read?.into_iter();
        let mut sides = Vec::new();
        for (path, folder) in paths.into_iter().zip(&found) {
            let images = match folder {
                Some(_) => read.next().unwrap_or_else(|| Images::from_u8(Vec::new())),
                None => session::load_images(path)?,
            };
            sides.push((path, images));
        }
        let [(real_path, real), (path, generated)] = <[_; 2]>::try_from(sides).unwrap_or_else(|_| unreachable!("two"));
        if real.extents() != generated.extents() {
            let (found, expected) = (generated.extents(), real.extents());
            let problem = format!("pictures of {found}, expected {expected} as in {}", real_path.display());
            return Err(Error::input(path.display(), problem));
        }
        let table = |path: &Path, images: &Images| FeatureFiles {
            name: path.display().to_string(),
            width: images.extents().len(),
            values: images.values(),
            logits: None,
        };
        Ok([table(real_path, &real), table(path, &generated)])
    }
}

/// A side for a network: a folder's pictures, an array of drawings, or an array that has its features already.
fn side(extractor: &Extractor, path: &Path) -> Result<Side> {
    if path.is_dir() {
        return find(path).map(Side::Folder);
    }
    let width = extractor.width()?;
    if let Ok((_, found, values)) = load_matrix(path)
        && found == width
    {
        return Ok(Side::Rows(FeatureFiles { name: path.display().to_string(), width, values, logits: None }));
    }
    session::load_images(path).map(Side::Drawings)
}

/// The pictures below a folder; says which files are none.
fn find(folder: &Path) -> Result<Pictures> {
    let pictures = Pictures::find(folder)?;
    if let [first, others @ ..] = pictures.left_out() {
        let others = if others.is_empty() { String::new() } else { format!(" and {} others", others.len()) };
        output::note(format_args!("{}{others}: no PNG or JPEG by name, left out", first.display()));
    }
    Ok(pictures)
}

/// Everything that scores are made of.
struct Inputs {
    real: Side,
    generated: Side,
    /// Those that are given.
    logits: Option<FeatureFiles>,
    /// The network that makes features of drawings, or their pixels.
    extractor: Option<Extractor>,
    /// The same for the passport, or what is said to have made the features.
    source: FeatureSource,
}

/// One of the two sets.
enum Side {
    Rows(FeatureFiles),
    Folder(Pictures),
    Drawings(Images),
}

/// Features or logits, a row a drawing.
struct FeatureFiles {
    name: String,
    width: usize,
    values: Vec<f32>,
    /// Logits beside them, and of how many classes.
    logits: Option<(usize, Vec<f32>)>,
}

impl FeatureFiles {
    fn load(path: &Path) -> Result<Self> {
        let (_, width, values) = load_matrix(path)?;
        Ok(FeatureFiles { name: path.display().to_string(), width, values, logits: None })
    }

    /// The logits as a table of their own.
    fn logits(&self, of: &Path) -> Option<Self> {
        let (width, values) = self.logits.clone()?;
        Some(FeatureFiles { name: format!("{}: logits", of.display()), width, values, logits: None })
    }

    fn table(&self) -> Result<Table<'_>> {
        Table::new(&self.name, &self.values, self.width)
    }
}
