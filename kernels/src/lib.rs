//! The arithmetic of inkgrad: slices in, slices out. Nothing here knows a tensor or a graph.
//!
//! ```
//! use inkgrad_kernels::cpu::activation;
//!
//! let (x, mut y) = ([-1.0f32, 0.0, 2.0], [0.0; 3]);
//! activation::relu(&x, &mut y);
//! assert_eq!(y, [0.0, 0.0, 2.0]);
//! ```

pub mod cpu;
pub mod emulator;
pub mod estimate;
pub mod gpu;
pub mod launch;
pub mod ptx;

pub use cpu::float::Float;
