//! The arithmetic of inkgrad: slices in, slices out. Nothing here knows a tensor or a graph.

pub mod cpu;
pub mod emulator;
pub mod estimate;
pub mod gpu;
pub mod launch;
pub mod ptx;

pub use cpu::float::Float;
