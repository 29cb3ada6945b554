//! A device under watch: each buffer of a launch in an allocation of its own.

use super::{Access, Arg, Buffer, Device, Error, Launch, Result};

/// Gives each [`Buffer`] of a launch an allocation of exactly its size, which is filled before the launch and copied back
/// after it. A model's buffers are neighbours in one allocation, within which a tool that watches a GPU's memory sees no
/// overrun; here it does. Slow: for checks.
pub struct Apart {
    device: Box<dyn Device>,
}

impl Apart {
    /// The same device under watch.
    pub fn new(device: Box<dyn Device>) -> Self {
        Apart { device }
    }

    /// New memory that holds zeros.
    fn zeroed(&mut self, bytes: u64) -> Result<u64> {
        let address = self.device.alloc(bytes)?;
        self.device.zero(address, bytes)?;
        Ok(address)
    }

    fn copy(&mut self, from: u64, to: u64, bytes: u64) -> Result<()> {
        let mut values = vec![0; bytes as usize];
        self.device.read(from, &mut values)?;
        self.device.write(to, &values)
    }
}

impl Device for Apart {
    fn load_module(&mut self, name: &str, ptx: &str) -> Result<()> {
        self.device.load_module(name, ptx)
    }

    fn architecture(&self) -> u32 {
        self.device.architecture()
    }

    fn holds_clusters(&mut self, launch: &Launch) -> Result<bool> {
        self.device.holds_clusters(launch)
    }

    fn shared_bytes_per_block(&self) -> usize {
        self.device.shared_bytes_per_block()
    }

    fn alloc(&mut self, bytes: u64) -> Result<u64> {
        // A kernel may read a part of a buffer, all of which is copied.
        self.zeroed(bytes)
    }

    fn free(&mut self, address: u64) -> Result<()> {
        self.device.free(address)
    }

    fn write(&mut self, to: u64, bytes: &[u8]) -> Result<()> {
        self.device.write(to, bytes)
    }

    fn read(&mut self, from: u64, bytes: &mut [u8]) -> Result<()> {
        self.device.read(from, bytes)
    }

    fn zero(&mut self, to: u64, bytes: u64) -> Result<()> {
        self.device.zero(to, bytes)
    }

    /// # Errors
    /// As the device's; and if two buffers overlap of which one is written.
    fn launch(&mut self, launch: &Launch) -> Result<()> {
        let buffer = |arg: &Arg| if let Arg::Buffer(buffer) = arg { Some(*buffer) } else { None };
        let buffers: Vec<Buffer> = launch.args.iter().filter_map(buffer).collect();
        for (i, a) in buffers.iter().enumerate() {
            if let Some(b) = buffers[i + 1..].iter().find(|b| overlap(a, b)) {
                let problem = format!("found buffers at {:#x} and {:#x}, expected them apart", a.address, b.address);
                return Err(Error::Launch { entry: launch.entry.to_owned(), problem });
            }
        }
        let mut own = Vec::with_capacity(buffers.len());
        for buffer in &buffers {
            let address = self.zeroed(buffer.bytes)?;
            own.push(address);
            if buffer.access != Access::Write {
                self.copy(buffer.address, address, buffer.bytes)?;
            }
        }
        let (mut moved, mut next) = (launch.clone(), own.iter());
        for arg in &mut moved.args {
            if let Arg::Buffer(buffer) = arg {
                buffer.address = *next.next().expect("each buffer has its own");
                // The zeros that stand there count as written: all of it is copied back.
                if buffer.access == Access::Write {
                    buffer.access = Access::ReadWrite;
                }
            }
        }
        self.device.launch(&moved)?;
        self.device.synchronize()?;
        for (buffer, address) in buffers.iter().zip(own) {
            if buffer.access != Access::Read {
                self.copy(address, buffer.address, buffer.bytes)?;
            }
            self.device.free(address)?;
        }
        Ok(())
    }

    fn synchronize(&mut self) -> Result<()> {
        self.device.synchronize()
    }
}

/// Whether two buffers share a byte that one of them writes.
fn overlap(a: &Buffer, b: &Buffer) -> bool {
    let shared = a.address < b.address + b.bytes && b.address < a.address + a.bytes;
    shared && (a.access != Access::Read || b.access != Access::Read)
}
