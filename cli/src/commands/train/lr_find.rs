//! The range test of learning rates: a plot and a proposal, and no run.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use inkgrad_models::Models;
use inkgrad_models::run::config::Config;
use inkgrad_models::run::plot::{self, Curve, Figure, Marks, Panel};
use inkgrad_models::trainer::{RangeTest, range_test};
use serde::Serialize;

use crate::output::{self, Report};
use crate::progress::{self, number};

/// The outcome.
#[derive(Debug, Serialize)]
struct Found {
    model: String,
    /// The rate to train at; none where the loss did not fall.
    proposal: Option<f64>,
    /// A tenth of the rate at which the loss is smallest: an upper bound.
    tenth_of_best: f64,
    exploded: bool,
    steps: usize,
    lr: Vec<f64>,
    loss: Vec<f64>,
    smoothed: Vec<f64>,
    png: PathBuf,
}

/// Tries rates on the run that `config` describes.
pub fn run(models: &Models, config: Config, png: &Path, steps: usize, json: bool) -> anyhow::Result<ExitCode> {
    output::check_target(png)?;
    let (label, model) = (config.label(), config.model.clone());
    let mut watch = progress::parts();
    let test = range_test(models, config, steps, &mut |done, of| watch("steps", done, of))?;
    plot::draw(&figure(&label, &test))?.save_png(png)?;
    let column = |of: fn(&inkgrad_models::trainer::Tried) -> f64| test.tried.iter().map(of).collect();
    let found = Found {
        model,
        proposal: test.proposal(),
        tenth_of_best: test.tenth_of_best,
        exploded: test.exploded,
        steps: test.tried.len(),
        lr: column(|tried| tried.lr),
        loss: column(|tried| tried.loss),
        smoothed: column(|tried| tried.smoothed),
        png: png.to_owned(),
    };
    output::report(&found, json)?;
    Ok(ExitCode::SUCCESS)
}

/// Losses over the logarithm of the rate, but for what the explosion would make small.
fn figure(label: &str, test: &RangeTest) -> Figure {
    let first = test.tried.first().map_or(0.0, |tried| tried.loss);
    let smallest = test.tried.iter().map(|tried| tried.loss).fold(first, f64::min);
    let shown = |loss: f64| loss <= first + (first - smallest).max(0.1 * first.abs());
    let curve = |label: &str, of: fn(&inkgrad_models::trainer::Tried) -> f64| Curve {
        label: label.to_owned(),
        points: test.tried.iter().map(|tried| (tried.lr.log10(), of(tried))).filter(|(_, y)| shown(*y)).collect(),
    };
    let proposal = test.proposal().map_or("no proposal: the loss does not fall".to_owned(), |lr| {
        format!("it falls fastest at {lr:.1e}; a tenth of the rate of the smallest is {:.1e}", test.tenth_of_best)
    });
    Figure {
        title: format!("{label}: loss at rising learning rates"),
        caption: proposal,
        x_label: "log10 of the learning rate".to_owned(),
        whole: false,
        panels: vec![Panel {
            label: "loss".to_owned(),
            marks: Marks::Lines(vec![curve("loss", |tried| tried.loss), curve("smoothed", |tried| tried.smoothed)]),
        }],
    }
}

impl Report for Found {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let (from, to) = (self.lr.first().copied().unwrap_or(0.0), self.lr.last().copied().unwrap_or(0.0));
        let ended = if self.exploded { ", where the loss exploded" } else { "" };
        writeln!(out, "{}: {} steps at rates from {from:.1e} to {to:.1e}{ended}", self.model, self.steps)?;
        let smallest = self.smoothed.iter().copied().fold(f64::INFINITY, f64::min);
        let first = self.smoothed.first().copied().unwrap_or(f64::NAN);
        writeln!(out, "  the smoothed loss falls from {} to {}", number(first), number(smallest))?;
        match self.proposal {
            Some(lr) => writeln!(out, "  --lr {lr:.1e}: it falls fastest there; at most {:.1e}", self.tenth_of_best)?,
            None => writeln!(out, "  no proposal: it does not fall")?,
        }
        writeln!(out, "{}: a picture of it", self.png.display())
    }
}
