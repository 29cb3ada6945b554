//! `inkgrad emulate`: a GPU kernel run on the processor, step by step if wanted.

mod page;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use inkgrad_kernels::emulator::examples::{Example, LARGEST, Prepared, examples};
use inkgrad_kernels::emulator::{Counters, Emulator, Step};
use inkgrad_kernels::launch::Device;
use inkgrad_models::{Error, Result, file};
use serde::Serialize;

use self::page::Written;
use crate::args::{ends_in, within};
use crate::output::{self, Report, thousands};

#[derive(Debug, Args)]
pub struct Emulate {
    /// The kernel; `--list` names them
    #[arg(required_unless_present = "list")]
    kernel: Option<String>,
    /// List the kernels
    #[arg(long)]
    list: bool,
    /// The size: elements or rows, by the kernel
    #[arg(long, value_name = "N", value_parser = within(1..=LARGEST), conflicts_with = "list")]
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
    /// Show so many instructions at most [default: 1000; on a page, what 1.5 MB hold]
    #[arg(long, value_name = "N", requires = "trace")]
    steps: Option<usize>,
    /// Leave out so many instructions first
    #[arg(long, value_name = "N", default_value_t = 0, requires = "trace")]
    skip: usize,
    /// All lanes of the warp as a page to step through, with shared memory and its banks
    #[arg(long, value_name = "PAGE.html", value_parser = ends_in("html"), requires = "trace")]
    html: Option<PathBuf>,
    /// Replace a file in the way that is no such page
    #[arg(long, requires = "html")]
    force: bool,
    /// Take the kernel from this file, a version of one's own with the same parameters
    #[arg(long, value_name = "F.ptx")]
    ptx: Option<PathBuf>,
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

/// Instructions that are shown unless told.
const STEPS: usize = 1000;
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
    file: String,
    n: usize,
    grid: [u32; 3],
    block: [u32; 3],
    #[serde(flatten, with = "Counts")]
    counters: Counters,
    /// The emulator's time.
    seconds: f64,
    /// The first values of the result.
    result: Vec<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<Shown>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Vec<Profiled>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<Written>,
}

/// The counters of one launch, as JSON has them.
#[derive(Serialize)]
#[serde(remote = "Counters")]
struct Counts {
    #[serde(skip)]
    launches: u64,
    instructions: u64,
    lane_instructions: u64,
    flops: u64,
    global_accesses: u64,
    sectors: u64,
    lines: u64,
    shared_accesses: u64,
    peer_accesses: u64,
    bank_conflicts: u64,
}

/// A kernel and its launch, which can be made again.
struct Subject {
    example: &'static Example,
    /// A module of the user's own: name and text.
    own: Option<(String, String)>,
    n: usize,
    seed: u64,
}

impl Subject {
    /// A fresh emulator with the launch's inputs in place.
    fn prepare(&self) -> Result<(Emulator, Prepared)> {
        let mut emulator = Emulator::new(self.seed);
        let own = self.own.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
        let prepared = self.example.prepare(&mut emulator, own, self.n).map_err(|error| self.failed(error))?;
        Ok((emulator, prepared))
    }

    fn failed(&self, error: inkgrad_kernels::launch::Error) -> Error {
        Error::input(self.example.entry, error)
    }

