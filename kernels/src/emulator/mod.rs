//! Runs PTX text on a CPU, behind the interface that a GPU is driven by, and watches what it does.
//!
//! A kernel's text is decoded once. Warps of 32 lanes execute an instruction for all lanes at once; lanes that went apart
//! at a branch run in the order of their places, the lowest first, so that they meet again. A warp runs up to a barrier,
//! then another one is drawn at random (from a seed); blocks come one after the other, in a random order too, those of a
//! cluster together, warps of all of them in turn. No two threads of the host take part, so results and messages are the same
//! in every run.
//!
//! A shadow of every byte of global and shared memory knows whether it was written; a shadow of every word, who read and
//! wrote it last and between which barriers. Faults end the launch; [`Check`](crate::launch::Check) lists them.
//!
//! Where it is stricter than hardware: a kernel sees each [`Buffer`] at an address far from all others; shared variables
//! have gaps between them; lanes of one warp that exchange values through memory need a `bar.warp.sync`; blocks of one
//! launch may meet only in atomic operations, or, in a cluster, across its barrier, at which a warp arrives and waits as a
//! whole, even one that ends early; a block ends when no other may be at its shared memory any more. Where it is more lenient: approximate functions are exact up to the
//! rounding that PTX allows for `tanh`, `lg2`, `sin` and `cos`; pieces of a word take no part in the race check.
//!
//! ```
//! use inkgrad_kernels::emulator::Emulator;
//! use inkgrad_kernels::launch::{Arg, Buffer, Device, Launch, download, upload};
//! use inkgrad_kernels::ptx::MODULES;
//!
//! let (name, text) = MODULES.iter().find(|(name, _)| *name == "axpy.ptx").expect("a kernel to learn from");
//! let mut device = Emulator::new(0);
//! device.load_module(name, text)?;
//! let (x, y) = (upload(&mut device, &[1.0f32, 2.0])?, upload(&mut device, &[10.0f32, 20.0])?);
//! let (read, update) = (Arg::Buffer(Buffer::read(x, 8)), Arg::Buffer(Buffer::read_write(y, 8)));
//! let args = vec![read, update, Arg::U32(2), Arg::F32(0.5)];
//! device.launch(&Launch { entry: "axpy", grid: [1, 1, 1], block: [256, 1, 1], cluster: 1, shared_bytes: 0, args })?;
//! assert_eq!(download::<f32>(&mut device, y, 2)?, [10.5, 21.0]); // y + x/2
//! # Ok::<(), inkgrad_kernels::launch::Error>(())
//! ```

mod access;
mod alu;
mod arithmetic;
mod cluster;
mod collective;
mod convert;
mod costs;
mod counters;
mod decode;
pub mod examples;
mod execute;
pub mod expression;
mod functions;
pub mod hardware;
mod inst;
mod kernel;
mod limits;
mod machine;
mod memory;
pub mod mutate;
mod opcode;
mod opcodes;
pub mod parse;
mod sample;
mod show;
mod timing;
pub mod transactions;
mod transfers;
mod variables;
mod warp;
mod warpwide;
pub mod watch;

use std::collections::BTreeMap;

use self::cluster::Cluster;
use self::costs::flops;
pub use self::counters::Counters;
use self::inst::Type;
use self::kernel::Kernel;
use self::limits::{CLUSTER, check_shape, check_target, shared_memory};
use self::machine::Machine;
use self::memory::{Memory, Segment};
pub use self::timing::BlockTime;
use self::timing::Timing;
use self::watch::{Moment, Watch};
use crate::launch::{Access, Arg, Buffer, Device, Error, Launch, Result};

/// An instruction of one thread, as it was executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The line of the module's text, from 1.
    pub line: usize,
    /// That line, with its comment.
    pub text: String,
    /// Whether the thread's predicate let it execute.
    pub executed: bool,
    /// How many lanes of its warp executed it together.
    pub active: u32,
    /// Registers that it read and left as they were, with their values.
    pub reads: Vec<(String, String)>,
    /// Registers that it wrote, with their new values.
    pub writes: Vec<(String, String)>,
}

/// How often each line of a kernel was executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineCount {
    /// The line of the module's text, from 1.
    pub line: usize,
    /// How often a warp issued it.
    pub warps: u64,
    /// How many lanes executed it.
    pub lanes: u64,
}

