//! How long a block takes by the clocks of its warps: chains of loads, loads side by side, barriers.

use inkgrad_kernels::emulator::hardware::{H100, Hardware};
use inkgrad_kernels::emulator::{BlockTime, Emulator};
use inkgrad_kernels::launch::{Arg, Buffer, Device, Launch};

/// A kernel of one block with this body, whose thread i has `%at` at word i of a buffer.
fn time(body: &str, threads: u32, cold: bool) -> BlockTime {
    let text = format!(
        ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry k(.param .u64 p)\n{{\n
         .reg .pred %p;\n.reg .b32 %i, %slot;\n.reg .b64 %at;\n.reg .f32 %v, %w, %sum;\n
         .shared .align 4 .b8 space[4096];\n
         ld.param.u64 %at, [p];\nmov.u32 %i, %tid.x;\nmad.wide.u32 %at, %i, 4, %at;\nmov.f32 %sum, 0f00000000;\nmov.u32 %slot, space;\n{body}\nst.global.f32 [%at], %sum;\nret;\n}}\n"
    );
    let mut emulator = Emulator::new(0);
    emulator.load_module("timing.ptx", &text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    let address = emulator.alloc(1 << 20).unwrap();
    let args = vec![Arg::Buffer(Buffer::read_write(address, 1 << 20))];
    let launch = Launch { entry: "k", grid: [1; 3], block: [threads, 1, 1], cluster: 1, shared_bytes: 0, args };
    emulator.sample(&launch, 0, &H100, 64 << 10, &[cold]).unwrap().1
}

/// A loop of ten turns.
fn ten(turn: &str) -> String {
    format!(
        "mov.u32 %i, 10;\nNEXT:\n{turn}\nadd.u64 %at, %at, 128;\nsub.u32 %i, %i, 1;\nsetp.ne.u32 %p, %i, 0;\n@%p bra NEXT;"
    )
}

fn about(found: u64, expected: u32) {
    let off = (found as f64 / f64::from(expected) - 1.0).abs();
    assert!(off < 0.15, "{found} cycles, expected about {expected}");
}

#[test]
fn a_turn_waits_for_its_load_and_loads_side_by_side_come_together() {
    let Hardware { level1_latency: near, level2_latency: far, memory_latency: memory, .. } = H100;
    let one = "ld.global.f32 %v, [%at];\nadd.f32 %sum, %sum, %v;";
    let found = time(&ten(one), 1, false);
    about(found.chain, 10 * far);
    assert_eq!((found.cycles, found.sectors), (found.chain, 11));
    about(time(&ten(one), 1, true).chain, 10 * memory);
    let two = "ld.global.f32 %v, [%at];\nadd.f32 %sum, %sum, %v;\nld.global.f32 %w, [%at+64];\nadd.f32 %sum, %sum, %w;";
    about(time(&ten(two), 1, false).chain, 10 * far);
    // Another sector each turn the first time, the same one the second.
    let again = "ld.global.f32 %v, [%at];\nadd.f32 %sum, %sum, %v;\nbar.warp.sync 1;\n\
                 ld.global.f32 %w, [%at];\nadd.f32 %sum, %sum, %w;";
    about(time(&ten(again), 1, false).chain, 10 * (far + near));
    // A load stays behind a store, whose place it may share.
    let stored = "st.global.f32 [%at], %sum;\nld.global.f32 %v, [%at+4096];\nadd.f32 %sum, %sum, %v;";
    about(time(&ten(stored), 1, false).chain, 10 * far);
}

#[test]
fn warps_side_by_side_share_schedulers_and_meet_at_barriers() {
    let products = "fma.rn.f32 %sum, %sum, %sum, %sum;\n".repeat(100);
    let alone = time(&products, 32, false);
    about(alone.chain, 100 * H100.arithmetic);
    assert!(time(&products, 128, false).cycles <= alone.cycles + 8);
    // 32 warps, eight a scheduler: each issues in turn, and none waits any more.
    let full = time(&products, 1024, false);
    about(full.busy, 800);
    assert_eq!(full.cycles, full.busy);
    let barriers = "bar.sync 0;\n".repeat(10);
    about(time(&barriers, 64, false).cycles, 10 * (H100.barrier + 1));
    let chain = "st.shared.f32 [%slot], %sum;\nbar.sync 0;\nld.shared.f32 %sum, [%slot];\nbar.sync 0;\n".repeat(10);
    // Loads issued before a barrier complete while warps wait there.
    about(time(&chain, 1, false).chain, 10 * 2 * (H100.barrier + 2));
}
