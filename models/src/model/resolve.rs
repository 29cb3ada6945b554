//! How a configuration comes about: a model's [defaults](Config::defaults), under a `--config` file, under the command line; and
//! what makes one valid.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::config::{Config, DeviceKind, FORMAT, MOMENTUM, Optimizer, Overrides, WEIGHT_DECAY};
use super::overrides::line_in;
use super::{Models, Spec, Value, option};
use crate::error::{Error, Result};
use crate::{file, text};

/// The key that tells imported weights.
const IMPORTED: &str = "imported";

impl Config {
    /// Makes these the settings of a short run.
    fn shorten(&mut self, spec: &Spec) {
        self.quick = true;
        self.log_every = 10;
        (spec.quick)(self);
    }

    /// A model's defaults under a `--config` file under the command line's `options`, all checked. `model` may be left to
    /// the file.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::Input`] naming the file's line or key, or the option.
    pub fn resolve(models: &Models, model: Option<&str>, file: Option<&Path>, options: &Overrides) -> Result<Self> {
        let file = file.map(|path| Overrides::read(path).map(|overrides| (path, overrides))).transpose()?;
        let in_file = file.as_ref().and_then(|(path, overrides)| Some((path, overrides.model.as_deref()?)));
        let spec = match (model, in_file) {
            (Some(model), Some((path, other))) if other != model => {
                return Err(Error::input(path.display(), format_args!("model is {other}, expected {model}")));
            }
            (Some(model), _) => models.get(model)?,
            (None, Some((path, model))) => {
                models.get(model).map_err(|error| error.at(Layer::File(path).place("model")))?
            }
            (None, None) => {
                return Err(Error::input("MODEL", "missing, expected a model or a --config that names one"));
            }
        };
        let mut config = Self::defaults(&spec);
        let mut intervals = vec![config.log_every];
        let of_file = file.iter().flat_map(|(_, overrides)| overrides.options.keys());
        let given: BTreeSet<String> = of_file.chain(options.options.keys()).cloned().collect();
        if options.quick.or(file.as_ref().and_then(|(_, overrides)| overrides.quick)).unwrap_or(false) {
            config.shorten(&spec);
        }
        intervals.push(config.log_every);
        if let Some((path, overrides)) = file {
            check_format(path, overrides.format.unwrap_or(FORMAT))?;
            config.apply(&overrides);
            config.begin_like(overrides);
            config.settle(models, Layer::File(path))?;
            config.check(Layer::File(path))?;
            let optimizer = options.optimizer.unwrap_or(config.optimizer);
            if config.momentum != MOMENTUM && optimizer != Optimizer::Sgd {
                let problem = format_args!("{} with {optimizer}, expected the optimizer sgd", config.momentum);
                return Err(Error::input(Layer::File(path).place("momentum"), problem));
            }
            if let Some(decay) = config.weight_decay.filter(|_| optimizer != Optimizer::AdamW) {
                let problem = format_args!("{decay} with {optimizer}, expected the optimizer adamw");
                return Err(Error::input(Layer::File(path).place("weight_decay"), problem));
            }
            // A run's own file has every setting.
            let by_steps = options.steps.is_some() || config.steps.is_some() && options.epochs.is_none();
            if !intervals.contains(&config.log_every) && !by_steps {
                let problem = unheeded_interval(config.log_every);
                return Err(Error::input(Layer::File(path).place("log_every"), problem));
            }
        }
        config.apply(options);
        for option in spec.options.iter().filter(|option| !given.contains(option.name)) {
            if let Some(value) = option.kind.default_beside(&config.options) {
                config.options.insert(option.name.to_owned(), value);
            }
        }
        if options.data.is_some() || options.data_changed {
            config.data_sha256 = None;
        }
        config.validate(models)?;
        if let Some(momentum) = options.momentum.filter(|_| config.optimizer != Optimizer::Sgd) {
            let problem = format_args!("{momentum} with {}, expected --optimizer sgd", config.optimizer);
            return Err(Error::input("--momentum", problem));
        }
        config.check_interval(options)?;
        Ok(config)
    }

    /// Refuses an interval of records that is given for a run that records at the end of each pass.
    ///
    /// # Errors
    /// [`Error::Input`] for `--log-every`.
    pub fn check_interval(&self, options: &Overrides) -> Result<()> {
        match options.log_every {
            Some(interval) if self.steps.is_none() => Err(Error::input("--log-every", unheeded_interval(interval))),
            _ => Ok(()),
        }
    }

