//! `inkgrad gradcheck`: analytic against numeric gradients, in `f64`; with a device, its gradients against the processor's, in `f32`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use inkgrad_engine::device::Precision;
use inkgrad_engine::gradcheck::on_device::{self, Apart};
use inkgrad_engine::gradcheck::{self, Outcome, TOLERANCE};
use inkgrad_engine::ops::Spec;
use inkgrad_engine::{DeviceError, Pool, Team};
use inkgrad_kernels::launch;
use inkgrad_models::data::Extents;
use inkgrad_models::model::Spec as ModelSpec;
use inkgrad_models::model::config::{Config, DeviceKind};
use inkgrad_models::{Error, Models, Result, check};
use serde::Serialize;

use crate::args::Compute;
use crate::output::{self, Report};

#[derive(Debug, Args)]
pub struct Gradcheck {
    /// Check this operation alone
    #[arg(long, value_name = "NAME", conflicts_with_all = ["model", "image"])]
    op: Option<String>,
    /// Check this model alone
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Check models at these extents of a picture, such as 32x32x3, instead of a drawing's
    #[arg(long, value_name = "HxW[xC]")]
    image: Option<Extents>,
    #[command(flatten)]
    compute: Compute,
}

/// Random small cases of each operation, beside a large one.
const CASES: u64 = 20;
/// Random small cases of each operation on a device.
const DEVICE_CASES: u64 = 4;

#[derive(Debug, Serialize)]
struct Table {
    tolerance: f64,
    results: Vec<Row>,
    passed: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    kind: &'static str,
    name: String,
    /// Derivatives, or derivatives along random directions; on a device cases, or parameters' gradients.
    compared: usize,
    /// The largest relative error.
    error: f64,
    /// The case and the input, or the parameter, with that error.
    place: String,
    /// The model's parameters of which nothing but zeros was compared.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreached: Vec<String>,
    /// Why nothing was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<&'static str>,
    passed: bool,
}

impl Gradcheck {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        let (kind, threads) = self.compute.device()?;
        let (ops, models) = (self.ops(models)?, self.models(models)?);
        let device = kind.open()?;
        let (tolerance, results) = Pool::new(threads).enter(|team| -> Result<_> {
            match device {
                None => Ok((TOLERANCE, self.numerically(&ops, &models, team)?)),
                Some(mut device) => Ok((on_device::TOLERANCE, self.on(kind, &mut *device, &ops, &models, team)?)),
            }
        })?;
        let passed = results.iter().all(|row| row.passed);
        output::report(&Table { tolerance, results, passed }, json)?;
        Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Analytic against numeric gradients, in `f64`. Checks are small and many, so that each is one thread's where there are enough.
    fn numerically(&self, ops: &[&Spec], models: &[ModelSpec], team: &Team) -> Result<Vec<Row>> {
        let variants = models.iter().flat_map(|&spec| {
            let others = if self.image.is_some() { check::sized(&spec) } else { check::resized(&spec) };
            let others = others.into_iter().chain(check::objectives(&spec));
            check::variants(&spec).into_iter().chain(others).map(move |variant| (spec, variant))
        });
        let variants: Vec<(ModelSpec, (String, Config))> = variants.collect();
        let check = |at: usize, team: &Team| match ops.get(at) {
            Some(spec) => Ok(check_op(spec, team)),
            None => {
                let (spec, (name, config)) = &variants[at - ops.len()];
                let outcome = check::check_model(*spec, name, &self.sized(config.clone()), team)?;
                Ok(Row::new("model", name.clone(), outcome.place.clone(), &outcome))
            }
        };
        let count = ops.len() + variants.len();
        if count < team.threads() {
            return (0..count).map(|at| check(at, team)).collect();
        }
        let mut rows: Vec<Option<Result<Row>>> = (0..count).map(|_| None).collect();
        team.pieces([(&mut rows, 1)], |at, [row]| row[0] = Some(check(at, &team.alone())));
        rows.into_iter().map(|row| row.expect("each piece is one row")).collect()
    }

