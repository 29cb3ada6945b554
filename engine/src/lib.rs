//! Reverse-mode automatic differentiation, written to be read.
//!
//! Ordinary Rust records operations on a [`Tape`]; [`Tape::compile`] makes a [`Plan`] of it once; the plan replays
//! forward and backward each step without allocating. The operations are in [`ops`], layers in [`nn`].
//!
//! ```
//! use inkgrad_engine::prelude::*;
//!
//! // Exclusive or, learnt by a network of two layers.
//! let (mut tape, mut params) = (Tape::<f32>::new(), Params::new());
//! let network = nn::Mlp::new(&mut params, "net", &[2, 16, 1]);
//! let (x, target) = (tape.input("x", [4, 2]), tape.input("target", [4, 1]));
//! let y = network.forward(&mut tape, x)?;
//! let loss = tape.mse(y, target)?;
//! params.initialise(1);
//!
//! let mut plan = tape.compile(Compile { loss: Some(loss), keep: &[y], ..Compile::default() });
//! plan.fill(x, &[0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0])?;
//! plan.fill(target, &[0.0, 1.0, 1.0, 0.0])?;
//! let (mut optimizer, team) = (Optimizer::adam(&params), Team::solo());
//! for step in 0..300 {
//!     plan.forward(&params, &team, Clock { seed: 1, step });
//!     plan.backward(&mut params, &team);
//!     optimizer.update(&mut params, &team, 0.02);
//! }
//! plan.forward(&params, &team, Clock::default());
//! assert_eq!(plan.value(y).iter().map(|y| y.round()).collect::<Vec<_>>(), [0.0, 1.0, 1.0, 0.0]);
//! # Ok::<(), Error>(())
//! ```

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
