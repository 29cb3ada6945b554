//! The seeds of `tests/fuzz` and changes of them: no panic, no reading for seconds, no allocation out of proportion.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use inkgrad_tests::fuzz::TARGETS;
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};

/// The largest single request for memory so far.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

struct Watched;

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: the caller's promise is the same.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

/// Changes of each seed. `INKGRAD_INPUTS=N` tries more.
const CHANGES: usize = 60;

/// Bytes that mean something in one format or another.
const TELLING: [u8; 12] = [0, 1, 0x7f, 0x80, 0xff, b'(', b'{', b'"', b'\n', b'-', b'9', 0x1b];

/// A few bytes changed, doubled or cut.
fn change(seed: &[u8], rng: &mut TestRng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..1 + rng.next_u32() % 4 {
        let at = rng.next_u32() as usize % bytes.len().max(1);
        let length = rng.next_u32() as usize % 16;
        let end = (at + length).min(bytes.len());
        match rng.next_u32() % 6 {
            _ if bytes.is_empty() => bytes.push(TELLING[length % TELLING.len()]),
            0 => bytes[at] ^= 1 << (length % 8),
            1 => bytes[at] = TELLING[rng.next_u32() as usize % TELLING.len()],
            2 => drop(bytes.drain(at..end)),
            3 => bytes.truncate(at),
            4 => bytes.extend_from_within(at..end),
            _ => bytes[at..end].fill(0xff),
        }
    }
    bytes
}

/// Inputs in which `tests/fuzz/run` found a fault, once mended.
fn regressions(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions").join(target);
    let mut paths: Vec<_> = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
#[ignore = "slow"]
fn every_reader_takes_or_refuses_seeds_and_changes_of_them() {
    let changes = std::env::var("INKGRAD_INPUTS").map_or(CHANGES, |inputs| inputs.parse().unwrap());
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[15; 32]);
    for target in TARGETS {
        let mut seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{}", target.name);
        seeds.extend(regressions(target.name));
        let (begun, mut slowest, mut inputs) = (Instant::now(), Duration::ZERO, 0);
        LARGEST.store(0, Ordering::Relaxed);
        for seed in &seeds {
            for n in 0..=changes {
                let bytes = if n == 0 { seed.clone() } else { change(seed, &mut rng) };
                let started = Instant::now();
                let outcome = std::panic::catch_unwind(|| (target.read)(&bytes));
                let (took, largest) = (started.elapsed(), LARGEST.load(Ordering::Relaxed));
                let bad = outcome.is_err() || took > Duration::from_secs(5) || largest > 1 << 30;
                let name = target.name;
                assert!(!bad, "{name}: {took:?}, {largest} bytes at once for {}", bytes.escape_ascii());
                slowest = slowest.max(took);
                inputs += 1;
            }
        }
        let (kib, seconds) = (LARGEST.load(Ordering::Relaxed) >> 10, begun.elapsed().as_secs_f64());
        eprintln!(
            "{:12} {inputs} inputs in {seconds:.1} s, slowest {slowest:.1?}, at most {kib} KiB at once",
            target.name
        );
    }
}