    /// Takes over the data and the weights that a run began with, where the file of settings is a run's own, so that the
    /// file alone is enough to train that run again.
    fn begin_like(&mut self, run: Overrides) {
        if run.data_sha256.is_some() {
            self.classes = run.classes.unwrap_or_default();
        }
        (self.data_path, self.data_sha256) = (run.data_path, run.data_sha256);
        self.own_validation = run.own_validation.unwrap_or(0);
        (self.init, self.init_sha256) = (run.init, run.init_sha256);
        self.init_partial = run.init_partial.unwrap_or(false);
    }

    /// Reads a run's `config.toml`.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::Input`] naming the file and the line or key that is
    /// wrong, or saying that a newer inkgrad wrote it.
    pub fn load(models: &Models, path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let Version { format } = read_toml(path)?;
        check_format(path, format)?;
        let mut config: Self = match read_toml::<toml::Table>(path)? {
            table if table.contains_key(IMPORTED) => Self::with_defaults(models, path, table)?,
            _ => read_toml(path)?,
        };
        config.settle(models, Layer::File(path))?;
        config.check(Layer::File(path))?;
        Ok(config)
    }

    /// The settings of imported weights: those in the file, and defaults for the others, so that the run can be used like any other.
    fn with_defaults(models: &Models, path: &Path, table: toml::Table) -> Result<Self> {
        let wrong = |error: toml::de::Error| Error::input(path.display(), text::of_toml(&error));
        let name = table.get("model").and_then(toml::Value::as_str).unwrap_or_default();
        let spec = models.get(name).map_err(|error| error.at(Layer::File(path).place("model")))?;
        let mut whole = toml::Table::try_from(Self::defaults(&spec)).unwrap_or_default();
        let has_data = table.contains_key("data");
        whole.extend(table);
        let mut config: Self = whole.try_into().map_err(wrong)?;
        if let (false, Some(file)) = (has_data, &config.imported) {
            // Their training data is not known.
            config.data.clone_from(file);
        }
        Ok(config)
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// [`Error::Input`] for the first one that is wrong, with its option (`--lr`), what it is and what it should be.
    pub fn validate(&mut self, models: &Models) -> Result<()> {
        self.settle(models, Layer::Options)?;
        if self.optimizer == Optimizer::AdamW {
            self.weight_decay.get_or_insert(WEIGHT_DECAY);
        }
        self.check(Layer::Options)?;
        if self.data == "builtin" {
            // Only reading a folder tells whether it has drawings to validate on.
            self.check_patience()?;
        }
        self.check_together().map_err(|(key, problem)| Error::input(option(key), problem))
    }

    /// Refuses to stop by validation where there is none; to be asked once the data is known.
    ///
    /// # Errors
    /// [`Error::Input`] for `--patience`.
    pub fn check_patience(&self) -> Result<()> {
        match self.patience {
            Some(patience) if !self.validates() => {
                let problem = format_args!("{patience} without validation, expected a --val-fraction");
                Err(Error::input("--patience", problem))
            }
            _ => Ok(()),
        }
    }

    /// Refuses settings that would not be heeded beside others: the key, found and expected.
    fn check_together(&self) -> Result<(), (&'static str, String)> {
        if let Some(decay) = self.weight_decay.filter(|_| self.optimizer != Optimizer::AdamW) {
            return Err(("weight_decay", format!("{decay} with {}, expected --optimizer adamw", self.optimizer)));
        }
        if self.accumulate > self.batch_size {
            let problem = format!("{} parts of a step's {} drawings", self.accumulate, self.batch_size);
            return Err(("accumulate", format!("{problem}, expected at most one a drawing")));
        }
        let on_processor_alone = [
            ("optimizer", self.optimizer == Optimizer::AdamW),
            ("freeze", !self.freeze.is_empty()),
            ("ema", self.ema.is_some()),
        ];
        match on_processor_alone.iter().find(|(_, given)| *given && self.device != DeviceKind::Cpu) {
            Some((key, _)) => {
                let setting = Self::SETTINGS.iter().find(|setting| setting.name == *key).expect("a row of the table");
                let value = (setting.value)(self).unwrap_or_default();
                Err((key, format!("{value} on {}, which has no kernels for it, expected --device cpu", self.device)))
            }
            None => Ok(()),
        }
    }

    /// Checks the model's own settings, and adds the defaults of those that are not given.
    fn settle(&mut self, models: &Models, layer: Layer) -> Result<()> {
        let spec = models.get(&self.model).map_err(|error| error.at(layer.place("model")))?;
        // Runs from before options were models' own have one of every model.
        if spec.option("beta").is_none()
            && matches!(self.options.get("beta"), Some(Value::Number(1.0) | Value::Whole(1)))
        {
            self.options.remove("beta");
        }
        for (name, value) in &mut self.options {
            let Some(option) = spec.option(name) else {
                let owners = models.with_option(name);
                return Err(match owners.is_empty() {
                    true => layer.unknown(name, &spec),
                    false => {
                        let problem = format!("{value} for {}, expected only for {}", spec.name, owners.join(", "));
                        Error::input(layer.place(name), problem)
                    }
                });
            };
            *value = option.kind.check(value).map_err(|problem| Error::input(layer.place(name), problem))?;
        }
        for option in spec.resolved_options() {
            self.options.entry(option.name.to_owned()).or_insert_with(|| option.kind.default());
        }
        Ok(())
    }

    /// Checks each setting by itself, so that a layer that others may complete can be checked too.
    fn check(&self, layer: Layer) -> Result<()> {
        let fail = |key: &str, problem: String| match layer {
            // The value may come from a default below.
            Layer::File(path) => Err(Error::input(format_args!("{}: {key}", path.display()), problem)),
            Layer::Options => Err(Error::input(layer.place(key), problem)),
        };
        for setting in Self::SETTINGS {
            if let Some(problem) = setting.problem(self) {
                return fail(setting.name, problem);
            }
        }
        match (self.epochs, self.steps) {
            (Some(_), Some(_)) => return fail("steps", "given with epochs, expected only one of them".into()),
            (None, None) => return fail("steps", "neither epochs nor steps given, expected one of them".into()),
            _ => {}
        }
        if !self.augment.is_none() && self.device != DeviceKind::Cpu {
            let problem =
                format!("{} on {}, expected none: a device holds the drawings as they are", self.augment, self.device);
            return fail("augment", problem);
        }
        if let Some(problem) = self.precision.problem(self.device) {
            return fail("precision", problem);
        }
        Ok(())
    }
}

/// Where settings were given.
#[derive(Clone, Copy)]
enum Layer<'a> {
    /// A file.
    File(&'a Path),
    /// The command line.
    Options,
}

impl Layer<'_> {
    /// Where `key` was set: the file's line, or the option.
    fn place(self, key: &str) -> String {
        match self {
            Layer::File(path) => format!("{}: {key}", line_in(path, key)),
            Layer::Options => option(key),
        }
    }

