//! The GPUs whose time is estimated: every number that an estimate assumes, with its source.
//!
//! ```
//! use inkgrad_kernels::emulator::hardware::{Hardware, KNOWN};
//!
//! let gpu = Hardware::named("h100").expect("a known GPU");
//! // 128 multiply-adds a cycle in each of 132 multiprocessors: the 66.9 TFLOP/s of NVIDIA's data sheet.
//! let lanes = f64::from(32 * gpu.schedulers * gpu.multiprocessors);
//! assert!((2.0 * lanes * gpu.clock / 1e12 - 66.9).abs() < 8.0);
//! assert!(KNOWN.iter().any(|gpu| gpu.name == "h100") && Hardware::named("a100").is_none());
//! ```

/// A GPU. Latencies are in cycles, from an instruction to one that uses its result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hardware {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its maker's name for it.
    pub title: &'static str,
    /// The architecture, as `budget.txt` names it.
    pub architecture: &'static str,
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Cycles a second.
    pub clock: f64,
    /// Schedulers of a multiprocessor, each of which issues an instruction of one warp a cycle.
    pub schedulers: u32,
    /// Threads, blocks and registers that a multiprocessor holds.
    pub threads: u32,
    /// As above.
    pub blocks: u32,
    /// As above.
    pub registers: u32,
    /// Bytes of shared memory of a multiprocessor, and what a block takes beside its own.
    pub shared: u32,
    /// As above.
    pub shared_of_block: u32,
    /// Bytes of shared memory and L1 cache together.
    pub level1: u32,
    /// Bytes of the L2 cache, bytes a second that it gives, and bytes a cycle that one multiprocessor takes.
    pub level2: u64,
    /// As above.
    pub level2_rate: f64,
    /// As above.
    pub level2_port: u32,
    /// Bytes a second of device memory.
    pub memory_rate: f64,
    /// Latencies of arithmetic, special functions and shuffles, shared memory, the L1 cache, the L2 cache and device memory.
    pub arithmetic: u32,
    /// As above.
    pub special: u32,
    /// As above.
    pub shuffle: u32,
    /// As above.
    pub shared_latency: u32,
    /// As above.
    pub level1_latency: u32,
    /// As above.
    pub level2_latency: u32,
    /// As above.
    pub memory_latency: u32,
    /// Cycles from the last thread's arrival at a barrier to the first's next instruction.
    pub barrier: u32,
    /// The same at the barrier of a cluster, with the stores before it seen by all its blocks.
    pub cluster_barrier: u32,
    /// Latency of another block's shared memory in a cluster.
    pub peer_latency: u32,
    /// Seconds from the end of one kernel of a graph to the next one's first instruction.
    pub launch: f64,
}

/// H100 SXM5.
///
/// - 132 multiprocessors of 4 schedulers, 2,048 threads, 64 Ki registers, 256 KiB of L1 cache and shared memory of which 228 are
///   shared memory, 1 KiB a block for the system; 50 MB of L2 cache; 66.9 TFLOP/s; 3.35 TB/s: NVIDIA, *H100 Tensor Core GPU
///   Architecture* (2022) and data sheet; *CUDA C++ Programming Guide*, compute capability 9.0. 1.755 GHz is the boost clock under
///   load (the 66.9 TFLOP/s are at its peak of 1.98).
/// - Latencies of shared memory, caches and device memory: Luo et al., *Benchmarking and Dissecting the Nvidia Hopper GPU
///   Architecture via Microbenchmarking* (arXiv 2402.13499 and 2501.12084), rounded; of arithmetic, special functions and shuffles:
///   Jia et al., *Dissecting the NVIDIA Volta GPU Architecture via Microbenchmarking* (arXiv 1804.06826), whose pipelines are
///   alike.
/// - 64 bytes a cycle from the L2 cache to a multiprocessor: as Volta's and Ampere's; 5.5 TB/s in all, as microbenchmarks reach.
/// - 30 cycles a barrier: an assumption, the latency of shared memory.
/// - 180 cycles to another block's shared memory: the same papers. A cluster's barrier: an assumption; the assembler puts a fence for
///   the whole GPU before it, so that 800 cycles are three trips to the L2 cache.
/// - 1.3 µs between the kernels of a graph: an assumption of this project's design, after NVIDIA's figures for straight-line
///   graphs.
pub const H100: Hardware = Hardware {
    name: "h100",
    title: "H100 SXM",
    architecture: "sm_90",
    multiprocessors: 132,
    clock: 1.755e9,
    schedulers: 4,
    threads: 2048,
    blocks: 32,
    registers: 65_536,
    shared: 228 << 10,
    shared_of_block: 1 << 10,
    level1: 256 << 10,
    level2: 50_000_000,
    level2_rate: 5.5e12,
    level2_port: 64,
    memory_rate: 3.35e12,
    arithmetic: 4,
    special: 18,
    shuffle: 23,
    shared_latency: 30,
    level1_latency: 40,
    level2_latency: 270,
    memory_latency: 600,
    barrier: 30,
    cluster_barrier: 800,
    peer_latency: 180,
    launch: 1.3e-6,
};

/// All that are known.
pub const KNOWN: &[Hardware] = &[H100];

impl Hardware {
    /// The one with this name.
    pub fn named(name: &str) -> Option<&'static Hardware> {
        KNOWN.iter().find(|gpu| gpu.name == name)
    }

    /// How many blocks of `threads` threads, with so many registers a thread and bytes of shared memory, one multiprocessor
    /// holds at a time.
    pub fn resident(&self, threads: u32, registers: u32, shared: u32) -> u32 {
        let warps = threads.div_ceil(32);
        // Registers are given to warps 256 at a time.
        let registers = (warps * (32 * registers).next_multiple_of(256)).max(1);
        let by_shared = self.shared / (shared + self.shared_of_block);
        (self.threads / (32 * warps)).min(self.registers / registers).min(by_shared).clamp(1, self.blocks)
    }
}
