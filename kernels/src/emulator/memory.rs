//! Memory with a shadow: which bytes are written, and who touched each word last.

use crate::launch::{Access, Check};

/// A check's finding, before the place in the kernel is known.
#[derive(Debug)]
pub struct Problem {
    pub check: Check,
    pub lane: u32,
    pub text: String,
}

/// The last accesses of a 4-byte word.
///
/// A tick is a time between two barriers of a warp; ticks rise over a device's life. Who: warp · 32 + lane, with the top bit
/// for "atomically" (writer) and "and others" (reader).
#[derive(Debug, Clone, Copy, Default)]
struct Trace {
    write_tick: u32,
    read_tick: u32,
    writer: u16,
    reader: u16,
}

const FLAG: u16 = 1 << 15;

/// A warp as the race check sees it (vector clocks in the manner of Flanagan and Freund, "FastTrack", 2009).
#[derive(Debug, Clone, Copy)]
pub struct Agent<'a> {
    /// Since the warp's last barrier.
    pub tick: u32,
    /// The warp's number among those that run, those of a cluster's first block first.
    pub warp: u16,
    /// Warps of a block.
    pub per_block: u16,
    /// For each warp that runs: accesses before this tick came before the present ones.
    pub seen: &'a [u32],
    /// Accesses before this tick are of the host or of an earlier launch.
    pub launch: u32,
    /// Accesses before this tick, but of this launch, are of another block, if not of the same cluster.
    pub block: u32,
}

impl Agent<'_> {
    /// Whether no barrier lies between an earlier access and this one.
    fn unordered(&self, tick: u32, who: u16, lane: u32) -> bool {
        let who = who & !FLAG;
        tick >= self.launch
            && (tick < self.block
                || who != self.id(lane) && self.seen.get(usize::from(who >> 5)).is_none_or(|seen| tick >= *seen))
    }

    fn id(&self, lane: u32) -> u16 {
        self.warp << 5 | lane as u16
    }

    /// The rank of the block that a warp belongs to.
    fn rank(&self, warp: u16) -> u16 {
        warp / self.per_block.max(1)
    }

    fn name(&self, tick: u32, who: u16, verb: &str) -> String {
        let others = if who & FLAG != 0 && verb == "read" { " and others" } else { "" };
        let (warp, lane) = ((who & !FLAG) >> 5, who & 31);
        match tick < self.block {
            true => format!("{verb} by another block in the same launch"),
            false if self.rank(warp) == self.rank(self.warp) => {
                format!("{verb} by warp {} lane {lane}{others}", warp % self.per_block.max(1))
            }
            false => {
                let (rank, warp) = (self.rank(warp), warp % self.per_block.max(1));
                format!("{verb} by warp {warp} lane {lane}{others} of block {rank} of the cluster")
            }
        }
    }
}

/// The state of a byte, as the shadow keeps it.
const UNWRITTEN: u8 = 0;
const WRITTEN: u8 = 1;
/// Between variables.
pub const OUTSIDE: u8 = 2;

/// One allocation, or a block's shared memory.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    data: Vec<u8>,
    state: Vec<u8>,
    traces: Vec<Trace>,
    /// Of shared memory that a cluster sees: who of each block read each word last, and when. Blocks wait for each other at
    /// other places than their warps do, so that one reader does not stand for all.
    readers: Vec<(u32, u16)>,
    ranks: usize,
}

impl Memory {
    /// Unwritten memory.
    pub fn new(bytes: usize) -> Self {
        let whole = bytes.next_multiple_of(4);
        let (data, state, traces) = (vec![0; whole], vec![UNWRITTEN; whole], vec![Trace::default(); whole / 4]);
        Memory { data, state, traces, ..Memory::default() }
    }

    /// The same memory of each block of a cluster.
    pub fn of_cluster(self, ranks: usize) -> Vec<Memory> {
        let readers = if ranks > 1 { vec![(0, 0); self.traces.len() * ranks] } else { Vec::new() };
        vec![Memory { readers, ranks, ..self }; ranks]
    }

    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// Unwritten memory again, where `state` is the shadow that it had.
    pub fn reset(&mut self, state: &[u8]) {
        self.state.copy_from_slice(state);
    }

