//! Runs the blocks of one launch.

use super::Counters;
use super::cluster::Cluster;
use super::inst::Inst;
use super::kernel::{Kernel, Name, Slot};
use super::memory::{Memory, Problem, Segment};
use super::parse::shortened;
use super::timing::Timing;
use super::warp::{Seat, State, Warp};
use super::watch::Watch;
use crate::launch::{Check, Fault, Launch};

/// One launch under way.
pub struct Machine<'a, 't> {
    pub kernel: &'a Kernel,
    pub launch: &'a Launch,
    pub allocations: &'a mut [Memory],
    pub segments: Vec<Segment>,
    pub params: Vec<u8>,
    /// Of each block of the cluster that runs.
    pub shared: Vec<Memory>,
    pub cluster: Cluster,
    /// The rank in its cluster of the block whose warp runs.
    pub rank: usize,
    /// Ticks: the last one given out, the launch's first, the first of the blocks that run.
    pub tick: &'a mut u32,
    pub launch_tick: u32,
    pub block_tick: u32,
    pub block: [u32; 3],
    pub block_number: u64,
    pub random: u64,
    pub limit: u64,
    pub counters: Counters,
    /// Lanes that executed each instruction.
    pub hits: Vec<(u64, u64)>,
    pub watch: Option<Watch<'a>>,
    pub timing: Option<&'a mut Timing<'t>>,
}

/// Characters that a fault shows of its line.
const LINE: usize = 120;

/// How a warp's run ended.
pub enum Stop {
    Waiting,
    Done,
}

impl Machine<'_, '_> {
    /// Runs all clusters in a random order; without clusters a block is one; or the one that is timed.
    pub fn run(&mut self) -> Result<(), Box<Fault>> {
        let threads: u32 = self.launch.block.iter().product();
        let (count, ranks) = (threads.div_ceil(32) as usize, self.shared.len());
        let mut warps: Vec<Warp> = (0..count * ranks).map(|_| Warp::new(self.kernel, count * ranks)).collect();
        let clean = self.shared[0].state().to_vec();
        let clusters = self.launch.grid.iter().map(|n| u64::from(*n)).product::<u64>() / ranks as u64;
        // A stride that has no factor in common with the number of clusters visits each once.
        let mut stride = self.draw(clusters).max(1);
        while gcd(stride, clusters) != 1 {
            stride = stride % clusters + 1;
        }
        let first = self.draw(clusters);
        let (first, clusters_run) = match &self.timing {
            Some(timing) => (timing.block / ranks as u64, 1),
            None => (first, clusters),
        };
        for i in 0..clusters_run {
            let cluster = ((u128::from(first) + u128::from(i) * u128::from(stride)) % u128::from(clusters)) as u64;
            self.shared.iter_mut().for_each(|shared| shared.reset(&clean));
            self.cluster = Cluster::new(ranks, count);
            // Clusters lie along x, and a grid's x is a multiple of them.
            self.run_cluster(cluster * ranks as u64, &mut warps)?;
        }
        Ok(())
    }

    /// Turns to a block of the cluster, of which `first` is the first block's number.
    fn enter(&mut self, first: u64, rank: usize) {
        let [x, y, _] = self.launch.grid.map(u64::from);
        let number = first + rank as u64;
        (self.rank, self.block_number) = (rank, number);
        self.block = [number % x, number / x % y, number / x / y].map(|index| index as u32);
    }

    fn draw(&mut self, below: u64) -> u64 {
        // xorshift64* (Vigna 2016).
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % below
    }

