//! The settings of a run on the command line: an option for each row of [`Config::SETTINGS`], and for each option of a model.

use std::collections::{BTreeMap, BTreeSet};

use clap::builder::PossibleValue;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use inkgrad_models::model::{Kind, ModelOption, Setting, Spec, Value, option};
use inkgrad_models::run::config::{Config, Overrides};
use inkgrad_models::{Error, Models, text};

use crate::output::{one_of, quoted};

/// Settings that every run has.
#[derive(Debug, Clone, Default)]
pub struct RunSettings {
    /// Those that are given.
    pub given: Overrides,
}

impl FromArgMatches for RunSettings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut settings = RunSettings::default();
        settings.update_from_arg_matches(matches)?;
        Ok(settings)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let invalid = |problem: String| clap::Error::raw(ErrorKind::ValueValidation, problem);
        for setting in Config::SETTINGS {
            match setting.rule.value_name {
                Some(_) => {
                    for text in matches.get_many::<String>(setting.name).into_iter().flatten() {
                        setting.give(&mut self.given, text).map_err(invalid)?;
                    }
                }
                None if matches.get_flag(setting.name) => setting.give(&mut self.given, "true").map_err(invalid)?,
                None => {}
            }
        }
        // `--set` knows every key of config.toml.
        for (key, value) in set(matches) {
            if let Some(setting) = Config::SETTINGS.iter().find(|setting| setting.name == key) {
                if matches.value_source(key) == Some(ValueSource::CommandLine) {
                    return Err(invalid(format!("--set {key}: given as {} too, expected it once", setting.option())));
                }
                let given = setting.give(&mut self.given, &value.to_string());
                given.map_err(|problem| invalid(format!("--set {key}: {value}, {problem}")))?;
            }
        }
        Ok(())
    }
}