    /// Marks a range as belonging to nothing.
    pub fn mark_outside(&mut self, range: std::ops::Range<usize>) {
        self.state[range].fill(OUTSIDE);
    }

    /// The shadow's bytes.
    pub fn state(&self) -> &[u8] {
        &self.state
    }

    /// Forgets that a range was written.
    pub fn forget(&mut self, at: usize, bytes: usize) {
        for state in self.state.iter_mut().skip(at).take(bytes).filter(|state| **state == WRITTEN) {
            *state = UNWRITTEN;
        }
    }

    /// Takes a range as written, whatever stands there.
    pub fn assume(&mut self, at: usize, bytes: usize) {
        self.state[at..at + bytes].fill(WRITTEN);
    }

    /// Forgets who touched what, before ticks begin anew.
    pub fn forget_traces(&mut self) {
        self.traces.fill(Trace::default());
    }

    /// The host writes.
    pub fn put(&mut self, at: usize, bytes: &[u8]) {
        self.data[at..at + bytes.len()].copy_from_slice(bytes);
        self.state[at..at + bytes.len()].fill(WRITTEN);
    }

    /// The host reads; `None` where something was never written, with its offset.
    pub fn get(&self, at: usize, bytes: &mut [u8]) -> Result<(), usize> {
        match self.state[at..at + bytes.len()].iter().position(|state| *state != WRITTEN) {
            Some(unwritten) => Err(at + unwritten),
            None => {
                bytes.copy_from_slice(&self.data[at..at + bytes.len()]);
                Ok(())
            }
        }
    }

    /// Reads `bytes` ≤ 4 at an aligned offset. `shared_by` says that other lanes read the same in this instruction.
    #[inline]
    pub fn load(&mut self, at: usize, bytes: usize, agent: &Agent, lane: u32, others: bool) -> Result<u32, Problem> {
        let word = at / 4 * 4;
        let whole = |from: &[u8]| u32::from_le_bytes(from[word..word + 4].try_into().expect("four bytes"));
        let mask = if bytes == 4 { u32::MAX } else { (1 << (8 * bytes)) - 1 };
        let shift = 8 * (at - word);
        if (whole(&self.state) >> shift) & mask != 0x0101_0101 & mask {
            return Err(self.unreadable(at, bytes, lane));
        }
        let value = (whole(&self.data) >> shift) & mask;
        let trace = &mut self.traces[word / 4];
        if trace.write_tick >= agent.launch && agent.unordered(trace.write_tick, trace.writer, lane) {
            let earlier = agent.name(trace.write_tick, trace.writer, "written");
            return Err(race(lane, format!("reads what was {earlier}")));
        }
        let flag = if others { FLAG } else { 0 };
        if !self.readers.is_empty() {
            let last = &mut self.readers[word / 4 * self.ranks + usize::from(agent.rank(agent.warp))];
            let meet = last.0 >= agent.launch && agent.unordered(last.0, last.1, lane);
            match meet {
                true if last.0 > agent.tick => last.1 |= FLAG,
                true => *last = (agent.tick, agent.id(lane) | FLAG),
                false => *last = (agent.tick, agent.id(lane) | flag),
            }
        } else if trace.read_tick >= agent.launch && agent.unordered(trace.read_tick, trace.reader, lane) {
            trace.reader |= FLAG;
        } else {
            (trace.read_tick, trace.reader) = (agent.tick, agent.id(lane) | flag);
        }
        Ok(value)
    }

    #[cold]
    fn unreadable(&self, at: usize, bytes: usize, lane: u32) -> Problem {
        let outside = self.state[at..at + bytes].contains(&OUTSIDE);
        let (check, text) = match outside {
            true => (Check::Bounds, "reads where no variable is".to_owned()),
            false => (Check::Unwritten, "reads what nothing has written".to_owned()),
        };
        Problem { check, lane, text }
    }