    /// The name of the module's file.
    fn file(&self) -> &str {
        self.own.as_ref().map_or(self.example.module().0, |(name, _)| name)
    }
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
            let line = |example: &Example| {
                let &Example { entry: name, about, size, n, .. } = example;
                Line { name, file: example.module().0, about, size, n }
            };
            output::report(&List { kernels: examples().map(line).collect() }, json)?;
            return Ok(ExitCode::SUCCESS);
        }
        output::report(&self.launch()?, json)?;
        Ok(ExitCode::SUCCESS)
    }

    fn subject(&self) -> Result<Subject> {
        let name = self.kernel.as_deref().unwrap_or_default();
        let example = Example::find(name).ok_or_else(|| {
            let known: Vec<&str> = examples().map(|example| example.entry).collect();
            Error::input("emulate", format!("unknown kernel `{name}`, expected one of {}", known.join(", ")))
        })?;
        let own = self.ptx.as_ref().map(|path| -> Result<(String, String)> {
            let text = file::read_text(path, "a kernel in PTX")?;
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            Ok((name, text))
        });
        Ok(Subject { example, own: own.transpose()?, n: self.n.unwrap_or(example.n), seed: self.seed })
    }

    fn launch(&self) -> Result<Ran> {
        if let Some(path) = &self.html {
            page::check(path, self.force)?;
        }
        let subject = self.subject()?;
        let (mut emulator, prepared) = subject.prepare()?;
        let failed = |error| subject.failed(error);
        let launch = &prepared.launch;

        let mut steps = Vec::new();
        let mut page = None;
        let begun = Instant::now();
        if let Some(path) = &self.html {
            page = Some(self.page(&subject, path, &mut emulator, launch)?);
        } else if self.trace {
            let (mut skip, most) = (self.skip, self.steps.unwrap_or(STEPS));
            let mut show = |step: &Step| {
                if skip > 0 {
                    skip -= 1;
                } else if steps.len() < most {
                    steps.push(Shown::new(step));
                }
                steps.len() < most
            };
            emulator.trace(launch, self.block, 32 * self.warp + self.lane, &mut show).map_err(failed)?;
        } else {
            emulator.launch(launch).map_err(failed)?;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let result = prepared.result(&mut emulator, SHOWN).map_err(failed)?;
        let lines: Vec<String> = emulator.listing(launch).map(|listing| listing.lines).unwrap_or_default();
        let profile = emulator.profile(launch.entry).iter().map(|count| Profiled {
            line: count.line,
            text: lines.get(count.line - 1).cloned().unwrap_or_default(),
            warps: count.warps,
            lanes: count.lanes,
        });
        let counters = emulator.counters().get(launch.entry).copied().unwrap_or_default();
        Ok(Ran {
            kernel: launch.entry,
            file: subject.file().to_owned(),
            n: subject.n,
            grid: launch.grid,
            block: launch.block,
            counters,
            seconds,
            result,
            steps: (self.trace && self.html.is_none()).then_some(steps),
            profile: self.profile.then(|| profile.collect()),
            page,
        })
    }
}

/// How much a kernel's warps did, in words. Other blocks' memory is told of where there are clusters.
fn counts(counters: &Counters) -> Vec<(u64, &'static str)> {
    let mut counts = vec![
        (counters.instructions, "instructions of warps"),
        (counters.lane_instructions, "instructions of lanes"),
        (counters.flops, "floating-point operations"),
        (counters.global_accesses, "accesses of warps to global memory"),
        (counters.sectors, "sectors of 32 bytes touched"),
        (counters.lines, "lines of 128 bytes touched"),
        (counters.shared_accesses, "accesses of warps to shared memory"),
    ];
    if counters.peer_accesses > 0 {
        counts.push((counters.peer_accesses, "accesses of warps to other blocks' shared memory"));
    }
    counts.push((counters.bank_conflicts, "further passes by bank conflicts"));
    counts
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
            writeln!(out, "{name:<30} {file:<23} {about}; --n {size}, {n} unless told")
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
        for (value, what) in counts(&self.counters) {
            writeln!(out, "{:>14} {what}", thousands(value))?;
        }
        let rate = self.counters.lane_instructions as f64 / self.seconds.max(1e-9);
        writeln!(out, "emulated in {:.3} s: {:.0} million instructions of lanes a second", self.seconds, rate / 1e6)?;
        let values: Vec<String> = self.result.iter().map(f32::to_string).collect();
        writeln!(out, "result: {} …", values.join(" "))?;
        self.page.iter().try_for_each(|page| page.text(out))
    }
}
