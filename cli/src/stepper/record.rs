//! The steps of a warp, written down one by one.

use inkgrad_kernels::emulator::watch::{Finding, Listing, Moment, SharedWrite};
use serde::Serialize;
use serde_json::{Value, json};

use super::code::numbers;

/// Characters of steps that a page holds, so that it stays well below 2 MB.
const MOST: usize = 1_500_000;

/// A register's values, where it has some.
#[derive(Clone, Copy, Default)]
struct Held {
    /// The lanes in which it has one.
    set: u32,
    values: [u64; 32],
}

/// Writes steps down until it has seen enough.
pub struct Recorder {
    listing: Listing,
    /// The first step that is kept, and how many are.
    skip: usize,
    most: usize,
    seen: usize,
    registers: Vec<Held>,
    /// Each word of shared memory that is written: by which warp, and what it holds.
    shared: Vec<Option<(u32, u32)>>,
    written: Recorded,
    characters: usize,
    active: u32,
}

/// The steps of a warp.
#[derive(Debug, Default, Serialize)]
pub struct Recorded {
    /// Steps before the first that is kept.
    pub skipped: usize,
    /// The state before it: registers with the lanes that have a value and these values, and writes to shared memory.
    start: (Vec<(usize, u32, Value)>, Vec<Value>),
    /// Instruction, lanes that stood there (0: those of the step before), lanes that executed it (-1: all of those), values
    /// that were written, and writes to shared memory since the step before; zeros and empty lists at the end are left out.
    pub steps: Vec<Value>,
    /// Whether the warp went on.
    pub cut: bool,
    /// The fault, where it was this warp's.
    #[serde(skip)]
    pub finding: Option<Finding>,
}

impl Recorder {
    /// Keeps at most `most` steps, from step `skip` on.
    pub fn new(listing: Listing, skip: usize, most: usize) -> Self {
        let registers = vec![Held::default(); listing.registers.len()];
        let (shared, written) = (Vec::new(), Recorded::default());
        Recorder { listing, skip, most, seen: 0, registers, shared, written, characters: 0, active: 0 }
    }

    /// Takes a moment; false where no more are wanted.
    pub fn take(&mut self, moment: &Moment) -> bool {
        let writes = self.listing.instructions[moment.instruction].writes.clone();
        if self.seen == 0 {
            // Constants and special registers have their values from the start.
            for (register, held) in self.registers.iter_mut().enumerate() {
                if !writes.contains(&register) {
                    *held = Held { set: moment.set(register), values: moment.values(register) };
                }
            }
        }
        let keeps = self.seen >= self.skip;
        if keeps && (self.written.steps.len() >= self.most || self.characters >= MOST) {
            self.written.cut = true;
            return false;
        }
        if self.seen == self.skip {
            self.written.skipped = self.skip;
            self.written.start = (self.held(), self.held_shared());
        }
        self.seen += 1;
        if moment.executed != 0 && moment.finding.is_none() {
            for &register in &writes {
                self.registers[register] = Held { set: moment.set(register), values: moment.values(register) };
            }
        }
        for SharedWrite { warp, words } in moment.shared {
            for &(word, value) in words {
                self.shared.resize(self.shared.len().max(word as usize + 1), None);
                self.shared[word as usize] = Some((*warp, value));
            }
        }
        if keeps {
            let step = self.step(moment, &writes);
            self.characters += step.to_string().len() + 1;
            self.written.steps.push(step);
        }
        self.written.finding.clone_from(&moment.finding);
        true
    }

    /// The steps.
    pub fn finish(self) -> (Listing, Recorded) {
        (self.listing, self.written)
    }

    /// How many steps it was shown.
    pub fn seen(&self) -> usize {
        self.seen
    }

    fn step(&mut self, moment: &Moment, writes: &[usize]) -> Value {
        let executed = moment.executed & moment.active;
        let active = if moment.active == self.active { 0 } else { moment.active };
        self.active = moment.active;
        let values = match executed {
            0 => Vec::new(),
            _ if moment.finding.is_some() => Vec::new(),
            _ => writes.iter().map(|&register| self.coded(register, executed)).collect(),
        };
        let shared = events(moment.shared);
        let lanes = if executed == moment.active { -1 } else { i64::from(executed) };
        match (lanes, values.is_empty(), shared.is_empty()) {
            (_, _, false) => json!([moment.instruction, active, lanes, values, shared]),
            (_, false, true) => json!([moment.instruction, active, lanes, values]),
            (-1, true, true) if active == 0 => json!([moment.instruction]),
            (_, true, true) => json!([moment.instruction, active, lanes]),
        }
    }

    /// A register's values in some lanes; of a predicate a bit a lane.
    fn coded(&self, register: usize, lanes: u32) -> Value {
        let Held { values, .. } = self.registers[register];
        let lanes = (0..32).filter(|lane| lanes >> lane & 1 != 0);
        match self.listing.registers[register].ty {
            "pred" => json!(lanes.fold(0u32, |bits, lane| bits | (values[lane] as u32) << lane)),
            ty => numbers(&lanes.map(|lane| values[lane]).collect::<Vec<u64>>(), bytes(ty)),
        }
    }

    fn held(&self) -> Vec<(usize, u32, Value)> {
        let set = self.registers.iter().enumerate().filter(|(_, held)| held.set != 0);
        set.map(|(register, held)| (register, held.set, self.coded(register, held.set))).collect()
    }

    fn held_shared(&self) -> Vec<Value> {
        let held = self.shared.iter().enumerate().filter_map(|(word, held)| held.map(|held| (word, held)));
        let writes: Vec<SharedWrite> =
            held.map(|(word, (warp, value))| SharedWrite { warp, words: vec![(word as u32, value)] }).collect();
        events(&writes)
    }
}

/// Bytes of a register's values on a page.
fn bytes(ty: &str) -> usize {
    if ty.ends_with("64") { 8 } else { 4 }
}

/// Writes to shared memory: warp, how many words, their indices, and their values. Neighbouring writes of a warp are one.
fn events(writes: &[SharedWrite]) -> Vec<Value> {
    let by_warp = writes.chunk_by(|a, b| a.warp == b.warp);
    by_warp
        .map(|writes| {
            let words = || writes.iter().flat_map(|write| &write.words);
            let places: Vec<u64> = words().map(|&(word, _)| word.into()).collect();
            let values: Vec<u64> = words().map(|&(_, value)| value.into()).collect();
            json!([writes[0].warp, places.len(), numbers(&places, 4), numbers(&values, 4)])
        })
        .collect()
}
