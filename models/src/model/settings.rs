//! The table of settings: of each one row, which `config.toml`, `--config` files, the command line with its help, and reports of
//! what was run are made of.

use super::config::{Change, Config, Overrides};
use crate::data::Extents;

/// A setting that every run has, as its row in the table says: a key of `config.toml` and an option of `train`.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The key; with hyphens for underscores, the option.
    pub name: &'static str,
    /// Its effect, in one line.
    pub help: &'static str,
    /// How it is given, and which values will do.
    pub rule: Rule,
    /// The values of a choice; empty where it is none.
    pub choices: &'static [&'static str],
    /// Its value, as it is written on a command line; `None` where it is not set.
    pub value: fn(&Config) -> Option<String>,
    /// Gives it the value that a command line has.
    pub(super) give: fn(&mut Overrides, &str) -> Result<(), String>,
}

impl Setting {
    /// Gives it the value `text`, as it is written on a command line.
    ///
    /// # Errors
    /// The type that was expected, if it is of another.
    pub fn give(&self, overrides: &mut Overrides, text: &str) -> Result<(), String> {
        (self.give)(overrides, text)
    }

    /// Its option on the command line: `--batch-size`.
    pub fn option(&self) -> String {
        option(self.name)
    }

    /// Found and expected, where its value will not do.
    pub(super) fn problem(&self, config: &Config) -> Option<String> {
        let (_, expected) = self.rule.good.iter().find(|(good, _)| !good(config))?;
        let found = (self.value)(config).unwrap_or_default();
        Some(format!("{}, expected {expected}", if found.is_empty() { "empty" } else { &found }))
    }
}

/// A key as an option of the command line.
pub fn option(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

/// How a setting is given, and which values will do.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The name of its value in help; `None` of a switch, which is given or not.
    pub value_name: Option<&'static str>,
    /// Whether a run keeps it from its start to its end.
    pub kept: bool,
    /// The words for its default, where that is no value: "never".
    pub default: Option<&'static str>,
    /// Conditions on its value, and what each expects.
    good: &'static [Condition],
}

/// A condition, and what it expects.
type Condition = (fn(&Config) -> bool, &'static str);

/// A setting whose value is called `value_name` in help.
pub(super) const fn value(value_name: &'static str) -> Rule {
    Rule { value_name: Some(value_name), kept: false, default: None, good: &[] }
}

/// A setting that is given or not.
pub(super) const SWITCH: Rule = Rule { value_name: None, kept: false, default: None, good: &[] };

impl Rule {
    /// The same of a setting that a run keeps from its start to its end.
    pub(super) const fn kept(self) -> Self {
        Rule { kept: true, ..self }
    }

    /// The same with words for the default.
    pub(super) const fn default(self, words: &'static str) -> Self {
        Rule { default: Some(words), ..self }
    }

    /// The same with conditions.
    pub(super) const fn good(self, good: &'static [Condition]) -> Self {
        Rule { good, ..self }
    }
}

/// A type that a setting may have.
pub trait Field: Sized {
    /// The same in [`Overrides`], where it may be left as it is.
    type Given;
    /// The names of its values, of a choice.
    const CHOICES: &'static [&'static str] = &[];
    /// Takes a value that is given.
    fn take(&mut self, given: &Self::Given);
    /// Reads a value of the command line.
    fn parse(text: &str) -> Result<Self::Given, String>;
    /// Writes one.
    fn show(&self) -> Option<String>;
}

macro_rules! fields {
    ($($type:ty: $expected:literal $(, $choices:expr)?;)*) => { $(
        impl Field for $type {
            type Given = Option<$type>;
            $(const CHOICES: &'static [&'static str] = $choices;)?
            fn take(&mut self, given: &Self::Given) {
                if let Some(value) = given {
                    self.clone_from(value);
                }
            }
            fn parse(text: &str) -> Result<Self::Given, String> {
                text.parse().map(Some).map_err(|error| problem(&error, $expected))
            }
            fn show(&self) -> Option<String> {
                Some(self.to_string())
            }
        }

        impl Field for Option<$type> {
            type Given = Option<$type>;
            fn take(&mut self, given: &Self::Given) {
                if given.is_some() {
                    self.clone_from(given);
                }
            }
            fn parse(text: &str) -> Result<Self::Given, String> {
                <$type as Field>::parse(text)
            }
            fn show(&self) -> Option<String> {
                self.as_ref().map(ToString::to_string)
            }
        }
    )* };
}
pub(super) use fields;

