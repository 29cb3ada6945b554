//! Settings of a model's own, beside those that every run has.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::WarmUp;

/// A setting that one model has: its key in `config.toml`, and what it may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelOption {
    /// The key, in lower case with underscores.
    pub name: &'static str,
    /// Its effect, in one line.
    pub help: &'static str,
    /// Its values and its default.
    pub kind: Kind,
}

impl ModelOption {
    /// A whole number in `range`.
    pub const fn whole(name: &'static str, help: &'static str, default: u64, range: RangeInclusive<u64>) -> Self {
        ModelOption { name, help, kind: Kind::Whole { default, least: *range.start(), most: *range.end() } }
    }
}

/// The values that an option may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// One of several names; the first is the default.
    OneOf(&'static [&'static str]),
    /// A whole number.
    Whole {
        /// Where it is not given.
        default: u64,
        /// The least that will do.
        least: u64,
        /// The most that will do.
        most: u64,
    },
    /// A number.
    Number {
        /// Where it is not given.
        default: f64,
        /// The least that will do.
        least: f64,
        /// The most that will do; infinity for any.
        most: f64,
    },
    /// Whole numbers, one after the other, as in `32,64,128`.
    List {
        /// Where none are given.
        default: &'static [u64],
        /// The least that each may be.
        least: u64,
        /// The most that each may be.
        most: u64,
        /// The longest list that will do; the shortest has one number.
        longest: usize,
    },
    /// Yes or no.
    Flag {
        /// Where it is not given.
        default: bool,
    },
    /// Epochs of a rise and its form, as in `10:cyclic` ([`WarmUp`](super::WarmUp)); by default there is none.
    WarmUp,
    /// As the kind that it names, but in `config.toml` only where it was given: a setting that came after the first runs, whose
    /// configurations stay as they are.
    IfGiven(&'static Kind),
    /// The same where there is no value unless one was given: a setting that is off by default.
    Unset(&'static Kind),
    /// A number that has another default beside some names of another option, as a weight of the objective that it weighs.
    Beside {
        /// The number, with its usual default.
        kind: &'static Kind,
        /// The key of the other option.
        option: &'static str,
        /// Its names, and the default beside each.
        defaults: &'static [(&'static str, f64)],
    },
}

/// An option's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A whole number.
    Whole(u64),
    /// A number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// Whole numbers.
    List(Vec<u64>),
    /// A name.
    Text(String),
    /// Anything else that TOML has; no option may be it, but an error shows it.
    Other(toml::Value),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Whole(value) => value.fmt(f),
            Value::Number(value) => value.fmt(f),
            Value::Flag(value) => f.pad(if *value { "yes" } else { "no" }),
            // As a command line has it: `32,64,128`.
            Value::List(values) => f.pad(&values.iter().map(u64::to_string).collect::<Vec<_>>().join(",")),
            Value::Text(value) => f.pad(value),
            Value::Other(value) => value.fmt(f),
        }
    }
}

impl Value {
    /// A value as it is written on a command line.
    pub fn parse(text: &str) -> Self {
        let number = || text.parse().map(Value::Number);
        text.parse().map(Value::Whole).or_else(|_| number()).unwrap_or_else(|_| Value::Text(text.to_owned()))
    }

    /// Whole numbers, as a file or a command line has them.
    fn as_list(&self) -> Option<Vec<u64>> {
        match self {
            Value::Whole(n) => Some(vec![*n]),
            Value::List(list) => Some(list.clone()),
            Value::Text(text) => text.split(',').map(|n| n.trim().parse().ok()).collect(),
            _ => None,
        }
    }
}

impl Kind {
    /// The value where none is given.
    pub fn default(&self) -> Value {
        match *self {
            Kind::OneOf(names) => Value::Text(names.first().copied().unwrap_or_default().to_owned()),
            Kind::Whole { default, .. } => Value::Whole(default),
            Kind::Number { default, .. } => Value::Number(default),
            Kind::List { default, .. } => Value::List(default.to_vec()),
            Kind::Flag { default } => Value::Flag(default),
            Kind::WarmUp => Value::Text(String::new()),
            Kind::IfGiven(kind) | Kind::Beside { kind, .. } => kind.default(),
            Kind::Unset(_) => Value::Text(String::new()),
        }
    }

