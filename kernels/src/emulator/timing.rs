//! How long a block takes on a GPU, by a clock for each of its warps that knows when each register has its value.
//!
//! The assembler orders instructions between two labels or jumps as it likes, so that there an instruction waits for its operands
//! alone, and a load for stores to the same kind of memory that stand before it. A jump or label waits until all before it have
//! been issued, not until loads have come. A barrier ends a phase: it takes as long as its slowest warp, and at least as long as
//! schedulers, shared memory or the way to the L2 cache need for all of the block's warps.
//!
//! Of a cluster all blocks run and the first is timed. The others do the same work at the same time: who waits at the cluster's barrier
//! waits for the warps of the first block.

use std::collections::{HashMap, VecDeque};

use super::costs::{issue, tensor};
use super::hardware::Hardware;
use super::inst::{Op, Place, Space};
use super::kernel::{Kernel, Slot, Uses};
use super::machine::Machine;
use super::transactions::{bank_conflicts, lanes, units};
use super::warp::Warp;

/// The time of one block, in cycles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlockTime {
    /// From its first instruction to its last: phases one after the other, none shorter than the longest chain of
    /// instructions that wait for each other.
    pub cycles: u64,
    /// The chains alone, as if schedulers and memory had nothing else to do.
    pub chain: u64,
    /// Cycles in which its multiprocessor is busy for this block and can serve no other.
    pub busy: u64,
    /// Sectors of 32 bytes between the L1 cache and the L2 cache.
    pub sectors: u64,
}

/// The clock of a warp, in cycles of its block.
#[derive(Debug, Default)]
struct Clock {
    /// Where the instructions since the last label or jump begin, how many of them there are, and the last one's issue.
    base: u64,
    issued: u64,
    last: u64,
    /// Cycles that they take of the tensor core.
    tensor: u64,
    /// When the last store to global and to shared memory was issued.
    stored: [u64; 2],
    /// When the asynchronous copies have come that are in no group yet, and those of each group that has not been waited for.
    copied: u64,
    groups: VecDeque<u64>,
    /// The round of the cluster's barrier at which it waits.
    waiting: Option<usize>,
    narrow: Vec<u64>,
    wide: Vec<u64>,
    predicates: Vec<u64>,
}

impl Clock {
    fn ready(&self, uses: &Uses, guard: Option<(u32, bool)>) -> u64 {
        let narrow = uses.narrow.iter().map(|&r| self.narrow[r as usize]);
        let wide = uses.wide.iter().map(|&r| self.wide[r as usize]);
        let guard = guard.map(|(r, _)| r);
        let predicates = uses.predicates.iter().copied().chain(guard).map(|r| self.predicates[r as usize]);
        narrow.chain(wide).chain(predicates).max().unwrap_or(0)
    }

    fn set(&mut self, slot: Slot, at: u64) {
        match slot {
            Slot::Narrow(r) => self.narrow[r as usize] = at,
            Slot::Wide(r) => self.wide[r as usize] = at,
            Slot::Predicate(r) => self.predicates[r as usize] = at,
        }
    }

    /// A label or a jump: what follows is not issued before what stands before it.
    fn pass(&mut self) {
        self.base = self.last.max(self.base + self.issued.max(self.tensor));
        (self.issued, self.tensor) = (0, 0);
    }
}

/// The demand of a block's warps on their multiprocessor between two barriers, in cycles but for the sectors.
#[derive(Debug, Clone, Copy, Default)]
struct Work {
    schedulers: [u64; 8],
    tensor: [u64; 8],
    memory: u64,
    sectors: u64,
}

/// The sectors that a block's part of the L1 cache holds: those that came last.
#[derive(Debug, Default)]
struct Level1 {
    capacity: u64,
    filled: u64,
    /// For each sector that came, how many had come then.
    came: HashMap<u64, u64>,
}

/// Where an access finds a sector.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Near,
    /// It was here and had to go.
    Again,
    First,
}

impl Level1 {
    fn find(&mut self, sector: u64) -> Found {
        let found = match self.came.get(&sector) {
            Some(came) if self.filled - came <= self.capacity => return Found::Near,
            Some(_) => Found::Again,
            None => Found::First,
        };
        self.filled += 1;
        self.came.insert(sector, self.filled);
        found
    }
}

/// The clocks of the block that is timed.
#[derive(Debug)]
pub struct Timing<'a> {
    pub gpu: &'a Hardware,
    /// The block's number in the grid: no other runs.
    pub block: u64,
    /// For each argument, whether its buffer comes from device memory instead of the L2 cache.
    cold: &'a [bool],
    /// Instructions that a jump leads to, or that follow one.
    leaders: Vec<bool>,
    clocks: Vec<Clock>,
    work: Work,
    level1: Level1,
    /// For each round of the cluster's barrier, when the last warp arrived.
    arrived: Vec<u64>,
    /// Where the present phase began.
    start: u64,
    time: BlockTime,
}

