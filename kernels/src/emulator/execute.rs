//! One instruction of a warp.

use super::alu;
use super::cluster::peer_address;
use super::inst::{Inst, Logic, Narrow, Op, Place, Reg, Space, W2};
use super::machine::{Machine, Stop};
use super::memory::{Agent, Problem, Segment};
use super::transactions::lanes;
use super::warp::{State, Warp};
use super::warpwide;
use crate::launch::Check;

impl Machine<'_, '_> {
    /// Executes an instruction in the lanes of `mask`.
    #[inline]
    pub(super) fn step(&mut self, warp: &mut Warp, inst: &Inst, mask: u32) -> Result<Option<Stop>, Problem> {
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
                    out = alu::wide2(W2::Add, &out, warp.w(c));
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
                let (l, h) = (alu::narrow(Narrow::Low, warp.w(a)), alu::narrow(Narrow::High, warp.w(a)));
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
                (warp.tick, warp.seen[warp.slot]) = (*self.tick, *self.tick);
            }
            Op::ClusterArrive { relaxed } => {
                self.together(warp, warp.all, mask, "the cluster's barrier", Check::Barrier)?;
                self.arrive(warp, relaxed)?;
            }
            Op::ClusterWait => {
                self.together(warp, warp.all, mask, "the cluster's barrier", Check::Barrier)?;
                return self.wait(warp);
            }
            Op::PeerAddress { d, a, rank } => {
                let (a, rank) = (warp.n(a), warp.n(rank));
                let out = std::array::from_fn(|lane| peer_address(a[lane], rank[lane]));
                warp.set_n(d, &out, mask);
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
                warpwide::mma(warp, &self.kernel.mmas[index as usize]);
            }
            Op::Nothing => {}
        }
        Ok(None)
    }

    /// The race check's view of a warp.
    pub fn agent<'w>(&self, warp: &'w Warp, space: Space) -> Agent<'w> {
        let launch = if space == Space::Global { self.launch_tick } else { self.block_tick };
        let (per_block, block) = (self.cluster.per_block as u16, self.block_tick);
        Agent { tick: warp.tick, warp: warp.slot as u16, per_block, seen: &warp.seen, launch, block }
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