    /// Refuses a setting that no model has.
    fn unknown(self, key: &str, spec: &Spec) -> Error {
        let settings = Config::SETTINGS.iter().map(|setting| setting.name);
        let known: Vec<&str> = spec.options.iter().map(|option| option.name).chain(settings).collect();
        let place = match self {
            Layer::File(path) => line_in(path, key),
            Layer::Options => option(key),
        };
        Error::input(place, format_args!("unknown field `{key}`, expected one of {}", known.join(", ")))
    }
}

/// Found and expected, of an interval of records where they are made at the end of each pass.
fn unheeded_interval(interval: u64) -> String {
    format!("{interval} for a run counted in epochs, which records at the end of each, expected --steps")
}

/// Refuses the file of a version that this one does not know.
fn check_format(path: &Path, format: u32) -> Result<()> {
    match format {
        0..=FORMAT => Ok(()),
        _ => {
            let problem = format_args!("format {format}, written by a newer inkgrad; this one reads {FORMAT}");
            Err(Error::input(path.display(), problem))
        }
    }
}

/// Reads a TOML file; an error names its line and, where there is one, the key.
pub(super) fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = &file::read_text(path, "settings")?;
    toml::from_str(text).map_err(|error| {
        let Some(span) = error.span() else { return Error::input(path.display(), text::of_toml(&error)) };
        let before = text.get(..span.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        // The span of a value of the wrong type starts after its key.
        let key = before[start..].trim().strip_suffix('=').map(|key| format!("{}: ", key.trim_end()));
        let message = text::of_toml(&error);
        Error::input(format_args!("{}:{line}", path.display()), format_args!("{}{message}", key.unwrap_or_default()))
    })
}