/// A CPU that runs PTX as a [`Device`].
#[derive(Debug, Clone)]
pub struct Emulator {
    kernels: BTreeMap<String, Kernel>,
    /// By address, rising; what was freed has no bytes.
    allocations: Vec<Memory>,
    addresses: Vec<(u64, u64)>,
    seed: u64,
    launches: u64,
    tick: u32,
    limit: u64,
    capacity: u64,
    shared: usize,
    architecture: u32,
    cluster: u32,
    counters: BTreeMap<String, Counters>,
    profiles: BTreeMap<String, Vec<LineCount>>,
}

/// Where allocations begin: above every address of a [`Buffer`] as a kernel sees it.
const FIRST_ADDRESS: u64 = 0x7f00_0000_0000;

impl Emulator {
    /// An emulator whose order of warps and blocks comes from `seed`.
    pub fn new(seed: u64) -> Self {
        Emulator {
            kernels: BTreeMap::new(),
            allocations: Vec::new(),
            addresses: Vec::new(),
            seed,
            launches: 0,
            tick: 0,
            limit: 1 << 26,
            capacity: 8 << 30,
            shared: 227 << 10,
            architecture: 90,
            cluster: CLUSTER,
            counters: BTreeMap::new(),
            profiles: BTreeMap::new(),
        }
    }

    /// Sets how many instructions a warp may issue before its kernel counts as endless; 2²⁶ unless told.
    pub fn set_limit(&mut self, instructions: u64) {
        self.limit = instructions;
    }

    /// Sets how many bytes may be allocated; 8 GiB unless told.
    pub fn set_capacity(&mut self, bytes: u64) {
        self.capacity = bytes;
    }

    /// Sets how many bytes of shared memory a block may have; 227 KiB unless told, as on the largest GPUs.
    pub fn set_shared_bytes(&mut self, bytes: usize) {
        self.shared = bytes;
    }

    /// Sets the architecture: modules for later ones are refused. 90 unless told.
    pub fn set_architecture(&mut self, architecture: u32) {
        self.architecture = architecture;
    }

    /// Sets how many blocks a cluster may have; 8 unless told, as on every whole GPU that has clusters.
    pub fn set_cluster_blocks(&mut self, blocks: u32) {
        self.cluster = blocks.min(CLUSTER);
    }

    /// Counts of each entry point so far, by name.
    pub fn counters(&self) -> &BTreeMap<String, Counters> {
        &self.counters
    }

    /// How often the lines of an entry point were executed in its last launch.
    pub fn profile(&self, entry: &str) -> &[LineCount] {
        self.profiles.get(entry).map_or(&[], Vec::as_slice)
    }

    /// The entry points that are loaded.
    pub fn entries(&self) -> impl Iterator<Item = &str> {
        self.kernels.keys().map(String::as_str)
    }

