//! Teams of threads: every task once, panics passed on, a second job refused.

use inkgrad_kernels::cpu::team::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[test]
fn every_task_runs_once_at_any_team_size() {
    for threads in [1, 2, 3, 8] {
        let pool = Pool::new(threads);
        pool.enter(|team| {
            assert_eq!(team.threads(), threads);
            for tasks in [0, 1, 2, 7, 100] {
                for _ in 0..200 {
                    let seen: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                    team.run(tasks, |i| {
                        seen[i].fetch_add(1, Ordering::Relaxed);
                    });
                    assert!(seen.iter().all(|n| n.load(Ordering::Relaxed) == 1));
                }
            }
        });
    }
}

#[test]
fn pieces_cover_slices_of_different_lengths() {
    let (mut a, mut b) = (vec![0; 10], vec![0; 3]);
    Pool::new(2).enter(|team| {
        team.pieces([(&mut a, 4), (&mut b, 1)], |i, [a, b]| {
            a.fill(i + 1);
            b.fill(i + 1);
        });
    });
    assert_eq!(a, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3]);
    assert_eq!(b, [1, 2, 3]);
}

/// That so many tasks run, each once: what a job leaves behind that went wrong.
fn assert_runs(team: &Team, tasks: usize) {
    let count = AtomicUsize::new(0);
    team.run(tasks, |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(count.into_inner(), tasks);
}

#[test]
fn a_panic_in_a_task_reaches_the_caller_and_leaves_the_pool_usable() {
    let pool = Pool::new(2);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        pool.enter(|team| team.run(8, |i| assert_ne!(i, 5)));
    }));
    assert!(outcome.is_err());
    pool.enter(|team| assert_runs(team, 8));
}

/// A panic's payload that panics when it is dropped.
struct Mine;

impl Drop for Mine {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped");
    }
}

#[test]
fn a_payload_that_panics_in_turn_changes_nothing() {
    Pool::new(3).enter(|team| {
        let outcome = catch_unwind(AssertUnwindSafe(|| team.run(50, |_| std::panic::panic_any(Mine))));
        assert!(outcome.is_err());
        assert_runs(team, 50);
    });
}

#[test]
fn memory_is_a_thread_s_own_and_no_more_threads_take_part_than_there_are_pieces() {
    for (threads, workers) in [(1, 3), (4, 2), (4, 4), (70, 70), (3, 9)] {
        let mut memory = vec![0usize; 3 * workers + 1];
        let mut seen = vec![0; 500];
        Pool::new(threads).enter(|team| {
            team.pieces_in([(&mut seen, 1)], (&mut memory, 3), |i, [seen], memory| {
                memory.fill(i);
                std::hint::spin_loop();
                assert!(memory.len() == 3 && memory.iter().all(|&m| m == i), "another task's memory");
                seen[0] += 1;
            });
        });
        assert!(seen.iter().all(|&n| n == 1), "{threads} threads, {workers} pieces of memory");
        assert_eq!(memory[3 * workers], 0);
    }
}

#[test]
fn a_nested_run_panics_and_leaves_the_team_usable() {
    Pool::new(3).enter(|team| {
        let nested = catch_unwind(AssertUnwindSafe(|| team.run(4, |_| team.run(2, |_| {}))));
        assert!(nested.is_err());
        assert_runs(team, 4);
    });
}

#[test]
fn a_second_thread_is_refused_while_a_job_runs() {
    Pool::new(2).enter(|team| {
        let (begun, refused) = (AtomicBool::new(false), AtomicBool::new(false));
        let ran = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !begun.load(Ordering::Acquire) {
                    std::thread::yield_now();
                }
                let second = catch_unwind(AssertUnwindSafe(|| team.run(2, |_| {})));
                assert!(second.is_err(), "another thread's job is running");
                refused.store(true, Ordering::Release);
            });
            team.run(2, |_| {
                begun.store(true, Ordering::Release);
                while !refused.load(Ordering::Acquire) {
                    std::thread::yield_now();
                }
                ran.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(ran.into_inner(), 2);
    });
}
