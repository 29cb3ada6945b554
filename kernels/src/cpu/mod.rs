//! Kernels for the processor: generic over [`Float`](crate::Float), compiled for several instruction sets,
//! split over threads in pieces whose size never depends on the number of threads.

pub mod activation;
pub mod conv;
pub mod eigen;
pub mod frozen;
pub mod gemm;
pub mod gru;
pub mod lanes;
pub mod loss;
pub mod lstm;
pub mod optimizer;
mod packed;
pub mod peak;
pub mod polynomial;
pub mod pool;
pub mod recurrence;
pub mod reduce;
pub mod rng;
pub mod simd;
pub mod student;
pub mod team;
pub mod threads;
mod tiles;

pub use team::{Pool, Team};
