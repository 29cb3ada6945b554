//! A device that somebody else still has questions for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Device, Launch, Result, Transfer};

fn lock<D>(device: &Mutex<D>) -> MutexGuard<'_, D> {
    device.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whoever has the other handle can ask the device what its trait does not tell, such as an emulator's counts.
impl<D: Device> Device for Arc<Mutex<D>> {
    fn load_module(&mut self, name: &str, ptx: &str) -> Result<()> {
        lock(self).load_module(name, ptx)
    }

    fn shared_bytes_per_block(&self) -> usize {
        lock(self).shared_bytes_per_block()
    }

    fn architecture(&self) -> u32 {
        lock(self).architecture()
    }

    fn holds_clusters(&mut self, launch: &Launch) -> Result<bool> {
        lock(self).holds_clusters(launch)
    }

    fn alloc(&mut self, bytes: u64) -> Result<u64> {
        lock(self).alloc(bytes)
    }

    fn free(&mut self, address: u64) -> Result<()> {
        lock(self).free(address)
    }

    fn write(&mut self, to: u64, bytes: &[u8]) -> Result<()> {
        lock(self).write(to, bytes)
    }

    fn read(&mut self, from: u64, bytes: &mut [u8]) -> Result<()> {
        lock(self).read(from, bytes)
    }

    fn zero(&mut self, to: u64, bytes: u64) -> Result<()> {
        lock(self).zero(to, bytes)
    }

    fn launch(&mut self, launch: &Launch) -> Result<()> {
        lock(self).launch(launch)
    }

    fn replay(&mut self, number: u64, launches: &[Launch]) -> Result<()> {
        lock(self).replay(number, launches)
    }

    fn forget(&mut self, number: u64) -> Result<()> {
        lock(self).forget(number)
    }

    fn synchronize(&mut self) -> Result<()> {
        lock(self).synchronize()
    }

    fn link(&self) -> Result<Option<String>> {
        lock(self).link()
    }

    fn begin_group(&mut self) -> Result<Vec<u8>> {
        lock(self).begin_group()
    }

    fn join_group(&mut self, group: &[u8], rank: usize, ranks: usize) -> Result<()> {
        lock(self).join_group(group, rank, ranks)
    }

    fn exchange(&mut self, out: &[Transfer], into: &[Transfer]) -> Result<()> {
        lock(self).exchange(out, into)
    }
}
