//! Each check finds the fault that it is for.

use super::*;

/// A change of a kernel, and what it has to be noticed by.
type Case<'a> = (&'a str, usize, Change<'a>, Check);

#[test]
fn faults_of_the_tiled_product_are_found() {
    let cases: [Case; 9] = [
        // Without the first barrier tiles are read before they are there; without the second, overwritten too early.
        ("bar.sync", 0, Change::Delete, Check::Race),
        ("bar.sync", 1, Change::Delete, Check::Race),
        ("mov.f32", 0, Change::Delete, Check::Uninitialised),
        // One tile too many.
        ("setp.lt", 0, Change::Opcode("setp.le.u32"), Check::Bounds),
        // Sixteen products and one more: over the end of tile_a into the gap, in the last row.
        ("mov.u32", 9, Change::Operand(1, "17"), Check::Bounds),
        ("mad.wide.u32", 0, Change::Operand(2, "8"), Check::Bounds),
        ("st.shared", 0, Change::Delete, Check::Unwritten),
        ("st.shared", 0, Change::Operand(0, "[%sa + 2]"), Check::Alignment),
        // Every block writes the same tile of C.
        ("mov.u32", 2, Change::Operand(1, "0"), Check::Race),
    ];
    for (opcode, nth, change, check) in cases {
        let text = changed(TILES, "gemm", opcode, nth, change);
        match gemm(&text, 32, 1) {
            Err(Error::Fault(fault)) => assert_eq!(fault.check, check, "{opcode} {nth}: {fault}"),
            other => panic!("{opcode} {nth}: found {other:?}, expected {check:?}"),
        }
    }
}

#[test]
fn a_swapped_index_shows_in_the_result() {
    let swapped = changed(TILES, "gemm", "mad.lo.u32", 5, Change::Swap(2, 3));
    assert_ne!(gemm(&swapped, 32, 1).unwrap().0, gemm(TILES, 32, 1).unwrap().0);
}

#[test]
fn messages_name_the_place() {
    let text = changed(AXPY, "axpy", "setp.ge", 0, Change::Opcode("setp.gt.u32"));
    let message = axpy(&text, 100).unwrap_err().to_string();
    assert_eq!(
        message,
        "axpy.ptx:34: axpy: out of bounds: 4 bytes at p_x+400, which has 400; at `ld.global.f32   %u, [%x];`, \
         block (0, 0, 0), warp 3, lane 4"
    );
}

#[test]
fn shuffles_need_their_lanes() {
    // Half the lanes leave before the first shuffle.
    let early = TILES.replace(
        "    shfl.sync.bfly.b32 %w, %v, 16, 31, 0xffffffff;",
        "    setp.lt.u32 %p, %lane, 16; @!%p ret; shfl.sync.bfly.b32 %w, %v, 16, 31, 0xffffffff;",
    );
    let found = fault(warp_sum(&early, 1, 32));
    assert_eq!((found.check, found.lane), (Check::Convergence, 16), "{found}");
    // A mask that is honest about it, and a source lane outside of it.
    let outside = early.replacen("0xffffffff", "0x0000ffff", 1);
    let found = fault(warp_sum(&outside, 1, 32));
    assert_eq!((found.check, found.lane), (Check::Convergence, 0), "{found}");
    // A block that is no whole warp.
    assert_eq!(fault(warp_sum(TILES, 1, 24)).check, Check::Convergence);
}

#[test]
fn barriers_need_all_threads() {
    let module = |body: &str| {
        format!(
            ".version 7.0\n.target sm_70\n.address_size 64\n.visible .entry k()\n{{\n.reg .pred %p; .reg .b32 %t;\n\
             mov.u32 %t, %tid.x;\n{body}\nret;\n}}"
        )
    };
    let run = |body: &str| {
        let launch =
            Launch { entry: "k", grid: [2, 1, 1], block: [64, 1, 1], cluster: 1, shared_bytes: 0, args: Vec::new() };
        loaded(&module(body)).launch(&launch)
    };
    run("setp.lt.u32 %p, %t, 64;\n@%p bar.sync 0;\nbar.sync 0;").unwrap();
    run("bar.sync 1, 64;\nbarrier.sync 0;").unwrap();
    for body in [
        // Within a warp; a whole warp; two different barriers; one that waits for more than come; one that ended.
        "setp.lt.u32 %p, %t, 8;\n@%p bar.sync 0;",
        "setp.lt.u32 %p, %t, 32;\n@!%p bra over;\nbar.sync 0;\nover:",
        "setp.lt.u32 %p, %t, 32;\n@!%p bra over;\nbar.sync 0; bra done;\nover: bar.sync 0;\ndone:",
        "bar.sync 0, 96;",
        "setp.lt.u32 %p, %t, 3;\n@%p ret;\nbar.sync 0;",
    ] {
        let found = fault(run(body));
        assert_eq!(found.check, Check::Barrier, "{body}: {found}");
    }
}

