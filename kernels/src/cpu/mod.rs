//! Kernels for the processor: generic over [`Float`](crate::Float), compiled for several instruction sets,
//! split over threads in pieces whose size never depends on the number of threads.

pub mod activation;
pub mod axis;
pub mod conv;
pub mod dropout;
pub mod eigen;
pub mod float;
pub mod frozen;
pub mod gelu;
pub mod gemm;
pub mod lanes;
pub mod loss;
pub mod matrix;
pub mod norm;
pub mod optimizer;
mod packed;
pub mod peak;
pub mod polynomial;
pub mod pool;
pub mod recurrent;
pub mod reduce;
pub mod rng;
pub mod simd;
pub mod softmax;
pub mod student;
pub mod team;
pub mod threads;
mod tiles;

pub use team::{Pool, Team};