    /// Launches a kernel and shows the steps of one thread: `thread` of the block with the number `block` (x fastest).
    /// `show` returns false when it has seen enough.
    ///
    /// # Errors
    /// As [`Device::launch`]; and if there is no such block or thread.
    pub fn trace<'a>(
        &'a mut self,
        launch: &'a Launch,
        block: u64,
        thread: u32,
        show: &'a mut (dyn FnMut(&Step) -> bool + 'a),
    ) -> Result<()> {
        let threads: u64 = launch.block.iter().map(|n| u64::from(*n)).product();
        check_block(launch, block)?;
        if u64::from(thread) >= threads {
            return Err(refuse(launch, format!("found thread {thread}, expected one below {threads}")));
        }
        let mut of_lane = |moment: &Moment| moment.of_lane((thread % 32) as usize).is_none_or(|step: Step| show(&step));
        self.watch(launch, block, thread / 32, &mut of_lane)
    }

    /// The allocation that holds a range, and the range's offset in it.
    fn find(&self, address: u64, bytes: u64) -> Result<(usize, usize)> {
        let at = self.addresses.partition_point(|(base, _)| *base <= address).checked_sub(1);
        let found = at.filter(|at| {
            let (base, size) = self.addresses[*at];
            address - base <= size && bytes <= size - (address - base)
        });
        match found {
            Some(at) => Ok((at, (address - self.addresses[at].0) as usize)),
            None => Err(Error::Memory(format!("found {bytes} bytes at {address:#x}, expected them in one allocation"))),
        }
    }

    fn run<'a>(
        &'a mut self,
        launch: &'a Launch,
        watch: Option<Watch<'a>>,
        timing: &'a mut Option<Timing<'_>>,
    ) -> Result<()> {
        let kernel = find_kernel(&self.kernels, launch)?;
        let refused = |problem| refuse(launch, problem);
        check_shape(kernel, launch, self.cluster).map_err(refused)?;
        let (segments, params) = self.arguments(kernel, launch)?;
        let shared = shared_memory(kernel, launch.shared_bytes as usize, self.shared).map_err(refused)?;
        if self.tick > u32::MAX / 4 * 3 {
            self.allocations.iter_mut().for_each(Memory::forget_traces);
            self.tick = 0;
        }
        self.tick += 1;
        self.launches += 1;
        for segment in &segments {
            let memory = &mut self.allocations[segment.allocation];
            match (timing.is_some(), segment.access) {
                (true, _) => memory.assume(segment.start, segment.bytes as usize),
                (false, Access::Write) => memory.forget(segment.start, segment.bytes as usize),
                (false, _) => {}
            }
        }
        let mut machine = Machine {
            kernel,
            launch,
            allocations: &mut self.allocations,
            segments,
            params,
            shared: shared.of_cluster(launch.cluster as usize),
            cluster: Cluster::default(),
            rank: 0,
            launch_tick: self.tick,
            block_tick: self.tick,
            tick: &mut self.tick,
            block: [0; 3],
            block_number: 0,
            random: (self.seed ^ self.launches.wrapping_mul(0x9E37_79B9_7F4A_7C15)) | 1,
            limit: self.limit,
            counters: Counters { launches: 1, ..Counters::default() },
            hits: vec![(0, 0); kernel.code.len()],
            watch,
            timing: timing.as_mut(),
        };
        let result = machine.run();
        let Machine { mut counters, hits, .. } = machine;
        let mut lines = Vec::new();
        for (inst, (warps, lanes)) in kernel.code.iter().zip(&hits) {
            counters.instructions += warps;
            counters.lane_instructions += lanes;
            counters.flops += lanes * flops(&inst.op, kernel);
            lines.push(LineCount { line: inst.line as usize, warps: *warps, lanes: *lanes });
        }
        self.profiles.insert(launch.entry.to_owned(), lines);
        *self.counters.entry(launch.entry.to_owned()).or_default() += counters;
        result.map_err(Error::Fault)
    }

    /// The ranges that a launch may touch, and its parameters' bytes. Buffers get addresses 2³⁶ apart, with their low
    /// bits.
    fn arguments(&self, kernel: &Kernel, launch: &Launch) -> Result<(Vec<Segment>, Vec<u8>)> {
        let (expected, found) = (kernel.params.len(), launch.args.len());
        if expected != found {
            return Err(refuse(launch, format!("found {found} arguments, expected {expected}")));
        }
        let (mut segments, mut params) = (Vec::new(), Vec::new());
        for (i, (param, arg)) in kernel.params.iter().zip(&launch.args).enumerate() {
            let name = param.name.clone();
            let (mut bits, bytes) = arg.bits();
            let float = matches!(arg, Arg::F32(_));
            if bytes != param.ty.bytes() || (float != (param.ty == Type::F32) && param.ty != Type::B32) {
                return Err(refuse(launch, format!("found {arg:?} for `{name}`, expected {:?}", param.ty)));
            }
            match *arg {
                Arg::Buffer(Buffer { address, bytes, access }) => {
                    let (allocation, start) = self.find(address, bytes)?;
                    let base = (i as u64 + 1) << 36 | address & 0xff;
                    segments.push(Segment { base, bytes, allocation, start, access, name });
                    bits = base;
                }
                Arg::Pointer(address) if address != 0 => {
                    let (allocation, _) = self.find(address, 1)?;
                    let (base, bytes) = self.addresses[allocation];
                    segments.push(Segment { base, bytes, allocation, start: 0, access: Access::ReadWrite, name });
                }
                _ => {}
            }
            params.resize(param.offset, 0);
            params.extend_from_slice(&bits.to_le_bytes()[..bytes]);
        }
        Ok((segments, params))
    }
}