    /// Writes `bytes` ≤ 4 at an aligned offset.
    #[inline]
    pub fn store(&mut self, at: usize, bytes: usize, value: u32, agent: &Agent, lane: u32) -> Result<(), Problem> {
        self.claim(at, bytes, agent, lane, false)?;
        self.data[at..at + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
        self.state[at..at + bytes].fill(WRITTEN);
        Ok(())
    }

    /// Checks that this lane may write here now, and notes that it did. Pieces of a word are not told apart, so only
    /// whole words take part in the race check.
    #[inline]
    pub fn claim(&mut self, at: usize, bytes: usize, agent: &Agent, lane: u32, atomic: bool) -> Result<(), Problem> {
        if self.state[at] == OUTSIDE {
            let text = "writes where no variable is".to_owned();
            return Err(Problem { check: Check::Bounds, lane, text });
        }
        if bytes < 4 {
            return Ok(());
        }
        let trace = &mut self.traces[at / 4];
        if trace.write_tick >= agent.launch
            && agent.unordered(trace.write_tick, trace.writer, lane)
            && !(atomic && trace.writer & FLAG != 0)
        {
            let earlier = agent.name(trace.write_tick, trace.writer, "written");
            return Err(race(lane, format!("writes what was {earlier}")));
        }
        let first = at / 4 * self.ranks;
        let readers = self.readers.get(first..first + self.ranks).unwrap_or_default();
        for &(read_tick, reader) in readers.iter().chain([&(trace.read_tick, trace.reader)]) {
            // The one named may be this lane; then the others count.
            let others = reader == agent.id(lane) | FLAG && read_tick >= agent.tick;
            if read_tick >= agent.launch && (agent.unordered(read_tick, reader, lane) || others) {
                let earlier = agent.name(read_tick, reader, "read");
                return Err(race(lane, format!("writes what was {earlier}")));
            }
        }
        (trace.write_tick, trace.writer) = (agent.tick, agent.id(lane) | if atomic { FLAG } else { 0 });
        Ok(())
    }

    /// An access by another block of the cluster that need not have come before the agent's block ends.
    pub fn unfinished(&self, agent: &Agent) -> Option<String> {
        let written = self.traces.iter().map(|trace| (trace.write_tick, trace.writer, "written"));
        let read = self.readers.iter().map(|&(tick, reader)| (tick, reader, "read"));
        let mut touched = written.chain(read).filter(|&(tick, who, _)| {
            let warp = (who & !FLAG) >> 5;
            tick >= agent.launch && agent.rank(warp) != agent.rank(agent.warp) && tick >= agent.seen[usize::from(warp)]
        });
        touched.next().map(|(tick, who, verb)| agent.name(tick, who, verb))
    }

    /// The value at an aligned offset for an atomic operation, which claims the place.
    pub fn exchange(&mut self, at: usize, bytes: usize, agent: &Agent, lane: u32) -> Result<u64, Problem> {
        if self.state[at..at + bytes] != [WRITTEN; 8][..bytes] {
            return Err(self.unreadable(at, bytes, lane));
        }
        for word in (at..at + bytes).step_by(4) {
            self.claim(word, 4, agent, lane, true)?;
        }
        let mut value = [0; 8];
        value[..bytes].copy_from_slice(&self.data[at..at + bytes]);
        Ok(u64::from_le_bytes(value))
    }

    /// Writes past all checks: what [`claim`](Memory::claim) or [`exchange`](Memory::exchange) allowed.
    pub fn set(&mut self, at: usize, bytes: &[u8]) {
        self.put(at, bytes);
    }

    /// The word at a multiple of four, written or not.
    pub fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.data[at..at + 4].try_into().expect("four bytes"))
    }

    /// Whether this launch has written a word.
    pub fn written_since(&self, at: usize, tick: u32) -> bool {
        self.traces[at / 4].write_tick >= tick
    }
}

fn race(lane: u32, text: String) -> Problem {
    Problem { check: Check::Race, lane, text: format!("{text}, with no barrier between") }
}

/// A range of addresses that a launch may touch.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Its first address as the kernel sees it.
    pub base: u64,
    pub bytes: u64,
    /// The allocation and the offset in it.
    pub allocation: usize,
    pub start: usize,
    pub access: Access,
    /// The parameter's name.
    pub name: String,
}
