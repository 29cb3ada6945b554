//! Scores as a table.

use std::io::{self, Write};

use inkgrad_models::metrics::{FeatureScores, Scores};

use super::PIXELS;
use crate::output::{Report, thousands};

/// A score with six decimals; one of a size that these do not show, with its power of ten.
fn digits(value: f64) -> String {
    match value.abs() {
        0.0 | 5e-7..1e9 => format!("{value:.6}"),
        _ => format!("{value:.5e}"),
    }
}

impl Report for Scores {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let passport = &self.passport;
        let (real, generated) = (thousands(passport.real as u64), thousands(passport.generated as u64));
        writeln!(out, "{real} real and {generated} generated rows of {}", passport.width)?;
        writeln!(out, "  {:<12} {:>14} {:>14}", "", "score", "floor")?;
        let floor = passport.floor.as_ref();
        let mut row = |name: &str, value: Option<f64>, floor: Option<f64>| {
            let [value, floor] = [value, floor].map(|number| number.map_or_else(|| "-".to_owned(), digits));
            writeln!(out, "  {name:<12} {value:>14} {floor:>14}")
        };
        type Of = fn(&FeatureScores) -> Option<f64>;
        let values: [(&str, Of); 7] = [
            ("FID", |s| Some(s.fid)),
            ("KID", |s| Some(s.kid_mean)),
            ("  ±", |s| s.kid_std),
            ("precision", |s| s.precision),
            ("recall", |s| s.recall),
            ("density", |s| s.density),
            ("coverage", |s| s.coverage),
        ];
        for (name, of) in values {
            let (value, floor) = (of(&self.features), floor.and_then(of));
            // Where subsets do not vary there is nothing to print.
            if name != "  ±" || value.is_some() || floor.is_some() {
                row(name, value, floor)?;
            }
        }
        // Of one that was asked for, and that rows are too few for, a note says why.
        if self.fid_infinity.is_some() || self.notes.contains_key("fid_infinity") {
            row("FID∞", self.fid_infinity, passport.floor_fid_infinity)?;
        }
        if self.is_mean.is_some() || self.notes.contains_key("is_mean") {
            row("IS", self.is_mean, None)?;
        }
        if let Some(std) = self.is_std {
            row("  ±", Some(std), None)?;
        }
        let extractor = &passport.extractor;
        // Pixels have neither, and a classifier takes pictures as they are.
        let absent =
            |names: &[&str]| if names.iter().any(|&n| extractor.name.starts_with(n)) { "none" } else { "unknown" };
        let weights = extractor.weights_sha256.as_deref().unwrap_or(absent(&[PIXELS]));
        let resize = extractor.resize.as_deref().unwrap_or(absent(&[PIXELS, "classifier-"]));
        writeln!(out, "floor: the same between two disjoint halves of the real rows")?;
        writeln!(out, "extractor {}, weights {weights}, resize {resize}, seed {}", extractor.name, passport.seed)
    }
}
