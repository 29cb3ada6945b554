//! `inkgrad import`: a run made of weights that PyTorch has saved.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use inkgrad_models::data::check_class_names;
use inkgrad_models::run::config::{Config, Overrides};
use inkgrad_models::{Models, trainer};
use serde::Serialize;

use crate::output::{self, Report, thousands};
use crate::settings::ModelOptions;

#[derive(Debug, Args)]
pub struct Import {
    /// Whose weights they are
    #[arg(long, value_name = "M")]
    model: String,
    /// A state_dict with PyTorch's names; nothing in a .pth is executed
    #[arg(long, value_name = "F.pth|F.safetensors")]
    weights: PathBuf,
    /// The dictionary in the .pth that holds them [default: the usual ones are tried]
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// The run's folder, to be made
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    /// The names of the classes, in the order of labels [default: those of --data, else 0,1,2,3,4]
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    classes: Vec<String>,
    /// `builtin` or a folder of drawings, which the run is then examined on [default: not known]
    #[arg(long, value_name = "D", conflicts_with = "classes")]
    data: Option<String>,
    #[command(flatten)]
    options: ModelOptions,
    /// Move a run that is in the way aside
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Serialize)]
struct Imported {
    model: String,
    parameters: usize,
    run: PathBuf,
    /// Where the run that was in the way is now.
    moved: Option<PathBuf>,
}

impl Import {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        let options = Overrides { options: self.options.given(), ..Overrides::default() };
        let mut config = Config::resolve(models, Some(&self.model), None, &options)?;
        if let Some(data) = self.data {
            config.data = data;
            let dataset = trainer::load_data(&config)?;
            trainer::note_data(&mut config, &dataset);
            (config.classes, config.image) = (dataset.classes, dataset.train.images.extents());
        } else if self.classes.is_empty() {
            config.classes = (0..5).map(|class| class.to_string()).collect();
        } else {
            check_class_names("--classes", "name", &self.classes)?;
            config.classes = self.classes;
        }
        let key = self.key.as_deref();
        let trainer::Imported { folder, network, moved, notes, .. } =
            trainer::import(models, config, &self.weights, key, &self.out, self.force)?;
        notes.iter().for_each(|note| output::note(format_args!("{}: {note}", self.weights.display())));
        let (run, parameters) = (folder.path().to_owned(), network.params.count());
        output::report(&Imported { model: self.model, parameters, run, moved }, json)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Report for Imported {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let parameters = thousands(self.parameters as u64);
        writeln!(out, "{}: a run of {} with {parameters} parameters", self.run.display(), self.model)?;
        match &self.moved {
            Some(moved) => writeln!(out, "the run that was there is now {}", moved.display()),
            None => Ok(()),
        }
    }
}