    /// The value where none is given beside these options' values; `None` where that is the usual one.
    pub fn default_beside(&self, options: &BTreeMap<String, Value>) -> Option<Value> {
        let Kind::Beside { option, defaults, .. } = self else { return None };
        let Some(Value::Text(found)) = options.get(*option) else { return None };
        defaults.iter().find(|(name, _)| name == found).map(|&(_, number)| Value::Number(number))
    }

    /// Whether a configuration has the value where it was not given, too.
    pub fn is_resolved(&self) -> bool {
        !matches!(self, Kind::IfGiven(_) | Kind::Unset(_))
    }

    /// The kind itself, of one that is there only where it was given.
    pub fn bare(&self) -> &Kind {
        if let Kind::IfGiven(kind) | Kind::Unset(kind) | Kind::Beside { kind, .. } = self { kind } else { self }
    }

    /// The default in words: `none` where there is no value unless one is given.
    pub fn default_in_words(&self) -> String {
        match self {
            Kind::Unset(_) => "none".to_owned(),
            Kind::Beside { kind, option, defaults } => {
                let others = defaults.iter().map(|(name, number)| format!("; {number} with the {option} {name}"));
                kind.default().to_string() + &others.collect::<String>()
            }
            kind => kind.default().to_string(),
        }
    }

    /// The value in the form that this kind of option has.
    ///
    /// # Errors
    /// Found and expected.
    pub fn check(&self, value: &Value) -> Result<Value, String> {
        let good = match (self.bare(), value) {
            (Kind::OneOf(names), Value::Text(name)) if names.contains(&name.as_str()) => Some(value.clone()),
            (Kind::Whole { least, most, .. }, Value::Whole(n)) if (least..=most).contains(&n) => Some(value.clone()),
            (Kind::Number { least, most, .. }, Value::Number(x)) if x.is_finite() && (least..=most).contains(&x) => {
                Some(value.clone())
            }
            (Kind::Number { least, most, .. }, &Value::Whole(n)) if (*least..=*most).contains(&(n as f64)) => {
                Some(Value::Number(n as f64))
            }
            (&Kind::List { least, most, longest, .. }, value) => value
                .as_list()
                .filter(|list| (1..=longest).contains(&list.len()) && list.iter().all(|n| (least..=most).contains(n)))
                .map(Value::List),
            (Kind::Flag { .. }, Value::Flag(_)) => Some(value.clone()),
            (Kind::Flag { .. }, Value::Text(text)) => match text.as_str() {
                "yes" | "true" => Some(Value::Flag(true)),
                "no" | "false" => Some(Value::Flag(false)),
                _ => None,
            },
            (Kind::WarmUp, value @ (Value::Whole(_) | Value::Number(_) | Value::Text(_))) => {
                value.to_string().parse::<WarmUp>().ok().map(|warm_up| Value::Text(warm_up.to_string()))
            }
            _ => None,
        };
        good.ok_or_else(|| match value {
            // As the file has it that it was read from.
            Value::List(list) => format!("{list:?}, expected {self}"),
            value => format!("{value}, expected {self}"),
        })
    }
}

