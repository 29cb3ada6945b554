//! `inkgrad bench`: the time of training steps.

mod among;
mod estimate;
mod profile;

use std::fs;
use std::io::{self, BufRead, Write};
use std::process::{self, ExitCode};
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use inkgrad_engine::optim::{Optimizer, Rule};
use inkgrad_engine::{Clock, Pool};
use inkgrad_kernels::cpu::peak::peak_gflops;
use inkgrad_kernels::emulator::hardware::Hardware;
use inkgrad_models::data::{self, Examples};
use inkgrad_models::model::{Models, Network, Spec};
use inkgrad_models::run::config::{Config, DeviceKind, Precision};
use inkgrad_models::trainer::{DeviceStepper, Part, Stepper};
use inkgrad_models::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use self::estimate::Estimates;
use self::profile::StepProfile;
use crate::args::{Compute, within};
use crate::distributed::{self, Distributed};
use crate::output::{self, Report};

/// A step is gathering a batch, forward, backward, Adam and reading the loss. The drawings are built-in ones, in memory.
#[derive(Debug, Args)]
pub struct Bench {
    /// A model, or all, each in a process of its own
    #[arg(long, value_name = "M", default_value = "all")]
    model: String,
    /// Drawings a step [default: the model's]
    #[arg(long, value_name = "N", value_parser = within(1..=MOST_DRAWINGS))]
    batch_size: Option<usize>,
    /// Drawings in memory to take batches from
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = within(LEAST_DRAWINGS..=MOST_DRAWINGS))]
    drawings: usize,
    /// Steps to measure, after three to warm up
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = within(1..=1_000_000))]
    steps: usize,
    #[command(flatten)]
    compute: Compute,
    /// The numbers of products: fp32, bf16 on a processor, tf32 on a GPU
    #[arg(long, value_name = "NAME", default_value = "fp32")]
    precision: Precision,
    /// Show where the time of a step goes, operation by operation
    #[arg(long, conflicts_with = "paced")]
    profile: bool,
    /// Steps of all processes that mpirun has started together, over MPI, and the time of their messages
    #[arg(long, value_name = "mpi", hide_possible_values = true, conflicts_with_all = ["paced", "profile"])]
    distributed: Option<Distributed>,
    /// With --device emulated: do not measure, estimate a step's time on a GPU, kernel by kernel: h100
    #[arg(
        long,
        value_name = "GPU",
        value_parser = estimate::gpu,
        conflicts_with_all = ["paced", "profile", "distributed", "steps", "threads"]
    )]
    estimate: Option<&'static Hardware>,
    /// Run as many steps as each line of standard input says; print their times as JSON
    #[arg(long)]
    paced: bool,
}

/// With a fourth as many to test on, the fewest that the built-in ones come in.
const LEAST_DRAWINGS: usize = 8;
const MOST_DRAWINGS: usize = 65_536;
const SEED: u64 = 42;
const WARM_UP: usize = 3;

