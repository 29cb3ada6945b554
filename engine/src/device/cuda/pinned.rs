//! Memory of the host that stays where it is, so that a GPU copies to and from it by itself, at the full speed of its bus.

use cudarc::driver::result::{self, DriverError};
use inkgrad_kernels::launch::{Device, Result};

use super::{Cuda, failed};

/// Fewer bytes are copied as they lie.
const WORTH_IT: usize = 1 << 16;
/// Bytes that go through it at a time.
const MOST: usize = 16 << 20;

/// Such memory.
#[derive(Debug)]
pub(super) struct Pinned {
    address: *mut u8,
}

impl Pinned {
    /// As much as is copied at a time, in the current context, which outlives it.
    ///
    /// # Errors
    /// If the system has too little that may stay in its place.
    fn new() -> Result<Self, DriverError> {
        // SAFETY: memory of that size, which is given back when this is dropped, and holds zeros before anybody reads it.
        unsafe {
            let address: *mut u8 = result::malloc_host(MOST, 0)?.cast();
            address.write_bytes(0, MOST);
            Ok(Pinned { address })
        }
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: so many bytes were allocated, and nobody else has their address but a GPU, whose copies are waited for.
        unsafe { std::slice::from_raw_parts_mut(self.address, MOST) }
    }

    /// The parts of `bytes` bytes that fit, each with its place.
    fn parts(bytes: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        (0..bytes).step_by(MOST).map(move |start| start..bytes.min(start + MOST))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: it was allocated so, and no copy is under way.
        let _ = unsafe { result::free_host(self.address.cast()) };
    }
}

impl Cuda {
    /// Copies to the GPU, after the work before it.
    pub(super) fn copy_in(&mut self, to: u64, bytes: &[u8]) -> Result<()> {
        self.bind()?;
        let Some(mut pinned) = self.pinned_for(bytes.len()) else { return self.copy_to(to, bytes) };
        let copied = Pinned::parts(bytes.len()).try_for_each(|part| {
            let staged = &mut pinned.bytes()[..part.len()];
            staged.copy_from_slice(&bytes[part.clone()]);
            self.copy_to(to + part.start as u64, staged)?;
            // Before it holds other bytes.
            self.synchronize()
        });
        self.pinned = Some(pinned);
        copied
    }

    /// Waits for the work before it, then copies from the GPU.
    pub(super) fn copy_out(&mut self, from: u64, bytes: &mut [u8]) -> Result<()> {
        self.bind()?;
        let Some(mut pinned) = self.pinned_for(bytes.len()) else { return self.copy_from(from, bytes) };
        let copied = Pinned::parts(bytes.len()).try_for_each(|part| {
            let staged = &mut pinned.bytes()[..part.len()];
            self.copy_from(from + part.start as u64, staged)?;
            bytes[part].copy_from_slice(staged);
            Ok(())
        });
        self.pinned = Some(pinned);
        copied
    }

    /// The memory that a copy of so many bytes goes through, if it is worth it and the system has some; to be put back.
    fn pinned_for(&mut self, bytes: usize) -> Option<Pinned> {
        match bytes < WORTH_IT {
            true => None,
            false => self.pinned.take().or_else(|| Pinned::new().ok()),
        }
    }

    /// Puts a copy to the GPU on the stream; pageable memory is copied aside before it returns.
    fn copy_to(&self, to: u64, bytes: &[u8]) -> Result<()> {
        // SAFETY: pageable memory has been copied when the call returns; pinned memory stays as it is until `copy_in` has waited.
        unsafe { result::memcpy_htod_async(to, bytes, self.stream) }.map_err(failed("copying to the GPU"))
    }

    /// Copies from the GPU and waits for it.
    fn copy_from(&mut self, from: u64, bytes: &mut [u8]) -> Result<()> {
        // SAFETY: the bytes are not touched before the copy is done, which is waited for.
        unsafe { result::memcpy_dtoh_async(bytes, from, self.stream) }.map_err(failed("copying from the GPU"))?;
        self.synchronize()
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Pinned};

    #[test]
    fn every_byte_goes_through_once() {
        for bytes in [0, 1, MOST - 1, MOST, 3 * MOST + 7] {
            let parts: Vec<_> = Pinned::parts(bytes).collect();
            assert!(parts.iter().all(|part| (1..=MOST).contains(&part.len())));
            assert_eq!(parts.iter().map(ExactSizeIterator::len).sum::<usize>(), bytes);
            assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
    }
}
