//! Limits of a launch: those of GPUs and those of the kernel's text.

use super::kernel::{Kernel, Variable};
use super::memory::Memory;
use super::parse::Problem;
use crate::launch::Launch;

/// Blocks that a cluster has at most on every GPU that knows clusters.
pub const CLUSTER: u32 = 8;

/// Checks a launch's grid, block and dynamic shared memory against the limits of GPUs and of the kernel's text, and its clusters
/// against the most blocks that one may have.
pub fn check_shape(kernel: &Kernel, launch: &Launch, most: u32) -> Result<(), String> {
    let threads = launch.block.iter().map(|n| u64::from(*n)).product::<u64>();
    if !(1..=1024).contains(&threads) || launch.block[2] > 64 {
        return Err(format!("found blocks of {:?} threads, expected 1 to 1024", launch.block));
    }
    let [x, y, z] = launch.grid;
    if x == 0 || x > i32::MAX as u32 || !(1..=65535).contains(&y) || !(1..=65535).contains(&z) {
        return Err(format!("found a grid of {:?} blocks, expected up to [2147483647, 65535, 65535]", launch.grid));
    }
    if let Some(required) = kernel.required_threads.filter(|required| *required != launch.block) {
        return Err(format!("found blocks of {:?} threads, expected {required:?}", launch.block));
    }
    if let Some(most) = kernel.max_threads
        && threads > most.iter().map(|n| u64::from(*n)).product()
    {
        return Err(format!("found blocks of {threads} threads, expected {most:?} at most"));
    }
    if !(1..=most).contains(&launch.cluster) || !x.is_multiple_of(launch.cluster) {
        return Err(format!(
            "found clusters of {} blocks in a grid of {:?}, expected a divisor of {x} up to {most}",
            launch.cluster, launch.grid
        ));
    }
    if let Some(required) = kernel.required_cluster.filter(|required| *required != [launch.cluster, 1, 1]) {
        return Err(format!("found clusters of {} blocks, expected {required:?}", launch.cluster));
    }
    if kernel.needs_cluster && launch.cluster == 1 {
        return Err("found no clusters, expected some for `.explicitcluster`".to_owned());
    }
    if launch.shared_bytes > 0 && kernel.shared.iter().all(|variable| variable.bytes.is_some()) {
        return Err(format!("found {} bytes of shared memory, expected none", launch.shared_bytes));
    }
    Ok(())
}

/// A block's shared memory: its variables, with nothing between them; `most` bytes of them.
pub fn shared_memory(kernel: &Kernel, dynamic: usize, most: usize) -> Result<Memory, String> {
    let bytes = |variable: &Variable| variable.bytes.unwrap_or(dynamic);
    let total: usize = kernel.shared.iter().map(bytes).sum();
    if total > most {
        return Err(format!("found {total} bytes of shared memory, expected {most} at most"));
    }
    let end = kernel.shared.iter().map(|variable| variable.offset + bytes(variable)).max().unwrap_or(0);
    let mut memory = Memory::new(end);
    let mut next = 0;
    for variable in &kernel.shared {
        memory.mark_outside(next..variable.offset.max(next));
        next = variable.offset + bytes(variable);
    }
    let whole = memory.bytes();
    memory.mark_outside(next.min(whole)..whole);
    Ok(memory)
}

/// Refuses a module's text that is for a later architecture; the line, and what is wrong there.
pub fn check_target(ptx: &str, architecture: u32) -> Result<(), Problem> {
    let targets =
        ptx.lines().enumerate().filter_map(|(i, line)| Some((i + 1, line.trim().strip_prefix(".target sm_")?)));
    for (line, target) in targets {
        let digits = target.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        if digits.parse().is_ok_and(|target: u32| target > architecture) {
            return Err((line, format!("found the target sm_{digits}, expected sm_{architecture} at most")));
        }
    }
    Ok(())
}