impl Bench {
    pub fn run(self, models: &Models, json: bool) -> anyhow::Result<ExitCode> {
        let (device, threads) = self.compute.device()?;
        if self.profile && device != DeviceKind::Cpu {
            return Err(Error::input("--profile", format!("found {device}, expected cpu")).into());
        }
        self.precision.check(device)?;
        if let Some(batch) = self.batch_size
            && batch > self.drawings
        {
            let problem = format!("{batch}, expected a number from 1 to {} (--drawings)", self.drawings);
            return Err(Error::input("--batch-size", problem).into());
        }
        if let (Some(gpu), true) = (self.estimate, device != DeviceKind::Emulated) {
            let problem = format!("{} with --device {device}, expected --device emulated", gpu.name);
            return Err(Error::input("--estimate", problem).into());
        }
        if self.distributed.is_some() && device != DeviceKind::Cpu {
            return Err(Error::input("--device", format!("{device} with --distributed, expected cpu")).into());
        }
        let one = if self.model == "all" { None } else { Some(models.get(&self.model)?) };
        let specs = || one.map_or_else(|| models.iter().copied().collect(), |spec| vec![spec]);
        if self.distributed.is_some() {
            return self.among(specs(), json);
        }
        if let Some(gpu) = self.estimate {
            let estimates = Estimates::new(&specs(), self.batch_size, self.drawings, self.precision, gpu)?;
            output::report(&estimates, json)?;
            return Ok(ExitCode::SUCCESS);
        }
        match one {
            Some(spec) => {
                let workload = Workload::new(spec, self.batch_size, self.drawings, (device, self.precision), threads)?;
                if self.paced {
                    paced(workload)?;
                } else if self.profile {
                    output::report(&StepProfile::measure(workload, self.steps)?, json)?;
                } else {
                    output::report(&Timing::measure(workload, self.steps)?, json)?;
                }
            }
            None if self.paced || self.profile => {
                let option = if self.paced { "--paced" } else { "--profile" };
                return Err(Error::input("--model", format!("all with {option}, expected one model")).into());
            }
            None => {
                let results: Vec<Timing> = models
                    .iter()
                    .map(|spec| self.in_own_process(spec.name, device, threads))
                    .collect::<anyhow::Result<_>>()?;
                output::report(&Timings { results }, json)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Measures steps of several ranks; the first reports.
    fn among(&self, specs: Vec<Spec>, json: bool) -> anyhow::Result<ExitCode> {
        let ranks = distributed::start(self.distributed)?;
        let threads = self.compute.asked_threads().unwrap_or_else(distributed::threads);
        let &Bench { precision, batch_size: batch, drawings, steps, .. } = self;
        let measured = among::Measure { ranks: &*ranks, threads, precision, batch, drawings, steps }.run(specs)?;
        output::report(&measured, json)?;
        Ok(ExitCode::SUCCESS)
    }

    /// Measures a model in a new process, so that its peak memory is its own.
    fn in_own_process(&self, model: &str, device: DeviceKind, threads: usize) -> anyhow::Result<Timing> {
        let program = std::env::current_exe().context("cannot find the program's own file")?;
        let mut command = process::Command::new(program);
        command.args(["bench", "--json", "--model", model, "--device", device.name()]);
        command.args(["--precision", self.precision.name()]);
        command.args(["--threads", &threads.to_string(), "--steps", &self.steps.to_string()]);
        command.args(["--drawings", &self.drawings.to_string()]);
        if let Some(batch) = self.batch_size {
            command.args(["--batch-size", &batch.to_string()]);
        }
        let found = command.stderr(process::Stdio::inherit()).output().context("cannot start the program again")?;
        serde_json::from_slice(&found.stdout).with_context(|| format!("{model}: the process that measures it failed"))
    }
}

/// A model in training.
struct Workload {
    model: &'static str,
    batch: usize,
    data: Examples,
    network: Network<f32>,
    optimizer: Optimizer<f32>,
    stepper: Stepper,
    /// The device, if it is not the processor that computes.
    device: Option<DeviceStepper>,
    pool: Pool,
    step: u64,
}

impl Workload {
    /// Builds the model and runs the first steps.
    fn new(
        spec: Spec,
        batch: Option<usize>,
        drawings: usize,
        on: (DeviceKind, Precision),
        threads: usize,
    ) -> Result<Self> {
        // A fifth of the built-in data set is kept for testing.
        let dataset = data::builtin(drawings.div_ceil(4) * 5, SEED)?;
        let config = Config { classes: dataset.classes, ..Config::defaults(&spec) };
        let mut network = Network::new(spec, &config)?;
        network.initialise(SEED);
        let optimizer = Optimizer::new(Rule::Adam, None, network.params.count());
        let mut device = DeviceStepper::open(on.0.kind(), on.1.kind(), &network, &optimizer)?;
        if let Some(device) = &mut device {
            device.upload(Part::Training, &dataset.train)?;
        }
        let mut workload = Workload {
            model: spec.name,
            batch: batch.unwrap_or(config.batch_size),
            data: dataset.train,
            network,
            optimizer,
            stepper: Stepper::default(),
            device,
            pool: on.1.pool(threads),
            step: 0,
        };
        workload.run(WARM_UP)?;
        Ok(workload)
    }

    /// Runs steps and returns the milliseconds of each.
    fn run(&mut self, steps: usize) -> Result<Vec<f64>> {
        let Workload { batch, data, network, optimizer, stepper, device, pool, step, .. } = self;
        let mut times = Vec::with_capacity(steps.min(1 << 20));
        pool.enter(|team| {
            for _ in 0..steps {
                let started = Instant::now();
                let drawings = drawings_of_step(*step, *batch, data.len());
                let clock = Clock { seed: SEED, step: *step };
                match device {
                    None => stepper.step(network, optimizer, data, &drawings, clock, 1e-3, team)?,
                    Some(device) => device.step(network, optimizer, &drawings, clock, 1e-3)?,
                };
                times.push(started.elapsed().as_secs_f64() * 1e3);
                *step += 1;
            }
            Ok(times)
        })
    }
}

/// The drawings of a step, scattered over the memory, as shuffled drawings are: a prime factor reaches each once.
fn drawings_of_step(step: u64, batch: usize, of: usize) -> Vec<usize> {
    let drawing = |i: usize| (step as usize).wrapping_mul(batch).wrapping_add(i).wrapping_mul(1637) % of;
    (0..batch).map(drawing).collect()
}

/// The median of some numbers, which are sorted then.
fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let n = numbers.len();
    (numbers[(n - 1) / 2] + numbers[n / 2]) / 2.0
}

/// The times of one model's steps.
#[derive(Debug, Serialize, Deserialize)]
struct Timing {
    model: String,
    batch_size: usize,
    threads: usize,
    steps: usize,
    /// Median, in milliseconds; `min` and `max` alike.
    ms_per_step: f64,
    min: f64,
    max: f64,
    images_per_s: f64,
    /// Billions of floating-point operations a second: those of the forward, and of the backward as many again for each
    /// of the gradients of inputs and of weights that are needed.
    gflops: f64,
    /// The rate that the threads reach when they multiply and add in registers alone, measured just before; not known of a GPU.
    peak_gflops: Option<f64>,
    /// Of the whole process, the drawings included; not known on every system.
    peak_rss_mib: Option<f64>,
}

impl Timing {
    fn measure(mut workload: Workload, steps: usize) -> Result<Self> {
        let peak_gflops = workload.device.is_none().then(|| peak_gflops(workload.pool.threads()));
        let mut ms = workload.run(steps)?;
        let median = median(&mut ms);
        let Workload { model, batch, network, stepper, pool, .. } = &mut workload;
        Ok(Timing {
            model: (*model).to_owned(),
            batch_size: *batch,
            threads: pool.threads(),
            steps,
            ms_per_step: median,
            min: ms[0],
            max: ms[steps - 1],
            images_per_s: *batch as f64 * 1e3 / median,
            gflops: stepper.compiled(network, *batch).flops() as f64 / median / 1e6,
            peak_gflops,
            peak_rss_mib: peak_rss_mib(),
        })
    }

    const HEADER: &str = "model       batch  threads  ms/step      min      max  images/s  GFLOP/s  of peak  peak MiB";

    fn row(&self, out: &mut dyn Write) -> io::Result<()> {
        let Timing { model, batch_size, threads, ms_per_step, min, max, images_per_s, gflops, .. } = self;
        let peak = self.peak_rss_mib.map_or("?".to_owned(), |mib| format!("{mib:.0}"));
        write!(out, "{model:<10} {batch_size:>6} {threads:>8} {ms_per_step:>8.2} {min:>8.2} {max:>8.2}")?;
        let share = self.peak_gflops.map_or("?".to_owned(), |most| format!("{:.0}%", gflops / most * 100.0));
        writeln!(out, " {images_per_s:>9.0} {gflops:>8.1} {share:>8} {peak:>9}")
    }
}

impl Report for Timing {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", Self::HEADER)?;
        self.row(out)
    }
}

/// The times of all models.
#[derive(Debug, Serialize)]
struct Timings {
    results: Vec<Timing>,
}

impl Report for Timings {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", Timing::HEADER)?;
        self.results.iter().try_for_each(|timing| timing.row(out))
    }
}

/// The most memory that this process has used.
fn peak_rss_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// Speaks the protocol of `benches/peer/README.md`.
fn paced(mut workload: Workload) -> anyhow::Result<()> {
    let say = |message: serde_json::Value| {
        let mut out = io::stdout().lock();
        writeln!(out, "{message}").and_then(|()| out.flush()).map_err(output::stdout_error)
    };
    say(json!({ "ready": true, "threads": workload.pool.threads(), "peak_rss_mib": peak_rss_mib() }))?;
    for line in io::stdin().lock().lines() {
        let line = line.map_err(|error| Error::input("standard input", error))?;
        if line.trim().is_empty() {
            break;
        }
        let problem = || Error::input("standard input", format!("found `{line}`, expected a number of steps"));
        let steps = line.trim().parse().map_err(|_| problem())?;
        say(json!({ "ms": workload.run(steps)? }))?;
    }
    say(json!({ "peak_rss_mib": peak_rss_mib() }))?;
    Ok(())
}
