//! Threads as far as the operating system gives them: a limit on processes (`ulimit -u`, a container's limit) makes work
//! slower, never different, and no reason to end.

use std::cell::RefCell;
use std::io;
use std::sync::OnceLock;
use std::thread::{Builder, JoinHandle};

use rayon::{ThreadBuilder, ThreadPool, ThreadPoolBuilder};

/// A pool of `threads` threads named `name-1`, …, or of as many as the system starts; `None` where it starts none.
pub fn start(threads: usize, name: &'static str) -> Option<ThreadPool> {
    start_with(threads, |thread| {
        let named = Builder::new().name(format!("{name}-{}", thread.index() + 1));
        named.spawn(move || thread.run())
    })
}

/// The same with threads that `spawn` starts.
fn start_with(threads: usize, spawn: impl Fn(ThreadBuilder) -> io::Result<JoinHandle<()>>) -> Option<ThreadPool> {
    let mut threads = threads;
    while threads > 0 {
        let started = RefCell::new(Vec::new());
        let spawn = |thread| spawn(thread).map(|handle| started.borrow_mut().push(handle));
        match ThreadPoolBuilder::new().num_threads(threads).spawn_handler(spawn).build() {
            Ok(pool) => return Some(pool),
            Err(_) => {
                // Those that did start end by themselves, and count against the limit until they have.
                let started = started.into_inner();
                threads = started.len().min(threads - 1);
                started.into_iter().for_each(|thread| drop(thread.join()));
            }
        }
    }
    None
}

/// Does `work`, whose parallel iterators run on `threads` threads of their own, or on as many as the system starts.
pub fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    on(start(threads, "work").as_ref(), work)
}

/// Does `work`, whose parallel iterators run on the pool that calls this, or else on threads that the whole program
/// shares: rayon's own shared pool panics where it can't be started.
pub fn shared<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    if rayon::current_thread_index().is_some() {
        return work();
    }
    let all = || start(std::thread::available_parallelism().map_or(1, usize::from), "shared");
    on(POOL.get_or_init(all).as_ref(), work)
}

fn on<R: Send>(pool: Option<&ThreadPool>, work: impl FnOnce() -> R + Send) -> R {
    match pool {
        Some(pool) => pool.install(work),
        None => {
            if rayon::current_thread_index().is_none() {
                // From here on this thread is a pool of one. It starts no thread, so that there is nothing to fail.
                let _ = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
            }
            work()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rayon::prelude::*;

    use super::*;

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
}
