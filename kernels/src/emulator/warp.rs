//! A warp: its registers, and which of its lanes stand where.

use std::collections::VecDeque;

use super::alu::{Lanes, WideLanes};
use super::inst::Reg;
use super::kernel::{Kernel, Slot, Special};
use super::transactions::lanes;

/// Why a warp does not run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    #[default]
    Ready,
    /// At a barrier for `threads` threads (all, if none), in the instruction `pc`.
    Waiting {
        id: u32,
        threads: Option<u32>,
        pc: u32,
    },
    /// At the wait of a cluster's barrier, in the instruction `pc`.
    InCluster {
        pc: u32,
    },
    Done,
}

/// A copy to shared memory that is under way.
#[derive(Debug, Clone, Copy)]
pub struct Copy {
    pub lane: u32,
    pub to: usize,
    pub bytes: usize,
    pub data: [u8; 16],
}

/// 32 lanes.
#[derive(Debug, Default)]
pub struct Warp {
    pub narrow: Vec<Lanes>,
    pub wide: Vec<WideLanes>,
    /// A bit a lane.
    pub predicates: Vec<u32>,
    /// The lanes in which each register has been written.
    narrow_set: Vec<u32>,
    wide_set: Vec<u32>,
    predicates_set: Vec<u32>,
    /// Where each lane goes on; the running group's is in `pc`.
    pub pcs: [u32; 32],
    /// Lanes that the block gave it, and those of them that have not left.
    pub all: u32,
    pub live: u32,
    /// The group that runs, and where.
    pub active: u32,
    pub pc: u32,
    /// The lowest place of the lanes that do not run now.
    pub next: u32,
    pub state: State,
    pub tick: u32,
    pub seen: Vec<u32>,
    /// Copies since the last commit, and the committed groups in order.
    pub copies: Vec<Copy>,
    pub groups: VecDeque<Vec<Copy>>,
    /// Instructions since the block began.
    pub steps: u64,
    /// Its number in the block, and among the warps of the cluster.
    pub index: usize,
    pub slot: usize,
    /// How often it has arrived at the cluster's barrier, and waited there.
    pub arrivals: u32,
    pub waits: u32,
}

/// Where a block stands.
#[derive(Debug, Clone, Copy)]
pub struct Seat {
    pub block: [u32; 3],
    /// Its rank in its cluster, of how many.
    pub rank: u32,
    pub ranks: u32,
}

impl Warp {
    /// A warp with the kernel's constants in its registers.
    pub fn new(kernel: &Kernel, warps: usize) -> Self {
        let mut warp = Warp {
            narrow: vec![[0; 32]; kernel.narrow.len()],
            wide: vec![[0; 32]; kernel.wide.len()],
            predicates: vec![0; kernel.predicates.len()],
            narrow_set: vec![0; kernel.narrow.len()],
            wide_set: vec![0; kernel.wide.len()],
            predicates_set: vec![0; kernel.predicates.len()],
            seen: vec![0; warps],
            ..Warp::default()
        };
        for (register, value) in &kernel.narrow_constants {
            warp.narrow[*register as usize] = [*value; 32];
        }
        for (register, value) in &kernel.wide_constants {
            warp.wide[*register as usize] = [*value; 32];
        }
        warp
    }

    /// Begins a block as its warp number `index`.
    pub fn begin(&mut self, kernel: &Kernel, index: usize, seat: Seat, grid: [u32; 3], threads: [u32; 3]) {
        let Seat { block, rank, ranks } = seat;
        self.narrow_set.fill(0);
        self.wide_set.fill(0);
        self.predicates_set.fill(0);
        for (register, _) in &kernel.narrow_constants {
            self.narrow_set[*register as usize] = u32::MAX;
        }
        for (register, _) in &kernel.wide_constants {
            self.wide_set[*register as usize] = u32::MAX;
        }
        for (special, register) in &kernel.specials {
            self.narrow[*register as usize] = std::array::from_fn(|lane| {
                let thread = (index * 32 + lane) as u32;
                let bit = 1u32 << lane;
                match *special {
                    Special::Thread(0) => thread % threads[0],
                    Special::Thread(1) => thread / threads[0] % threads[1],
                    Special::Thread(_) => thread / threads[0] / threads[1],
                    Special::Threads(axis) => threads[axis],
                    Special::Block(axis) => block[axis],
                    Special::Blocks(axis) => grid[axis],
                    Special::Rank | Special::Member(0) => rank,
                    Special::Ranks | Special::Members(0) => ranks,
                    Special::Cluster(0) => block[0] / ranks,
                    Special::Clusters(0) => grid[0] / ranks,
                    Special::Member(_) => 0,
                    Special::Members(_) => 1,
                    Special::Cluster(axis) => block[axis],
                    Special::Clusters(axis) => grid[axis],
                    Special::Lane => lane as u32,
                    Special::Warp => index as u32,
                    Special::MaskLt => bit - 1,
                    Special::MaskLe => (bit - 1) | bit,
                    Special::MaskGt => !((bit - 1) | bit),
                    Special::MaskGe => !(bit - 1),
                    Special::MaskEq => bit,
                }
            });
            self.narrow_set[*register as usize] = u32::MAX;
        }
        let count: u32 = threads.iter().product();
        let mine = count.saturating_sub(32 * index as u32).min(32);
        self.all = if mine == 32 { u32::MAX } else { (1 << mine) - 1 };
        self.live = self.all;
        (self.pcs, self.pc, self.active, self.next) = ([0; 32], 0, self.live, u32::MAX);
        self.state = State::Ready;
        self.copies.clear();
        self.groups.clear();
        (self.steps, self.index) = (0, index);
        (self.arrivals, self.waits) = (0, 0);
    }