#[test]
fn copies_have_to_be_waited_for() {
    for (opcode, check) in
        [("cp.async.wait", Check::Unwritten), ("cp.async.commit", Check::Unwritten), ("bar.sync", Check::Race)]
    {
        let text = changed(TILES, "staged", opcode, 0, Change::Delete);
        match staged(&text) {
            Err(Error::Fault(fault)) if opcode == "bar.sync" => {
                // The other warp's copy has arrived already, or has not begun, as the order goes.
                assert!([Check::Race, Check::Unwritten].contains(&fault.check), "{fault}");
            }
            Err(Error::Fault(fault)) => assert_eq!(fault.check, check, "{opcode}: {fault}"),
            other => panic!("{opcode}: found {other:?}"),
        }
    }
}

#[test]
fn a_kernel_that_does_not_end_is_stopped() {
    let text = ".version 7.0\n.visible .entry k() {\nagain: bra again;\n}";
    let mut emulator = loaded(text);
    emulator.set_limit(1000);
    let launch = Launch { entry: "k", grid: [1; 3], block: [1; 3], cluster: 1, shared_bytes: 0, args: Vec::new() };
    assert_eq!(fault(emulator.launch(&launch)).check, Check::Endless);
}

#[test]
fn arguments_are_held_to_what_they_say() {
    let mut emulator = loaded(AXPY);
    let x = upload(&mut emulator, &[1.0f32; 64]).unwrap();
    let mut run = |x: Arg, y: Arg, n: Arg| {
        let args = vec![x, y, n, Arg::F32(1.0)];
        emulator.launch(&Launch { entry: "axpy", grid: [1; 3], block: [256, 1, 1], cluster: 1, shared_bytes: 0, args })
    };
    let (front, back) = (Buffer::read(x, 128), Buffer::read_write(x + 128, 128));
    run(Arg::Buffer(front), Arg::Buffer(back), Arg::U32(32)).unwrap();
    // Neighbours in one allocation: the 33rd element of the first is the second's.
    let found = fault(run(Arg::Buffer(front), Arg::Buffer(back), Arg::U32(33)));
    assert_eq!(found.check, Check::Bounds);
    let only = Buffer::read(back.address, 128);
    let found = fault(run(Arg::Buffer(front), Arg::Buffer(only), Arg::U32(32)));
    assert!(found.check == Check::Bounds && found.problem.contains("to be read"), "{found}");
    let fresh = Buffer::write(back.address, 128);
    assert_eq!(fault(run(Arg::Buffer(front), Arg::Buffer(fresh), Arg::U32(32))).check, Check::Unwritten);

    let refused = |result: Result<()>| matches!(result, Err(Error::Launch { .. }));
    assert!(refused(run(Arg::Buffer(front), Arg::Buffer(back), Arg::F32(1.0))));
    assert!(refused(run(Arg::Buffer(front), Arg::U32(1), Arg::U32(1))));
}

#[test]
fn text_that_is_not_understood_is_named() {
    let mut emulator = Emulator::new(1);
    let mut refused = |body: &str| {
        let text = format!(".version 7.0\n.visible .entry k()\n{{\n.reg .f32 %f<2>; .reg .b64 %d;\n{body}\n}}");
        match emulator.load_module("k.ptx", &text) {
            Err(Error::Module { module, line, problem }) => (module, line, problem),
            other => panic!("{body}: {other:?}"),
        }
    };
    for (body, word) in [
        ("frobnicate.f32 %f0, %f1;", "frobnicate"),
        ("add.f32 %f0, %f9, %f1;", "%f9"),
        ("add.f32 %f0, %f1;", "expected 3"),
        ("add.f32 %f0, %d, %f1;", "%d"),
        ("bra nowhere;", "nowhere"),
        ("ld.f32 %f0, [%d];", "ld.f32"),
        ("add.ftz.f32 %f0, %f0, %f1;", "ftz"),
    ] {
        let (module, line, problem) = refused(body);
        assert!(module == "k.ptx" && line == 5 && problem.contains(word), "{body}: {line}: {problem}");
    }
}
