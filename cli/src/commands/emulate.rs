//! `inkgrad emulate`: a GPU kernel run on the processor, step by step if wanted.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use inkgrad_kernels::emulator::examples::{EXAMPLES, Example, LARGEST, Prepared};
use inkgrad_kernels::emulator::{Counters, Emulator, Step};
use inkgrad_kernels::launch::{Device, download};
use inkgrad_models::{Error, Result};
use serde::Serialize;

use crate::args::within;
use crate::output::{self, Report, thousands};

#[derive(Debug, Args)]
pub struct Emulate {
    /// The kernel; `--list` names them
    #[arg(required_unless_present = "list")]
    kernel: Option<String>,
    /// List the kernels that can be run by themselves
    #[arg(long)]
    list: bool,
    /// The size: elements or rows, by the kernel
    #[arg(long, value_name = "N", value_parser = within(1..=LARGEST))]
    n: Option<usize>,
    /// Orders warps and blocks
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Show each instruction of one thread with the registers it reads and writes
    #[arg(long)]
    trace: bool,
    /// The block to show
    #[arg(long, value_name = "N", default_value_t = 0, requires = "trace")]
    block: u64,
    /// The warp of that block
    #[arg(long, value_name = "N", default_value_t = 0, requires = "trace", value_parser = warp)]
    warp: u32,
    /// The lane of that warp
    #[arg(long, value_name = "N", default_value_t = 0, requires = "trace", value_parser = lane)]
    lane: u32,
    /// Show so many instructions at most
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "trace")]
    steps: usize,
    /// Show how often each line was executed
    #[arg(long)]
    profile: bool,
}

fn warp(text: &str) -> Result<u32, String> {
    within(0..=31)(text).map(|warp| warp as u32)
}

fn lane(text: &str) -> Result<u32, String> {
    within(0..=31)(text).map(|lane| lane as u32)
}

/// Values of the result that are shown.
const SHOWN: usize = 8;

#[derive(Debug, Serialize)]
struct List {
    kernels: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    name: &'static str,
    file: &'static str,
    about: &'static str,
    size: &'static str,
    n: usize,
}

#[derive(Debug, Serialize)]
struct Ran {
    kernel: &'static str,
    file: &'static str,
    n: usize,
    grid: [u32; 3],
    block: [u32; 3],
    instructions: u64,
    lane_instructions: u64,
    flops: u64,
    global_accesses: u64,
    sectors: u64,
    lines: u64,
    shared_accesses: u64,
    bank_conflicts: u64,
    /// The emulator's time.
    seconds: f64,
    /// The first values of the result.
    result: Vec<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<Shown>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Vec<Profiled>>,
}

/// An instruction of the thread that is shown.
#[derive(Debug, Serialize)]
struct Shown {
    line: usize,
    text: String,
    executed: bool,
    active: u32,
    reads: Vec<(String, String)>,
    writes: Vec<(String, String)>,
}

#[derive(Debug, Serialize)]
struct Profiled {
    line: usize,
    text: String,
    warps: u64,
    lanes: u64,
}

impl Emulate {
    pub fn run(self, json: bool) -> anyhow::Result<ExitCode> {
        if self.list {
            let line = |&Example { entry, about, size, n, module: (file, _), .. }: &Example| Line {
                name: entry,
                file,
                about,
                size,
                n,
            };
            output::report(&List { kernels: EXAMPLES.iter().map(line).collect() }, json)?;
            return Ok(ExitCode::SUCCESS);
        }
        output::report(&self.launch()?, json)?;
        Ok(ExitCode::SUCCESS)
    }

