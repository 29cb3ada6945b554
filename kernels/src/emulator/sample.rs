//! One block of a launch, alone: what it counts, and how long it takes on a GPU.

use super::hardware::Hardware;
use super::timing::{BlockTime, Timing};
use super::{Counters, Emulator, check_block, find_kernel};
use crate::launch::{Launch, Result};

impl Emulator {
    /// Runs the block with the number `block` (x fastest) of a launch, and no other. Memory that no block has written reads as
    /// it is, so that blocks can be run whose input was not computed. `level1`: bytes of the L1 cache that it has;
    /// `cold`: for each argument whether its buffer is in device memory instead of the L2 cache.
    ///
    /// # Errors
    /// As [`Device::launch`](crate::launch::Device::launch); and if there is no such block.
    pub fn sample(
        &mut self,
        launch: &Launch,
        block: u64,
        gpu: &Hardware,
        level1: u32,
        cold: &[bool],
    ) -> Result<(Counters, BlockTime)> {
        check_block(launch, block)?;
        let warps = launch.block.iter().product::<u32>().div_ceil(32) as usize;
        let kernel = find_kernel(&self.kernels, launch)?;
        let mut timing = Some(Timing::new(gpu, kernel, block, warps, level1, cold));
        let before = self.counters.remove(launch.entry);
        let result = self.run(launch, None, &mut timing);
        let counted = self.counters.remove(launch.entry).unwrap_or_default();
        if let Some(before) = before {
            self.counters.insert(launch.entry.to_owned(), before);
        }
        result?;
        Ok((counted, timing.map(Timing::finish).unwrap_or_default()))
    }

    /// Bytes of shared memory of a launch's blocks, those of the kernel's own variables among them.
    ///
    /// # Errors
    /// If no such entry point is loaded.
    pub fn shared_bytes(&self, launch: &Launch) -> Result<u32> {
        let kernel = find_kernel(&self.kernels, launch)?;
        let own: usize = kernel.shared.iter().filter_map(|variable| variable.bytes).sum();
        Ok(own as u32 + launch.shared_bytes)
    }
}
