//! Threads that stay awake for a whole step.
//!
//! A training step is some forty operations of which many take less time than it takes to wake a sleeping thread. So
//! rayon's threads are called once for many operations ([`Pool::enter`]), and in between they spin-wait for the next piece
//! of work and do not sleep. [`Team::run`] cuts numbered tasks into as many ranges as there are threads. Each thread takes the
//! tasks of its own range first, then what others have left: operations whose tasks are cut along a batch find in a thread's
//! cache what the one before has written there, and cores that share no cache exchange little. There are no queues, and none of
//! rayon's work stealing. Which thread takes which task varies, what a task computes must not: results are the same for any number
//! of threads as long as tasks are cut by the problem's shape alone.

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
        let team = Team { bf16: self.bf16, helpers: self.threads() - 1, ..Team::default() };
        let Some(pool) = &self.helpers else { return f(&team) };
        pool.in_place_scope(|scope| {
            for _ in 0..team.helpers {
                // By the number of the thread, not of the spawn: it has the same ranges at every step.
                scope
                    .spawn(|_| team.help(1 + rayon::current_thread_index().expect("a helper is a thread of the pool")));
            }
            // Dropped when `f` returns or panics: without it the scope would wait for the helpers for ever.
            let _dismiss = Dismiss(&team);
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
/// The current job is three words and a ticket for each range of its tasks. A ticket holds the job's number in its upper half and the
/// range's next task in its lower half; a thread takes a task by raising the ticket from the value that it read, which fails if the
/// job has changed since. So whoever succeeds has read the words of a job that is still running.
#[derive(Debug, Default)]
pub struct Team {
    helpers: usize,
    tickets: Tickets,
    tasks: AtomicUsize,
    /// Threads that may take part.
    most: AtomicUsize,
    job: AtomicPtr<Job<'static>>,
    finished: AtomicUsize,
    panicked: AtomicBool,
    dismissed: AtomicBool,
    /// Whether a job is being handed out: its words belong to one caller of [`Team::run`] at a time.
    busy: AtomicBool,
    /// Whether matrices of `f32` are multiplied with factors in bf16.
    bf16: bool,
}

/// The most ranges that a job is cut into; of more threads some share one.
const RANGES: usize = 64;
/// The lower half of a ticket, of which all bits say that its range has no task.
const NEXT: u64 = u32::MAX as u64;

/// A ticket for each range, none beside another one in a cache's line (of which processors fetch two at a time).
#[derive(Debug)]
struct Tickets([Apart<AtomicU64>; RANGES]);

#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

impl Default for Tickets {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Apart::default()))
    }
}

/// Ends a job, also where it panics.
struct Idle<'a>(&'a Team);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.busy.store(false, Ordering::Release);
    }
}

