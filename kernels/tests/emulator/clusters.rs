//! Blocks of a cluster: what they hand to each other, and what goes wrong between them.

use super::*;

const CLUSTERS: &str = include_str!("clusters.ptx");

fn launch(entry: &'static str, blocks: u32, cluster: u32, out: u64, numbers: usize) -> Launch {
    let args = vec![Arg::Buffer(Buffer::write(out, 4 * numbers as u64))];
    Launch { entry, grid: [blocks, 1, 1], block: [64, 1, 1], cluster, shared_bytes: 0, args }
}

/// The numbers that an entry point of a version of the module writes.
fn run(text: &str, entry: &'static str, [blocks, cluster]: [u32; 2], numbers: usize, seed: u64) -> Result<Vec<u32>> {
    let mut emulator = Emulator::new(seed);
    emulator.load_module("clusters.ptx", text)?;
    let out = emulator.alloc(4 * numbers as u64)?;
    emulator.launch(&launch(entry, blocks, cluster, out, numbers))?;
    download(&mut emulator, out, numbers)
}

fn ring(text: &str, seed: u64) -> Result<Vec<u32>> {
    run(text, "ring", [8, 4], 8 * 64 * 2, seed)
}

#[test]
fn blocks_of_a_cluster_see_each_others_numbers() {
    for seed in 0..20 {
        let found = ring(CLUSTERS, seed).unwrap();
        for (i, pair) in found.chunks(2).enumerate() {
            let (block, thread) = (i as u32 / 64, i as u32 % 64);
            let before = block / 4 * 4 + (block + 3) % 4;
            assert_eq!(pair, [100 * before + thread, 100 * block + thread], "seed {seed}, block {block}");
        }
    }
    // A cluster of one is its own neighbour.
    let alone = run(CLUSTERS, "ring", [2, 1], 2 * 64 * 2, 1).unwrap();
    assert_eq!(alone[64 * 2..][..2], [100, 100]);
    assert_eq!(run(CLUSTERS, "replaced", [2, 2], 1, 3).unwrap(), [1]);
}

#[test]
fn blocks_know_their_seats() {
    let found = run(CLUSTERS, "seats", [6, 2], 36, 1).unwrap();
    let expected = |block: u32| [block % 2, 2, block % 2, 1, block / 2, 3];
    assert_eq!(found, (0..6).flat_map(expected).collect::<Vec<u32>>());
}

#[test]
fn accesses_to_peers_are_counted_apart() {
    let mut emulator = loaded(CLUSTERS);
    let out = emulator.alloc(4096).unwrap();
    emulator.launch(&launch("ring", 8, 4, out, 1024)).unwrap();
    let counters = emulator.counters()["ring"];
    // Of two warps of eight blocks: one store and one load to a peer, one load at home.
    assert_eq!((counters.peer_accesses, counters.shared_accesses, counters.bank_conflicts), (32, 16, 0));
}

/// A change: the opcode's beginning, which of them, and what happens to it.
type Part<'a> = (&'a str, usize, Change<'a>);
/// An entry point, changes of it, the checks that notice, and words of what they say.
type Case<'a> = (&'static str, &'a [Part<'a>], &'a [Check], &'a str);

#[test]
fn faults_between_blocks_are_found() {
    use Change::{Delete, Opcode, Operand};
    let relaxed = Opcode("barrier.cluster.arrive.relaxed.aligned");
    let cases: [Case; 10] = [
        (
            "ring",
            &[("barrier.cluster.arrive", 0, Delete), ("barrier.cluster.wait", 0, Delete)],
            &[Check::Race],
            "begun",
        ),
        // Without the second barrier numbers are read before they come, or while.
        (
            "ring",
            &[("barrier.cluster.arrive", 1, Delete), ("barrier.cluster.wait", 1, Delete)],
            &[Check::Race, Check::Unwritten],
            "",
        ),
        ("ring", &[("barrier.cluster.arrive", 1, relaxed)], &[Check::Race], "of the cluster"),
        ("ring", &[("barrier.cluster.arrive", 2, Delete), ("barrier.cluster.wait", 2, Delete)], &[Check::Race], "end"),
        ("ring", &[("barrier.cluster.wait", 2, Delete)], &[Check::Race], "end"),
        ("ring", &[("barrier.cluster.arrive", 1, Delete)], &[Check::Barrier], "without having arrived"),
        ("ring", &[("barrier.cluster.wait", 1, Delete)], &[Check::Barrier, Check::Unwritten, Check::Race], ""),
        ("ring", &[("st.shared::cluster", 0, Delete)], &[Check::Unwritten], ""),
        ("ring", &[("mapa", 0, Operand(2, "4"))], &[Check::Bounds], "block 4 of a cluster of 4"),
        ("replaced", &[("barrier.cluster.arrive", 1, Delete), ("barrier.cluster.wait", 1, Delete)], &[Check::Race], ""),
    ];
    for (entry, changes, checks, words) in cases {
        let apply = |text: String, &(opcode, nth, change): &Part| changed(&text, entry, opcode, nth, change);
        let text = changes.iter().fold(CLUSTERS.to_owned(), apply);
        for seed in 0..20 {
            let found = match entry {
                "ring" => fault(ring(&text, seed)),
                _ => fault(run(&text, entry, [2, 2], 1, seed)),
            };
            assert!(
                checks.contains(&found.check) && found.problem.contains(words),
                "{changes:?}, seed {seed}: {found}"
            );
        }
    }
}

