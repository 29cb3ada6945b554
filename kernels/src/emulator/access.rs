//! Loads, stores, atomics and asynchronous copies of a warp, with their checks.

use super::execute::{parts, same};
use super::inst::{Atomic, Place, Reg, Space, Type};
use super::machine::Machine;
use super::memory::{Memory, Problem};
use super::transactions::{bank_conflicts, lanes, units};
use super::warp::{Copy, Warp};
use crate::launch::{Access, Check};

/// Whether an access reads or writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Read,
    Write,
}

/// The memory that an access goes to.
#[derive(Clone, Copy)]
pub enum Home {
    /// An allocation, by its index.
    Allocation(usize),
    /// Shared memory of the block of this rank.
    Block(usize),
}

impl Machine<'_, '_> {
    /// Where each lane's access lies: the memory and the offset there.
    fn places(
        &mut self,
        warp: &Warp,
        addresses: &[u64; 32],
        bytes: usize,
        space: Space,
        way: Way,
        mask: u32,
    ) -> Result<(Home, [usize; 32]), Problem> {
        let size = bytes as u64;
        if let Some(lane) = lanes(mask).find(|lane| !addresses[*lane].is_multiple_of(size)) {
            let text = format!("{bytes} bytes at {:#x}, which is no multiple of {bytes}", addresses[lane]);
            return Err(Problem { check: Check::Alignment, lane: lane as u32, text });
        }
        let mut offsets = [0; 32];
        if matches!(space, Space::Shared | Space::Cluster) {
            let (rank, within) = match space {
                Space::Cluster => self.peer(warp, addresses, mask)?,
                _ => (self.rank, *addresses),
            };
            match rank == self.rank {
                true => self.counters.shared_accesses += 1,
                false => self.counters.peer_accesses += 1,
            }
            self.counters.bank_conflicts += u64::from(bank_conflicts(&within, mask, size));
            let end = self.shared[rank].bytes() as u64;
            for lane in lanes(mask) {
                if within[lane].checked_add(size).is_none_or(|last| last > end) {
                    let text = format!("{bytes} bytes at shared address {}, which has {end}", within[lane]);
                    return Err(Problem { check: Check::Bounds, lane: lane as u32, text });
                }
                offsets[lane] = within[lane] as usize;
            }
            return Ok((Home::Block(rank), offsets));
        }
        self.counters.global_accesses += 1;
        self.counters.sectors += u64::from(units(addresses, mask, size, 32));
        self.counters.lines += u64::from(units(addresses, mask, size, 128));
        let first = mask.trailing_zeros() as usize;
        let (allocation, _, at) = self.locate(addresses[first], size, first)?;
        let allowed = |at: usize, lane: usize| {
            let segment = &self.segments[at];
            if way == Way::Write && segment.access == Access::Read {
                let text = format!("writes to {}, which the launch gave to be read", segment.name);
                return Err(Problem { check: Check::Bounds, lane: lane as u32, text });
            }
            Ok(())
        };
        allowed(at, first)?;
        let (base, extent, start) = (self.segments[at].base, self.segments[at].bytes, self.segments[at].start);
        for lane in lanes(mask) {
            let offset = addresses[lane].wrapping_sub(base);
            offsets[lane] = if offset < extent && offset + size <= extent {
                start + offset as usize
            } else {
                let (other, offset, at) = self.locate(addresses[lane], size, lane)?;
                allowed(at, lane)?;
                if other != allocation {
                    let text = "one access goes to several allocations, which is not emulated".to_owned();
                    return Err(Problem { check: Check::Bounds, lane: lane as u32, text });
                }
                offset
            };
        }
        Ok((Home::Allocation(allocation), offsets))
    }

    fn memory(&mut self, home: Home) -> &mut Memory {
        match home {
            Home::Allocation(at) => &mut self.allocations[at],
            Home::Block(rank) => &mut self.shared[rank],
        }
    }

