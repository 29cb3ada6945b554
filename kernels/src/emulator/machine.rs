//! Runs the blocks of one launch.

use super::alu;
use super::inst::{Inst, Logic, Op, Place, Reg, Space};
use super::kernel::{Kernel, Name, Slot};
use super::memory::{Agent, Memory, Problem, Segment, lanes};
use super::parse::shortened;
use super::warp::{State, Warp};
use super::{Counters, Step};
use crate::launch::{Check, Fault, Launch};

/// One thread's steps, to be shown.
pub struct Watch<'a> {
    /// The block's index in the grid, x fastest.
    pub block: u64,
    /// The thread's index in its block.
    pub thread: u32,
    /// What is done with a step; false ends the showing.
    pub show: &'a mut (dyn FnMut(&Step) -> bool + 'a),
}

/// One launch under way.
pub struct Machine<'a> {
    pub kernel: &'a Kernel,
    pub launch: &'a Launch,
    pub allocations: &'a mut [Memory],
    pub segments: Vec<Segment>,
    pub params: Vec<u8>,
    pub shared: Memory,
    /// Ticks: the last one given out, the launch's first, the block's first.
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
}

/// Characters that a fault shows of its line.
const LINE: usize = 120;

/// How a warp's run ended.
enum Stop {
    Waiting,
    Done,
}