    fn run_cluster(&mut self, first: u64, warps: &mut [Warp]) -> Result<(), Box<Fault>> {
        *self.tick += 1;
        self.block_tick = *self.tick;
        let (count, ranks) = (self.cluster.per_block, self.shared.len());
        for (slot, warp) in warps.iter_mut().enumerate() {
            self.enter(first, slot / count);
            let seat = Seat { block: self.block, rank: self.rank as u32, ranks: ranks as u32 };
            warp.begin(self.kernel, slot % count, seat, self.launch.grid, self.launch.block);
            (warp.slot, warp.tick) = (slot, self.block_tick);
            warp.seen.fill(self.block_tick);
        }
        let mut ready: Vec<usize> = (0..warps.len()).collect();
        loop {
            while !ready.is_empty() {
                let chosen = ready.swap_remove(self.draw(ready.len() as u64) as usize);
                let complete = self.cluster.complete;
                self.enter(first, chosen / count);
                while warps[chosen].state == State::Ready {
                    self.run_warp(&mut warps[chosen])?;
                }
                if ranks > 1 && warps[chosen].state == State::Done {
                    self.leave(chosen, &mut warps[chosen / count * count..][..count])?;
                }
                if self.cluster.complete != complete {
                    for (slot, warp) in warps.iter_mut().enumerate() {
                        if let State::InCluster { .. } = warp.state
                            && warp.waits <= self.cluster.complete
                        {
                            self.cluster.pass(warp);
                            ready.push(slot);
                        }
                    }
                }
            }
            if warps.iter().all(|warp| warp.state == State::Done) {
                return Ok(());
            }
            // The first block that has a complete barrier; where none has, the first that has warps at one says why.
            let waits = |rank: &usize| {
                warps[rank * count..][..count].iter().any(|warp| matches!(warp.state, State::Waiting { .. }))
            };
            let waiting: Vec<usize> = (0..ranks).filter(waits).collect();
            for &rank in &waiting {
                ready = self.release(rank * count, &mut warps[rank * count..][..count]);
                if !ready.is_empty() {
                    break;
                }
            }
            if ready.is_empty() {
                return Err(match waiting.first() {
                    Some(&rank) => {
                        self.enter(first, rank);
                        self.incomplete(&warps[rank * count..][..count])
                    }
                    None => self.cluster_incomplete(first, warps),
                });
            }
        }
    }

    /// Ends a warp's block if it was the last; `warps`: those of the block.
    fn leave(&mut self, slot: usize, warps: &mut [Warp]) -> Result<(), Box<Fault>> {
        if warps.iter().any(|warp| warp.state != State::Done) {
            return Ok(());
        }
        let mut seen = vec![0; self.cluster.per_block * self.shared.len()];
        for warp in &*warps {
            seen.iter_mut().zip(&warp.seen).for_each(|(seen, other)| *seen = (*seen).max(*other));
        }
        let warp = &mut warps[slot % self.cluster.per_block];
        let ended = self.end_block(warp, &seen);
        ended.map_err(|problem| self.fault(warp.index, &self.kernel.code[warp.pc as usize - 1], problem))
    }

    /// Lets the warps of a block's complete barrier go on, if there is one; `first`: the slot of the block's first warp.
    fn release(&mut self, first: usize, warps: &mut [Warp]) -> Vec<usize> {
        let all = waiting(warps);
        for &(_, id, threads, pc) in &all {
            let group: Vec<_> = all.iter().filter(|other| other.1 == id).collect();
            let arrived = 32 * group.len();
            let complete = match threads {
                Some(threads) => arrived == threads as usize,
                // With no count it is for all, and all at the same place.
                None => group.len() == warps.len() && group.iter().all(|other| other.3 == pc && other.2.is_none()),
            };
            if !complete {
                continue;
            }
            let members: Vec<usize> = group.iter().map(|member| member.0).collect();
            if let Some(timing) = &mut self.timing
                && self.rank == 0
            {
                timing.meet(&members);
            }
            *self.tick += 1;
            let mut seen = vec![0; warps[0].seen.len()];
            for &member in &members {
                seen.iter_mut().zip(&warps[member].seen).for_each(|(seen, other)| *seen = (*seen).max(*other));
            }
            members.iter().for_each(|&member| seen[first + member] = *self.tick);
            for &member in &members {
                let warp = &mut warps[member];
                warp.seen.copy_from_slice(&seen);
                (warp.tick, warp.state) = (*self.tick, State::Ready);
            }
            return members.into_iter().map(|member| first + member).collect();
        }
        Vec::new()
    }

    /// Why none of a block's barriers is complete.
    fn incomplete(&self, warps: &[Warp]) -> Box<Fault> {
        let all = waiting(warps);
        let (stuck, id, _, pc) = all[0];
        let others = match warps.iter().position(|warp| warp.state == State::Done) {
            Some(left) => format!("warp {left} has ended"),
            None => match all.iter().find(|other| other.1 != id || other.3 != pc) {
                Some((other, _, _, at)) => {
                    format!("warp {other} waits at line {}", self.kernel.code[*at as usize].line)
                }
                None => format!("{} warps wait there, not as many as it names", all.len()),
            },
        };
        let text = format!("barrier {id} is not reached by all threads: {others}");
        let problem = Problem { check: Check::Barrier, lane: 0, text };
        self.fault(stuck, &self.kernel.code[pc as usize], problem)
    }