/// The reason of a type's own, or what is expected.
pub(super) fn problem(error: &impl ToString, expected: &str) -> String {
    if expected.is_empty() { error.to_string() } else { format!("expected {expected}") }
}

fields! {
    String: "";
    bool: "true or false";
    f64: "a number";
    u64: "a whole number";
    usize: "a whole number";
}

macro_rules! facts {
    ($($type:ty),*) => { $(
        impl Field for $type {
            type Given = Option<$type>;
            fn take(&mut self, given: &Self::Given) {
                if let Some(value) = given {
                    self.clone_from(value);
                }
            }
            fn parse(_: &str) -> Result<Self::Given, String> {
                Err("no setting".to_owned())
            }
            fn show(&self) -> Option<String> {
                None
            }
        }
    )* };
}

// Facts that a run's file tells beside its settings.
facts!(Vec<String>, Vec<Change>, Extents);

/// Makes [`Config`], [`Overrides`] and [`Config::SETTINGS`] of rows `name: type = default`; one that can be given has its
/// [`Rule`] behind an arrow. A row's comment is its help.
macro_rules! settings {
    ($(#[doc = $doc:literal] $(#[serde($($serde:tt)*)])* $field:ident: $type:ty = $default:expr $(=> $rule:expr)?;)*) => {
        /// Every setting of a run. [`Config::resolve`] gives one that is valid; [`Config::validate`] says what that means.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub struct Config {
            /// Layout of the run folder, [`FORMAT`].
            pub format: u32,
            /// The version of inkgrad that wrote it.
            pub inkgrad: String,
            /// The model: a name in the table of [`Models`](super::Models).
            pub model: String,
            /// The model's own settings, see [`Model::OPTIONS`](crate::model::Model::OPTIONS); all of them, once resolved.
            #[serde(flatten)]
            pub options: BTreeMap<String, Value>,
            $(#[doc = $doc] $(#[serde($($serde)*)])* pub $field: $type,)*
        }

        /// Settings to change: a `--config` file's or the command line's; `None` leaves a setting as it is.
        /// The fields are those of [`Config`]. A run's own `config.toml` can be read as one.
        #[derive(Clone, Debug, Default, PartialEq, Deserialize)]
        #[serde(default)]
        pub struct Overrides {
            /// The layout of the run folder that the file is of, if it is one's.
            pub format: Option<u32>,
            /// Read past; a run tells its own.
            pub inkgrad: Option<String>,
            /// Compared by [`Config::resolve`], never changed.
            pub model: Option<String>,
            /// The model's own settings.
            #[serde(flatten)]
            pub options: BTreeMap<String, Value>,
            $(#[doc = $doc] pub $field: <$type as Field>::Given,)*
            /// Whether other contents of the data are meant; never in a file.
            #[serde(skip)]
            pub data_changed: bool,
        }

        impl Config {
            /// The settings that every run has, beside those of its model.
            pub const SETTINGS: &'static [Setting] = &[$($({
                const RULE: Rule = $rule;
                Setting {
                    name: stringify!($field),
                    help: $doc.trim_ascii(),
                    rule: RULE,
                    choices: <$type as Field>::CHOICES,
                    value: |config| Field::show(&config.$field),
                    give: |overrides, text| {
                        overrides.$field = <$type as Field>::parse(text)?;
                        Ok(())
                    },
                }
            },)?)*];

            /// The settings that a model is trained with where nothing else is asked for.
            pub fn defaults(spec: &Spec) -> Self {
                let mut config = Self {
                    format: FORMAT,
                    inkgrad: env!("CARGO_PKG_VERSION").to_owned(),
                    model: spec.name.to_owned(),
                    options: spec
                        .resolved_options()
                        .map(|option| (option.name.to_owned(), option.kind.default()))
                        .collect(),
                    $($field: $default,)*
                };
                (spec.defaults)(&mut config);
                config
            }

            /// Gives the settings of the table that `overrides` has their values.
            pub(super) fn take(&mut self, overrides: &Overrides) {
                $($({
                    const _: Rule = $rule;
                    Field::take(&mut self.$field, &overrides.$field);
                })?)*
            }
        }
    };
}
pub(super) use settings;
