//! `inkgrad bench --estimate`: what a step takes on a GPU that is not here, kernel by kernel, by the model of
//! [`inkgrad_kernels::estimate`].

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use inkgrad_engine::Clock;
use inkgrad_engine::device::load_kernels;
use inkgrad_engine::optim::{Optimizer, Rule};
use inkgrad_kernels::emulator::hardware::{Hardware, KNOWN};
use inkgrad_kernels::emulator::{Counters, Emulator};
use inkgrad_kernels::estimate::{Bound, Estimate, Estimator};
use inkgrad_models::model::{Network, Spec};
use inkgrad_models::run::config::{Config, Precision};
use inkgrad_models::trainer::{DeviceStepper, Part};
use inkgrad_models::{Result, data};
use serde::Serialize;

use super::{SEED, drawings_of_step};
use crate::output::Report;

/// A GPU by its name.
pub fn gpu(name: &str) -> std::result::Result<&'static Hardware, String> {
    let known = || KNOWN.iter().map(|gpu| gpu.name).collect::<Vec<_>>().join(" or ");
    Hardware::named(name).ok_or_else(|| format!("expected {}", known()))
}

/// Estimated times of some models' training steps.
#[derive(Debug, Serialize)]
pub struct Estimates {
    gpu: &'static str,
    precision: &'static str,
    assumptions: Assumptions,
    results: Vec<StepEstimate>,
}

/// The numbers that an estimate rests on.
#[derive(Debug, Serialize)]
struct Assumptions {
    multiprocessors: u32,
    clock_ghz: f64,
    fp32_tflops: f64,
    memory_tb_per_s: f64,
    l2_mb: f64,
    l2_tb_per_s: f64,
    shared_latency_cycles: u32,
    l1_latency_cycles: u32,
    l2_latency_cycles: u32,
    memory_latency_cycles: u32,
    launch_us: f64,
}

#[derive(Debug, Serialize)]
struct StepEstimate {
    model: &'static str,
    batch_size: usize,
    #[serde(flatten)]
    total: Sum,
    images_per_s: f64,
    kernels: Vec<Kernel>,
}

/// The sum over some launches.
#[derive(Debug, Default, Clone, Copy, Serialize)]
struct Sum {
    us: f64,
    launches: u64,
    flops: u64,
    /// Between the multiprocessors and the L2 cache, and from device memory.
    bytes: u64,
    memory_bytes: u64,
    /// Lines of 128 bytes that warps touched.
    transactions: u64,
    instructions: u64,
    /// The longest chain of instructions that wait for each other in one launch.
    chain_us: f64,
}

#[derive(Debug, Serialize)]
struct Kernel {
    kernel: &'static str,
    #[serde(flatten)]
    part: Sum,
    share: f64,
    /// The bottleneck of most of its time.
    bound: &'static str,
}

impl Sum {
    fn add(&mut self, estimate: &Estimate) {
        let Counters { launches, flops, lines, instructions, .. } = estimate.counters;
        self.us += estimate.microseconds();
        self.launches += launches;
        self.flops += flops;
        self.bytes += estimate.level2_bytes;
        self.memory_bytes += estimate.memory_bytes;
        self.transactions += lines;
        self.instructions += instructions;
        self.chain_us = self.chain_us.max(estimate.chain * 1e6);
    }
}

impl Estimates {
    /// Lists a step of each model as it is launched, and estimates every launch.
    ///
    /// # Errors
    /// If a model has no kernels of that precision, or memory does not suffice.
    pub fn new(
        specs: &[Spec],
        batch: Option<usize>,
        drawings: usize,
        precision: Precision,
        gpu: &'static Hardware,
    ) -> Result<Estimates> {
        let step = |spec: &Spec| StepEstimate::new(*spec, batch, drawings, precision, gpu);
        let lanes = f64::from(32 * gpu.schedulers * gpu.multiprocessors);
        Ok(Estimates {
            gpu: gpu.title,
            precision: precision.name(),
            assumptions: Assumptions {
                multiprocessors: gpu.multiprocessors,
                clock_ghz: gpu.clock / 1e9,
                fp32_tflops: 2.0 * lanes * gpu.clock / 1e12,
                memory_tb_per_s: gpu.memory_rate / 1e12,
                l2_mb: gpu.level2 as f64 / 1e6,
                l2_tb_per_s: gpu.level2_rate / 1e12,
                shared_latency_cycles: gpu.shared_latency,
                l1_latency_cycles: gpu.level1_latency,
                l2_latency_cycles: gpu.level2_latency,
                memory_latency_cycles: gpu.memory_latency,
                launch_us: gpu.launch * 1e6,
            },
            results: specs.iter().map(step).collect::<Result<_>>()?,
        })
    }
}