    /// Picks the lanes that stand lowest: groups that went apart meet again.
    pub fn regroup(&mut self) {
        self.pc = lanes(self.live).map(|lane| self.pcs[lane]).min().unwrap_or(u32::MAX);
        (self.active, self.next) = (0, u32::MAX);
        for lane in lanes(self.live) {
            if self.pcs[lane] == self.pc {
                self.active |= 1 << lane;
            } else {
                self.next = self.next.min(self.pcs[lane]);
            }
        }
    }

    /// Sends the running group's lanes to `pc` before the groups are formed anew.
    pub fn park(&mut self, mask: u32, pc: u32) {
        lanes(mask).for_each(|lane| self.pcs[lane] = pc);
    }

    /// The first register of these that some lane of `mask` has not written, with such a lane.
    #[inline]
    pub fn unset(&self, uses: &super::kernel::Uses, mask: u32) -> Option<(Slot, u32)> {
        let find = |set: &[u32], registers: &[Reg]| {
            registers.iter().find_map(|&register| {
                let missing = mask & !set[register as usize];
                (missing != 0).then(|| (register, missing.trailing_zeros()))
            })
        };
        let narrow = find(&self.narrow_set, &uses.narrow).map(|(register, lane)| (Slot::Narrow(register), lane));
        let wide = || find(&self.wide_set, &uses.wide).map(|(register, lane)| (Slot::Wide(register), lane));
        let last = || find(&self.predicates_set, &uses.predicates).map(|(r, lane)| (Slot::Predicate(r), lane));
        narrow.or_else(wide).or_else(last)
    }

    /// The lanes of `mask` in which a predicate is not written.
    pub fn unset_predicate(&self, register: Reg, mask: u32) -> u32 {
        mask & !self.predicates_set[register as usize]
    }

    /// Whether a lane has written a register.
    pub fn is_set(&self, slot: Slot, lane: usize) -> bool {
        let set = match slot {
            Slot::Narrow(register) => self.narrow_set[register as usize],
            Slot::Wide(register) => self.wide_set[register as usize],
            Slot::Predicate(register) => self.predicates_set[register as usize],
        };
        set >> lane & 1 != 0
    }

    #[inline]
    pub fn n(&self, register: Reg) -> &Lanes {
        &self.narrow[register as usize]
    }

    #[inline]
    pub fn w(&self, register: Reg) -> &WideLanes {
        &self.wide[register as usize]
    }

    /// A predicate, negated or not.
    #[inline]
    pub fn p(&self, (register, negated): (Reg, bool)) -> u32 {
        let bits = self.predicates[register as usize];
        if negated { !bits } else { bits }
    }

    #[inline]
    pub fn set_n(&mut self, register: Reg, values: &Lanes, mask: u32) {
        let target = &mut self.narrow[register as usize];
        if mask == u32::MAX {
            *target = *values;
        } else {
            for lane in 0..32 {
                target[lane] = if mask >> lane & 1 != 0 { values[lane] } else { target[lane] };
            }
        }
        self.narrow_set[register as usize] |= mask;
    }

    #[inline]
    pub fn set_w(&mut self, register: Reg, values: &WideLanes, mask: u32) {
        let target = &mut self.wide[register as usize];
        if mask == u32::MAX {
            *target = *values;
        } else {
            for lane in 0..32 {
                target[lane] = if mask >> lane & 1 != 0 { values[lane] } else { target[lane] };
            }
        }
        self.wide_set[register as usize] |= mask;
    }

    #[inline]
    pub fn set_p(&mut self, register: Reg, bits: u32, mask: u32) {
        let target = &mut self.predicates[register as usize];
        *target = *target & !mask | bits & mask;
        self.predicates_set[register as usize] |= mask;
    }
}
