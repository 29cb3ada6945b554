//! Sweeps: many runs that differ in a few settings, as a TOML file describes them.
//!
//! ```toml
//! model = "cnn-vae"                 # what all runs have: any setting of config.toml
//! epochs = 5
//! val_fraction = 0.1
//!
//! [sweep]
//! method = "random"                 # or "grid", the default: every combination of the values
//! runs = 20                         # of a random one
//! seed = 1                          # where its randomness starts, 42 by default
//!
//! [values]                          # what they differ in: any setting, too
//! latent = [8, 16, 32]
//! lr = { from = 1e-4, to = 1e-2, scale = "log" }    # random alone; "linear" by default
//! ```
//!
//! ```
//! use inkgrad_models::Models;
//! use inkgrad_models::sweep::Sweep;
//!
//! let file = tempfile::NamedTempFile::new().expect("a file");
//! let text = "model = \"cnn-vae\"\n[values]\nlatent = [8, 16]\nlr = [0.001, 0.003]\n";
//! std::fs::write(file.path(), text).expect("a file");
//! let sweep = Sweep::read(&Models::builtin(), file.path())?;
//! assert_eq!(sweep.varied, ["latent", "lr"]);
//! assert_eq!(sweep.runs.len(), 4);
//! assert_eq!(sweep.runs[1].values, ["8", "0.003"]); // the last setting changes fastest
//! # Ok::<(), inkgrad_models::Error>(())
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use inkgrad_engine::Team;
use inkgrad_kernels::cpu::rng;
use serde::Deserialize;

use crate::model::{Models, Value};
use crate::run::config::{Config, Overrides};
use crate::{Error, Result, file, text};

/// More runs than these are taken for a mistake.
pub const MOST: usize = 10_000;

/// A sweep, read and expanded.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// Whether every combination is tried, or random ones.
    pub method: Method,
    /// The settings in which runs differ, in the file's order.
    pub varied: Vec<String>,
    /// The runs, in order.
    pub runs: Vec<Planned>,
}

/// A run of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The values of the varied settings, as a command line has them, in the order of [`Sweep::varied`].
    pub values: Vec<String>,
    /// All its settings.
    pub config: Config,
}

/// How values are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Every combination, the last setting changing fastest.
    #[default]
    Grid,
    /// A value of each setting drawn anew for each run.
    Random,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct How {
    #[serde(default)]
    method: Method,
    runs: Option<usize>,
    seed: Option<u64>,
}

/// The values of a setting.
#[derive(Debug, Clone)]
enum Values {
    Some(Vec<toml::Value>),
    Range { from: f64, to: f64, log: bool, whole: bool },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    from: toml::Value,
    to: toml::Value,
    #[serde(default)]
    scale: Scale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scale {
    #[default]
    Linear,
    Log,
}

/// A file, for errors.
struct Place<'a> {
    path: &'a Path,
    text: String,
}

impl Place<'_> {
    /// An error at the line that sets `key`.
    fn error(&self, key: &str, problem: impl std::fmt::Display) -> Error {
        let sets = |line: &str| line.split_once('=').is_some_and(|(name, _)| name.trim().trim_matches('"') == key);
        let heads = |line: &str| line.trim() == format!("[{key}]");
        let line = self.text.lines().position(|line| sets(line) || heads(line));
        let line = line.map_or(String::new(), |line| format!(":{}", line + 1));
        Error::input(format_args!("{}{line}: {key}", self.path.display()), problem)
    }
}

