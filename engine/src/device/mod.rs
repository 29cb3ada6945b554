//! What a plan can run on.

use inkgrad_kernels::cpu::simd;

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
    /// The CUDA kernels, emulated on the processor.
    Emulated,
}

/// A device's state on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    /// The kind.
    pub device: Device,
    /// What there is, or why it can't be used.
    pub status: Result<String, String>,
}

impl Device {
    /// All kinds.
    pub const ALL: [Device; 3] = [Device::Cpu, Device::Cuda, Device::Emulated];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Device::Cpu => "cpu",
            Device::Cuda => "cuda",
            Device::Emulated => "emulated",
        }
    }

    /// Whether this build can use the device here, and why not otherwise.
    pub fn availability(self) -> Availability {
        let status = match self {
            Device::Cpu => {
                let threads = std::thread::available_parallelism().map_or(1, usize::from);
                Ok(format!("{threads} threads, {} kernels", simd::isa().name()))
            }
            Device::Cuda => Err("this build has no CUDA backend".to_owned()),
            Device::Emulated => Err("this build has no CUDA backend to emulate".to_owned()),
        };
        Availability { device: self, status }
    }
}