impl<'a> Timing<'a> {
    /// For one block with `level1` bytes of the L1 cache.
    pub fn new(gpu: &'a Hardware, kernel: &Kernel, block: u64, warps: usize, level1: u32, cold: &'a [bool]) -> Self {
        let mut leaders = vec![false; kernel.code.len() + 1];
        for (pc, inst) in kernel.code.iter().enumerate() {
            match inst.op {
                Op::Branch { target } => {
                    leaders[target as usize] = true;
                    leaders[pc + 1] = true;
                }
                Op::Exit | Op::Barrier { .. } | Op::WarpBarrier { .. } => leaders[pc + 1] = true,
                _ => {}
            }
        }
        let clock = || Clock {
            narrow: vec![0; kernel.narrow.len()],
            wide: vec![0; kernel.wide.len()],
            predicates: vec![0; kernel.predicates.len()],
            ..Clock::default()
        };
        let level1 = Level1 { capacity: u64::from(level1 / 32), ..Level1::default() };
        let clocks = (0..warps).map(|_| clock()).collect();
        let (work, time) = (Work::default(), BlockTime::default());
        Timing { gpu, block, cold, leaders, clocks, work, level1, arrived: Vec::new(), start: 0, time }
    }

    /// A warp issues an instruction in the lanes of `mask`.
    pub fn issue(&mut self, kernel: &Kernel, warp: &Warp, pc: usize, mask: u32) {
        let (inst, uses) = (&kernel.code[pc], &kernel.uses[pc]);
        if self.leaders[pc] {
            self.clocks[warp.index].pass();
        }
        if let Some(round) = self.clocks[warp.index].waiting.take() {
            let clock = &mut self.clocks[warp.index];
            let go = clock.base.max(self.arrived[round] + u64::from(self.gpu.cluster_barrier));
            (clock.base, clock.issued, clock.last) = (go, 0, go);
        }
        let (cycles, latency) = issue(&inst.op, self.gpu);
        let scheduler = warp.index % self.gpu.schedulers as usize;
        self.work.schedulers[scheduler] += u64::from(cycles);
        self.work.tensor[scheduler] += u64::from(tensor(&inst.op));
        let mut at = self.clocks[warp.index].base.max(self.clocks[warp.index].ready(uses, inst.guard));
        let mut latency = latency;
        if mask != 0 {
            (at, latency) = self.access(warp, &inst.op, mask, at, latency);
        }
        let clock = &mut self.clocks[warp.index];
        clock.issued += u64::from(cycles);
        clock.tensor += u64::from(tensor(&inst.op));
        clock.last = clock.last.max(at + u64::from(cycles));
        if mask != 0 {
            uses.writes.iter().for_each(|&slot| clock.set(slot, at + u64::from(latency)));
        }
    }

    /// When an instruction is issued and how long its result takes, if it goes to memory.
    fn access(&mut self, warp: &Warp, op: &Op, mask: u32, at: u64, latency: u32) -> (u64, u32) {
        let index = warp.index;
        match *op {
            Op::Load { place, ty, count, .. } if !matches!(place.space, Space::Param | Space::Const) => {
                let shared = matches!(place.space, Space::Shared | Space::Cluster);
                let at = at.max(self.clocks[index].stored[usize::from(shared)]);
                (at, self.read(warp, place, ty.bytes() * usize::from(count), mask))
            }
            Op::Store { place, ty, count, .. } => {
                self.write(warp, place, ty.bytes() * usize::from(count), mask, at);
                (at, latency)
            }
            Op::Atomic { place, ty, .. } => {
                self.write(warp, place, ty.bytes(), mask, at);
                let shared = place.space == Space::Shared;
                (at, if shared { self.gpu.shared_latency } else { self.gpu.level2_latency })
            }
            Op::CopyAsync { to, from, bytes, source } => {
                // A length of none fills with zeros and reads nothing.
                let reads = |lane: &usize| source.is_none_or(|source| warp.n(source)[*lane] > 0);
                let reading = lanes(mask).filter(reads).fold(0, |reading, lane| reading | 1 << lane);
                let latency = self.read(warp, from, bytes as usize, reading);
                self.write(warp, to, bytes as usize, mask, at);
                let copied = &mut self.clocks[index].copied;
                *copied = (*copied).max(at + u64::from(latency));
                (at, latency)
            }
            Op::CopyCommit => {
                let clock = &mut self.clocks[index];
                clock.groups.push_back(std::mem::take(&mut clock.copied));
                (at, latency)
            }
            Op::CopyWait { pending } => {
                let clock = &mut self.clocks[index];
                let arrived = clock.groups.len().saturating_sub(pending as usize);
                (clock.groups.drain(..arrived).fold(at, u64::max), latency)
            }
            Op::Shuffle { .. } => {
                self.work.memory += 1;
                (at, latency)
            }
            Op::ClusterArrive { .. } => {
                let round = warp.arrivals as usize;
                self.arrived.resize(self.arrived.len().max(round + 1), 0);
                // Earlier stores have to be on their way.
                let at = at.max(self.clocks[index].base + self.clocks[index].issued).max(self.clocks[index].stored[1]);
                self.arrived[round] = self.arrived[round].max(at);
                (at, latency)
            }
            Op::ClusterWait => {
                self.clocks[index].pass();
                self.clocks[index].waiting = Some(warp.waits as usize);
                (at, latency)
            }
            _ => (at, latency),
        }
    }

