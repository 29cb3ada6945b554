//! Reverse-mode automatic differentiation, written to be read.
//!
//! Ordinary Rust records operations on a [`Tape`]; [`Tape::compile`] makes a [`Plan`] of it once; the plan replays
//! forward and backward each step without allocating. Each operation is one file in [`ops`].

pub mod device;
pub mod error;
pub mod gradcheck;
pub mod inspect;
pub mod nn;
pub mod op;
pub mod ops;
pub mod optim;
pub mod testing;

mod arena;
mod copy;
mod layout;
mod needs;
mod params;
mod plan;
pub mod prelude;
#[cfg(any(test, feature = "proptest"))]
pub mod property;
mod shape;
mod tape;

pub use error::{Error, Result};
pub use inkgrad_kernels::Float;
pub use inkgrad_kernels::cpu::rng;
pub use inkgrad_kernels::cpu::{Pool, Team};
pub use inkgrad_kernels::launch::Error as DeviceError;
pub use layout::Compile;
pub use op::Clock;
pub use params::{Init, Param, ParamId, Params};
pub use plan::{Held, Plan, Profile, Times};
pub use shape::{MAX_RANK, Shape};
pub use tape::{Tape, Tensor};
