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
pub fn start_with(threads: usize, spawn: impl Fn(ThreadBuilder) -> io::Result<JoinHandle<()>>) -> Option<ThreadPool> {
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

/// Runs `work` on `pool`, or on this thread where there is none.
pub fn on<R: Send>(pool: Option<&ThreadPool>, work: impl FnOnce() -> R + Send) -> R {
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