impl StepEstimate {
    fn new(
        spec: Spec,
        batch: Option<usize>,
        drawings: usize,
        precision: Precision,
        gpu: &'static Hardware,
    ) -> Result<StepEstimate> {
        let dataset = data::builtin(drawings.div_ceil(4) * 5, SEED)?;
        let config = Config { classes: dataset.classes, ..Config::defaults(&spec) };
        let mut network = Network::new(spec, &config)?;
        network.initialise(SEED);
        let mut optimizer = Optimizer::new(Rule::Adam, None, network.params.count());
        let mut device = Arc::new(Mutex::new(Estimator::new(Emulator::new(0), gpu)));
        load_kernels(&mut device, precision.kind()).map_err(inkgrad_engine::Error::from)?;
        let batch = batch.unwrap_or(config.batch_size);
        let mut stepper = DeviceStepper::on(Box::new(device.clone()), precision.kind(), &network, &optimizer)?;
        stepper.upload(Part::Training, &dataset.train)?;
        let clock = Clock { seed: SEED, step: 0 };
        stepper.step(&network, &mut optimizer, &drawings_of_step(0, batch, dataset.train.len()), clock, 1e-3)?;

        let device = device.lock().unwrap_or_else(PoisonError::into_inner);
        let mut total = Sum::default();
        let mut parts = BTreeMap::<&str, (Sum, BTreeMap<&str, f64>)>::new();
        for estimate in device.estimates() {
            total.add(estimate);
            let (part, bounds) = parts.entry(estimate.entry).or_default();
            part.add(estimate);
            *bounds.entry(estimate.bound.name()).or_default() += estimate.microseconds();
        }
        let kernel = |(kernel, (part, bounds)): (&'static str, (Sum, BTreeMap<&'static str, f64>))| {
            let bound =
                bounds.into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(Bound::Launch.name(), |most| most.0);
            Kernel { kernel, part, share: part.us / total.us, bound }
        };
        let mut kernels: Vec<Kernel> = parts.into_iter().map(kernel).collect();
        kernels.sort_by(|a, b| b.part.us.total_cmp(&a.part.us));
        let images_per_s = batch as f64 * 1e6 / total.us;
        Ok(StepEstimate { model: spec.name, batch_size: batch, total, images_per_s, kernels })
    }

    const HEADER: &str = "launches       µs   share     MFLOP       MB  of HBM  transactions  chain µs  bound by";

    fn row(out: &mut dyn Write, name: &str, part: &Sum, share: f64, bound: &str) -> io::Result<()> {
        let Sum { us, launches, flops, bytes, memory_bytes, transactions, chain_us, .. } = part;
        let [mflop, mb, hbm] = [flops, bytes, memory_bytes].map(|n| *n as f64 / 1e6);
        write!(out, "{name:<30} {launches:>8} {us:>8.1} {:>6.1}% {mflop:>9.1} {mb:>8.2} {hbm:>7.2}", share * 100.0)?;
        let line = format!(" {transactions:>13} {chain_us:>9.1}  {bound}");
        writeln!(out, "{}", line.trim_end())
    }
}

impl Report for Estimates {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Assumptions { multiprocessors, clock_ghz, fp32_tflops, memory_tb_per_s, l2_mb, l2_tb_per_s, .. } =
            &self.assumptions;
        let Assumptions { shared_latency_cycles: shared, l1_latency_cycles: l1, launch_us, .. } = &self.assumptions;
        let Assumptions { l2_latency_cycles: l2, memory_latency_cycles: hbm, .. } = &self.assumptions;
        writeln!(
            out,
            "A model's estimate of a training step on {} in {}; nothing here ran on one.",
            self.gpu, self.precision
        )?;
        writeln!(
            out,
            "Assumed: {multiprocessors} multiprocessors at {clock_ghz} GHz ({fp32_tflops:.1} TFLOP/s), L2 cache of {l2_mb} MB \
             at {l2_tb_per_s} TB/s,"
        )?;
        writeln!(
            out,
            "memory at {memory_tb_per_s} TB/s; latencies in cycles: shared {shared}, L1 {l1}, L2 {l2}, memory {hbm}; \
             {launch_us} µs a launch."
        )?;
        for step in &self.results {
            let StepEstimate { model, batch_size, total, images_per_s, kernels } = step;
            writeln!(out)?;
            let title = format!("{model}, batch {batch_size}");
            writeln!(out, "{title:<30} {}", StepEstimate::HEADER)?;
            for Kernel { kernel, part, share, bound } in kernels {
                StepEstimate::row(out, kernel, part, *share, bound)?;
            }
            StepEstimate::row(out, &format!("all ({images_per_s:.0} images/s)"), total, 1.0, "")?;
        }
        Ok(())
    }
}