    fn shared(&mut self, addresses: &[u64; 32], mask: u32, bytes: u64) {
        // A pass serves 32 words, which differ, and as many lanes as ask for them.
        let passes = u64::from(units(addresses, mask, bytes, 4).div_ceil(32).max(1));
        self.work.memory += passes + u64::from(bank_conflicts(addresses, mask, bytes));
    }

    fn read(&mut self, warp: &Warp, place: Place, bytes: usize, mask: u32) -> u32 {
        let (addresses, bytes) = (Machine::addresses(warp, place), bytes as u64);
        if matches!(place.space, Space::Shared | Space::Cluster) {
            self.shared(&addresses, mask, bytes);
            return if place.space == Space::Cluster { self.gpu.peer_latency } else { self.gpu.shared_latency };
        }
        self.work.memory += u64::from(units(&addresses, mask, bytes, 128));
        let mut latency = self.gpu.level1_latency;
        let mut last = u64::MAX;
        for lane in lanes(mask) {
            for sector in addresses[lane] / 32..=(addresses[lane] + bytes - 1) / 32 {
                if sector == last {
                    continue;
                }
                last = sector;
                let found = self.level1.find(sector);
                if found != Found::Near {
                    self.work.sectors += 1;
                    // Buffers lie 2^36 apart, in the order of the arguments.
                    let argument = (addresses[lane] >> 36) as usize;
                    let cold = argument.checked_sub(1).is_some_and(|at| self.cold.get(at) == Some(&true));
                    let far =
                        if cold && found == Found::First { self.gpu.memory_latency } else { self.gpu.level2_latency };
                    latency = latency.max(far);
                }
            }
        }
        latency
    }

    fn write(&mut self, warp: &Warp, place: Place, bytes: usize, mask: u32, at: u64) {
        let (addresses, bytes) = (Machine::addresses(warp, place), bytes as u64);
        let shared = matches!(place.space, Space::Shared | Space::Cluster);
        let stored = &mut self.clocks[warp.index].stored[usize::from(shared)];
        *stored = (*stored).max(at);
        if shared {
            self.shared(&addresses, mask, bytes);
        } else {
            self.work.memory += u64::from(units(&addresses, mask, bytes, 128));
            self.work.sectors += u64::from(units(&addresses, mask, bytes, 32));
        }
    }

    /// Warps meet at a barrier.
    pub fn meet(&mut self, members: &[usize]) {
        self.end_phase();
        let go = self.start + u64::from(self.gpu.barrier);
        (self.time.cycles, self.time.chain) =
            (self.time.cycles + u64::from(self.gpu.barrier), self.time.chain + u64::from(self.gpu.barrier));
        self.start = go;
        for &member in members {
            let clock = &mut self.clocks[member];
            (clock.base, clock.issued, clock.last) = (go, 0, go);
        }
    }

    /// Adds what the present phase takes, of all warps.
    fn end_phase(&mut self) {
        let Work { schedulers, tensor, memory, sectors } = std::mem::take(&mut self.work);
        self.clocks.iter_mut().for_each(Clock::pass);
        let end = self.clocks.iter().map(|clock| clock.base).max().unwrap_or(0);
        let chain = end.saturating_sub(self.start);
        let port = (32 * sectors).div_ceil(u64::from(self.gpu.level2_port));
        let busy = schedulers.into_iter().chain(tensor).max().unwrap_or(0).max(memory).max(port);
        self.time.chain += chain;
        self.time.busy += busy;
        self.time.cycles += chain.max(busy);
        self.time.sectors += sectors;
        self.start += chain.max(busy);
    }

    /// The block's time.
    pub fn finish(mut self) -> BlockTime {
        self.end_phase();
        self.time
    }
}