impl Sweep {
    /// Reads a sweep and makes the configurations of its runs, all checked.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be read; [`Error::Input`] with the line of a key that no model and no run has, or of a value that
    /// will not do.
    pub fn read(models: &Models, path: &Path) -> Result<Self> {
        let text = file::read_text(path, "a sweep's settings")?;
        let mut table: toml::Table = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            Error::input(format_args!("{}:{line}", path.display()), text::of_toml(&error))
        })?;
        let place = Place { path, text };
        let flat = |error: toml::de::Error| text::of_toml(&error);
        let how = match table.remove("sweep") {
            Some(how) => how.try_into().map_err(|error| place.error("sweep", flat(error)))?,
            None => How::default(),
        };
        let Some(toml::Value::Table(values)) = table.remove("values") else {
            return Err(place
                .error("values", "no table, expected [values] with lists of settings, such as lr = [0.001, 0.003]"));
        };
        if let Some(key) = values.keys().find(|key| table.contains_key(*key)) {
            return Err(place.error(key, "given for all runs and in [values], expected only one of them"));
        }
        let varied: Vec<String> = in_order(values.keys().cloned(), &place.text);
        let values: Vec<Values> = varied
            .iter()
            .map(|key| read(&values[key], how.method).map_err(|problem| place.error(key, problem)))
            .collect::<Result<_>>()?;
        let base: Overrides =
            toml::Value::Table(table).try_into().map_err(|error| Error::input(path.display(), flat(error)))?;
        let combinations = combine(&values, &how).map_err(|(key, problem)| place.error(key, problem))?;
        let planned = combinations.into_iter().map(|values| {
            let mut overrides = base.clone();
            for (key, value) in varied.iter().zip(&values) {
                give(&mut overrides, key, value).map_err(|problem| place.error(key, problem))?;
            }
            let config = Config::resolve(models, overrides.model.as_deref(), None, &overrides);
            let config = config.map_err(|error| match error {
                Error::Input { place: option, problem } => {
                    place.error(&option.trim_start_matches('-').replace('-', "_").to_lowercase(), problem)
                }
                error => error,
            })?;
            Ok(Planned { values: values.iter().map(show).collect(), config })
        });
        Ok(Sweep { method: how.method, runs: planned.collect::<Result<_>>()?, varied })
    }
}

/// Keys in the order in which the text sets them.
fn in_order(keys: impl Iterator<Item = String>, text: &str) -> Vec<String> {
    let line = |key: &String| {
        text.lines().position(|line| {
            line.split_once('=').is_some_and(|(name, _)| name.trim().trim_matches('"') == key.as_str())
        })
    };
    let mut keys: Vec<String> = keys.collect();
    keys.sort_by_key(|key| line(key).unwrap_or(usize::MAX));
    keys
}

/// A setting's values: a list, or a range.
fn read(value: &toml::Value, method: Method) -> Result<Values, String> {
    match value {
        toml::Value::Array(values) if values.is_empty() => Err("no values, expected at least one".to_owned()),
        toml::Value::Array(values) => match (1..values.len()).find(|&i| values[..i].contains(&values[i])) {
            Some(i) => Err(format!("{} twice, expected each value once", values[i])),
            None => Ok(Values::Some(values.clone())),
        },
        toml::Value::Table(_) if method == Method::Grid => {
            Err("a range in a grid, expected a list of values (or method = \"random\")".to_owned())
        }
        toml::Value::Table(_) => {
            let range: Range = value.clone().try_into().map_err(|error| text::of_toml(&error))?;
            let number = |value: &toml::Value| match value {
                toml::Value::Integer(n) => Ok(*n as f64),
                toml::Value::Float(x) if x.is_finite() => Ok(*x),
                other => Err(format!("{other}, expected a number")),
            };
            let (from, to) = (number(&range.from)?, number(&range.to)?);
            let (log, whole) = (range.scale == Scale::Log, range.from.is_integer() && range.to.is_integer());
            if from >= to || log && from <= 0.0 {
                let above = if log { " and both above 0" } else { "" };
                return Err(format!("from {from} to {to}, expected the second to be the larger{above}"));
            }
            Ok(Values::Range { from, to, log, whole })
        }
        other => Err(format!("{other}, expected a list of values, or a range {{ from, to, scale }}")),
    }
}