fn find_kernel<'k>(kernels: &'k BTreeMap<String, Kernel>, launch: &Launch) -> Result<&'k Kernel> {
    kernels.get(launch.entry).ok_or_else(|| refuse(launch, "no such entry point is loaded".to_owned()))
}

fn refuse(launch: &Launch, problem: String) -> Error {
    Error::Launch { entry: launch.entry.to_owned(), problem }
}

/// Refuses a block that a launch does not have.
fn check_block(launch: &Launch, block: u64) -> Result<()> {
    let blocks: u64 = launch.grid.iter().map(|n| u64::from(*n)).product();
    match block < blocks {
        true => Ok(()),
        false => Err(refuse(launch, format!("found block {block}, expected one below {blocks}"))),
    }
}

impl Device for Emulator {
    fn load_module(&mut self, name: &str, ptx: &str) -> Result<()> {
        let module = |line: usize, problem: String| Error::Module {
            module: name.to_owned(),
            line,
            problem: parse::brief(&problem),
        };
        check_target(ptx, self.architecture).map_err(|(line, problem)| module(line, problem))?;
        let kernels = decode::module(name, ptx).map_err(|(line, problem)| module(line, problem))?;
        for kernel in kernels {
            if let Some(other) = self.kernels.get(&kernel.name).filter(|other| other.lines != kernel.lines) {
                let problem = format!("found the entry point `{}`, which `{}` has too", kernel.name, other.module);
                return Err(module(1, problem));
            }
            self.kernels.insert(kernel.name.clone(), kernel);
        }
        Ok(())
    }

    fn architecture(&self) -> u32 {
        self.architecture
    }

    fn holds_clusters(&mut self, launch: &Launch) -> Result<bool> {
        find_kernel(&self.kernels, launch)?;
        Ok(launch.cluster <= self.cluster)
    }

    fn shared_bytes_per_block(&self) -> usize {
        self.shared
    }

    fn alloc(&mut self, bytes: u64) -> Result<u64> {
        let used: u64 = self.allocations.iter().map(|memory| memory.bytes() as u64).sum();
        if bytes > self.capacity.saturating_sub(used) {
            let free = self.capacity.saturating_sub(used);
            return Err(Error::Memory(format!("found {free} bytes of device memory free, expected {bytes}")));
        }
        // The next allocation begins at least a page behind, so that what runs over an end meets nothing.
        let address = self.addresses.last().map_or(FIRST_ADDRESS, |(base, size)| (base + size + 4096) & !255);
        self.allocations.push(Memory::new(bytes as usize));
        self.addresses.push((address, bytes));
        Ok(address)
    }

    fn free(&mut self, address: u64) -> Result<()> {
        match self.addresses.binary_search_by_key(&address, |(base, _)| *base) {
            Ok(at) if self.allocations[at].bytes() > 0 => {
                (self.allocations[at], self.addresses[at].1) = (Memory::default(), 0);
                Ok(())
            }
            _ => Err(Error::Memory(format!("found {address:#x} to be freed, expected an allocation's beginning"))),
        }
    }

    fn write(&mut self, to: u64, bytes: &[u8]) -> Result<()> {
        let (at, offset) = self.find(to, bytes.len() as u64)?;
        self.allocations[at].put(offset, bytes);
        Ok(())
    }

    fn read(&mut self, from: u64, bytes: &mut [u8]) -> Result<()> {
        let (at, offset) = self.find(from, bytes.len() as u64)?;
        self.allocations[at].get(offset, bytes).map_err(|unwritten| {
            let first = unwritten - offset;
            Error::Memory(format!("byte {first} of {} at {from:#x} is read but was never written", bytes.len()))
        })
    }

    fn zero(&mut self, to: u64, bytes: u64) -> Result<()> {
        let (at, offset) = self.find(to, bytes)?;
        self.allocations[at].put(offset, &vec![0; bytes as usize]);
        Ok(())
    }

    fn launch(&mut self, launch: &Launch) -> Result<()> {
        self.run(launch, None, &mut None)
    }

    fn synchronize(&mut self) -> Result<()> {
        Ok(())
    }
}
