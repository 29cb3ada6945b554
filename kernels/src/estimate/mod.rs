//! Estimates the time that a list of launches takes on a GPU that is not there: a model, no measurement.
//!
//! The emulator runs a few blocks of every launch, one of each kind that a grid has ([`blocks`]), with a clock for each warp
//! ([`BlockTime`]). Counts are theirs, times as many as there are of the kind. A launch takes
//!
//! ```text
//! launch + max( blocks on the busiest multiprocessor, those at a time side by side: each its chain, together their work
//!               bytes to and from the L2 cache / its rate
//!               bytes from device memory / its rate )
//! ```
//!
//! in the manner of the roofline (Williams et al. 2009), with latency (Hong and Kim 2009). Buffers that the step before or the
//! launches before have left in the L2 cache come from there ([`cache`]). [`hardware`](crate::emulator::hardware) has the numbers.
//!
//! ```
//! use inkgrad_kernels::emulator::{Emulator, hardware::H100};
//! use inkgrad_kernels::estimate::Estimator;
//! use inkgrad_kernels::gpu::{Launches, Span, elementwise};
//! use inkgrad_kernels::launch::Device;
//! use inkgrad_kernels::ptx::MODULES;
//!
//! let mut device = Estimator::new(Emulator::new(0), &H100);
//! for (name, text) in MODULES {
//!     device.load_module(name, text)?;
//! }
//! let address = device.alloc(4 * 3_000_000)?;
//! let [a, b, sum] = [0, 1, 2].map(|i| Span { address: address + 4_000_000 * i, len: 1_000_000 });
//! let mut launches = Launches::default();
//! elementwise::add(&mut launches, a, b, sum);
//! device.replay(0, &launches.list)?;
//! let estimate = &device.estimates()[0];
//! assert_eq!(estimate.counters.flops, 1_000_000);
//! assert!(estimate.microseconds() > 1.3 && estimate.microseconds() < 10.0);
//! # Ok::<(), inkgrad_kernels::launch::Error>(())
//! ```

pub mod blocks;
pub mod cache;

use self::blocks::kinds;
use self::cache::Level2;
use crate::emulator::hardware::Hardware;
use crate::emulator::{BlockTime, Counters, Emulator};
use crate::launch::{Device, Launch, Result};
use crate::ptx;

/// The bottleneck of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The launch itself is the longer part.
    Launch,
    /// Instructions that wait for each other, or for memory.
    Latency,
    /// Throughput of the schedulers, of shared memory and of the path to the L2 cache.
    Work,
    /// Bandwidth of the L2 cache.
    Level2,
    /// Bandwidth of device memory.
    Memory,
}

impl Bound {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Bound::Launch => "launch",
            Bound::Latency => "latency",
            Bound::Work => "work",
            Bound::Level2 => "L2",
            Bound::Memory => "memory",
        }
    }
}

/// The estimated time of one launch, and the counts that it follows from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The kernel.
    pub entry: &'static str,
    /// Counts of all its blocks.
    pub counters: Counters,
    /// Bytes between multiprocessors and the L2 cache, and from device memory.
    pub level2_bytes: u64,
    /// As above.
    pub memory_bytes: u64,
    /// Seconds of the longest chain in a block.
    pub chain: f64,
    /// Seconds of the launch itself, and after that of its work.
    pub launch: f64,
    /// As above.
    pub run: f64,
    /// Its bottleneck.
    pub bound: Bound,
}

impl Estimate {
    /// Its whole time, in microseconds.
    pub fn microseconds(&self) -> f64 {
        (self.launch + self.run) * 1e6
    }
}

/// An emulator that runs a few blocks of each launch and estimates the rest. Single launches and lists alike.
#[derive(Debug)]
pub struct Estimator {
    emulator: Emulator,
    gpu: &'static Hardware,
    cache: Level2,
    estimates: Vec<Estimate>,
}

impl Estimator {
    /// For a GPU.
    pub fn new(emulator: Emulator, gpu: &'static Hardware) -> Estimator {
        Estimator { emulator, gpu, cache: Level2::new(gpu.level2), estimates: Vec::new() }
    }

    /// Of each launch so far, in their order.
    pub fn estimates(&self) -> &[Estimate] {
        &self.estimates
    }

