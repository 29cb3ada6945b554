//! One warp under watch: what it executes, with the registers of its lanes, and what its block writes to shared memory.

use super::Emulator;
use super::inst::{Op, Space, Type};
use super::kernel::{Kernel, Name, Slot};
use super::machine::Machine;
use super::memory::Problem;
use super::transactions::lanes;
use super::warp::Warp;
use crate::launch::{Check, Launch, Result};

/// A warp to be watched.
pub struct Watch<'a> {
    /// The block's index in the grid, x fastest.
    pub(super) block: u64,
    /// The warp's index in its block.
    pub(super) warp: u32,
    /// Takes a step; false ends the showing.
    pub(super) show: &'a mut (dyn FnMut(&Moment) -> bool + 'a),
    /// The instruction under way, of any warp.
    pub(super) pc: usize,
    /// Writes to the block's shared memory since the last step that was shown.
    pub(super) writes: Vec<SharedWrite>,
    /// For each word of shared memory the last instruction that read it, and the last that wrote it.
    pub(super) touched: Vec<[Option<Touch>; 2]>,
}

/// Words of shared memory that one instruction of a warp wrote: by a store, an atomic operation, or a copy that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedWrite {
    /// The warp's index in its block, which may be another one of the cluster.
    pub warp: u32,
    /// The words' indices, and what they hold now.
    pub words: Vec<(u32, u32)>,
}

/// Who touched a word of shared memory last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touch {
    /// The warp's index in its block.
    pub warp: u32,
    /// The line of the module's text, from 1.
    pub line: usize,
}

/// A check's finding in the step that is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which check found it.
    pub check: Check,
    /// The lowest lane concerned.
    pub lane: u32,
    /// The event.
    pub text: String,
    /// Earlier accesses to the words of shared memory that the lane asks for, which a race is with: whether each was a write.
    pub earlier: Vec<(bool, Touch)>,
}

/// A warp right after one of its instructions.
pub struct Moment<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) state: &'a Warp,
    /// The instruction's index in [`Listing::instructions`].
    pub instruction: usize,
    /// The lanes that stood here, a bit a lane.
    pub active: u32,
    /// Those of them that executed it: the others' predicate held them back.
    pub executed: u32,
    /// Writes to the block's shared memory since the moment before, by this warp and others, in their order.
    pub shared: &'a [SharedWrite],
    /// The fault that ended the launch here.
    pub finding: Option<Finding>,
}

impl Moment<'_> {
    /// The lanes in which a register of [`Listing::registers`] has a value, a bit a lane.
    pub fn set(&self, register: usize) -> u32 {
        let slot = self.kernel.slot(register);
        (0..32).filter(|&lane| self.state.is_set(slot, lane)).fold(0, |set, lane| set | 1 << lane)
    }

    /// A register's bits in each lane; of a predicate 0 and 1.
    pub fn values(&self, register: usize) -> [u64; 32] {
        match self.kernel.slot(register) {
            Slot::Narrow(r) => self.state.n(r).map(u64::from),
            Slot::Wide(r) => *self.state.w(r),
            Slot::Predicate(r) => {
                let bits = self.state.p((r, false));
                std::array::from_fn(|lane| u64::from(bits >> lane & 1))
            }
        }
    }
}

/// A register of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// Its name in the text; `(constant)` for one that holds a number of the text.
    pub name: String,
    /// Its type as the text has it, without the dot.
    pub ty: &'static str,
}

/// A kind of memory that an instruction accesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// The device's.
    Global,
    /// The block's.
    Shared,
}

/// How an instruction accesses memory. The address is a register's value plus a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Which memory.
    pub memory: Memory,
    /// Whether it is written; an atomic operation reads too.
    pub writes: bool,
    /// The register with the address.
    pub base: usize,
    /// Added to it.
    pub offset: i32,
    /// Bytes of each lane.
    pub bytes: usize,
}

/// An instruction of a kernel. Registers are indices of [`Listing::registers`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The line of the module's text, from 1.
    pub line: usize,
    /// The registers that it reads, its predicate among them.
    pub reads: Vec<usize>,
    /// Those that it writes.
    pub writes: Vec<usize>,
    /// The memory that it accesses; a copy between memories has two, the source first.
    pub accesses: Vec<Access>,
    /// Whether threads wait for others there.
    pub barrier: bool,
}

/// A variable in shared memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Where it begins, in bytes.
    pub offset: usize,
    /// How many bytes.
    pub bytes: usize,
}

/// A kernel as its text has it, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The module's text by lines.
    pub lines: Vec<String>,
    /// The registers of all kinds.
    pub registers: Vec<Register>,
    /// The instructions, in the order of the text.
    pub instructions: Vec<Instruction>,
    /// The names of the parameters.
    pub parameters: Vec<String>,
    /// Variables in shared memory; those of dynamic memory take what the launch gives.
    pub shared: Vec<Variable>,
}