/// The module's `ring` with other lines before its first barrier.
fn with(lines: &str) -> String {
    let first = "    barrier.cluster.arrive.relaxed.aligned;\n";
    CLUSTERS.replacen(first, &format!(".reg .pred %p;\n{lines}\n{first}"), 1)
}

#[test]
fn a_clusters_barrier_needs_all_its_threads() {
    for (lines, words) in [
        ("setp.eq.u32 %p, %rank, 2; @%p ret;", "of block 2 has ended"),
        ("setp.ge.u32 %p, %value, 732; @%p ret;", "warp 1 of block 3 has ended"),
        ("setp.lt.u32 %p, %thread, 7; @%p ret;", "waits for lane 0"),
        ("setp.lt.u32 %p, %thread, 7; @%p barrier.cluster.arrive; @%p barrier.cluster.wait;", "waits for lane 7"),
        ("setp.eq.u32 %p, %rank, 1; @%p bar.sync 0, 96;", "barrier 0 is not reached"),
    ] {
        let found = fault(ring(&with(lines), 3));
        assert!(found.check == Check::Barrier && found.problem.contains(words), "{lines}: {found}");
    }
}

#[test]
fn a_message_names_the_block_of_the_cluster() {
    let text = changed(CLUSTERS, "ring", "barrier.cluster.arrive", 1, Change::Opcode("barrier.cluster.arrive.relaxed"));
    let found = fault(ring(&text, 1));
    let (block, before) = (found.block[0] % 4, (found.block[0] + 3) % 4);
    assert!(found.problem.starts_with("reads what was written by warp"), "{found}");
    let named =
        |block: u32| found.problem.contains(&format!("of block {block} of the cluster, with no barrier between"));
    assert!(named(before) || named(block), "{found}");
}

#[test]
fn clusters_that_do_not_fit_are_refused() {
    let mut emulator = loaded(CLUSTERS);
    let out = emulator.alloc(36 * 4).unwrap();
    for (blocks, cluster, expected) in [
        (6, 4, "found clusters of 4 blocks in a grid of [6, 1, 1], expected a divisor of 6 up to 8"),
        (6, 0, "found clusters of 0 blocks"),
        (16, 16, "expected a divisor of 16 up to 8"),
    ] {
        match emulator.launch(&launch("seats", blocks, cluster, out, 36)) {
            Err(Error::Launch { problem, .. }) => assert!(problem.contains(expected), "{problem}"),
            other => panic!("{blocks} blocks by {cluster}: found {other:?}"),
        }
    }
    emulator.set_cluster_blocks(2);
    for (cluster, held) in [(2, true), (3, false)] {
        let launch = launch("seats", 6, cluster, out, 36);
        assert_eq!(emulator.holds_clusters(&launch), Ok(held));
        assert_eq!(emulator.launch(&launch).is_ok(), held);
    }
    let required = CLUSTERS.replacen("(blocks, 6)\n)\n", "(blocks, 6)\n)\n.reqnctapercluster 3, 1, 1\n", 1);
    assert_eq!(run(&required, "seats", [6, 3], 36, 1).unwrap()[..2], [0, 3]);
    let refused = run(&required, "seats", [6, 2], 36, 1).unwrap_err().to_string();
    assert!(refused.contains("found clusters of 2 blocks, expected [3, 1, 1]"), "{refused}");
    let explicit = CLUSTERS.replacen("(blocks, 6)\n)\n", "(blocks, 6)\n)\n.explicitcluster\n", 1);
    assert_eq!(run(&explicit, "seats", [6, 3], 36, 1).unwrap()[..2], [0, 3]);
    let refused = run(&explicit, "seats", [6, 1], 36, 1).unwrap_err().to_string();
    assert!(refused.contains("found no clusters"), "{refused}");
    // Older GPUs have none.
    let mut older = Emulator::new(1);
    older.set_architecture(80);
    let refused = older.load_module("clusters.ptx", CLUSTERS).unwrap_err().to_string();
    assert_eq!(refused, "clusters.ptx:5: found the target sm_90, expected sm_80 at most");
    assert_eq!((older.architecture(), emulator.architecture()), (80, 90));
}

#[test]
fn other_words_of_clusters_are_not_emulated() {
    let mut emulator = Emulator::new(1);
    for line in [
        "barrier.cluster.sync;",
        "barrier.cluster.wait.relaxed;",
        "barrier.cluster.arrive 0;",
        "mapa.u64 %d, %d, 1;",
        "atom.shared::cluster.add.u32 %r, [%r], 1;",
        "barrier.sync;",
    ] {
        let text = format!(".version 8.0\n.visible .entry k()\n{{\n.reg .b32 %r; .reg .b64 %d;\n{line}\n}}");
        let refused = emulator.load_module("k.ptx", &text).unwrap_err().to_string();
        assert!(refused.starts_with("k.ptx:5: found "), "{line}: {refused}");
    }
}