/// The values of each run.
fn combine(values: &[Values], how: &How) -> Result<Vec<Vec<toml::Value>>, (&'static str, String)> {
    let too_many = |n: usize| format!("{n} runs, expected at most {MOST}");
    match how.method {
        Method::Grid => {
            if how.runs.is_some() || how.seed.is_some() {
                let key = if how.runs.is_some() { "runs" } else { "seed" };
                return Err((key, "given for a grid, expected method = \"random\"".to_owned()));
            }
            let lists = values.iter().map(|values| match values {
                Values::Some(values) => values,
                Values::Range { .. } => unreachable!("refused in a grid"),
            });
            let mut runs = vec![Vec::new()];
            for list in lists {
                let n = runs.len().saturating_mul(list.len());
                if n > MOST {
                    return Err(("values", too_many(n)));
                }
                let longer = |run: &Vec<toml::Value>| {
                    list.iter().map(|value| [&run[..], std::slice::from_ref(value)].concat()).collect::<Vec<_>>()
                };
                runs = runs.iter().flat_map(longer).collect();
            }
            Ok(runs)
        }
        Method::Random => {
            let n = how.runs.ok_or(("sweep", "runs missing, expected how many to draw".to_owned()))?;
            if n == 0 || n > MOST {
                return Err(("runs", format!("{n}, expected 1 to {MOST}")));
            }
            let run = |run: usize| {
                let mut shares = vec![0.0f64; values.len()];
                rng::fill_uniform(&Team::solo(), how.seed.unwrap_or(42), run as u64, 0, &mut shares);
                values.iter().zip(shares).map(|(values, share)| draw(values, share)).collect()
            };
            Ok((0..n).map(run).collect())
        }
    }
}

/// The value at a share, uniform on [0, 1).
fn draw(values: &Values, share: f64) -> toml::Value {
    match values {
        Values::Some(values) => values[(share * values.len() as f64) as usize].clone(),
        &Values::Range { from, to, log, whole } => {
            // A whole number stands for all that round down to it.
            let to = if whole { to + 1.0 } else { to };
            let value = if log { from * (to / from).powf(share) } else { from + (to - from) * share };
            match whole {
                true => toml::Value::Integer(value.floor().min(to - 1.0) as i64),
                // No more digits than anybody wants to read in a table.
                false => toml::Value::Float(format!("{value:.3e}").parse().unwrap_or(value)),
            }
        }
    }
}