impl Kernel {
    /// A register by its index in a [`Listing`].
    fn slot(&self, register: usize) -> Slot {
        let (narrow, wide) = (self.narrow.len(), self.wide.len());
        match register {
            _ if register < narrow => Slot::Narrow(register as u32),
            _ if register < narrow + wide => Slot::Wide((register - narrow) as u32),
            _ => Slot::Predicate((register - narrow - wide) as u32),
        }
    }

    /// The index of a register in a [`Listing`].
    fn index(&self, slot: Slot) -> usize {
        match slot {
            Slot::Narrow(r) => r as usize,
            Slot::Wide(r) => self.narrow.len() + r as usize,
            Slot::Predicate(r) => self.narrow.len() + self.wide.len() + r as usize,
        }
    }

    fn listing(&self, launch: &Launch) -> Listing {
        let register = |name: &Name| Register { name: name.name.clone(), ty: type_name(name.ty) };
        let registers = [&self.narrow, &self.wide, &self.predicates].into_iter().flatten().map(register).collect();
        let instructions = self.code.iter().zip(&self.uses).map(|(inst, uses)| {
            let narrow = uses.narrow.iter().map(|&r| Slot::Narrow(r));
            let wide = uses.wide.iter().map(|&r| Slot::Wide(r));
            let guard = inst.guard.map(|(r, _)| r);
            let predicates = guard.into_iter().chain(uses.predicates.iter().copied()).map(Slot::Predicate);
            let mut reads: Vec<usize> = Vec::new();
            for slot in predicates.chain(narrow).chain(wide) {
                let index = self.index(slot);
                if !reads.contains(&index) {
                    reads.push(index);
                }
            }
            Instruction {
                line: inst.line as usize,
                reads,
                writes: uses.writes.iter().map(|&slot| self.index(slot)).collect(),
                accesses: self.accesses(&inst.op),
                barrier: matches!(inst.op, Op::Barrier { .. } | Op::WarpBarrier { .. } | Op::ClusterWait),
            }
        });
        let bytes = launch.shared_bytes as usize;
        let shared = self.shared.iter().map(|variable| Variable {
            name: variable.name.clone(),
            offset: variable.offset,
            bytes: variable.bytes.unwrap_or(bytes),
        });
        Listing {
            lines: self.lines.to_vec(),
            registers,
            instructions: instructions.collect(),
            parameters: self.params.iter().map(|param| param.name.clone()).collect(),
            shared: shared.collect(),
        }
    }

    fn accesses(&self, op: &Op) -> Vec<Access> {
        let access = |place: super::inst::Place, writes: bool, bytes: usize| {
            let memory = match place.space {
                Space::Global => Memory::Global,
                Space::Shared => Memory::Shared,
                // Another block's is in no picture of this block's.
                Space::Cluster | Space::Const | Space::Param => return None,
            };
            let base = self.index(if place.wide { Slot::Wide(place.base) } else { Slot::Narrow(place.base) });
            Some(Access { memory, writes, base, offset: place.offset, bytes })
        };
        let found = match *op {
            Op::Load { place, ty, count, .. } => [access(place, false, ty.bytes() * usize::from(count)), None],
            Op::Store { place, ty, count, .. } => [access(place, true, ty.bytes() * usize::from(count)), None],
            Op::Atomic { place, ty, .. } => [access(place, true, ty.bytes()), None],
            Op::CopyAsync { to, from, bytes, .. } => {
                [access(from, false, bytes as usize), access(to, true, bytes as usize)]
            }
            _ => [None, None],
        };
        found.into_iter().flatten().collect()
    }
}

fn type_name(ty: Type) -> &'static str {
    match ty {
        Type::Pred => "pred",
        Type::B8 => "b8",
        Type::U8 => "u8",
        Type::S8 => "s8",
        Type::B16 => "b16",
        Type::U16 => "u16",
        Type::S16 => "s16",
        Type::B32 => "b32",
        Type::U32 => "u32",
        Type::S32 => "s32",
        Type::F32 => "f32",
        Type::B64 => "b64",
        Type::U64 => "u64",
        Type::S64 => "s64",
        Type::F64 => "f64",
    }
}

impl Emulator {
    /// The kernel of a launch, decoded; `None` where no such entry point is loaded.
    pub fn listing(&self, launch: &Launch) -> Option<Listing> {
        self.kernels.get(launch.entry).map(|kernel| kernel.listing(launch))
    }

