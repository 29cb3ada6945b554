//! Pools on systems that start fewer threads than asked.

use rayon::ThreadPool;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

use rayon::prelude::*;

use inkgrad_kernels::cpu::threads::*;

/// A pool of up to `asked` threads under a limit of `limit` that live at a time.
fn limited(asked: usize, limit: usize) -> Option<ThreadPool> {
    // Of this pool alone: the threads of one that was dropped end in their own time.
    let living = Arc::new(AtomicUsize::new(0));
    start_with(asked, |thread| {
        let living = Arc::clone(&living);
        if living.fetch_add(1, Ordering::SeqCst) >= limit {
            living.fetch_sub(1, Ordering::SeqCst);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Builder::new().spawn(move || {
            thread.run();
            living.fetch_sub(1, Ordering::SeqCst);
        })
    })
}

#[test]
fn a_pool_has_as_many_threads_as_there_are_to_be_had() {
    for (asked, limit) in [(1, 1), (4, 3), (7, 2), (2, 7), (64, 1)] {
        let pool = limited(asked, limit).unwrap();
        assert_eq!(pool.current_num_threads(), asked.min(limit));
        assert_eq!(pool.install(|| (0..100u32).into_par_iter().sum::<u32>()), 4950);
        drop(pool);
    }
    assert!(limited(3, 0).is_none());
}

#[test]
fn work_is_done_without_any_thread() {
    // On a thread of its own, which stays a pool of one.
    let alone = || (0..2).map(|_| on(None, || (0..100u32).into_par_iter().sum::<u32>())).sum::<u32>();
    assert_eq!(std::thread::spawn(alone).join().unwrap(), 2 * 4950);
    assert_eq!(on_threads(3, || shared(rayon::current_num_threads)), 3);
}