    /// `ld`.
    #[expect(clippy::too_many_arguments, reason = "the fields of the instruction")]
    pub fn load(
        &mut self,
        warp: &mut Warp,
        place: Place,
        ty: Type,
        count: u8,
        d: [Reg; 4],
        constant: bool,
        mask: u32,
    ) -> Result<(), Problem> {
        let addresses = Self::addresses(warp, place);
        let each = ty.bytes();
        let bytes = each * usize::from(count);
        if matches!(place.space, Space::Param | Space::Const) {
            return self.load_constant(warp, place, ty, count, d, &addresses, mask);
        }
        let (home, offsets) = self.places(warp, &addresses, bytes, place.space, Way::Read, mask)?;
        let agent = self.agent(warp, place.space);
        let launch = self.launch_tick;
        let memory = self.memory(home);
        if let (true, Some(lane)) =
            (constant, lanes(mask).find(|lane| memory.written_since(offsets[*lane], launch)).filter(|_| constant))
        {
            let text = "ld.global.nc reads what this launch writes".to_owned();
            return Err(Problem { check: Check::Race, lane: lane as u32, text });
        }
        // All lanes read one place: one look is enough.
        let (look, others) = match same(&addresses, mask) {
            true => (mask & mask.wrapping_neg(), mask.count_ones() > 1),
            false => (mask, false),
        };
        let pieces = each.div_ceil(4);
        let mut words = [[0u32; 32]; 4];
        for (piece, words) in words[..usize::from(count) * pieces].iter_mut().enumerate() {
            for lane in lanes(look) {
                words[lane] = memory.load(offsets[lane] + 4 * piece, each.min(4), &agent, lane as u32, others)?;
            }
            if look != mask {
                *words = [words[look.trailing_zeros() as usize]; 32];
            }
        }
        if let Home::Block(rank) = home {
            self.note(warp, rank, &offsets, bytes, mask, false);
        }
        for (part, &d) in parts(&d, count).iter().enumerate() {
            if ty.wide() {
                let (low, high) = (&words[2 * part], &words[2 * part + 1]);
                let values = std::array::from_fn(|lane| u64::from(high[lane]) << 32 | u64::from(low[lane]));
                warp.set_w(d, &values, mask);
            } else {
                let values = match ty {
                    Type::S8 => words[part].map(|x| i32::from(x as i8).cast_unsigned()),
                    Type::S16 => words[part].map(|x| i32::from(x as i16).cast_unsigned()),
                    _ => words[part],
                };
                warp.set_n(d, &values, mask);
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of the instruction")]
    fn load_constant(
        &self,
        warp: &mut Warp,
        place: Place,
        ty: Type,
        count: u8,
        d: [Reg; 4],
        addresses: &[u64; 32],
        mask: u32,
    ) -> Result<(), Problem> {
        let from = if place.space == Space::Param { &self.params } else { &self.kernel.constants };
        let size = ty.bytes();
        for (part, &d) in parts(&d, count).iter().enumerate() {
            let mut values = [0u64; 32];
            for lane in lanes(mask) {
                let at = addresses[lane].wrapping_add((part * size) as u64);
                let range = usize::try_from(at).ok().and_then(|at| from.get(at..at.checked_add(size)?));
                let Some(found) = range.filter(|_| at.is_multiple_of(size as u64)) else {
                    let text =
                        format!("{size} bytes at {at} of the {:?} memory, which has {}", place.space, from.len());
                    return Err(Problem { check: Check::Bounds, lane: lane as u32, text });
                };
                values[lane] = found.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
            }
            if ty.wide() {
                warp.set_w(d, &values, mask);
            } else {
                warp.set_n(d, &values.map(|value| value as u32), mask);
            }
        }
        Ok(())
    }

    /// `st`.
    pub fn store(
        &mut self,
        warp: &Warp,
        place: Place,
        ty: Type,
        count: u8,
        a: [Reg; 4],
        mask: u32,
    ) -> Result<(), Problem> {
        let addresses = Self::addresses(warp, place);
        let each = ty.bytes();
        let (home, offsets) =
            self.places(warp, &addresses, each * usize::from(count), place.space, Way::Write, mask)?;
        let agent = self.agent(warp, place.space);
        let memory = self.memory(home);
        for (part, &a) in parts(&a, count).iter().enumerate() {
            for lane in lanes(mask) {
                let at = offsets[lane] + part * each;
                if ty.wide() {
                    let value = warp.w(a)[lane];
                    memory.store(at, 4, value as u32, &agent, lane as u32)?;
                    memory.store(at + 4, 4, (value >> 32) as u32, &agent, lane as u32)?;
                } else {
                    memory.store(at, each, warp.n(a)[lane], &agent, lane as u32)?;
                }
            }
        }
        if let Home::Block(rank) = home {
            self.note(warp, rank, &offsets, each * usize::from(count), mask, true);
        }
        Ok(())
    }

    /// `atom` and `red`, lane after lane.
    #[expect(clippy::too_many_arguments, reason = "the fields of the instruction")]
    pub fn atomic(
        &mut self,
        warp: &mut Warp,
        f: Atomic,
        place: Place,
        ty: Type,
        d: Option<Reg>,
        (a, b): (Reg, Reg),
        mask: u32,
    ) -> Result<(), Problem> {
        let addresses = Self::addresses(warp, place);
        let bytes = ty.bytes();
        let (home, offsets) = self.places(warp, &addresses, bytes, place.space, Way::Write, mask)?;
        let agent = self.agent(warp, place.space);
        let memory = self.memory(home);
        let mut before = [0u64; 32];
        for lane in lanes(mask) {
            let value = |register: Reg| match ty.wide() {
                true => warp.w(register)[lane],
                false => u64::from(warp.n(register)[lane]),
            };
            before[lane] = memory.exchange(offsets[lane], bytes, &agent, lane as u32)?;
            let after = combine(f, before[lane], value(a), value(b), ty.wide());
            memory.set(offsets[lane], &after.to_le_bytes()[..bytes]);
        }
        if let Home::Block(rank) = home {
            self.note(warp, rank, &offsets, bytes, mask, true);
        }
        match d {
            Some(d) if ty.wide() => warp.set_w(d, &before, mask),
            Some(d) => warp.set_n(d, &before.map(|value| value as u32), mask),
            None => {}
        }
        Ok(())
    }

    /// `cp.async`: the source is read now; the target counts as unwritten until the copy is waited for.
    pub fn copy(
        &mut self,
        warp: &mut Warp,
        (to, from): (Place, Place),
        bytes: u32,
        source: Option<Reg>,
        mask: u32,
    ) -> Result<(), Problem> {
        let bytes = bytes as usize;
        let lengths = source.map_or([bytes; 32], |source| warp.n(source).map(|length| (length as usize).min(bytes)));
        let reading = lanes(mask).filter(|lane| lengths[*lane] > 0).fold(0, |mask, lane| mask | 1 << lane);
        let (sources, targets) = (Self::addresses(warp, from), Self::addresses(warp, to));
        let mut data = [[0u8; 16]; 32];
        if reading != 0 {
            let (home, offsets) = self.places(warp, &sources, bytes, Space::Global, Way::Read, reading)?;
            let agent = self.agent(warp, Space::Global);
            let memory = self.memory(home);
            for lane in lanes(reading) {
                for at in (0..lengths[lane]).step_by(4) {
                    let word = memory.load(offsets[lane] + at, 4, &agent, lane as u32, false)?;
                    data[lane][at..at + 4].copy_from_slice(&word.to_le_bytes());
                }
                data[lane][lengths[lane]..].fill(0);
            }
        }
        let (_, offsets) = self.places(warp, &targets, bytes, Space::Shared, Way::Write, mask)?;
        let agent = self.agent(warp, Space::Shared);
        for lane in lanes(mask) {
            for at in (0..bytes).step_by(4) {
                self.shared[self.rank].claim(offsets[lane] + at, 4, &agent, lane as u32, false)?;
            }
            self.shared[self.rank].forget(offsets[lane], bytes);
        }
        let copies = lanes(mask).map(|lane| Copy { lane: lane as u32, to: offsets[lane], bytes, data: data[lane] });
        warp.copies.extend(copies);
        Ok(())
    }

    /// `cp.async.wait_group`: the oldest groups arrive, all but `pending`.
    pub fn copies_arrive(&mut self, warp: &mut Warp, pending: usize) -> Result<(), Problem> {
        while warp.groups.len() > pending {
            for copy in warp.groups.pop_front().unwrap_or_default() {
                let agent = self.agent(warp, Space::Shared);
                for at in (0..copy.bytes).step_by(4) {
                    self.shared[self.rank].claim(copy.to + at, 4, &agent, copy.lane, false)?;
                }
                self.shared[self.rank].put(copy.to, &copy.data[..copy.bytes]);
                let mut offsets = [0; 32];
                offsets[copy.lane as usize] = copy.to;
                self.note(warp, self.rank, &offsets, copy.bytes, 1 << copy.lane, true);
            }
        }
        Ok(())
    }
}

/// The value that an atomic operation leaves where `old` stood.
pub fn combine(f: Atomic, old: u64, a: u64, b: u64, wide: bool) -> u64 {
    let signed = |x: u64| if wide { x.cast_signed() } else { i64::from((x as u32).cast_signed()) };
    let value = match f {
        Atomic::Add => old.wrapping_add(a),
        Atomic::Min { signed: false } => old.min(a),
        Atomic::Min { signed: true } => signed(old).min(signed(a)).cast_unsigned(),
        Atomic::Max { signed: false } => old.max(a),
        Atomic::Max { signed: true } => signed(old).max(signed(a)).cast_unsigned(),
        Atomic::And => old & a,
        Atomic::Or => old | a,
        Atomic::Xor => old ^ a,
        Atomic::Exch => a,
        Atomic::Cas => {
            if old == a {
                b
            } else {
                old
            }
        }
        Atomic::Inc => {
            if old >= a {
                0
            } else {
                old + 1
            }
        }
        Atomic::Dec => {
            if old == 0 || old > a {
                a
            } else {
                old - 1
            }
        }
    };
    if wide { value } else { value & 0xffff_ffff }
}
