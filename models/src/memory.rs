//! Need of memory held against what is free, before it is asked for: an allocation that fails aborts the process.
//!
//! ```
//! use inkgrad_models::memory;
//!
//! memory::check(1 << 20, "a picture")?; // a megabyte: never refused
//! let error = memory::check(1 << 60, "five million drawings").expect_err("an exabyte");
//! assert!(error.to_string().starts_with("five million drawings: "));
//! # Ok::<(), inkgrad_models::Error>(())
//! ```

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// Less than this is never refused, nor asked about: that takes some files of the system.
const SMALL: u64 = 1 << 22;

/// Checks that `bytes` more can be had; `what` needs them.
///
/// # Errors
/// One line with the need and what is free.
pub fn check(bytes: u64, what: impl std::fmt::Display) -> Result<()> {
    if bytes < SMALL {
        return Ok(());
    }
    match available() {
        Some(free) if bytes > free => {
            let mib = |bytes: u64| bytes.div_ceil(1 << 20);
            Err(Error::input(what, format_args!("needs {} MiB of memory, {} MiB are free", mib(bytes), mib(free))))
        }
        _ => Ok(()),
    }
}

/// Deflate shrinks at most 1032-fold (<https://zlib.net/zlib_tech.html>).
pub const MOST_INFLATION: u64 = 1032;

/// From this many unpacked bytes on a packed file may be a bomb.
const LARGE: u64 = 1 << 26;

/// A bomb's bytes are this many times those of its file: drawings and numbers shrink up to some thirty-fold, zeros 1030-fold.
const SUSPICIOUS: u64 = 300;

/// Checks that a packed file of `length` bytes may become `bytes` in memory, and that they can be had.
///
/// # Errors
/// One line: the file is a bomb, or memory is short.
pub fn check_packed(bytes: u64, length: u64, what: impl std::fmt::Display) -> Result<()> {
    if bytes > LARGE && bytes / SUSPICIOUS > length {
        let (mib, times) = (bytes.div_ceil(1 << 20), bytes / length.max(1));
        let problem = format_args!(
            "{length} packed bytes become {mib} MiB, {times} times as many, expected at most {SUSPICIOUS} times (unpack it \
             yourself if that is meant)"
        );
        return Err(Error::input(what, problem));
    }
    check(bytes, what)
}

/// Bytes that this process can still get: the least of what the machine, its control group and its limit on address
/// space leave. `None` where the system does not say.
pub fn available() -> Option<u64> {
    [machine(), control_group(), address_space()].into_iter().flatten().min()
}

/// `MemAvailable` of Linux.
fn machine() -> Option<u64> {
    kib(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

/// `memory.max` less `memory.current` of the control group (version 2) and of those above it.
fn control_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let number = |path: &Path, name| fs::read_to_string(path.join(name)).ok()?.trim().parse::<u64>().ok();
    let root = Path::new("/sys/fs/cgroup");
    let of = |path: &Path| Some(number(path, "memory.max")?.saturating_sub(number(path, "memory.current")?));
    root.join(group).ancestors().take_while(|path| path.starts_with(root)).filter_map(of).min()
}

/// The soft limit on address space less what is mapped.
fn address_space() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: u64 = limit.split_whitespace().next()?.parse().ok()?;
    Some(limit.saturating_sub(kib(&fs::read_to_string("/proc/self/status").ok()?, "VmSize:")?))
}

/// The value of `NAME   123 kB`, in bytes.
fn kib(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_need_is_held_against_what_is_free() {
        assert!(available().is_some_and(|free| free > 1 << 20));
        check(1 << 10, "a kibibyte").unwrap();
        let error = check(u64::MAX, "z.npy").unwrap_err().to_string();
        assert!(error.starts_with("z.npy: needs 17592186044416 MiB of memory, ") && error.ends_with(" MiB are free"));
    }

    #[test]
    fn numbers_of_proc_are_read() {
        assert_eq!(kib("MemFree: 1 kB\nMemAvailable:    2048 kB\n", "MemAvailable:"), Some(2 << 20));
        assert_eq!(kib("nothing", "MemAvailable:"), None);
    }
}
