//! A warp under watch.

use super::*;
use inkgrad_kernels::emulator::examples::{Example, examples};
use inkgrad_kernels::emulator::watch::{Finding, Listing, Memory, Moment, Touch};

/// The steps of a warp of the first block in an example's launch, each moment shown to `show`.
fn watch(name: &str, text: Option<&str>, warp: u32, show: &mut dyn FnMut(&Listing, &Moment)) -> Result<Emulator> {
    let example = Example::find(name).unwrap();
    let mut emulator = Emulator::new(3);
    let prepared = example.prepare(&mut emulator, text.map(|text| ("mine.ptx", text)), example.n)?;
    let listing = emulator.listing(&prepared.launch).unwrap();
    emulator.watch(&prepared.launch, 0, warp, &mut |moment| {
        show(&listing, moment);
        true
    })?;
    Ok(emulator)
}

#[test]
fn registers_are_shown_lane_by_lane() {
    let mut indices = Vec::new();
    watch("axpy", None, 3, &mut |listing, moment| {
        let named = |name: &str| listing.registers.iter().position(|register| register.name == name).unwrap();
        let instruction = &listing.instructions[moment.instruction];
        if instruction.writes == [named("%i")] {
            assert_eq!((moment.active, moment.executed, moment.set(named("%i"))), (!0, !0, !0));
            indices.push(moment.values(named("%i")));
        }
        let written = listing.lines[instruction.line - 1].contains("ld.global");
        assert_eq!(!instruction.accesses.is_empty(), written || listing.lines[instruction.line - 1].contains("st."));
    })
    .unwrap();
    // Thread 96 and those after it, of block 0.
    assert_eq!(indices, [std::array::from_fn(|lane| 96 + lane as u64); 2]);
}

#[test]
fn loads_give_what_writes_of_all_warps_left_in_shared_memory() {
    let mut compared = 0;
    for example in examples() {
        let mut words = vec![None; 64 << 10];
        let mut before: Vec<[u64; 32]> = Vec::new();
        let mut loads = |listing: &Listing, moment: &Moment| {
            let all = 0..listing.registers.len();
            let reads: Vec<[u64; 32]> = all.map(|register| moment.values(register)).collect();
            let base = std::mem::replace(&mut before, reads);
            let words_of = moment.shared.iter().flat_map(|write| &write.words);
            words_of.for_each(|&(word, value)| words[word as usize] = Some(value));
            let instruction = &listing.instructions[moment.instruction];
            let [access] = instruction.accesses[..] else { return };
            if access.memory != Memory::Shared || access.writes {
                return;
            }
            for lane in (0..32).filter(|lane| moment.executed >> lane & 1 != 0) {
                let at = base[access.base][lane].wrapping_add(access.offset as u64) as usize;
                for (i, &register) in instruction.writes.iter().enumerate() {
                    let found = moment.values(register)[lane];
                    assert_eq!(Some(found as u32), words[(at & 0xffff_ffff) / 4 + i], "{}", example.entry);
                    compared += 1;
                }
            }
        };
        watch(example.entry, None, 0, &mut loads).unwrap();
    }
    assert!(compared > 10_000, "{compared} loads");
}

/// Two warps that exchange numbers, and overwrite them before both have read: the second load or store is the race.
const EXCHANGE: &str = "
.version 7.0
.target sm_70
.address_size 64
.visible .entry exchange()
{
    .reg .b32 %t, %at, %other, %v;
    .shared .align 4 .b8 slots[256];
    mov.u32 %t, %tid.x;
    mov.u32 %at, slots;
    mad.lo.u32 %at, %t, 4, %at;
    st.shared.u32 [%at], %t;
    bar.sync 0;
    xor.b32 %other, %at, 128;
    ld.shared.u32 %v, [%other];
    st.shared.u32 [%at], %v;
    ret;
}";

#[test]
fn a_race_names_the_line_that_it_is_with() {
    let launch =
        Launch { entry: "exchange", grid: [1; 3], block: [64, 1, 1], cluster: 1, shared_bytes: 0, args: Vec::new() };
    let line = |text: &str| 1 + EXCHANGE.lines().position(|line| line.trim() == text).unwrap();
    for seed in 0..4 {
        let run = |warp: u32, show: &mut dyn FnMut(&Moment) -> bool| {
            let mut emulator = Emulator::new(seed);
            emulator.load_module("exchange.ptx", EXCHANGE).unwrap();
            fault(emulator.watch(&launch, 0, warp, show))
        };
        let found = run(0, &mut |_| true);
        assert_eq!((found.check, found.line), (Check::Race, line("ld.shared.u32 %v, [%other];")), "{found}");
        let mut last: Option<Finding> = None;
        run(found.warp, &mut |moment| {
            last.clone_from(&moment.finding);
            true
        });
        let Finding { check, lane, text, earlier } = last.unwrap();
        assert_eq!((check, lane, text), (found.check, found.lane, found.problem));
        let store = Touch { warp: 1 - found.warp, line: line("st.shared.u32 [%at], %v;") };
        assert_eq!(earlier, [(true, store)]);
    }
}

#[test]
fn blocks_and_warps_that_are_not_there_are_refused() {
    let example = Example::find("axpy").unwrap();
    let mut emulator = Emulator::new(0);
    let launch = example.prepare(&mut emulator, None, 300).unwrap().launch;
    for (block, warp, problem) in [(2, 0, "found block 2, expected one below 2"), (0, 8, "found warp 8")] {
        let error = emulator.watch(&launch, block, warp, &mut |_| true).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
    let buffers = emulator.buffers(&launch).unwrap();
    assert_eq!((buffers[0].1, buffers[0].2.as_str()), (1200, "p_x"));
}