impl Machine<'_> {
    /// Runs all blocks, in a random order.
    pub fn run(&mut self) -> Result<(), Box<Fault>> {
        let threads: u32 = self.launch.block.iter().product();
        let count = threads.div_ceil(32) as usize;
        let mut warps: Vec<Warp> = (0..count).map(|_| Warp::new(self.kernel, count)).collect();
        let clean = self.shared.state().to_vec();
        let [x, y, z] = self.launch.grid.map(u64::from);
        let blocks = x * y * z;
        // A stride that has no factor in common with the number of blocks visits each once.
        let mut stride = self.draw(blocks).max(1);
        while gcd(stride, blocks) != 1 {
            stride = stride % blocks + 1;
        }
        let first = self.draw(blocks);
        for i in 0..blocks {
            let number = ((u128::from(first) + u128::from(i) * u128::from(stride)) % u128::from(blocks)) as u64;
            self.block_number = number;
            self.block = [number % x, number / x % y, number / x / y].map(|index| index as u32);
            self.shared.reset(&clean);
            self.run_block(&mut warps)?;
        }
        Ok(())
    }

    fn draw(&mut self, below: u64) -> u64 {
        // xorshift64* (Vigna 2016).
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % below
    }

    fn run_block(&mut self, warps: &mut [Warp]) -> Result<(), Box<Fault>> {
        *self.tick += 1;
        self.block_tick = *self.tick;
        for (index, warp) in warps.iter_mut().enumerate() {
            warp.begin(self.kernel, index, self.block, self.launch.grid, self.launch.block);
            warp.tick = self.block_tick;
            warp.seen.fill(self.block_tick);
        }
        let mut ready: Vec<usize> = (0..warps.len()).collect();
        loop {
            while !ready.is_empty() {
                let chosen = ready.swap_remove(self.draw(ready.len() as u64) as usize);
                while warps[chosen].state == State::Ready {
                    self.run_warp(chosen, &mut warps[chosen])?;
                }
            }
            if warps.iter().all(|warp| warp.state == State::Done) {
                return Ok(());
            }
            ready = self.release(warps)?;
        }
    }

    /// Lets the warps of a complete barrier go on.
    fn release(&mut self, warps: &mut [Warp]) -> Result<Vec<usize>, Box<Fault>> {
        let waiting = |warps: &[Warp]| -> Vec<(usize, u32, Option<u32>, u32)> {
            let at = |(w, warp): (usize, &Warp)| match warp.state {
                State::Waiting { id, threads, pc } => Some((w, id, threads, pc)),
                _ => None,
            };
            warps.iter().enumerate().filter_map(at).collect()
        };
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
            *self.tick += 1;
            let mut seen = vec![0; warps.len()];
            for &member in &members {
                seen.iter_mut().zip(&warps[member].seen).for_each(|(seen, other)| *seen = (*seen).max(*other));
            }
            members.iter().for_each(|&member| seen[member] = *self.tick);
            for &member in &members {
                let warp = &mut warps[member];
                warp.seen.copy_from_slice(&seen);
                (warp.tick, warp.state) = (*self.tick, State::Ready);
            }
            return Ok(members);
        }
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
        Err(self.fault(stuck, &self.kernel.code[pc as usize], problem))
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

    fn run_warp(&mut self, index: usize, warp: &mut Warp) -> Result<(), Box<Fault>> {
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
                    return Err(self.fault(index, inst, problem));
                }
                mask &= warp.p((register, negated));
            }
            if let Some((slot, lane)) = warp.unset(&kernel.uses[pc], mask) {
                let problem = self.uninitialised(slot, lane);
                return Err(self.fault(index, inst, problem));
            }
            warp.steps += 1;
            if warp.steps > self.limit {
                let text = format!("has run {} instructions without ending", self.limit);
                return Err(self.fault(index, inst, Problem { check: Check::Endless, lane: 0, text }));
            }
            let hits = &mut self.hits[pc];
            *hits = (hits.0 + 1, hits.1 + u64::from(mask.count_ones()));
            let group = warp.active;
            warp.pc += 1;
            // A barrier or a warp-wide instruction that no lane executes is none.
            let stop = if mask == 0 { Ok(None) } else { self.step(index, warp, inst, mask) };
            let stop = stop.map_err(|problem| self.fault(index, inst, problem))?;
            if self.watch.is_some() {
                self.show(index, warp, pc, group, mask);
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

    #[cold]
    fn show(&mut self, index: usize, warp: &Warp, pc: usize, group: u32, mask: u32) {
        let kernel = self.kernel;
        let Some(watch) = &mut self.watch else { return };
        let lane = (watch.thread % 32) as usize;
        if watch.block != self.block_number || watch.thread / 32 != index as u32 || group >> lane & 1 == 0 {
            return;
        }
        let value = |slot: Slot| {
            let (name, text) = match slot {
                Slot::Narrow(r) => {
                    (&kernel.narrow[r as usize], super::show::narrow(&kernel.narrow[r as usize], warp.n(r)[lane]))
                }
                Slot::Wide(r) => {
                    (&kernel.wide[r as usize], super::show::wide(&kernel.wide[r as usize], warp.w(r)[lane]))
                }
                Slot::Predicate(r) => {
                    (&kernel.predicates[r as usize], (warp.p((r, false)) >> lane & 1 != 0).to_string())
                }
            };
            (name.name.clone(), text)
        };
        let uses = &kernel.uses[pc];
        let executed = mask >> lane & 1 != 0;
        let writes = if executed { uses.writes.as_slice() } else { &[] };
        let reads = uses.narrow.iter().map(|r| Slot::Narrow(*r)).chain(uses.wide.iter().map(|r| Slot::Wide(*r)));
        let reads = reads.chain(uses.predicates.iter().map(|r| Slot::Predicate(*r)));
        let reads = reads.filter(|slot| executed && warp.is_set(*slot, lane) && !writes.contains(slot));
        let step = Step {
            line: kernel.code[pc].line as usize,
            text: kernel.lines.get(kernel.code[pc].line as usize - 1).cloned().unwrap_or_default(),
            executed,
            active: mask.count_ones(),
            reads: reads.map(value).collect(),
            writes: writes.iter().map(|slot| value(*slot)).collect(),
        };
        if !(watch.show)(&step) {
            self.watch = None;
        }
    }

    /// Executes an instruction in the lanes of `mask`.
    #[inline]
    fn step(&mut self, index: usize, warp: &mut Warp, inst: &Inst, mask: u32) -> Result<Option<Stop>, Problem> {
        match inst.op {
            Op::Map1 { f, d, a } => {
                let out = alu::map1(f, warp.n(a));
                warp.set_n(d, &out, mask);
            }
            Op::Map2 { f, d, a, b } => {
                let out = alu::map2(f, warp.n(a), warp.n(b));
                warp.set_n(d, &out, mask);
            }
            Op::Map3 { f, d, a, b, c } => {
                let out = alu::map3(f, warp.n(a), warp.n(b), warp.n(c));
                warp.set_n(d, &out, mask);
            }
            Op::Insert { d, a, b, position, length } => {
                let out = alu::insert(warp.n(a), warp.n(b), warp.n(position), warp.n(length));
                warp.set_n(d, &out, mask);
            }
            Op::Wide1 { f, d, a } => {
                let out = alu::wide1(f, warp.w(a));
                warp.set_w(d, &out, mask);
            }
            Op::Wide2 { f, d, a, b } => {
                let out = alu::wide2(f, warp.w(a), warp.w(b));
                warp.set_w(d, &out, mask);
            }
            Op::Wide3 { f, d, a, b, c } => {
                let out = alu::wide3(f, warp.w(a), warp.w(b), warp.w(c));
                warp.set_w(d, &out, mask);
            }
            Op::WideShift { f, d, a, b } => {
                let out = alu::wide_shift(f, warp.w(a), warp.n(b));
                warp.set_w(d, &out, mask);
            }
            Op::MulWide { signed, d, a, b, c } => {
                let mut out = alu::mul_wide(signed, warp.n(a), warp.n(b));
                if let Some(c) = c {
                    out = alu::wide2(super::inst::W2::Add, &out, warp.w(c));
                }
                warp.set_w(d, &out, mask);
            }
            Op::Widen { f, d, a } => {
                let out = alu::widen(f, warp.n(a));
                warp.set_w(d, &out, mask);
            }
            Op::Narrow { f, d, a } => {
                let out = alu::narrow(f, warp.w(a));
                warp.set_n(d, &out, mask);
            }
            Op::Pack { d, low, high } => {
                let (low, high) = (warp.n(low), warp.n(high));
                let out = std::array::from_fn(|lane| u64::from(high[lane]) << 32 | u64::from(low[lane]));
                warp.set_w(d, &out, mask);
            }
            Op::Unpack { low, high, a } => {
                let (l, h) = (
                    alu::narrow(super::inst::Narrow::Low, warp.w(a)),
                    alu::narrow(super::inst::Narrow::High, warp.w(a)),
                );
                warp.set_n(low, &l, mask);
                warp.set_n(high, &h, mask);
            }
            Op::Compare { cmp, ty, p, q, a, b, with } => {
                let found = match ty.wide() {
                    true => alu::compare_wide(cmp, ty, warp.w(a), warp.w(b)),
                    false => alu::compare(cmp, ty, warp.n(a), warp.n(b)),
                };
                let combine = |bits: u32| match with {
                    None => bits,
                    Some((logic, r, negated)) => apply(logic, bits, warp.p((r, negated))),
                };
                let (yes, no) = (combine(found), combine(!found));
                warp.set_p(p, yes, mask);
                if let Some(q) = q {
                    warp.set_p(q, no, mask);
                }
            }
            Op::Select { wide, d, a, b, p } => {
                let p = warp.p(p);
                if wide {
                    let out = std::array::from_fn(|l| if p >> l & 1 != 0 { warp.w(a)[l] } else { warp.w(b)[l] });
                    warp.set_w(d, &out, mask);
                } else {
                    let (a, b) = (warp.n(a), warp.n(b));
                    let out = std::array::from_fn(|l| if p >> l & 1 != 0 { a[l] } else { b[l] });
                    warp.set_n(d, &out, mask);
                }
            }
            Op::Predicate { logic, p, a, b } => {
                let bits = apply(logic, warp.p(a), warp.p(b));
                warp.set_p(p, bits, mask);
            }
            Op::SetPredicate { p, value } => warp.set_p(p, if value { u32::MAX } else { 0 }, mask),
            Op::Load { place, ty, count, d, constant } => self.load(warp, place, ty, count, d, constant, mask)?,
            Op::Store { place, ty, count, a } => self.store(warp, place, ty, count, a, mask)?,
            Op::Atomic { f, place, ty, d, a, b } => self.atomic(warp, f, place, ty, d, (a, b), mask)?,
            Op::CopyAsync { to, from, bytes, source } => self.copy(warp, (to, from), bytes, source, mask)?,
            Op::CopyCommit => {
                let group = std::mem::take(&mut warp.copies);
                warp.groups.push_back(group);
            }
            Op::CopyWait { pending } => self.copies_arrive(warp, pending as usize)?,
            Op::Branch { target } => {
                if mask == warp.active {
                    warp.pc = target;
                    if target > warp.next {
                        warp.park(mask, target);
                        warp.regroup();
                    }
                } else {
                    warp.park(warp.active & !mask, warp.pc);
                    warp.park(mask, target);
                    warp.regroup();
                }
            }
            Op::Exit => {
                warp.park(warp.active & !mask, warp.pc);
                warp.live &= !mask;
                if warp.live == 0 {
                    return Ok(Some(Stop::Done));
                }
                warp.regroup();
            }
            Op::Barrier { id, threads } => {
                self.together(warp, warp.all, mask, "the barrier", Check::Barrier)?;
                let lane = mask.trailing_zeros() as usize;
                let id = warp.n(id)[lane];
                let threads = threads.map(|threads| warp.n(threads)[lane]);
                warp.state = State::Waiting { id, threads, pc: warp.pc - 1 };
                return Ok(Some(Stop::Waiting));
            }
            Op::WarpBarrier { mask: named } => {
                let named = warp.n(named)[mask.trailing_zeros() as usize];
                self.together(warp, named, mask, "bar.warp.sync", Check::Convergence)?;
                *self.tick += 1;
                (warp.tick, warp.seen[index]) = (*self.tick, *self.tick);
            }
            Op::Shuffle { f, d, p, a, b, c, mask: named } => {
                self.shuffle(warp, f, (d, p), (a, b, c), named, mask)?;
            }
            Op::Vote { f, d, a, mask: named } => self.vote(warp, f, d, a, named, mask)?,
            Op::Reduce { f, d, a, mask: named } => self.reduce(warp, f, d, a, named, mask)?,
            Op::ActiveMask { d } => warp.set_n(d, &[mask; 32], mask),
            Op::Mma { index } => {
                if mask != u32::MAX {
                    let lane = (!mask).trailing_zeros();
                    let text = format!("mma needs all 32 lanes, lane {lane} does not execute it");
                    return Err(Problem { check: Check::Convergence, lane, text });
                }
                super::warpwide::mma(warp, &self.kernel.mmas[index as usize]);
            }
            Op::Nothing => {}
        }
        Ok(None)
    }

    /// The race check's view of a warp.
    pub fn agent<'w>(&self, warp: &'w Warp, space: Space) -> Agent<'w> {
        let launch = if space == Space::Shared { self.block_tick } else { self.launch_tick };
        Agent { tick: warp.tick, warp: warp.index as u16, seen: &warp.seen, launch, block: self.block_tick }
    }

    /// The address of each lane.
    pub fn addresses(warp: &Warp, place: Place) -> [u64; 32] {
        let offset = i64::from(place.offset).cast_unsigned();
        if place.wide {
            let base = warp.w(place.base);
            std::array::from_fn(|lane| base[lane].wrapping_add(offset))
        } else {
            let base = warp.n(place.base);
            std::array::from_fn(|lane| u64::from(base[lane].wrapping_add(place.offset.cast_unsigned())))
        }
    }

    /// Checks that the lanes which an instruction names, and which still live, are those that execute it.
    pub fn together(&self, warp: &Warp, named: u32, mask: u32, what: &str, check: Check) -> Result<(), Problem> {
        let absent = named & !mask;
        if absent != 0 {
            let lane = absent.trailing_zeros();
            let why = match warp.live >> lane & 1 {
                0 => "has ended".to_owned(),
                _ if warp.active >> lane & 1 != 0 => "is held back by its predicate".to_owned(),
                _ => {
                    let at = warp.pcs[lane as usize] as usize;
                    format!("stands at line {}", self.kernel.code.get(at).map_or(0, |inst| inst.line))
                }
            };
            return Err(Problem { check, lane, text: format!("{what} waits for lane {lane}, which {why}") });
        }
        match mask & !named {
            0 => Ok(()),
            extra => {
                let lane = extra.trailing_zeros();
                let text = format!("{what} is executed by lane {lane}, which its mask {named:#010x} leaves out");
                Err(Problem { check, lane, text })
            }
        }
    }

    /// The place in the allocations of an access of one lane.
    pub fn locate(&self, address: u64, bytes: u64, lane: usize) -> Result<(usize, usize, usize), Problem> {
        let inside = |segment: &&Segment| {
            let offset = address.wrapping_sub(segment.base);
            offset < segment.bytes && offset + bytes <= segment.bytes
        };
        match self.segments.iter().position(|segment| inside(&segment)) {
            Some(at) => {
                let Segment { base, allocation, start, .. } = self.segments[at];
                Ok((allocation, start + (address - base) as usize, at))
            }
            None => {
                // The argument that the address began in: buffers lie 2^36 apart.
                let near = self.segments.iter().find(|s| s.base >> 36 == address >> 36 && address >> 36 < 1 << 10);
                let near = near.or_else(|| {
                    self.segments.iter().find(|s| address.wrapping_sub(s.base).wrapping_add(1 << 35) < 1 << 36)
                });
                let text = match near {
                    Some(Segment { base, bytes: size, name, .. }) => {
                        let offset = i128::from(address) - i128::from(*base);
                        format!("{bytes} bytes at {name}{offset:+}, which has {size}")
                    }
                    None => format!("{bytes} bytes at address {address:#x}, which is in no argument"),
                };
                Err(Problem { check: Check::Bounds, lane: lane as u32, text })
            }
        }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn apply(logic: Logic, a: u32, b: u32) -> u32 {
    match logic {
        Logic::And => a & b,
        Logic::Or => a | b,
        Logic::Xor => a ^ b,
    }
}

/// Whether all lanes of a mask have the same address.
pub fn same(addresses: &[u64; 32], mask: u32) -> bool {
    let first = addresses[mask.trailing_zeros() as usize & 31];
    lanes(mask).all(|lane| addresses[lane] == first)
}

/// The register numbers of a vector operand that are in use.
pub fn parts(registers: &[Reg; 4], count: u8) -> &[Reg] {
    &registers[..usize::from(count)]
}