/// A closure that does a task by its number, on the thread of a number. The team keeps the address of this reference, which is one word
/// where the reference is two.
type Job<'a> = &'a (dyn Fn(usize, usize) + Sync);

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
        1 + self.helpers
    }

    /// Calls `f(0) … f(tasks − 1)`, each once, on any thread and in any order, and returns when all have returned.
    ///
    /// One job runs at a time: neither may `f` call this in turn, nor two threads at once. Nor may `f` use rayon, whose threads are
    /// the team's.
    ///
    /// # Panics
    /// If a task panics, or another job of this team is running.
    pub fn run(&self, tasks: usize, f: impl Fn(usize) + Sync) {
        self.run_job(tasks, usize::MAX, &|task, _| f(task));
    }

    /// [`Team::run`] on at most so many threads, compiled once and not for every closure.
    fn run_job(&self, tasks: usize, most: usize, f: Job<'_>) {
        if tasks <= 1 || self.helpers == 0 {
            (0..tasks).for_each(|task| f(task, 0));
            return;
        }
        assert!(tasks < u32::MAX as usize, "{tasks} tasks, expected fewer than 2³² − 1");
        // The words below may be written only after the previous caller's last look at them: Acquire, and Release in
        // `Idle`. Once a job, beside tasks that are worth a thread's while, the exchange costs nothing measurable.
        assert!(!self.busy.swap(true, Ordering::Acquire), "a team runs one job at a time: nested or concurrent `run`");
        let _idle = Idle(self);
        self.finished.store(0, Ordering::Relaxed);
        // The previous job is over (its tickets are used up), so no thread can act on a mixture of old and new words:
        // its attempt to raise an old ticket fails.
        let tickets = &self.tickets.0;
        let number = (tickets[0].0.load(Ordering::Relaxed) >> 32).wrapping_add(1) & NEXT;
        for Apart(ticket) in tickets.iter().take(self.threads()) {
            ticket.fetch_or(NEXT, Ordering::AcqRel);
        }
        self.tasks.store(tasks, Ordering::Relaxed);
        self.most.store(most, Ordering::Relaxed);
        self.job.store((&raw const f).cast_mut().cast(), Ordering::Relaxed);
        let ranges = self.ranges(most);
        // The helpers' ranges first, so that they begin with their own.
        for (range, Apart(ticket)) in tickets[..ranges].iter().enumerate().rev() {
            ticket.store(number << 32 | start(range, ranges, tasks) as u64, Ordering::Release);
        }

        self.work(0);
        let mut patience = Patience::default();
        while self.finished.load(Ordering::Acquire) < tasks {
            patience.wait();
        }
        if self.panicked.swap(false, Ordering::Relaxed) {
            panic!("a task of this team panicked");
        }
    }

    /// Ranges of a job on at most so many threads.
    fn ranges(&self, most: usize) -> usize {
        self.threads().min(most).min(RANGES)
    }

    /// Does tasks, of the thread's own range and then of the others', until there are none; false where there was none. Says at the
    /// end how many it has finished, so that none of these is missing before the job is over.
    fn work(&self, thread: usize) -> bool {
        let ranges = self.ranges(usize::MAX);
        let mut done = 0;
        while let Some((task, job)) = (0..ranges).find_map(|turn| self.take((thread + turn) % ranges, thread)) {
            // SAFETY: the ticket was still the one read before the job's words, so they belong to the job that is running, whose
            // `run_job` waits for this task before its reference and the closure behind that go.
            let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { (*job)(task, thread) }));
            if let Err(payload) = outcome {
                // Never dropped: it could panic in turn, and this thread would end with tasks that nobody counts.
                std::mem::forget(payload);
                self.panicked.store(true, Ordering::Relaxed);
            }
            done += 1;
        }
        if done > 0 {
            self.finished.fetch_add(done, Ordering::AcqRel);
        }
        done > 0
    }

    /// The next task of a range, if there is one and the thread may take it.
    fn take(&self, range: usize, thread: usize) -> Option<(usize, *mut Job<'static>)> {
        let ticket = &self.tickets.0[range].0;
        loop {
            let read = ticket.load(Ordering::Acquire);
            let tasks = self.tasks.load(Ordering::Relaxed);
            let most = self.most.load(Ordering::Relaxed);
            let job = self.job.load(Ordering::Relaxed);
            let (task, ranges) = ((read & NEXT) as usize, self.ranges(most));
            if job.is_null() || thread >= most || range >= ranges || task >= start(range + 1, ranges, tasks) {
                return None;
            }
            if ticket.compare_exchange_weak(read, read + 1, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return Some((task, job));
            }
        }
    }

    /// A helper's life until it is dismissed.
    fn help(&self, thread: usize) {
        let mut patience = Patience::default();
        while !self.dismissed.load(Ordering::Acquire) {
            if self.work(thread) {
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

    /// As [`Team::pieces`] with two slices of different types.
    pub fn pairs<T: Send, U: Send>(
        &self,
        (x, x_len): (&mut [T], usize),
        (y, y_len): (&mut [U], usize),
        f: impl Fn(usize, &mut [T], &mut [U]) + Sync,
    ) {
        let tasks = x.len().div_ceil(x_len.max(1)).max(y.len().div_ceil(y_len.max(1)));
        let (x, y) = (Cut::new(x, x_len), Cut::new(y, y_len));
        self.run(tasks, |i| {
            // SAFETY: as in `pieces`.
            unsafe { f(i, x.get(i), y.get(i)) }
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
        let memory = Cut::new(&mut memory[..workers * len], len);
        self.run_job(tasks, workers, &|i, thread| {
            // SAFETY: the slices and the memory are borrowed mutably until `run_job` returns; pieces with different numbers do not
            // overlap, and it calls each number once; a thread, of which there are `workers` at most, does one task at a time.
            unsafe { f(i, std::array::from_fn(|n| cuts[n].get(i)), memory.get(thread)) }
        });
    }
}

/// The first task of a range.
fn start(range: usize, ranges: usize, tasks: usize) -> usize {
    range * tasks / ranges
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
