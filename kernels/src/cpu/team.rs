//! Threads that stay awake for a whole step.
//!
//! A training step is some forty operations of which many take less time than it takes to wake a sleeping thread. So
//! rayon's threads are called once for many operations ([`Pool::enter`]), and in between they spin-wait for the next piece
//! of work and do not sleep. [`Team::run`] hands out numbered tasks from one counter that all threads share, so there are
//! no queues, and none of rayon's work stealing. Which thread takes which task varies, what a task computes must not:
//! results are the same for any number of threads as long as tasks are cut by the problem's shape alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// Threads to form a [`Team`] from. Making one starts the threads; they sleep outside [`Pool::enter`].
#[derive(Debug)]
pub struct Pool {
    /// The helpers beside the calling thread; none where one thread was asked for or no other is to be had.
    helpers: Option<rayon::ThreadPool>,
    bf16: bool,
}

impl Pool {
    /// A pool of `threads` threads in all (at least one), the calling one included, or of as many as the system starts.
    pub fn new(threads: usize) -> Self {
        Self { helpers: super::threads::start(threads.saturating_sub(1), "team"), bf16: false }
    }

    /// The same pool, whose teams multiply matrices of `f32` with factors in bf16 (see [`super::bf16`]), or not.
    pub fn with_bf16(self, bf16: bool) -> Self {
        Self { bf16, ..self }
    }

    /// Threads in all.
    pub fn threads(&self) -> usize {
        1 + self.helpers.as_ref().map_or(0, |pool| pool.current_num_threads())
    }

    /// Calls `f` with a team of all threads, which stay awake until `f` returns.
    pub fn enter<R>(&self, f: impl FnOnce(&Team) -> R) -> R {
        let team = Team { bf16: self.bf16, ..Team::default() };
        let Some(pool) = &self.helpers else { return f(&team) };
        pool.in_place_scope(|scope| {
            for _ in 0..pool.current_num_threads() {
                scope.spawn(|_| team.help());
            }
            // Dropped when `f` returns or panics: without it the scope would wait for the helpers for ever.
            let _dismiss = Dismiss(&team);
            team.helpers.store(pool.current_num_threads(), Ordering::Relaxed);
            f(&team)
        })
    }
}

struct Dismiss<'a>(&'a Team);

impl Drop for Dismiss<'_> {
    fn drop(&mut self) {
        self.0.dismissed.store(true, Ordering::Release);
    }
}

/// The threads of a step: the caller, who hands out tasks, and helpers that look for them.
///
/// The current job is two words and a ticket. The ticket holds the job's number in its upper half and the next task
/// in its lower half; a thread takes a task by raising the ticket from the value that it read, which fails if the job
/// has changed since. So whoever succeeds has read the words of a job that is still running.
#[derive(Debug, Default)]
pub struct Team {
    helpers: AtomicUsize,
    ticket: AtomicU64,
    tasks: AtomicUsize,
    job: AtomicPtr<Job<'static>>,
    finished: AtomicUsize,
    panicked: AtomicBool,
    dismissed: AtomicBool,
    /// Whether a job is being handed out: its words belong to one caller of [`Team::run`] at a time.
    busy: AtomicBool,
    /// Whether matrices of `f32` are multiplied with factors in bf16.
    bf16: bool,
}

/// Ends a job, also where it panics.
struct Idle<'a>(&'a Team);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}

/// A closure that does a task by its number. The team keeps the address of this reference, which is one word where the reference is two.
type Job<'a> = &'a (dyn Fn(usize) + Sync);

impl Team {
    /// A team of the calling thread alone.
    pub fn solo() -> Self {
        Self::default()
    }

    /// A team of the calling thread alone that computes as this one does: for one of its tasks.
    pub fn alone(&self) -> Self {
        Self { bf16: self.bf16, ..Self::default() }
    }

    /// Whether matrices of `f32` are multiplied with factors in bf16.
    pub fn bf16(&self) -> bool {
        self.bf16
    }

    /// Threads in all.
    pub fn threads(&self) -> usize {
        1 + self.helpers.load(Ordering::Relaxed)
    }

    /// Calls `f(0) … f(tasks − 1)`, each once, on any thread and in any order, and returns when all have returned.
    ///
    /// One job runs at a time: neither may `f` call this in turn, nor two threads at once.
    ///
    /// # Panics
    /// If a task panics, or another job of this team is running.
    pub fn run(&self, tasks: usize, f: impl Fn(usize) + Sync) {
        self.run_job(tasks, &f);
    }

    /// [`Team::run`], compiled once and not for every closure.
    fn run_job(&self, tasks: usize, f: Job<'_>) {
        if tasks <= 1 || self.helpers.load(Ordering::Relaxed) == 0 {
            (0..tasks).for_each(f);
            return;
        }
        assert!(tasks < u32::MAX as usize, "{tasks} tasks, expected fewer than 2³² − 1");
        // The words below may be written only after the previous caller's last look at them: Acquire, and Release in
        // `Idle`. Once a job, beside tasks that are worth a thread's while, the exchange costs nothing measurable.
        assert!(!self.busy.swap(true, Ordering::Acquire), "a team runs one job at a time: nested or concurrent `run`");
        let _idle = Idle(self);
        self.finished.store(0, Ordering::Relaxed);
        // The previous job is over (its ticket is used up), so no thread can act on a mixture of old and new words:
        // its attempt to raise the old ticket fails.
        self.ticket.fetch_or(u32::MAX as u64, Ordering::AcqRel);
        self.tasks.store(tasks, Ordering::Relaxed);
        self.job.store((&raw const f).cast_mut().cast(), Ordering::Relaxed);
        let number = (self.ticket.load(Ordering::Relaxed) >> 32).wrapping_add(1) & u32::MAX as u64;
        self.ticket.store(number << 32, Ordering::Release);

        while self.take_task() {}
        let mut patience = Patience::default();
        while self.finished.load(Ordering::Acquire) < tasks {
            patience.wait();
        }
        if self.panicked.swap(false, Ordering::Relaxed) {
            panic!("a task of this team panicked");
        }
    }