    fn launch(&self) -> Result<Ran> {
        let name = self.kernel.as_deref().unwrap_or_default();
        let example = Example::find(name).ok_or_else(|| {
            let known: Vec<&str> = EXAMPLES.iter().map(|example| example.entry).collect();
            Error::input("emulate", format!("unknown kernel `{name}`, expected one of {}", known.join(", ")))
        })?;
        let n = self.n.unwrap_or(example.n);
        let failed = |error| Error::input(name, error);
        let mut emulator = Emulator::new(self.seed);
        let Prepared { launch, output, count } = example.prepare(&mut emulator, n).map_err(failed)?;

        let mut steps = Vec::new();
        let begun = Instant::now();
        if self.trace {
            let mut show = |step: &Step| {
                steps.push(Shown::new(step));
                steps.len() < self.steps
            };
            emulator.trace(&launch, self.block, 32 * self.warp + self.lane, &mut show).map_err(failed)?;
        } else {
            emulator.launch(&launch).map_err(failed)?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let result = download(&mut emulator, output, count.min(SHOWN)).map_err(failed)?;
        let (file, source) = example.module;
        let lines: Vec<&str> = source.lines().collect();
        let profile = emulator.profile(example.entry).iter().map(|count| Profiled {
            line: count.line,
            text: lines.get(count.line - 1).copied().unwrap_or_default().to_owned(),
            warps: count.warps,
            lanes: count.lanes,
        });
        let counters = emulator.counters().get(example.entry).copied().unwrap_or_default();
        let Counters { instructions, lane_instructions, flops, global_accesses, sectors, lines, .. } = counters;
        Ok(Ran {
            kernel: example.entry,
            file,
            n,
            grid: launch.grid,
            block: launch.block,
            instructions,
            lane_instructions,
            flops,
            global_accesses,
            sectors,
            lines,
            shared_accesses: counters.shared_accesses,
            bank_conflicts: counters.bank_conflicts,
            seconds,
            result,
            steps: self.trace.then_some(steps),
            profile: self.profile.then(|| profile.collect()),
        })
    }
}

impl Shown {
    fn new(step: &Step) -> Self {
        let Step { line, text, executed, active, reads, writes } = step.clone();
        Shown { line, text, executed, active, reads, writes }
    }
}

impl Report for List {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.kernels.iter().try_for_each(|Line { name, file, about, size, n }| {
            writeln!(out, "{name:<12} {file:<16} {about}; --n {size}, {n} unless told")
        })
    }
}

impl Report for Ran {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for Shown { line, text, executed, active, reads, writes } in self.steps.iter().flatten() {
            let values = |values: &[(String, String)]| -> Vec<String> {
                values.iter().map(|(name, value)| format!("{name} = {value}")).collect()
            };
            writeln!(out, "{line:>5}  {}", text.trim_end())?;
            if !executed {
                writeln!(out, "           held back by its predicate")?;
                continue;
            }
            let (reads, writes) = (values(reads).join(", "), values(writes).join(", "));
            let arrow = if writes.is_empty() { "" } else { "-> " };
            let together = if *active == 32 { String::new() } else { format!("   ({active} lanes)") };
            writeln!(out, "           {reads}{}{arrow}{writes}{together}", if reads.is_empty() { "" } else { " " })?;
        }
        for Profiled { line, text, warps, lanes } in self.profile.iter().flatten() {
            writeln!(out, "{:>12} {:>12} {line:>5}  {}", thousands(*warps), thousands(*lanes), text.trim_end())?;
        }
        let Ran { kernel, file, n, grid, block, .. } = self;
        let extent = |extent: &[u32; 3]| extent.map(|n| n.to_string()).join("x");
        writeln!(out, "{kernel} of {file}, n = {n}: {} blocks of {} threads", extent(grid), extent(block))?;
        for (value, what) in [
            (self.instructions, "instructions of warps"),
            (self.lane_instructions, "instructions of lanes"),
            (self.flops, "floating-point operations"),
            (self.global_accesses, "accesses of warps to global memory"),
            (self.sectors, "sectors of 32 bytes touched"),
            (self.lines, "lines of 128 bytes touched"),
            (self.shared_accesses, "accesses of warps to shared memory"),
            (self.bank_conflicts, "further passes by bank conflicts"),
        ] {
            writeln!(out, "{:>14} {what}", thousands(value))?;
        }
        let rate = self.lane_instructions as f64 / self.seconds.max(1e-9);
        writeln!(out, "emulated in {:.3} s: {:.0} million instructions of lanes a second", self.seconds, rate / 1e6)?;
        let values: Vec<String> = self.result.iter().map(f32::to_string).collect();
        writeln!(out, "result: {} …", values.join(" "))
    }
}
