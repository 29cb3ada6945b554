//! Kernels for the processor: generic over [`Float`](crate::Float), compiled for several instruction sets,
//! split over threads in pieces whose size never depends on the number of threads.
//!
//! ```
//! use inkgrad_kernels::cpu::Pool;
//! use inkgrad_kernels::cpu::gemm::{gemm, gemm_scratch_len};
//! use inkgrad_kernels::cpu::matrix::{Matrix, MatrixMut};
//!
//! let (a, b, mut c) = ([1.0f32, 2.0], [3.0, 4.0, 5.0, 6.0], [0.0; 2]);
//! let mut scratch = vec![0.0; gemm_scratch_len(1, 2, 2)];
//! let (a, b) = (Matrix::new(&a, 1, 2), Matrix::new(&b, 2, 2));
//! Pool::new(2).enter(|team| gemm(team, 1.0, a, b, 0.0, MatrixMut::new(&mut c, 1, 2), &mut scratch));
//! assert_eq!(c, [13.0, 16.0]);
//! ```

pub mod activation;
pub mod axis;
pub mod bf16;
#[cfg(target_arch = "x86_64")]
mod bf16_tiles;
#[cfg(target_arch = "x86_64")]
mod blocked;
pub mod bytes;
pub mod conv;
pub mod distance;
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
pub mod packed;
pub mod peak;
pub mod polynomial;
pub mod pool;
pub mod raster;
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