impl Args for RunSettings {
    fn augment_args(command: Command) -> Command {
        Config::SETTINGS.iter().fold(command, |command, setting| command.arg(arg(setting)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// A setting's option.
fn arg(setting: &'static Setting) -> Arg {
    let arg = Arg::new(setting.name).long(setting.name.replace('_', "-")).help(setting.help);
    let Some(name) = setting.rule.value_name else { return arg.action(ArgAction::SetTrue) };
    let parse = |text: &str| setting.give(&mut Overrides::default(), text).map(|()| text.to_owned());
    let arg = arg.value_name(name).value_parser(parse);
    match setting.name {
        "epochs" => arg.conflicts_with("steps"),
        _ => arg,
    }
}

/// Settings that some models have.
#[derive(Debug, Clone, Default)]
pub struct ModelOptions(BTreeMap<String, Value>);

/// In front of the name of a model's option, in the ids of the parser.
const OPTION: &str = "option ";

impl ModelOptions {
    /// The settings that are given, by their names.
    pub fn given(&self) -> BTreeMap<String, Value> {
        self.0.clone()
    }
}

impl FromArgMatches for ModelOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut options = ModelOptions::default();
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for id in matches.ids() {
            if let Some(name) = id.as_str().strip_prefix(OPTION)
                && let Some(text) = matches.get_one::<String>(id.as_str())
            {
                self.0.insert(name.to_owned(), Value::parse(text));
            }
        }
        // A command without settings of runs leaves those keys to the resolution, which refuses them.
        let has_settings = matches.try_contains_id("batch_size").is_ok() && matches.try_contains_id("lr").is_ok();
        let mut seen = BTreeSet::new();
        for (key, value) in set(matches) {
            let of_runs = has_settings && Config::SETTINGS.iter().any(|setting| setting.name == key);
            let twice = !seen.insert(key) || (!of_runs && self.0.insert(key.clone(), value.clone()).is_some());
            if twice {
                let problem = format!("--set {key}: given twice, expected it once");
                return Err(clap::Error::raw(ErrorKind::ValueValidation, problem));
            }
        }
        Ok(())
    }
}

impl Args for ModelOptions {
    fn augment_args(command: Command) -> Command {
        let help = "A setting by its name in config.toml, as often as needed; that of a model too";
        command.arg(
            Arg::new(SET)
                .long(SET)
                .value_name("KEY=VALUE")
                .help(help)
                .action(ArgAction::Append)
                .value_parser(key_value),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

const SET: &str = "set";

/// Parses `KEY=VALUE`.
fn key_value(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.replace('-', "_"), Value::parse(value))),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// The settings that `--set` gives.
fn set(matches: &ArgMatches) -> impl Iterator<Item = &(String, Value)> {
    matches.try_get_many::<(String, Value)>(SET).ok().flatten().into_iter().flatten()
}

/// A command that takes settings of models, with an option for each that one of `models` has and the command has not
/// itself; of `focus` alone, where there is one. The defaults are told.
pub fn with_model_options(mut command: Command, models: &Models, focus: Option<&Spec>) -> Command {
    if command.get_arguments().all(|arg| arg.get_id() != SET) {
        return command;
    }
    for setting in Config::SETTINGS {
        if command.get_arguments().any(|arg| arg.get_id() == setting.name) && setting.rule.value_name.is_some() {
            let help = format!("{} [default: {}]", setting.help, default(setting, models, focus));
            command = command.mut_arg(setting.name, |arg| arg.help(help));
        }
    }
    let specs: Vec<&Spec> = match focus {
        Some(spec) => vec![spec],
        None => models.iter().collect(),
    };
    let mut seen = BTreeSet::new();
    for own in specs.iter().flat_map(|spec| spec.options) {
        let long = option(own.name).trim_start_matches('-').to_owned();
        let taken =
            command.get_arguments().any(|arg| arg.get_long() == Some(&long)) || RESERVED.contains(&long.as_str());
        if taken || !seen.insert(own.name) {
            continue;
        }
        let help = focus.map_or_else(|| described(own.name, models), |_| own_help(own));
        let value = match own.kind.bare() {
            Kind::OneOf(_) => "NAME",
            Kind::Whole { .. } => "N",
            Kind::List { .. } => "N,N,…",
            Kind::Flag { .. } => "YES|NO",
            Kind::WarmUp => "N[:FORM]",
            _ => "F",
        };
        let arg = Arg::new(format!("{OPTION}{}", own.name)).long(long).value_name(value).help(help);
        let arg = match own.kind.bare() {
            Kind::Flag { .. } => arg.num_args(0..=1).require_equals(true).default_missing_value("yes"),
            _ => arg,
        };
        command = command.arg(arg.help_heading("Options of models"));
    }
    command
}

/// Options that every command has.
const RESERVED: [&str; 3] = ["help", "json", "version"];

/// Whether a model's option is an option of `train` too, and not given by `--set` alone.
pub fn has_option(train: &Command, name: &str) -> bool {
    train.get_arguments().any(|arg| arg.get_id().as_str().strip_prefix(OPTION) == Some(name))
}

/// The options that go with a run from its start to its end, by their ids in a command.
pub fn kept(command: &Command) -> Vec<String> {
    let ids = command.get_arguments().map(|arg| arg.get_id().as_str());
    let kept = |id: &str| Config::SETTINGS.iter().any(|setting| setting.name == id && setting.rule.kept);
    ids.filter(|id| id.starts_with(OPTION) || kept(id)).map(str::to_owned).collect()
}

/// A setting's default, in words: of one model, or of all.
pub fn default(setting: &Setting, models: &Models, focus: Option<&Spec>) -> String {
    if let Some(words) = setting.rule.default {
        return words.to_owned();
    }
    let of = |spec: &Spec| (setting.value)(&Config::defaults(spec));
    if let Some(spec) = focus {
        let other = if setting.name == "steps" { "epochs" } else { "steps" };
        return of(spec).unwrap_or_else(|| format!("none, it is counted in {other}"));
    }
    let mut groups: Vec<(Option<String>, Vec<&str>)> = Vec::new();
    for spec in models.iter() {
        let value = of(spec);
        match groups.iter_mut().find(|(known, _)| *known == value) {
            Some((_, names)) => names.push(spec.name),
            None => groups.push((value, vec![spec.name])),
        }
    }
    match &groups[..] {
        [(Some(value), _)] => value.clone(),
        _ => "the model's, below".to_owned(),
    }
}

/// The line of a model's option, with its values and its default.
pub fn own_help(own: &ModelOption) -> String {
    let mut help = own.help.chars();
    let first = help.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}: {} [default: {}]", help.as_str(), own.kind, own.kind.default_in_words())
}

/// The line of an option that some models have, with their defaults.
fn described(name: &str, models: &Models) -> String {
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for spec in models.iter() {
        let Some(own) = spec.option(name) else { continue };
        let line = own_help(own);
        match lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, names)) => names.push(spec.name),
            None => lines.push((line, vec![spec.name])),
        }
    }
    lines.iter().map(|(line, names)| format!("{line} ({})", names.join(", "))).collect::<Vec<_>>().join("; ")
}

/// The choices of settings, for a shell to complete them.
pub fn with_choices(command: Command, models: &Models) -> Command {
    let own = |name: &str| -> Vec<&'static str> {
        let kinds = models.iter().filter_map(|spec| spec.option(name)).map(|own| own.kind);
        let mut names: Vec<&str> =
            kinds.flat_map(|kind| if let Kind::OneOf(names) = kind.bare() { *names } else { &[] }).copied().collect();
        names.dedup();
        names
    };
    command.mut_args(|arg| {
        let id = arg.get_id().as_str();
        let names = match id.strip_prefix(OPTION) {
            Some(name) => own(name),
            None if id == "model" => models.iter().map(|spec| spec.name).collect(),
            None => {
                let row = Config::SETTINGS.iter().find(|setting| setting.name == id);
                row.map_or_else(Vec::new, |setting| setting.choices.to_vec())
            }
        };
        match names.is_empty() {
            true => arg,
            false => arg.value_parser(names.into_iter().map(PossibleValue::new).collect::<Vec<_>>()),
        }
    })
}

