//! Limits of the system that would end the process by a signal: each becomes one line and exit status 2.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{self, Write};
use std::thread;

/// The system's allocator. Where it has no more memory to give, the process says so and exits with status 2, instead of
/// aborting: a program makes it its own by `#[global_allocator]`.
#[derive(Debug)]
pub struct Allocator;

// SAFETY: every call goes to the system's allocator as it is, and comes back with what that gave, or not at all.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the same.
        given(unsafe { System.alloc(layout) }, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the same.
        given(unsafe { System.alloc_zeroed(layout) }, layout.size())
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is the same, and the memory is the system allocator's.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise is the same, and the memory is the system allocator's.
        given(unsafe { System.realloc(memory, layout, size) }, size)
    }
}

fn given(memory: *mut u8, bytes: usize) -> *mut u8 {
    if memory.is_null() {
        refused(bytes);
    }
    memory
}

/// Says that there is no more memory and ends the process, without asking for any.
#[cold]
fn refused(bytes: usize) -> ! {
    crate::terminal::restore();
    let mut line = [0u8; 160];
    let length = line.len();
    let mut rest = &mut line[..];
    let _ = writeln!(
        rest,
        "error: memory: {} more KiB cannot be had, expected a higher limit (ulimit -v), or less to do at a time",
        bytes.div_ceil(1024)
    );
    let written = length - rest.len();
    // Standard error has no buffer.
    let _ = io::stderr().write_all(&line[..written]);
    exit()
}

#[cfg(unix)]
fn exit() -> ! {
    // SAFETY: it ends the process and touches none of its memory; what runs at an orderly end might ask for some.
    unsafe { libc::_exit(2) }
}

#[cfg(not(unix))]
fn exit() -> ! {
    std::process::exit(2)
}

/// Makes a write beyond the limit on a file's size an error, as on a full disk, where the signal would end the process.
pub fn heed() {
    #[cfg(unix)]
    // SAFETY: no handler is installed, the signal is ignored; nothing else in the process asks for it.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// The stack that a command may need, several times over.
const STACK: usize = 8 << 20;

/// Does a command's work: on the main thread, or, where the system gives that a small stack (`ulimit -s`), on one with enough, since
/// a stack that overflows is a signal.
pub fn on_enough_stack<T: Send>(work: impl Fn() -> T + Copy + Send) -> T {
    if !stack_is_small() {
        return work();
    }
    thread::scope(|scope| match thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work) {
        Ok(worker) => worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        // For want of threads.
        Err(_) => work(),
    })
}

#[cfg(unix)]
fn stack_is_small() -> bool {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: it writes the limit and nothing else.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_STACK, &mut limit) } == 0;
    known && limit.rlim_cur < 1 << 20
}

#[cfg(not(unix))]
fn stack_is_small() -> bool {
    false
}
