//! After its first run, a training step allocates nothing but products' buffers for packing.
//!
//! The whole process counts, so this file holds one test.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Barrier;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

use inkgrad_engine::optim::{Optimizer, Rule};
use inkgrad_engine::{Clock, Pool};
use inkgrad_kernels::cpu::gemm::packing;
use inkgrad_models::Models;
use inkgrad_models::data::{Dataset, builtin};
use inkgrad_models::run::config::Config;
use inkgrad_models::run::records::Record;
use inkgrad_models::trainer::{Observer, Progress, Stepper, Trainer};
use inkgrad_tests::{build, defaults, networks};

struct Counting;

/// Allocations so far, of packing buffers and of anything else, and bytes in use.
static PACKED: AtomicUsize = AtomicUsize::new(0);
static OTHER: AtomicUsize = AtomicUsize::new(0);
static IN_USE: AtomicIsize = AtomicIsize::new(0);

// SAFETY: all is left to the system's allocator; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let counter = if packing() { &PACKED } else { &OTHER };
        counter.fetch_add(1, Ordering::Relaxed);
        IN_USE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts of packing buffers, other allocations, and bytes in use.
fn counts() -> (usize, usize, isize) {
    (PACKED.load(Ordering::Relaxed), OTHER.load(Ordering::Relaxed), IN_USE.load(Ordering::Relaxed))
}

/// Steps of full and of smaller batches, after one of each.
fn steps(name: &str, config: &Config, data: &Dataset, threads: usize) {
    let mut network = build::<f32>(config);
    network.initialise(7);
    let mut optimizer = Optimizer::new(Rule::Adam, Some(10.0), network.params.count());
    let mut stepper = Stepper::default();
    let batches: [Vec<usize>; 2] = [(0..20).collect(), (20..29).collect()];
    Pool::new(threads).enter(|team| {
        let mut train = |step: u64| {
            for batch in &batches {
                let clock = Clock { seed: 7, step };
                stepper.step(&mut network, &mut optimizer, &data.train, batch, clock, 1e-3, team).unwrap();
            }
        };
        // Every thread has to have begun, or its beginning would count.
        let all_here = Barrier::new(threads);
        team.run(threads, |_| {
            all_here.wait();
        });
        train(0);
        let before = counts();
        (1..3).for_each(&mut train);
        let after = counts();
        assert!(after.0 > before.0, "{name}: products pack");
        assert_eq!(after.1 - before.1, 0, "{name}: allocations other than for packing, at {threads} threads");
        assert_eq!(after.2, before.2, "{name}: bytes in use, at {threads} threads");
    });
}

/// Notes the counts after each step of a whole run.
struct Notes(Vec<(usize, usize, isize)>);

impl Observer for Notes {
    fn step(&mut self, _: &Progress) {
        assert!(self.0.len() < self.0.capacity(), "room for every step's counts");
        self.0.push(counts());
    }

    fn record(&mut self, _: &Record) {}

    fn stop(&self) -> bool {
        false
    }
}

/// The steps of a run, with choosing the drawings and watching over the run; at one thread, since others may begin at
/// any time.
fn run() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        Config { threads: 1, batch_size: 20, epochs: None, steps: Some(12), quick: true, ..defaults("cnn-vae") };
    let (mut trainer, _) = Trainer::start(&Models::builtin(), config, &folder.path().join("run"), false).unwrap();
    let mut notes = Notes(Vec::with_capacity(12));
    trainer.run(&mut notes).unwrap();
    let (first, last) = (notes.0[1], notes.0[11]);
    assert!(last.0 > first.0, "products pack");
    assert_eq!(last.1 - first.1, 0, "allocations other than for packing, in a run");
    assert_eq!(last.2, first.2, "bytes in use, in a run");
}

#[test]
#[ignore = "slow"]
fn a_step_allocates_nothing_but_for_packing() {
    let data = builtin(100, 1).unwrap();
    for (name, config) in networks() {
        steps(name, &config, &data, 1);
        steps(name, &config, &data, 2);
    }
    run();
}