    /// Takes and runs one task; false where there is none.
    fn take_task(&self) -> bool {
        let ticket = self.ticket.load(Ordering::Acquire);
        let tasks = self.tasks.load(Ordering::Relaxed);
        let job = self.job.load(Ordering::Relaxed);
        let task = (ticket & u32::MAX as u64) as usize;
        if task >= tasks || job.is_null() {
            return false;
        }
        if self.ticket.compare_exchange_weak(ticket, ticket + 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return true;
        }
        // SAFETY: the ticket was still the one read before the job's words, so they belong to the job that is running, whose
        // `run_job` waits for this task before its reference and the closure behind that go.
        let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { (*job)(task) }));
        if outcome.is_err() {
            self.panicked.store(true, Ordering::Relaxed);
        }
        self.finished.fetch_add(1, Ordering::AcqRel);
        true
    }

    /// A helper's life until it is dismissed.
    fn help(&self) {
        let mut patience = Patience::default();
        while !self.dismissed.load(Ordering::Acquire) {
            if self.take_task() {
                patience = Patience::default();
            } else {
                patience.wait();
            }
        }
    }

    /// Cuts each slice into pieces of its own length (the last may be shorter) and calls `f(i, pieces)` with the i-th
    /// piece of each, on any thread and in any order. A slice that has no i-th piece contributes an empty one.
    pub fn pieces<T: Send, const N: usize>(
        &self,
        mut slices: [(&mut [T], usize); N],
        f: impl Fn(usize, [&mut [T]; N]) + Sync,
    ) {
        let tasks = slices.iter().map(|(slice, len)| slice.len().div_ceil((*len).max(1))).max().unwrap_or(0);
        let cuts: [_; N] = std::array::from_fn(|n| Cut::new(&mut *slices[n].0, slices[n].1));
        self.run(tasks, |i| {
            // SAFETY: the slices are borrowed mutably until `run` returns, pieces with different numbers do not
            // overlap, and `run` calls each number once.
            f(i, std::array::from_fn(|n| unsafe { cuts[n].get(i) }))
        });
    }

    /// As [`Team::pieces`], where a call also has memory to work in: a piece of `memory` that no other call has at the time.
    /// The content that it finds there depends on chance. At most as many calls run at the same time as there are whole pieces
    /// of `memory`.
    ///
    /// # Panics
    /// If `memory` has no whole piece while there is something to do.
    pub fn pieces_in<T: Send, const N: usize>(
        &self,
        mut slices: [(&mut [T], usize); N],
        memory: (&mut [T], usize),
        f: impl Fn(usize, [&mut [T]; N], &mut [T]) + Sync,
    ) {
        let tasks = slices.iter().map(|(slice, len)| slice.len().div_ceil((*len).max(1))).max().unwrap_or(0);
        let cuts: [_; N] = std::array::from_fn(|n| Cut::new(&mut *slices[n].0, slices[n].1));
        let (memory, len) = memory;
        let workers = memory.len() / len.max(1);
        assert!(workers > 0 || tasks == 0, "{} elements of memory, expected at least {len}", memory.len());
        let next = AtomicUsize::new(0);
        self.pieces([(&mut memory[..workers.min(tasks) * len], len)], |_, [memory]| {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= tasks {
                    break;
                }
                // SAFETY: the slices are borrowed mutably until `pieces` returns, pieces with different numbers do not
                // overlap, and `next` gives out each number once.
                f(i, std::array::from_fn(|n| unsafe { cuts[n].get(i) }), memory);
            }
        });
    }
}

/// A mutable slice that threads share by taking different pieces.
struct Cut<T> {
    start: *mut T,
    len: usize,
    piece: usize,
}

// SAFETY: only `get` reads the pointer, and its caller hands each piece to one thread at a time.
unsafe impl<T: Send> Sync for Cut<T> {}

impl<T> Cut<T> {
    fn new(slice: &mut [T], piece: usize) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), piece: piece.max(1) }
    }

    /// The i-th piece.
    ///
    /// # Safety
    /// The slice is still borrowed, and no two live pieces have the same number.
    #[allow(clippy::mut_from_ref)]
    unsafe fn get(&self, i: usize) -> &mut [T] {
        let start = (i * self.piece).min(self.len);
        let len = self.piece.min(self.len - start);
        if len == 0 {
            return &mut [];
        }
        // SAFETY: `start + len` lies within the slice; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
}

/// A spin-wait: at first without leaving the processor, later by offering it to others, so that more threads
/// than cores still make progress.
#[derive(Default)]
struct Patience(u32);

impl Patience {
    fn wait(&mut self) {
        self.0 = self.0.saturating_add(1);
        if self.0 < 4_000 {
            std::hint::spin_loop();
        } else {
            std::thread::yield_now();
        }
    }
}
