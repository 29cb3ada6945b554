//! `inkgrad bench --profile`: where the time of a step goes.

use std::collections::BTreeMap;
use std::io::{self, Write};

use inkgrad_kernels::cpu::peak::peak_gflops;
use inkgrad_models::Result;
use serde::Serialize;

use super::Workload;
use crate::output::Report;

/// Where the time of a step goes.
#[derive(Debug, Serialize)]
pub struct StepProfile {
    model: String,
    batch_size: usize,
    threads: usize,
    steps: usize,
    /// Mean, with the measuring itself.
    ms_per_step: f64,
    /// Of a step outside the operations: gathering the batch, Adam, reading the loss.
    other_ms: f64,
    /// As [`super::Timing::peak_gflops`].
    peak_gflops: f64,
    operations: Vec<Operation>,
}

/// The passes of an operation that chooses an algorithm for each.
const PASSES: [&str; 3] = ["forward", "dx", "dw"];

/// One operation's part.
#[derive(Debug, Serialize)]
struct Operation {
    node: usize,
    op: String,
    /// The algorithm of each pass, by its name, where the operation chooses one by its shapes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    algorithms: BTreeMap<&'static str, &'static str>,
    shape: String,
    forward_ms: f64,
    backward_ms: f64,
    forward_gflops: f64,
    backward_gflops: f64,
    /// Of the step's time.
    share: f64,
}

impl Operation {
    /// The operation, and the algorithm of its passes: one for all, or each by name.
    fn label(&self) -> String {
        let Operation { op, algorithms, .. } = self;
        let mut all = algorithms.values();
        match all.next() {
            None => op.clone(),
            Some(first) if all.all(|other| other == first) => format!("{op}, {first}"),
            Some(_) => {
                let passes = PASSES.iter().filter_map(|pass| Some(format!("{pass} {}", algorithms.get(pass)?)));
                format!("{op}, {}", passes.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl StepProfile {
    pub fn measure(mut workload: Workload, steps: usize) -> Result<Self> {
        let peak_gflops = peak_gflops(workload.pool.threads());
        workload.stepper.compiled(&workload.network, workload.batch).set_profiling(true);
        let ms_per_step = workload.run(steps)?.iter().sum::<f64>() / steps as f64;
        let Workload { model, batch, network, stepper, pool, .. } = &mut workload;
        let rate = |flops: u64, ms: f64| if ms > 0.0 { flops as f64 / ms / 1e6 } else { 0.0 };
        let operations: Vec<Operation> = stepper
            .compiled(network, *batch)
            .profile()
            .map(|profile| {
                let mean = |time: std::time::Duration| time.as_secs_f64() * 1e3 / steps as f64;
                let (forward_ms, backward_ms) = (mean(profile.times.forward), mean(profile.times.backward));
                Operation {
                    node: profile.node,
                    op: profile.op.to_owned(),
                    algorithms: PASSES
                        .into_iter()
                        .zip(profile.algorithms)
                        .filter_map(|(pass, algorithm)| Some((pass, algorithm?.name())))
                        .collect(),
                    shape: profile.shape.to_string(),
                    forward_ms,
                    backward_ms,
                    forward_gflops: rate(profile.flops, forward_ms),
                    backward_gflops: rate(profile.backward_flops, backward_ms),
                    share: (forward_ms + backward_ms) / ms_per_step,
                }
            })
            .collect();
        let inside: f64 = operations.iter().map(|operation| operation.share).sum();
        Ok(StepProfile {
            model: (*model).to_owned(),
            batch_size: *batch,
            threads: pool.threads(),
            steps,
            ms_per_step,
            other_ms: ms_per_step * (1.0 - inside),
            peak_gflops,
            operations,
        })
    }
}

impl Report for StepProfile {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let StepProfile { model, batch_size, threads, steps, ms_per_step, other_ms, peak_gflops, operations } = self;
        writeln!(out, "{model}, batch {batch_size}, {threads} threads: {ms_per_step:.2} ms a step, mean of {steps}")?;
        writeln!(out, "peak of these threads: {peak_gflops:.1} GFLOP/s")?;
        let labels: Vec<String> = operations.iter().map(Operation::label).collect();
        let width = labels.iter().map(String::len).max().unwrap_or_default().max(22);
        writeln!(
            out,
            "{:>4}  {:<width$} {:<20} {:>10} {:>8} {:>11} {:>8} {:>7}",
            "node", "op", "output", "forward ms", "GFLOP/s", "backward ms", "GFLOP/s", "share"
        )?;
        for (operation, label) in operations.iter().zip(&labels) {
            let Operation { node, shape, forward_ms, backward_ms, forward_gflops, backward_gflops, share, .. } =
                operation;
            writeln!(
                out,
                "{node:>4}  {label:<width$} {shape:<20} {forward_ms:>10.3} {forward_gflops:>8.1} {backward_ms:>11.3} \
                 {backward_gflops:>8.1} {:>6.1}%",
                share * 100.0
            )?;
        }
        let share = other_ms / ms_per_step * 100.0;
        writeln!(out, "      {:<width$} {:<20} {other_ms:>10.3} {:>29} {share:>5.1}%", "batch, Adam, loss", "", "")
    }
}