    fn estimate(&mut self, launch: &Launch) -> Result<Estimate> {
        let gpu = self.gpu;
        let threads: u32 = launch.block.iter().product();
        let shared = self.emulator.shared_bytes(launch)?;
        let resident = gpu.resident(threads, registers(launch.entry, gpu.architecture), shared);
        let level1 = gpu.level1.saturating_sub(resident * (shared + gpu.shared_of_block)) / resident;
        let touched = self.cache.touch(&launch.args);
        let mut counters = Counters { launches: 1, ..Counters::default() };
        let (mut longest, mut busy, mut sectors) = (BlockTime::default(), 0.0, 0.0);
        let blocks: u64 = launch.grid.iter().map(|&n| u64::from(n)).product();
        for kind in kinds(launch.grid) {
            let share = kind.count as f64 / kind.blocks.len() as f64;
            let mut sum = Counters::default();
            for &block in &kind.blocks {
                let (counted, time) = self.emulator.sample(launch, block, gpu, level1, &touched.cold)?;
                sum += counted;
                longest.cycles = longest.cycles.max(time.cycles);
                longest.chain = longest.chain.max(time.chain);
                busy += time.busy as f64 * share / blocks as f64;
                sectors += time.sectors as f64 * share;
            }
            // Each sample ran the block's whole cluster.
            counters += sum.scaled(kind.count, kind.blocks.len() as u64 * u64::from(launch.cluster));
        }
        // The busiest multiprocessor has `mine` blocks, `resident` of them at a time.
        let mine = blocks.div_ceil(u64::from(gpu.multiprocessors));
        let at_a_time = |n: u64| (longest.cycles as f64).max(busy * n as f64);
        let (whole, rest) = (mine / u64::from(resident), mine % u64::from(resident));
        let cycles = whole as f64 * at_a_time(u64::from(resident)) + if rest > 0 { at_a_time(rest) } else { 0.0 };
        let level2_bytes = 32 * sectors as u64;
        let memory_bytes = touched.bytes.min(32 * counters.sectors);
        let times = [
            (
                cycles / gpu.clock,
                if at_a_time(mine.min(u64::from(resident))) > longest.chain as f64 * 1.1 {
                    Bound::Work
                } else {
                    Bound::Latency
                },
            ),
            (level2_bytes as f64 / gpu.level2_rate, Bound::Level2),
            (memory_bytes as f64 / gpu.memory_rate, Bound::Memory),
        ];
        let (run, bound) = times.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).expect("three times");
        let bound = if run < gpu.launch { Bound::Launch } else { bound };
        let chain = longest.chain as f64 / gpu.clock;
        Ok(Estimate {
            entry: launch.entry,
            counters,
            level2_bytes,
            memory_bytes,
            chain,
            launch: gpu.launch,
            run,
            bound,
        })
    }
}

/// Registers of a kernel's thread, as the assembler gave them; as many as a full block leaves for one that has no budget.
fn registers(entry: &str, architecture: &str) -> u32 {
    let of = |line: &str| {
        let mut words = line.split(' ');
        (words.next() == Some(entry) && words.next() == Some(architecture))
            .then(|| words.next()?.parse().ok())
            .flatten()
    };
    ptx::BUDGET.lines().find_map(of).unwrap_or(32)
}

impl Device for Estimator {
    fn load_module(&mut self, name: &str, ptx: &str) -> Result<()> {
        self.emulator.load_module(name, ptx)
    }

    fn shared_bytes_per_block(&self) -> usize {
        self.emulator.shared_bytes_per_block()
    }

    fn architecture(&self) -> u32 {
        self.emulator.architecture()
    }

    fn holds_clusters(&mut self, launch: &Launch) -> Result<bool> {
        self.emulator.holds_clusters(launch)
    }

    fn alloc(&mut self, bytes: u64) -> Result<u64> {
        self.emulator.alloc(bytes)
    }

    fn free(&mut self, address: u64) -> Result<()> {
        self.emulator.free(address)
    }

    fn write(&mut self, to: u64, bytes: &[u8]) -> Result<()> {
        self.emulator.write(to, bytes)
    }

    fn read(&mut self, from: u64, bytes: &mut [u8]) -> Result<()> {
        self.emulator.read(from, bytes)
    }

    fn zero(&mut self, to: u64, bytes: u64) -> Result<()> {
        self.emulator.zero(to, bytes)
    }

    fn launch(&mut self, launch: &Launch) -> Result<()> {
        let estimate = self.estimate(launch)?;
        self.estimates.push(estimate);
        Ok(())
    }

    /// As in a run, where a step follows a step: the L2 cache holds what the list left there.
    fn replay(&mut self, _number: u64, launches: &[Launch]) -> Result<()> {
        launches.iter().for_each(|launch| drop(self.cache.touch(&launch.args)));
        launches.iter().try_for_each(|launch| self.launch(launch))
    }

    fn synchronize(&mut self) -> Result<()> {
        Ok(())
    }
}
