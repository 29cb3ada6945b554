//! How the kernels in `kernels/ptx` are launched: grid, tile constants, order of the arguments.
//!
//! Each function lists launches that compute the same as its twin in [`cpu`](crate::cpu): `lstm::forward(team, …)` there
//! works at once on slices, `lstm::forward(launches, …)` here notes what a GPU has to do on [`Span`]s of device memory. A
//! step's list is made once and replayed; whoever runs it knows no operation.
//!
//! | module | kernels in | twin |
//! |---|---|---|
//! | [`activation`], [`elementwise`] | `elementwise.ptx` | `cpu::activation` |
//! | [`gemm`] | `gemm.ptx`, `gemm_tensor.ptx` | `cpu::gemm` |
//! | [`conv`] | `conv_*.ptx` | `cpu::conv` |
//! | [`lstm`], [`gru`] | `lstm*.ptx`, `gru*.ptx` | `cpu::recurrent::lstm`, `cpu::recurrent::gru` |
//! | [`reduce`], [`loss`] | `reduce.ptx`, `loss.ptx` | `cpu::reduce`, `cpu::loss` |
//! | [`layout`] | `layout.ptx` | loops of the operations |
//! | [`nearest`] | `nearest.ptx` | `models/src/tsne/knn` |
//! | [`pool`] | `pool.ptx` | `cpu::pool` |
//! | [`random`] | `random.ptx` | `cpu::rng` |
//! | [`optimizer`], [`step`] | `optimizer.ptx`, `step.ptx` | `cpu::optimizer` |
//!
//! ```
//! use inkgrad_kernels::gpu::{Launches, Span, elementwise};
//!
//! let [a, b, sum] = [0, 4096, 8192].map(|address| Span { address, len: 1000 });
//! let mut launches = Launches::default();
//! elementwise::add(&mut launches, a, b, sum);
//! assert_eq!(launches.list.len(), 1); // one kernel, with its grid, its block and its arguments
//! ```

pub mod activation;
pub mod conv;
pub mod elementwise;
pub mod gemm;
pub mod gru;
pub mod layout;
pub mod loss;
pub mod lstm;
pub mod nearest;
pub mod optimizer;
pub mod pool;
pub mod random;
pub mod reduce;
pub mod step;

mod launches;
mod recurrent;

pub use launches::{Launches, Precision, Span, Target};