/// The defaults in which models differ, a line each, for the end of a command's help.
pub fn defaults_by_model(models: &Models, focus: Option<&Spec>) -> String {
    let defaults: Vec<(&str, Config)> = models.iter().map(|spec| (spec.name, Config::defaults(spec))).collect();
    let differs = |setting: &&Setting| {
        let values: BTreeSet<Option<String>> = defaults.iter().map(|(_, config)| (setting.value)(config)).collect();
        setting.rule.default.is_none() && (values.len() > 1 || ["lr", "batch_size"].contains(&setting.name))
    };
    let settings: Vec<&Setting> = Config::SETTINGS.iter().filter(differs).collect();
    let widest = defaults.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = "Defaults of each model:\n".to_owned();
    for (name, config) in defaults.iter().filter(|(name, _)| focus.is_none_or(|spec| spec.name == *name)) {
        let values = settings.iter().filter_map(|setting| (setting.value)(config).map(|value| (setting, value)));
        let values: Vec<String> = values.map(|(setting, value)| format!("{} {value}", setting.option())).collect();
        text += &format!("  {name:widest$}  {}\n", values.join(" "));
    }
    text
}

/// The command that trains a run like this one: every setting that is not its model's default, or a quick run's.
/// `train` is the command of [`with_model_options`].
pub fn training_command(models: &Models, train: &Command, config: &Config, out: &str) -> String {
    let quick = Overrides { quick: Some(config.quick), ..Overrides::default() };
    let defaults = Config::resolve(models, Some(&config.model), None, &quick).unwrap_or_else(|_| config.clone());
    let mut command = format!("{} train {} --data {}", text::program(), config.model, quoted(&config.data));
    for setting in Config::SETTINGS {
        let Some(value) = (setting.value)(config) else { continue };
        let differs = setting.name != "data" && (setting.value)(&defaults).as_ref() != Some(&value);
        match setting.rule.value_name {
            Some(_) if differs => command += &format!(" {} {}", setting.option(), quoted(&value)),
            None if value == "true" => command += &format!(" {}", setting.option()),
            _ => {}
        }
    }
    for (name, value) in &config.options {
        if defaults.options.get(name) != Some(value) {
            // A flag may be given without a value, so that one has to be joined to it.
            let joint = if matches!(value, Value::Flag(_)) { "=" } else { " " };
            let value = value.to_string();
            command += &match has_option(train, name) {
                true => format!(" {}{joint}{}", option(name), quoted(&value)),
                false => format!(" --set {}", quoted(&format!("{name}={value}"))),
            };
        }
    }
    if let Some(init) = &config.init {
        command += &format!(" --init {}", quoted(init));
        if config.init_partial {
            command += " --strict no";
        }
    }
    format!("{command} --out {}", quoted(out))
}

/// The same error with its place as it was typed: an option of the command, by `--set`, or the name of an argument, where
/// it says only what a library calls it.
pub fn as_typed(error: Error, command: &Command, matches: &ArgMatches) -> Error {
    let Error::Input { place, .. } = &error else { return error };
    // A file may well have the name of an option.
    let raw = |id: &str| matches.try_get_raw(id).ok().flatten().into_iter().flatten();
    let ids = || command.get_arguments().map(|arg| arg.get_id().as_str());
    if !place.starts_with("--") && ids().any(|id| raw(id).any(|value| value == place.as_str())) {
        return error;
    }
    let key = place.trim_start_matches('-').replace(['-', ' '], "_").to_lowercase();
    let typed = |id: &str| {
        matches.try_contains_id(id).is_ok_and(|is| is) && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    let own = format!("{OPTION}{key}");
    if set(matches).any(|(name, _)| *name == key) && !typed(&key) && !typed(&own) {
        return error.at(format!("--set {key}"));
    }
    let found = command.get_arguments().find(|arg| {
        let id = arg.get_id().as_str();
        id == key || id == own || arg.get_long().is_some_and(|long| long.replace('-', "_") == key)
    });
    match found {
        Some(arg) => match arg.get_long() {
            Some(long) => error.at(format!("--{long}")),
            None => {
                let name = arg.get_value_names().and_then(|names| names.first()).map(|name| name.to_string());
                error.at(name.unwrap_or_else(|| key.to_uppercase()))
            }
        },
        // An option that this command has not: the setting of a run's file.
        None if place.starts_with("--") && !place.contains(' ') => error.at(key),
        None => error,
    }
}

/// The models' names as a choice.
pub fn model_names(models: &Models) -> String {
    one_of(&models.iter().map(|spec| spec.name).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
