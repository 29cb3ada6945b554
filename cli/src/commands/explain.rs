//! `inkgrad explain`: one page on which a network runs.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::data::Dataset;
use inkgrad_models::model::Network;
use inkgrad_models::run::atomic;
use inkgrad_models::run::config::{Config, Overrides};
use inkgrad_models::trainer::{Opened, load_data, load_run_data};
use inkgrad_models::{Error, Models, Result, text};
use serde::Serialize;

use crate::args::{Compute, WeightsArgs, ends_in};
use crate::explain::{self, MADE_BY, Numbers, Rounding, Subject};
use crate::output::{self, Report};
use crate::study::take_names;

/// One file that needs no other and asks for none: draw, and the recorded tape runs in the browser.
#[derive(Debug, Args)]
pub struct Explain {
    #[command(flatten)]
    subject: Whose,
    /// Drawings to show it on: `builtin` or a folder [default: those that the run was trained on]
    #[arg(long, value_name = "DATA")]
    data: Option<String>,
    /// How the page holds the weights: f16 or int8 [default: f16 where the page stays under 3 MB, else int8]
    #[arg(long, value_name = "NUMBERS", value_enum, hide_possible_values = true)]
    numbers: Option<Numbers>,
    /// The page
    #[arg(long, value_name = "PAGE.html", value_parser = ends_in("html"))]
    out: PathBuf,
    /// Replace a file in the way that is no such page
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    weights: WeightsArgs,
    #[command(flatten)]
    compute: Compute,
}

/// Whose inside to show.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// The run's folder
    #[arg(long, value_name = "RUN")]
    run: Option<PathBuf>,
    /// A model as it starts, untrained
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
}

/// A network, and the drawings to show it on.
struct Found {
    config: Config,
    network: Network<f32>,
    dataset: Dataset,
    /// Where the weights come from, in words.
    origin: String,
    /// Which weights these are, where there was a choice.
    note: Option<String>,
}

#[derive(Debug, Serialize)]
struct Written {
    model: String,
    numbers: Numbers,
    bytes: usize,
    error: Rounding,
    out: PathBuf,
}

impl Explain {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        output::check_place(&self.out)?;
        output::check_unowned(&self.out)?;
        if !self.force && !output::may_replace(&self.out, MADE_BY) {
            let problem = "is no page of inkgrad explain, expected a new name (or --force)";
            return Err(Error::input(self.out.display(), problem).into());
        }
        let threads = self.compute.threads()?;
        let Found { config, network, dataset, origin, note } = self.open(models)?;
        let numbers = self.numbers.unwrap_or_else(|| Numbers::fitting(&network.params));
        let subject = Subject { models, config: &config, network, origin, dataset: &dataset, numbers, threads };
        let explained = subject.explain()?;
        let page = explain::render(&explained)?;
        atomic::write(&self.out, |file| file.write_all(page.as_bytes()))?;
        let (model, bytes, error) = (config.label(), page.len(), explained.error);
        note.iter().for_each(output::note);
        output::report(&Written { model, numbers, bytes, error, out: self.out }, json)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The network, the drawings, and where the weights come from.
    fn open(&self, models: &Models) -> Result<Found> {
        if let Some(path) = &self.subject.run {
            let opened = self.weights.open(models, path)?;
            // Imported weights don't know their data.
            let trained = opened.config.data_sha256.is_some() || opened.folder.state().exists();
            let origin = match trained {
                true => format!("Its weights are those of {}, {}.", named(path), opened.describe()),
                false => "Its weights are imported ones.".to_owned(),
            };
            let note = opened.note();
            let Opened { mut config, network, .. } = opened;
            let dataset = match &self.data {
                Some(data) => load_data(&Config { data: data.clone(), ..config.clone() })?,
                None if !trained => {
                    let problem = "holds imported weights, whose drawings are not known, expected --data";
                    return Err(Error::input(path.display(), problem));
                }
                None => load_run_data(&config, false)?,
            };
            take_names(&mut config, &network, &dataset);
            self.check(&config, &dataset)?;
            return Ok(Found { config, network, dataset, origin, note });
        }
        if self.weights.asked().is_some() {
            return Err(Error::input("--weights", "given for an untrained model, expected --run"));
        }
        let options = Overrides { data: self.data.clone(), ..Overrides::default() };
        let mut config = Config::resolve(models, self.subject.model.as_deref(), None, &options)?;
        let dataset = load_data(&config)?;
        config.classes.clone_from(&dataset.classes);
        config.image = dataset.train.images.extents();
        let mut network = models.build::<f32>(&config)?;
        network.initialise(config.seed);
        let origin = format!("Its weights are those that it starts from, untrained (seed {}).", config.seed);
        Ok(Found { config, network, dataset, origin, note: None })
    }

    /// Refuses drawings that the network is not for.
    fn check(&self, config: &Config, dataset: &Dataset) -> Result<()> {
        let extents = dataset.train.images.extents();
        let problem = if extents != config.image {
            format!("pictures of {extents}, expected {} as in training", config.image)
        } else if dataset.classes != config.classes {
            let (found, expected) = (dataset.classes.join(", "), config.classes.join(", "));
            format!("holds the classes {found}, expected {expected}")
        } else {
            return Ok(());
        };
        Err(Error::input(self.data.as_ref().unwrap_or(&config.data), problem))
    }
}

/// A run by its folder's name.
fn named(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    whole
        .file_name()
        .map_or_else(|| "a run".to_owned(), |name| format!("the run {}", text::escape(&name.to_string_lossy(), false)))
}

impl Report for Written {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Written { model, numbers, bytes, error, out: page } = self;
        let megabytes = *bytes as f64 / 1e6;
        writeln!(out, "{}: {model} from inside, {megabytes:.1} MB, opens in any browser", page.display())?;
        let Rounding { drawings, output, code } = error;
        writeln!(
            out,
            "  weights as {}: on {drawings} drawings outputs move by at most {output:.1e},",
            numbers.words()
        )?;
        writeln!(out, "  codes by at most {code:.1e}")
    }
}
