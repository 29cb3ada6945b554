//! Settings of a model's own, beside those that every run has.

use std::fmt;

use serde::{Deserialize, Serialize};

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
}

impl Kind {
    /// The value where none is given.
    pub fn default(&self) -> Value {
        match *self {
            Kind::OneOf(names) => Value::Text(names.first().copied().unwrap_or_default().to_owned()),
            Kind::Whole { default, .. } => Value::Whole(default),
            Kind::Number { default, .. } => Value::Number(default),
        }
    }

    /// The value in the form that this kind of option has.
    ///
    /// # Errors
    /// Found and expected.
    pub fn check(&self, value: &Value) -> Result<Value, String> {
        let good = match (self, value) {
            (Kind::OneOf(names), Value::Text(name)) if names.contains(&name.as_str()) => Some(value.clone()),
            (Kind::Whole { least, most, .. }, Value::Whole(n)) if (least..=most).contains(&n) => Some(value.clone()),
            (Kind::Number { least, .. }, Value::Number(x)) if x.is_finite() && x >= least => Some(value.clone()),
            (Kind::Number { least, .. }, &Value::Whole(n)) if n as f64 >= *least => Some(Value::Number(n as f64)),
            _ => None,
        };
        good.ok_or_else(|| format!("{value}, expected {self}"))
    }
}

impl fmt::Display for Kind {
    /// The values that may be given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::OneOf(names) => write!(f, "one of {}", names.join(", ")),
            Kind::Whole { least, most: u64::MAX, .. } => write!(f, "a whole number of at least {least}"),
            Kind::Whole { least, most, .. } => write!(f, "a whole number from {least} to {most}"),
            Kind::Number { least, .. } => write!(f, "a number of at least {least}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_in_the_form_that_their_option_has() {
        let number = Kind::Number { default: 1.0, least: 0.0 };
        assert_eq!(number.check(&Value::parse("2")), Ok(Value::Number(2.0)));
        assert_eq!(number.check(&Value::parse("-1")), Err("-1, expected a number of at least 0".to_owned()));
        assert_eq!(number.check(&Value::parse("nan")), Err("NaN, expected a number of at least 0".to_owned()));
        let names = Kind::OneOf(&["mlp", "cnn"]);
        assert_eq!(names.default(), Value::Text("mlp".to_owned()));
        assert_eq!(names.check(&Value::parse("rnn")), Err("rnn, expected one of mlp, cnn".to_owned()));
        let whole = Kind::Whole { default: 8, least: 1, most: 64 };
        assert_eq!(whole.check(&Value::parse("65")), Err("65, expected a whole number from 1 to 64".to_owned()));
        assert_eq!(whole.check(&Value::parse("64")), Ok(Value::Whole(64)));
    }
}