/// A value as a command line has it.
fn show(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(values) => values.iter().map(show).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// Sets a run's setting or a model's.
fn give(overrides: &mut Overrides, key: &str, value: &toml::Value) -> Result<(), String> {
    if key == "model" {
        overrides.model = Some(show(value));
        return Ok(());
    }
    match Config::SETTINGS.iter().find(|setting| setting.name == key) {
        Some(setting) => setting.give(overrides, &show(value)).map_err(|problem| format!("{}, {problem}", show(value))),
        None => {
            let table = BTreeMap::from([(key.to_owned(), value.clone())]);
            let value: BTreeMap<String, Value> = toml::Table::from_iter(table)
                .try_into()
                .map_err(|_| format!("{}, expected a number, a name, or a list of whole numbers", show(value)))?;
            overrides.options.extend(value);
            Ok(())
        }
    }
}

/// The folder of run number `i` of `n`, from 0: `07`.
pub fn folder(i: usize, n: usize) -> PathBuf {
    let digits = n.to_string().len().max(2);
    PathBuf::from(format!("{:0digits$}", i + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(text: &str) -> Result<Sweep> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("F.toml");
        std::fs::write(&path, text).unwrap();
        Sweep::read(&Models::builtin(), &path)
    }

    fn error(text: &str) -> String {
        let error = sweep(text).unwrap_err().to_string();
        error[error.find("F.toml").expect("the file's name")..].to_owned()
    }

    #[test]
    fn a_grid_is_every_combination_in_order() {
        let text = "model = \"cnn-vae\"\nepochs = 2\n[values]\nlr = [1e-3, 0.01]\nlatent = [4, 8, 16]\n";
        let Sweep { varied, runs, method } = sweep(text).unwrap();
        assert_eq!((varied, method), (vec!["lr".to_owned(), "latent".to_owned()], Method::Grid));
        let values: Vec<String> = runs.iter().map(|run| run.values.join(" ")).collect();
        assert_eq!(values, ["0.001 4", "0.001 8", "0.001 16", "0.01 4", "0.01 8", "0.01 16"]);
        let last = &runs[5].config;
        assert_eq!((last.lr, last.whole("latent"), last.epochs, &last.model[..]), (0.01, 16, Some(2), "cnn-vae"));
        // Models differ in settings of their own, lists are values, and so are names.
        let text = "steps = 2\n[values]\nmodel = [\"cnn-ae\", \"cnn-vae\"]\nchannels = [[4, 8], [8, 16]]\noptimizer = [\"adam\", \"sgd\"]\n";
        let runs = sweep(text).unwrap().runs;
        assert_eq!(runs.len(), 8);
        assert_eq!(runs[7].values, ["cnn-vae", "8,16", "sgd"]);
        assert_eq!(runs[7].config.options["channels"], Value::List(vec![8, 16]));
    }

    #[test]
    fn random_values_lie_in_their_ranges_and_are_the_same_for_a_seed() {
        let text = |seed| {
            format!(
                "model = \"cnn-vae\"\n[sweep]\nmethod = \"random\"\nruns = 200\nseed = {seed}\n[values]\n\
                 lr = {{ from = 1e-4, to = 1e-2, scale = \"log\" }}\nlatent = {{ from = 2, to = 5 }}\nbeta = {{ from = 1.0, to = 3.0 }}\n"
            )
        };
        let runs = sweep(&text(1)).unwrap().runs;
        assert_eq!(runs.len(), 200);
        assert!(runs.iter().all(|run| (1e-4..=1e-2).contains(&run.config.lr)));
        let below = runs.iter().filter(|run| run.config.lr < 1e-3).count();
        assert!((70..130).contains(&below), "{below}");
        for latent in 2..=5 {
            let found = runs.iter().filter(|run| run.config.whole("latent") == latent).count();
            assert!((25..80).contains(&found), "{latent}: {found}");
        }
        assert!(runs.iter().all(|run| (1.0..=3.0).contains(&run.config.number("beta"))));
        assert_eq!(sweep(&text(1)).unwrap().runs, runs);
        assert_ne!(sweep(&text(2)).unwrap().runs, runs);
    }

    #[test]
    fn mistakes_are_named_by_line() {
        let cases = [
            (
                "model = \"cnn-vae\"\n",
                "F.toml: values: no table, expected [values] with lists of settings, such as lr = [0.001, 0.003]",
            ),
            (
                "model = \"cnn-vae\"\n[values]\nlearning_rate = [1]\n",
                "F.toml:3: learning_rate: unknown field `learning_rate`, expected one of",
            ),
            ("model = \"cnn-vae\"\nlearning_rate = 1\n[values]\nlr = [1]\n", "F.toml:2: learning_rate: unknown field"),
            ("model = \"cnn-vae\"\n[values]\nlr = [-1.0]\n", "F.toml:3: lr: -1, expected a number above 0"),
            ("model = \"cnn-vae\"\n[values]\nlr = [\"fast\"]\n", "F.toml:3: lr: fast, expected a number"),
            ("model = \"cnn-vae\"\n[values]\nlr = []\n", "F.toml:3: lr: no values, expected at least one"),
            ("model = \"cnn-vae\"\n[values]\nlr = 0.1\n", "F.toml:3: lr: 0.1, expected a list of values, or a range"),
            ("model = \"cnn-vae\"\nlr = 1\n[values]\nlr = [1]\n", "F.toml:2: lr: given for all runs and in [values]"),
            ("model = \"cnn-vae\"\n[values]\nlr = { from = 1, to = 2 }\n", "F.toml:3: lr: a range in a grid"),
            (
                "model = \"cnn-vae\"\n[sweep]\nmethod = \"random\"\nruns = 2\n[values]\nlr = { from = 0.0, to = 2.0, scale = \"log\" }\n",
                "F.toml:6: lr: from 0 to 2, expected the second to be the larger and both above 0",
            ),
            ("[values]\nlr = [1]\n", "F.toml: model: missing, expected a model"),
            ("model = \"vae\"\n[values]\nlr = [1]\n", "F.toml:1: model: unknown model `vae`"),
            ("[sweep]\nmethod = \"best\"\n[values]\nlr = [1]\n", "F.toml:1: sweep: unknown variant `best`"),
            ("model = \"cnn-vae\"\n[values]\nlr = [0.1, 0.1]\n", "F.toml:3: lr: 0.1 twice, expected each value once"),
            ("model = \"cnn-vae\"\n[sweep]\nruns = 2\n[values]\nlr = [1]\n", "F.toml:3: runs: given for a grid"),
            (
                "model = \"cnn-vae\"\n[sweep]\nmethod = \"random\"\n[values]\nlr = [1]\n",
                "F.toml:2: sweep: runs missing",
            ),
            ("lr = = 2", "F.toml:1: "),
        ];
        for (text, expected) in cases {
            let found = error(text);
            assert!(found.starts_with(expected) && !found.contains('\n'), "{found}\nexpected {expected}");
        }
    }
}
