//! The arithmetic of inkgrad: slices in, slices out. Nothing here knows a tensor or a graph.

pub mod cpu;
pub mod float;

pub use float::Float;