impl fmt::Display for Kind {
    /// The values that may be given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::OneOf(names) => write!(f, "one of {}", names.join(", ")),
            Kind::Whole { least, most: u64::MAX, .. } => write!(f, "a whole number of at least {least}"),
            Kind::Whole { least, most, .. } => write!(f, "a whole number from {least} to {most}"),
            Kind::Number { least, most: f64::INFINITY, .. } => write!(f, "a number of at least {least}"),
            Kind::Number { least, most, .. } => write!(f, "a number from {least} to {most}"),
            Kind::List { least, most, longest, .. } => {
                write!(f, "1 to {longest} whole numbers from {least} to {most}, as in 32,64")
            }
            Kind::Flag { .. } => f.write_str("yes or no"),
            Kind::WarmUp => f.write_str("epochs above 0, or as in 10:linear, 10:cyclic or 10:sigmoid"),
            Kind::IfGiven(kind) | Kind::Unset(kind) | Kind::Beside { kind, .. } => kind.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_in_the_form_that_their_option_has() {
        let number = Kind::Number { default: 1.0, least: 0.0, most: f64::INFINITY };
        assert_eq!(number.check(&Value::parse("2")), Ok(Value::Number(2.0)));
        assert_eq!(number.check(&Value::parse("-1")), Err("-1, expected a number of at least 0".to_owned()));
        assert_eq!(number.check(&Value::parse("nan")), Err("NaN, expected a number of at least 0".to_owned()));
        let names = Kind::OneOf(&["mlp", "cnn"]);
        assert_eq!(names.default(), Value::Text("mlp".to_owned()));
        assert_eq!(names.check(&Value::parse("rnn")), Err("rnn, expected one of mlp, cnn".to_owned()));
        let whole = Kind::Whole { default: 8, least: 1, most: 64 };
        assert_eq!(whole.check(&Value::parse("65")), Err("65, expected a whole number from 1 to 64".to_owned()));
        assert_eq!(whole.check(&Value::parse("64")), Ok(Value::Whole(64)));
        let share = Kind::Number { default: 0.5, least: 0.0, most: 1.0 };
        assert_eq!(share.check(&Value::parse("1.5")), Err("1.5, expected a number from 0 to 1".to_owned()));
    }

    #[test]
    fn lists_and_flags_are_taken_from_files_and_command_lines() {
        let list = Kind::List { default: &[32, 64], least: 1, most: 100, longest: 3 };
        let read =
            |text: &str| list.check(&toml::from_str::<toml::Table>(text).unwrap()["x"].clone().try_into().unwrap());
        assert_eq!(list.check(&Value::parse("16, 32")), Ok(Value::List(vec![16, 32])));
        assert_eq!(list.check(&Value::parse("16")), Ok(Value::List(vec![16])));
        assert_eq!(read("x = [1, 2, 3]"), Ok(Value::List(vec![1, 2, 3])));
        // A list that is shown can be given again.
        assert_eq!(list.check(&Value::parse(&Value::List(vec![4, 6]).to_string())), Ok(Value::List(vec![4, 6])));
        let expected = "expected 1 to 3 whole numbers from 1 to 100, as in 32,64";
        assert_eq!(read("x = [1, 2, 3, 4]"), Err(format!("[1, 2, 3, 4], {expected}")));
        assert_eq!(read("x = []"), Err(format!("[], {expected}")));
        for bad in ["0", "101", "1,", "a,b", "-3", "1.5"] {
            assert_eq!(list.check(&Value::parse(bad)), Err(format!("{bad}, {expected}")));
        }
        let flag = Kind::Flag { default: false };
        assert_eq!(flag.check(&Value::parse("yes")), Ok(Value::Flag(true)));
        assert_eq!(flag.check(&Value::parse("false")), Ok(Value::Flag(false)));
        assert_eq!(flag.check(&Value::parse("1")), Err("1, expected yes or no".to_owned()));
        assert_eq!(Kind::IfGiven(&Kind::Flag { default: true }).default(), Value::Flag(true));
        let unset = Kind::Unset(&Kind::Number { default: 0.0, least: 0.0, most: 9.0 });
        assert_eq!((unset.default_in_words().as_str(), unset.is_resolved()), ("none", false));
        const USUAL: Kind = Kind::Number { default: 1.0, least: 0.0, most: 9.0 };
        let beside = Kind::Beside { kind: &USUAL, option: "arch", defaults: &[("mlp", 4.0)] };
        assert_eq!(
            (beside.default(), beside.default_in_words().as_str()),
            (Value::Number(1.0), "1; 4 with the arch mlp")
        );
        let with = |name: &str| BTreeMap::from([("arch".to_owned(), Value::parse(name))]);
        assert_eq!(["mlp", "cnn"].map(|name| beside.default_beside(&with(name))), [Some(Value::Number(4.0)), None]);
        assert_eq!((beside.default_beside(&BTreeMap::new()), beside.is_resolved()), (None, true));
        assert_eq!(unset.check(&Value::parse("10")), Err("10, expected a number from 0 to 9".to_owned()));
    }
}