    /// Why the cluster's barrier is not complete: all warps wait there or have ended.
    fn cluster_incomplete(&mut self, first: u64, warps: &[Warp]) -> Box<Fault> {
        let count = self.cluster.per_block;
        let at = |(slot, warp): (usize, &Warp)| match warp.state {
            State::InCluster { pc } => Some((slot, pc)),
            _ => None,
        };
        let (stuck, pc) = warps.iter().enumerate().find_map(at).expect("a warp that does not go on");
        let ended = warps.iter().enumerate().filter(|(_, warp)| warp.state == State::Done);
        let (left, _) = ended.min_by_key(|(_, warp)| warp.arrivals).expect("a warp that has not arrived");
        let text = format!(
            "the cluster's barrier is not reached by all threads: warp {} of block {} has ended",
            left % count,
            left / count
        );
        self.enter(first, stuck / count);
        let problem = Problem { check: Check::Barrier, lane: 0, text };
        self.fault(stuck % count, &self.kernel.code[pc as usize], problem)
    }

    fn fault(&self, warp: usize, inst: &Inst, problem: Problem) -> Box<Fault> {
        Box::new(Fault {
            check: problem.check,
            entry: self.kernel.name.clone(),
            module: self.kernel.module.clone(),
            line: inst.line as usize,
            text: shortened(self.kernel.code_at(inst.line), LINE),
            block: self.block,
            warp: warp as u32,
            lane: problem.lane,
            problem: problem.text,
        })
    }

    fn run_warp(&mut self, warp: &mut Warp) -> Result<(), Box<Fault>> {
        let kernel = self.kernel;
        loop {
            if warp.pc >= warp.next {
                warp.park(warp.active, warp.pc);
                warp.regroup();
            }
            let pc = warp.pc as usize;
            let inst = &kernel.code[pc];
            let mut mask = warp.active;
            if let Some((register, negated)) = inst.guard {
                let missing = warp.unset_predicate(register, mask);
                if missing != 0 {
                    let problem = self.uninitialised(Slot::Predicate(register), missing.trailing_zeros());
                    return Err(self.failed(warp, pc, (mask, mask), problem));
                }
                mask &= warp.p((register, negated));
            }
            if let Some((slot, lane)) = warp.unset(&kernel.uses[pc], mask) {
                let problem = self.uninitialised(slot, lane);
                return Err(self.failed(warp, pc, (warp.active, mask), problem));
            }
            warp.steps += 1;
            if warp.steps > self.limit {
                let text = format!("has run {} instructions without ending", self.limit);
                let problem = Problem { check: Check::Endless, lane: 0, text };
                return Err(self.failed(warp, pc, (warp.active, mask), problem));
            }
            let hits = &mut self.hits[pc];
            *hits = (hits.0 + 1, hits.1 + u64::from(mask.count_ones()));
            let group = warp.active;
            if let Some(watch) = &mut self.watch {
                watch.pc = pc;
            }
            warp.pc += 1;
            if let Some(timing) = &mut self.timing
                && self.rank == 0
            {
                timing.issue(kernel, warp, pc, mask);
            }
            // A barrier or a warp-wide instruction that no lane executes is none.
            let stop = if mask == 0 { Ok(None) } else { self.step(warp, inst, mask) };
            let stop = stop.map_err(|problem| self.failed(warp, pc, (group, mask), problem))?;
            if self.watch.is_some() {
                self.show(warp, pc, group, mask, None);
            }
            match stop {
                None => {}
                Some(Stop::Waiting) => return Ok(()),
                Some(Stop::Done) => {
                    warp.state = State::Done;
                    return Ok(());
                }
            }
        }
    }

    /// The fault of a warp's instruction, which is shown first where the warp is watched.
    #[cold]
    fn failed(&mut self, warp: &Warp, pc: usize, (active, executed): (u32, u32), problem: Problem) -> Box<Fault> {
        self.show(warp, pc, active, executed, Some(&problem));
        self.fault(warp.index, &self.kernel.code[pc], problem)
    }

    fn uninitialised(&self, slot: Slot, lane: u32) -> Problem {
        let Name { name, .. } = self.name(slot);
        let text = format!("{name} has no value in lane {lane}");
        Problem { check: Check::Uninitialised, lane, text }
    }

    fn name(&self, slot: Slot) -> &Name {
        match slot {
            Slot::Narrow(register) => &self.kernel.narrow[register as usize],
            Slot::Wide(register) => &self.kernel.wide[register as usize],
            Slot::Predicate(register) => &self.kernel.predicates[register as usize],
        }
    }
}

/// The warps of a block at a barrier: which, the barrier's number, for how many threads, and where.
fn waiting(warps: &[Warp]) -> Vec<(usize, u32, Option<u32>, u32)> {
    let at = |(w, warp): (usize, &Warp)| match warp.state {
        State::Waiting { id, threads, pc } => Some((w, id, threads, pc)),
        _ => None,
    };
    warps.iter().enumerate().filter_map(at).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