    /// The addresses that a launch's arguments have for the kernel: where each buffer begins, its bytes, and its parameter.
    ///
    /// # Errors
    /// As [`Device::launch`](crate::launch::Device::launch) where arguments do not fit.
    pub fn buffers(&self, launch: &Launch) -> Result<Vec<(u64, u64, String)>> {
        let kernel = super::find_kernel(&self.kernels, launch)?;
        let (segments, _) = self.arguments(kernel, launch)?;
        Ok(segments.into_iter().map(|segment| (segment.base, segment.bytes, segment.name)).collect())
    }

    /// Launches a kernel and shows what one warp does: `warp` of the block with the number `block` (x fastest). `show` returns
    /// false when it has seen enough; a fault in this warp is the last moment that it is shown.
    ///
    /// # Errors
    /// As [`Device::launch`](crate::launch::Device::launch); and if there is no such block or warp.
    pub fn watch<'a>(
        &'a mut self,
        launch: &'a Launch,
        block: u64,
        warp: u32,
        show: &'a mut (dyn FnMut(&Moment) -> bool + 'a),
    ) -> Result<()> {
        let threads: u64 = launch.block.iter().map(|n| u64::from(*n)).product();
        let warps = threads.div_ceil(32);
        if u64::from(warp) >= warps {
            return Err(super::refuse(launch, format!("found warp {warp}, expected one below {warps}")));
        }
        super::check_block(launch, block)?;
        let watch = Watch { block, warp, show, pc: 0, writes: Vec::new(), touched: Vec::new() };
        self.run(launch, Some(watch), &mut None)
    }
}

impl Machine<'_, '_> {
    /// Shows an instruction that has just been executed, or that failed, if it is the watched warp's.
    #[cold]
    pub(super) fn show(&mut self, warp: &Warp, pc: usize, active: u32, executed: u32, problem: Option<&Problem>) {
        let finding = problem.map(|problem| self.finding(warp, pc, problem));
        let Some(watch) = &mut self.watch else { return };
        if watch.block != self.block_number || watch.warp as usize != warp.index {
            return;
        }
        let moment = Moment {
            kernel: self.kernel,
            state: warp,
            instruction: pc,
            active,
            executed,
            shared: &watch.writes,
            finding,
        };
        let more = (watch.show)(&moment);
        watch.writes.clear();
        if !more {
            self.watch = None;
        }
    }

    /// A problem with the earlier accesses that it is about.
    fn finding(&self, warp: &Warp, pc: usize, problem: &Problem) -> Finding {
        let (check, lane, text) = (problem.check, problem.lane, problem.text.clone());
        let mut earlier = Vec::new();
        if let (Check::Race, Some(watch)) = (check, &self.watch) {
            for access in self.kernel.accesses(&self.kernel.code[pc].op) {
                let base = match self.kernel.slot(access.base) {
                    Slot::Wide(r) => warp.w(r)[lane as usize],
                    Slot::Narrow(r) => u64::from(warp.n(r)[lane as usize]),
                    Slot::Predicate(_) => continue,
                };
                let at = base.wrapping_add(i64::from(access.offset).cast_unsigned()) as usize;
                let words = at / 4..(at + access.bytes).div_ceil(4);
                for word in if access.memory == Memory::Shared { words } else { 0..0 } {
                    let [read, written] = watch.touched.get(word).copied().unwrap_or_default();
                    // A read is in a race with writes alone.
                    let read = read.filter(|_| access.writes).map(|touch| (false, touch));
                    earlier.extend(read.into_iter().chain(written.map(|touch| (true, touch))));
                }
            }
            earlier.dedup();
        }
        Finding { check, lane, text, earlier }
    }

    /// Notes an access to shared memory of the block of a rank that went well, if it is the watched one; of one that wrote, the
    /// words' values too.
    #[inline]
    pub(super) fn note(
        &mut self,
        warp: &Warp,
        rank: usize,
        offsets: &[usize; 32],
        bytes: usize,
        mask: u32,
        writes: bool,
    ) {
        let number = self.block_number - self.rank as u64 + rank as u64;
        if self.watch.as_ref().is_some_and(|watch| watch.block == number) {
            let words = lanes(mask).flat_map(|lane| offsets[lane] / 4..(offsets[lane] + bytes).div_ceil(4));
            self.note_words(warp.index as u32, rank, words.map(|word| word as u32).collect(), writes);
        }
    }

    #[cold]
    fn note_words(&mut self, warp: u32, rank: usize, words: Vec<u32>, writes: bool) {
        let Some(watch) = &mut self.watch else { return };
        let line = self.kernel.code[watch.pc].line as usize;
        watch.touched.resize(self.shared[rank].bytes() / 4, [None; 2]);
        for &word in &words {
            watch.touched[word as usize][usize::from(writes)] = Some(Touch { warp, line });
        }
        if writes {
            let words = words.into_iter().map(|word| (word, self.shared[rank].word(4 * word as usize))).collect();
            watch.writes.push(SharedWrite { warp, words });
        }
    }
}
