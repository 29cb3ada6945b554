//! Performance counters: the units in which a kernel's work is counted.

/// Counts of a kernel's work, in one or several launches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Launches.
    pub launches: u64,
    /// Instructions that warps issued.
    pub instructions: u64,
    /// Instructions times the lanes that executed them.
    pub lane_instructions: u64,
    /// Floating-point operations; a fused multiply-add is two.
    pub flops: u64,
    /// Accesses of warps to global memory.
    pub global_accesses: u64,
    /// Sectors of 32 bytes that those touched: what moves between cache and memory.
    pub sectors: u64,
    /// Lines of 128 bytes that those touched: transactions.
    pub lines: u64,
    /// Accesses of warps to shared memory of their block.
    pub shared_accesses: u64,
    /// The same of another block of their cluster.
    pub peer_accesses: u64,
    /// Passes that those took beyond one each.
    pub bank_conflicts: u64,
}

impl std::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Counters) {
        self.launches += other.launches;
        self.instructions += other.instructions;
        self.lane_instructions += other.lane_instructions;
        self.flops += other.flops;
        self.global_accesses += other.global_accesses;
        self.sectors += other.sectors;
        self.lines += other.lines;
        self.shared_accesses += other.shared_accesses;
        self.peer_accesses += other.peer_accesses;
        self.bank_conflicts += other.bank_conflicts;
    }
}

impl Counters {
    /// Each count times `by / of`, rounded; of a part of a launch's blocks, those of all. Launches are left alone.
    pub fn scaled(self, by: u64, of: u64) -> Counters {
        let scaled = |n: u64| ((u128::from(n) * u128::from(by) + u128::from(of) / 2) / u128::from(of.max(1))) as u64;
        Counters {
            launches: 0,
            instructions: scaled(self.instructions),
            lane_instructions: scaled(self.lane_instructions),
            flops: scaled(self.flops),
            global_accesses: scaled(self.global_accesses),
            sectors: scaled(self.sectors),
            lines: scaled(self.lines),
            shared_accesses: scaled(self.shared_accesses),
            peer_accesses: scaled(self.peer_accesses),
            bank_conflicts: scaled(self.bank_conflicts),
        }
    }
}