    /// A device's gradients against the processor's, in `f32`.
    fn on(
        &self,
        kind: DeviceKind,
        device: &mut dyn launch::Device,
        ops: &[&Spec],
        models: &[ModelSpec],
        team: &Team,
    ) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for spec in ops {
            let apart = on_device::check_op(spec, DEVICE_CASES, Precision::Fp32, device);
            rows.push(Row::apart("op", spec.name.to_owned(), apart.map_err(|error| failed(kind, &error))?));
        }
        for &spec in models {
            for (name, config) in check::variants(&spec) {
                let apart = check::check_on_device(spec, &self.sized(config), Precision::Fp32, device, team)?;
                rows.push(Row::apart("model", name, apart));
            }
        }
        Ok(rows)
    }

    /// A configuration at the extents asked for.
    fn sized(&self, config: Config) -> Config {
        Config { image: self.image.unwrap_or(config.image), ..config }
    }

    /// The operations to check: all, or the chosen one, or none where only a model is chosen.
    fn ops<'m>(&self, models: &'m Models) -> Result<Vec<&'m Spec>> {
        let Some(name) = &self.op else {
            return Ok(if self.model.is_none() { models.operations().collect() } else { Vec::new() });
        };
        let found: Vec<&Spec> = models.operations().filter(|spec| spec.name == name).collect();
        if found.is_empty() {
            let known: Vec<&str> = models.operations().map(|spec| spec.name).collect();
            let problem = format!("unknown operation `{name}`, expected one of {}", known.join(", "));
            return Err(Error::input("--op", problem));
        }
        Ok(found)
    }

    fn models(&self, models: &Models) -> Result<Vec<ModelSpec>> {
        match (&self.model, &self.op) {
            (Some(model), _) => Ok(vec![models.get(model)?]),
            (None, Some(_)) => Ok(Vec::new()),
            (None, None) => Ok(models.iter().copied().collect()),
        }
    }
}

fn failed(kind: DeviceKind, error: &DeviceError) -> Error {
    Error::input("--device", format!("{kind}: {error}"))
}

fn check_op(spec: &Spec, team: &Team) -> Row {
    let outcome = gradcheck::check_op(spec, team, CASES);
    let place = format!("{} {}", outcome.label, outcome.place);
    Row::new("op", spec.name.to_owned(), place.trim().to_owned(), &outcome)
}

impl Row {
    fn new(kind: &'static str, name: String, place: String, outcome: &Outcome) -> Self {
        let Outcome { compared, error, .. } = *outcome;
        let unreached = if kind == "model" { outcome.unreached.clone() } else { Vec::new() };
        Row { kind, name, compared, error, place, unreached, skipped: None, passed: outcome.passes() }
    }

    /// A row about a device, which may have no kernels for it.
    fn apart(kind: &'static str, name: String, apart: Option<Apart>) -> Self {
        let skipped = apart.is_none().then_some("runs on the processor alone");
        let Apart { compared, error, place } = apart.unwrap_or_default();
        let passed = error < on_device::TOLERANCE;
        Row { kind, name, compared, error, place, unreached: Vec::new(), skipped, passed }
    }
}

impl Report for Table {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{:<6} {:<24} {:>9} {:>23}", "kind", "name", "compared", "largest relative error")?;
        for Row { kind, name, compared, error, place, unreached, skipped, passed } in &self.results {
            if let Some(why) = skipped {
                writeln!(out, "{kind:<6} {name:<24} {:>9} {:>23}  {why}", "–", "–")?;
                continue;
            }
            write!(out, "{kind:<6} {name:<24} {compared:>9} {error:>23.2e}  ")?;
            if *passed {
                writeln!(out, "ok")?
            } else {
                writeln!(out, "FAILED at {place}")?
            }
            if !unreached.is_empty() {
                writeln!(out, "       warning: no gradient reaches {} in this draw", unreached.join(", "))?;
            }
        }
        let failed = self.results.iter().filter(|row| !row.passed).count();
        let compared = self.results.iter().filter(|row| row.skipped.is_none()).count();
        match failed {
            0 => writeln!(out, "all {compared} within {:e}", self.tolerance),
            _ => writeln!(out, "{failed} of {compared} over {:e}", self.tolerance),
        }
    }
}
