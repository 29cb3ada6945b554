//! The devices that a plan can run on. On a GPU a step is a list of launches: [`op`] says what an operation adds to it, [`plan`]
//! makes the list once, [`state`] holds what lives on the device from step to step, [`window`] what steps are told and add
//! up to.
//!
//! ```
//! use inkgrad_engine::device::{Kind, Precision, plan::DevicePlan, state::State};
//! use inkgrad_engine::prelude::*;
//!
//! let mut params = Params::<f32>::new();
//! let line = nn::Linear::new(&mut params, "line", 3, 1);
//! params.initialise(1);
//! let mut tape = Tape::new();
//! let x = tape.input("x", [2, 3]);
//! let y = line.forward(&mut tape, x)?;
//!
//! // Kernels in PTX, run and checked by the emulator; `Kind::Cuda` is a GPU.
//! let mut device = Kind::Emulated.open(Precision::Fp32)?.expect("a device that is not the processor");
//! let state = State::new(&mut *device, &params, &Optimizer::adam(&params))?;
//! let plan = DevicePlan::new(tape, Compile { keep: &[y], ..Compile::default() }, &params, &state, &mut *device)?;
//! plan.write(&mut *device, x, &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0])?;
//! for launch in &plan.forward {
//!     device.launch(launch)?;
//! }
//! let y = plan.read(&mut *device, y)?;
//! let weight = params.iter().next().expect("the layer's weight");
//! assert!((y[0] - y[1] - params.value(&weight)[0]).abs() < 1e-6); // two rows, apart by the first weight
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod op;
pub mod plan;
pub mod state;
pub mod window;

#[cfg(feature = "cuda")]
mod cuda;

pub use inkgrad_kernels::gpu::{Launches, Precision, Span};

use inkgrad_kernels::cpu::simd;
use inkgrad_kernels::emulator::Emulator;
use inkgrad_kernels::{launch, ptx};

use crate::DeviceError;

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
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
    pub device: Kind,
    /// A description, or why it can't be used.
    pub status: Result<String, String>,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 3] = [Kind::Cpu, Kind::Cuda, Kind::Emulated];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Cpu => "cpu",
            Kind::Cuda => "cuda",
            Kind::Emulated => "emulated",
        }
    }

    /// Whether this build can use the device here, and why not otherwise.
    pub fn availability(self) -> Availability {
        let status = match self {
            Kind::Cpu => {
                let threads = std::thread::available_parallelism().map_or(1, usize::from);
                Ok(format!("{threads} threads, {} kernels", simd::isa().name()))
            }
            Kind::Cuda => probe_cuda().map_err(|error| error.to_string()),
            Kind::Emulated => Ok("the GPU's kernels, run and checked on the processor: slow".to_owned()),
        };
        Availability { device: self, status }
    }

    /// Opens the device with all kernels of a precision loaded; `None` for the processor, which needs none.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn open(self, precision: Precision) -> Result<Option<Box<dyn launch::Device>>, DeviceError> {
        self.open_one_of(0, precision)
    }

    /// The same for process number `user` of those that share a machine's n devices: it has number `user` mod n.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn open_one_of(
        self,
        user: usize,
        precision: Precision,
    ) -> Result<Option<Box<dyn launch::Device>>, DeviceError> {
        let mut device: Box<dyn launch::Device> = match self {
            Kind::Cpu => return Ok(None),
            Kind::Cuda => open_cuda(user)?,
            Kind::Emulated => Box::new(Emulator::new(0)),
        };
        load_kernels(device.as_mut(), precision)?;
        Ok(Some(device))
    }
}

/// Loads all kernels that the device's architecture has.
///
/// # Errors
/// If it has none of that precision, or refuses a kernel.
pub fn load_kernels(device: &mut dyn launch::Device, precision: Precision) -> Result<(), DeviceError> {
    if precision == Precision::Tf32 && device.architecture() < ptx::TENSOR_FROM {
        let (found, expected) = (device.architecture(), ptx::TENSOR_FROM);
        return Err(DeviceError::Driver(format!(
            "sm_{found} has no tensor cores for tf32, expected sm_{expected} or newer"
        )));
    }
    // An older GPU cannot load what is for tensor cores or clusters.
    let from = |first: u32, modules: &'static [_]| if device.architecture() >= first { modules } else { &[] };
    let (tensor, clusters) = (from(ptx::TENSOR_FROM, ptx::TENSOR), from(ptx::CLUSTERS_FROM, ptx::CLUSTERS));
    for (name, text) in ptx::MODULES.iter().chain(tensor).chain(clusters) {
        device.load_module(name, text)?;
    }
    Ok(())
}

/// The GPU's name.
#[cfg(feature = "cuda")]
fn probe_cuda() -> Result<String, DeviceError> {
    cuda::probe()
}

#[cfg(feature = "cuda")]
fn open_cuda(user: usize) -> Result<Box<dyn launch::Device>, DeviceError> {
    Ok(Box::new(cuda::Cuda::open(user)?))
}

#[cfg(not(feature = "cuda"))]
fn open_cuda(_: usize) -> Result<Box<dyn launch::Device>, DeviceError> {
    Err(DeviceError::Driver("this build has no CUDA backend".into()))
}

#[cfg(not(feature = "cuda"))]
fn probe_cuda() -> Result<String, DeviceError> {
    Err(DeviceError::Driver("this build has no CUDA backend".into()))
}
